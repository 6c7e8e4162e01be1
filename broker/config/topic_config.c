/* broker/config/topic_config.c - the topic keys. Source:
 * org.apache.kafka.storage.internals.log.LogConfig. */
#include "broker/config/topic_config.h"
#include <stdlib.h>
#include "base/assert.h"

enum topic_field {
    FIELD_NONE,  /* accepted, not in force yet */
    FIELD_INT64, /* of struct log_config at `offset` */
    FIELD_INT32,
    FIELD_DOUBLE,
    FIELD_BOOL,
    FIELD_TIMESTAMP_TYPE,
    FIELD_CLEANUP_POLICY,
};

struct topic_key {
    struct config_key key; /* name, default, bounds, type */
    enum topic_field field;
    uint32_t offset;
};

#define KEY(name_, default_, valid_, type_, field_, member_)                                       \
    {                                                                                              \
        .key = {.name = name_,                                                                     \
                .default_text = default_,                                                          \
                .valid = valid_,                                                                   \
                .doc = "",                                                                         \
                .offset = -1,                                                                      \
                .type = type_},                                                                    \
        .field = field_, .offset = offsetof(struct log_config, member_)                            \
    }
#define UNUSED_KEY(name_, default_, valid_, type_)                                                 \
    {                                                                                              \
        .key = {.name = name_,                                                                     \
                .default_text = default_,                                                          \
                .valid = valid_,                                                                   \
                .doc = "",                                                                         \
                .offset = -1,                                                                      \
                .type = type_},                                                                    \
        .field = FIELD_NONE                                                                        \
    }

static const struct topic_key keys[] = {
    /* sorted by name */
    KEY("cleanup.policy", "delete", "[compact, delete]", CONFIG_LIST, FIELD_CLEANUP_POLICY,
        cleanup_policy),
    UNUSED_KEY("compression.gzip.level", "-1", "[1,...,9] or -1", CONFIG_INT),
    UNUSED_KEY("compression.lz4.level", "9", "[1,...,17]", CONFIG_INT),
    UNUSED_KEY("compression.type", "producer", "[uncompressed, zstd, lz4, snappy, gzip, producer]",
               CONFIG_STRING),
    UNUSED_KEY("compression.zstd.level", "3", "[-131072,...,22]", CONFIG_INT),
    KEY("delete.retention.ms", "86400000", "[0,...]", CONFIG_LONG, FIELD_INT64,
        delete_retention_ms),
    KEY("file.delete.delay.ms", "60000", "[0,...]", CONFIG_LONG, FIELD_INT64, file_delete_delay_ms),
    KEY("flush.messages", "9223372036854775807", "[1,...]", CONFIG_LONG, FIELD_INT64,
        flush_messages),
    KEY("flush.ms", "9223372036854775807", "[0,...]", CONFIG_LONG, FIELD_INT64, flush_ms),
    UNUSED_KEY("follower.replication.throttled.replicas", "", "", CONFIG_LIST),
    KEY("index.interval.bytes", "4096", "[0,...]", CONFIG_INT, FIELD_INT64, index_interval_bytes),
    KEY("internal.segment.bytes", NULL, "", CONFIG_INT, FIELD_INT64, segment_bytes),
    UNUSED_KEY("leader.replication.throttled.replicas", "", "", CONFIG_LIST),
    UNUSED_KEY("local.retention.bytes", "-2", "[-2,...]", CONFIG_LONG),
    UNUSED_KEY("local.retention.ms", "-2", "[-2,...]", CONFIG_LONG),
    KEY("max.compaction.lag.ms", "9223372036854775807", "[1,...]", CONFIG_LONG, FIELD_INT64,
        max_compaction_lag_ms),
    KEY("max.message.bytes", "1048588", "[0,...]", CONFIG_INT, FIELD_INT64, max_message_bytes),
    KEY("message.timestamp.after.max.ms", "3600000", "[0,...]", CONFIG_LONG, FIELD_INT64,
        message_timestamp_after_max_ms),
    KEY("message.timestamp.before.max.ms", "9223372036854775807", "[0,...]", CONFIG_LONG,
        FIELD_INT64, message_timestamp_before_max_ms),
    KEY("message.timestamp.type", "CreateTime", "[CreateTime, LogAppendTime]", CONFIG_STRING,
        FIELD_TIMESTAMP_TYPE, message_timestamp_type),
    KEY("min.cleanable.dirty.ratio", "0.5", "[0,...,1]", CONFIG_DOUBLE, FIELD_DOUBLE,
        min_cleanable_dirty_ratio),
    KEY("min.compaction.lag.ms", "0", "[0,...]", CONFIG_LONG, FIELD_INT64, min_compaction_lag_ms),
    KEY("min.insync.replicas", "1", "[1,...]", CONFIG_INT, FIELD_INT32, min_insync_replicas),
    KEY("preallocate", "false", "", CONFIG_BOOLEAN, FIELD_BOOL, preallocate),
    UNUSED_KEY("remote.log.copy.disable", "false", "", CONFIG_BOOLEAN),
    UNUSED_KEY("remote.log.delete.on.disable", "false", "", CONFIG_BOOLEAN),
    UNUSED_KEY("remote.storage.enable", "false", "[false]",
               CONFIG_STRING), /* tiered storage is refused */
    KEY("retention.bytes", "-1", "", CONFIG_LONG, FIELD_INT64, retention_bytes),
    KEY("retention.ms", "604800000", "[-1,...]", CONFIG_LONG, FIELD_INT64, retention_ms),
    KEY("segment.bytes", "1073741824", "[1048576,...]", CONFIG_INT, FIELD_INT64, segment_bytes),
    KEY("segment.index.bytes", "10485760", "[4,...]", CONFIG_INT, FIELD_INT64, segment_index_bytes),
    KEY("segment.jitter.ms", "0", "[0,...]", CONFIG_LONG, FIELD_INT64, segment_jitter_ms),
    KEY("segment.ms", "604800000", "[1,...]", CONFIG_LONG, FIELD_INT64, segment_ms),
    KEY("unclean.leader.election.enable", "false", "", CONFIG_BOOLEAN, FIELD_BOOL,
        unclean_leader_election_enable),
};

