/* tests/unit/sim/history.c - every planted anomaly is found, and by its own name; a right history
 * has none. */
#include "tests/sim/history.h"
#include <criterion/criterion.h>

static struct mem mem;
static struct history h;
static uint32_t partition;

static void setup(bool flush) {
    mem = (struct mem){0};
    history_init(&h, &mem);
    partition = history_partition_add(&h, "topic-0", flush);
}

static void read_as(struct history_reader *reader, int64_t offset, uint64_t id, int64_t watermark) {
    uint8_t value[100];
    size_t len = history_value_bytes(id, sizeof value);
    history_value(id, value, len);
    history_read(&h, reader, offset, (struct bytes){value, len}, watermark);
}

static uint64_t id_of(uint64_t producer, uint64_t number) { return producer << 40 | number; }

/* Ten records of producer 1, acknowledged with acks=all at offsets 0 to 9. */
static void ten_acked(int acks) {
    history_sent(&h, partition, 1, id_of(1, 0), 10, false);
    history_acked(&h, partition, id_of(1, 0), 10, 0, acks);
}

/* The reader of the end: offsets 0 .. count - 1 with the records that belong there. */
static void end_read_from(int64_t start, int64_t count) {
    struct history_reader reader = {.partition = partition, .next_offset = start};
    history_end_begin(&h, partition);
    for (int64_t i = start; i < count; i++) read_as(&reader, i, id_of(1, (uint64_t)i), count);
    history_end(&h, partition, start, count);
}

static void end_read(int64_t count) { end_read_from(0, count); }

static void right(void) {
    ten_acked(-1);
    end_read(10);
}

static void right_after_a_power_cut(void) {
    ten_acked(1); /* not promised */
    history_power_cut(&h);
    end_read(4);
}

static void right_twice_after_a_retry(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    struct history_reader reader = {.partition = partition};
    history_end_begin(&h, partition);
    read_as(&reader, 0, id_of(1, 0), 2);
    read_as(&reader, 1, id_of(1, 0), 2);
    history_end(&h, partition, 0, 2);
}

static void lost(void) {
    ten_acked(-1);
    history_power_cut(&h);
    end_read(9);
}

static void lost_in_the_middle(void) {
    ten_acked(1);
    struct history_reader reader = {.partition = partition};
    history_end_begin(&h, partition);
    for (int64_t i = 0; i < 10; i++) {
        if (i == 5) reader.next_offset++;
        if (i != 5) read_as(&reader, i, id_of(1, (uint64_t)i), 10);
    }
    history_end(&h, partition, 0, 10);
}

static void lost_after_it_was_read(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 10, false);
    struct history_reader reader = {.partition = partition};
    for (int64_t i = 0; i < 10; i++) read_as(&reader, i, id_of(1, (uint64_t)i), 10);
    history_power_cut(&h);
    end_read(8);
}

static void lost_without_a_power_cut(void) {
    ten_acked(1);
    end_read(9);
}

static void inconsistent(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 2, false);
    struct history_reader one = {.partition = partition}, two = {.partition = partition};
    read_as(&one, 0, id_of(1, 0), 1);
    read_as(&two, 0, id_of(1, 1), 1);
}

static void duplicate(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 2);
    read_as(&reader, 1, id_of(1, 0), 2);
}

static void duplicate_of_an_idempotent_producer(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, true);
    history_sent(&h, partition, 1, id_of(1, 0), 1, true);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 2);
    read_as(&reader, 1, id_of(1, 0), 2);
}

static void unsent(void) {
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 7), 1);
}

static void misplaced(void) {
    uint32_t other = history_partition_add(&h, "topic-1", true);
    history_sent(&h, other, 1, id_of(1, 0), 1, false);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 1);
}

static void of_a_deleted_topic(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    history_partition_deleted(&h, partition);
    partition = history_partition_add(&h, "topic-0", true);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 1);
}

static void damaged(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    struct history_reader reader = {.partition = partition};
    uint8_t value[50];
    history_value(id_of(1, 0), value, sizeof value);
    value[49] ^= 1;
    history_read(&h, &reader, 0, (struct bytes){value, sizeof value}, 1);
}

static void damaged_to_nothing(void) {
    struct history_reader reader = {.partition = partition};
    history_read(&h, &reader, 0, BYTES_NULL, 1);
}

static void reordered(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 2, false);
    history_acked(&h, partition, id_of(1, 1), 1, 0, -1);
    history_acked(&h, partition, id_of(1, 0), 1, 1, -1);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 1), 2);
    read_as(&reader, 1, id_of(1, 0), 2);
    history_end(&h, partition, 0, 2);
}

static void wrong_offset(void) {
    ten_acked(-1);
    history_sent(&h, partition, 2, id_of(2, 0), 1, false);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(2, 0), 10);
}

static void acknowledged_twice_at_one_offset(void) {
    ten_acked(-1);
    history_sent(&h, partition, 2, id_of(2, 0), 1, false);
    history_acked(&h, partition, id_of(2, 0), 1, 3, -1);
}

static void gap(void) {
    ten_acked(-1);
    end_read(10);
    history_end(&h, partition, 0, 12);
}

static void gap_between(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 3, false);
    struct history_reader reader = {.partition = partition};
    history_end_begin(&h, partition);
    read_as(&reader, 0, id_of(1, 0), 3);
    reader.next_offset = 2;
    read_as(&reader, 2, id_of(1, 2), 3);
    history_end(&h, partition, 0, 3);
}

static void read_back(void) {
    ten_acked(-1);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 10);
    read_as(&reader, 0, id_of(1, 0), 10);
}

