/* tests/unit/log/fixture.c - see fixture.h. */
#include "tests/unit/log/fixture.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/logging.h"
#include "log/removal.h"

static struct fixture *of_owner(struct log_owner *o) {
    return CONTAINER_OF(o, struct fixture, owner);
}
static void on_end(struct log_owner *o) { of_owner(o)->end_calls++; }
static void on_durable(struct log_owner *o) { of_owner(o)->durable_calls++; }
static void on_offline(struct log_owner *o) { of_owner(o)->offline_calls++; }
static void on_failure(struct log_dir *dir, enum status why) {
    CONTAINER_OF(dir, struct fixture, dir)->failure_calls++;
}

static void quiet(void *context, enum log_level level, const char *area, const char *text) {
    if (getenv("LOG_TEST_VERBOSE") != NULL) fprintf(stderr, "%s %s\n", log_level_name(level), text);
}

void fixture_init(struct fixture *fx) {
    *fx = (struct fixture){0};
    logging_set_sink(quiet, NULL);
    plain_io_init(&fx->plain);
    fx->plain.syncs_are_free = true;
    snprintf(fx->path, sizeof fx->path, "%s/klamm-log-XXXXXX", "/tmp");
    cr_assert_not_null(mkdtemp(fx->path));
    log_dir_init(&fx->dir, &fx->plain.io, &fx->plain.jobs, str_of(fx->path));
    fx->dir.on_failure = on_failure;
    fx->owner = (struct log_owner){on_end, on_durable, on_offline};
    fx->config = (struct log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = INT64_C(7) * 24 * 3600 * 1000,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .file_delete_delay_ms = 60000,
        .cleanup_policy = CLEANUP_DELETE,
    };
    fx->open = (struct log_open){
        .dir = &fx->dir,
        .topic = STR("t"),
        .partition = 0,
        .config = &fx->config,
        .owner = &fx->owner,
        .create = true,
    };
    batch_builder_init(&fx->builder, &fx->plain.mem);
}

static void remove_tree(const char *path) {
    DIR *dir = opendir(path);
    if (dir == NULL) return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char child[512];
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        if (unlink(child) != 0) remove_tree(child);
    }
    closedir(dir);
    rmdir(path);
}

static void release_job(struct job *job, void *argument) { log_dir_release(job, argument); }

void fixture_release(struct fixture *fx) {
    fx->plain.fault = NULL;
    fx->plain.deferred = false;
    fixture_kill(fx);
    plain_io_settle(&fx->plain);
    plain_io_run(&fx->plain, release_job, &fx->dir);
    batch_builder_release(&fx->builder);
    plain_io_release(&fx->plain);
    remove_tree(fx->path);
}

/* --- jobs as calls --- */

struct call {
    struct fixture *fx;
    int64_t a, b;
    void *out;
    enum status st;
};

static enum status run(struct fixture *fx, job_fn *fn, int64_t a, int64_t b, void *out) {
    struct call call = {fx, a, b, out, ST_OK};
    plain_io_run(&fx->plain, fn, &call);
    return call.st;
}

static void open_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_open(job, &c->fx->open, &c->fx->log);
}
static void close_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_close(job, c->fx->log);
    c->fx->log = NULL;
}
static void delete_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_delete(job, c->fx->log);
    c->fx->log = NULL;
}
static void truncate_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_truncate(job, c->fx->log, c->a);
}
static void raise_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_raise_start(job, c->fx->log, c->a);
}
static void retain_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_retain(job, c->fx->log, c->a, c->out);
}
static void epoch_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_begin_epoch(c->fx->log, (int32_t)c->a);
}
static void find_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_find_timestamp(job, c->fx->log, c->a, c->b, c->out);
}
static void find_max_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_find_max_timestamp(job, c->fx->log, c->a, c->out);
}

static void find_record_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_find_record(job, c->fx->log, c->a, c->b, c->out);
}

static void aborted_job(struct job *job, void *argument) {
    struct call *c = argument;
    c->st = log_find_aborted(job, c->fx->log, c->a, c->b, c->out);
}

enum status fixture_open(struct fixture *fx) { return run(fx, open_job, 0, 0, NULL); }
enum status fixture_close(struct fixture *fx) { return run(fx, close_job, 0, 0, NULL); }
static int count_cut(struct plain_io *plain, const struct plain_call *call) {
    struct fixture *fx = CONTAINER_OF(plain, struct fixture, plain);
    if (call->kind != PLAIN_TRUNCATE) return 0;
    fx->cuts++;
    fx->uneven_cuts += call->len % fx->cut_step != 0;
    return 0;
}

