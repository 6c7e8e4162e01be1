/* tests/sim/lost_calls.c - see lost_calls.h. */
#include "tests/sim/lost_calls.h"
#include <stdio.h>
#include "base/assert.h"

#define TOPIC "events"

static int16_t failed(struct caller *c, int16_t api_key) {
    world_fail(c->lost->world, "%s got no answer", api_find(api_key)->name);
    return KAFKA_NETWORK_EXCEPTION;
}

static bool ask(struct caller *c, int16_t api_key, int16_t least, int16_t most,
                const void *request, void *ret_response) {
    uint32_t count = (uint32_t)(most - least + 1);
    int16_t version = (int16_t)(least + (int16_t)actor_draw(c->actor, count));
    if (actor_connect(c->actor) != ST_OK) return false;
    return actor_call(c->actor, api_key, version, request, ret_response) == ST_OK;
}

/* --- the classic protocol --- */

static struct join_group_request_protocol range = {
    .name = STR("range"),
    .metadata = {(const uint8_t *)"\0\0\0\0\0\1\0\6" TOPIC "\xff\xff\xff\xff", 18}};

static void put_join(struct caller *c, struct join_group_request *request, const char *member) {
    join_group_request_defaults(request);
    request->group_id = str_of(c->group_id);
    request->session_timeout_ms = 1800000; /* nobody's ends, and writes */
    request->rebalance_timeout_ms = 5000; /* for a member whose join was answered too late */
    request->member_id = str_of(member);
    request->protocol_type = STR("consumer");
    request->protocols = &range;
    request->protocols_count = 1;
}

static void take_member(struct caller *c, uint32_t at, const struct join_group_response *response) {
    (void)snprintf(c->members[at], sizeof c->members[at], "%.*s",
                   STR_ARG(response->member_id)); /* an id is shorter */
    c->generation = response->generation_id;
}

int16_t caller_join(struct caller *c) {
    struct join_group_request request;
    struct join_group_response response;
    put_join(c, &request, "");
    /* Up to version 3 a member without an id is in at once. */
    if (!ask(c, API_JOIN_GROUP, 1, 3, &request, &response)) return failed(c, API_JOIN_GROUP);
    if (response.error_code == KAFKA_NONE) {
        take_member(c, 0, &response);
        c->member_count = 1;
    }
    return response.error_code;
}

static void put_sync(struct caller *c, struct sync_group_request *request, uint32_t member,
                     struct sync_group_request_assignment *assignments) {
    sync_group_request_defaults(request);
    request->group_id = str_of(c->group_id);
    request->generation_id = c->generation;
    request->member_id = str_of(c->members[member]);
    request->protocol_type = STR("consumer");
    request->protocol_name = STR("range");
    for (uint32_t i = 0; i < c->member_count && member == 0; i++) {
        sync_group_request_assignment_defaults(&assignments[i]);
        assignments[i].member_id = str_of(c->members[i]);
        assignments[i].assignment = (struct bytes){(const uint8_t *)"mine", 4};
    }
    request->assignments = assignments;
    request->assignments_count = member == 0 ? (int32_t)c->member_count : 0;
}

static int16_t synced(struct caller *c, const struct sync_group_response *response) {
    if (response->error_code == KAFKA_NONE && response->assignment.len != 4)
        world_fail(c->lost->world, "SyncGroup answers with another assignment");
    return response->error_code;
}

int16_t caller_sync(struct caller *c) {
    struct sync_group_request_assignment assignments[CALLER_MEMBERS];
    struct sync_group_request request;
    struct sync_group_response response;
    put_sync(c, &request, 0, assignments);
    if (!ask(c, API_SYNC_GROUP, 1, 5, &request, &response)) return failed(c, API_SYNC_GROUP);
    return synced(c, &response);
}

