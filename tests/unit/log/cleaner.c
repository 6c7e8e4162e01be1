/* tests/unit/log/cleaner.c - compaction of whole logs: against a naive model, through crashes,
 * beside readers, retention and settings that change. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/prng.h"
#include "log/cleaner.h"
#include "protocol/record_iter.h"
#include "tests/unit/log/fixture.h"

enum { OFFSETS_MAX = 4000, KEYS_MAX = 300, NO_KEY = -1, DELETE_RETENTION_MS = 1000 };
#define DAY INT64_C(86400000)

/* What was appended at an offset, and what a naive reader makes of it. */
struct entry {
    int key;
    bool is_tombstone;
    bool is_there;       /* in the log, as was read last */
    int64_t may_go_ms;   /* of a tombstone: from then on; 0: no cleaning has met it yet */
};

struct bench {
    struct fixture fx;
    struct prng prng;
    struct entry entries[OFFSETS_MAX];
    int64_t end, first_dirty;
    int keys;
    struct cleaner_limits limits;
    struct cleaned cleaned;
    int64_t upper;
    bool (*may_go_on)(const void *bench); /* NULL: always */
    enum status st;
};

static int64_t now_ms(const struct bench *b) { return b->fx.plain.io.now.wall_ms; }

static void bench_init(struct bench *b, uint64_t seed) {
    *b = (struct bench){.keys = 20};
    prng_seed(&b->prng, seed);
    fixture_init(&b->fx);
    b->fx.config.segment_bytes = 3000;
    b->fx.config.index_interval_bytes = 300;
    b->fx.config.cleanup_policy = CLEANUP_COMPACT;
    b->fx.config.delete_retention_ms = DELETE_RETENTION_MS;
    b->fx.config.max_compaction_lag_ms = INT64_MAX;
    b->fx.config.retention_ms = b->fx.config.retention_bytes = -1;
    b->limits = (struct cleaner_limits){
        .map_bytes = 1 << 20, .load_factor = 0.9, .io_bytes = 4096, .bytes_per_second = 1e300};
    b->fx.plain.deferred = true; /* what workers do does not fit onto a job's stack */
    cr_assert_eq(fixture_open(&b->fx), ST_OK);
}

static int draw(struct bench *b, int below) { return (int)prng_below(&b->prng, (uint64_t)below); }

/* One batch; keys by chance, one of ten a tombstone. */
static void append(struct bench *b, int records, enum codec codec) {
    struct fixture *fx = &b->fx;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct test_append a;
    append_prepare(fx, &a, 1, 1, 0); /* with another batch: */
    free(a.batch);
    options.codec = codec;
    cr_assert_eq(batch_builder_start(&fx->builder, &options), ST_OK);
    for (int i = 0; i < records; i++) {
        cr_assert_lt(b->end + i, OFFSETS_MAX);
        struct entry *e = &b->entries[b->end + i];
        char key[16], value[128];
        *e = (struct entry){.key = draw(b, 50) == 0 ? NO_KEY : draw(b, b->keys),
                            .is_tombstone = draw(b, 10) == 0,
                            .is_there = true};
        int key_len = snprintf(key, sizeof key, "key-%d", e->key);
        int value_len = snprintf(value, sizeof value, "%lld-%0*d", (long long)(b->end + i),
                                 1 + draw(b, 90), 0);
        cr_assert_eq(batch_builder_add(
                         &fx->builder, now_ms(b) + i,
                         e->key == NO_KEY ? BYTES_NULL
                                          : (struct bytes){(uint8_t *)key, (size_t)key_len},
                         e->is_tombstone ? BYTES_NULL
                                         : (struct bytes){(uint8_t *)value, (size_t)value_len},
                         NULL, 0),
                     ST_OK);
    }
    struct bytes batch;
    cr_assert_eq(batch_builder_finish(&fx->builder, &batch), ST_OK);
    a.batch = a.append.batch = malloc(batch.len);
    memcpy(a.batch, batch.ptr, batch.len);
    a.append.batch_bytes = (uint32_t)batch.len;
    a.append.record_count = records;
    a.append.max_timestamp_ms = now_ms(b) + records - 1;
    cr_assert_eq(log_append(fx->log, &a.append), ST_OK);
    plain_io_settle(&fx->plain);
    cr_assert_eq(a.append.status, ST_OK);
    append_release(&a);
    b->end += records;
}

static void fill(struct bench *b, int batches) {
    for (int i = 0; i < batches; i++) append(b, 1 + draw(b, 4), (enum codec)draw(b, CODEC_COUNT));
    fixture_sync(&b->fx);
}

static bool may_go_on(const void *owner) {
    const struct bench *b = owner;
    return b->may_go_on == NULL || b->may_go_on(b);
}

