/* tests/unit/log/append.c - the pipeline: offsets, order, one write a turn, rolling, refusals. */
#include <stdlib.h>
#include <criterion/criterion.h>
#include <errno.h>
#include "tests/unit/log/fixture.h"

Test(append, gives_dense_offsets_and_they_can_be_read_back_after_a_clean_restart) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(log_end(fx.log), 0);
    int64_t end = 0;
    for (int i = 1; i <= 50; i++) {
        cr_assert_eq(fixture_append(&fx, i, 40, 1000 + i), ST_OK);
        end += i;
        cr_expect_eq(log_end(fx.log), end);
        cr_expect_eq(log_assigned_end(fx.log), end);
    }
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), end);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fx.open.clean = true;
    fx.open.create = false;
    fx.open.recovery_point = end;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(log_end(fx.log), end);
    cr_expect_eq(log_durable_end(fx.log), end);
    cr_expect_eq(fixture_consume(&fx, 0, &st), end);
    cr_assert_eq(fixture_append(&fx, 1, 40, 2000), ST_OK);
    cr_expect_eq(fixture_consume(&fx, 0, &st), end + 1);
    fixture_release(&fx);
}

Test(append, a_missing_directory_is_not_found_unless_it_may_be_created) {
    struct fixture fx;
    fixture_init(&fx);
    fx.open.create = false;
    cr_expect_eq(fixture_open(&fx), ST_NOT_FOUND);
    fixture_release(&fx);
}

static void writes_of_turn(bool deferred) {
    enum { BATCHES = 20 };
    struct fixture fx;
    struct test_append appends[BATCHES];
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK); /* a segment's first batch goes alone */
    fx.plain.deferred = deferred;
    uint64_t before = fx.plain.counts[PLAIN_WRITE];
    for (int i = 0; i < BATCHES; i++) {
        append_prepare(&fx, &appends[i], 2, 100, 5);
        cr_assert_eq(log_append(fx.log, &appends[i].append), ST_OK);
        cr_expect_eq(appends[i].append.base_offset, 1 + 2 * i, "batch %d", i);
        cr_expect_eq(appends[i].order, 0, "done was called from within, batch %d", i);
    }
    cr_expect_eq(log_end(fx.log), 1, "nothing is in the file before the turn ends");
    cr_expect_eq(log_assigned_end(fx.log), 1 + 2 * BATCHES);
    plain_io_settle(&fx.plain);
    cr_expect_eq(fx.plain.counts[PLAIN_WRITE], before + 1);
    for (int i = 1; i < BATCHES; i++) {
        cr_expect_eq(appends[i].order, appends[i - 1].order + 1, "batch %d", i);
    }
    cr_expect_eq(log_end(fx.log), 1 + 2 * BATCHES);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 1 + 2 * BATCHES);
    for (int i = 0; i < BATCHES; i++) append_release(&appends[i]);
    fixture_release(&fx);
}

Test(append, all_batches_of_a_turn_are_one_write_that_ends_at_once) { writes_of_turn(false); }
Test(append, all_batches_of_a_turn_are_one_write_that_ends_later) { writes_of_turn(true); }

Test(append, what_comes_while_a_write_is_away_goes_together_into_the_next) {
    struct fixture fx;
    struct test_append appends[5];
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    fx.plain.deferred = true;
    uint64_t before = fx.plain.counts[PLAIN_WRITE];
    append_prepare(&fx, &appends[0], 1, 100, 5);
    cr_assert_eq(log_append(fx.log, &appends[0].append), ST_OK);
    plain_io_turn(&fx.plain); /* the write starts at its end */
    for (int i = 1; i < 5; i++) {
        append_prepare(&fx, &appends[i], 1, 100, 5);
        cr_assert_eq(log_append(fx.log, &appends[i].append), ST_OK);
    }
    cr_expect_eq(appends[0].order, 0);
    plain_io_settle(&fx.plain);
    cr_expect_eq(fx.plain.counts[PLAIN_WRITE], before + 2);
    cr_expect_eq(log_end(fx.log), 6);
    for (int i = 0; i < 5; i++) append_release(&appends[i]);
    fixture_release(&fx);
}

