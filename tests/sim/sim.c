/* tests/sim/sim.c - runs seeds on all processors and sums up.
 *
 *     sim SCENARIO [--seeds FIRST..LAST] [--jobs N]   a batch; KLAMM_SEED_BASE (default 0) is added
 *     sim SCENARIO --seed N [--trace]                 one seed again, every event printed
 *
 * Exit 0: every seed is good, every sampled seed had the same event hash twice, and no enabled
 * fault stayed away. Each worker is a process of its own, so that an assertion costs one seed, not
 * the batch. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/logging.h"
#include "tests/sim/scenario.h"

enum {
    WORKERS = 64,
    FAILURES = 100,
    SAMPLE = 25,             /* every so many seeds one is run twice */
    SEED_SECONDS = 60,       /* real ones; a seed that takes longer has lost its way */
};

struct failure {
    uint64_t seed;
    char what[800];
};

/* One for each worker, shared with the parent. */
struct worker {
    pid_t pid;
    uint64_t seed; /* under way */
    uint64_t seeds, events, virtual_us, sent, acked, read, crashes, clean_stops, repeated;
    uint64_t cleanings, deletions, cleaned_aborted, cleaned_markers;
    struct fault_counts counts;
};

static struct shared {
    _Atomic uint64_t next_seed;
    uint64_t last_seed;
    _Atomic uint32_t failure_count;
    struct failure failures[FAILURES];
    struct worker workers[WORKERS];
} * shared;

static const struct scenario {
    const char *name;
    void (*run)(uint64_t seed, bool trace, struct scenario_result *ret_result);
    uint64_t judged_from; /* seeds: a smaller batch may miss a rare fault */
} scenarios[] = {
    {"log", log_scenario_run, 300},
    {"broker", broker_scenario_run, 500},
    {"group", group_scenario_run, 2000},
    {"lost", lost_scenario_run, 1},
};

struct options {
    const struct scenario *scenario;
    uint64_t first, last;
    int jobs;
    bool one, trace;
};

static void silence(void *context, enum log_level level, const char *area, const char *text) {
    (void)context;
    (void)level;
    (void)area;
    (void)text;
}

static void print_line(void *context, enum log_level level, const char *area, const char *text) {
    (void)context;
    printf("    %s %s: %s\n", log_level_name(level), area, text);
}

static void note_failure(uint64_t seed, const char *what) {
    uint32_t index = atomic_fetch_add(&shared->failure_count, 1);
    if (index >= FAILURES) return;
    shared->failures[index].seed = seed;
    (void)snprintf(shared->failures[index].what, sizeof shared->failures[index].what, "%s", what);
}

static void add(struct worker *w, const struct scenario_result *result) {
    w->seeds++;
    w->events += result->event_count;
    w->virtual_us += result->virtual_us;
    w->sent += result->sent;
    w->acked += result->acked;
    w->read += result->read;
    w->crashes += result->crashes;
    w->clean_stops += result->clean_stops;
    w->cleanings += result->cleanings;
    w->deletions += result->deletions;
    w->cleaned_aborted += result->cleaned_aborted;
    w->cleaned_markers += result->cleaned_markers;
    fault_counts_add(&w->counts, &result->counts);
}

static void worker_main(const struct scenario *scenario, struct worker *w) {
    static struct scenario_result result, again;
    for (;;) {
        uint64_t seed = atomic_fetch_add(&shared->next_seed, 1);
        if (seed > shared->last_seed) _exit(EXIT_SUCCESS);
        w->seed = seed;
        (void)alarm(SEED_SECONDS);
        scenario->run(seed, false, &result);
        if (!result.is_good) note_failure(seed, result.failure);
        if (seed % SAMPLE == 0) {
            scenario->run(seed, false, &again);
            w->repeated++;
            if (again.hash != result.hash) note_failure(seed, "the same seed gave another run");
        }
        add(w, &result);
    }
}

static pid_t worker_start(const struct scenario *scenario, struct worker *w) {
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) worker_main(scenario, w);
    w->pid = pid;
    return pid;
}

/* A worker that died lost one seed; another goes on with the next. */
static void workers_run(const struct scenario *scenario, int jobs) {
    int alive = 0;
    for (int i = 0; i < jobs; i++) alive += worker_start(scenario, &shared->workers[i]) > 0;
    while (alive > 0) {
        int status = 0;
        pid_t pid = wait(&status);
        if (pid < 0) return;
        for (int i = 0; i < jobs; i++) {
            struct worker *w = &shared->workers[i];
            if (w->pid != pid) continue;
            alive--;
            if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) break;
            char what[100];
            int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            (void)snprintf(what, sizeof what, "%s",
                           signal == SIGALRM   ? "no end"
                           : signal == SIGABRT ? "an assertion failed"
                           : signal != 0       ? strsignal(signal)
                                               : "the process exited");
            note_failure(w->seed, what);
            if (atomic_load(&shared->failure_count) < FAILURES)
                alive += worker_start(scenario, w) > 0;
        }
    }
}

static double now_s(void) {
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int faults_report(const struct fault_counts *counts, bool judge) {
    int missing = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        bool is_missing = judge && counts->enabled[i] > 0 && counts->fired[i] == 0;
        printf("fault %-18s seeds=%-6" PRIu64 " fired=%" PRIu64 "%s\n",
               fault_name((enum fault_kind)i), counts->enabled[i], counts->fired[i],
               is_missing ? "  NEVER FIRED" : "");
        missing += is_missing;
    }
    return missing;
}

