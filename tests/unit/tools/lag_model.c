/* tests/unit/tools/lag_model.c - the causes of a backlog are told apart, one row a cause; rates and
 * times to catch up. */
#include <criterion/criterion.h>
#include "tools/lag_model.h"

enum { PARTITIONS_MAX = 4, STEP_MS = 5000, START_MS = 1000000 };

/* How a partition moves: records a second in the first half of the window and in the second. */
struct moves {
    int64_t committed;
    double consume_early, consume_late;
    int64_t end;
    double produce_early, produce_late;
    int32_t owner; /* -1: nobody */
    bool is_offline;
};

struct row {
    const char *name;
    uint32_t samples, members, idle_members;
    uint32_t rebalances_every; /* looks; 0: never */
    struct moves partitions[PARTITIONS_MAX];
    enum lag_verdict want; /* of the first partition */
    int64_t step_ms;       /* between looks; 0: STEP_MS */
};

static struct lag_partition partitions[PARTITIONS_MAX];
static struct lag_window window;

static int64_t moved(int64_t from, double early, double late, uint32_t i, uint32_t middle,
                     int64_t step_ms) {
    double ms = (double)step_ms;
    double gone = i <= middle ? early * i * ms : early * middle * ms + late * (i - middle) * ms;
    return from < 0 ? from : from + (int64_t)(gone / 1000);
}

static void play(const struct row *row) {
    int64_t step_ms = row->step_ms > 0 ? row->step_ms : STEP_MS;
    memset(partitions, 0, sizeof partitions);
    window = (struct lag_window){.partitions = partitions};
    for (uint32_t p = 0; p < PARTITIONS_MAX && row->partitions[p].end > 0; p++) {
        const struct moves *m = &row->partitions[p];
        partitions[p].topic = STR("t");
        partitions[p].index = (int32_t)p;
        window.partition_count = p + 1;
        for (uint32_t i = 0; i < row->samples; i++) {
            uint32_t middle = (row->samples - 1) / 2;
            struct lag_point point = {
                .time_ms = START_MS + (int64_t)i * step_ms,
                .committed =
                    moved(m->committed, m->consume_early, m->consume_late, i, middle, step_ms),
                .end = moved(m->end, m->produce_early, m->produce_late, i, middle, step_ms),
                .next_ms = -1,
                .owner = m->owner,
                .has_leader = !m->is_offline,
            };
            lag_partition_add(&partitions[p], &point);
        }
    }
    for (uint32_t i = 0; i < row->samples; i++) {
        struct lag_look look = {.time_ms = START_MS + (int64_t)i * step_ms,
                                .members = row->members,
                                .idle_members = row->idle_members};
        look.is_rebalancing = row->rebalances_every > 0 && i % row->rebalances_every == 1;
        lag_window_add(&window, &look);
    }
}

