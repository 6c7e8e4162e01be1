/* tests/sim/client_creator.c - creates topics, looks after them, creates and deletes others: what
 * was acknowledged about a topic is true of every later metadata answer. */
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "protocol/errors.h"
#include "tests/sim/client.h"

static const struct metadata_response_topic *topic_find(const struct metadata_response *response,
                                                        const char *name) {
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (str_eq(response->topics[i].name, str_of(name))) return &response->topics[i];
    }
    return NULL;
}

/* All topics; ids are in the answer from version 10 on. */
static enum status ask_metadata(struct actor *actor, int16_t version,
                                struct metadata_response *response) {
    struct metadata_request request;
    codec_defaults(&metadata_request_schema, &request);
    request.topics_count = version == 0 ? 0 : -1; /* every topic */
    request.allow_auto_topic_creation = version < 4;
    return actor_call(actor, API_METADATA, version, &request, response);
}

static enum status ask_create(struct actor *actor, const struct client_topic *topic,
                              int16_t *ret_error) {
    struct create_topics_request request;
    codec_defaults(&create_topics_request_schema, &request);
    struct create_topics_request_creatable_topic *one =
        create_topics_request_creatable_topic_array(&actor->arena, 1);
    one->name = str_of(topic->name);
    one->num_partitions = (int32_t)topic->partition_count;
    one->replication_factor = 1;
    request.topics = one;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    struct create_topics_response response;
    int16_t version = actor_version(actor, API_CREATE_TOPICS, 0);
    enum status st = actor_call(actor, API_CREATE_TOPICS, version, &request, &response);
    if (st != ST_OK) return st;
    if (response.topics_count != 1 || !str_eq(response.topics[0].name, one->name)) {
        world_fail(actor->clients->world, "CreateTopics answered for another topic");
        return ST_CORRUPT;
    }
    *ret_error = response.topics[0].error_code;
    return ST_OK;
}

static enum status ask_delete(struct actor *actor, const struct client_topic *topic,
                              int16_t *ret_error) {
    struct delete_topics_request request;
    codec_defaults(&delete_topics_request_schema, &request);
    int16_t version = actor_version(actor, API_DELETE_TOPICS, 0);
    struct str name = str_of(topic->name);
    if (version >= 6) {
        request.topics = delete_topics_request_topic_state_array(&actor->arena, 1);
        request.topics_count = 1;
        if (actor_chance(actor, 50)) {
            request.topics[0].name = name;
        } else {
            request.topics[0].topic_id = topic->id;
        }
    } else {
        request.topic_names = &name;
        request.topic_names_count = 1;
    }
    request.timeout_ms = 5000;
    struct delete_topics_response response;
    enum status st = actor_call(actor, API_DELETE_TOPICS, version, &request, &response);
    if (st != ST_OK) return st;
    if (response.responses_count != 1) {
        world_fail(actor->clients->world, "DeleteTopics answered for %d topics",
                   response.responses_count);
        return ST_CORRUPT;
    }
    *ret_error = response.responses[0].error_code;
    return ST_OK;
}

/* Asked again, and what was asked for may have been done. */
static bool is_retriable(const struct actor *actor, int16_t error) {
    if (error == KAFKA_UNKNOWN_SERVER_ERROR) return actor->clients->device_fails;
    return error == KAFKA_REQUEST_TIMED_OUT || error == KAFKA_NOT_CONTROLLER;
}

/* What is known for certain must be so. */
static void metadata_check(struct actor *actor, const struct client_topic *topic,
                           const struct metadata_response *response) {
    struct world *world = actor->clients->world;
    const struct metadata_response_topic *found = topic_find(response, topic->name);
    if (topic->is_deleted) {
        if (found != NULL) world_fail(world, "topic %s was deleted and is back", topic->name);
        return;
    }
    if (found == NULL) {
        world_fail(world, "topic %s was created and is gone", topic->name);
    } else if (found->error_code != KAFKA_NONE) {
        world_fail(world, "topic %s has error %d", topic->name, found->error_code);
    } else if (found->partitions_count != (int32_t)topic->partition_count) {
        world_fail(world, "topic %s has %d partitions, not %u", topic->name,
                   found->partitions_count, topic->partition_count);
    } else if (!uuid_eq(found->topic_id, topic->id)) {
        world_fail(world, "topic %s has another id", topic->name);
    }
}