static void clean_job(struct job *job, void *argument) {
    struct bench *b = argument;
    struct cleanable cleanable;
    struct cleaner_leave leave = {may_go_on, b};
    b->st = log_cleanable(job, b->fx.log, b->upper, &cleanable);
    if (b->st != ST_OK) return;
    b->first_dirty = cleanable.first_dirty;
    b->st = cleanable.dirty_bytes == 0 ? ST_NOT_FOUND
                                       : log_clean(job, b->fx.log, &cleanable, &b->limits, &leave,
                                                   &b->cleaned);
}

/* ST_NOT_FOUND: nothing is dirty. */
static enum status clean(struct bench *b) {
    b->upper = b->end;
    plain_io_run(&b->fx.plain, clean_job, b);
    return b->st;
}

/* --- reading all of it back --- */

static void note_record(struct bench *b, const struct record *record, bool *is_there) {
    cr_assert(record->offset >= 0 && record->offset < b->end);
    const struct entry *e = &b->entries[record->offset];
    char key[16], value[16];
    int key_len = snprintf(key, sizeof key, "key-%d", e->key);
    int value_len = snprintf(value, sizeof value, "%lld-", (long long)record->offset);
    cr_expect_eq(record->key.ptr == NULL, e->key == NO_KEY);
    cr_expect(e->key == NO_KEY || (record->key.len == (size_t)key_len &&
                                   memcmp(record->key.ptr, key, record->key.len) == 0));
    cr_expect_eq(record->value.ptr == NULL, e->is_tombstone, "%lld", (long long)record->offset);
    cr_expect(e->is_tombstone || memcmp(record->value.ptr, value, (size_t)value_len) == 0);
    cr_expect_not(is_there[record->offset], "%lld twice", (long long)record->offset);
    is_there[record->offset] = true;
}

static void read_back(struct bench *b, bool *is_there) {
    struct record_iter it;
    record_iter_init(&it, &b->fx.plain.mem);
    memset(is_there, 0, OFFSETS_MAX);
    int64_t offset = log_start_offset(b->fx.log);
    while (offset < b->end) {
        struct log_read read;
        fixture_read(&b->fx, &read, offset, b->end, 3000, true);
        cr_assert_eq(read.status, ST_OK, "at %lld: %s", (long long)offset,
     status_name(read.status));
        if (read.bytes == 0) break; /* nothing behind it */
        uint8_t *data = malloc(read.bytes);
        cr_assert_eq(pread(read.file, data, read.bytes, (off_t)read.position), read.bytes);
        struct bytes left = {data, read.bytes};
        struct batch_view view;
        int64_t before = offset;
        while (batch_open(left, &view) == ST_OK) {
            struct record record;
            cr_assert(batch_crc_matches((struct bytes){left.ptr, view.batch_bytes}));
            record_iter_open(&it, &view, 0);
            while (record_iter_next(&it, &record)) {
                if (record.offset >= offset) note_record(b, &record, is_there);
            }
            cr_expect_eq(it.status, ST_OK);
            record_iter_close(&it);
            offset = MAX(offset, batch_next_offset(&view));
            left = (struct bytes){left.ptr + view.batch_bytes, left.len - view.batch_bytes};
        }
        free(data);
        log_read_release(&read);
        cr_assert_gt(offset, before);
    }
    record_iter_release(&it);
}

/* What is in the log is what a cleaning up to clean_end may have left of it; at least that. */
static void check(struct bench *b, bool is_cleaned, const char *where) {
    bool is_there[OFFSETS_MAX];
    bool has_later[KEYS_MAX] = {0}, has_later_clean[KEYS_MAX] = {0}; /* by key */
    read_back(b, is_there);
    size_t clean_end = is_cleaned ? (size_t)b->cleaned.clean_end : 0;
    for (size_t i = (size_t)b->end; i-- > (size_t)log_start_offset(b->fx.log);) {
        struct entry *e = &b->entries[i];
        size_t key = (size_t)MAX(e->key, 0);
        cr_expect(e->is_there || !is_there[i], "%s: %zu came back", where, i);
        bool is_over = e->key == NO_KEY || (e->is_tombstone && e->may_go_ms > 0 &&
                                            now_ms(b) >= e->may_go_ms);
        if (e->is_there && !is_over && !has_later[key])
            cr_expect(is_there[i], "%s: %zu is lost", where, i);
        if (i < clean_end && (is_over || has_later_clean[key]))
            cr_expect_not(is_there[i], "%s: %zu is still there", where, i);
        if (i < clean_end && e->is_tombstone && is_there[i] && e->may_go_ms == 0)
            e->may_go_ms = now_ms(b) + DELETE_RETENTION_MS;
        e->is_there = is_there[i];
        if (e->key == NO_KEY) continue;
        has_later[key] = true;
        has_later_clean[key] = has_later_clean[key] || i < clean_end;
    }
}

