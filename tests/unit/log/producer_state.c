/* tests/unit/log/producer_state.c - Kafka's sequence rules, and their snapshot. */
#include <criterion/criterion.h>
#include "log/producer_state.h"

struct step {
    int64_t id;
    int16_t epoch;
    int32_t sequence, count;
    enum producer_verdict want;
    int64_t duplicate_offset; /* last offset of the batch it repeats */
};

static struct batch_view view_of(const struct step *step) {
    return (struct batch_view){
        .producer_id = step->id,
        .producer_epoch = step->epoch,
        .base_sequence = step->sequence,
        .last_offset_delta = step->count - 1,
        .record_count = step->count,
        .max_timestamp = 1000 + step->sequence,
    };
}

#define MAX_STEPS 10
static const struct {
    const char *name;
    struct step steps[MAX_STEPS]; /* count == 0 ends */
} scenarios[] = {
    {"in order", {{1, 0, 0, 3, PRODUCER_APPEND, 0}, {1, 0, 3, 2, PRODUCER_APPEND, 0}}},
    {"a new producer may begin anywhere", {{1, 0, 77, 1, PRODUCER_APPEND, 0}}},
    {"a batch sent again is a duplicate",
     {{1, 0, 0, 3, PRODUCER_APPEND, 0},
      {1, 0, 3, 2, PRODUCER_APPEND, 0},
      {1, 0, 0, 3, PRODUCER_DUPLICATE, 2},
      {1, 0, 3, 2, PRODUCER_DUPLICATE, 4},
      {1, 0, 5, 1, PRODUCER_APPEND, 0}}},
    {"the same sequence with another length is no duplicate",
     {{1, 0, 0, 3, PRODUCER_APPEND, 0}, {1, 0, 0, 2, PRODUCER_OUT_OF_ORDER, 0}}},
    {"a gap is refused",
     {{1, 0, 0, 3, PRODUCER_APPEND, 0}, {1, 0, 4, 1, PRODUCER_OUT_OF_ORDER, 0}}},
    {"the sixth oldest batch is forgotten",
     {{1, 0, 0, 1, PRODUCER_APPEND, 0},
      {1, 0, 1, 1, PRODUCER_APPEND, 0},
      {1, 0, 2, 1, PRODUCER_APPEND, 0},
      {1, 0, 3, 1, PRODUCER_APPEND, 0},
      {1, 0, 4, 1, PRODUCER_APPEND, 0},
      {1, 0, 5, 1, PRODUCER_APPEND, 0},
      {1, 0, 1, 1, PRODUCER_DUPLICATE, 1},
      {1, 0, 0, 1, PRODUCER_OUT_OF_ORDER, 0}}},
    {"an older epoch is fenced",
     {{1, 3, 0, 1, PRODUCER_APPEND, 0}, {1, 2, 1, 1, PRODUCER_FENCED, 0}}},
    {"a newer epoch begins at 0",
     {{1, 0, 0, 1, PRODUCER_APPEND, 0},
      {1, 1, 1, 1, PRODUCER_OUT_OF_ORDER, 0},
      {1, 1, 0, 1, PRODUCER_APPEND, 0},
      {1, 1, 1, 1, PRODUCER_APPEND, 0}}},
    {"sequences go round at 2^31",
     {{1, 0, INT32_MAX - 1, 2, PRODUCER_APPEND, 0},
      {1, 0, 0, 1, PRODUCER_APPEND, 0},
      {1, 0, INT32_MAX - 1, 2, PRODUCER_DUPLICATE, 1}}},
    {"a batch may lie across the end of the sequences",
     {{1, 0, INT32_MAX, 3, PRODUCER_APPEND, 0}, {1, 0, 2, 1, PRODUCER_APPEND, 0}}},
    {"producers do not disturb each other",
     {{1, 0, 0, 1, PRODUCER_APPEND, 0},
      {2, 0, 0, 1, PRODUCER_APPEND, 0},
      {1, 0, 1, 1, PRODUCER_APPEND, 0},
      {2, 0, 0, 1, PRODUCER_DUPLICATE, 1}}},
    {"batches without producer always pass",
     {{-1, -1, -1, 1, PRODUCER_APPEND, 0}, {-1, -1, -1, 1, PRODUCER_APPEND, 0}}},
};

static int64_t run(struct producer_states *states, const struct step *steps, const char *name) {
    int64_t next_offset = 0;
    for (int i = 0; i < MAX_STEPS && steps[i].count > 0; i++) {
        struct batch_view view = view_of(&steps[i]);
        struct producer_batch duplicate = {0};
        enum producer_verdict got = producer_states_check(states, &view, &duplicate);
        cr_expect_eq(got, steps[i].want, "%s, step %d: got %d", name, i, got);
        if (got == PRODUCER_DUPLICATE) {
            cr_expect_eq(duplicate.last_offset, steps[i].duplicate_offset, "%s, step %d", name, i);
        }
        if (got != PRODUCER_APPEND) continue;
        cr_assert_eq(producer_states_append(states, &view, next_offset, 50), ST_OK);
        next_offset += steps[i].count;
    }
    return next_offset;
}

