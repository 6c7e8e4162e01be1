/* tests/bench/log.c - what the log costs over io_uring: CPU of the process (its kernel workers
 * included) and time for each append, read and recovery, on the file system of the directory named.
 *
 *   bench-log [DIR]     DIR: where a temporary directory is made; TMPDIR or /tmp
 *
 * One line a row: octets of a batch, how many are queued each turn, whether each turn syncs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <semaphore.h>
#include "base/assert.h"
#include "broker/reactor/reactor.h"
#include "log/log.h"
#include "protocol/batch_builder.h"

#define QUEUE_MAX 64

struct row {
    const char *name;
    uint32_t batch_bytes, queued, rounds;
    bool sync;
};

static const struct row rows[] = {
    {"1 KB alone", 1000, 1, 100000, false},
    {"1 KB, 64 a turn", 1000, 64, 3000, false},
    {"64 KB alone", 64000, 1, 4000, false},
    {"64 KB, 16 a turn", 64000, 16, 250, false},
    {"1 KB alone, synced", 1000, 1, 1000, true},
    {"1 KB, 64 a turn, synced", 1000, 64, 1000, true},
    {"64 KB alone, synced", 64000, 1, 1000, true},
};

static struct io *io;
static struct jobs jobs;
static struct log_dir dir;
static struct log *the_log;
static struct job *waiting; /* the bench, while appends or a sync are away */
static uint32_t away;
static int64_t durable_wanted;
static sem_t finished;
static char root[512];

static void ignore(struct log_owner *owner) {}
static void on_durable(struct log_owner *owner);
static struct log_owner owner = {ignore, on_durable, ignore};
static const struct log_config config = {
    .segment_bytes = 1 << 30,
    .segment_ms = INT64_MAX / 2,
    .segment_index_bytes = 10 << 20,
    .index_interval_bytes = 4096,
};

static double seconds_of(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void go_on(void) {
    if (away > 0 || waiting == NULL) return;
    if (durable_wanted > 0 && log_durable_end(the_log) < durable_wanted) return;
    struct job *job = waiting;
    waiting = NULL;
    job_wake(job);
}

static void on_durable(struct log_owner *o) { go_on(); }

static void appended(struct log_append *append) {
    ASSERT(append->status == ST_OK);
    away--;
}

/* `done` comes before the log has finished with its callbacks, so the bench goes on in on_end. */
static void on_end(struct log_owner *o) { go_on(); }

static void measure_appends(struct job *job, const struct row *row) {
    static struct log_append appends[QUEUE_MAX];
    struct batch_builder builder;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct bytes batch, value = {NULL, row->batch_bytes - 80};
    uint8_t *zeros = calloc(1, row->batch_bytes);
    value.ptr = zeros;
    batch_builder_init(&builder, io->mem);
    ASSERT(batch_builder_start(&builder, &options) == ST_OK);
    ASSERT(batch_builder_add(&builder, 1000, BYTES_NULL, value, NULL, 0) == ST_OK);
    ASSERT(batch_builder_finish(&builder, &batch) == ST_OK);
    uint8_t *copies[QUEUE_MAX];
    for (uint32_t i = 0; i < row->queued; i++) {
        copies[i] = malloc(batch.len);
        memcpy(copies[i], batch.ptr, batch.len);
    }
    uint64_t allocations = io->mem->alloc_count;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    for (uint32_t round = 0; round < row->rounds; round++) {
        for (uint32_t i = 0; i < row->queued; i++) {
            appends[i] = (struct log_append){
                .done = appended,
                .batch = copies[i],
                .batch_bytes = (uint32_t)batch.len,
                .record_count = 1,
                .max_timestamp_ms = 1000,
            };
            away++;
            ASSERT(log_append(the_log, &appends[i]) == ST_OK);
        }
        if (row->sync) {
            log_sync(the_log);
            durable_wanted = log_assigned_end(the_log);
        }
        waiting = job;
        job_suspend(job);
    }
    durable_wanted = 0;
    double n = (double)row->rounds * row->queued;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    printf("append %-24s %8.2f us CPU %8.2f us a batch, %.3f CPU s/GB, %llu allocations\n",
           row->name, cpu * 1e6 / n, wall * 1e6 / n, cpu * 1e9 / (n * (double)batch.len),
           (unsigned long long)(io->mem->alloc_count - allocations));
    for (uint32_t i = 0; i < row->queued; i++) free(copies[i]);
    free(zeros);
    batch_builder_release(&builder);
}

static void read_done(struct log_read *read) { go_on(); }

static void measure_reads(struct job *job, const char *name, bool tail) {
    enum { READS = 100000 };
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < READS; i++) {
        int64_t end = log_end(the_log);
        struct log_read read = {.done = read_done,
                                .offset = tail ? end - 1 : (int64_t)i * 7919 % (end - 100),
                                .upper_offset = end,
                                .max_bytes = 1 << 20,
                                .whole_first = true};
        if (!log_read_start(the_log, &read)) {
            waiting = job;
            job_suspend(job);
        }
        ASSERT(read.status == ST_OK && read.bytes > 0);
        log_read_release(&read);
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("read   %-24s %8.2f us CPU\n", name, cpu * 1e6 / READS);
}

static void measure_opening(struct job *job, const char *name, bool clean) {
    uint64_t bytes = log_size_bytes(the_log);
    int64_t end = log_end(the_log);
    struct log_open how = {.dir = &dir,
                           .topic = STR("bench"),
                           .config = &config,
                           .owner = &owner,
                           .clean = clean,
                           .recovery_point = clean ? end : 0};
    ASSERT(log_close(job, the_log) == ST_OK);
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    ASSERT(log_open(job, &how, &the_log) == ST_OK);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    ASSERT(log_end(the_log) == end);
    printf("open   %-24s %8.2f ms CPU %8.2f ms for %.2f GB\n", name, cpu * 1e3, wall * 1e3,
           (double)bytes * 1e-9);
}

static void bench(struct job *job, void *argument) {
    struct log_open how = {
        .dir = &dir, .topic = STR("bench"), .config = &config, .owner = &owner, .create = true};
    owner.on_end = on_end;
    ASSERT(log_open(job, &how, &the_log) == ST_OK);
    for (size_t i = 0; i < COUNT(rows); i++) measure_appends(job, &rows[i]);
    measure_reads(job, "the last batch", true);
    measure_reads(job, "anywhere", false);
    measure_opening(job, "after a clean stop", true);
    measure_opening(job, "after a crash", false);
    size_t used = io->mem->used_bytes;
    ASSERT(log_close(job, the_log) == ST_OK);
    printf("memory of the log after a start: %zu octets\n", used - io->mem->used_bytes);
    sem_post(&finished);
}

static void on_start(struct io *shard_io, void *argument) {
    io = shard_io;
    jobs_init(&jobs, io, 8);
    log_dir_init(&dir, io, &jobs, str_of(root));
    job_start(&jobs, bench, NULL);
}

int main(int argc, char **argv) {
    const char *parent = argc > 1 ? argv[1] : getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    snprintf(root, sizeof root, "%s/klamm-bench-log-XXXXXX", parent);
    if (mkdtemp(root) == NULL) return 1;
    struct reactor_group *group;
    char error[REACTOR_ERROR_BYTES];
    sem_init(&finished, 0, 0);
    if (reactor_group_new(&(struct reactor_options){0}, &group, error, sizeof error) != ST_OK ||
        reactor_group_start(group, on_start, NULL, error, sizeof error) != ST_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    sem_wait(&finished);
    reactor_group_stop(group, 1000);
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}
