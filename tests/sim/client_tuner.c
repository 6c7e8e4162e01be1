/* tests/sim/client_tuner.c - alters settings of topics while others write to them, read them and
 * crash: those of segments, indexes, syncs, codecs and compaction, none of which says what is kept
 * or refused. So whatever they are, everything that the history knows still holds. */
#include "base/bytes.h"
#include "protocol/errors.h"
#include "tests/sim/client.h"

#define TUNE_EVERY_US 60000
#define TOPIC_RESOURCE 2
enum { OP_SET = 0, OP_DELETE = 1, VALUES = 4, SETTINGS_AT_ONCE = 3 };

static const struct {
    const char *name;
    const char *values[VALUES]; /* a segment has room for the largest batch of a producer */
} settings[] = {
    {"internal.segment.bytes", {"60000", "80000", "200000", "1048576"}},
    {"segment.index.bytes", {"4", "24", "40", "65536"}},
    {"index.interval.bytes", {"0", "1", "100", "4096"}},
    {"segment.ms", {"1", "20", "500", "604800000"}},
    {"segment.jitter.ms", {"0", "1", "30", "1000"}},
    {"preallocate", {"true", "false", "true", "false"}},
    {"flush.messages", {"1", "10", "100", "9223372036854775807"}},
    {"flush.ms", {"0", "10", "1000", "9223372036854775807"}},
    {"file.delete.delay.ms", {"0", "10", "500", "60000"}},
    {"compression.type", {"producer", "uncompressed", "zstd", "gzip"}},
    {"compression.zstd.level", {"-5", "1", "3", "10"}},
    {"message.timestamp.type", {"CreateTime", "LogAppendTime", "CreateTime", "LogAppendTime"}},
    {"min.cleanable.dirty.ratio", {"0", "0.1", "0.5", "1"}},
    {"min.compaction.lag.ms", {"0", "1", "100", "1000"}},
    {"delete.retention.ms", {"0", "1", "100", "86400000"}},
};

static bool is_possible(const struct actor *actor, const struct client_topic *topic,
                        int16_t error) {
    if (error == KAFKA_UNKNOWN_SERVER_ERROR) return actor->clients->device_fails;
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) return !topic->is_live;
    return error == KAFKA_REQUEST_TIMED_OUT || error == KAFKA_NOT_CONTROLLER;
}

static void tune(struct actor *actor, const struct client_topic *topic) {
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_request_resource resource;
    struct incremental_alter_configs_request_alterable_config configs[SETTINGS_AT_ONCE];
    incremental_alter_configs_request_defaults(&request);
    incremental_alter_configs_request_resource_defaults(&resource);
    uint32_t first = actor_draw(actor, COUNT(settings));
    resource.configs_count = 1 + (int32_t)actor_draw(actor, SETTINGS_AT_ONCE);
    for (int32_t i = 0; i < resource.configs_count; i++) { /* each once */
        uint32_t at = (first + (uint32_t)i) % COUNT(settings);
        incremental_alter_configs_request_alterable_config_defaults(&configs[i]);
        configs[i].name = str_of(settings[at].name);
        configs[i].config_operation = actor_chance(actor, 30) ? OP_DELETE : OP_SET;
        if (configs[i].config_operation == OP_SET)
            configs[i].value = str_of(settings[at].values[actor_draw(actor, VALUES)]);
    }
    resource.resource_type = TOPIC_RESOURCE;
    resource.resource_name = str_of(topic->name);
    resource.configs = configs;
    request.resources = &resource;
    request.resources_count = 1;
    int16_t version = actor_version(actor, API_INCREMENTAL_ALTER_CONFIGS, 0);
    enum status st =
        actor_call(actor, API_INCREMENTAL_ALTER_CONFIGS, version, &request, &response);
    if (st != ST_OK) return;
    struct world *world = actor->clients->world;
    if (response.responses_count != 1) {
        world_fail(world, "IncrementalAlterConfigs answered for other resources");
    } else if (response.responses[0].error_code == KAFKA_NONE) {
        world_count(world, FAULT_SETTING_ALTERED);
    } else if (!is_possible(actor, topic, response.responses[0].error_code)) {
        world_fail(world, "IncrementalAlterConfigs of %s: error %d", topic->name,
                   response.responses[0].error_code);
    }
}

static void tuner_main(struct actor *actor) {
    while (!actor->clients->is_ending) {
        actor_sleep(actor, TUNE_EVERY_US);
        arena_reset(&actor->arena);
        const struct client_topic *topic = actor_topic(actor);
        if (topic == NULL || actor_connect(actor) != ST_OK) continue;
        tune(actor, topic);
    }
}

void client_start_tuner(struct clients *clients) {
    actor_start(clients, "tuner", tuner_main, true, 0);
}
