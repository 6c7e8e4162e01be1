/* broker/group/classic_sync.c - SyncGroup, Heartbeat and LeaveGroup of classic groups. */
#include "base/assert.h"
#include "broker/group/classic.h"
#include "broker/group/consumer.h"
#include "protocol/errors.h"

/* --- SyncGroup --- */

void classic_answer_sync(struct classic *g, struct classic_member *m, int16_t error) {
    struct group_ticket *ticket = m->sync;
    m->awaits_sync = false;
    m->sync = NULL;
    if (ticket == NULL) return;
    ticket->parked = NULL;
    struct sync_group_response *out = ticket->response;
    sync_group_response_defaults(out);
    out->error_code = error;
    if (error == KAFKA_NONE) {
        out->protocol_type = arena_str(ticket->arena, g->protocol_type);
        out->protocol_name = arena_str(ticket->arena, g->protocol);
        if (m->assignment.len > 0) out->assignment = arena_bytes(ticket->arena, m->assignment);
        bool has_memory = out->protocol_type.ptr != NULL && out->protocol_name.ptr != NULL &&
                          out->assignment.ptr != NULL;
        if (!has_memory) group_ticket_fail(ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    }
    group_effects_reply(g->coordinator->fx, ticket);
}

void classic_settle_sync(struct classic *g, struct classic_member *m) {
    if (!m->owes_sync) return;
    m->owes_sync = false;
    if (--g->owes_sync_count == 0) timers_clear(&g->coordinator->timers, &g->sync_timer);
}

static void park_sync(struct classic *g, struct classic_member *m, struct group_ticket *ticket) {
    if (m->sync != NULL) classic_answer_sync(g, m, KAFKA_REBALANCE_IN_PROGRESS); /* asked again */
    m->awaits_sync = true;
    m->sync = ticket;
    ticket->parked = &m->sync;
}

/* Who is not mentioned gets nothing; who is not a member is passed over. */
static bool take_assignments(struct classic *g, const struct sync_group_request *in) {
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        group_bytes_free(g->coordinator->mem, &m->assignment);
    }
    for (int32_t i = 0; i < in->assignments_count; i++) {
        struct classic_member *m = classic_find(g, in->assignments[i].member_id);
        struct bytes assignment = in->assignments[i].assignment;
        if (m != NULL && !classic_set_assignment(g, m, assignment)) return false;
    }
    return true;
}

static void answer_all(struct classic *g, int16_t error) {
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (!m->awaits_sync) continue;
        classic_answer_sync(g, m, error);
        /* Its session may have ended unnoticed while it waited. */
        classic_touch(g, m, m->session_timeout_ms);
    }
}

/* The leader has assigned: the generation is written, and answered once it is committed. */
static void finish_generation(struct classic *g, const struct sync_group_request *in) {
    struct group_effects *fx = g->coordinator->fx;
    enum status st = take_assignments(g, in) ? ST_OK : ST_NOMEM;
    group_effects_unit(fx);
    if (st == ST_OK) {
        classic_transition(g, CLASSIC_STABLE);
        st = classic_write(g);
    }
    if (st == ST_OK) {
        answer_all(g, KAFKA_NONE);
        return;
    }
    group_effects_drop_unit(fx); /* too large for a batch: they may try with less */
    classic_transition(g, CLASSIC_COMPLETING);
    answer_all(g, group_effects_error(st));
    classic_rebalance(g);
}

static bool differs(struct str said, struct str own) {
    return said.ptr != NULL && !str_eq(said, own);
}

