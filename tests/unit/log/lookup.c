/* tests/unit/log/lookup.c - offsets by timestamp. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "tests/unit/log/fixture.h"

/* Timestamps of the batches, one record each; some rise, some fall. */
static const int64_t timestamps[] = {1000, 1010, 1005, 1050, 1050, 1040, 1100, 900,
                                     1200, 1150, 1300, 1301, 1299, 1400, 1350, 1390};
enum { BATCHES = COUNT(timestamps) };

static void make_log(struct fixture *fx, int64_t interval) {
    fixture_init(fx);
    fx->config.segment_bytes = 5 * 170;
    fx->config.index_interval_bytes = interval;
    cr_assert_eq(fixture_open(fx), ST_OK);
    for (int i = 0; i < BATCHES; i++) {
        cr_assert_eq(fixture_append(fx, 1, 100, timestamps[i]), ST_OK);
    }
    cr_assert_eq(log_segment_count(fx->log), 4);
    fixture_sync(fx);
}

static int64_t first_at_least(int64_t timestamp_ms, int64_t from) {
    for (int64_t i = from; i < BATCHES; i++) {
        if (timestamps[i] >= timestamp_ms) return i;
    }
    return -1;
}

Test(lookup, finds_the_first_record_that_is_not_older) {
    for (int mode = 0; mode < 6; mode++) {
        struct fixture fx;
        make_log(&fx, mode % 3 == 0 ? 0 : mode % 3 == 1 ? 300 : 4096);
        if (mode >= 3) {
            cr_assert_eq(fixture_close(&fx), ST_OK);
            fx.open.clean = true;
            fx.open.recovery_point = BATCHES;
            cr_assert_eq(fixture_open(&fx), ST_OK);
        }
        for (int64_t ms = 890; ms < 1410; ms++) {
            struct log_found found;
            cr_assert_eq(fixture_find(&fx, ms, BATCHES, &found), ST_OK);
            int64_t want = first_at_least(ms, 0);
            cr_assert_eq(found.offset, want, "%ld: %ld for %ld, mode %d", (long)ms,
                         (long)found.offset, (long)want, mode);
            cr_assert_eq(found.timestamp_ms, want >= 0 ? timestamps[want] : -1);
            cr_assert_eq(found.leader_epoch, want >= 0 ? 0 : -1);
        }
        struct log_found found;
        cr_assert_eq(fixture_find(&fx, 1400, 13, &found), ST_OK);
        cr_expect_eq(found.offset, -1, "not readable yet");
        cr_assert_eq(fixture_find_max(&fx, BATCHES, &found), ST_OK);
        cr_expect_eq(found.offset, 13);
        cr_expect_eq(found.timestamp_ms, 1400);
        cr_assert_eq(fixture_raise_start(&fx, 3), ST_OK);
        cr_assert_eq(fixture_find(&fx, 0, BATCHES, &found), ST_OK);
        cr_expect_eq(found.offset, 3, "nothing below the log start");
        fixture_release(&fx);
    }
}

static void append_three(struct fixture *fx, const int64_t *times) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct test_append a;
    struct bytes batch, value = {(const uint8_t *)"value", 5};
    append_prepare(fx, &a, 3, 5, 0);
    cr_assert_eq(batch_builder_start(&fx->builder, &options), ST_OK);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(batch_builder_add(&fx->builder, times[i], BYTES_NULL, value, NULL, 0), ST_OK);
    cr_assert_eq(batch_builder_finish(&fx->builder, &batch), ST_OK);
    free(a.batch);
    a.batch = malloc(batch.len);
    memcpy(a.batch, batch.ptr, batch.len);
    a.append.batch = a.batch;
    a.append.batch_bytes = (uint32_t)batch.len;
    a.append.max_timestamp_ms = MAX(MAX(times[0], times[1]), times[2]);
    cr_assert_eq(log_append(fx->log, &a.append), ST_OK);
    plain_io_settle(&fx->plain);
    append_release(&a);
}

Test(lookup, finds_when_the_next_record_of_an_offset_was_written) {
    struct fixture fx;
    struct log_found found;
    make_log(&fx, 300);
    for (int64_t offset = 0; offset < BATCHES; offset++) {
        cr_assert_eq(fixture_find_record(&fx, offset, BATCHES, &found), ST_OK);
        cr_expect_eq(found.offset, offset);
        cr_expect_eq(found.timestamp_ms, timestamps[offset], "%ld", (long)offset);
    }
    cr_assert_eq(fixture_find_record(&fx, BATCHES, BATCHES, &found), ST_OK);
    cr_expect_eq(found.offset, -1, "at the end there is none");
    cr_assert_eq(fixture_find_record(&fx, 13, 13, &found), ST_OK);
    cr_expect_eq(found.offset, -1, "not readable yet");
    static const int64_t times[] = {2000, 2030, 2020};
    append_three(&fx, times);
    for (int64_t i = 0; i < 3; i++) {
        cr_assert_eq(fixture_find_record(&fx, BATCHES + i, BATCHES + 3, &found), ST_OK);
        cr_expect_eq(found.offset, BATCHES + i, "within a batch");
        cr_expect_eq(found.timestamp_ms, times[i], "record %ld", (long)i);
    }
    fixture_sync(&fx);
    cr_assert_eq(fixture_raise_start(&fx, 7), ST_OK);
    cr_assert_eq(fixture_find_record(&fx, 2, BATCHES, &found), ST_OK);
    cr_expect_eq(found.offset, 7, "what retention took is read by nobody");
    cr_expect_eq(found.timestamp_ms, timestamps[7]);
    fixture_release(&fx);
}

Test(lookup, in_an_empty_log_there_is_nothing) {
    struct fixture fx;
    struct log_found found;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_find(&fx, 0, 0, &found), ST_OK);
    cr_expect_eq(found.offset, -1);
    cr_assert_eq(fixture_find_max(&fx, 0, &found), ST_OK);
    cr_expect_eq(found.offset, -1);
    cr_expect_eq(found.timestamp_ms, -1);
    cr_assert_eq(fixture_find_record(&fx, 0, 0, &found), ST_OK);
    cr_expect_eq(found.offset, -1);
    fixture_release(&fx);
}