static void advance(struct bench *b, int64_t ms) {
    b->fx.plain.io.now.wall_ms += ms;
    b->fx.plain.io.now.mono_us += (uint64_t)ms * 1000;
}

static void check_indexes(struct bench *b);

Test(cleaner, leaves_what_a_naive_model_leaves) {
    int cleanings = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct bench b;
        char where[64];
        bench_init(&b, seed);
        b.keys = 1 + draw(&b, KEYS_MAX - 1);
        b.fx.config.segment_bytes = 1000 + draw(&b, 6000);
        b.fx.config.index_interval_bytes = draw(&b, 1500);
        b.limits.io_bytes = (uint32_t)draw(&b, 10000);
        b.limits.map_bytes = (uint64_t)(24 << draw(&b, 10));
        int rounds = 1 + draw(&b, 4);
        for (int round = 0; round < rounds; round++) {
            fill(&b, 20 + draw(&b, 200));
            snprintf(where, sizeof where, "seed %llu round %d", (unsigned long long)seed, round);
            enum status st;
            while ((st = clean(&b)) == ST_OK) {
                cr_assert_gt(b.cleaned.clean_end, b.first_dirty, "%s: no progress", where);
                cleanings++;
                check(&b, true, where);
                advance(&b, draw(&b, 700));
            }
            cr_assert_eq(st, ST_NOT_FOUND, "%s: %s", where, status_name(st));
            if (draw(&b, 2) == 0) {
                int64_t clean_end = log_clean_end(b.fx.log);
                cr_assert_eq(fixture_crash(&b.fx, b.end), ST_OK);
                log_set_clean_end(b.fx.log, clean_end);
                check(&b, false, where);
            }
        }
        check_indexes(&b);
        check(&b, false, "at the end");
        fixture_release(&b.fx);
    }
    cr_expect_gt(cleanings, 20);
}

/* Indexes as they are and as recovery makes them of the batches. */
static void check_indexes(struct bench *b) {
    struct fixture *fx = &b->fx;
    cr_assert_eq(fixture_close(fx), ST_OK);
    fx->open.clean = true;
    fx->open.recovery_point = b->end;
    cr_assert_eq(fixture_open(fx), ST_OK);
    enum { SEGMENTS_MAX = 1000 };
    static struct {
        char name[64];
        uint8_t *data;
        size_t len;
    } kept[SEGMENTS_MAX];
    uint32_t count = 0;
    for (int64_t base = 0; base <= b->end; base++) {
        for (int i = 0; i < 2; i++) {
            char name[64];
            snprintf(name, sizeof name, "%020lld.%s", (long long)base,
     i == 0 ? "index" : "timeindex");
            if (!file_exists(fx, name)) continue;
            cr_assert_lt(count, SEGMENTS_MAX);
            memcpy(kept[count].name, name, sizeof name);
            kept[count].data = file_read(fx, name, &kept[count].len);
            count++;
        }
    }
    fixture_kill(fx);
    for (uint32_t i = 0; i < count; i++) file_remove(fx, kept[i].name);
    cr_assert_eq(fixture_crash(fx, 0), ST_OK);
    cr_assert_eq(fixture_close(fx), ST_OK);
    for (uint32_t i = 0; i < count; i++) {
        size_t len;
        uint8_t *data = file_read(fx, kept[i].name, &len);
        cr_expect(data != NULL && len == kept[i].len && memcmp(data, kept[i].data, len) == 0,
                  "%s differs from its rebuild: %zu and %zu octets", kept[i].name, kept[i].len,
     len);
        free(data);
        free(kept[i].data);
    }
    fx->open.clean = true;
    fx->open.recovery_point = b->end;
    cr_assert_eq(fixture_open(fx), ST_OK);
}

/* --- crashes --- */

static int64_t operations_left;
static int die_after(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    if (call->kind == PLAIN_CLOSE) return 0;
    return operations_left-- > 0 ? 0 : -5;
}

Test(cleaner, a_crash_at_any_operation_loses_nothing) {
    bool ended = false;
    for (int64_t n = 0; !ended; n++) {
        struct bench b;
        char where[64];
        snprintf(where, sizeof where, "crash at operation %lld", (long long)n);
        bench_init(&b, 42);
        b.keys = 40;
        fill(&b, 80);
        operations_left = n;
        b.fx.plain.fault = die_after;
        ended = clean(&b) == ST_OK;
        b.fx.plain.fault = NULL;
        b.fx.dir.offline = false; /* another process */
        cr_assert_eq(fixture_crash(&b.fx, b.end), ST_OK, "%s", where);
        cr_expect_eq(log_end(b.fx.log), b.end);
        check(&b, false, where);
        while (clean(&b) == ST_OK) check(&b, true, where);
        cr_expect_eq(b.st, ST_NOT_FOUND, "%s: %s", where, status_name(b.st));
        if (n % 16 == 0) check_indexes(&b);
        fixture_release(&b.fx);
    }
}

