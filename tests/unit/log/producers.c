/* tests/unit/log/producers.c - producer state through the life of a log: closed, killed, rolled,
 * truncated, with and without its snapshots. Live state == replay, always. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include "fixture.h"
#include "protocol/crc32c.h"

#define RECORD_BYTES 100
#define DAY_MS INT64_C(86400000)

static void stamp_producer(struct test_append *a, int64_t id, int32_t sequence) {
    uint8_t *batch = a->batch;
    put_u64(batch + BATCH_AT_PRODUCER_ID, (uint64_t)id);
    put_u16(batch + BATCH_AT_PRODUCER_EPOCH, 0);
    put_u32(batch + BATCH_AT_BASE_SEQUENCE, (uint32_t)sequence);
    size_t covered = a->append.batch_bytes - BATCH_AT_ATTRIBUTES;
    put_u32(batch + BATCH_AT_CRC, crc32c(0, batch + BATCH_AT_ATTRIBUTES, covered));
}

/* One record of a producer, if its sequence may go in; what the log said. */
static enum producer_verdict produce(struct fixture *fx, int64_t id, int32_t sequence,
                                     int64_t *ret_offset) {
    struct test_append a;
    struct batch_view view;
    struct producer_batch duplicate = {0};
    append_prepare(fx, &a, 1, RECORD_BYTES, 1000);
    stamp_producer(&a, id, sequence);
    cr_assert_eq(batch_open((struct bytes){a.batch, a.append.batch_bytes}, &view), ST_OK);
    enum producer_verdict verdict = log_check_producer(fx->log, &view, &duplicate);
    *ret_offset = duplicate.last_offset;
    if (verdict == PRODUCER_APPEND) {
        cr_assert_eq(log_append(fx->log, &a.append), ST_OK);
        while (a.order == 0) cr_assert(plain_io_turn(&fx->plain));
        *ret_offset = a.append.base_offset;
    }
    append_release(&a);
    plain_io_settle(&fx->plain);
    return verdict;
}

/* What a log that took sequences 0 .. count - 1 of producers 1 and 2 in turn must say. */
static void check_state(struct fixture *fx, int32_t count, int remembered, const char *when) {
    int64_t offset = -1;
    for (int64_t id = 1; id <= 2; id++) {
        cr_expect_eq(produce(fx, id, count + 1, &offset), PRODUCER_OUT_OF_ORDER, "%s: a gap", when);
        for (int32_t back = 1; back <= remembered; back++) {
            cr_expect_eq(produce(fx, id, count - back, &offset), PRODUCER_DUPLICATE, "%s: %d back",
                         when, back);
            cr_expect_eq(offset, (count - back) * 2 + id - 1, "%s: %d back", when, back);
        }
    }
}

static void fill(struct fixture *fx, int32_t from, int32_t count) {
    int64_t offset = -1;
    for (int32_t sequence = from; sequence < from + count; sequence++) {
        for (int64_t id = 1; id <= 2; id++) {
            cr_assert_eq(produce(fx, id, sequence, &offset), PRODUCER_APPEND);
        }
    }
}

Test(producers, are_remembered_over_a_close_a_kill_and_lost_snapshots) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 7);
    check_state(&fx, 7, 5, "live");
    cr_assert_eq(fixture_close(&fx), ST_OK);
    cr_expect(file_exists(&fx, "00000000000000000014.snapshot"));
    fx.open.clean = true;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    check_state(&fx, 7, 1, "from the snapshot, which holds the last batch of each");
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    check_state(&fx, 7, 1, "killed, the snapshot stands");
    file_remove(&fx, "00000000000000000014.snapshot");
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    check_state(&fx, 7, 5, "replayed from the batches");
    fixture_release(&fx);
}

Test(producers, a_damaged_snapshot_is_replayed_instead) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 3);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    file_flip(&fx, "00000000000000000006.snapshot", 30);
    fx.open.clean = true;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    check_state(&fx, 3, 3, "replayed");
    cr_expect_not(file_exists(&fx, "00000000000000000006.snapshot"));
    fixture_release(&fx);
}

Test(producers, no_snapshot_is_believed_above_a_segment_that_lost_its_end) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 6);
    cr_assert_geq(log_segment_count(fx.log), 4);
    fixture_kill(&fx);
    file_cut(&fx, "00000000000000000006.log", 0); /* offsets 6, 7 and 8: never synced */
    fx.open.clean = false;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    int64_t offset = -1;
    cr_expect_eq(produce(&fx, 1, 5, &offset), PRODUCER_DUPLICATE, "offset 10 is there");
    cr_expect_eq(produce(&fx, 1, 4, &offset), PRODUCER_OUT_OF_ORDER, "offset 8 is not");
    fixture_release(&fx);
}

Test(producers, a_snapshot_stands_at_the_start_of_each_segment) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 6);
    cr_assert_geq(log_segment_count(fx.log), 3);
    cr_expect(file_exists(&fx, "00000000000000000003.snapshot"));
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    check_state(&fx, 6, 1, "from a segment's snapshot and the batches behind it");
    fixture_release(&fx);
}