Test(producer_state, sequences_follow_kafkas_rules) {
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        struct mem mem = {0};
        struct producer_states states;
        producer_states_init(&states, &mem);
        (void)run(&states, scenarios[i].steps, scenarios[i].name);
        producer_states_release(&states);
        cr_expect_eq(mem.used_bytes, 0, "%s leaks", scenarios[i].name);
    }
}

Test(producer_state, a_snapshot_keeps_the_last_batch_of_every_producer) {
    struct mem mem = {0};
    struct producer_states states, loaded;
    uint8_t *data = NULL;
    size_t bytes = 0;
    static const struct step steps[MAX_STEPS] = {{9, 2, 0, 3, PRODUCER_APPEND, 0},
                                                 {3, 0, INT32_MAX, 3, PRODUCER_APPEND, 0},
                                                 {9, 2, 3, 1, PRODUCER_APPEND, 0}};
    producer_states_init(&states, &mem);
    producer_states_init(&loaded, &mem);
    (void)run(&states, steps, "before");
    cr_assert_eq(producer_states_encode(&states, 100, &data, &bytes), ST_OK);
    cr_expect_eq(bytes, 10 + 2 * 46);
    cr_expect_eq(get_u64(data + 10), 3, "entries are in order of their ids");
    cr_assert_eq(producer_states_decode(&loaded, (struct bytes){data, bytes}, 60), ST_OK);
    static const struct step after[MAX_STEPS] = {{9, 2, 3, 1, PRODUCER_DUPLICATE, 6},
                                                 {3, 0, INT32_MAX, 3, PRODUCER_DUPLICATE, 5},
                                                 {9, 2, 0, 3, PRODUCER_OUT_OF_ORDER, 0},
                                                 {9, 2, 4, 1, PRODUCER_APPEND, 0}};
    (void)run(&loaded, after, "after");
    producer_states_release(&loaded);
    for (size_t i = 0; i < bytes; i++) { /* any flipped bit is noticed */
        data[i] ^= 0x10;
        cr_expect_eq(producer_states_decode(&loaded, (struct bytes){data, bytes}, 60), ST_CORRUPT);
        data[i] ^= 0x10;
    }
    cr_expect_eq(producer_states_count(&loaded), 0);
    mem_free(&mem, data, bytes);
    producer_states_release(&states);
    producer_states_release(&loaded);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(producer_state, a_snapshot_of_an_offset_knows_nothing_of_what_comes_later) {
    struct mem mem = {0};
    struct producer_states states, loaded;
    uint8_t *data = NULL;
    size_t bytes = 0;
    static const struct step steps[MAX_STEPS] = {{1, 0, 0, 2, PRODUCER_APPEND, 0},
                                                 {1, 0, 2, 2, PRODUCER_APPEND, 0},
                                                 {2, 0, 0, 1, PRODUCER_APPEND, 0}};
    static const struct step after[MAX_STEPS] = {{1, 0, 0, 2, PRODUCER_DUPLICATE, 1},
                                                 {1, 0, 2, 2, PRODUCER_APPEND, 0},
                                                 {2, 0, 0, 1, PRODUCER_APPEND, 0}};
    producer_states_init(&states, &mem);
    producer_states_init(&loaded, &mem);
    (void)run(&states, steps, "before");
    cr_assert_eq(producer_states_encode(&states, 2, &data, &bytes), ST_OK);
    cr_expect_eq(bytes, 10 + 46, "producer 2 wrote only later");
    cr_assert_eq(producer_states_decode(&loaded, (struct bytes){data, bytes}, 60), ST_OK);
    (void)run(&loaded, after, "after");
    mem_free(&mem, data, bytes);
    producer_states_release(&states);
    producer_states_release(&loaded);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(producer_state, old_and_too_many_producers_are_forgotten) {
    struct mem mem = {0};
    struct producer_states states;
    producer_states_init(&states, &mem);
    states.limit_count = 3;
    for (int64_t id = 0; id < 5; id++) {
        struct batch_view view = view_of(&(struct step){id, 0, 0, 1, PRODUCER_APPEND, 0});
        cr_assert_eq(producer_states_append(&states, &view, id, 1000 * id), ST_OK);
        cr_expect_leq(producer_states_count(&states), 3);
    }
    producer_states_expire(&states, 4500, 1000); /* noted at 2,000, 3,000 and 4,000 */
    cr_expect_eq(producer_states_count(&states), 1);
    producer_states_expire(&states, -1000000, 1000); /* the clock stepped back: nothing goes */
    cr_expect_eq(producer_states_count(&states), 1);
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}