/* What was asked of the device while a log was cleaned. */
static struct {
    bool is_unsynced[256]; /* by descriptor */
    bool has_new_names;    /* the directory was not synced since */
    const char *suffix;    /* of the last rename's new name */
    uint32_t rounds;
    const char *wrong; /* the first thing done too early */
} order;

static const char *suffix_of(const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot == NULL) return "";
    if (strcmp(dot, ".swap") == 0) return ".swap";
    return strcmp(dot, ".deleted") == 0 ? ".deleted" : "";
}

static void note_rename(const char *to) {
    const char *suffix = suffix_of(to);
    if (order.suffix != NULL && strcmp(order.suffix, suffix) == 0) return;
    order.rounds++;
    if (order.has_new_names) order.wrong = order.wrong != NULL ? order.wrong : "renamed on";
    for (size_t fd = 0; fd < COUNT(order.is_unsynced); fd++)
        if (order.is_unsynced[fd]) order.wrong = "renamed before it was written";
    order.suffix = suffix;
}

static int note_order(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    size_t fd = call->fd >= 0 ? (size_t)call->fd % COUNT(order.is_unsynced) : 0;
    if (call->kind == PLAIN_WRITE) order.is_unsynced[fd] = true;
    if (call->kind == PLAIN_SYNC) order.is_unsynced[fd] = false;
    if (call->kind == PLAIN_CLOSE && order.is_unsynced[fd]) order.wrong = "closed, not synced";
    if (call->kind == PLAIN_DIR_SYNC) order.has_new_names = false;
    if (call->kind == PLAIN_RENAME) note_rename(call->path2);
    bool is_named = call->kind == PLAIN_RENAME;
    if (call->kind == PLAIN_OPEN) is_named = strstr(call->path, ".cleaned") != NULL;
    order.has_new_names = order.has_new_names || is_named;
    return 0;
}

/* A directory may put its changes onto the device in any order between two syncs; the simulator's
 * keep theirs, so a sync that is left out changes nothing there. */
Test(cleaner, names_change_in_rounds_each_durable_before_the_next) {
    struct bench b;
    bench_init(&b, 6);
    fill(&b, 60);
    b.fx.config.segment_bytes = 1 << 20; /* all of it becomes one */
    memset(&order, 0, sizeof order);
    b.fx.plain.fault = note_order;
    cr_assert_eq(clean(&b), ST_OK);
    b.fx.plain.fault = NULL;
    cr_expect_null(order.wrong, "%s, round %u", order.wrong, order.rounds);
    cr_expect_not(order.has_new_names, "it ended before its names were durable");
    cr_expect_eq(order.rounds, 3);
    fixture_release(&b.fx);
}

/* --- beside others --- */

Test(cleaner, a_reader_keeps_the_segment_that_it_was_given) {
    struct bench b;
    bench_init(&b, 1);
    fill(&b, 100);
    struct log_read read;
    fixture_read(&b.fx, &read, 0, b.end, 2000, true);
    uint8_t before[2000], after[2000];
    size_t len = MIN(read.bytes, sizeof before);
    cr_assert_eq(pread(read.file, before, len, (off_t)read.position), (ssize_t)len);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_lt(b.cleaned.written_bytes, b.cleaned.read_bytes);
    cr_expect_eq(pread(read.file, after, len, (off_t)read.position), (ssize_t)len);
    cr_expect_eq(memcmp(before, after, len), 0);
    log_read_release(&read);
    check(&b, true, "after");
    fixture_release(&b.fx);
}