/* True once metadata shows the topic with a leader for each partition. */
static bool becomes_live(struct actor *actor, struct client_topic *topic) {
    struct metadata_response response;
    if (ask_metadata(actor, actor_version(actor, API_METADATA, 10), &response) != ST_OK)
        return false;
    const struct metadata_response_topic *found = topic_find(&response, topic->name);
    if (found == NULL || found->error_code != KAFKA_NONE) return false;
    for (int32_t i = 0; i < found->partitions_count; i++) {
        if (found->partitions[i].leader_id < 0) return false;
    }
    topic->id = found->topic_id;
    topic->is_live = true;
    return true;
}

static struct client_topic *topic_new(struct actor *actor) {
    struct clients *clients = actor->clients;
    struct client_topic *topic = &clients->topics[clients->topic_count];
    (void)snprintf(topic->name, sizeof topic->name, "topic%u", clients->topic_count); /* fits */
    topic->partition_count = 1 + actor_draw(actor, CLIENT_PARTITIONS);
    topic->first_partition = clients->history->partition_count;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        char name[48];
        (void)snprintf(name, sizeof name, "%s-%u", topic->name, i);          /* fits */
        (void)history_partition_add(clients->history, name, clients->flush); /* consecutive */
    }
    clients->topic_count++;
    return topic;
}

/* Until it is acknowledged and seen; false when everything ends first. */
static bool create(struct actor *actor, struct client_topic *topic) {
    bool is_acked = false, may_exist = false;
    while (!actor->clients->is_ending) {
        arena_reset(&actor->arena);
        if (actor_connect(actor) != ST_OK) continue;
        int16_t error = KAFKA_NONE;
        if (!is_acked) {
            enum status st = ask_create(actor, topic, &error);
            if (st != ST_OK) {
                may_exist = true;
            } else if (error == KAFKA_NONE || (error == KAFKA_TOPIC_ALREADY_EXISTS && may_exist)) {
                is_acked = true;
            } else if (!is_retriable(actor, error)) {
                world_fail(actor->clients->world, "CreateTopics %s: error %d", topic->name, error);
            } else {
                may_exist = true;
            }
        } else if (becomes_live(actor, topic)) {
            return true;
        }
        actor_sleep(actor, 50000);
    }
    return false;
}

static void delete (struct actor *actor, struct client_topic *topic) {
    bool may_be_gone = false;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        history_partition_deleted(actor->clients->history, topic->first_partition + i);
    }
    topic->is_live = false;
    while (!actor->clients->is_ending) {
        arena_reset(&actor->arena);
        int16_t error = KAFKA_NONE;
        if (actor_connect(actor) != ST_OK) continue;
        if (ask_delete(actor, topic, &error) != ST_OK) {
            may_be_gone = true;
            continue;
        }
        bool gone = error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error == KAFKA_UNKNOWN_TOPIC_ID;
        if (error == KAFKA_NONE || (gone && may_be_gone)) {
            topic->is_deleted = true;
            return;
        }
        if (!is_retriable(actor, error)) {
            world_fail(actor->clients->world, "DeleteTopics %s: error %d", topic->name, error);
        }
        may_be_gone = true;
        actor_sleep(actor, 50000);
    }
}

static void look_around(struct actor *actor) {
    struct clients *clients = actor->clients;
    struct {
        bool is_known;
        bool is_deleted;
    } before[CLIENT_TOPICS];
    for (uint32_t i = 0; i < clients->topic_count; i++) {
        before[i].is_known = clients->topics[i].is_live || clients->topics[i].is_deleted;
        before[i].is_deleted = clients->topics[i].is_deleted;
    }
    struct metadata_response response;
    if (ask_metadata(actor, actor_version(actor, API_METADATA, 10), &response) != ST_OK) return;
    for (uint32_t i = 0; i < clients->topic_count; i++) {
        if (before[i].is_known && before[i].is_deleted == clients->topics[i].is_deleted) {
            metadata_check(actor, &clients->topics[i], &response);
        }
    }
}

