/* tools/topics.c - see topics.h. Source: org.apache.kafka.clients.admin.KafkaAdminClient. */
#include "tools/topics.h"
#include <stdlib.h>

#define CONFIG_RESOURCE_TOPIC 2
#define CONFIG_SOURCE_DEFAULT 5

struct str error_text(struct str error_message, int16_t error_code) {
    if (error_message.ptr != NULL && error_message.len > 0) return error_message;
    if (error_code == KAFKA_REQUEST_TIMED_OUT) return STR("The request timed out.");
    return str_of(kafka_error_name(error_code));
}

static enum status answer_error(struct client *c, struct str error_message, int16_t error_code) {
    struct str text = error_text(error_message, error_code);
    (void)snprintf(c->message, sizeof c->message, "%.*s", STR_ARG(text));
    return ST_INVALID;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct topic *)a)->name, ((const struct topic *)b)->name);
}

static int by_index(const void *a, const void *b) {
    int32_t x = ((const struct topic_partition *)a)->index,
            y = ((const struct topic_partition *)b)->index;
    return (x > y) - (x < y);
}

static bool is_chosen(const struct topic_choice *choice,
                      const struct metadata_response_topic *topic) {
    if (choice->exclude_internal && topic->is_internal) return false;
    if (!uuid_is_zero(choice->id)) return uuid_eq(choice->id, topic->topic_id);
    return choice->names == NULL || pattern_matches(choice->names, topic->name);
}

static enum status take_metadata_topic(struct client *c, const struct metadata_response_topic *from,
                                       struct topic *ret_topic) {
    const struct int32_list unknown = {.count = -1};
    struct topic_partition *partitions =
        arena_array(c->arena, (size_t)from->partitions_count, sizeof *partitions);
    if (partitions == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        const struct metadata_response_partition *p = &from->partitions[i];
        partitions[i] = (struct topic_partition){
            .index = p->partition_index,
            .leader = p->leader_id,
            .replicas = {p->replica_nodes, p->replica_nodes_count},
            .isr = {p->isr_nodes, p->isr_nodes_count},
            .elr = unknown,
            .last_known_elr = unknown,
        };
    }
    qsort(partitions, (size_t)from->partitions_count, sizeof *partitions, by_index);
    *ret_topic = (struct topic){.name = from->name,
                                .id = from->topic_id,
                                .internal = from->is_internal,
                                .partitions = partitions,
                                .partition_count = from->partitions_count};
    return ST_OK;
}

enum status topics_find(struct client *c, const struct topic_choice *choice,
                        struct topic_list *ret_list) {
    struct metadata_request request;
    struct metadata_response response;
    codec_defaults(&metadata_request_schema, &request);
    request.topics = NULL;
    request.topics_count = -1; /* all */
    request.allow_auto_topic_creation =
        client_version(c, API_METADATA) < 4; /* not carried before 4 */
    enum status st = client_call(c, CLIENT_ANY, API_METADATA, &request, &response);
    if (st != ST_OK) return st;
    struct topic_list list = {
        .topics = arena_array(c->arena, (size_t)response.topics_count, sizeof *list.topics)};
    if (list.topics == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < response.topics_count; i++) {
        if (response.topics[i].name.ptr == NULL || !is_chosen(choice, &response.topics[i]))
            continue;
        st = take_metadata_topic(c, &response.topics[i], &list.topics[list.count]);
        if (st != ST_OK) return st;
        list.count++;
    }
    qsort(list.topics, list.count, sizeof *list.topics, by_name);
    *ret_list = list;
    return ST_OK;
}

static struct topic *find_topic(const struct topic_list *list, struct str name) {
    struct topic key = {.name = name};
    return bsearch(&key, list->topics, list->count, sizeof key, by_name);
}

static struct topic_partition *find_partition(const struct topic *topic, int32_t index) {
    struct topic_partition key = {.index = index};
    return bsearch(&key, topic->partitions, (size_t)topic->partition_count, sizeof key, by_index);
}

int32_t topics_leader(const struct topic_list *list, struct str name, int32_t index) {
    const struct topic *topic = find_topic(list, name);
    const struct topic_partition *p = topic != NULL ? find_partition(topic, index) : NULL;
    return p != NULL ? p->leader : -1;
}