/* Octets that are read stay as they are, when the file has lost its name, too. */
Test(cleaner, segments_that_were_replaced_go_in_steps_unless_they_are_read) {
    uint32_t steps[2];
    for (int is_read = 0; is_read < 2; is_read++) {
        struct bench b;
        bench_init(&b, 1);
        fill(&b, 100);
        struct log_read read = {0};
        uint8_t before[2000], after[2000];
        size_t len = 0;
        if (is_read) {
            fixture_read(&b.fx, &read, 0, b.end, sizeof before, true);
            len = MIN(read.bytes, sizeof before);
            cr_assert_eq(pread(read.file, before, len, (off_t)read.position), (ssize_t)len);
        }
        cr_assert_eq(clean(&b), ST_OK);
        fixture_count_cuts(&b.fx, 500);
        for (int i = 0; i < 100; i++) {
            advance(&b, 60001);
            plain_io_settle(&b.fx.plain);
        }
        b.fx.plain.fault = NULL;
        steps[is_read] = b.fx.cuts;
        cr_expect_not(file_exists(&b.fx, "00000000000000000000.log.deleted"));
        if (is_read) {
            cr_expect_eq(pread(read.file, after, len, (off_t)read.position), (ssize_t)len);
            cr_expect_eq(memcmp(before, after, len), 0);
            log_read_release(&read);
        }
        fixture_release(&b.fx);
    }
    cr_expect_gt(steps[1], 0, "those that nobody reads go in steps");
    cr_expect_gt(steps[0], steps[1]);
}

/* The file of the second has the name that the first one's removal looks for, and is read. */
Test(cleaner, a_segment_that_is_replaced_twice_within_the_delay_goes_by_its_last_readers) {
    struct bench b;
    bench_init(&b, 1);
    b.fx.dir.removal_step_bytes = 200;
    b.keys = 250;
    fill(&b, 100);
    b.fx.config.file_delete_delay_ms = 60000;
    cr_assert_eq(clean(&b), ST_OK);
    advance(&b, 30000);
    fill(&b, 100);
    struct log_read read;
    uint8_t before[3000], after[3000];
    fixture_read(&b.fx, &read, 0, b.end, sizeof before, true);
    size_t len = MIN(read.bytes, sizeof before);
    cr_assert_eq(pread(read.file, before, len, (off_t)read.position), (ssize_t)len);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect(file_exists(&b.fx, "00000000000000000000.log.deleted"));
    for (int i = 0; i < 20; i++) {
        advance(&b, i == 0 ? 30001 : 25);
        plain_io_settle(&b.fx.plain);
    }
    cr_expect_eq(pread(read.file, after, len, (off_t)read.position), (ssize_t)len);
    cr_expect_eq(memcmp(before, after, len), 0);
    log_read_release(&read);
    fixture_release(&b.fx);
}

Test(cleaner, small_segments_become_one) {
    struct bench b;
    bench_init(&b, 2);
    fill(&b, 300);
    uint32_t before = log_segment_count(b.fx.log);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_lt(log_segment_count(b.fx.log) * 4, before * 5);
    fill(&b, 20);
    while (clean(&b) == ST_OK) check(&b, true, "small");
    cr_expect_leq(log_segment_count(b.fx.log), 5);
    fixture_release(&b.fx);
}

Test(cleaner, a_log_that_loses_nothing_is_not_written_again) {
    struct bench b;
    bench_init(&b, 3);
    b.keys = KEYS_MAX; /* no segment loses all */
    fill(&b, 100);
    b.fx.config.segment_bytes = 1; /* nothing is put together */
    while (clean(&b) == ST_OK) check(&b, true, "first");
    uint64_t renames = b.fx.plain.counts[PLAIN_RENAME];
    log_set_clean_end(b.fx.log, -1);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_eq(b.fx.plain.counts[PLAIN_RENAME], renames);
    cr_expect_not(file_exists(&b.fx, SEGMENT_0 ".log.cleaned"));
    fixture_release(&b.fx);
}

static int no_longer_names(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    bool is_longer = call->kind == PLAIN_RENAME && strlen(call->path2) > strlen(call->path);
    return is_longer ? -ENOSPC : 0;
}

Test(cleaner, a_disk_without_room_for_a_longer_name_is_compacted) {
    struct bench b;
    bench_init(&b, 5);
    fill(&b, 100);
    b.fx.plain.fault = no_longer_names;
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_not(log_is_offline(b.fx.log));
    cr_expect_not(file_exists(&b.fx, SEGMENT_0 ".log.deleted"));
    check(&b, true, "without room");
    b.fx.plain.fault = NULL;
    fixture_release(&b.fx);
}

/* As ext4, which puts the new name into a full block before it takes the old one away. */
static int no_name_of_an_index(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    bool is_it = call->kind == PLAIN_RENAME && strstr(call->path2, ".index.swap") != NULL;
    return is_it ? -ENOSPC : 0;
}

Test(cleaner, a_disk_without_room_for_any_name_is_compacted_later) {
    for (int crashes = 0; crashes < 2; crashes++) {
        struct bench b;
        bench_init(&b, 5);
        fill(&b, 100);
        b.fx.plain.fault = no_name_of_an_index;
        cr_assert_eq(clean(&b), ST_NO_SPACE);
        cr_expect_not(log_is_offline(b.fx.log));
        cr_expect_not(file_exists(&b.fx, SEGMENT_0 ".log.swap"));
        cr_expect_not(file_exists(&b.fx, SEGMENT_0 ".log.cleaned"));
        check(&b, false, "no room");
        b.fx.plain.fault = NULL;
        if (crashes) cr_assert_eq(fixture_crash(&b.fx, b.end), ST_OK);
        cr_assert_eq(clean(&b), ST_OK);
        check(&b, true, "room again");
        fixture_release(&b.fx);
    }
}