/* Two members join, each on its own connection; the leader becomes member 0. */
int16_t caller_join_both(struct caller *c) {
    struct wire *wires[2] = {&c->actor->wire, &c->other};
    struct join_group_request request;
    struct join_group_response joined[2];
    put_join(c, &request, "");
    for (uint32_t i = 0; i < 2; i++) {
        if (wire_send(wires[i], &c->actor->arena, API_JOIN_GROUP, 3, &request) != ST_OK)
            return failed(c, API_JOIN_GROUP);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (wire_receive(wires[i], &c->actor->arena, API_JOIN_GROUP, 3, &joined[i]) != ST_OK)
            return failed(c, API_JOIN_GROUP);
    }
    for (uint32_t i = 0; i < 2; i++)
        if (joined[i].error_code != KAFKA_NONE) return joined[i].error_code;
    uint32_t leader = joined[0].members_count > 0 ? 0 : 1;
    take_member(c, 0, &joined[leader]);
    take_member(c, 1, &joined[1 - leader]);
    c->member_count = 2;
    return KAFKA_NONE;
}

int16_t caller_sync_both(struct caller *c) {
    struct sync_group_request_assignment assignments[CALLER_MEMBERS];
    struct sync_group_request request;
    struct sync_group_response response, of_leader;
    put_sync(c, &request, 1, assignments);
    if (wire_send(&c->actor->wire, &c->actor->arena, API_SYNC_GROUP, 5, &request) != ST_OK)
        return failed(c, API_SYNC_GROUP);
    actor_sleep(c->actor, 20000);
    put_sync(c, &request, 0, assignments);
    if (wire_call(&c->other, &c->actor->arena, API_SYNC_GROUP, 5, &request, &of_leader) != ST_OK ||
        wire_receive(&c->actor->wire, &c->actor->arena, API_SYNC_GROUP, 5, &response) != ST_OK)
        return failed(c, API_SYNC_GROUP);
    return synced(c, &response);
}

int16_t caller_beat(struct caller *c) {
    struct heartbeat_request request;
    struct heartbeat_response response;
    heartbeat_request_defaults(&request);
    request.group_id = str_of(c->group_id);
    request.generation_id = c->generation;
    request.member_id = str_of(c->members[0]);
    if (!ask(c, API_HEARTBEAT, 0, 4, &request, &response)) return failed(c, API_HEARTBEAT);
    return response.error_code;
}

int16_t caller_leave(struct caller *c) {
    struct leave_group_request_member_identity one;
    struct leave_group_request request;
    struct leave_group_response response;
    leave_group_request_defaults(&request);
    leave_group_request_member_identity_defaults(&one);
    one.member_id = str_of(c->members[0]);
    request.group_id = str_of(c->group_id);
    request.members = &one;
    request.members_count = 1;
    if (!ask(c, API_LEAVE_GROUP, 3, 5, &request, &response)) return failed(c, API_LEAVE_GROUP);
    if (response.error_code != KAFKA_NONE || response.members_count == 0)
        return response.error_code;
    return response.members[0].error_code;
}

/* --- offsets --- */

struct commit_parts {
    struct offset_commit_request request;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition one;
};

static void put_commit(struct commit_parts *parts, const char *group_id, int64_t offset) {
    offset_commit_request_defaults(&parts->request);
    offset_commit_request_topic_defaults(&parts->topic);
    offset_commit_request_partition_defaults(&parts->one);
    parts->one.committed_offset = offset;
    parts->one.committed_metadata = STR("");
    parts->topic.name = STR(TOPIC);
    parts->topic.partitions = &parts->one;
    parts->topic.partitions_count = 1;
    parts->request.group_id = str_of(group_id);
    parts->request.topics = &parts->topic;
    parts->request.topics_count = 1;
}

int16_t caller_commit(struct caller *c) {
    struct commit_parts parts;
    struct offset_commit_response response;
    put_commit(&parts, c->group_id, ++c->offset);
    if (c->member_count > 0) {
        parts.request.member_id = str_of(c->members[0]);
        parts.request.generation_id_or_member_epoch = c->generation;
    }
    /* From version 9 on a member's epoch is meant, too; from 10 on topics have ids. */
    if (!ask(c, API_OFFSET_COMMIT, 2, 9, &parts.request, &response))
        return failed(c, API_OFFSET_COMMIT);
    return response.topics[0].partitions[0].error_code;
}

