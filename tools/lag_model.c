/* tools/lag_model.c - see lag_model.h. */
#include "tools/lag_model.h"
#include <string.h>

#define MATTERS 1.05    /* rates that differ by less are the same */
#define BURST 2.0       /* so much more than before is a burst, */
#define FALLEN 0.5      /* so much less is slower */
#define HOT_SHARE 3.0   /* times the average of the topic's other partitions */
#define REBALANCES 3u   /* one look in so many, or the last one */

/* --- windows --- */

void lag_window_add(struct lag_window *window, const struct lag_look *look) {
    if (window->look_count == LAG_SAMPLES_MAX) {
        window->look_count--;
        memmove(&window->looks[0], &window->looks[1], window->look_count * sizeof *look);
    }
    window->looks[window->look_count++] = *look;
}

void lag_partition_add(struct lag_partition *partition, const struct lag_point *point) {
    if (partition->count == 0) {
        partition->since_ms = point->time_ms;
    } else if (point->committed != partition->points[partition->count - 1].committed) {
        partition->moved_ms = point->time_ms;
    }
    if (partition->count == LAG_SAMPLES_MAX) {
        partition->count--;
        memmove(&partition->points[0], &partition->points[1], partition->count * sizeof *point);
    }
    partition->points[partition->count++] = *point;
}

/* --- rates --- */

enum quantity { COMMITTED, END };

static int64_t quantity_of(const struct lag_point *point, enum quantity what) {
    return what == COMMITTED ? point->committed : point->end;
}

/* Records a second between two points, or from the first one between them where it is known: a new
 * group has not committed at first. Negative: not known. Offsets that went back were reset. */
static double rate(const struct lag_partition *p, enum quantity what, uint32_t from, uint32_t to) {
    while (from < to && quantity_of(&p->points[from], what) < 0) from++;
    if (to <= from) return -1;
    int64_t first = quantity_of(&p->points[from], what);
    int64_t last = quantity_of(&p->points[to], what);
    int64_t ms = p->points[to].time_ms - p->points[from].time_ms;
    if (first < 0 || last < first || ms <= 0) return -1;
    return (double)(last - first) * 1000 / (double)ms;
}

static const struct lag_point *newest(const struct lag_partition *p) {
    return &p->points[p->count - 1];
}

static int64_t lag_of(const struct lag_partition *p) {
    const struct lag_point *now = newest(p);
    if (now->committed < 0 || now->end < 0) return -1;
    return now->end > now->committed ? now->end - now->committed : 0;
}

/* The rates of the whole window and of its halves. */
struct rates {
    double consume, produce;
    double consume_early, consume_late, produce_early, produce_late;
};

static struct rates rates_of(const struct lag_partition *p) {
    uint32_t last = p->count - 1, middle = last / 2;
    return (struct rates){
        .consume = rate(p, COMMITTED, 0, last),
        .produce = rate(p, END, 0, last),
        .consume_early = rate(p, COMMITTED, 0, middle),
        .consume_late = rate(p, COMMITTED, middle, last),
        .produce_early = rate(p, END, 0, middle),
        .produce_late = rate(p, END, middle, last),
    };
}

/* --- the causes --- */

static bool is_rebalancing(const struct lag_window *w) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->look_count; i++) count += w->looks[i].is_rebalancing;
    return count > 0 &&
           (w->looks[w->look_count - 1].is_rebalancing || count * REBALANCES >= w->look_count);
}

/* What is not read yet was written after the last commit that can be expected. */
static bool keeps_up(const struct lag_partition *p) {
    const struct lag_point *now = newest(p);
    for (uint32_t i = p->count; i-- > 0;) {
        if (now->time_ms - p->points[i].time_ms > LAG_SLACK_MS) break;
        if (i + 1 < p->count && p->points[i].end >= 0 && now->committed >= p->points[i].end)
            return true;
    }
    return false;
}

/* The topic's other partitions that this group reads: their average production and lag. */
static bool is_hot(const struct lag_window *w, const struct lag_partition *p, double produce) {
    double produced = 0, behind = 0;
    uint32_t others = 0;
    for (uint32_t i = 0; i < w->partition_count; i++) {
        const struct lag_partition *other = &w->partitions[i];
        if (other == p || other->count == 0 || !str_eq(other->topic, p->topic)) continue;
        others++;
        produced += MAX(rate(other, END, 0, other->count - 1), 0.0);
        behind += (double)MAX(lag_of(other), 0);
    }
    return others > 0 && produce > HOT_SHARE * produced / others &&
           (double)lag_of(p) > HOT_SHARE * behind / others;
}

static uint32_t partitions_of_owner(const struct lag_window *w, int32_t owner) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->partition_count; i++) {
        const struct lag_partition *p = &w->partitions[i];
        count += p->count > 0 && newest(p)->owner == owner;
    }
    return count;
}

