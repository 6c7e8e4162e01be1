/* broker/main.c - the process: arguments, configuration, log lines, signals; then a broker over
 * io_uring. The only file that reads argv and the environment, and with the reactor the only one
 * that calls the system directly. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "base/limits.h"
#include "base/logging.h"
#include "broker/broker.h"
#include "broker/http/http.h"
#include "broker/reactor/reactor.h"

#define CONFIG_FILE_BYTES_MAX (1 << 20)
#define STOP_GRACE_MS 2000
#define URING_LEVEL "KLAMM_URING_LEVEL" /* 6.1: as on that kernel, for tests */

static const char usage[] =
    "usage: klamm [--override KEY=VALUE]... FILE   serve with this server.properties, in the "
    "foreground\n"
    "       klamm [--override KEY=VALUE]... --check FILE   only say whether it is good\n"
    "       klamm --version | --help\n"
    "A key is also set by an environment variable: KLAMM_NUM_PARTITIONS=3 for num.partitions; it\n"
    "wins over the file, an override over both.\n"
    "SIGTERM and SIGINT stop cleanly; a second one stops at once.\n";

struct arguments {
    const char *file;
    const char **overrides;
    uint32_t override_count;
    bool check;
};

struct process {
    struct reactor_group *reactors;
    struct io *ios[LIMIT_SHARDS];
    uint32_t shard_count;
    struct config_set config;
    struct listeners listeners;
    struct io_address http_address; /* family 0: none */
    struct mem mem;                 /* of the main thread */
    struct http *http;              /* NULL: none */
    uint64_t descriptor_limit;
    struct broker *broker;          /* shard 0's thread makes it */
    struct io_message stop_message;
};

/* --- log lines --- */

static void write_line(void *context, enum log_level level, const char *area, const char *text) {
    (void)context;
    struct timespec ts;
    struct tm tm;
    char line[1280];
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
    (void)gmtime_r(&ts.tv_sec, &tm);          /* cannot fail */
    int len = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s: %s\n",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec, ts.tv_nsec / 1000000, log_level_name(level), area, text);
    if (len < 0) return;
    size_t size = MIN((size_t)len, sizeof line - 1);
    line[size - 1] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) return; /* there is no other place to say it */
}

static enum log_level log_level(struct str name) {
    for (enum log_level level = LOG_LEVEL_DEBUG; level < LOG_LEVEL_OFF; level++) {
        if (str_eq(name, str_of(log_level_name(level)))) return level;
    }
    return LOG_LEVEL_INFO;
}

static int fail(struct str message) {
    fprintf(stderr, "klamm: %.*s\n", STR_ARG(message));
    return EXIT_FAILURE;
}

/* --- arguments and configuration --- */

/* 0: go on; otherwise the exit status + 1. */
static int read_arguments(int argc, char **argv, struct arena *arena, struct arguments *args) {
    args->overrides = arena_array(arena, (size_t)argc, sizeof *args->overrides);
    if (args->overrides == NULL) return fail(STR("no memory for the arguments")) + 1;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--version") == 0) {
            puts("klamm " KLAMM_VERSION);
            return 1;
        }
        if (strcmp(arg, "--help") == 0) {
            fputs(usage, stdout);
            return 1;
        }
        if (strcmp(arg, "--check") == 0) {
            args->check = true;
        } else if (strcmp(arg, "--override") == 0 && i + 1 < argc) {
            args->overrides[args->override_count++] = argv[++i];
        } else if (arg[0] == '-' || args->file != NULL) {
            fprintf(stderr, "klamm: unexpected argument '%s'\n%s", arg, usage);
            return 3;
        } else {
            args->file = arg;
        }
    }
    if (args->file != NULL) return 0;
    fprintf(stderr, "klamm: a configuration file is missing\n%s", usage);
    return 3;
}