Test(producers, a_torn_snapshot_is_written_again_as_its_segment_is_recovered) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 6);
    cr_assert_geq(log_segment_count(fx.log), 3);
    size_t bytes = 0, now_bytes = 0;
    uint8_t *whole = file_read(&fx, "00000000000000000003.snapshot", &bytes);
    file_flip(&fx, "00000000000000000003.snapshot", 30);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    uint8_t *now = file_read(&fx, "00000000000000000003.snapshot", &now_bytes);
    cr_expect_arr_eq(now, whole, bytes, "it will stand for what retention deletes in front of it");
    cr_expect_eq(now_bytes, bytes);
    free(whole);
    free(now);
    fixture_release(&fx);
}

Test(producers, a_torn_snapshot_at_the_end_is_written_again_by_the_roll) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    int64_t offset = -1;
    fill(&fx, 0, 1);
    cr_assert_eq(produce(&fx, 1, 1, &offset), PRODUCER_APPEND);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    size_t bytes = 0, now_bytes = 0;
    uint8_t *whole = file_read(&fx, "00000000000000000003.snapshot", &bytes);
    file_flip(&fx, "00000000000000000003.snapshot", 30);
    fx.open.clean = false;
    cr_assert_eq(fixture_open(&fx), ST_OK); /* replays all, so it reads no snapshot */
    cr_assert_eq(produce(&fx, 2, 1, &offset), PRODUCER_APPEND); /* into the next segment */
    cr_assert_eq(log_segment_count(fx.log), 2);
    uint8_t *now = file_read(&fx, "00000000000000000003.snapshot", &now_bytes);
    cr_expect_eq(now_bytes, bytes);
    cr_expect_arr_eq(now, whole, bytes, "it will stand for what retention deletes in front of it");
    free(whole);
    free(now);
    fixture_release(&fx);
}

Test(producers, a_replay_leaves_a_snapshot_at_each_segment_that_it_passes) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 6);
    cr_assert_geq(log_segment_count(fx.log), 4);
    file_flip(&fx, "00000000000000000003.snapshot", 30);
    file_flip(&fx, "00000000000000000006.snapshot", 30);
    file_flip(&fx, "00000000000000000009.snapshot", 30);
    cr_assert_eq(fixture_crash(&fx, 12), ST_OK); /* nothing is recovered but the end */
    cr_expect(file_exists(&fx, "00000000000000000003.snapshot"));
    cr_expect(file_exists(&fx, "00000000000000000006.snapshot"));
    check_state(&fx, 6, 5, "replayed");
    fixture_release(&fx);
}

/* The segments of the producers before it may be gone: nothing else tells of them. */
Test(producers, a_compaction_that_a_crash_cut_keeps_the_snapshot_where_it_begins) {
    struct fixture fx;
    int64_t offset = -1;
    size_t bytes = 0;
    fixture_init(&fx);
    fx.config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(produce(&fx, 3, 0, &offset), PRODUCER_APPEND);
    fill(&fx, 0, 4);
    cr_assert_eq(log_segment_count(fx.log), 3);
    fixture_kill(&fx);
    file_remove(&fx, "00000000000000000000.log"); /* as retention does */
    file_remove(&fx, "00000000000000000000.index");
    file_remove(&fx, "00000000000000000000.timeindex");
    uint8_t *second = file_read(&fx, "00000000000000000003.log", &bytes);
    file_write(&fx, "00000000000000000003.log.swap", second, bytes);
    free(second);
    fx.open.log_start = 3;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(log_end(fx.log), 9);
    cr_expect_eq(produce(&fx, 3, 0, &offset), PRODUCER_DUPLICATE);
    cr_expect_eq(offset, 0);
    fixture_release(&fx);
}

Test(producers, a_clock_that_steps_ahead_lets_nothing_be_appended_twice) {
    struct fixture fx;
    int64_t offset = -1;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(produce(&fx, 1, 0, &offset), PRODUCER_APPEND);
    fx.plain.io.now.wall_ms += 3650 * DAY_MS;
    log_expire_producers(fx.log, DAY_MS);
    cr_expect_eq(produce(&fx, 1, 0, &offset), PRODUCER_DUPLICATE, "sent again");
    fx.plain.io.now.mono_us += (DAY_MS + 1) * UINT64_C(1000);
    log_expire_producers(fx.log, DAY_MS);
    cr_expect_eq(produce(&fx, 1, 5, &offset), PRODUCER_APPEND, "forgotten");
    fixture_release(&fx);
}

Test(producers, truncation_forgets_what_was_cut) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 5);
    cr_assert_eq(fixture_truncate(&fx, 6), ST_OK);
    check_state(&fx, 3, 3, "truncated"); /* KAFKA-12520: nothing of the cut part is believed */
    fill(&fx, 3, 2);
    check_state(&fx, 5, 5, "written again");
    fixture_release(&fx);
}