static int asked;
static bool becomes_delete(const void *owner) {
    struct bench *b = (struct bench *)(uintptr_t)owner;
    if (++asked == 4) b->fx.config.cleanup_policy = CLEANUP_DELETE;
    return true;
}

Test(cleaner, a_policy_that_changes_meanwhile_ends_it_and_retention_goes_on) { /* KAFKA-7322 */
    struct bench b;
    bench_init(&b, 4);
    fill(&b, 100);
    asked = 0;
    b.may_go_on = becomes_delete;
    cr_expect_eq(clean(&b), ST_STALE);
    check(&b, false, "policy");
    b.fx.config.retention_bytes = 0;
    struct retained deleted = {0};
    cr_assert_eq(fixture_retain(&b.fx, b.end, &deleted), ST_OK);
    cr_expect_gt(deleted.segments, 3);
    cr_expect_eq(log_start_offset(b.fx.log), b.end);
    cr_expect_not(file_exists(&b.fx, SEGMENT_0 ".log.cleaned"));
    fixture_release(&b.fx);
}

static int64_t raise_to;
static void raise_job(struct job *job, void *argument) {
    struct bench *b = argument;
    cr_assert_eq(log_raise_start(job, b->fx.log, raise_to), ST_OK);
}
static bool deletes_records(const void *owner) {
    struct bench *b = (struct bench *)(uintptr_t)owner;
    if (++asked == raise_to % 7 + 1) job_start(&b->fx.plain.jobs, raise_job, b);
    return true;
}

Test(cleaner, segments_that_go_meanwhile_stay_gone) {
    for (raise_to = 20; raise_to < 120; raise_to += 9) {
        struct bench b;
        bench_init(&b, 5);
        fill(&b, 100);
        asked = 0;
        b.may_go_on = deletes_records;
        enum status st = clean(&b);
        cr_expect(st == ST_OK || st == ST_STALE, "%s", status_name(st));
        cr_expect_eq(log_start_offset(b.fx.log), raise_to);
        check(&b, false, "raised");
        cr_assert_eq(fixture_crash(&b.fx, b.end), ST_OK);
        check(&b, false, "crashed");
        fixture_release(&b.fx);
    }
}

static bool never(const void *owner) {
    (void)owner;
    return false;
}

Test(cleaner, a_stop_is_heard) {
    struct bench b;
    bench_init(&b, 6);
    fill(&b, 100);
    b.may_go_on = never;
    cr_expect_eq(clean(&b), ST_CANCELLED);
    check(&b, false, "stopped");
    fixture_release(&b.fx);
}

static bool alters_rate(const void *owner) {
    struct bench *b = (struct bench *)(uintptr_t)owner;
    if (++asked == 10) b->limits.bytes_per_second = 1e6;
    return true;
}