static bool read_file(const char *path, struct arena *arena, struct str *ret_text,
                      struct str *ret_error) {
    FILE *file = fopen(path, "r");
    char *text = arena_alloc(arena, CONFIG_FILE_BYTES_MAX + 1);
    if (file == NULL || text == NULL) {
        *ret_error = arena_printf(arena, "%s: %s", path, strerror(errno));
        if (file != NULL) (void)fclose(file); /* only read */
        return false;
    }
    size_t len = fread(text, 1, CONFIG_FILE_BYTES_MAX + 1, file);
    bool good = ferror(file) == 0 && len <= CONFIG_FILE_BYTES_MAX;
    if (!good)
        *ret_error = arena_printf(arena, "%s: cannot be read, or is larger than 1 MiB", path);
    (void)fclose(file); /* only read */
    *ret_text = (struct str){text, len};
    return good;
}

static uint32_t variable_count(void) {
    uint32_t count = 0;
    while (environ[count] != NULL) count++;
    return count;
}

static bool configure(const struct arguments *args, struct process *process, struct arena *arena,
                      struct str *ret_error) {
    struct str text;
    struct arena file_arena; /* the file is small; the room for the largest one is not kept */
    struct mem file_mem = {0};
    arena_init(&file_arena, &file_mem, 4096, 0);
    bool good = read_file(args->file, &file_arena, &text, ret_error);
    if (good) {
        text = arena_str(arena, text);
        struct config_input input = {
            .text = text,
            .file_name = args->file,
            .variables = (const char *const *)environ,
            .variable_count = variable_count(),
            .overrides = args->overrides,
            .override_count = args->override_count,
        };
        good = config_load(&input, arena, &process->config, ret_error) == ST_OK;
    } else {
        *ret_error = arena_str(arena, *ret_error);
    }
    arena_release(&file_arena);
    if (!good) return false;
    static char host[256];
    if (gethostname(host, sizeof host - 1) != 0) memcpy(host, "localhost", 10);
    if (listeners_read(&process->config, str_of(host), arena, &process->listeners, ret_error) !=
        ST_OK)
        return false;
    return http_address_read(&process->config, arena, &process->http_address, ret_error) == ST_OK;
}

static void report_unused(const struct config_set *set) {
    for (uint32_t i = 0; i < set->count; i++) {
        const struct config_setting *setting = &set->settings[i];
        if (setting->key->force != FORCE_LATER) continue;
        LOG_INFO("config", "event=not-in-force key=%s line=%u why=\"%s\"", setting->key->name,
                 setting->line, setting->key->doc);
    }
}

/* A variable that looks like ours and is none may be a slip of the pen; or an orchestrator's. */
static void report_variables(void) {
    for (char **variable = environ; *variable != NULL; variable++) {
        if (strncmp(*variable, "KLAMM_", 6) != 0 || config_is_variable(*variable)) continue;
        if (strncmp(*variable, URING_LEVEL "=", sizeof URING_LEVEL) == 0) continue;
        LOG_INFO("config", "event=not-a-key variable=%.*s", (int)strcspn(*variable, "="),
                 *variable);
    }
}

/* --- the machine --- */

static uint32_t cpu_count(void) {
    cpu_set_t set;
    uint32_t count = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
    FILE *file =
        fopen("/sys/fs/cgroup/cpu.max", "r"); /* cgroup v2: "quota period" or "max period" */
    long quota = 0, period = 0;
    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
            count = MIN(count, (uint32_t)MAX(1, (quota + period - 1) / period));
        }
        (void)fclose(file); /* only read */
    }
    return MAX(1u, MIN(count, (uint32_t)LIMIT_SHARDS));
}

#define DESCRIPTORS_FEW 16384 /* fewer are worth a word: partitions and connections take one each */

