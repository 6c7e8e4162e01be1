/* tests/sim/lost_calls.c - the calls of the classic protocol, of offsets and of administrators; see
 * lost_calls.h. */
#include "tests/sim/lost_calls.h"
#include <stdio.h>
#include "base/assert.h"

#define TOPIC "events"
#define INSTANCE STR("seat")

int16_t caller_failed(struct caller *c, int16_t api_key) {
    world_fail(c->lost->world, "%s got no answer", api_find(api_key)->name);
    return KAFKA_NETWORK_EXCEPTION;
}

bool caller_call(struct caller *c, int16_t api_key, int16_t least, int16_t most,
                 const void *request, void *ret_response) {
    if (c->versions.count > 0) {
        least = c->versions.first;
        most = (int16_t)(least + c->versions.count - 1);
    }
    uint32_t count = (uint32_t)(most - least + 1);
    int16_t version = (int16_t)(least + (int16_t)actor_draw(c->actor, count));
    if (actor_connect(c->actor) != ST_OK) return false;
    return actor_call(c->actor, api_key, version, request, ret_response) == ST_OK;
}

void caller_wait(struct caller *c, uint64_t us) {
    job_sleep_until(c->actor->job, io_now(job_io(c->actor->job)).mono_us + us);
}

/* --- the classic protocol --- */

static struct join_group_request_protocol range = {
    .name = STR("range"),
    .metadata = {(const uint8_t *)"\0\0\0\0\0\1\0\6" TOPIC "\xff\xff\xff\xff", 18}};