Test(cleaner, another_rate_acts_at_once) {
    static const struct {
        const char *name;
        double before;
        uint64_t seconds_max;
    } rows[] = {{"it was slow", 10, 10}, {"it was fast", 1e9, 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench b;
        bench_init(&b, 6);
        fill(&b, 100);
        asked = 0;
        b.may_go_on = alters_rate;
        b.limits.bytes_per_second = rows[i].before;
        uint64_t began_us = b.fx.plain.io.now.mono_us;
        cr_expect_eq(clean(&b), ST_OK, "%s", rows[i].name);
        uint64_t took_us = b.fx.plain.io.now.mono_us - began_us;
        cr_expect_lt(took_us, rows[i].seconds_max * 1000000, "%s: %lu us", rows[i].name, took_us);
        check(&b, true, rows[i].name);
        fixture_release(&b.fx);
    }
}

Test(cleaner, damage_is_left_alone_until_the_start_has_moved_past_it) {
    struct bench b;
    bench_init(&b, 7);
    fill(&b, 100);
    file_flip(&b.fx, SEGMENT_0 ".log", 100);
    cr_expect_eq(clean(&b), ST_CORRUPT);
    cr_expect_eq(log_uncleanable(b.fx.log), ST_CORRUPT);
    file_flip(&b.fx, SEGMENT_0 ".log", 100);
    check(&b, false, "damaged");
    file_flip(&b.fx, SEGMENT_0 ".log", 100);
    cr_assert_eq(fixture_raise_start(&b.fx, 60), ST_OK);
    cr_expect_eq(log_uncleanable(b.fx.log), ST_OK);
    cr_expect_eq(clean(&b), ST_OK);
    check(&b, true, "past it");
    fixture_release(&b.fx);
}

Test(cleaner, segments_further_apart_than_an_index_can_say_stay_apart) { /* KAFKA-5413 */
    enum { SEGMENTS = 4 };
    struct bench b;
    bench_init(&b, 12);
    for (int64_t i = 0; i < SEGMENTS; i++) {
        struct test_append a;
        append_prepare(&b.fx, &a, 1, 100, now_ms(&b));
        a.append.keep_offsets = true;
        put_u64(a.batch, (uint64_t)i * 1000000000);
        cr_assert_eq(log_append(b.fx.log, &a.append), ST_OK);
        plain_io_settle(&b.fx.plain);
        cr_assert_eq(a.append.status, ST_OK);
        append_release(&a);
        b.fx.config.segment_ms = -1; /* each in a segment of its own */
    }
    fixture_sync(&b.fx);
    b.end = log_end(b.fx.log);
    cr_assert_eq(log_segment_count(b.fx.log), SEGMENTS);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_eq(log_segment_count(b.fx.log), 3, "two at a time: up to 2999999999 is too far");
    cr_expect_eq(log_clean_end(b.fx.log), INT64_C(3000000000));
    cr_assert_eq(fixture_crash(&b.fx, b.end), ST_OK);
    cr_expect_eq(log_end(b.fx.log), b.end);
    fixture_release(&b.fx);
}

/* --- what is due --- */

static struct cleanable look(struct bench *b, int64_t upper);
struct look {
    struct bench *b;
    int64_t upper;
    struct cleanable found;
};
static void look_job(struct job *job, void *argument) {
    struct look *l = argument;
    cr_assert_eq(log_cleanable(job, l->b->fx.log, l->upper, &l->found), ST_OK);
}
static struct cleanable look(struct bench *b, int64_t upper) {
    struct look l = {b, upper, {0}};
    plain_io_run(&b->fx.plain, look_job, &l);
    return l.found;
}

Test(cleaner, nothing_above_the_stable_offset_nor_in_the_active_segment_is_cleaned) {
    struct bench b;
    bench_init(&b, 8);
    fill(&b, 100);
    struct cleanable all = look(&b, b.end);
    cr_expect_lt(all.first_uncleanable, b.end);
    cr_expect_eq(all.first_dirty, 0);
    cr_expect_eq(all.dirty_ratio, 1.0);
    for (int64_t upper = 0; upper < b.end; upper++) {
        struct cleanable some = look(&b, upper);
        cr_expect_leq(some.first_uncleanable, upper);
    }
    fixture_release(&b.fx);
}

Test(cleaner, the_dirty_part_begins_where_the_checkpoint_says_if_it_can_be) {
    struct bench b;
    bench_init(&b, 9);
    fill(&b, 100);
    log_set_clean_end(b.fx.log, 50);
    struct cleanable found = look(&b, b.end);
    cr_expect_eq(found.first_dirty, 50);
    cr_expect(found.dirty_ratio > 0.5 && found.dirty_ratio < 1.0, "%f", found.dirty_ratio);
    log_set_clean_end(b.fx.log, b.end + 1);
    cr_expect_eq(look(&b, b.end).first_dirty, 0, "behind the log's end");
    log_set_clean_end(b.fx.log, 10);
    cr_assert_eq(fixture_raise_start(&b.fx, 30), ST_OK);
    cr_expect_eq(look(&b, b.end).first_dirty, 30, "below the log's start");
    log_set_clean_end(b.fx.log, 90);
    cr_assert_eq(fixture_truncate(&b.fx, 80), ST_OK);
    cr_expect_eq(log_clean_end(b.fx.log), 80, "a truncation lowers it");
    fixture_release(&b.fx);
}

Test(cleaner, lags_are_kept) {
    struct bench b;
    bench_init(&b, 10);
    fill(&b, 40);
    int64_t half = b.end;
    advance(&b, DAY);
    fill(&b, 40);
    b.fx.config.min_compaction_lag_ms = DAY / 2;
    struct cleanable found = look(&b, b.end);
    cr_expect(found.first_uncleanable > 0 && found.first_uncleanable <= half);
    b.fx.config.min_compaction_lag_ms = 2 * DAY;
    cr_expect_eq(look(&b, b.end).dirty_bytes, 0);
    b.fx.config.min_compaction_lag_ms = 0;
    b.fx.config.min_cleanable_dirty_ratio = 1.0;
    found = look(&b, b.end);
    cr_expect_not(cleanable_is_due(&found, &b.fx.config), "1.0 is not above 1.0");
    b.fx.config.max_compaction_lag_ms = DAY / 2;
    found = look(&b, b.end);
    cr_expect(cleanable_is_due(&found, &b.fx.config), "overdue");
    b.fx.config.max_compaction_lag_ms = 2 * DAY;
    found = look(&b, b.end);
    cr_expect_not(cleanable_is_due(&found, &b.fx.config));
    b.fx.config.min_cleanable_dirty_ratio = 0.5;
    cr_expect(cleanable_is_due(&found, &b.fx.config));
    b.fx.config.cleanup_policy = CLEANUP_DELETE;
    cr_expect_not(cleanable_is_due(&found, &b.fx.config));
    fixture_release(&b.fx);
}

Test(cleaner, a_clock_that_steps_ahead_ends_no_lag_early) {
    struct bench b;
    bench_init(&b, 10);
    b.fx.plain.io.now.wall_ms = b.fx.dir.opened.wall_ms = INT64_C(1700000000000);
    fill(&b, 40);
    b.fx.config.min_compaction_lag_ms = DAY;
    b.fx.plain.io.now.wall_ms += 3650 * DAY;
    cr_expect_eq(look(&b, b.end).dirty_bytes, 0, "nobody waited for a day");
    advance(&b, DAY + 1);
    cr_expect_gt(look(&b, b.end).dirty_bytes, 0);
    fixture_release(&b.fx);
}

/* Below `end`, the last of their keys. */
static int tombstones_there(struct bench *b, int64_t end) {
    bool is_there[OFFSETS_MAX], has_later[KEYS_MAX] = {0};
    int count = 0;
    read_back(b, is_there);
    for (int64_t i = b->end; i-- > 0;) {
        const struct entry *e = &b->entries[i];
        if (e->key == NO_KEY) continue;
        count += i < end && e->is_tombstone && is_there[i] && !has_later[e->key];
        has_later[e->key] = true;
    }
    return count;
}

Test(cleaner, a_clock_that_steps_ahead_takes_no_tombstone_early) {
    struct bench b;
    bench_init(&b, 11);
    b.keys = KEYS_MAX;
    b.fx.plain.io.now.wall_ms = b.fx.dir.opened.wall_ms = INT64_C(1700000000000);
    fill(&b, 150);
    cr_assert_eq(clean(&b), ST_OK); /* tells them when to go */
    int64_t end = b.cleaned.clean_end;
    b.fx.plain.io.now.wall_ms += 3650 * DAY;
    fill(&b, 60);
    int before = tombstones_there(&b, end);
    cr_assert_gt(before, 3);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_eq(tombstones_there(&b, end), before, "delete.retention.ms is not over");
    advance(&b, DELETE_RETENTION_MS + 1);
    fill(&b, 60);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_eq(tombstones_there(&b, end), 0, "they stay for no longer");
    fixture_release(&b.fx);
}

Test(cleaner, a_clock_that_was_back_and_is_set_right_takes_no_tombstone_early) {
    struct bench b;
    bench_init(&b, 11);
    b.keys = KEYS_MAX;
    b.fx.plain.io.now.wall_ms = b.fx.dir.opened.wall_ms = INT64_C(1700000000000);
    fill(&b, 150);
    b.fx.plain.io.now.wall_ms -= 30 * DAY;
    cr_assert_eq(clean(&b), ST_OK); /* by the wrong clock */
    int64_t end = b.cleaned.clean_end;
    b.fx.plain.io.now.wall_ms += 30 * DAY;
    fill(&b, 60);
    int before = tombstones_there(&b, end);
    cr_assert_gt(before, 3);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_eq(tombstones_there(&b, end), before, "delete.retention.ms is not over");
    advance(&b, DELETE_RETENTION_MS + 1);
    fill(&b, 60);
    cr_assert_eq(clean(&b), ST_OK);
    cr_expect_eq(tombstones_there(&b, end), 0, "they stay for no longer");
    fixture_release(&b.fx);
}

Test(cleaner, a_compacted_log_rolls_in_time_for_the_largest_lag) {
    struct bench b;
    bench_init(&b, 11);
    b.fx.config.segment_bytes = 1 << 30;
    b.fx.config.max_compaction_lag_ms = DAY;
    fill(&b, 1);
    advance(&b, DAY + 10);
    fill(&b, 1);
    cr_expect_eq(log_segment_count(b.fx.log), 2);
    b.fx.config.cleanup_policy = CLEANUP_DELETE;
    advance(&b, DAY + 10);
    fill(&b, 1);
    cr_expect_eq(log_segment_count(b.fx.log), 2);
    fixture_release(&b.fx);
}