static enum status take_described(struct client *c,
                                  const struct describe_topic_partitions_response_partition *from,
                                  struct topic *topic, int32_t *capacity) {
    if (topic->partition_count == *capacity) {
        int32_t more = MAX(*capacity * 2, 16);
        struct topic_partition *partitions =
            arena_array(c->arena, (size_t)more, sizeof *partitions);
        if (partitions == NULL) return ST_NOMEM;
        for (int32_t i = 0; i < topic->partition_count; i++) partitions[i] = topic->partitions[i];
        topic->partitions = partitions;
        *capacity = more;
    }
    topic->partitions[topic->partition_count++] = (struct topic_partition){
        .index = from->partition_index,
        .leader = from->leader_id,
        .replicas = {from->replica_nodes, from->replica_nodes_count},
        .isr = {from->isr_nodes, from->isr_nodes_count},
        .elr = {from->eligible_leader_replicas, from->eligible_leader_replicas_count},
        .last_known_elr = {from->last_known_elr, from->last_known_elr_count},
    };
    return ST_OK;
}

/* One page of an answer; a topic that was cut goes on in the next one. */
static enum status take_page(struct client *c,
                             const struct describe_topic_partitions_response *page,
                             struct topic_list *list, int32_t *capacities) {
    for (int32_t i = 0; i < page->topics_count; i++) {
        const struct describe_topic_partitions_response_describe_topic_partitions_response_topic
            *from = &page->topics[i];
        if (from->error_code != KAFKA_NONE) return answer_error(c, STR_NULL, from->error_code);
        struct topic *topic = find_topic(list, from->name);
        if (topic == NULL) continue; /* not asked for */
        topic->id = from->topic_id;
        topic->internal = from->is_internal;
        for (int32_t k = 0; k < from->partitions_count; k++) {
            enum status st =
                take_described(c, &from->partitions[k], topic, &capacities[topic - list->topics]);
            if (st != ST_OK) return st;
        }
    }
    return ST_OK;
}

enum status topics_describe(struct client *c, struct topic_list *list, int32_t page_partitions) {
    if (!client_offers(c, API_DESCRIBE_TOPIC_PARTITIONS)) return ST_UNSUPPORTED;
    if (list->count == 0) return ST_OK;
    struct describe_topic_partitions_request request;
    codec_defaults(&describe_topic_partitions_request_schema, &request);
    request.topics =
        describe_topic_partitions_request_topic_request_array(c->arena, (int32_t)list->count);
    int32_t *capacities = arena_array(c->arena, list->count, sizeof *capacities);
    if (request.topics == NULL || capacities == NULL) return ST_NOMEM;
    request.topics_count = (int32_t)list->count;
    request.response_partition_limit = page_partitions;
    for (uint32_t i = 0; i < list->count; i++) {
        request.topics[i].name = list->topics[i].name;
        list->topics[i].partition_count = 0;
    }
    struct describe_topic_partitions_request_cursor cursor;
    struct describe_topic_partitions_response page;
    do {
        enum status st = client_call(c, CLIENT_ANY, API_DESCRIBE_TOPIC_PARTITIONS, &request, &page);
        if (st == ST_OK) st = take_page(c, &page, list, capacities);
        if (st != ST_OK) return st;
        if (page.next_cursor == NULL) break;
        describe_topic_partitions_request_cursor_defaults(&cursor);
        cursor.topic_name = page.next_cursor->topic_name;
        cursor.partition_index = page.next_cursor->partition_index;
        request.cursor = &cursor;
    } while (page.topics_count > 0); /* a page of nothing would go on for ever */
    for (uint32_t i = 0; i < list->count; i++)
        qsort(list->topics[i].partitions, (size_t)list->topics[i].partition_count,
              sizeof(struct topic_partition), by_index);
    return ST_OK;
}

/* Where Java's HashMap of `count` names keeps this one. Kafka's clients hold configurations in one,
 * so that is the order in which its tool prints them. */
static uint32_t java_bucket(struct str name, int32_t count) {
    uint32_t hash = 0, size = 16;
    while ((uint32_t)count > size / 4 * 3) size *= 2;
    for (size_t i = 0; i < name.len; i++) hash = 31 * hash + (uint8_t)name.ptr[i];
    return (hash ^ hash >> 16) & (size - 1);
}