static int16_t check_sync(const struct classic *g, const struct sync_group_request *in) {
    int16_t error = classic_check_member(g, in->member_id, in->group_instance_id);
    if (error != KAFKA_NONE) return error;
    if (in->generation_id != g->generation) return KAFKA_ILLEGAL_GENERATION;
    if (differs(in->protocol_type, g->protocol_type) || differs(in->protocol_name, g->protocol))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (g->state == CLASSIC_EMPTY) return KAFKA_UNKNOWN_MEMBER_ID;
    return g->state == CLASSIC_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

static void answer_error(struct coordinator *c, struct group_ticket *ticket, int16_t error) {
    group_ticket_fail(ticket, error);
    group_effects_reply(c->fx, ticket);
}

void classic_sync(struct coordinator *c, struct group_ticket *ticket) {
    const struct sync_group_request *in = ticket->request;
    struct consumer *consumers = consumer_group(c, in->group_id);
    if (consumers != NULL) {
        consumer_classic_sync(consumers, ticket);
        return;
    }
    struct classic *g = classic_group(c, in->group_id);
    int16_t error = g != NULL ? check_sync(g, in) : KAFKA_UNKNOWN_MEMBER_ID;
    if (error != KAFKA_NONE) {
        answer_error(c, ticket, error);
        return;
    }
    struct classic_member *m = classic_find(g, in->member_id);
    classic_settle_sync(g, m);
    park_sync(g, m, ticket);
    if (g->state == CLASSIC_STABLE) {
        classic_answer_sync(g, m, KAFKA_NONE);
    } else if (m == g->leader) {
        finish_generation(g, in);
    }
}

/* --- Heartbeat --- */

static int16_t beat(struct classic *g, const struct heartbeat_request *in) {
    int16_t error = classic_check_member(g, in->member_id, in->group_instance_id);
    if (error != KAFKA_NONE) return error;
    if (in->generation_id != g->generation) return KAFKA_ILLEGAL_GENERATION;
    if (g->state == CLASSIC_EMPTY) return KAFKA_UNKNOWN_MEMBER_ID;
    struct classic_member *m = classic_find(g, in->member_id);
    classic_touch(g, m, m->session_timeout_ms);
    return g->state == CLASSIC_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void classic_heartbeat(struct coordinator *c, struct group_ticket *ticket) {
    const struct heartbeat_request *in = ticket->request;
    struct heartbeat_response *out = ticket->response;
    struct consumer *consumers = consumer_group(c, in->group_id);
    struct classic *g = classic_group(c, in->group_id);
    out->error_code = consumers != NULL ? consumer_classic_beat(consumers, in)
                      : g != NULL       ? beat(g, in)
                                        : KAFKA_UNKNOWN_MEMBER_ID;
    group_effects_reply(c->fx, ticket);
}

/* --- LeaveGroup --- */

/* KAFKA_NONE: it is out. An administrator names a static member by its instance id alone. */
static int16_t leave_one(struct classic *g,
                         const struct leave_group_request_member_identity *member) {
    struct classic_member *m = NULL;
    if (member->member_id.len == 0) {
        if (member->group_instance_id.ptr != NULL)
            m = classic_find_static(g, member->group_instance_id);
        if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    } else if (classic_drop_pending(g, member->member_id)) {
        return KAFKA_NONE;
    } else {
        int16_t error = classic_check_member(g, member->member_id, member->group_instance_id);
        if (error != KAFKA_NONE) return error;
        m = classic_find(g, member->member_id);
    }
    classic_expel(g, m);
    return KAFKA_NONE;
}

void classic_leave(struct coordinator *c, struct group_ticket *ticket) {
    const struct leave_call *call = ticket->request;
    struct leave_group_response *out = ticket->response;
    struct consumer *consumers = consumer_group(c, call->group_id);
    struct classic *g = classic_group(c, call->group_id);
    bool has_left = false;
    out->members = call->answers;
    out->members_count = call->count;
    for (int32_t i = 0; i < call->count; i++) {
        int16_t error = consumers != NULL ? consumer_classic_leave(consumers, &call->members[i])
                        : g != NULL       ? leave_one(g, &call->members[i])
                                          : KAFKA_UNKNOWN_MEMBER_ID;
        out->members[i].error_code = error;
        has_left = has_left || error == KAFKA_NONE;
    }
    if (has_left && consumers != NULL) consumer_members_left(consumers);
    if (has_left && consumers == NULL) classic_rebalance(g);
    group_effects_reply(c->fx, ticket);
}
