/* broker/group/consumer_classic.c - members of a consumer group that speak the classic protocol, as
 * they are while an application is rolled over to the new one. The coordinator assigns for them,
 * too: a JoinGroup is a heartbeat that tells all, a SyncGroup fetches the assignment, and a
 * Heartbeat tells to join again when there is something to give back or to get. Nobody leads.
 * Source: GroupMetadataManager.classicGroupJoinToConsumerGroup and its kin. */
#include "base/assert.h"
#include "broker/group/classic.h"
#include "broker/group/consumer.h"
#include "broker/group/consumer_protocol.h"
#include "protocol/errors.h"

/* --- what has to be done in time --- */

static void on_phase(struct io_timer *timer) {
    struct consumer_member *m = CONTAINER_OF(timer, struct consumer_member, phase);
    if (m->must != MUST_NOTHING) consumer_expel(m->owner, m);
}

void consumer_classic_init(struct consumer_member *m) { m->phase.fire = on_phase; }

static void set_phase(struct consumer *g, struct consumer_member *m, enum consumer_phase must) {
    struct coordinator *c = g->coordinator;
    if (must == m->must && must != MUST_SYNC) return;
    m->must = must;
    if (must == MUST_NOTHING) {
        timers_clear(&c->timers, &m->phase);
    } else {
        timers_set(&c->timers, &m->phase,
                   c->now.mono_us + (uint64_t)MAX(m->rebalance_timeout_ms, 0) * 1000);
    }
}

/* --- who asks --- */

static struct consumer_member *find(const struct consumer *g, struct str member_id,
                                    struct str instance_id, int16_t *ret_error) {
    struct consumer_member *m = instance_id.ptr != NULL ? consumer_find_static(g, instance_id)
                                                        : consumer_find(g, member_id);
    *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
    if (m == NULL) return NULL;
    if (!str_eq(m->id, member_id)) {
        *ret_error = KAFKA_FENCED_INSTANCE_ID;
        return NULL;
    }
    if (m->protocols == NULL) return NULL;
    *ret_error = KAFKA_NONE;
    return m;
}

/* --- JoinGroup --- */

static bool is_supported_by(const struct consumer_member *m, struct str name) {
    for (int32_t i = 0; i < m->protocol_count; i++) {
        if (str_eq(m->protocols[i].name, name)) return true;
    }
    return false;
}

/* All classic members support one of its protocols. */
static bool is_supported(const struct consumer *g, const struct join_group_request *in) {
    if (!str_eq(in->protocol_type, STR("consumer"))) return false;
    for (int32_t i = 0; i < in->protocols_count; i++) {
        bool by_all = true;
        for (struct map_node *n = NULL; by_all && (n = map_next(&g->members, n)) != NULL;) {
            const struct consumer_member *m = CONTAINER_OF(n, struct consumer_member, node);
            by_all = m->protocols == NULL || is_supported_by(m, in->protocols[i].name);
        }
        if (by_all) return true;
    }
    return false;
}

static void refuse(struct consumer *g, struct group_ticket *ticket, struct str member_id,
                   int16_t error) {
    struct join_group_response *out = ticket->response;
    group_ticket_fail(ticket, error);
    out->member_id = member_id;
    group_effects_reply(g->coordinator->fx, ticket);
}

/* The member that joins; NULL: *ret_error. *ret_replaced: it took the place of a static one. */
static struct consumer_member *member_that_joins(struct consumer *g,
                                                 const struct join_group_request *in, struct str id,
                                                 bool *ret_new, bool *ret_replaced,
                                                 int16_t *ret_error) {
    struct consumer_member *m = NULL;
    *ret_new = *ret_replaced = false;
    *ret_error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (in->group_instance_id.ptr != NULL) {
        m = consumer_find_static(g, in->group_instance_id);
        if (m != NULL && in->member_id.len == 0) {
            *ret_replaced = true;
            return consumer_replace(g, m, id);
        }
        if (m != NULL && !str_eq(m->id, in->member_id)) {
            *ret_error = KAFKA_FENCED_INSTANCE_ID;
            return NULL;
        }
        if (m == NULL && in->member_id.len > 0) {
            *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
            return NULL;
        }
    } else {
        m = consumer_find(g, id);
    }
    if (m != NULL) return m;
    *ret_new = true;
    return consumer_add(g, id);
}