/* Found by simulation: a batch in a hole was answered as a repeat, for a snapshot told of it. */
Test(producers, a_batch_that_lies_in_a_hole_is_not_said_to_be_there) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fill(&fx, 0, 7);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    size_t bytes;
    free(file_read(&fx, SEGMENT_0 ".log", &bytes));
    /* offset 12: producer 1, sequence 6 */
    file_flip(&fx, SEGMENT_0 ".log", bytes / 14 * 12 + BATCH_HEADER_BYTES);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_not(file_exists(&fx, "00000000000000000014.snapshot"));
    int64_t offset = -1;
    cr_expect_eq(produce(&fx, 2, 6, &offset), PRODUCER_DUPLICATE, "behind the hole");
    cr_expect_eq(produce(&fx, 1, 6, &offset), PRODUCER_APPEND, "lost: it is taken again");
    fixture_release(&fx);
}

/* --- what stands for the segments that were deleted --- */

/* Offsets 0: producer 3, from then on producers 1 and 2; segments at 0, 3, 6 and 9. */
static void start_to_delete(struct fixture *fx) {
    int64_t offset = -1;
    fixture_init(fx);
    fx->config.segment_bytes = 600; /* three batches */
    cr_assert_eq(fixture_open(fx), ST_OK);
    cr_assert_eq(produce(fx, 3, 0, &offset), PRODUCER_APPEND);
    fill(fx, 0, 5);
    cr_assert_eq(log_segment_count(fx->log), 4);
    fixture_sync(fx);
}

/* The producer whose only batch was deleted is known after a crash. */
static void check_remembered(struct fixture *fx) {
    int64_t offset = -1;
    fx->plain.fault = NULL;
    fx->open.log_start = 9;
    cr_assert_eq(fixture_crash(fx, 0), ST_OK);
    cr_expect_eq(produce(fx, 3, 0, &offset), PRODUCER_DUPLICATE);
    cr_expect_eq(offset, 0);
    cr_expect_eq(produce(fx, 1, 6, &offset), PRODUCER_OUT_OF_ORDER);
    cr_expect_eq(produce(fx, 1, 4, &offset), PRODUCER_DUPLICATE);
}

static int no_room_for_snapshots(struct plain_io *plain, const struct plain_call *call) {
    bool is_snapshot = call->path != NULL && strstr(call->path, ".snapshot") != NULL;
    return call->kind == PLAIN_OPEN && is_snapshot && call->path[strlen(call->path) - 1] != 't'
               ? -ENOSPC
               : 0;
}

/* Found by simulation: a batch of the forgotten producer was appended twice. */
Test(producers, a_snapshot_that_a_roll_had_no_room_for_is_made_before_segments_go) {
    struct fixture fx;
    start_to_delete(&fx);
    file_remove(&fx, "00000000000000000003.snapshot");
    file_remove(&fx, "00000000000000000006.snapshot");
    file_remove(&fx, "00000000000000000009.snapshot");
    cr_assert_eq(fixture_raise_start(&fx, 9), ST_OK);
    cr_expect_eq(log_segment_count(fx.log), 1);
    cr_expect(file_exists(&fx, "00000000000000000009.snapshot"));
    check_remembered(&fx);
    fixture_release(&fx);
}

Test(producers, a_snapshot_that_a_power_cut_tore_is_made_again_before_segments_go) {
    struct fixture fx;
    start_to_delete(&fx);
    file_flip(&fx, "00000000000000000009.snapshot", 30);
    cr_assert_eq(fixture_raise_start(&fx, 9), ST_OK);
    cr_expect_eq(log_segment_count(fx.log), 1);
    check_remembered(&fx);
    fixture_release(&fx);
}

Test(producers, segments_stay_while_there_is_no_room_for_what_they_tell_and_go_later) {
    struct fixture fx;
    start_to_delete(&fx);
    file_remove(&fx, "00000000000000000003.snapshot");
    file_remove(&fx, "00000000000000000006.snapshot");
    file_remove(&fx, "00000000000000000009.snapshot");
    fx.plain.fault = no_room_for_snapshots;
    cr_expect_eq(fixture_raise_start(&fx, 9), ST_OK);
    cr_expect_eq(log_start_offset(fx.log), 9, "nobody reads them any more");
    cr_expect_eq(log_segment_count(fx.log), 4);
    check_remembered(&fx);
    cr_expect_eq(fixture_raise_start(&fx, 9), ST_OK);
    cr_expect_leq(log_segment_count(fx.log), 2);
    check_remembered(&fx);
    fixture_release(&fx);
}

Test(producers, without_room_what_the_newest_secure_snapshot_stands_for_goes) {
    struct fixture fx;
    start_to_delete(&fx);
    file_flip(&fx, "00000000000000000006.snapshot", 30);
    file_remove(&fx, "00000000000000000009.snapshot");
    fx.plain.fault = no_room_for_snapshots;
    cr_expect_eq(fixture_raise_start(&fx, 9), ST_OK);
    cr_expect_eq(log_first_base_offset(fx.log), 3);
    check_remembered(&fx);
    fixture_release(&fx);
}