/* Members read less than is produced: why? */
static enum lag_verdict judge_pace(const struct lag_window *w, const struct lag_partition *p,
                                   const struct rates *r) {
    if (is_hot(w, p, r->produce)) return LAG_HOT_PARTITION;
    bool has_halves = r->produce_early >= 0 && r->consume_early >= 0;
    bool grew = has_halves && r->produce_late > BURST * r->produce_early;
    bool fell = has_halves && r->consume_late < FALLEN * r->consume_early;
    if (grew && !fell) return LAG_PRODUCER_BURST;
    if (fell) return LAG_SLOW_CONSUMER;
    if (w->looks[w->look_count - 1].idle_members > 0) return LAG_TOO_FEW_PARTITIONS;
    return partitions_of_owner(w, newest(p)->owner) > 1 ? LAG_TOO_FEW_CONSUMERS
                                                        : LAG_SLOW_CONSUMER;
}

/* Nothing was committed in the whole window, or for so long that it is no pause between commits. */
static bool is_stuck(const struct lag_partition *p) {
    const struct lag_point *now = newest(p);
    uint32_t i = p->count - 1;
    while (i > 0 && p->points[i - 1].committed == now->committed) i--;
    int64_t stood_ms = now->time_ms - p->points[i].time_ms;
    int64_t window_ms = now->time_ms - p->points[0].time_ms;
    return i == 0 || (stood_ms >= LAG_STUCK_MS && stood_ms * 2 >= window_ms);
}

static enum lag_verdict verdict_of(const struct lag_window *w, const struct lag_partition *p,
                                   const struct rates *r) {
    const struct lag_point *now = newest(p);
    int64_t begin = MAX(now->start, 0);
    bool is_behind = now->committed >= 0 ? now->end > now->committed : now->end > begin;
    if (!now->has_leader) return LAG_NO_LEADER;
    if (!is_behind) return LAG_OK;
    if (is_rebalancing(w)) return LAG_REBALANCING;
    if (now->owner < 0) return LAG_DEAD_CONSUMER;
    if (keeps_up(p)) return LAG_OK;
    if (now->time_ms - p->points[0].time_ms < LAG_SETTLED_MS) return LAG_WATCHING;
    if (is_stuck(p)) return LAG_STUCK_COMMIT;
    if (r->consume < 0 || r->produce < 0) return LAG_WATCHING; /* reset while we looked */
    if (r->consume > MATTERS * r->produce) return LAG_DRAINING;
    return judge_pace(w, p, r);
}

void lag_judge(const struct lag_window *window, const struct lag_partition *partition,
               struct lag_judgement *ret) {
    const struct lag_point *now = newest(partition);
    struct rates r = rates_of(partition);
    double gain = r.consume - r.produce;
    bool is_seen = partition->moved_ms > 0;
    *ret = (struct lag_judgement){
        .verdict = verdict_of(window, partition, &r),
        .lag = lag_of(partition),
        .lag_ms = -1,
        .consume_rate = r.consume,
        .produce_rate = r.produce,
        .catch_up_ms = -1,
        .commit_age_ms = now->time_ms - (is_seen ? partition->moved_ms : partition->since_ms),
        .is_commit_seen = is_seen,
    };
    if (ret->lag == 0) {
        ret->lag_ms = ret->catch_up_ms = 0;
    } else if (now->next_ms >= 0) {
        ret->lag_ms = MAX(now->time_ms - now->next_ms, 0);
    }
    if (ret->lag > 0 && r.consume > 0 && r.produce >= 0 && gain > 0)
        ret->catch_up_ms = (int64_t)((double)ret->lag * 1000 / gain);
    if (now->committed >= 0 && now->start > now->committed)
        ret->lost = now->start - now->committed;
}

/* --- words --- */

static const struct {
    const char *name, *advice;
} words[LAG_VERDICT_COUNT] = {
    [LAG_OK] = {"ok", ""},
    [LAG_WATCHING] = {"watching", ""},
    [LAG_DRAINING] = {"draining", ""},
    [LAG_PRODUCER_BURST] = {"producer burst",
                            "wait for its end, or add consumers; a quota bounds a producer"},
    [LAG_SLOW_CONSUMER] = {"slow consumer",
                           "look at the consumer: code, CPU, network, what it calls"},
    [LAG_TOO_FEW_CONSUMERS] = {"too few consumers", "add members"},
    [LAG_TOO_FEW_PARTITIONS] = {"too few partitions",
                                "add partitions: members have none to read"},
    [LAG_HOT_PARTITION] = {"hot partition",
                           "look at the producers' keys; more members do not help"},
    [LAG_REBALANCING] = {"rebalancing",
                         "look for members that come and go, or exceed max.poll.interval.ms"},
    [LAG_STUCK_COMMIT] = {"stuck commit", "a member has it and commits nothing: look at its log "
                                          "for what it stumbles over"},
    [LAG_DEAD_CONSUMER] = {"dead consumer", "start a member; nobody reads this"},
    [LAG_NO_LEADER] = {"no leader", "the partition is offline: look at its broker"},
};

const char *lag_verdict_name(enum lag_verdict verdict) { return words[verdict].name; }
const char *lag_verdict_advice(enum lag_verdict verdict) { return words[verdict].advice; }
