/* broker/handlers/consumer_group_describe.c - API 69: consumer groups (KIP-848), each asked of its
 * coordinator. */
#include "broker/handlers/group_fan.h"
#include "broker/handlers/handlers.h"

static bool keep_assignment(struct arena *arena,
                            struct consumer_group_describe_response_assignment *a) {
    struct consumer_group_describe_response_topic_partitions *topics =
        consumer_group_describe_response_topic_partitions_array(arena, a->topic_partitions_count);
    if (topics == NULL) return false;
    for (int32_t i = 0; i < a->topic_partitions_count; i++) {
        size_t bytes = (size_t)a->topic_partitions[i].partitions_count * sizeof(int32_t);
        topics[i] = a->topic_partitions[i];
        topics[i].topic_name = arena_str(arena, topics[i].topic_name);
        topics[i].partitions = arena_alloc(arena, bytes);
        if (topics[i].topic_name.ptr == NULL || topics[i].partitions == NULL) return false;
        memcpy(topics[i].partitions, a->topic_partitions[i].partitions, bytes);
    }
    a->topic_partitions = topics;
    return true;
}

static bool keep_member(struct arena *arena, struct consumer_group_describe_response_member *m) {
    struct str *names = arena_array(arena, (size_t)m->subscribed_topic_names_count, sizeof *names);
    if (names == NULL) return false;
    for (int32_t i = 0; i < m->subscribed_topic_names_count; i++)
        names[i] = arena_str(arena, m->subscribed_topic_names[i]);
    m->subscribed_topic_names = names;
    m->subscribed_topic_regex = arena_str(arena, m->subscribed_topic_regex);
    m->member_id = arena_str(arena, m->member_id);
    m->instance_id = arena_str(arena, m->instance_id);
    m->rack_id = arena_str(arena, m->rack_id);
    m->client_id = arena_str(arena, m->client_id);
    m->client_host = arena_str(arena, m->client_host);
    return m->member_id.ptr != NULL && m->client_id.ptr != NULL && m->client_host.ptr != NULL &&
           keep_assignment(arena, &m->assignment) && keep_assignment(arena, &m->target_assignment);
}

/* What the coordinator filled dies with its call. */
static bool keep(struct arena *arena, struct consumer_group_describe_response_described *group) {
    struct consumer_group_describe_response_member *members =
        consumer_group_describe_response_member_array(arena, group->members_count);
    if (members == NULL) return false;
    for (int32_t i = 0; i < group->members_count; i++) {
        members[i] = group->members[i];
        if (!keep_member(arena, &members[i])) return false;
    }
    group->members = members;
    group->error_message = arena_str(arena, group->error_message);
    return true;
}

static void on_group(struct group_call *call) {
    struct group_fan *fan = call->owner;
    const struct consumer_group_describe_request *in = fan->rq->in;
    struct consumer_group_describe_response_described *group = call->ticket.response;
    if (!keep(&fan->rq->arena, group))
        group_ticket_fail(&call->ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    if (in->include_authorized_operations && group->error_code == KAFKA_NONE)
        group->authorized_operations = GROUP_OPERATIONS;
    group_fan_done(fan);
}

static struct group_call *ask(struct group_fan *fan, int32_t i, struct str *ret_group_id) {
    struct request *rq = fan->rq;
    const struct consumer_group_describe_request *in = rq->in;
    struct consumer_group_describe_response *out = rq->out;
    bool is_served = group_service_serves_consumers(rq->shard);
    bool is_named = in->group_ids[i].len > 0;
    struct group_call *call = is_served && is_named
                                  ? group_call_new(rq, CALL_DESCRIBE_CONSUMER, &in->group_ids[i],
                                                   &out->groups[i], on_group)
                                  : NULL;
    *ret_group_id = out->groups[i].group_id = in->group_ids[i];
    if (call == NULL)
        out->groups[i].error_code = !is_served ? KAFKA_UNSUPPORTED_VERSION
                                    : is_named ? KAFKA_COORDINATOR_NOT_AVAILABLE
                                               : KAFKA_INVALID_GROUP_ID;
    return call;
}

static void end(struct group_fan *fan) { request_respond(fan->rq); }

static bool prepare(struct request *rq) {
    const struct consumer_group_describe_request *in = rq->in;
    struct consumer_group_describe_response *out = rq->out;
    struct group_fan *fan = ARENA_NEW(&rq->arena, struct group_fan);
    out->groups_count = MAX(in->group_ids_count, 0);
    out->groups = consumer_group_describe_response_described_array(&rq->arena, out->groups_count);
    if (fan == NULL || out->groups == NULL) return false;
    *fan = (struct group_fan){.rq = rq, .count = out->groups_count, .ask = ask, .end = end};
    rq->state_of_handler = fan;
    return true;
}

static void ask_all(struct request *rq) { group_fan_start(rq->state_of_handler); }

void handle_consumer_group_describe(struct request *rq) { request_in_turns(rq, prepare, ask_all); }
