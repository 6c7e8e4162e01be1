/* tools/groups.c - see groups.h. */
#include "tools/groups.h"
#include <stdlib.h>
#include <strings.h>
#include "base/assert.h"

#define COORDINATOR_GROUP 0     /* key type of FindCoordinator */
#define NAMES_LAST_VERSION 9    /* OffsetFetch, OffsetCommit: topics by name, above by id */
#define DEFINED_ERROR_VERSION 6 /* DescribeGroups: an unknown group is an error, not Dead */

/* An array in the arena, which has no limit. */
#define NEW_ARRAY(c, type, count) ((type *)need(arena_array((c)->arena, (count), sizeof(type))))

static void *need(void *block) {
    ASSERT(block != NULL);
    return block;
}

int group_place_compare(const void *a, const void *b) {
    const struct group_place *x = a, *y = b;
    int order = str_cmp(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

bool str_eq_any_case(struct str a, struct str b) {
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* ---- which groups there are ---- */

bool listed_group_consumes(const struct listed_group *g) {
    if (str_eq_any_case(g->type, STR("consumer"))) return true;
    return str_eq_any_case(g->type, STR("classic")) &&
           (g->protocol.len == 0 || str_eq(g->protocol, STR("consumer")));
}

enum status groups_list(struct client *c, bool only_consumers, const struct str *states,
                        int32_t state_count, const struct str *types, int32_t type_count,
                        struct listed_groups *ret_list) {
    const struct metadata_response *cluster = client_cluster(c);
    if (cluster == NULL) return ST_IO;
    struct list_groups_request request;
    codec_defaults(&list_groups_request_schema, &request);
    request.states_filter = (struct str *)states;
    request.states_filter_count = state_count;
    request.types_filter = (struct str *)types;
    request.types_filter_count = type_count;
    *ret_list = (struct listed_groups){0};
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        struct list_groups_response response;
        enum status st =
            client_call(c, cluster->brokers[i].node_id, API_LIST_GROUPS, &request, &response);
        if (st != ST_OK) return st;
        struct listed_group *all =
            NEW_ARRAY(c, struct listed_group, ret_list->count + (uint32_t)response.groups_count);
        for (uint32_t k = 0; k < ret_list->count; k++) all[k] = ret_list->at[k];
        for (int32_t k = 0; k < response.groups_count; k++) {
            const struct list_groups_response_listed_group *g = &response.groups[k];
            struct listed_group listed = {
                .id = g->group_id,
                .protocol = g->protocol_type,
                .state = g->group_state,
                .type = g->group_type.len > 0 ? g->group_type : STR("classic"),
            };
            if (!only_consumers || listed_group_consumes(&listed)) all[ret_list->count++] = listed;
        }
        ret_list->at = all;
    }
    return ST_OK;
}

/* ---- a group's coordinator ---- */

static enum status find_coordinator(struct client *c, struct str id,
                                    struct find_coordinator_response_coordinator *ret) {
    struct find_coordinator_request request;
    codec_defaults(&find_coordinator_request_schema, &request);
    request.key_type = COORDINATOR_GROUP;
    request.coordinator_keys = &id;
    request.coordinator_keys_count = 1;
    do {
        struct find_coordinator_response response;
        enum status st = client_call(c, CLIENT_ANY, API_FIND_COORDINATOR, &request, &response);
        if (st != ST_OK) return st;
        if (response.coordinators_count != 1) return ST_CORRUPT;
        *ret = response.coordinators[0];
    } while (client_may_retry(c, ret->error_code));
    if (ret->error_code == KAFKA_NONE) return ST_OK;
    (void)snprintf(c->message, sizeof c->message, "FindCoordinator for group %.*s: %s", STR_ARG(id),
                   kafka_error_name(ret->error_code));
    return ST_NOT_FOUND;
}

enum status group_ask(struct client *c, struct str id, int16_t api_key, int16_t max_version,
                      const void *request, void *response,
                      int16_t (*error_of)(const void *response)) {
    int16_t error_code;
    do {
        struct find_coordinator_response_coordinator coordinator;
        enum status st = find_coordinator(c, id, &coordinator);
        if (st == ST_OK)
            st = client_call_up_to(c, coordinator.node_id, api_key, max_version, request, response);
        if (st != ST_OK) return st;
        error_code = error_of(response);
    } while (client_may_retry(c, error_code));
    return ST_OK;
}

/* ---- describing ---- */

static void add_place(struct group_places *places, struct str topic, int32_t partition) {
    places->at[places->count++] = (struct group_place){topic, partition};
}

static struct group_places
consumer_places(struct client *c, const struct consumer_group_describe_response_assignment *from) {
    size_t total = 0;
    for (int32_t i = 0; i < from->topic_partitions_count; i++)
        total += (size_t)from->topic_partitions[i].partitions_count;
    struct group_places places = {NEW_ARRAY(c, struct group_place, total), 0};
    for (int32_t i = 0; i < from->topic_partitions_count; i++) {
        const struct consumer_group_describe_response_topic_partitions *t =
            &from->topic_partitions[i];
        for (int32_t k = 0; k < t->partitions_count; k++)
            add_place(&places, t->topic_name, t->partitions[k]);
    }
    qsort(places.at, places.count, sizeof *places.at, group_place_compare);
    return places;
}

/* What a classic member was given: a version, then the assignment of the consumer protocol. One
 * that cannot be read, of a foreign protocol, is none. */
static struct group_places classic_places(struct client *c, struct bytes assignment) {
    struct consumer_protocol_assignment decoded;
    size_t used;
    struct group_places places = {0};
    if (assignment.len < 2) return places;
    int16_t version = (int16_t)(assignment.ptr[0] << 8 | assignment.ptr[1]);
    version = MIN(version, consumer_protocol_assignment_schema.max_version);
    struct bytes body = {assignment.ptr + 2, assignment.len - 2};
    if (codec_decode(&consumer_protocol_assignment_schema, version, body, c->arena, &decoded,
                     &used) != ST_OK)
        return places;
    size_t total = 0;
    for (int32_t i = 0; i < decoded.assigned_partitions_count; i++)
        total += (size_t)decoded.assigned_partitions[i].partitions_count;
    places.at = NEW_ARRAY(c, struct group_place, total);
    for (int32_t i = 0; i < decoded.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_topic_partition *t =
            &decoded.assigned_partitions[i];
        for (int32_t k = 0; k < t->partitions_count; k++)
            add_place(&places, t->topic, t->partitions[k]);
    }
    qsort(places.at, places.count, sizeof *places.at, group_place_compare);
    return places;
}

static int16_t consumer_describe_error(const void *response) {
    const struct consumer_group_describe_response *r = response;
    return r->groups_count == 1 ? r->groups[0].error_code : KAFKA_NONE;
}

static int16_t classic_describe_error(const void *response) {
    const struct describe_groups_response *r = response;
    return r->groups_count == 1 ? r->groups[0].error_code : KAFKA_NONE;
}

static enum status describe_consumer(struct client *c, struct str id, struct group *g,
                                     int16_t *ret_error) {
    struct consumer_group_describe_request request;
    struct consumer_group_describe_response response;
    codec_defaults(&consumer_group_describe_request_schema, &request);
    request.group_ids = &id;
    request.group_ids_count = 1;
    enum status st = group_ask(c, id, API_CONSUMER_GROUP_DESCRIBE, INT16_MAX, &request,
                                     &response, consumer_describe_error);
    if (st != ST_OK) return st;
    if (response.groups_count != 1) return ST_CORRUPT;
    const struct consumer_group_describe_response_described *from = &response.groups[0];
    *ret_error = from->error_code;
    g->is_consumer = true;
    g->state = from->group_state;
    g->assignor = from->assignor_name;
    g->epoch = from->group_epoch;
    g->assignment_epoch = from->assignment_epoch;
    g->members = NEW_ARRAY(c, struct group_member, (size_t)from->members_count);
    for (int32_t i = 0; i < from->members_count; i++) {
        const struct consumer_group_describe_response_member *m = &from->members[i];
        g->members[g->member_count++] = (struct group_member){
            .id = m->member_id,
            .instance_id = m->instance_id,
            .client_id = m->client_id,
            .host = m->client_host,
            .assigned = consumer_places(c, &m->assignment),
            .target = consumer_places(c, &m->target_assignment),
            .epoch = m->member_epoch,
        };
    }
    return ST_OK;
}

static enum status describe_classic(struct client *c, struct str id, struct group *g,
                                    int16_t *ret_error) {
    struct describe_groups_request request;
    struct describe_groups_response response;
    codec_defaults(&describe_groups_request_schema, &request);
    request.groups = &id;
    request.groups_count = 1;
    enum status st = group_ask(c, id, API_DESCRIBE_GROUPS, INT16_MAX, &request, &response,
                                     classic_describe_error);
    if (st != ST_OK) return st;
    if (response.groups_count != 1) return ST_CORRUPT;
    const struct describe_groups_response_described_group *from = &response.groups[0];
    *ret_error = from->error_code;
    if (client_version(c, API_DESCRIBE_GROUPS) < DEFINED_ERROR_VERSION &&
        str_eq(from->group_state, STR("Dead")))
        *ret_error = KAFKA_GROUP_ID_NOT_FOUND;
    *g = (struct group){.id = id, .state = from->group_state, .assignor = from->protocol_data};
    g->members = NEW_ARRAY(c, struct group_member, (size_t)from->members_count);
    for (int32_t i = 0; i < from->members_count; i++) {
        const struct describe_groups_response_described_group_member *m = &from->members[i];
        g->members[g->member_count++] = (struct group_member){
            .id = m->member_id,
            .instance_id = m->group_instance_id,
            .client_id = m->client_id,
            .host = m->client_host,
            .assigned = classic_places(c, m->member_assignment),
            .epoch = -1,
        };
    }
    return ST_OK;
}

enum status group_describe(struct client *c, struct str id, struct group *ret_group,
                           int16_t *ret_error) {
    struct find_coordinator_response_coordinator coordinator;
    enum status st = find_coordinator(c, id, &coordinator);
    if (st != ST_OK) return st;
    *ret_error = KAFKA_GROUP_ID_NOT_FOUND;
    *ret_group = (struct group){.id = id};
    if (client_offers(c, API_CONSUMER_GROUP_DESCRIBE))
        st = describe_consumer(c, id, ret_group, ret_error);
    if (st == ST_OK && *ret_error == KAFKA_GROUP_ID_NOT_FOUND)
        st = describe_classic(c, id, ret_group, ret_error);
    if (st != ST_OK) return st;
    ret_group->coordinator_id = coordinator.node_id;
    ret_group->coordinator_host = coordinator.host;
    ret_group->coordinator_port = coordinator.port;
    return ST_OK;
}

/* ---- offsets ---- */

static int16_t fetch_error(const void *response) {
    const struct offset_fetch_response *r = response;
    return r->groups_count == 1 ? r->groups[0].error_code : KAFKA_NONE;
}

enum status group_committed(struct client *c, struct str id, struct group_offsets *ret_offsets,
                            int16_t *ret_error) {
    struct offset_fetch_request request;
    struct offset_fetch_request_group group;
    struct offset_fetch_response response;
    codec_defaults(&offset_fetch_request_schema, &request);
    offset_fetch_request_group_defaults(&group);
    group.group_id = id;
    group.topics = NULL;
    group.topics_count = -1; /* null: all */
    request.groups = &group;
    request.groups_count = 1;
    enum status st = group_ask(c, id, API_OFFSET_FETCH, NAMES_LAST_VERSION, &request,
                                     &response, fetch_error);
    if (st != ST_OK) return st;
    if (response.groups_count != 1) return ST_CORRUPT;
    const struct offset_fetch_response_group *from = &response.groups[0];
    *ret_error = from->error_code;
    size_t total = 0;
    for (int32_t i = 0; i < from->topics_count; i++)
        total += (size_t)from->topics[i].partitions_count;
    *ret_offsets = (struct group_offsets){NEW_ARRAY(c, struct group_offset, total), 0};
    for (int32_t i = 0; i < from->topics_count; i++) {
        for (int32_t k = 0; k < from->topics[i].partitions_count; k++) {
            const struct offset_fetch_response_partitions *p = &from->topics[i].partitions[k];
            if (p->error_code != KAFKA_NONE || p->committed_offset < 0) continue;
            ret_offsets->at[ret_offsets->count++] = (struct group_offset){
                .place = {from->topics[i].name, p->partition_index},
                .offset = p->committed_offset,
                .leader_epoch = p->committed_leader_epoch,
                .metadata = p->metadata,
            };
        }
    }
    qsort(ret_offsets->at, ret_offsets->count, sizeof *ret_offsets->at, group_place_compare);
    return ST_OK;
}

/* How many of at[0...] are of one topic; what they begin with is a group_place. */
static uint32_t same_topic(const void *at, size_t item_bytes, uint32_t count) {
    const struct group_place *first = at;
    uint32_t run = 1;
    while (run < count &&
           str_eq(((const struct group_place *)((const char *)at + run * item_bytes))->topic,
                  first->topic))
        run++;
    return run;
}

static int16_t commit_error(const void *response) {
    const struct offset_commit_response *r = response;
    return r->topics_count > 0 && r->topics[0].partitions_count > 0
               ? r->topics[0].partitions[0].error_code
               : KAFKA_NONE;
}

enum status group_commit(struct client *c, struct str id, const struct group_committer *who,
                         const struct group_offsets *offsets, int16_t *errors) {
    struct offset_commit_request request;
    struct offset_commit_response response;
    codec_defaults(&offset_commit_request_schema, &request);
    request.group_id = id;
    if (who != NULL) {
        request.member_id = who->member_id;
        request.group_instance_id = who->instance_id;
        request.generation_id_or_member_epoch = who->epoch;
    }
    request.topics = offset_commit_request_topic_array(c->arena, (int32_t)offsets->count);
    ASSERT(request.topics != NULL);
    for (uint32_t at = 0, run; at < offsets->count; at += run) {
        run = same_topic(&offsets->at[at], sizeof *offsets->at, offsets->count - at);
        struct offset_commit_request_topic *topic = &request.topics[request.topics_count++];
        topic->name = offsets->at[at].place.topic;
        topic->partitions = offset_commit_request_partition_array(c->arena, (int32_t)run);
        ASSERT(topic->partitions != NULL);
        topic->partitions_count = (int32_t)run;
        for (uint32_t i = 0; i < run; i++) {
            topic->partitions[i].partition_index = offsets->at[at + i].place.partition;
            topic->partitions[i].committed_offset = offsets->at[at + i].offset;
            topic->partitions[i].committed_metadata = STR("");
        }
    }
    enum status st = group_ask(c, id, API_OFFSET_COMMIT, NAMES_LAST_VERSION, &request,
                                     &response, commit_error);
    if (st != ST_OK) return st;
    for (uint32_t n = 0; n < offsets->count; n++) {
        errors[n] = KAFKA_UNKNOWN_SERVER_ERROR; /* when it is not answered */
        for (int32_t i = 0; i < response.topics_count; i++) {
            const struct offset_commit_response_topic *topic = &response.topics[i];
            if (!str_eq(topic->name, offsets->at[n].place.topic)) continue;
            for (int32_t k = 0; k < topic->partitions_count; k++) {
                if (topic->partitions[k].partition_index == offsets->at[n].place.partition)
                    errors[n] = topic->partitions[k].error_code;
            }
        }
    }
    return ST_OK;
}

static int16_t offset_delete_error(const void *response) {
    return ((const struct offset_delete_response *)response)->error_code;
}

enum status group_delete_offsets(struct client *c, struct str id, const struct group_places *places,
                                 int16_t *errors, int16_t *ret_error) {
    struct offset_delete_request request;
    struct offset_delete_response response;
    codec_defaults(&offset_delete_request_schema, &request);
    request.group_id = id;
    request.topics = offset_delete_request_topic_array(c->arena, (int32_t)places->count);
    ASSERT(request.topics != NULL);
    for (uint32_t at = 0, run; at < places->count; at += run) {
        run = same_topic(&places->at[at], sizeof *places->at, places->count - at);
        struct offset_delete_request_topic *topic = &request.topics[request.topics_count++];
        topic->name = places->at[at].topic;
        topic->partitions = offset_delete_request_partition_array(c->arena, (int32_t)run);
        ASSERT(topic->partitions != NULL);
        topic->partitions_count = (int32_t)run;
        for (uint32_t i = 0; i < run; i++)
            topic->partitions[i].partition_index = places->at[at + i].partition;
    }
    enum status st = group_ask(c, id, API_OFFSET_DELETE, INT16_MAX, &request, &response,
                                     offset_delete_error);
    if (st != ST_OK) return st;
    *ret_error = response.error_code;
    for (uint32_t n = 0; n < places->count; n++) {
        errors[n] = KAFKA_UNKNOWN_SERVER_ERROR;
        for (int32_t i = 0; i < response.topics_count; i++) {
            const struct offset_delete_response_topic *topic = &response.topics[i];
            if (!str_eq(topic->name, places->at[n].topic)) continue;
            for (int32_t k = 0; k < topic->partitions_count; k++) {
                if (topic->partitions[k].partition_index == places->at[n].partition)
                    errors[n] = topic->partitions[k].error_code;
            }
        }
    }
    return ST_OK;
}

static int16_t delete_error(const void *response) {
    const struct delete_groups_response *r = response;
    return r->results_count == 1 ? r->results[0].error_code : KAFKA_NONE;
}

enum status group_delete(struct client *c, struct str id, int16_t *ret_error) {
    struct delete_groups_request request;
    struct delete_groups_response response;
    codec_defaults(&delete_groups_request_schema, &request);
    request.groups_names = &id;
    request.groups_names_count = 1;
    enum status st =
        group_ask(c, id, API_DELETE_GROUPS, INT16_MAX, &request, &response, delete_error);
    if (st != ST_OK) return st;
    if (response.results_count != 1) return ST_CORRUPT;
    *ret_error = response.results[0].error_code;
    return ST_OK;
}