static int batch(const struct options *options, const char *program) {
    shared->next_seed = options->first;
    shared->last_seed = options->last;
    double start_s = now_s();
    workers_run(options->scenario, options->jobs);
    double took_s = now_s() - start_s;
    struct worker sum = {0};
    for (int i = 0; i < options->jobs; i++) {
        const struct worker *w = &shared->workers[i];
        sum.seeds += w->seeds;
        sum.events += w->events;
        sum.virtual_us += w->virtual_us;
        sum.sent += w->sent;
        sum.acked += w->acked;
        sum.read += w->read;
        sum.crashes += w->crashes;
        sum.clean_stops += w->clean_stops;
        sum.repeated += w->repeated;
        sum.cleanings += w->cleanings;
        sum.deletions += w->deletions;
        sum.cleaned_aborted += w->cleaned_aborted;
        sum.cleaned_markers += w->cleaned_markers;
        fault_counts_add(&sum.counts, &w->counts);
    }
    bool judge = options->last - options->first + 1 >= options->scenario->judged_from;
    int missing = faults_report(&sum.counts, judge);
    if (options->scenario->run == log_scenario_run) {
        printf("cleanings=%" PRIu64 " deletions=%" PRIu64 " cleaned-aborted=%" PRIu64
               " cleaned-markers=%" PRIu64 "\n",
               sum.cleanings, sum.deletions, sum.cleaned_aborted, sum.cleaned_markers);
        missing += judge && (sum.cleanings == 0 || sum.deletions == 0 ||
                             sum.cleaned_aborted == 0 || sum.cleaned_markers == 0);
    }
    printf("records sent=%" PRIu64 " acked=%" PRIu64 " read=%" PRIu64 " crashes=%" PRIu64
           " clean-stops=%" PRIu64 "\n",
           sum.sent, sum.acked, sum.read, sum.crashes, sum.clean_stops);
    printf("seeds=%" PRIu64 " repeated=%" PRIu64 " events=%" PRIu64
           " virtual-s=%.0f real-s=%.1f seeds/s=%.1f\n",
           sum.seeds, sum.repeated, sum.events, (double)sum.virtual_us / 1e6, took_s,
           (double)sum.seeds / took_s);
    uint32_t failed = atomic_load(&shared->failure_count);
    for (uint32_t i = 0; i < MIN(failed, (uint32_t)FAILURES); i++) {
        printf("FAILED seed %" PRIu64 ": %s\n    %s %s --seed %" PRIu64 " --trace\n",
               shared->failures[i].seed, shared->failures[i].what, program, options->scenario->name,
               shared->failures[i].seed);
    }
    return failed > 0 || missing > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int one(const struct options *options) {
    static struct scenario_result result;
    if (options->trace) {
        (void)setvbuf(stdout, NULL, _IOLBF, 0); /* an assertion shall find everything printed */
        logging_set_sink(print_line, NULL);
        logging_set_level(LOG_LEVEL_DEBUG);
    }
    options->scenario->run(options->first, options->trace, &result);
    printf("seed=%" PRIu64 " hash=%016" PRIx64 " events=%" PRIu64 " virtual-s=%.1f sent=%" PRIu64
           " acked=%" PRIu64 " read=%" PRIu64 " crashes=%" PRIu64 "\n",
           options->first, result.hash, result.event_count, (double)result.virtual_us / 1e6,
           result.sent, result.acked, result.read, result.crashes);
    if (!result.is_good) printf("FAILED %s\n", result.failure);
    return result.is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool read_options(int argc, char **argv, struct options *options) {
    const char *base_text = getenv("KLAMM_SEED_BASE");
    uint64_t base = base_text != NULL ? strtoull(base_text, NULL, 10) : 0;
    *options = (struct options){
        .first = base + 1, .last = base + 1000, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
    for (size_t i = 0; argc > 1 && i < COUNT(scenarios); i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) options->scenario = &scenarios[i];
    }
    if (options->scenario == NULL) return false;
    for (int i = 2; i < argc; i++) {
        uint64_t first, last;
        char more;
        if (strcmp(argv[i], "--trace") == 0) {
            options->trace = true;
        } else if (i + 1 == argc) {
            return false;
        } else if (strcmp(argv[i], "--seed") == 0 &&
                   sscanf(argv[++i], "%" SCNu64 "%c", &first, &more) == 1) {
            options->first = options->last = first; /* as it was printed, the base included */
            options->one = true;
        } else if (strcmp(argv[i], "--seeds") == 0 &&
                   sscanf(argv[++i], "%" SCNu64 "..%" SCNu64 "%c", &first, &last, &more) == 2 &&
                   first <= last) {
            options->first = base + first;
            options->last = base + last;
        } else if (strcmp(argv[i], "--jobs") == 0) {
            options->jobs = atoi(argv[++i]);
        } else {
            return false;
        }
    }
    options->jobs = MAX(1, MIN(options->jobs, (int)WORKERS));
    return true;
}

int main(int argc, char **argv) {
    struct options options;
    if (!read_options(argc, argv, &options)) {
        fputs("usage: sim log|broker|group|lost [--seeds FIRST..LAST] [--jobs N]\n"
              "       sim log|broker|group|lost --seed N "
              "[--trace]\n",
              stderr);
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return EXIT_FAILURE;
    logging_set_sink(silence, NULL);
    logging_set_level(LOG_LEVEL_OFF);
    return options.one ? one(&options) : batch(&options, argv[0]);
}