Test(append, refuses_a_batch_larger_than_a_segment_and_takes_one_that_fills_it) {
    struct fixture fx;
    struct test_append a;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    append_prepare(&fx, &a, 1, 500, 1);
    fx.config.segment_bytes = a.append.batch_bytes - 1;
    cr_expect_eq(log_append(fx.log, &a.append), ST_TOO_LARGE);
    cr_expect_eq(a.append.status, ST_TOO_LARGE);
    cr_expect_eq(log_assigned_end(fx.log), 0, "a refused batch takes no offsets");
    fx.config.segment_bytes = a.append.batch_bytes;
    cr_expect_eq(log_append(fx.log, &a.append), ST_OK);
    plain_io_settle(&fx.plain);
    cr_expect_eq(a.append.status, ST_OK);
    cr_expect_eq(log_end(fx.log), 1);
    append_release(&a);
    fixture_release(&fx);
}

Test(append, keeps_the_offsets_of_a_follower_and_refuses_ones_that_are_taken) {
    static const struct {
        const char *name;
        int64_t base;
        enum status want;
        int64_t end;
    } rows[] = {
        {"the next one", 0, ST_OK, 1},
        {"a gap", 10, ST_OK, 11},
        {"the last one again", 10, ST_INVALID, 11},
        {"before the end", 3, ST_INVALID, 11},
        {"right behind", 11, ST_OK, 12},
    };
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct test_append a;
        append_prepare(&fx, &a, 1, 100, 1);
        a.append.keep_offsets = true;
        put_u64(a.batch, (uint64_t)rows[i].base);
        cr_expect_eq(log_append(fx.log, &a.append), rows[i].want, "%s", rows[i].name);
        plain_io_settle(&fx.plain);
        cr_expect_eq(log_end(fx.log), rows[i].end, "%s", rows[i].name);
        append_release(&a);
    }
    fixture_release(&fx);
}

/* Appends batches until the log has `segments` segments; returns how many batches that took. */
static int batches_until(struct fixture *fx, uint32_t segments, int64_t step_ms) {
    int64_t at_ms = 1000;
    for (int n = 1; n < 1000; n++) {
        cr_assert_eq(fixture_append(fx, 1, 100, at_ms), ST_OK);
        at_ms += step_ms;
        if (log_segment_count(fx->log) == segments) return n;
    }
    return -1;
}

Test(append, rolls_when_the_next_batch_would_pass_segment_bytes) {
    struct fixture fx;
    struct test_append a;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    append_prepare(&fx, &a, 1, 100, 1);
    fx.config.segment_bytes = 3 * a.append.batch_bytes;
    append_release(&a);
    cr_expect_eq(batches_until(&fx, 2, 0), 4, "three fit exactly");
    cr_expect_eq(batches_until(&fx, 3, 0), 3);
    cr_expect(file_exists(&fx, "00000000000000000003.log"));
    cr_expect(file_exists(&fx, "00000000000000000006.index"));
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 7);
    cr_expect_eq(log_size_bytes(fx.log), 7 * (uint64_t)fx.config.segment_bytes / 3);
    fixture_release(&fx);
}

/* Settings may be lowered while it waits in the queue. */
Test(append, a_batch_that_no_segment_has_room_for_any_more_gets_one_of_its_own) {
    static const struct {
        const char *name;
        int64_t segment_bytes, segment_index_bytes;
    } rows[] = {
        {"segment.bytes", 300, 10 << 20},
        {"segment.index.bytes, no entry of either index", 1 << 30, 4},
        {"segment.index.bytes, none of the time index", 1 << 30, 23},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        struct test_append appends[3];
        fixture_begin(&fx, 1);
        fx.plain.deferred = true;
        for (int k = 0; k < 3; k++) {
            append_prepare(&fx, &appends[k], 1, 500, 5);
            cr_assert_eq(log_append(fx.log, &appends[k].append), ST_OK);
        }
        fx.config.segment_bytes = rows[i].segment_bytes;
        fx.config.segment_index_bytes = rows[i].segment_index_bytes;
        for (int turns = 0; turns < 1000 && plain_io_turn(&fx.plain);) turns++;
        cr_assert_neq(appends[2].order, 0, "%s: the append never ends", rows[i].name);
        cr_expect_eq(appends[2].append.status, ST_OK, "%s", rows[i].name);
        cr_expect_eq(log_end(fx.log), 4, "%s", rows[i].name);
        cr_expect_eq(log_segment_count(fx.log), 4, "%s", rows[i].name);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), 4, "%s", rows[i].name);
        for (int k = 0; k < 3; k++) append_release(&appends[k]);
        fixture_release(&fx);
    }
}

