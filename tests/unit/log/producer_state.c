/* tests/unit/log/producer_state.c - Kafka's sequence rules, and their snapshot. */
#include <criterion/criterion.h>
#include "base/prng.h"
#include "log/producer_snapshot.h"
#include "protocol/crc32c.h"

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
    {"an epoch below none is fenced, even of a new producer",
     {{1, -2, 0, 1, PRODUCER_FENCED, 0}, {1, -1, 0, 1, PRODUCER_APPEND, 0}}},
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
        struct producer_change change;
        cr_assert_eq(producer_states_append(states, &view, NULL, next_offset, 50, &change), ST_OK);
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

static uint8_t *encode(const struct producer_states *states,
                       const struct producer_change *const *later, size_t later_count,
                       size_t *ret_bytes) {
    struct producer_list list;
    uint8_t *data = NULL;
    cr_assert_eq(producer_states_list(states, later, later_count, &list), ST_OK);
    cr_assert_eq(producer_snapshot_encode(&list, states->mem, &data, ret_bytes), ST_OK);
    producer_list_release(&list, states->mem);
    return data;
}

static enum status restore(struct producer_states *states, const uint8_t *data, size_t bytes) {
    struct producer_list list;
    enum status st = producer_snapshot_decode((struct bytes){data, bytes}, states->mem, &list);
    if (st != ST_OK) return st;
    st = producer_states_restore(states, &list, 60);
    producer_list_release(&list, states->mem);
    return st;
}

Test(producer_state, a_snapshot_keeps_the_last_batch_of_every_producer) {
    struct mem mem = {0};
    struct producer_states states, loaded;
    size_t bytes = 0;
    static const struct step steps[MAX_STEPS] = {{9, 2, 0, 3, PRODUCER_APPEND, 0},
                                                 {3, 0, INT32_MAX, 3, PRODUCER_APPEND, 0},
                                                 {9, 2, 3, 1, PRODUCER_APPEND, 0}};
    producer_states_init(&states, &mem);
    producer_states_init(&loaded, &mem);
    (void)run(&states, steps, "before");
    uint8_t *data = encode(&states, NULL, 0, &bytes);
    cr_expect_eq(bytes, 10 + 2 * 46);
    cr_expect_eq(get_u64(data + 10), 3, "entries are in order of their ids");
    cr_assert_eq(restore(&loaded, data, bytes), ST_OK);
    static const struct step after[MAX_STEPS] = {{9, 2, 3, 1, PRODUCER_DUPLICATE, 6},
                                                 {3, 0, INT32_MAX, 3, PRODUCER_DUPLICATE, 5},
                                                 {9, 2, 0, 3, PRODUCER_OUT_OF_ORDER, 0},
                                                 {9, 2, 4, 1, PRODUCER_APPEND, 0}};
    (void)run(&loaded, after, "after");
    producer_states_clear(&loaded);
    for (size_t i = 0; i < bytes; i++) { /* any flipped bit is noticed */
        data[i] ^= 0x10;
        cr_expect_eq(restore(&loaded, data, bytes), ST_CORRUPT);
        data[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < bytes; cut++)
        cr_expect_eq(restore(&loaded, data, cut), ST_CORRUPT, "cut to %zu octets", cut);
    memcpy(data + 10 + 46, data + 10, 46); /* the same producer twice, the checksum right */
    put_u32(data + 2, crc32c(0, data + 6, bytes - 6));
    cr_expect_eq(restore(&loaded, data, bytes), ST_CORRUPT);
    cr_expect_eq(producer_states_count(&loaded), 0);
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
        struct producer_change change;
        cr_assert_eq(producer_states_append(&states, &view, NULL, id, 1000 * id, &change), ST_OK);
        cr_expect_leq(producer_states_count(&states), 3);
    }
    producer_states_expire(&states, 4500, 1000); /* noted at 2,000, 3,000 and 4,000 */
    cr_expect_eq(producer_states_count(&states), 1);
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}

/* --- transactions --- */

static enum status add(struct producer_states *states, int64_t id, int16_t epoch, int32_t sequence,
                       bool transactional, int64_t offset, struct producer_change *change) {
    struct batch_view view = view_of(&(struct step){id, epoch, sequence, 1, PRODUCER_APPEND, 0});
    if (transactional) view.attributes = BATCH_ATTR_TRANSACTIONAL;
    return producer_states_append(states, &view, NULL, offset, 50, change);
}

static enum status end(struct producer_states *states, int64_t id, int16_t epoch,
                       const struct txn_marker *marker, int64_t offset,
                       struct producer_change *change) {
    struct batch_view view = {.attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL,
                              .producer_id = id,
                              .producer_epoch = epoch,
                              .base_sequence = NO_SEQUENCE,
                              .record_count = 1};
    return producer_states_append(states, &view, marker, offset, 50, change);
}

