/* broker/group/consumer_reconcile.c - a member on its way from what it owns to its target. What it
 * has and shall keep it keeps, with the epoch at which it was given; what it has and shall not have
 * it is asked to give back, and until it says so its epoch stands; what it shall get it gets as
 * soon as nobody else owns it. */
#include "base/assert.h"
#include "broker/group/consumer.h"

/* What the member would be; sets are of the step's arena. */
struct outcome {
    enum consumer_member_state state;
    int32_t epoch;
    struct partition_set assigned, revoking;
};

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

/* false: no memory. epoch: the member's until it has given back what it must. */
static bool compute(const struct consumer *g, const struct consumer_member *m,
                    const struct partition_set *owned, int32_t epoch, struct outcome *out) {
    struct arena *arena = &g->coordinator->fx->arena;
    struct partition_set keeps, gives, gets;
    bool others_own = false;
    if (!partition_set_and(arena, &m->assigned, &m->target, &keeps) ||
        !partition_set_minus(arena, &m->assigned, &keeps, &gives) ||
        !partition_set_minus(arena, &m->target, &keeps, &gets))
        return false;
    drop_unreleased(g, m, &gets, &others_own);
    if (gives.count > 0 && (owned == NULL || partition_set_touches(&gives, owned))) {
        *out = (struct outcome){MEMBER_UNREVOKED, epoch, keeps, gives};
        return true;
    }
    *out = (struct outcome){
        others_own ? MEMBER_UNRELEASED : MEMBER_STABLE, g->target_epoch, keeps, {0}};
    partition_set_stamp(&gets, g->target_epoch);
    return partition_set_or(arena, &keeps, &gets, &out->assigned);
}

static bool next(const struct consumer *g, const struct consumer_member *m,
                 const struct partition_set *owned, struct outcome *out) {
    *out = (struct outcome){m->state, m->epoch, m->assigned, m->revoking};
    switch (m->state) {
    case MEMBER_STABLE: return m->epoch == g->target_epoch || compute(g, m, owned, m->epoch, out);
    case MEMBER_UNREVOKED:
        /* Silence is no answer: only what it says it owns tells that it has let go. */
        if (owned == NULL || partition_set_touches(&m->revoking, owned)) return true;
        return compute(g, m, owned, m->epoch + 1, out);
    case MEMBER_UNRELEASED: return compute(g, m, owned, m->epoch, out);
    }
    return true;
}

static bool is_same(const struct consumer_member *m, const struct outcome *o) {
    return m->state == o->state && m->epoch == o->epoch &&
           partition_set_eq(&m->assigned, &o->assigned) &&
           partition_set_eq(&m->revoking, &o->revoking);
}

void consumer_reconcile(struct consumer *g, struct consumer_member *m,
                        const struct partition_set *owned) {
    struct coordinator *c = g->coordinator;
    struct outcome outcome;
    if (!next(g, m, owned, &outcome)) {
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