void fixture_count_cuts(struct fixture *fx, uint64_t step) {
    fx->cuts = fx->uneven_cuts = 0;
    fx->dir.removal_step_bytes = fx->cut_step = step;
    fx->plain.fault = count_cut;
}

static void end_removals_job(struct job *job, void *argument) {
    struct fixture *fx = argument;
    removals_end(job, &fx->dir);
    fx->removals_ended = true;
}

void fixture_end_removals(struct fixture *fx) {
    job_start(&fx->plain.jobs, end_removals_job, fx);
}

enum status fixture_delete(struct fixture *fx) { return run(fx, delete_job, 0, 0, NULL); }
enum status fixture_truncate(struct fixture *fx, int64_t offset) {
    return run(fx, truncate_job, offset, 0, NULL);
}
enum status fixture_raise_start(struct fixture *fx, int64_t offset) {
    return run(fx, raise_job, offset, 0, NULL);
}
enum status fixture_retain(struct fixture *fx, int64_t upper, struct retained *deleted) {
    return run(fx, retain_job, upper, 0, deleted);
}
enum status fixture_begin_epoch(struct fixture *fx, int32_t epoch) {
    return run(fx, epoch_job, epoch, 0, NULL);
}
enum status fixture_find(struct fixture *fx, int64_t timestamp_ms, int64_t upper,
                         struct log_found *found) {
    return run(fx, find_job, timestamp_ms, upper, found);
}
enum status fixture_find_record(struct fixture *fx, int64_t offset, int64_t upper,
                                struct log_found *found) {
    return run(fx, find_record_job, offset, upper, found);
}
enum status fixture_find_max(struct fixture *fx, int64_t upper, struct log_found *found) {
    return run(fx, find_max_job, upper, 0, found);
}

enum status fixture_aborted(struct fixture *fx, int64_t first, int64_t upper,
                            struct aborted_txns *list) {
    return run(fx, aborted_job, first, upper, list);
}

void fixture_kill(struct fixture *fx) {
    if (fx->log == NULL) return;
    log_abandon(fx->log);
    fx->log = NULL;
    plain_io_settle(&fx->plain);
}

enum status fixture_crash(struct fixture *fx, int64_t recovery_point) {
    fixture_kill(fx);
    fx->open.clean = false;
    fx->open.recovery_point = recovery_point;
    return fixture_open(fx);
}

/* --- appending --- */

static uint32_t done_order;

static void append_done(struct log_append *append) {
    CONTAINER_OF(append, struct test_append, append)->order = ++done_order;
}

void append_prepare(struct fixture *fx, struct test_append *a, int32_t records, size_t value_bytes,
                    int64_t timestamp_ms) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder *b = &fx->builder;
    uint8_t *value = malloc(value_bytes + 1);
    *a = (struct test_append){.fx = fx};
    cr_assert_eq(batch_builder_start(b, &options), ST_OK);
    for (int32_t i = 0; i < records; i++) {
        memset(value, 'a' + (int)((timestamp_ms + i) % 26), value_bytes);
        cr_assert_eq(batch_builder_add(b, timestamp_ms, BYTES_NULL,
                                       (struct bytes){value, value_bytes}, NULL, 0),
                     ST_OK);
    }
    free(value);
    struct bytes batch;
    cr_assert_eq(batch_builder_finish(b, &batch), ST_OK);
    a->batch = malloc(batch.len);
    memcpy(a->batch, batch.ptr, batch.len);
    a->append = (struct log_append){
        .done = append_done,
        .batch = a->batch,
        .batch_bytes = (uint32_t)batch.len,
        .record_count = records,
        .max_timestamp_ms = timestamp_ms,
    };
}

void append_release(struct test_append *a) {
    free(a->batch);
    a->batch = NULL;
}

enum status fixture_append(struct fixture *fx, int32_t records, size_t value_bytes,
                           int64_t timestamp_ms) {
    struct test_append a;
    append_prepare(fx, &a, records, value_bytes, timestamp_ms);
    enum status st = log_append(fx->log, &a.append);
    if (st == ST_OK) {
        while (a.order == 0) cr_assert(plain_io_turn(&fx->plain), "the append never ends");
        st = a.append.status;
    }
    append_release(&a);
    return st;
}

void fixture_fill(struct fixture *fx, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(fixture_append(fx, 1, 100, 1000 + i), ST_OK, "batch %u", i);
    }
    plain_io_settle(&fx->plain);
}