static const struct row rows[] = {
    {"nothing is behind", 13, 1, 0, 0, {{500, 0, 0, 500, 0, 0, 0}}, LAG_OK},
    {"only what the next commit will show is behind", 13, 1, 0, 0,
     {{9500, 100, 100, 10000, 100, 100, 0}}, LAG_OK},
    {"nobody has it and nothing is behind", 13, 0, 0, 0, {{500, 0, 0, 500, 0, 0, -1}}, LAG_OK},
    {"a member joined a moment ago", 2, 1, 0, 0, {{0, 10, 10, 100000, 0, 0, 0}}, LAG_WATCHING},
    {"one look says nothing of a pace", 1, 1, 0, 0, {{0, 0, 0, 100000, 0, 0, 0}}, LAG_WATCHING},
    {"more is read than is produced", 13, 1, 0, 0, {{0, 300, 300, 100000, 100, 100, 0}},
     LAG_DRAINING},
    {"a backlog of a producer that stopped drains", 13, 1, 0, 0, {{0, 50, 50, 100000, 0, 0, 0}},
     LAG_DRAINING},
    /* the handbook's causes */
    {"dead consumer: the group has no member", 13, 0, 0, 0, {{100, 0, 0, 10000, 50, 50, -1}},
     LAG_DEAD_CONSUMER},
    {"dead consumer: it is told at the first look", 1, 0, 0, 0, {{100, 0, 0, 10000, 0, 0, -1}},
     LAG_DEAD_CONSUMER},
    {"dead consumer: members have other partitions, nobody this one", 13, 1, 0, 0,
     {{100, 0, 0, 10000, 50, 50, -1}, {500, 10, 10, 500, 10, 10, 0}}, LAG_DEAD_CONSUMER},
    {"slow consumer: one member, one partition, steady production", 13, 1, 0, 0,
     {{0, 50, 50, 10000, 100, 100, 0}}, LAG_SLOW_CONSUMER},
    {"slow consumer: two looks, which have no halves", 2, 1, 0, 0,
     {{0, 50, 50, 10000, 100, 100, 0}}, LAG_SLOW_CONSUMER, 10000},
    {"slow consumer: it was fast until its CPU, disk or network became short", 13, 1, 0, 0,
     {{9000, 100, 20, 10000, 100, 100, 0}, {9000, 100, 20, 10000, 100, 100, 0}},
     LAG_SLOW_CONSUMER},
    {"hot partition: it gets most of the topic, the others keep up", 13, 3, 0, 0,
     {{0, 100, 100, 50000, 400, 400, 0}, {9990, 10, 10, 10000, 10, 10, 1},
      {9990, 10, 10, 10000, 10, 10, 2}},
     LAG_HOT_PARTITION},
    {"producer burst: all partitions get much more than a moment ago", 13, 2, 0, 0,
     {{10000, 100, 120, 10000, 100, 900, 0}, {10000, 100, 120, 10000, 100, 900, 1}},
     LAG_PRODUCER_BURST},
    {"producer burst: after silence", 13, 1, 0, 0, {{10000, 0, 100, 10010, 0, 500, 0}},
     LAG_PRODUCER_BURST},
    {"too few consumers: one member has three partitions", 13, 1, 0, 0,
     {{0, 50, 50, 10000, 100, 100, 0}, {0, 50, 50, 10000, 100, 100, 0},
      {0, 50, 50, 10000, 100, 100, 0}},
     LAG_TOO_FEW_CONSUMERS},
    {"too few partitions: members have nothing to read", 13, 3, 2, 0,
     {{0, 50, 50, 10000, 100, 100, 0}}, LAG_TOO_FEW_PARTITIONS},
    {"rebalancing: every second look, nothing is read", 12, 2, 0, 2,
     {{0, 0, 0, 10000, 100, 100, -1}}, LAG_REBALANCING},
    {"rebalancing: at this moment", 2, 2, 0, 2, {{0, 0, 0, 10000, 0, 0, -1}}, LAG_REBALANCING},
    {"a rebalance long ago explains nothing", 13, 1, 0, 12, {{0, 0, 0, 10000, 100, 100, 0}},
     LAG_STUCK_COMMIT},
    {"stuck commit: a member has it and commits nothing", 13, 1, 0, 0,
     {{100, 0, 0, 10000, 100, 100, 0}}, LAG_STUCK_COMMIT},
    {"stuck commit: its other partition moves on", 13, 1, 0, 0,
     {{100, 0, 0, 10000, 0, 0, 0}, {9000, 100, 100, 10000, 100, 100, 0}}, LAG_STUCK_COMMIT},
    {"stuck commit: it committed in the first half of the window", 13, 1, 0, 0,
     {{100, 100, 0, 50000, 100, 100, 0}}, LAG_STUCK_COMMIT},
    {"stuck commit: it has never committed", 13, 1, 0, 0, {{-1, 0, 0, 10000, 100, 100, 0}},
     LAG_STUCK_COMMIT},
    {"sudden fault: nobody leads the partition", 13, 1, 0, 0,
     {{100, 0, 0, 10000, 0, 0, 0, true}}, LAG_NO_LEADER},
    {"offsets that were reset a moment ago", 2, 1, 0, 0, {{0, 0, 0, 10000, 0, 0, 0}},
     LAG_WATCHING},
};

Test(lag_model, tells_the_causes_of_a_backlog_apart) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct lag_judgement got;
        play(&rows[i]);
        lag_judge(&window, &partitions[0], &got);
        cr_expect_eq(got.verdict, rows[i].want, "%s: got %s", rows[i].name,
                     lag_verdict_name(got.verdict));
    }
}

Test(lag_model, every_cause_has_a_row_a_name_and_advice) {
    for (unsigned verdict = 0; verdict < LAG_VERDICT_COUNT; verdict++) {
        bool has_row = false;
        for (size_t i = 0; i < COUNT(rows); i++) has_row = has_row || rows[i].want == verdict;
        cr_expect(has_row, "%s", lag_verdict_name(verdict));
        cr_expect_eq(lag_verdict_advice(verdict)[0] != '\0', verdict > LAG_DRAINING, "%s",
                     lag_verdict_name(verdict));
    }
}