/* One partition to one of the directories, perhaps where it lies or was on its way to already. */
static void move_one(struct actor *actor) {
    static const char *const paths[] = {"/data", "/data1", "/data2"};
    struct clients *clients = actor->clients;
    const struct client_topic *topic = &clients->topics[actor_draw(actor, clients->topic_count)];
    if (!topic->is_live) return;
    struct alter_replica_log_dirs_request request;
    codec_defaults(&alter_replica_log_dirs_request_schema, &request);
    int32_t index = (int32_t)actor_draw(actor, topic->partition_count);
    struct alter_replica_log_dirs_request_dir *dir =
        alter_replica_log_dirs_request_dir_array(&actor->arena, 1);
    struct alter_replica_log_dirs_request_dir_topic *one =
        alter_replica_log_dirs_request_dir_topic_array(&actor->arena, 1);
    one->name = str_of(topic->name);
    one->partitions = &index;
    one->partitions_count = 1;
    dir->path = str_of(paths[actor_draw(actor, clients->dirs)]);
    dir->topics = one;
    dir->topics_count = 1;
    request.dirs = dir;
    request.dirs_count = 1;
    struct alter_replica_log_dirs_response response;
    int16_t version = actor_version(actor, API_ALTER_REPLICA_LOG_DIRS, 1);
    if (actor_call(actor, API_ALTER_REPLICA_LOG_DIRS, version, &request, &response) != ST_OK)
        return;
    if (response.results_count != 1 || response.results[0].partitions_count != 1) {
        world_fail(clients->world, "AlterReplicaLogDirs answered for other partitions");
        return;
    }
    int16_t error = response.results[0].partitions[0].error_code;
    bool is_right = error == KAFKA_NONE || error == KAFKA_KAFKA_STORAGE_ERROR ||
                    error == KAFKA_REPLICA_NOT_AVAILABLE;
    if (!is_right) world_fail(clients->world, "AlterReplicaLogDirs: error %d", error);
}

static void ask_versions(struct actor *actor) {
    struct api_versions_request request;
    codec_defaults(&api_versions_request_schema, &request);
    request.client_software_name = STR("simulated");
    request.client_software_version = STR("1");
    struct api_versions_response response;
    int16_t version = actor_version(actor, API_API_VERSIONS, 0);
    if (actor_call(actor, API_API_VERSIONS, version, &request, &response) != ST_OK) return;
    if (response.error_code != KAFKA_NONE) {
        world_fail(actor->clients->world, "ApiVersions: error %d", response.error_code);
    }
}

/* The topics that the others use come first and stay. */
static void creator_main(struct actor *actor) {
    uint32_t wanted = actor->number;
    for (uint32_t i = 0; i < wanted && !actor->clients->is_ending; i++)
        (void)create(actor, topic_new(actor)); /* or it ended */
    struct client_topic *passing = NULL;
    while (!actor->clients->is_ending) {
        arena_reset(&actor->arena);
        actor_sleep(actor, 400000);
        if (actor_connect(actor) != ST_OK) continue;
        if (actor->clients->dirs > 1 && actor_chance(actor, 50)) {
            move_one(actor);
            continue;
        }
        switch (actor_draw(actor, 5)) {
        case 0:
            if (passing != NULL) {
                delete (actor, passing);
                passing = NULL;
            } else if (actor->clients->topic_count < CLIENT_TOPICS) {
                struct client_topic *topic = topic_new(actor);
                if (create(actor, topic)) passing = topic;
            }
            break;
        case 1: ask_versions(actor); break;
        case 2: wire_close(&actor->wire); break;
        default: look_around(actor); break;
        }
    }
}

void client_start_creator(struct clients *clients, uint32_t topic_count) {
    actor_start(clients, "creator", creator_main, true, topic_count);
}