/* What the member says of itself; false: no memory. */
static bool update(struct consumer *g, struct consumer_member *m, const struct group_ticket *ticket,
                   const struct consumer_protocol_subscription *subscription, bool *ret_changed,
                   bool *ret_subscribed) {
    const struct join_group_request *in = ticket->request;
    int32_t rebalance_ms = ticket->version >= 1 ? in->rebalance_timeout_ms : in->session_timeout_ms;
    if (m->rebalance_timeout_ms != rebalance_ms || m->session_timeout_ms != in->session_timeout_ms)
        *ret_changed = true;
    m->rebalance_timeout_ms = rebalance_ms;
    m->session_timeout_ms = in->session_timeout_ms;
    bool done = consumer_set_protocols(g, m, in->protocols, in->protocols_count, ret_changed) &&
                (subscription->rack_id.ptr == NULL ||
                 consumer_set_text(g, &m->rack_id, subscription->rack_id, ret_changed)) &&
                consumer_set_text(g, &m->client_id, ticket->client_id, ret_changed) &&
                consumer_set_text(g, &m->client_host, ticket->client_host, ret_changed) &&
                consumer_set_text(g, &m->regex, STR_NULL, ret_subscribed) &&
                consumer_subscribe(g, m, subscription->topics, subscription->topics_count,
                                   ret_subscribed);
    if (done && in->group_instance_id.ptr != NULL && m->instance_id.ptr == NULL)
        done = consumer_set_instance(g, m, in->group_instance_id);
    *ret_changed = *ret_changed || *ret_subscribed;
    return done;
}

