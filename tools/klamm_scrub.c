/* tools/klamm_scrub.c - klamm-scrub: reads log directories whole and says what is wrong where.
 * log/scrub.h does it, here as one job; a broker may be running there meanwhile. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/logging.h"
#include "controller/raft/quorum_state.h"
#include "log/dir.h"
#include "log/names.h"
#include "log/scrub.h"
#include "tools/cli.h"
#include "tools/ring_job.h"

enum option { OPT_RATE, OPT_QUIET, OPT_COUNT };

static const struct cli_option options[OPT_COUNT] = {
    [OPT_RATE] = {.name = "bytes-per-second",
                  .kind = CLI_INT64,
                  .label = "octets",
                  .fallback = "104857600",
                  .help = "The most that is read in a second; 0: no limit."},
    [OPT_QUIET] = {.name = "quiet", .help = "Print what is wrong and nothing else."},
};

static const struct cli_tool tool = {
    .name = "klamm-scrub",
    .purpose = "verifies every batch, index, snapshot and checkpoint of log directories.",
    .notes =
        "usage: klamm-scrub DIR... [OPTION...]\n\n"
        "DIR is an entry of log.dirs, of a stopped broker or of one that runs; nothing in it is\n"
        "changed. One line for everything that is wrong: FILE, the octet at which it is, and what\n"
        "it is. Exit status 0: nothing is wrong; 1: something is, or DIR cannot be read.\n",
    .options = options,
    .option_count = OPT_COUNT,
};

struct run {
    const char **dirs;
    uint32_t dir_count;
    int64_t bytes_per_second;
    bool quiet, failed;
    uint64_t findings;
};

static void print_finding(struct scrub *scrub, const struct scrub_finding *finding) {
    (void)scrub;
    if (finding->position < 0) {
        printf("%s: %s\n", finding->file, finding->what);
    } else {
        printf("%s: at octet %" PRId64 ": %s\n", finding->file, finding->position, finding->what);
    }
}

/* Whether a process holds the directory. */
static bool is_held(struct job *job, struct str dir) {
    int fd = -1;
    struct log_path path;
    log_path_of_name(&path, dir.ptr, ".lock", "");
    if (job_open(job, path.text, IO_READ | IO_WRITE, 0, &fd) != ST_OK) return false;
    enum status st = job_lock(job, fd);
    job_close(job, fd);
    return st == ST_BUSY;
}

/* The one small file that is the quorum's and not the log's. */
static void scrub_quorum_state(struct job *job, struct scrub *scrub, struct str dir) {
    struct log_path metadata, path;
    log_path_of_name(&metadata, dir.ptr, "__cluster_metadata-0", "");
    log_path_of_name(&path, metadata.text, QUORUM_STATE_FILE, "");
    char *text = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, QUORUM_STATE_BYTES_MAX, &text, &len);
    if (st == ST_NOT_FOUND) return;
    if (st == ST_OK) {
        struct arena arena;
        struct quorum_state state;
        struct str problem;
        arena_init(&arena, job_mem(job), 4096, 0);
        st = quorum_state_parse((struct str){text, len}, &arena, &state, &problem);
        arena_release(&arena);
        mem_free(job_mem(job), text, len + 1);
    }
    scrub->files++;
    if (st != ST_OK) scrub_tell(scrub, path.text, -1, "is not readable as what it should be");
}

static void scrub_one(struct job *job, struct run *run, struct str dir) {
    struct scrub scrub = {.found = print_finding,
                          .bytes_per_second = (uint64_t)run->bytes_per_second,
                          .is_live = is_held(job, dir)};
    enum status st = scrub_directory(job, &scrub, dir);
    if (st != ST_OK) {
        fprintf(stderr, "klamm-scrub: %s: %s\n", dir.ptr, status_name(st));
        run->failed = true;
        return;
    }
    scrub_quorum_state(job, &scrub, dir);
    run->findings += scrub.findings;
    if (!run->quiet) {
        printf("%s: %" PRIu64 " files, %" PRIu64 " batches, %" PRIu64 " octets, %" PRIu64
               " found wrong%s\n",
               dir.ptr, scrub.files, scrub.batches, scrub.bytes, scrub.findings,
               scrub.is_live ? " (a broker is running there)" : "");
    }
}

static void scrub_job(struct job *job, void *argument) {
    struct run *run = argument;
    for (uint32_t i = 0; i < run->dir_count; i++) scrub_one(job, run, str_of(run->dirs[i]));
}

/* The words that are neither options nor their values. */
static void find_dirs(struct run *run, struct arena *arena, int argc, char **argv) {
    run->dirs = arena_array(arena, (size_t)argc, sizeof *run->dirs);
    ASSERT(run->dirs != NULL);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            run->dirs[run->dir_count++] = argv[i];
        } else if (strcmp(argv[i] + strspn(argv[i], "-"), options[OPT_RATE].name) == 0) {
            i++;
        }
    }
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct cli cli;
    struct arena arena;
    struct run run = {0};
    cli_start(&cli, &tool, &mem, argc, argv);
    arena_init(&arena, &mem, 4096, 0);
    find_dirs(&run, &arena, argc, argv);
    if (run.dir_count == 0) cli_usage_exit(&cli, "klamm-scrub: which log directory?");
    run.bytes_per_second = cli_number(&cli, OPT_RATE);
    run.quiet = cli_has(&cli, OPT_QUIET);
    if (run.bytes_per_second < 0)
        cli_usage_exit(&cli, "klamm-scrub: --bytes-per-second must not be negative");
    logging_set_level(LOG_LEVEL_OFF); /* what is wrong is printed below */
    ring_job_run(scrub_job, &run);
    arena_release(&arena);
    cli_release(&cli);
    return fflush(stdout) == 0 && run.findings == 0 && !run.failed ? 0 : 1;
}