/* The directory failed, or the broker stops: whoever had the log has gone with its settings, and a
 * roll still waits for the disk. */
Test(append, a_roll_that_ends_after_its_log_was_abandoned_needs_nothing_of_the_owner) {
    struct fixture fx;
    struct test_append a;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    struct log_config *config = malloc(sizeof *config);
    *config = fx.config;
    append_prepare(&fx, &a, 1, 100, 1);
    config->segment_bytes = a.append.batch_bytes;
    log_set_config(fx.log, config);
    fx.plain.deferred = true;
    cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
    plain_io_turn(&fx.plain);
    log_abandon(fx.log);
    fx.log = NULL;
    memset(config, 0xff, sizeof *config);
    free(config);
    plain_io_settle(&fx.plain);
    cr_expect_neq(a.append.status, ST_OK);
    append_release(&a);
    fixture_release(&fx);
}

static int alter_while_allocating(struct plain_io *plain, const struct plain_call *call) {
    struct log_config *config = plain->fault_context;
    if (call->kind == PLAIN_ALLOCATE) config->preallocate = false;
    return 0;
}

Test(append, a_segment_is_trimmed_whose_topic_stopped_preallocating_while_it_was_made) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.preallocate = true;
    fx.config.segment_bytes = 8192;
    fx.plain.fault = alter_while_allocating;
    fx.plain.fault_context = &fx.config;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_not(fx.config.preallocate);
    fixture_fill(&fx, 10);
    uint64_t bytes = log_size_bytes(fx.log);
    fx.config.segment_bytes = (int64_t)bytes;
    fixture_fill(&fx, 1);
    cr_assert_eq(log_segment_count(fx.log), 2u);
    size_t file_bytes = 0;
    free(file_read(&fx, SEGMENT_0 ".log", &file_bytes));
    cr_expect_eq(file_bytes, bytes);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fx.open.clean = true;
    fx.open.recovery_point = 11;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 11, "no zeros are given to consumers");
    fixture_release(&fx);
}

Test(append, rolls_by_time_of_the_records_counted_from_the_first_batch) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_ms = 100;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    /* 1000, 1050, 1100 are within; 1150 is 150 ms after the first. */
    cr_expect_eq(batches_until(&fx, 2, 50), 4);
    fixture_release(&fx);
}

Test(append, rolls_when_an_index_is_full) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.index_interval_bytes = 0;
    fx.config.segment_index_bytes = 10 * 12; /* 15 offset entries, 10 time entries less one */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    /* The first batch gets no entry, nine more fill the time index. */
    cr_expect_eq(batches_until(&fx, 2, 1), 11);
    fixture_release(&fx);
}

Test(append, rolls_when_an_offset_is_too_far_from_the_base) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    static const struct {
        int64_t base;
        uint32_t segments;
    } rows[] = {{0, 1}, {INT32_MAX, 1}, {INT32_MAX + INT64_C(1), 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct test_append a;
        append_prepare(&fx, &a, 1, 100, 1);
        a.append.keep_offsets = true;
        put_u64(a.batch, (uint64_t)rows[i].base);
        cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
        plain_io_settle(&fx.plain);
        cr_expect_eq(log_segment_count(fx.log), rows[i].segments, "row %zu", i);
        append_release(&a);
    }
    fixture_release(&fx);
}

Test(append, queues_while_a_segment_is_made_and_goes_on_in_it) {
    enum { BATCHES = 40 };
    struct fixture fx;
    struct test_append appends[BATCHES];
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fx.config.segment_bytes = 1000;
    fx.plain.deferred = true;
    for (int i = 0; i < BATCHES; i++) {
        append_prepare(&fx, &appends[i], 1, 100, 5);
        cr_assert_eq(log_append(fx.log, &appends[i].append), ST_OK);
        if (i % 7 == 0) plain_io_turn(&fx.plain);
    }
    plain_io_settle(&fx.plain);
    for (int i = 0; i < BATCHES; i++) {
        cr_expect_eq(appends[i].append.status, ST_OK, "batch %d", i);
        if (i > 0) cr_expect_eq(appends[i].order, appends[i - 1].order + 1, "batch %d", i);
        append_release(&appends[i]);
    }
    cr_expect_gt(log_segment_count(fx.log), 5);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES);
    fixture_sync(&fx);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fixture_release(&fx);
}

