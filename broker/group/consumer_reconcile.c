/* broker/group/consumer_reconcile.c - a member on its way from what it owns to its target. What it
 * has and shall keep it keeps, with the epoch at which it was given; what it has and shall not have
 * it is asked to give back, and until it says so its epoch stands; what it shall get it gets as
 * soon as nobody else owns it. A target may be older than what the member is subscribed to: of a
 * topic that it has given up it keeps and gets nothing, whatever the target says (KAFKA-19431). */
#include "base/assert.h"
#include "broker/group/consumer.h"

/* What a heartbeat says, as far as it matters here. */
struct said {
    const struct partition_set *owned; /* NULL: not that */
    bool subscribed;                   /* to something else than before */
};

/* What the member would be; sets are of the step's arena. */
struct outcome {
    bool is_step; /* or nothing was worked out, and it stays what it is */
    enum consumer_member_state state;
    int32_t epoch;
    struct partition_set assigned, revoking;
};

/* Of `set`, what is of topics that are there and that the member is subscribed to; arena. false: no
 * memory. */
static bool subscribed_of(const struct consumer *g, const struct consumer_member *m,
                          const struct partition_set *set, struct partition_set *ret_set) {
    bool wants = false;
    *ret_set = (struct partition_set){
        .items = arena_array(&g->coordinator->fx->arena, set->count, sizeof *set->items)};
    if (ret_set->items == NULL) return false;
    for (uint32_t i = 0; i < set->count; i++) {
        struct uuid id = set->items[i].topic_id;
        if (i == 0 || !uuid_eq(id, set->items[i - 1].topic_id)) {
            const struct topic_image *t = image_topic_by_id(g->coordinator->image, id);
            wants = t != NULL && consumer_wants(g, m, t->name);
        }
        if (wants) ret_set->items[ret_set->count++] = set->items[i];
    }
    return true;
}

static bool owns_any(const struct said *said, const struct partition_set *of) {
    return of->count > 0 && (said->owned == NULL || partition_set_touches(of, said->owned));
}

/* Of `wanted`, what nobody else owns. */
static void drop_unreleased(const struct consumer *g, const struct consumer_member *m,
                            struct partition_set *wanted, bool *ret_others_own) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct consumer_member *owner = consumer_owner(g, wanted->items[i]);
        if (owner == NULL || owner == m) wanted->items[kept++] = wanted->items[i];
    }
    *ret_others_own = kept < wanted->count;
    wanted->count = kept;
}

/* A step towards the target. false: no memory. */
static bool approach(const struct consumer *g, const struct consumer_member *m,
                     const struct said *said, struct outcome *out) {
    struct arena *arena = &g->coordinator->fx->arena;
    struct partition_set target, keeps, gives, gets;
    bool others_own = false;
    if (!subscribed_of(g, m, &m->target, &target) ||
        !partition_set_and(arena, &m->assigned, &target, &keeps) ||
        !partition_set_minus(arena, &m->assigned, &keeps, &gives) ||
        !partition_set_minus(arena, &target, &keeps, &gets))
        return false;
    drop_unreleased(g, m, &gets, &others_own);
    if (owns_any(said, &gives)) {
        *out = (struct outcome){true, MEMBER_UNREVOKED, m->epoch, keeps, gives};
        return true;
    }
    *out = (struct outcome){
        true, others_own ? MEMBER_UNRELEASED : MEMBER_STABLE, g->target_epoch, keeps, {0}};
    partition_set_stamp(&gets, g->target_epoch);
    return partition_set_or(arena, &keeps, &gets, &out->assigned);
}

/* There is no target to go to, or it is not its turn; but what the member is not subscribed to any
 * more it gives back. false: no memory. */
static bool give_up(const struct consumer *g, const struct consumer_member *m,
                    const struct said *said, struct outcome *out) {
    struct arena *arena = &g->coordinator->fx->arena;
    struct partition_set keeps, gives;
    if (!said->subscribed) return true;
    if (!subscribed_of(g, m, &m->assigned, &keeps) ||
        !partition_set_minus(arena, &m->assigned, &keeps, &gives) ||
        !partition_set_or(arena, &m->revoking, &gives, &gives))
        return false;
    if (keeps.count == m->assigned.count) return true;
    if (owns_any(said, &gives)) {
        *out = (struct outcome){true, MEMBER_UNREVOKED, m->epoch, keeps, gives};
    } else {
        *out = (struct outcome){true, m->state, m->epoch, keeps, m->revoking};
    }
    return true;
}

static bool next(const struct consumer *g, const struct consumer_member *m, const struct said *said,
                 struct outcome *out) {
    *out = (struct outcome){false, m->state, m->epoch, m->assigned, m->revoking};
    switch (m->state) {
    case MEMBER_STABLE:
        if (m->epoch == g->target_epoch) return give_up(g, m, said, out);
        return approach(g, m, said, out);
    case MEMBER_UNREVOKED:
        /* Silence is no answer: only what it says it owns tells that it has let go. */
        if (owns_any(said, &m->revoking)) return give_up(g, m, said, out);
        return approach(g, m, said, out);
    case MEMBER_UNRELEASED: return approach(g, m, said, out);
    }
    return true;
}

/* A step that leads nowhere is one: the epoch before the member's is not good for a heartbeat any
 * more. */
static bool is_same(const struct consumer_member *m, const struct outcome *o) {
    if (o->is_step && m->previous_epoch != m->epoch) return false;
    return m->state == o->state && m->epoch == o->epoch &&
           partition_set_eq(&m->assigned, &o->assigned) &&
           partition_set_eq(&m->revoking, &o->revoking);
}

void consumer_reconcile(struct consumer *g, struct consumer_member *m,
                        const struct partition_set *owned, bool subscribed) {
    const struct said said = {owned, subscribed};
    struct coordinator *c = g->coordinator;
    struct outcome outcome;
    if (!next(g, m, &said, &outcome)) {
        c->fx->is_broken = true;
        return;
    }
    if (is_same(m, &outcome)) return;
    if (!consumer_set_owned(g, m, &outcome.assigned, &outcome.revoking)) {
        c->fx->is_broken = true;
        return;
    }
    m->previous_epoch = m->epoch;
    m->epoch = outcome.epoch;
    m->state = outcome.state;
    group_effects_unit(c->fx);
    consumer_emitted(g, consumer_write_current(g, m));
    if (m->state == MEMBER_UNREVOKED && m->protocols == NULL) {
        timers_set(&c->timers, &m->rebalance,
                   c->now.mono_us + (uint64_t)MAX(m->rebalance_timeout_ms, 0) * 1000);
    } else {
        timers_clear(&c->timers, &m->rebalance);
    }
}