static const struct {
    const char *name;
    struct moves moves;
    int64_t lag, catch_up_ms;
    double consume, produce;
} figures[] = {
    {"a hundred a second nearer, 4,000 to go", {0, 200, 200, 10000, 100, 100, 0}, 4000, 40000, 200,
     100},
    {"nothing to catch up with", {100, 0, 0, 100, 0, 0, 0}, 0, 0, 0, 0},
    {"never: it falls behind", {0, 50, 50, 10000, 100, 100, 0}, 13000, -1, 50, 100},
    {"never: it stands", {0, 0, 0, 10000, 0, 0, 0}, 10000, -1, 0, 0},
    {"nothing was committed", {-1, 0, 0, 10000, 10, 10, 0}, -1, -1, -1, 10},
    {"a commit beyond the end is no lag", {200, 0, 0, 100, 0, 0, 0}, 0, 0, 0, 0},
    {"offsets that went back have no rate", {10000, -20, -20, 20000, 0, 0, 0}, 11200, -1, -1, 0},
};

Test(lag_model, works_out_rates_and_the_time_to_catch_up) {
    for (size_t i = 0; i < COUNT(figures); i++) {
        struct row row = {.samples = 13, .members = 1, .partitions = {figures[i].moves}};
        struct lag_judgement got;
        play(&row);
        lag_judge(&window, &partitions[0], &got);
        cr_expect_eq(got.lag, figures[i].lag, "%s: lag %ld", figures[i].name, (long)got.lag);
        cr_expect_eq(got.catch_up_ms, figures[i].catch_up_ms, "%s: %ld ms", figures[i].name,
                     (long)got.catch_up_ms);
        cr_expect_float_eq(got.consume_rate, figures[i].consume, 0.01, "%s: %f", figures[i].name,
                           got.consume_rate);
        cr_expect_float_eq(got.produce_rate, figures[i].produce, 0.01, "%s: %f", figures[i].name,
                           got.produce_rate);
    }
}

/* A member that joined while it was watched has no offset until its first commit. */
Test(lag_model, rates_begin_at_the_first_commit_that_was_seen) {
    static const struct row row = {
        .samples = 13, .members = 1, .partitions = {{0, 50, 50, 10000, 100, 100, 0}}};
    struct lag_judgement got;
    play(&row);
    for (uint32_t i = 0; i < 3; i++) partitions[0].points[i].committed = -1;
    lag_judge(&window, &partitions[0], &got);
    cr_expect_float_eq(got.consume_rate, 50, 0.01, "%f", got.consume_rate);
    cr_expect_eq(got.verdict, LAG_SLOW_CONSUMER, "%s", lag_verdict_name(got.verdict));
    for (uint32_t i = 3; i < 12; i++) partitions[0].points[i].committed = -1;
    lag_judge(&window, &partitions[0], &got);
    cr_expect_lt(got.consume_rate, 0, "one commit is no rate: %f", got.consume_rate);
}

Test(lag_model, the_window_slides_and_remembers_when_a_commit_was_seen) {
    struct lag_judgement got;
    struct lag_point point = {.committed = 5, .end = 100, .start = 20, .next_ms = 50000,
                              .has_leader = true};
    memset(partitions, 0, sizeof partitions);
    window = (struct lag_window){.partitions = partitions, .partition_count = 1};
    for (uint32_t i = 0; i < 3 * LAG_SAMPLES_MAX; i++) {
        point.time_ms = 100000 + 1000 * (int64_t)i;
        if (i == 10) point.committed = 6;
        lag_partition_add(&partitions[0], &point);
        lag_window_add(&window, &(struct lag_look){.time_ms = point.time_ms, .members = 1});
        lag_judge(&window, &partitions[0], &got);
        cr_assert_eq(got.is_commit_seen, i >= 10);
        cr_assert_eq(got.commit_age_ms, 1000 * (int64_t)(i < 10 ? i : i - 10));
    }
    cr_expect_eq(partitions[0].count, LAG_SAMPLES_MAX);
    cr_expect_eq(partitions[0].points[0].time_ms, point.time_ms - 1000 * (LAG_SAMPLES_MAX - 1));
    cr_expect_eq(got.lag_ms, point.time_ms - 50000);
    cr_expect_eq(got.lost, 14, "retention took what was not read");
}