/* To the hard limit; how many this process may open from now on. */
static uint64_t raise_descriptor_limit(void) {
    struct rlimit limit = {.rlim_cur = DESCRIPTORS_FEW};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            LOG_WARN("broker", "event=nofile-not-raised errno=%d", errno);
            limit.rlim_cur = before;
        }
    }
    if (limit.rlim_cur < DESCRIPTORS_FEW)
        LOG_WARN("broker", "event=nofile-low limit=%llu advice=\"raise the hard limit (ulimit -Hn, "
                           "LimitNOFILE=) to partitions + connections + 1000\"",
                 (unsigned long long)limit.rlim_cur);
    return limit.rlim_cur;
}

static uint64_t memory_limit(const struct config *config) {
    if (config->klamm_memory_limit_bytes > 0) return (uint64_t)config->klamm_memory_limit_bytes;
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
}

/* What was asked for; 0: nothing was, or -1, then the kernel sizes the buffers. */
static int32_t buffer_bytes(const struct process *process, struct str name) {
    int64_t bytes = 0;
    const struct config_setting *setting = config_setting_find(&process->config, name);
    if (setting == NULL || !str_to_int64(setting->value, &bytes)) return 0;
    return (int32_t)MAX(bytes, (int64_t)0);
}

static uint32_t uring_level(void) {
    const char *level = getenv(URING_LEVEL);
    return level != NULL && strcmp(level, "6.1") == 0 ? 601 : 0;
}

/* --- running --- */

enum outcome { RUNNING, FAILED, STOPPED };

static struct {
    pthread_mutex_t lock;
    enum outcome outcome;
    enum status status;
    pthread_t main_thread;
} result = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Tells the main thread, which waits for signals, that there is something to see. */
static void tell_main(enum outcome outcome, enum status st) {
    (void)pthread_mutex_lock(&result.lock); /* ours, never destroyed */
    result.outcome = outcome;
    result.status = st;
    (void)pthread_mutex_unlock(&result.lock);
    (void)pthread_kill(result.main_thread, SIGUSR1); /* the main thread outlives all others */
}

static void on_started(void *owner, enum status st, struct str message) {
    (void)owner;
    if (st == ST_OK) return;
    (void)fail(message);
    tell_main(FAILED, st);
}

static void on_stopped(void *owner, enum status st) {
    (void)owner;
    tell_main(STOPPED, st);
}

static void on_shard_start(struct io *io, void *argument) {
    struct process *process = argument;
    if (io->shard != 0) return;
    struct broker_setup setup = {
        .config = &process->config,
        .listeners = &process->listeners,
        .ios = process->ios,
        .io_count = process->shard_count,
        .descriptor_limit = process->descriptor_limit,
        .on_started = on_started,
        .on_stopped = on_stopped,
        .owner = process,
    };
    process->broker = broker_start(&setup);
}

static void on_stop_message(struct io_message *message, struct io *at) {
    (void)at;
    struct process *process = CONTAINER_OF(message, struct process, stop_message);
    broker_stop(process->broker);
}

/* Waits for signals and for the broker's end; the exit status. */
static int wait_for_end(struct process *process, const sigset_t *signals) {
    bool asked = false;
    for (;;) {
        int signal = 0;
        if (sigwait(signals, &signal) != 0) continue;
        if (signal == SIGUSR1) {
            (void)pthread_mutex_lock(&result.lock); /* ours, never destroyed */
            enum outcome outcome = result.outcome;
            enum status st = result.status;
            (void)pthread_mutex_unlock(&result.lock);
            if (outcome != RUNNING)
                return outcome == STOPPED && st == ST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
            continue;
        }
        if (signal == SIGPIPE || signal == SIGHUP) continue;
        if (asked) _exit(EXIT_FAILURE); /* the second one: at once */
        asked = true;
        process->stop_message.deliver = on_stop_message;
        if (!reactor_group_post(process->reactors, &process->stop_message)) _exit(EXIT_FAILURE);
    }
}