void caller_begin_beside(struct caller *c) {
    struct commit_parts parts;
    put_commit(&parts, c->beside_id, c->offset);
    if (wire_send(&c->other, &c->actor->arena, API_OFFSET_COMMIT, 9, &parts.request) != ST_OK)
        (void)failed(c, API_OFFSET_COMMIT); /* the world has ended */
    actor_sleep(c->actor, 3000); /* so that it is there first, mostly */
}

int16_t caller_end_beside(struct caller *c) {
    struct offset_commit_response response;
    if (wire_receive(&c->other, &c->actor->arena, API_OFFSET_COMMIT, 9, &response) != ST_OK)
        return failed(c, API_OFFSET_COMMIT);
    return response.topics[0].partitions[0].error_code;
}

int16_t caller_commit_beside(struct caller *c) {
    caller_begin_beside(c);
    return caller_end_beside(c);
}

/* An error of the whole counts for the partition. */
static int16_t take_fetched(struct caller *c, const struct offset_fetch_response_group *group) {
    if (group->error_code != KAFKA_NONE) return group->error_code;
    const struct offset_fetch_response_partitions *one = &group->topics[0].partitions[0];
    if (one->error_code == KAFKA_NONE && one->committed_offset != c->offset) {
        world_fail(c->lost->world, "%s has committed %lld, not %lld", c->group_id,
                   (long long)one->committed_offset, (long long)c->offset);
    }
    return one->error_code;
}

int16_t caller_fetch(struct caller *c) {
    struct offset_fetch_request_group group;
    struct offset_fetch_request_topics topic;
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    int32_t index = 0;
    offset_fetch_request_defaults(&request);
    offset_fetch_request_group_defaults(&group);
    offset_fetch_request_topics_defaults(&topic);
    topic.name = STR(TOPIC);
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    group.group_id = str_of(c->group_id);
    group.topics = &topic;
    group.topics_count = 1;
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = true;
    if (!ask(c, API_OFFSET_FETCH, 8, 9, &request, &response)) return failed(c, API_OFFSET_FETCH);
    return take_fetched(c, &response.groups[0]);
}

int16_t caller_forget(struct caller *c) {
    struct offset_delete_request_partition one = {.partition_index = 0};
    struct offset_delete_request_topic topic = {
        .name = STR(TOPIC), .partitions = &one, .partitions_count = 1};
    struct offset_delete_request request = {
        .group_id = str_of(c->group_id), .topics = &topic, .topics_count = 1};
    struct offset_delete_response response;
    if (!ask(c, API_OFFSET_DELETE, 0, 0, &request, &response)) return failed(c, API_OFFSET_DELETE);
    if (response.error_code != KAFKA_NONE) return response.error_code;
    return response.topics[0].partitions[0].error_code;
}

/* --- groups --- */