static enum producer_verdict may_end(struct producer_states *states, int64_t id, int16_t epoch,
                                     int32_t coordinator_epoch) {
    struct txn_marker marker = {.coordinator_epoch = coordinator_epoch};
    struct batch_view view = {.producer_id = id, .producer_epoch = epoch};
    return producer_states_check_marker(states, &view, &marker);
}

Test(producer_state, a_transaction_is_unstable_until_its_marker_is_below_the_high_watermark) {
    struct mem mem = {0};
    struct producer_states states;
    struct producer_change change;
    const struct txn_marker commit = {.is_commit = true, .timestamp = 7000};
    producer_states_init(&states, &mem);
    cr_expect_eq(producer_states_first_unstable(&states), NO_UNSTABLE_OFFSET);
    cr_assert_eq(add(&states, 1, 0, 0, false, 0, &change), ST_OK);
    cr_expect_eq(producer_states_first_unstable(&states), NO_UNSTABLE_OFFSET, "no transaction");
    cr_assert_eq(add(&states, 2, 0, 0, true, 1, &change), ST_OK);
    cr_assert_eq(add(&states, 2, 0, 1, true, 2, &change), ST_OK);
    cr_expect_eq(producer_states_first_unstable(&states), 1, "open");
    producer_states_decide(&states, 3);
    cr_expect_eq(producer_states_first_unstable(&states), 1, "the watermark decides nothing");
    cr_assert_eq(end(&states, 2, 0, &commit, 3, &change), ST_OK);
    cr_expect_not(change.is_abort);
    producer_states_decide(&states, 3);
    cr_expect_eq(producer_states_first_unstable(&states), 1, "the marker can still be lost");
    producer_states_decide(&states, 4);
    cr_expect_eq(producer_states_first_unstable(&states), NO_UNSTABLE_OFFSET);
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(producer_state, an_abort_says_what_was_open_then) {
    struct mem mem = {0};
    struct producer_states states;
    struct producer_change change;
    const struct txn_marker abort = {.coordinator_epoch = 3};
    producer_states_init(&states, &mem);
    cr_assert_eq(add(&states, 1, 0, 0, true, 10, &change), ST_OK);
    cr_assert_eq(add(&states, 2, 0, 0, true, 11, &change), ST_OK);
    cr_assert_eq(end(&states, 1, 1, &abort, 12, &change), ST_OK);
    struct aborted_txn txn = change.aborted;
    cr_expect(change.is_abort && txn.producer_id == 1 && txn.first_offset == 10 &&
              txn.last_offset == 12 && txn.last_stable_offset == 11);
    cr_assert_eq(end(&states, 2, 1, &abort, 13, &change), ST_OK);
    cr_expect(change.is_abort && change.aborted.last_stable_offset == 14);
    cr_assert_eq(end(&states, 2, 1, &abort, 14, &change), ST_OK);
    cr_expect_not(change.is_abort, "a marker without a transaction changes nothing to readers");
    cr_assert_eq(end(&states, 3, 0, &abort, 15, &change), ST_OK);
    cr_expect_not(change.is_abort, "nor does one of an unknown producer");
    cr_expect_eq(producer_states_count(&states), 3, "but it is known from then on");
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(producer_state, a_marker_of_the_same_epoch_keeps_the_sequences_and_a_bump_ends_them) {
    struct mem mem = {0};
    struct producer_states states;
    struct producer_change change;
    struct producer_list list;
    const struct txn_marker commit = {.is_commit = true, .timestamp = 7000, .coordinator_epoch = 4};
    static const struct step same[MAX_STEPS] = {{1, 0, 0, 1, PRODUCER_DUPLICATE, 0},
                                                {1, 0, 1, 1, PRODUCER_APPEND, 0}};
    static const struct step bumped[MAX_STEPS] = {{1, 0, 2, 1, PRODUCER_FENCED, 0},
                                                  {1, 1, 2, 1, PRODUCER_OUT_OF_ORDER, 0},
                                                  {1, 1, 0, 1, PRODUCER_APPEND, 0}};
    producer_states_init(&states, &mem);
    cr_assert_eq(add(&states, 1, 0, 0, true, 0, &change), ST_OK);
    cr_assert_eq(end(&states, 1, 0, &commit, 1, &change), ST_OK);
    (void)run(&states, same, "transaction.version 1");
    cr_assert_eq(end(&states, 1, 1, &commit, 2, &change), ST_OK);
    cr_assert_eq(producer_states_list(&states, NULL, 0, &list), ST_OK);
    const struct producer_summary *p = list.producers;
    cr_expect(p->epoch == 1 && p->last_sequence == -1 && p->last_offset == -1 &&
              p->offset_delta == 0 && p->last_timestamp_ms == 7000 && p->coordinator_epoch == 4 &&
              p->txn_first_offset == -1);
    producer_list_release(&list, &mem);
    (void)run(&states, bumped, "transaction.version 2");
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(producer_state, plain_data_and_old_coordinators_are_refused) {
    struct mem mem = {0};
    struct producer_states states;
    struct producer_change change;
    const struct txn_marker commit = {.is_commit = true, .coordinator_epoch = 4};
    static const struct step plain[MAX_STEPS] = {{1, 2, 1, 1, PRODUCER_IN_TRANSACTION, 0},
                                                 {1, 2, 2, 1, PRODUCER_OUT_OF_ORDER, 0}};
    producer_states_init(&states, &mem);
    cr_assert_eq(add(&states, 1, 2, 0, true, 0, &change), ST_OK);
    (void)run(&states, plain, "its transaction is open");
    cr_expect_eq(may_end(&states, 9, 0, 0), PRODUCER_APPEND, "a producer that is not known");
    cr_expect_eq(may_end(&states, 1, 1, 9), PRODUCER_FENCED, "an older producer epoch");
    cr_assert_eq(end(&states, 1, 3, &commit, 1, &change), ST_OK);
    cr_expect_eq(may_end(&states, 1, 3, 3), PRODUCER_COORDINATOR_FENCED);
    cr_expect_eq(may_end(&states, 1, 3, 4), PRODUCER_APPEND);
    cr_expect_eq(may_end(&states, 1, 4, 5), PRODUCER_APPEND);
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}

/* KAFKA-9144: a producer that only ends transactions is in use as well. */
Test(producer_state, markers_count_as_use_and_an_open_transaction_is_never_forgotten) {
    struct mem mem = {0};
    struct producer_states states;
    struct producer_change change;
    const struct txn_marker commit = {.is_commit = true};
    producer_states_init(&states, &mem);
    cr_assert_eq(add(&states, 1, 0, 0, true, 0, &change), ST_OK);
    struct batch_view view = {.attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL,
                              .producer_id = 1,
                              .record_count = 1};
    producer_states_expire(&states, 100000, 1000);
    cr_expect_eq(producer_states_count(&states), 1, "its transaction is open");
    cr_assert_eq(producer_states_append(&states, &view, &commit, 1, 100000, &change), ST_OK);
    producer_states_expire(&states, 100500, 1000);
    cr_expect_eq(producer_states_count(&states), 1, "the marker was just now");
    producer_states_expire(&states, 102000, 1000);
    cr_expect_eq(producer_states_count(&states), 0);
    states.limit_count = 2;
    for (int64_t id = 0; id < 5; id++)
        cr_assert_eq(add(&states, id, 0, 0, id < 3, id, &change), ST_OK);
    cr_expect_eq(producer_states_count(&states), 4, "the cap takes those without a transaction");
    cr_expect_eq(producer_states_first_unstable(&states), 0);
    producer_states_release(&states);
    cr_expect_eq(mem.used_bytes, 0);
}

/* --- against a naive model --- */

enum { MODEL_PRODUCERS = 6, MODEL_STEPS = 120 };

/* What happened, in order; offset == its index. */
struct event {
    int64_t id;
    int16_t epoch;
    int32_t sequence;
    bool is_marker, is_commit, is_transactional;
};

struct model {
    struct event events[MODEL_STEPS];
    uint32_t count;
    int32_t sequence[MODEL_PRODUCERS];
    int16_t epoch[MODEL_PRODUCERS];
    bool is_open[MODEL_PRODUCERS];
};

static struct event next_event(struct model *model, struct prng *prng) {
    int64_t id = (int64_t)prng_below(prng, MODEL_PRODUCERS);
    struct event e = {.id = id, .epoch = model->epoch[id]};
    e.is_marker = model->is_open[id] && prng_chance(prng, 1, 3);
    e.is_commit = prng_chance(prng, 1, 2);
    e.is_transactional = model->is_open[id] || prng_chance(prng, 1, 2);
    if (e.is_marker) {
        if (prng_chance(prng, 1, 2)) { /* as transaction.version 2 does */
            e.epoch = ++model->epoch[id];
            model->sequence[id] = 0;
        }
        model->is_open[id] = false;
    } else {
        e.sequence = model->sequence[id]++;
        model->is_open[id] = e.is_transactional;
    }
    return e;
}

static void apply(struct producer_states *states, const struct event *e, int64_t offset,
                  struct producer_change *change) {
    const struct txn_marker marker = {.is_commit = e->is_commit, .timestamp = 1000 + offset};
    enum status st = e->is_marker ? end(states, e->id, e->epoch, &marker, offset, change)
                                  : add(states, e->id, e->epoch, e->sequence, e->is_transactional,
                                        offset, change);
    cr_assert_eq(st, ST_OK);
}

/* Where the producer's transaction that is open at `upto` began; -1. */
static int64_t model_open(const struct model *model, int64_t id, int64_t upto) {
    int64_t first = -1;
    for (int64_t offset = 0; offset < upto; offset++) {
        const struct event *e = &model->events[offset];
        if (e->id != id) continue;
        if (e->is_marker) first = -1;
        if (!e->is_marker && e->is_transactional && first < 0) first = offset;
    }
    return first;
}

/* The first offset of a transaction without a marker below the high watermark. */
static int64_t model_unstable(const struct model *model, int64_t high_watermark) {
    int64_t least = NO_UNSTABLE_OFFSET;
    for (int64_t id = 0; id < MODEL_PRODUCERS; id++) {
        int64_t first = -1;
        for (int64_t offset = 0; offset < model->count; offset++) {
            const struct event *e = &model->events[offset];
            if (e->id != id) continue;
            if (e->is_marker && first >= 0) {
                if (offset >= high_watermark) least = MIN(least, first);
                first = -1;
            } else if (!e->is_marker && e->is_transactional && first < 0) {
                first = offset;
            }
        }
        if (first >= 0) least = MIN(least, first);
    }
    return least;
}

static void expect_same(const struct producer_states *a, const struct producer_states *b,
                        const struct producer_change *const *later, size_t later_count,
                        uint64_t seed, const char *what) {
    size_t a_bytes = 0, b_bytes = 0;
    uint8_t *x = encode(a, later, later_count, &a_bytes), *y = encode(b, NULL, 0, &b_bytes);
    cr_expect(a_bytes == b_bytes && memcmp(x, y, a_bytes) == 0, "seed %lu: %s", (unsigned long)seed,
              what);
    mem_free(a->mem, x, a_bytes);
    mem_free(b->mem, y, b_bytes);
}

static void run_model(uint64_t seed) {
    static struct model model;
    static struct producer_change changes[MODEL_STEPS];
    const struct producer_change *later[MODEL_STEPS];
    struct mem mem = {0};
    struct producer_states live, replayed, loaded;
    struct prng prng;
    prng_seed(&prng, seed);
    model = (struct model){0};
    producer_states_init(&live, &mem);
    producer_states_init(&replayed, &mem);
    producer_states_init(&loaded, &mem);
    int64_t high_watermark = 0, snapshot_at = (int64_t)prng_below(&prng, MODEL_STEPS);
    for (int64_t offset = 0; offset < MODEL_STEPS; offset++) {
        if (offset == snapshot_at) {
            size_t bytes = 0;
            uint8_t *data = encode(&live, NULL, 0, &bytes);
            cr_assert_eq(restore(&loaded, data, bytes), ST_OK);
            mem_free(&mem, data, bytes);
            for (int64_t i = 0; i < offset; i++) apply(&replayed, &model.events[i], i, &changes[i]);
        }
        struct event e = model.events[model.count++] = next_event(&model, &prng);
        int64_t first = model_open(&model, e.id, offset);
        apply(&live, &e, offset, &changes[offset]);
        later[offset] = &changes[offset];
        bool is_abort = e.is_marker && !e.is_commit && first >= 0;
        cr_expect_eq(changes[offset].is_abort, is_abort, "seed %lu", (unsigned long)seed);
        if (is_abort) {
            int64_t stable = offset + 1;
            for (int64_t id = 0; id < MODEL_PRODUCERS; id++) {
                int64_t other = model_open(&model, id, offset + 1);
                if (other >= 0) stable = MIN(stable, other);
            }
            cr_expect_eq(changes[offset].aborted.first_offset, first);
            cr_expect_eq(changes[offset].aborted.last_stable_offset, stable);
        }
        if (offset >= snapshot_at) {
            struct producer_change ignored;
            apply(&loaded, &e, offset, &ignored);
        }
        high_watermark += (int64_t)prng_below(&prng, (uint64_t)(offset + 2 - high_watermark));
        producer_states_decide(&live, high_watermark);
        cr_expect_eq(producer_states_first_unstable(&live), model_unstable(&model, high_watermark),
                     "seed %lu, offset %ld", (unsigned long)seed, (long)offset);
    }
    expect_same(&live, &loaded, NULL, 0, seed, "a snapshot and what follows it");
    expect_same(&live, &replayed, later + snapshot_at, (size_t)(MODEL_STEPS - snapshot_at), seed,
                "the state before what is queued");
    producer_states_release(&live);
    producer_states_release(&replayed);
    producer_states_release(&loaded);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(producer_state, stability_snapshots_and_replay_agree_with_a_naive_model) {
    for (uint64_t seed = 1; seed <= 200; seed++) run_model(seed);
}