Test(append, allocates_nothing_once_warm) {
    struct fixture fx;
    struct test_append a;
    fixture_begin(&fx, 300);
    uint64_t before = fx.plain.mem.alloc_count;
    append_prepare(&fx, &a, 1, 100, 5000);
    before = fx.plain.mem.alloc_count;
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
        log_sync(fx.log);
        plain_io_settle(&fx.plain);
        struct log_read read;
        fixture_read(&fx, &read, log_end(fx.log) - 1, log_end(fx.log), 1000, true);
        log_read_release(&read);
        fixture_read(&fx, &read, 3, log_end(fx.log), 1000, true);
        log_read_release(&read);
    }
    cr_expect_eq(fx.plain.mem.alloc_count, before + 1, "the first buffer for headers, no more");
    append_release(&a);
    fixture_release(&fx);
}

/* --- failures --- */

static int fail_writes(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_WRITE ? -EIO : 0;
}
static int fail_syncs(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_SYNC ? -EIO : 0;
}
static int fail_opens(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_OPEN ? -EIO : 0;
}
static int fail_dir_syncs(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_DIR_SYNC ? -EIO : 0;
}

static const struct {
    const char *name;
    int (*fault)(struct plain_io *, const struct plain_call *);
    int64_t segment_bytes;
    bool in_file; /* the append itself succeeds */
} failures[] = {
    {"write", fail_writes, 1 << 30, false},
    {"sync", fail_syncs, 1 << 30, true},
    {"a file for the next segment", fail_opens, 400, false},
    {"directory sync of the next segment", fail_dir_syncs, 400, false},
};

/* KAFKA-10778: after a failed write nothing more is appended. */
Test(append, after_a_failure_nothing_is_acknowledged_and_all_is_said_once) {
    for (size_t i = 0; i < COUNT(failures); i++) {
        for (int deferred = 0; deferred < 2; deferred++) {
            const char *name = failures[i].name;
            struct fixture fx;
            struct test_append first, second, third;
            fixture_init(&fx);
            fx.config.segment_bytes = failures[i].segment_bytes;
            cr_assert_eq(fixture_open(&fx), ST_OK);
            fixture_fill(&fx, 2);
            fixture_sync(&fx);
            fx.plain.deferred = deferred;
            fx.plain.fault = failures[i].fault;
            append_prepare(&fx, &first, 1, 100, 1);
            append_prepare(&fx, &second, 1, 100, 1);
            append_prepare(&fx, &third, 1, 100, 1);
            cr_assert_eq(log_append(fx.log, &first.append), ST_OK, "%s", name);
            cr_assert_eq(log_append(fx.log, &second.append), ST_OK, "%s", name);
            log_sync(fx.log);
            plain_io_settle(&fx.plain);
            cr_expect_eq(first.append.status, failures[i].in_file ? ST_OK : ST_IO, "%s", name);
            cr_expect_eq(second.append.status, failures[i].in_file ? ST_OK : ST_IO, "%s", name);
            cr_expect_neq(first.order, 0, "%s", name);
            cr_expect_neq(second.order, 0, "%s", name);
            cr_expect_eq(log_durable_end(fx.log), 2, "%s", name);
            cr_expect(log_is_offline(fx.log), "%s", name);
            fx.plain.fault = NULL; /* the device seems well again: never believed */
            cr_expect_eq(log_append(fx.log, &third.append), ST_IO, "%s", name);
            log_sync(fx.log);
            plain_io_settle(&fx.plain);
            cr_expect_eq(log_durable_end(fx.log), 2, "%s", name);
            cr_expect_eq(fx.offline_calls, 1, "%s", name);
            cr_expect_eq(fx.failure_calls, 1, "%s", name);
            cr_expect_eq(fixture_close(&fx), ST_IO, "%s", name);
            append_release(&first);
            append_release(&second);
            append_release(&third);
            fixture_release(&fx);
        }
    }
}
