/* tests/sim/lost_consumer.c - the calls of the consumer protocol (KIP-848); see lost_calls.h. */
#include <stdio.h>
#include "tests/sim/lost_calls.h"

enum {
    SESSION_MS = 45000, /* group.consumer.session.timeout.ms */
    GONE = -1,          /* member epochs of one that leaves, */
    GONE_FOR_A_WHILE = -2 /* and of a static one */
};

static const struct str topics[] = {STR("events"), STR("more")};

/* topic_count: of what it is subscribed to; 0: no change. */
static int16_t beat(struct caller *c, int32_t epoch, int32_t topic_count) {
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    consumer_group_heartbeat_request_defaults(&request);
    request.group_id = str_of(c->group_id);
    request.member_id = str_of(c->members[0]);
    if (c->is_static) request.instance_id = STR("seat");
    request.member_epoch = epoch;
    request.topic_partitions_count = epoch == 0 ? 0 : -1;
    request.topic_partitions =
        consumer_group_heartbeat_request_topic_partitions_array(&c->actor->arena, 0);
    request.subscribed_topic_names = (struct str *)topics;
    request.subscribed_topic_names_count = topic_count > 0 ? topic_count : -1;
    if (epoch == 0) request.rebalance_timeout_ms = 60000;
    if (!caller_call(c, API_CONSUMER_GROUP_HEARTBEAT, 0, 1, &request, &response))
        return caller_failed(c, API_CONSUMER_GROUP_HEARTBEAT);
    if (response.error_code != KAFKA_NONE) return response.error_code;
    c->generation = response.member_epoch;
    c->member_count = epoch == GONE ? 0 : 1;
    return KAFKA_NONE;
}

static void name_member(struct caller *c, const char *id) {
    (void)snprintf(c->members[0], sizeof c->members[0], "%s", id); /* both fit */
}

int16_t caller_consumer_join(struct caller *c) {
    name_member(c, "member-of-one");
    return beat(c, 0, 1);
}

int16_t caller_consumer_return(struct caller *c) {
    name_member(c, "member-of-one-again");
    return beat(c, 0, 1);
}

int16_t caller_consumer_beat(struct caller *c) { return beat(c, c->generation, 0); }
int16_t caller_consumer_subscribe(struct caller *c) { return beat(c, c->generation, 2); }
int16_t caller_consumer_leave(struct caller *c) { return beat(c, GONE, 0); }
int16_t caller_consumer_pause(struct caller *c) { return beat(c, GONE_FOR_A_WHILE, 0); }

int16_t caller_describe_consumer(struct caller *c) {
    struct str id = str_of(c->group_id);
    struct consumer_group_describe_request request;
    struct consumer_group_describe_response response;
    consumer_group_describe_request_defaults(&request);
    request.group_ids = &id;
    request.group_ids_count = 1;
    if (!caller_call(c, API_CONSUMER_GROUP_DESCRIBE, 0, 1, &request, &response))
        return caller_failed(c, API_CONSUMER_GROUP_DESCRIBE);
    const struct consumer_group_describe_response_described *group = &response.groups[0];
    bool is_swept = group->error_code == KAFKA_GROUP_ID_NOT_FOUND && c->member_count == 0;
    if (is_swept) return KAFKA_NONE; /* the check of retention took the empty group */
    if (group->error_code != KAFKA_NONE) return group->error_code;
    return group->members_count == (int32_t)c->member_count ? KAFKA_NONE
                                                            : KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t caller_consumer_lapse(struct caller *c) {
    caller_wait(c, UINT64_C(1100) * SESSION_MS);
    c->member_count = 0;
    return caller_describe_consumer(c);
}