static enum status take_configs(struct client *c,
                                const struct describe_configs_response_result *from,
                                struct topic *topic) {
    if (from->error_code != KAFKA_NONE)
        return answer_error(c, from->error_message, from->error_code);
    struct topic_config *configs =
        arena_array(c->arena, (size_t)from->configs_count, sizeof *configs);
    if (configs == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < from->configs_count; i++) {
        if (from->configs[i].config_source == CONFIG_SOURCE_DEFAULT) continue;
        struct topic_config config = {from->configs[i].name, from->configs[i].value};
        uint32_t bucket = java_bucket(config.name, from->configs_count);
        int32_t at = topic->config_count++;
        for (; at > 0 && java_bucket(configs[at - 1].name, from->configs_count) > bucket; at--)
            configs[at] = configs[at - 1];
        configs[at] = config;
    }
    topic->configs = configs;
    return ST_OK;
}

enum status topics_add_configs(struct client *c, struct topic_list *list) {
    if (!client_offers(c, API_DESCRIBE_CONFIGS) || list->count == 0) return ST_OK;
    struct describe_configs_request request;
    struct describe_configs_response response;
    codec_defaults(&describe_configs_request_schema, &request);
    request.resources = describe_configs_request_resource_array(c->arena, (int32_t)list->count);
    if (request.resources == NULL) return ST_NOMEM;
    request.resources_count = (int32_t)list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        request.resources[i].resource_type = CONFIG_RESOURCE_TOPIC;
        request.resources[i].resource_name = list->topics[i].name;
        request.resources[i].configuration_keys_count = -1; /* all */
    }
    enum status st = client_call(c, CLIENT_ANY, API_DESCRIBE_CONFIGS, &request, &response);
    for (int32_t i = 0; st == ST_OK && i < response.results_count; i++) {
        struct topic *topic = find_topic(list, response.results[i].resource_name);
        if (topic != NULL) st = take_configs(c, &response.results[i], topic);
    }
    return st;
}

static enum status ask_moves(struct client *c, const struct topic_list *list,
                             struct list_partition_reassignments_response *ret_response) {
    struct list_partition_reassignments_request request;
    codec_defaults(&list_partition_reassignments_request_schema, &request);
    request.topics =
        list_partition_reassignments_request_topics_array(c->arena, (int32_t)list->count);
    if (request.topics == NULL) return ST_NOMEM;
    request.topics_count = (int32_t)list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct topic *topic = &list->topics[i];
        int32_t *indexes = arena_array(c->arena, (size_t)topic->partition_count, sizeof *indexes);
        if (indexes == NULL) return ST_NOMEM;
        for (int32_t k = 0; k < topic->partition_count; k++)
            indexes[k] = topic->partitions[k].index;
        request.topics[i].name = topic->name;
        request.topics[i].partition_indexes = indexes;
        request.topics[i].partition_indexes_count = topic->partition_count;
    }
    enum status st =
        client_call(c, CLIENT_CONTROLLER, API_LIST_PARTITION_REASSIGNMENTS, &request, ret_response);
    while (st == ST_OK && ret_response->error_code == KAFKA_NOT_CONTROLLER &&
           client_may_retry(c, ret_response->error_code))
        st = client_call(c, CLIENT_CONTROLLER, API_LIST_PARTITION_REASSIGNMENTS, &request,
                         ret_response);
    return st;
}

enum status topics_add_moves(struct client *c, struct topic_list *list) {
    if (!client_offers(c, API_LIST_PARTITION_REASSIGNMENTS) || list->count == 0) return ST_OK;
    struct list_partition_reassignments_response response;
    enum status st = ask_moves(c, list, &response);
    if (st != ST_OK) return st;
    if (response.error_code == KAFKA_CLUSTER_AUTHORIZATION_FAILED) return ST_OK;
    if (response.error_code != KAFKA_NONE)
        return answer_error(c, response.error_message, response.error_code);
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct list_partition_reassignments_response_ongoing_topic_reassignment *from =
            &response.topics[i];
        struct topic *topic = find_topic(list, from->name);
        for (int32_t k = 0; topic != NULL && k < from->partitions_count; k++) {
            const struct list_partition_reassignments_response_ongoing_reassignment *move =
                &from->partitions[k];
            struct topic_partition *partition = find_partition(topic, move->partition_index);
            if (partition == NULL) continue;
            partition->adding =
                (struct int32_list){move->adding_replicas, move->adding_replicas_count};
            partition->removing =
                (struct int32_list){move->removing_replicas, move->removing_replicas_count};
            partition->moving = true;
        }
    }
    return ST_OK;
}