static const struct topic_key *find(struct str name) {
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (str_eq(str_of(keys[i].key.name), name)) return &keys[i];
    }
    return NULL;
}

static bool has_word(struct str list, const char *word) {
    return memmem(list.ptr, list.len, word, strlen(word)) != NULL;
}

/* The text was checked before it got here: by this table's defaults, by CreateTopics or by the
 * controller. */
static void put(const struct topic_key *key, struct str value, struct log_config *config) {
    char *field = (char *)config + key->offset;
    int64_t number = 0;
    switch (key->field) {
    case FIELD_NONE: return;
    case FIELD_INT64:
    case FIELD_INT32:
        if (!str_to_int64(value, &number)) return;
        if (key->field == FIELD_INT64) {
            *(int64_t *)(void *)field = number;
        } else {
            *(int32_t *)(void *)field = (int32_t)number;
        }
        return;
    case FIELD_DOUBLE:
        *(double *)(void *)field = value.len > 0 ? strtod(value.ptr, NULL) : 0;
        return;
    case FIELD_BOOL: *(bool *)field = value.len == 4; return;
    case FIELD_TIMESTAMP_TYPE:
        config->message_timestamp_type =
            has_word(value, "LogAppendTime") ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME;
        return;
    case FIELD_CLEANUP_POLICY:
        config->cleanup_policy = (has_word(value, "delete") ? (uint32_t)CLEANUP_DELETE : 0u) |
                                 (has_word(value, "compact") ? (uint32_t)CLEANUP_COMPACT : 0u);
        return;
    }
}

static int64_t first_set(int64_t milliseconds, int64_t hours) {
    return milliseconds != CONFIG_UNSET ? milliseconds : hours * 3600000;
}

void topic_config_build(const struct config_set *set, const struct config_image *own,
                        struct log_config *ret_config) {
    const struct config *broker = &set->values;
    struct log_config config = {.compression_type = -1};
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (keys[i].key.default_text != NULL)
            put(&keys[i], str_of(keys[i].key.default_text), &config);
    }
    config.segment_bytes = broker->log_segment_bytes;
    config.segment_ms = first_set(broker->log_roll_ms, broker->log_roll_hours);
    config.segment_jitter_ms = first_set(broker->log_roll_jitter_ms, broker->log_roll_jitter_hours);
    config.segment_index_bytes = broker->log_index_size_max_bytes;
    config.index_interval_bytes = broker->log_index_interval_bytes;
    config.max_message_bytes = broker->message_max_bytes;
    config.file_delete_delay_ms = broker->log_segment_delete_delay_ms;
    config.message_timestamp_before_max_ms = broker->log_message_timestamp_before_max_ms;
    config.message_timestamp_after_max_ms = broker->log_message_timestamp_after_max_ms;
    config.min_insync_replicas = (int32_t)broker->min_insync_replicas;
    if (str_eq(broker->log_message_timestamp_type, STR("LogAppendTime"))) {
        config.message_timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    }
    for (int32_t i = 0; own != NULL && i < own->count; i++) {
        const struct topic_key *key = find(own->entries[i].key);
        if (key != NULL) put(key, own->entries[i].value, &config);
    }
    *ret_config = config;
}

struct str topic_config_problem(struct str name, struct str value, struct arena *arena) {
    const struct topic_key *key = find(name);
    if (key == NULL) return arena_printf(arena, "Unknown topic config name: %.*s", STR_ARG(name));
    if (value.ptr == NULL)
        return arena_printf(arena, "Null value not supported for topic configs: %.*s",
                            STR_ARG(name));
    struct str problem = config_value_problem(&key->key, value, arena);
    if (problem.ptr == NULL) return STR_NULL;
    return arena_printf(arena, "Invalid value %.*s for configuration %.*s: %.*s", STR_ARG(value),
                        STR_ARG(name), STR_ARG(problem));
}
