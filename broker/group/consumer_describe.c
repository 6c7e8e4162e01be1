/* broker/group/consumer_describe.c - ConsumerGroupDescribe of one group. Source:
 * GroupMetadataManager.consumerGroupDescribe, ConsumerGroup.asDescribedGroup. */
#include "broker/group/consumer.h"
#include "protocol/errors.h"

enum { MEMBER_TYPE_CLASSIC = 0, MEMBER_TYPE_CONSUMER = 1 };

static struct str topic_name(const struct coordinator *c, struct uuid id, struct arena *arena) {
    const struct topic_image *topic = image_topic_by_id(c->image, id);
    return topic != NULL ? arena_str(arena, topic->name) : STR_NULL;
}

/* Topics that are gone meanwhile are left out. false: no memory. */
static bool put_set(const struct coordinator *c, const struct partition_set *set,
                    struct consumer_group_describe_response_assignment *out, struct arena *arena) {
    struct topic_run *runs;
    int32_t count = 0;
    if (!partition_set_runs(set, arena, &runs, &count)) return false;
    out->topic_partitions = consumer_group_describe_response_topic_partitions_array(arena, count);
    if (out->topic_partitions == NULL) return false;
    for (int32_t i = 0; i < count; i++) {
        struct str name = topic_name(c, runs[i].topic_id, arena);
        if (name.ptr == NULL) continue;
        struct consumer_group_describe_response_topic_partitions *topic =
            &out->topic_partitions[out->topic_partitions_count++];
        topic->topic_id = runs[i].topic_id;
        topic->topic_name = name;
        topic->partitions = runs[i].partitions;
        topic->partitions_count = runs[i].count;
    }
    return true;
}

static bool put_member(const struct coordinator *c, const struct consumer_member *m,
                       struct consumer_group_describe_response_member *out, struct arena *arena) {
    struct partition_set has; /* what it is to give back it has until it says that it has not */
    out->member_id = arena_str(arena, m->id);
    out->instance_id = arena_str(arena, m->instance_id);
    out->rack_id = arena_str(arena, m->rack_id);
    out->member_epoch = m->epoch;
    out->client_id = arena_str(arena, m->client_id);
    out->client_host = arena_str(arena, m->client_host);
    const struct names *topics = consumer_topics(m);
    out->subscribed_topic_names = arena_array(arena, topics->count, sizeof(struct str));
    if (out->subscribed_topic_names == NULL) return false;
    out->subscribed_topic_names_count = (int32_t)topics->count;
    for (uint32_t i = 0; i < topics->count; i++)
        out->subscribed_topic_names[i] = arena_str(arena, topics->items[i]);
    out->subscribed_topic_regex = arena_str(arena, consumer_regex_text(m));
    out->member_type = m->protocols != NULL ? MEMBER_TYPE_CLASSIC : MEMBER_TYPE_CONSUMER;
    if (out->member_id.ptr == NULL || out->client_id.ptr == NULL || out->client_host.ptr == NULL)
        return false;
    return partition_set_or(arena, &m->assigned, &m->revoking, &has) &&
           put_set(c, &has, &out->assignment, arena) &&
           put_set(c, &m->target, &out->target_assignment, arena);
}

static bool put_group(const struct consumer *g,
                      struct consumer_group_describe_response_described *out, struct arena *arena) {
    struct coordinator *c = g->coordinator;
    struct consumer_member **members = consumer_members_sorted(g, arena);
    out->group_state = str_of(consumer_state_name(g));
    out->group_epoch = g->epoch;
    out->assignment_epoch = g->target_epoch;
    out->assignor_name = str_of(consumer_assignor(g)->name);
    out->members = consumer_group_describe_response_member_array(arena, (int32_t)g->members.count);
    if (members == NULL || out->members == NULL) return false;
    for (size_t i = 0; i < g->members.count; i++) {
        if (!put_member(c, members[i], &out->members[out->members_count++], arena)) return false;
    }
    return true;
}

void consumer_describe(struct coordinator *c, struct group_ticket *ticket) {
    const struct str *id = ticket->request;
    struct consumer_group_describe_response_described *out = ticket->response;
    const struct group *group = group_find(c, *id);
    out->group_id = *id;
    if (group == NULL || !group_is_consumer(group)) {
        out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        out->error_message =
            group == NULL
                ? arena_printf(ticket->arena, "Group %.*s not found.", STR_ARG(*id))
                : arena_printf(ticket->arena, "Group %.*s is not a consumer group.", STR_ARG(*id));
    } else if (!put_group(consumer_of(group), out, ticket->arena)) {
        group_ticket_fail(ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    }
    group_effects_reply(c->fx, ticket);
}
