/* tests/unit/controller/raft/raft.c - the quorum of one: what must be durable before what. */
#include "controller/raft/raft.h"
#include "base/prng.h"
#include <criterion/criterion.h>

static struct mem mem;
static struct arena arena;
static const struct raft_voter self = {7, {{1, 2, 3}}};

static void setup(void) { arena_init(&arena, &mem, 4096, 0); }
static void teardown(void) { arena_release(&arena); }
TestSuite(raft, .init = setup, .fini = teardown);

static struct raft started(int32_t epoch, int64_t end) {
    struct raft raft;
    struct str problem;
    struct raft_durable loaded = {
        .epoch = epoch, .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY};
    cr_assert_eq(raft_init(&raft, self, &self, 1, &loaded, end, &arena, &problem), ST_OK);
    return raft;
}

static struct raft_effects step(struct raft *raft, enum raft_event_type type, int64_t offset) {
    struct raft_effects effects;
    struct now now = {raft->now.mono_us + 1, 0};
    raft_step(raft, now, &(struct raft_event){type, offset}, &effects);
    return effects;
}

Test(raft, leads_durably_in_a_new_epoch_then_opens_it) {
    struct raft raft = started(4, 100);
    struct raft_effects e = step(&raft, RAFT_START, 0);
    cr_expect(e.persist && !e.open_epoch && !e.commit, "leadership is written before it is used");
    cr_expect_eq(e.durable.epoch, 5);
    cr_expect_eq(e.durable.leader_id, 7);
    cr_expect_eq(e.durable.voted_id, RAFT_NOBODY);
    e = step(&raft, RAFT_PERSISTED, 0);
    cr_expect(!e.persist && e.open_epoch);
    cr_expect_eq(e.durable.epoch, 5);
    cr_expect(!raft_is_leading(&raft), "the epoch is not committed");
    e = step(&raft, RAFT_APPENDED, 101);
    cr_expect(!e.commit);
    e = step(&raft, RAFT_SYNCED, 101);
    cr_expect(e.commit);
    cr_expect_eq(e.commit_end, 101, "what older epochs left is committed with it");
    cr_expect(raft_is_leading(&raft));
}

Test(raft, old_epochs_alone_are_not_committed) {
    struct raft raft = started(4, 100);
    (void)step(&raft, RAFT_START, 0);
    struct raft_effects e = step(&raft, RAFT_SYNCED, 100);
    cr_expect(!e.commit, "its leadership is not durable");
    (void)step(&raft, RAFT_PERSISTED, 0);
    e = step(&raft, RAFT_SYNCED, 100);
    cr_expect(!e.commit, "its own epoch has nothing durable yet");
}

Test(raft, commits_exactly_what_is_durable) {
    struct prng prng;
    prng_seed(&prng, 3);
    struct raft raft = started(0, 0);
    (void)step(&raft, RAFT_START, 0);
    (void)step(&raft, RAFT_PERSISTED, 0);
    int64_t end = 0, durable = 0, committed = 0;
    for (int i = 0; i < 2000; i++) {
        struct raft_effects e;
        if (prng_chance(&prng, 1, 2)) {
            end += (int64_t)prng_below(&prng, 5);
            e = step(&raft, RAFT_APPENDED, end);
            cr_assert(!e.commit, "step %d: an append alone commits nothing", i);
        } else {
            durable += (int64_t)prng_below(&prng, (uint64_t)(end - durable) + 1);
            e = step(&raft, RAFT_SYNCED, durable);
            cr_assert_eq(e.commit, durable > committed, "step %d", i);
            if (e.commit) committed = e.commit_end;
            cr_assert_eq(committed, durable, "step %d", i);
        }
        cr_assert(!e.persist && !e.open_epoch, "step %d", i);
    }
    cr_expect_gt(committed, 100);
}

Test(raft, does_nothing_after_its_disk_failed) {
    static const enum raft_event_type events[] = {RAFT_START, RAFT_PERSISTED, RAFT_APPENDED,
                                                  RAFT_SYNCED};
    for (size_t i = 0; i < COUNT(events); i++) {
        struct raft raft = started(0, 0);
        (void)step(&raft, RAFT_START, 0);
        (void)step(&raft, RAFT_DISK_FAILED, 0);
        struct raft_effects e = step(&raft, events[i], 5);
        cr_expect(!e.persist && !e.open_epoch && !e.commit, "event %d", events[i]);
        cr_expect(!raft_is_leading(&raft));
    }
}

Test(raft, every_start_is_a_new_epoch) {
    int32_t epoch = 0;
    for (int i = 0; i < 10; i++) {
        struct raft raft = started(epoch, i);
        struct raft_effects e = step(&raft, RAFT_START, 0);
        cr_expect_eq(e.durable.epoch, epoch + 1);
        epoch = e.durable.epoch;
    }
}

Test(raft, refuses_quorums_that_it_cannot_be) {
    static const struct {
        const char *name;
        struct raft_voter voters[2];
        uint32_t count;
        enum status want;
    } rows[] = {
        {"itself", {{7, {{1, 2, 3}}}}, 1, ST_OK},
        {"itself, directory not known", {{7, {{0}}}}, 1, ST_OK},
        {"nobody", {{0}}, 0, ST_INVALID},
        {"another node", {{8, {{1, 2, 3}}}}, 1, ST_INVALID},
        {"its node with another directory", {{7, {{3, 2, 1}}}}, 1, ST_INVALID},
        {"two", {{7, {{1, 2, 3}}}, {8, {{4}}}}, 2, ST_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct raft raft;
        struct str problem = STR_NULL;
        struct raft_durable loaded = {0};
        enum status st =
            raft_init(&raft, self, rows[i].voters, rows[i].count, &loaded, 0, &arena, &problem);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        cr_expect_eq(problem.ptr != NULL, st != ST_OK, "%s", rows[i].name);
    }
}