static void put_join(struct caller *c, struct join_group_request *request, const char *member) {
    bool knows_sessions_only = c->versions.count > 0 && c->versions.first == 0;
    join_group_request_defaults(request);
    request->group_id = str_of(c->group_id);
    if (c->is_static) request->group_instance_id = INSTANCE;
    request->session_timeout_ms = 1800000; /* nobody's ends, and writes, */
    if (knows_sessions_only) request->session_timeout_ms = 30000; /* but a rebalance waits for it */
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

static int16_t joined(struct caller *c, const struct join_group_response *response) {
    if (response->error_code == KAFKA_NONE) {
        take_member(c, 0, response);
        c->member_count = 1;
    }
    return response->error_code;
}

int16_t caller_join(struct caller *c) {
    struct join_group_request request;
    struct join_group_response response;
    put_join(c, &request, "");
    /* Up to version 3 a member without an id is in at once, and always a static one. */
    if (!caller_call(c, API_JOIN_GROUP, c->is_static ? 5 : 1, c->is_static ? 9 : 3, &request,
                     &response))
        return caller_failed(c, API_JOIN_GROUP);
    return joined(c, &response);
}

int16_t caller_ask_id(struct caller *c) {
    struct join_group_request request;
    struct join_group_response response;
    put_join(c, &request, "");
    if (!caller_call(c, API_JOIN_GROUP, 4, 9, &request, &response))
        return caller_failed(c, API_JOIN_GROUP);
    if (response.error_code != KAFKA_MEMBER_ID_REQUIRED) return response.error_code;
    take_member(c, 0, &response);
    return KAFKA_NONE;
}

int16_t caller_join_as(struct caller *c) {
    struct join_group_request request;
    struct join_group_response response;
    put_join(c, &request, c->members[0]);
    if (!caller_call(c, API_JOIN_GROUP, 4, 9, &request, &response))
        return caller_failed(c, API_JOIN_GROUP);
    return joined(c, &response);
}

static void put_sync(struct caller *c, struct sync_group_request *request, uint32_t member,
                     struct sync_group_request_assignment *assignments) {
    sync_group_request_defaults(request);
    request->group_id = str_of(c->group_id);
    request->generation_id = c->generation;
    request->member_id = str_of(c->members[member]);
    request->protocol_type = STR("consumer");
    request->protocol_name = STR("range");
    if (c->is_static) request->group_instance_id = INSTANCE;
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
    if (!caller_call(c, API_SYNC_GROUP, c->is_static ? 3 : 0, 5, &request, &response))
        return caller_failed(c, API_SYNC_GROUP);
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
            return caller_failed(c, API_JOIN_GROUP);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (wire_receive(wires[i], &c->actor->arena, API_JOIN_GROUP, 3, &joined[i]) != ST_OK)
            return caller_failed(c, API_JOIN_GROUP);
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
        return caller_failed(c, API_SYNC_GROUP);
    actor_sleep(c->actor, 20000);
    put_sync(c, &request, 0, assignments);
    if (wire_call(&c->other, &c->actor->arena, API_SYNC_GROUP, 5, &request, &of_leader) != ST_OK ||
        wire_receive(&c->actor->wire, &c->actor->arena, API_SYNC_GROUP, 5, &response) != ST_OK)
        return caller_failed(c, API_SYNC_GROUP);
    return synced(c, &response);
}

int16_t caller_beat(struct caller *c) {
    struct heartbeat_request request;
    struct heartbeat_response response;
    heartbeat_request_defaults(&request);
    request.group_id = str_of(c->group_id);
    request.generation_id = c->generation;
    request.member_id = str_of(c->members[0]);
    if (c->is_static) request.group_instance_id = INSTANCE;
    if (!caller_call(c, API_HEARTBEAT, c->is_static ? 3 : 0, 4, &request, &response))
        return caller_failed(c, API_HEARTBEAT);
    return response.error_code;
}

int16_t caller_leave(struct caller *c) {
    struct leave_group_request_member_identity one;
    struct leave_group_request request;
    struct leave_group_response response;
    leave_group_request_defaults(&request);
    leave_group_request_member_identity_defaults(&one);
    one.member_id = str_of(c->members[0]);
    if (c->is_static) { /* as an administrator puts one out */
        one.member_id = STR("");
        one.group_instance_id = INSTANCE;
    }
    request.group_id = str_of(c->group_id);
    request.members = &one;
    request.members_count = 1;
    if (!caller_call(c, API_LEAVE_GROUP, 3, 5, &request, &response))
        return caller_failed(c, API_LEAVE_GROUP);
    if (response.error_code != KAFKA_NONE || response.members_count == 0)
        return response.error_code;
    return response.members[0].error_code;
}

int16_t caller_leave_old(struct caller *c) {
    struct leave_group_request request;
    struct leave_group_response response;
    leave_group_request_defaults(&request);
    request.group_id = str_of(c->group_id);
    request.member_id = str_of(c->members[0]);
    if (!caller_call(c, API_LEAVE_GROUP, 0, 2, &request, &response))
        return caller_failed(c, API_LEAVE_GROUP);
    return response.error_code;
}

/* --- offsets --- */

struct commit_parts {
    struct offset_commit_request request;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition one;
};

static void put_commit(struct caller *c, struct commit_parts *parts, const char *group_id,
                       int64_t offset) {
    offset_commit_request_defaults(&parts->request);
    offset_commit_request_topic_defaults(&parts->topic);
    offset_commit_request_partition_defaults(&parts->one);
    parts->one.committed_offset = offset;
    parts->one.committed_metadata = STR("");
    parts->topic.name = STR(TOPIC); /* or, from version 10 on, */
    parts->topic.topic_id = c->topic_id;
    parts->topic.partitions = &parts->one;
    parts->topic.partitions_count = 1;
    parts->request.group_id = str_of(group_id);
    parts->request.topics = &parts->topic;
    parts->request.topics_count = 1;
}

int16_t caller_commit(struct caller *c) {
    struct commit_parts parts;
    struct offset_commit_response response;
    put_commit(c, &parts, c->group_id, ++c->offset);
    if (c->member_count > 0) {
        parts.request.member_id = str_of(c->members[0]);
        parts.request.generation_id_or_member_epoch = c->generation;
        if (c->is_static) parts.request.group_instance_id = INSTANCE;
    }
    if (!caller_call(c, API_OFFSET_COMMIT, c->is_static ? 7 : 2, 10, &parts.request, &response))
        return caller_failed(c, API_OFFSET_COMMIT);
    return response.topics[0].partitions[0].error_code;
}

int16_t caller_commit_passing(struct caller *c) {
    struct commit_parts parts;
    struct offset_commit_response response;
    put_commit(c, &parts, c->group_id, 1);
    parts.request.retention_time_ms = 1;
    c->offset = -1;
    /* Later versions know no retention of their own. */
    if (!caller_call(c, API_OFFSET_COMMIT, 2, 4, &parts.request, &response))
        return caller_failed(c, API_OFFSET_COMMIT);
    return response.topics[0].partitions[0].error_code;
}

int16_t caller_see_expired(struct caller *c) {
    caller_wait(c, UINT64_C(2100) * LOST_CHECK_MS);
    return caller_fetch(c);
}

void caller_begin_beside(struct caller *c) {
    struct commit_parts parts;
    put_commit(c, &parts, c->beside_id, c->offset);
    if (wire_send(&c->other, &c->actor->arena, API_OFFSET_COMMIT, 9, &parts.request) != ST_OK)
        (void)caller_failed(c, API_OFFSET_COMMIT); /* the world has ended */
    actor_sleep(c->actor, 3000); /* so that it is there first, mostly */
}

int16_t caller_end_beside(struct caller *c) {
    struct offset_commit_response response;
    if (wire_receive(&c->other, &c->actor->arena, API_OFFSET_COMMIT, 9, &response) != ST_OK)
        return caller_failed(c, API_OFFSET_COMMIT);
    return response.topics[0].partitions[0].error_code;
}

int16_t caller_commit_beside(struct caller *c) {
    caller_begin_beside(c);
    return caller_end_beside(c);
}

static int16_t fetched(struct caller *c, int16_t error, int64_t offset) {
    if (error == KAFKA_NONE && offset != c->offset) {
        world_fail(c->lost->world, "%s has committed %lld, not %lld", c->group_id,
                   (long long)offset, (long long)c->offset);
    }
    return error;
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
    topic.name = STR(TOPIC); /* or, from version 10 on, */
    topic.topic_id = c->topic_id;
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    group.group_id = str_of(c->group_id);
    group.topics = &topic;
    group.topics_count = 1;
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = true;
    if (!caller_call(c, API_OFFSET_FETCH, 8, 10, &request, &response))
        return caller_failed(c, API_OFFSET_FETCH);
    const struct offset_fetch_response_group *answer = &response.groups[0];
    if (answer->error_code != KAFKA_NONE) return answer->error_code;
    const struct offset_fetch_response_partitions *one = &answer->topics[0].partitions[0];
    return fetched(c, one->error_code, one->committed_offset);
}

int16_t caller_fetch_old(struct caller *c) {
    int32_t index = 0;
    struct offset_fetch_request_topic topic = {
        .name = STR(TOPIC), .partition_indexes = &index, .partition_indexes_count = 1};
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    offset_fetch_request_defaults(&request);
    request.group_id = str_of(c->group_id);
    request.topics = &topic;
    request.topics_count = 1;
    if (!caller_call(c, API_OFFSET_FETCH, 1, 7, &request, &response))
        return caller_failed(c, API_OFFSET_FETCH);
    /* What the whole has failed with, every partition says as well; version 1 only there. */
    if (response.topics_count == 0) return response.error_code;
    const struct offset_fetch_response_partition *one = &response.topics[0].partitions[0];
    return fetched(c, one->error_code, one->committed_offset);
}

int16_t caller_forget(struct caller *c) {
    struct offset_delete_request_partition one = {.partition_index = 0};
    struct offset_delete_request_topic topic = {
        .name = STR(TOPIC), .partitions = &one, .partitions_count = 1};
    struct offset_delete_request request = {
        .group_id = str_of(c->group_id), .topics = &topic, .topics_count = 1};
    struct offset_delete_response response;
    if (!caller_call(c, API_OFFSET_DELETE, 0, 0, &request, &response))
        return caller_failed(c, API_OFFSET_DELETE);
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
    if (!caller_call(c, API_DESCRIBE_GROUPS, 0, 6, &request, &response))
        return caller_failed(c, API_DESCRIBE_GROUPS);
    const struct describe_groups_response_described_group *group = &response.groups[0];
    if (group->error_code != KAFKA_NONE) return group->error_code;
    bool is_it = str_eq(group->group_state, c->member_count > 0 ? STR("Stable") : STR("Empty")) &&
                 group->members_count == (int32_t)c->member_count;
    return is_it ? KAFKA_NONE : KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t caller_delete(struct caller *c) {
    struct str id = str_of(c->group_id);
    struct delete_groups_request request;
    struct delete_groups_response response;
    delete_groups_request_defaults(&request);
    request.groups_names = &id;
    request.groups_names_count = 1;
    if (!caller_call(c, API_DELETE_GROUPS, 0, 2, &request, &response))
        return caller_failed(c, API_DELETE_GROUPS);
    return response.results[0].error_code;
}

int16_t caller_list(struct caller *c) {
    struct list_groups_request request;
    struct list_groups_response response;
    list_groups_request_defaults(&request);
    if (!caller_call(c, API_LIST_GROUPS, 0, 5, &request, &response))
        return caller_failed(c, API_LIST_GROUPS);
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
    if (!caller_call(c, API_FIND_COORDINATOR, 0, 3, &request, &response))
        return caller_failed(c, API_FIND_COORDINATOR);
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
    if (!caller_call(c, API_INCREMENTAL_ALTER_CONFIGS, 0, 1, &request, &response))
        return caller_failed(c, API_INCREMENTAL_ALTER_CONFIGS);
    return response.responses[0].error_code;
}
