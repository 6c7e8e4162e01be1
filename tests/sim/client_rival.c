/* tests/sim/client_rival.c - two clients with one topic: either creates it and deletes it as it
 * likes, so that it is made again while its deletion is under way. Whatever came of that: once all
 * is healed, each partition that metadata names has a leader that answers. */
#include "protocol/errors.h"
#include "tests/sim/client.h"

#define CONTESTED STR("contested")
#define RIVAL_EVERY_US 30000
#define SETTLED_US UINT64_C(20000000) /* healed for so long */

static void create(struct actor *actor) {
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_request_creatable_topic topic;
    create_topics_request_defaults(&request);
    create_topics_request_creatable_topic_defaults(&topic);
    topic.name = CONTESTED;
    topic.num_partitions = 1 + (int32_t)actor_draw(actor, CLIENT_PARTITIONS);
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    int16_t version = actor_version(actor, API_CREATE_TOPICS, 0);
    if (actor_call(actor, API_CREATE_TOPICS, version, &request, &response) != ST_OK) return;
    if (response.topics_count == 1 && response.topics[0].error_code == KAFKA_NONE)
        world_count(actor->clients->world, FAULT_TOPIC_REMADE);
}

static void delete (struct actor *actor) {
    struct delete_topics_request request;
    struct delete_topics_response response;
    struct str name = CONTESTED;
    delete_topics_request_defaults(&request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = 5000;
    if (actor_call(actor, API_DELETE_TOPICS, 4, &request, &response) != ST_OK) return;
    if (response.responses_count != 1) /* it may be gone */
        world_fail(actor->clients->world, "DeleteTopics answered for another topic");
}

/* KAFKA_NONE: it is served; else the error of a partition. ST_OK: it was answered. */
static enum status ask_partitions(struct actor *actor, int32_t count, int16_t *ret_error) {
    struct list_offsets_request request;
    struct list_offsets_response response;
    struct list_offsets_request_partition partitions[CLIENT_PARTITIONS];
    struct list_offsets_request_topic topic;
    list_offsets_request_defaults(&request);
    list_offsets_request_topic_defaults(&topic);
    for (int32_t i = 0; i < count; i++) {
        list_offsets_request_partition_defaults(&partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].timestamp = -1;
    }
    topic.name = CONTESTED;
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    int16_t version = actor_version(actor, API_LIST_OFFSETS, 1);
    enum status st = actor_call(actor, API_LIST_OFFSETS, version, &request, &response);
    if (st != ST_OK) return st;
    *ret_error = KAFKA_NONE;
    for (int32_t i = 0; i < count && *ret_error == KAFKA_NONE; i++)
        *ret_error = response.topics[0].partitions[i].error_code;
    return ST_OK;
}

static enum status look(struct actor *actor, int16_t *ret_error) {
    struct metadata_request request;
    struct metadata_response response;
    struct metadata_request_topic topic;
    metadata_request_defaults(&request);
    metadata_request_topic_defaults(&topic);
    topic.name = CONTESTED;
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    enum status st = actor_call(actor, API_METADATA, 9, &request, &response);
    if (st != ST_OK) return st;
    *ret_error = response.topics[0].error_code;
    if (*ret_error == KAFKA_NONE)
        return ask_partitions(actor, response.topics[0].partitions_count, ret_error);
    if (*ret_error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) *ret_error = KAFKA_NONE;
    return ST_OK;
}

static void rival_main(struct actor *actor) {
    struct world *world = actor->clients->world;
    int16_t error = KAFKA_NONE;
    while (!actor->clients->is_ending) {
        actor_sleep(actor, RIVAL_EVERY_US);
        arena_reset(&actor->arena);
        if (actor_connect(actor) != ST_OK) continue;
        if (actor_chance(actor, 50)) {
            create(actor);
        } else {
            delete (actor);
        }
    }
    uint64_t until_us = world->now_us + SETTLED_US;
    while (!world->stopped) {
        arena_reset(&actor->arena);
        if (actor_connect(actor) == ST_OK && look(actor, &error) == ST_OK && error == KAFKA_NONE)
            return;
        if (world->now_us > until_us)
            world_fail(world, "topic contested is not served: error %d", error);
        actor_sleep(actor, 100000);
    }
}

void client_start_rival(struct clients *clients) {
    actor_start(clients, "rival", rival_main, true, 0);
}