static void read_skip(void) {
    ten_acked(-1);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 10);
    read_as(&reader, 2, id_of(1, 2), 10);
}

static void watermark_back(void) {
    history_watermark(&h, partition, 10, history_watermark_known(&h, partition));
    history_watermark(&h, partition, 9, history_watermark_known(&h, partition));
}

static void watermark_of_an_older_question(void) { /* no anomaly: it was asked for before */
    int64_t known = history_watermark_known(&h, partition);
    history_watermark(&h, partition, 10, known);
    history_watermark(&h, partition, 9, known);
}

static void beyond_watermark(void) {
    ten_acked(-1);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 0);
}

static void refused_seen(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    history_refused(&h, partition, id_of(1, 0), 1);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 1);
}

static void refused_after_it_was_seen(void) {
    history_sent(&h, partition, 1, id_of(1, 0), 1, false);
    struct history_reader reader = {.partition = partition};
    read_as(&reader, 0, id_of(1, 0), 1);
    history_refused(&h, partition, id_of(1, 0), 1);
}

static void short_end(void) {
    ten_acked(-1);
    end_read(5);
}

/* DeleteRecords up to 4 was acknowledged, up to 6 asked for. */
static void ten_acked_and_cut(void) {
    h.cuts = true;
    ten_acked(-1);
    history_cut_asked(&h, partition, 4);
    history_cut(&h, partition, 4);
    history_cut_asked(&h, partition, 6);
}

static void right_after_a_cut(void) {
    ten_acked_and_cut();
    end_read_from(6, 10);
}

static void cut_too_much(void) {
    ten_acked_and_cut();
    end_read_from(7, 10);
}

static void deleted_back(void) {
    ten_acked_and_cut();
    end_read_from(3, 10);
}

Test(history, finds_every_planted_anomaly_and_nothing_in_a_right_history) {
    static const struct {
        const char *name;
        void (*run)(void);
        int anomaly; /* ANOMALY_COUNT: none */
        bool flush;
    } rows[] = {
        {"right", right, ANOMALY_COUNT, true},
        {"right after a power cut", right_after_a_power_cut, ANOMALY_COUNT, true},
        {"right without flush", right, ANOMALY_COUNT, false},
        {"lost without flush is no anomaly", lost, ANOMALY_COUNT, false},
        {"right twice after a retry", right_twice_after_a_retry, ANOMALY_COUNT, true},
        {"watermark of an older question", watermark_of_an_older_question, ANOMALY_COUNT, true},
        {"lost", lost, ANOMALY_LOST, true},
        {"lost in the middle", lost_in_the_middle, ANOMALY_LOST, true},
        {"lost after it was read", lost_after_it_was_read, ANOMALY_LOST, true},
        {"lost without a power cut", lost_without_a_power_cut, ANOMALY_LOST, false},
        {"inconsistent", inconsistent, ANOMALY_INCONSISTENT, true},
        {"duplicate", duplicate, ANOMALY_DUPLICATE, true},
        {"duplicate of an idempotent producer", duplicate_of_an_idempotent_producer,
         ANOMALY_DUPLICATE, true},
        {"unsent", unsent, ANOMALY_UNSENT, true},
        {"misplaced", misplaced, ANOMALY_MISPLACED, true},
        {"of a deleted topic", of_a_deleted_topic, ANOMALY_MISPLACED, true},
        {"damaged", damaged, ANOMALY_DAMAGED, true},
        {"damaged to nothing", damaged_to_nothing, ANOMALY_DAMAGED, true},
        {"reordered", reordered, ANOMALY_REORDERED, true},
        {"wrong offset", wrong_offset, ANOMALY_WRONG_OFFSET, true},
        {"acknowledged twice at one offset", acknowledged_twice_at_one_offset, ANOMALY_WRONG_OFFSET,
         true},
        {"gap at the end", gap, ANOMALY_GAP, true},
        {"gap between", gap_between, ANOMALY_GAP, true},
        {"read back", read_back, ANOMALY_READ_BACK, true},
        {"read skip", read_skip, ANOMALY_READ_SKIP, true},
        {"watermark back", watermark_back, ANOMALY_WATERMARK_BACK, true},
        {"beyond the watermark", beyond_watermark, ANOMALY_BEYOND_WATERMARK, true},
        {"refused and seen", refused_seen, ANOMALY_REFUSED_SEEN, true},
        {"refused after it was seen", refused_after_it_was_seen, ANOMALY_REFUSED_SEEN, true},
        {"short end", short_end, ANOMALY_SHORT_END, true},
        {"right after records were deleted", right_after_a_cut, ANOMALY_COUNT, true},
        {"more deleted than was asked for", cut_too_much, ANOMALY_LOST, true},
        {"deleted records are back", deleted_back, ANOMALY_DELETED_BACK, true},
    };
    bool seen[ANOMALY_COUNT] = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        setup(rows[i].flush);
        rows[i].run();
        if (rows[i].anomaly == ANOMALY_COUNT) {
            cr_expect_eq(history_anomaly_count(&h), 0, "%s: %s", rows[i].name, h.first);
        } else {
            cr_expect_gt(h.anomalies[rows[i].anomaly], 0, "%s: got %s", rows[i].name, h.first);
            cr_expect_neq(h.first[0], '\0', "%s", rows[i].name);
            seen[rows[i].anomaly] = true;
        }
        history_release(&h);
        cr_expect_eq(mem.used_bytes, 0, "%s leaks", rows[i].name);
    }
    for (int i = 0; i < ANOMALY_COUNT; i++)
        cr_expect(seen[i], "%s was planted nowhere", anomaly_name(i));
}
