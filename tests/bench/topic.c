/* tests/bench/topic.c - CreateTopics, DeleteTopics, Metadata and ListOffsets for one topic. */
#include "topic.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "protocol/errors.h"

#define TRIES 3000
#define PAUSE_MS 20
#define LATEST (-1) /* the timestamp that asks ListOffsets for the end */

static void pause_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
}

/* Whether Metadata shows every partition with a leader; fills in the topic's id. A broker may tell
 * so a moment before the leader knows: topic_readable() is what proves it. */
static bool is_known(struct client *client, struct topic *topic) {
    struct metadata_request_topic wanted;
    metadata_request_topic_defaults(&wanted);
    wanted.name = str_of(topic->name);
    struct metadata_request request;
    codec_defaults(&metadata_request_schema, &request);
    request.topics = &wanted;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    struct metadata_response response;
    client_call(client, API_METADATA, &request, &response);

    if (response.topics_count != 1) die("Metadata: %d topics for one", response.topics_count);
    const struct metadata_response_topic *told = &response.topics[0];
    if (!str_eq(told->name, wanted.name)) die("Metadata: not the topic that was asked for");
    if (told->error_code != 0 || told->partitions_count != topic->partitions) return false;
    for (int32_t i = 0; i < told->partitions_count; i++) {
        const struct metadata_response_partition *partition = &told->partitions[i];
        if (partition->error_code != 0 || partition->leader_id < 0) return false;
    }
    topic->id = told->topic_id;
    return true;
}

int64_t topic_readable(struct client *client, const struct topic *topic) {
    struct arena arena;
    arena_init(&arena, client->mem, 4096, 0);
    struct list_offsets_request_topic wanted;
    list_offsets_request_topic_defaults(&wanted);
    wanted.name = str_of(topic->name);
    wanted.partitions = list_offsets_request_partition_array(&arena, topic->partitions);
    if (wanted.partitions == NULL) die("no memory for %d partitions", topic->partitions);
    wanted.partitions_count = topic->partitions;
    for (int32_t i = 0; i < topic->partitions; i++) {
        wanted.partitions[i].partition_index = i;
        wanted.partitions[i].timestamp = LATEST;
    }
    struct list_offsets_request request;
    codec_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1; /* a consumer */
    request.topics = &wanted;
    request.topics_count = 1;
    struct list_offsets_response response;
    client_call(client, API_LIST_OFFSETS, &request, &response);
    arena_release(&arena);

    if (response.topics_count != 1 || response.topics[0].partitions_count != topic->partitions)
        die("ListOffsets: not the partitions that were asked for");
    int64_t records = 0;
    for (int32_t i = 0; i < topic->partitions; i++) {
        const struct list_offsets_response_partition *told = &response.topics[0].partitions[i];
        if (told->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER ||
            told->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
            return -1;
        if (told->error_code != 0 || told->offset < 0)
            die("ListOffsets: partition %d: error %d, offset %lld", told->partition_index,
                told->error_code, (long long)told->offset);
        records += told->offset;
    }
    return records;
}

void topic_create(struct client *client, const char *prefix, int32_t partitions,
                  struct topic *topic) {
    *topic = (struct topic){.partitions = partitions};
    snprintf(topic->name, sizeof topic->name, TOPIC_NAME_PREFIX "%.16s-%d-%lld", prefix,
             (int)getpid(), (long long)clock_ns());
    struct create_topics_request_creatable_topic wanted;
    create_topics_request_creatable_topic_defaults(&wanted);
    wanted.name = str_of(topic->name);
    wanted.num_partitions = partitions;
    wanted.replication_factor = 1;
    struct create_topics_request request;
    codec_defaults(&create_topics_request_schema, &request);
    request.topics = &wanted;
    request.topics_count = 1;
    request.timeout_ms = CLIENT_TIMEOUT_S * 1000;
    struct create_topics_response response;
    client_call(client, API_CREATE_TOPICS, &request, &response);

    if (response.topics_count != 1) die("CreateTopics: %d answers", response.topics_count);
    const struct create_topics_response_creatable_topic_result *result = &response.topics[0];
    if (result->error_code != 0)
        die("CreateTopics: error %d: %.*s", result->error_code, STR_ARG(result->error_message));
    for (int i = 0; i < TRIES; i++) {
        if (is_known(client, topic) && topic_readable(client, topic) >= 0) return;
        pause_a_little();
    }
    die("topic %s is not served %d ms after it was created", topic->name, TRIES * PAUSE_MS);
}

void topic_delete(struct client *client, const struct topic *topic) {
    struct str name = str_of(topic->name);
    struct delete_topics_request_topic_state state;
    delete_topics_request_topic_state_defaults(&state);
    state.name = name;
    struct delete_topics_request request;
    codec_defaults(&delete_topics_request_schema, &request);
    if (client->versions[API_DELETE_TOPICS] >= 6) {
        request.topics = &state;
        request.topics_count = 1;
    } else {
        request.topic_names = &name;
        request.topic_names_count = 1;
    }
    request.timeout_ms = CLIENT_TIMEOUT_S * 1000;
    struct delete_topics_response response;
    client_call(client, API_DELETE_TOPICS, &request, &response);
    if (response.responses_count != 1 || response.responses[0].error_code != 0)
        die("DeleteTopics: %d answers, error %d", response.responses_count,
            response.responses_count > 0 ? response.responses[0].error_code : 0);
}

void topic_await_records(struct client *client, const struct topic *topic) {
    int64_t records = 0;
    for (int i = 0; i < TRIES; i++) {
        records = topic_readable(client, topic);
        if (records >= (int64_t)topic->records) break;
        pause_a_little();
    }
    if (records != (int64_t)topic->records)
        die("topic %s: %llu records were acknowledged, %lld can be read", topic->name,
            (unsigned long long)topic->records, (long long)records);
}