void fixture_begin(struct fixture *fx, uint32_t count) {
    fixture_init(fx);
    cr_assert_eq(fixture_open(fx), ST_OK);
    fixture_fill(fx, count);
}

void fixture_sync(struct fixture *fx) {
    log_sync(fx->log);
    plain_io_settle(&fx->plain);
    cr_assert_eq(log_durable_end(fx->log), log_end(fx->log));
}

/* --- reading --- */

static bool read_starting;

static void read_done(struct log_read *read) {
    cr_assert_not(read_starting, "done was called from within the start");
    read->max_bytes |= 0x80000000u;
}

void fixture_read(struct fixture *fx, struct log_read *read, int64_t offset, int64_t upper,
                  uint32_t max_bytes, bool whole_first) {
    *read = (struct log_read){.done = read_done,
                              .offset = offset,
                              .upper_offset = upper,
                              .max_bytes = max_bytes,
                              .whole_first = whole_first};
    read_starting = true;
    bool finished = log_read_start(fx->log, read);
    read_starting = false;
    if (finished) return;
    while ((read->max_bytes & 0x80000000u) == 0) {
        cr_assert(plain_io_turn(&fx->plain), "the read of offset %ld never ends", (long)offset);
    }
}

int64_t fixture_consume(struct fixture *fx, int64_t offset, enum status *ret_status) {
    *ret_status = ST_OK;
    while (offset < log_end(fx->log)) {
        struct log_read read;
        fixture_read(fx, &read, offset, log_end(fx->log), 3000, true);
        *ret_status = read.status;
        if (read.status != ST_OK) return offset;
        cr_assert_gt(read.bytes, 0, "nothing at offset %ld", (long)offset);
        uint8_t *data = malloc(read.bytes);
        cr_assert_eq(pread(read.file, data, read.bytes, (off_t)read.position), read.bytes);
        cr_assert_leq(read.first_base_offset, offset);
        cr_assert_eq((int64_t)get_u64(data), read.first_base_offset);
        size_t at = 0;
        struct batch_view view;
        while (batch_open((struct bytes){data + at, read.bytes - at}, &view) == ST_OK) {
            cr_assert(batch_crc_matches((struct bytes){data + at, view.batch_bytes}));
            cr_assert(view.base_offset == offset || at == 0, "gap at %ld", (long)offset);
            offset = batch_next_offset(&view);
            at += view.batch_bytes;
        }
        cr_assert_gt(at, 0, "no whole batch at offset %ld", (long)offset);
        free(data);
        log_read_release(&read);
    }
    return offset;
}

/* --- files --- */

static void file_path(const struct fixture *fx, const char *name, char path[256]) {
    snprintf(path, 256, "%s/t-0/%s", fx->path, name);
}

uint8_t *file_read(const struct fixture *fx, const char *name, size_t *ret_len) {
    char path[256];
    struct stat st;
    file_path(fx, name, path);
    *ret_len = 0;
    int fd = open(path, O_RDONLY);
    if (fd < 0) return NULL;
    cr_assert_eq(fstat(fd, &st), 0);
    uint8_t *data = calloc(1, (size_t)st.st_size + 1);
    cr_assert_eq(read(fd, data, (size_t)st.st_size), st.st_size);
    close(fd);
    *ret_len = (size_t)st.st_size;
    return data;
}

void file_write(const struct fixture *fx, const char *name, const void *data, size_t len) {
    char path[256];
    file_path(fx, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(write(fd, data, len), (ssize_t)len);
    close(fd);
}

bool file_exists(const struct fixture *fx, const char *name) {
    char path[256];
    file_path(fx, name, path);
    return access(path, F_OK) == 0;
}

void file_cut(const struct fixture *fx, const char *name, size_t len) {
    char path[256];
    file_path(fx, name, path);
    cr_assert_eq(truncate(path, (off_t)len), 0);
}

void file_remove(const struct fixture *fx, const char *name) {
    char path[256];
    file_path(fx, name, path);
    cr_assert_eq(unlink(path), 0);
}

void file_flip(const struct fixture *fx, const char *name, size_t offset) {
    char path[256];
    file_path(fx, name, path);
    int fd = open(path, O_RDWR);
    uint8_t octet = 0;
    cr_assert_eq(pread(fd, &octet, 1, (off_t)offset), 1);
    octet ^= 0x40;
    cr_assert_eq(pwrite(fd, &octet, 1, (off_t)offset), 1);
    close(fd);
}