static void answer_join(struct consumer *g, const struct consumer_member *m,
                        struct group_ticket *ticket) {
    struct join_group_response *out = ticket->response;
    join_group_response_defaults(out);
    out->generation_id = m->epoch;
    out->protocol_type = STR("consumer");
    out->protocol_name = arena_str(ticket->arena, m->protocols[0].name);
    out->member_id = arena_str(ticket->arena, m->id);
    if (out->protocol_name.ptr == NULL || out->member_id.ptr == NULL)
        group_ticket_fail(ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    group_effects_reply(g->coordinator->fx, ticket);
}

/* The member is there: what it says is written, and it goes as far towards its target as it can. */
static void join(struct consumer *g, struct consumer_member *m, struct group_ticket *ticket,
                 const struct consumer_protocol_subscription *subscription, bool is_new) {
    struct coordinator *c = g->coordinator;
    struct partition_set owned;
    bool changed = is_new, subscribed = is_new;
    struct str regex = m->regex.ptr != NULL ? arena_str(&c->fx->arena, m->regex) : STR_NULL;
    if (!consumer_subscription_owned(subscription, c->image, &c->fx->arena, &owned) ||
        !update(g, m, ticket, subscription, &changed, &subscribed)) {
        c->fx->is_broken = true;
        refuse(g, ticket, STR(""), KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    consumer_drop_regex(g, regex);
    timers_clear(&c->timers, &m->rebalance);
    if (changed) {
        group_effects_unit(c->fx);
        consumer_emitted(g, consumer_write_member(g, m));
    }
    consumer_refresh(g, subscribed);
    consumer_assign(g);
    consumer_reconcile(g, m, &owned, subscribed);
    set_phase(g, m, MUST_SYNC);
    consumer_touch(g, m);
    answer_join(g, m, ticket);
}

void consumer_classic_join(struct consumer *g, struct group_ticket *ticket) {
    const struct join_group_request *in = ticket->request;
    struct coordinator *c = g->coordinator;
    struct consumer_protocol_subscription subscription;
    bool is_unknown = in->member_id.len == 0, is_static = in->group_instance_id.ptr != NULL;
    struct str id = is_unknown ? classic_new_id(c, ticket) : in->member_id;
    bool is_there = consumer_find(g, id) != NULL ||
                    (is_static && consumer_find_static(g, in->group_instance_id) != NULL);
    enum status st = is_supported(g, in) ? consumer_subscription_read(in->protocols[0].metadata,
                                                                      &c->fx->arena, &subscription)
                                         : ST_INVALID;
    int16_t error = KAFKA_NONE;
    if (id.ptr == NULL || st == ST_NOMEM) {
        error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    } else if (!is_there && g->members.count >= (size_t)c->settings->consumer_group_size_max) {
        error = KAFKA_GROUP_MAX_SIZE_REACHED;
    } else if (st != ST_OK) {
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    } else if (is_unknown && !is_static && ticket->version >= 4) {
        error = KAFKA_MEMBER_ID_REQUIRED;
    }
    if (error != KAFKA_NONE) {
        refuse(g, ticket, error == KAFKA_MEMBER_ID_REQUIRED ? id : STR(""), error);
        return;
    }
    bool is_new, replaced;
    struct consumer_member *m = member_that_joins(g, in, id, &is_new, &replaced, &error);
    if (m == NULL) {
        refuse(g, ticket, STR(""), error);
        return;
    }
    join(g, m, ticket, &subscription, is_new);
    if (replaced && consumer_may_be_classic(g)) consumer_to_classic(g, false);
}

/* --- SyncGroup, Heartbeat, LeaveGroup --- */

/* Whether what the member waits for is still with others. */
static bool waits_for_others(const struct consumer *g, const struct consumer_member *m) {
    for (uint32_t i = 0; i < m->target.count; i++) {
        const struct consumer_member *owner = consumer_owner(g, m->target.items[i]);
        if (owner != NULL && owner != m) return true;
    }
    return false;
}

static bool differs(struct str said, struct str own) {
    return said.ptr != NULL && !str_eq(said, own);
}

static int16_t check_sync(struct consumer *g, struct consumer_member *m,
                          const struct sync_group_request *in) {
    if (in->generation_id != m->epoch) return KAFKA_ILLEGAL_GENERATION;
    if (differs(in->protocol_type, STR("consumer")) ||
        differs(in->protocol_name, m->protocols[0].name))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    /* One that has to give partitions back has joined for this already. */
    if (g->target_epoch <= m->epoch || m->state == MEMBER_UNREVOKED) return KAFKA_NONE;
    set_phase(g, m, MUST_JOIN);
    return KAFKA_REBALANCE_IN_PROGRESS;
}

static int16_t subscription_version(const struct consumer_member *m) {
    struct bytes metadata = m->protocols[0].metadata;
    return metadata.len >= 2 ? (int16_t)get_u16(metadata.ptr) : 0;
}

void consumer_classic_sync(struct consumer *g, struct group_ticket *ticket) {
    const struct sync_group_request *in = ticket->request;
    struct sync_group_response *out = ticket->response;
    struct coordinator *c = g->coordinator;
    int16_t error;
    struct consumer_member *m = find(g, in->member_id, in->group_instance_id, &error);
    if (m != NULL) error = check_sync(g, m, in);
    if (error == KAFKA_NONE) {
        sync_group_response_defaults(out);
        out->protocol_type = in->protocol_type;
        out->protocol_name = in->protocol_name;
        enum status st = consumer_assignment_write(&m->assigned, c->image, subscription_version(m),
                                                   ticket->arena, &out->assignment);
        if (st != ST_OK) error = group_effects_error(st);
    }
    if (error == KAFKA_NONE) {
        set_phase(g, m, MUST_NOTHING);
        consumer_touch(g, m);
    } else {
        group_ticket_fail(ticket, error);
    }
    group_effects_reply(c->fx, ticket);
}

int16_t consumer_classic_beat(struct consumer *g, const struct heartbeat_request *in) {
    int16_t error;
    struct consumer_member *m = find(g, in->member_id, in->group_instance_id, &error);
    if (m == NULL) return error;
    if (in->generation_id != m->epoch) return KAFKA_ILLEGAL_GENERATION;
    consumer_touch(g, m);
    /* Nobody else may be left to ask for it, where the group must not become a classic one. */
    consumer_assign(g);
    bool joins = m->epoch < g->target_epoch || m->state == MEMBER_UNREVOKED ||
                 (m->state == MEMBER_UNRELEASED && !waits_for_others(g, m));
    if (!joins) return KAFKA_NONE;
    set_phase(g, m, MUST_JOIN);
    return KAFKA_REBALANCE_IN_PROGRESS;
}

/* Whatever protocol the member speaks: an administrator takes it out in this way, too. */
int16_t consumer_classic_leave(struct consumer *g,
                               const struct leave_group_request_member_identity *who) {
    bool is_static = who->group_instance_id.ptr != NULL;
    struct consumer_member *m = is_static ? consumer_find_static(g, who->group_instance_id)
                                          : consumer_find(g, who->member_id);
    if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    if (is_static && who->member_id.len > 0 && !str_eq(m->id, who->member_id))
        return KAFKA_FENCED_INSTANCE_ID;
    consumer_take_out(g, m);
    return KAFKA_NONE;
}