int16_t caller_describe(struct caller *c) {
    struct str id = str_of(c->group_id);
    struct describe_groups_request request;
    struct describe_groups_response response;
    describe_groups_request_defaults(&request);
    request.groups = &id;
    request.groups_count = 1;
    if (!ask(c, API_DESCRIBE_GROUPS, 0, 6, &request, &response))
        return failed(c, API_DESCRIBE_GROUPS);
    const struct describe_groups_response_described_group *group = &response.groups[0];
    if (group->error_code != KAFKA_NONE) return group->error_code;
    bool is_it = str_eq(group->group_state, c->member_count > 0 ? STR("Stable") : STR("Empty")) &&
                 group->members_count == (int32_t)c->member_count;
    return is_it ? KAFKA_NONE : KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t caller_describe_consumer(struct caller *c) {
    struct str id = str_of(c->group_id);
    struct consumer_group_describe_request request;
    struct consumer_group_describe_response response;
    consumer_group_describe_request_defaults(&request);
    request.group_ids = &id;
    request.group_ids_count = 1;
    if (!ask(c, API_CONSUMER_GROUP_DESCRIBE, 0, 1, &request, &response))
        return failed(c, API_CONSUMER_GROUP_DESCRIBE);
    const struct consumer_group_describe_response_described *group = &response.groups[0];
    if (group->error_code != KAFKA_NONE) return group->error_code;
    return group->members_count == (int32_t)c->member_count ? KAFKA_NONE
                                                            : KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t caller_delete(struct caller *c) {
    struct str id = str_of(c->group_id);
    struct delete_groups_request request;
    struct delete_groups_response response;
    delete_groups_request_defaults(&request);
    request.groups_names = &id;
    request.groups_names_count = 1;
    if (!ask(c, API_DELETE_GROUPS, 0, 2, &request, &response)) return failed(c, API_DELETE_GROUPS);
    return response.results[0].error_code;
}

int16_t caller_list(struct caller *c) {
    struct list_groups_request request;
    struct list_groups_response response;
    list_groups_request_defaults(&request);
    if (!ask(c, API_LIST_GROUPS, 0, 5, &request, &response)) return failed(c, API_LIST_GROUPS);
    if (response.error_code != KAFKA_NONE) return response.error_code;
    for (int32_t i = 0; i < response.groups_count; i++) {
        if (str_eq(response.groups[i].group_id, str_of(c->group_id))) return KAFKA_NONE;
    }
    return KAFKA_NOT_COORDINATOR;
}

int16_t caller_find(struct caller *c) {
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    find_coordinator_request_defaults(&request);
    request.key = str_of(c->group_id);
    if (!ask(c, API_FIND_COORDINATOR, 0, 3, &request, &response))
        return failed(c, API_FIND_COORDINATOR);
    return response.error_code;
}

int16_t caller_configure(struct caller *c) {
    struct incremental_alter_configs_request_alterable_config config;
    struct incremental_alter_configs_request_resource resource;
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    incremental_alter_configs_request_defaults(&request);
    incremental_alter_configs_request_resource_defaults(&resource);
    incremental_alter_configs_request_alterable_config_defaults(&config);
    config.name = STR("consumer.session.timeout.ms");
    config.value = STR("50000");
    resource.resource_type = 32; /* a group */
    resource.resource_name = str_of(c->group_id);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    if (!ask(c, API_INCREMENTAL_ALTER_CONFIGS, 0, 1, &request, &response))
        return failed(c, API_INCREMENTAL_ALTER_CONFIGS);
    return response.responses[0].error_code;
}

/* --- the consumer protocol --- */

static int16_t consumer_beat(struct caller *c, int32_t epoch) {
    struct str topic = STR(TOPIC);
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    consumer_group_heartbeat_request_defaults(&request);
    request.group_id = str_of(c->group_id);
    request.member_id = STR("member-of-one");
    request.member_epoch = epoch;
    request.topic_partitions_count = epoch == 0 ? 0 : -1;
    request.topic_partitions =
        consumer_group_heartbeat_request_topic_partitions_array(&c->actor->arena, 0);
    request.subscribed_topic_names = &topic;
    request.subscribed_topic_names_count = epoch == 0 ? 1 : -1;
    if (epoch == 0) request.rebalance_timeout_ms = 60000;
    if (!ask(c, API_CONSUMER_GROUP_HEARTBEAT, 0, 1, &request, &response))
        return failed(c, API_CONSUMER_GROUP_HEARTBEAT);
    if (response.error_code != KAFKA_NONE) return response.error_code;
    c->generation = response.member_epoch;
    c->member_count = epoch < 0 ? 0 : 1;
    return KAFKA_NONE;
}

int16_t caller_consumer_join(struct caller *c) { return consumer_beat(c, 0); }
int16_t caller_consumer_beat(struct caller *c) { return consumer_beat(c, c->generation); }
int16_t caller_consumer_leave(struct caller *c) { return consumer_beat(c, -1); }
