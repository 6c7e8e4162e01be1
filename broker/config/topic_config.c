/* broker/config/topic_config.c - the topic keys over the broker's. */
#include "broker/config/topic_config.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "protocol/compress.h"

static int name_order(const void *name, const void *key) {
    return str_cmp(*(const struct str *)name, str_of(((const struct topic_key *)key)->key.name));
}

const struct topic_key *topic_key_find(struct str name) {
    return bsearch(&name, topic_keys, topic_key_count, sizeof *topic_keys, name_order);
}

static bool has_word(struct str list, const char *word) {
    return memmem(list.ptr, list.len, word, strlen(word)) != NULL;
}

/* enum codec; -1: what the producer chose. */
static int32_t compression_of(struct str name) {
    enum codec codec = CODEC_NONE;
    if (str_eq(name, STR("uncompressed"))) return CODEC_NONE;
    return codec_parse(name, &codec) ? (int32_t)codec : -1;
}

/* The text was checked before it got here: by the table's defaults, at the start, by the
 * controller. */
static void put(const struct topic_key *key, struct str value, struct log_config *config) {
    char *field = (char *)config + key->offset;
    int64_t number = 0;
    switch (key->field) {
    case LOG_FIELD_NONE: return;
    case LOG_FIELD_INT64:
    case LOG_FIELD_INT32:
        if (!str_to_int64(value, &number)) return;
        if (key->field == LOG_FIELD_INT64) {
            *(int64_t *)(void *)field = number;
        } else {
            *(int32_t *)(void *)field = (int32_t)number;
        }
        return;
    case LOG_FIELD_DOUBLE:
        (void)config_value_double(value, (double *)(void *)field); /* stays 0 */
        return;
    case LOG_FIELD_BOOL: *(bool *)field = value.len == sizeof "true" - 1; return;
    case LOG_FIELD_MESSAGE_TIMESTAMP_TYPE:
        config->message_timestamp_type =
            has_word(value, "LogAppendTime") ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME;
        return;
    case LOG_FIELD_CLEANUP_POLICY:
        config->cleanup_policy = (has_word(value, "delete") ? (uint32_t)CLEANUP_DELETE : 0u) |
                                 (has_word(value, "compact") ? (uint32_t)CLEANUP_COMPACT : 0u);
        return;
    case LOG_FIELD_COMPRESSION_TYPE: config->compression_type = compression_of(value); return;
    }
}

struct setting topic_setting(const struct broker_settings *broker, const struct config_image *own,
                             const struct topic_key *key, char number[SETTING_NUMBER_BYTES]) {
    struct str value = config_image_find(own, str_of(key->key.name));
    if (value.ptr != NULL) return (struct setting){value, SETTING_TOPIC};
    if (key->broker_key == NULL)
        return (struct setting){str_of(key->key.default_text), SETTING_DEFAULT};
    const struct config_key *broker_key = config_key_find(str_of(key->broker_key));
    ASSERT(broker_key != NULL);
    return setting_resolve(broker, broker_key, number);
}

/* 0: there is no such key, or it has no number. */
static int64_t number_of(const struct broker_settings *broker, const struct config_image *own,
                         struct str name) {
    char text[SETTING_NUMBER_BYTES];
    int64_t number = 0;
    const struct topic_key *key = topic_key_find(name);
    if (key == NULL) return 0;
    struct str value = str_trim(topic_setting(broker, own, key, text).value);
    return str_to_int64(value, &number) ? number : 0;
}

static int32_t compression_level(const struct broker_settings *broker,
                                 const struct config_image *own, int32_t compression_type) {
    char name[32];
    struct str codec = codec_name((enum codec)MAX(compression_type, 0));
    int len = snprintf(name, sizeof name, "compression.%.*s.level", STR_ARG(codec));
    return (int32_t)number_of(broker, own, (struct str){name, (size_t)len});
}

void topic_config_build(const struct broker_settings *broker, const struct config_image *own,
                        struct log_config *ret_config) {
    struct log_config config = {0};
    char number[SETTING_NUMBER_BYTES];
    for (uint32_t i = 0; i < topic_key_count; i++) {
        const struct topic_key *key = &topic_keys[i];
        put(key, str_trim(topic_setting(broker, own, key, number).value), &config);
    }
    /* Over segment.bytes, which comes later in the table. */
    const struct topic_key *internal = topic_key_find(STR("internal.segment.bytes"));
    put(internal, str_trim(topic_setting(broker, own, internal, number).value), &config);
    config.compression_level = compression_level(broker, own, config.compression_type);
    *ret_config = config;
}

struct str topic_config_problem(const struct broker_settings *broker,
                                const struct config_entry *entries, int32_t count,
                                struct arena *arena) {
    if (count == 0) return STR_NULL; /* the broker's alone were held against each other before */
    for (int32_t i = 0; i < count; i++) {
        if (topic_key_find(entries[i].key) != NULL) continue;
        return arena_printf(arena, "Unknown topic config name: %.*s", STR_ARG(entries[i].key));
    }
    for (int32_t i = 0; i < count; i++) {
        const struct topic_key *key = topic_key_find(entries[i].key);
        struct str problem = config_value_problem(&key->key, entries[i].value, arena);
        if (problem.ptr != NULL) return problem;
    }
    struct config_image own = {.type = CONFIG_TOPIC, .count = count, .entries = entries};
    int64_t min_lag_ms = number_of(broker, &own, STR("min.compaction.lag.ms"));
    int64_t max_lag_ms = number_of(broker, &own, STR("max.compaction.lag.ms"));
    if (min_lag_ms > max_lag_ms) {
        return arena_printf(
            arena,
            "conflict topic config setting min.compaction.lag.ms (%lld) > max.compaction.lag.ms "
            "(%lld)",
            (long long)min_lag_ms, (long long)max_lag_ms);
    }
    struct str tiered = config_value_text(
        CONFIG_BOOLEAN, config_image_find(&own, STR("remote.storage.enable")), arena);
    if (tiered.len != sizeof "true" - 1) return STR_NULL;
    return STR("Tiered Storage functionality is disabled in the broker. Topic cannot be configured "
               "with remote log storage.");
}
