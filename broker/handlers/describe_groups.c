/* broker/handlers/describe_groups.c - API 15: classic groups, each asked of its coordinator. */
#include "broker/handlers/group_fan.h"
#include "broker/handlers/handlers.h"

static bool keep_member(struct arena *arena,
                        struct describe_groups_response_described_group_member *m) {
    m->member_id = arena_str(arena, m->member_id);
    m->group_instance_id = arena_str(arena, m->group_instance_id);
    m->client_id = arena_str(arena, m->client_id);
    m->client_host = arena_str(arena, m->client_host);
    m->member_metadata = arena_bytes(arena, m->member_metadata);
    m->member_assignment = arena_bytes(arena, m->member_assignment);
    return m->member_id.ptr != NULL && m->client_id.ptr != NULL && m->client_host.ptr != NULL &&
           m->member_metadata.ptr != NULL && m->member_assignment.ptr != NULL;
}

/* What the coordinator filled dies with its call. */
static bool keep(struct arena *arena, struct describe_groups_response_described_group *group) {
    struct describe_groups_response_described_group_member *members =
        describe_groups_response_described_group_member_array(arena, group->members_count);
    if (members == NULL) return false;
    for (int32_t i = 0; i < group->members_count; i++) {
        members[i] = group->members[i];
        if (!keep_member(arena, &members[i])) return false;
    }
    group->members = members;
    group->error_message = arena_str(arena, group->error_message);
    group->protocol_type = arena_str(arena, group->protocol_type);
    group->protocol_data = arena_str(arena, group->protocol_data);
    return group->protocol_type.ptr != NULL && group->protocol_data.ptr != NULL;
}

static void on_group(struct group_call *call) {
    struct group_fan *fan = call->owner;
    const struct describe_groups_request *in = fan->rq->in;
    struct describe_groups_response_described_group *group = call->ticket.response;
    if (!keep(&fan->rq->arena, group))
        group_ticket_fail(&call->ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    if (in->include_authorized_operations && group->error_code == KAFKA_NONE)
        group->authorized_operations = GROUP_OPERATIONS;
    group_fan_done(fan);
}

static struct group_call *ask(struct group_fan *fan, int32_t i, struct str *ret_group_id) {
    struct request *rq = fan->rq;
    const struct describe_groups_request *in = rq->in;
    struct describe_groups_response *out = rq->out;
    struct group_call *call =
        group_call_new(rq, CALL_DESCRIBE_GROUP, &in->groups[i], &out->groups[i], on_group);
    *ret_group_id = in->groups[i];
    if (call != NULL) return call;
    out->groups[i].group_id = in->groups[i];
    out->groups[i].error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    return NULL;
}

static void end(struct group_fan *fan) { request_respond(fan->rq); }

static bool prepare(struct request *rq) {
    const struct describe_groups_request *in = rq->in;
    struct describe_groups_response *out = rq->out;
    struct group_fan *fan = ARENA_NEW(&rq->arena, struct group_fan);
    out->groups_count = MAX(in->groups_count, 0);
    out->groups = describe_groups_response_described_group_array(&rq->arena, out->groups_count);
    if (fan == NULL || out->groups == NULL) return false;
    *fan = (struct group_fan){.rq = rq, .count = out->groups_count, .ask = ask, .end = end};
    rq->state_of_handler = fan;
    return true;
}

static void ask_all(struct request *rq) { group_fan_start(rq->state_of_handler); }

void handle_describe_groups(struct request *rq) { request_in_turns(rq, prepare, ask_all); }