/* Taken before anything runs, so that a port in use stops the start. */
static enum status open_http(struct process *process, uint64_t memory_limit_bytes, char *error,
                             size_t error_bytes) {
    if (process->http_address.family == 0) return ST_OK;
    struct http_setup setup = {
        .mem = &process->mem,
        .address = process->http_address,
        .reactors = process->reactors,
        .broker = &process->broker,
        .shard_count = process->shard_count,
        .memory_limit_bytes = memory_limit_bytes,
        .cpu_count = cpu_count(),
    };
    return http_open(&setup, &process->http, error, error_bytes);
}

static int serve(struct process *process) {
    const struct config *config = &process->config.values;
    char error[REACTOR_ERROR_BYTES] = "";
    process->shard_count = config->klamm_shards > 0 ? (uint32_t)config->klamm_shards : cpu_count();
    uint32_t dir_count = config_log_dirs(config)->count + config_metadata_is_apart(config);
    struct reactor_options options = {
        .shard_count = process->shard_count,
        .worker_count = (uint32_t)config->klamm_workers,
        .lane_count = config_writes_inline(config) ? 0 : dir_count,
        .memory_limit_bytes = memory_limit(config),
        .send_buffer_bytes = buffer_bytes(process, STR("socket.send.buffer.bytes")),
        .receive_buffer_bytes = buffer_bytes(process, STR("socket.receive.buffer.bytes")),
        .uring_level = uring_level(),
    };
    if (reactor_group_new(&options, &process->reactors, error, sizeof error) != ST_OK)
        return fail(str_of(error));
    for (uint32_t i = 0; i < process->shard_count; i++)
        process->ios[i] = reactor_group_io(process->reactors, i);
    sigset_t signals;
    (void)sigemptyset(&signals); /* a valid pointer: cannot fail, nor can those below */
    int const list[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1};
    for (size_t i = 0; i < COUNT(list); i++) (void)sigaddset(&signals, list[i]);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by every thread */
    result.main_thread = pthread_self();
    if (open_http(process, options.memory_limit_bytes, error, sizeof error) != ST_OK)
        return fail(str_of(error));
    if (reactor_group_start(process->reactors, on_shard_start, process, error, sizeof error) !=
        ST_OK) {
        return fail(str_of(error));
    }
    /* While the shards start: it takes a while to load. */
    bool has_http =
        process->http == NULL || http_start(process->http, error, sizeof error) == ST_OK;
    if (!has_http) {
        (void)fail(str_of(error));
        (void)kill(getpid(), SIGTERM); /* blocked: wait_for_end takes it and stops in order */
    }
    int exit_status = wait_for_end(process, &signals);
    if (!has_http) exit_status = EXIT_FAILURE;
    http_stop(process->http);
    reactor_group_stop(process->reactors, STOP_GRACE_MS);
    broker_free(process->broker);
    http_free(process->http);
    reactor_group_free(process->reactors);
    return exit_status;
}

static int run(int argc, char **argv, struct arena *arena) {
    struct arguments args = {0};
    int end = read_arguments(argc, argv, arena, &args);
    if (end != 0) return end - 1;
    static struct process process;
    struct str error = STR_NULL;
    if (!configure(&args, &process, arena, &error)) return fail(error);
    if (args.check) {
        printf("%s: good\n", args.file);
        return EXIT_SUCCESS;
    }
    logging_set_sink(write_line, NULL);
    logging_set_level(log_level(process.config.values.klamm_log_level));
    /* Tuning; where it is refused nothing that matters changes. Large frames come from the heap,
     * not from page faults. */
    (void)mallopt(M_ARENA_MAX, LIMIT_SHARDS);
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 8 << 20);
    process.descriptor_limit = raise_descriptor_limit();
    report_unused(&process.config);
    report_variables();
    return serve(&process);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct arena arena; /* the arguments and the configuration, for as long as the process lives */
    arena_init(&arena, &mem, 64 * 1024, 0);
    int exit_status = run(argc, argv, &arena);
    arena_release(&arena);
    return exit_status;
}
