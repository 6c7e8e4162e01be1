/* broker/config/topic_config.h - what a topic's settings amount to: its own (metadata log) over the
 * broker's. One table of topic keys (broker/config/topic_keys.tsv): type, bounds, the broker key
 * that stands in, the field of struct log_config. Source: storage.internals.log.LogConfig. */
#pragma once
#include "broker/config/settings.h"
#include "log/config.h"

enum topic_field {
    LOG_FIELD_NONE,  /* of no use to a log */
    LOG_FIELD_INT64, /* of struct log_config at `offset` */
    LOG_FIELD_INT32,
    LOG_FIELD_DOUBLE,
    LOG_FIELD_BOOL,
    LOG_FIELD_CLEANUP_POLICY,
    LOG_FIELD_COMPRESSION_TYPE,
    LOG_FIELD_MESSAGE_TIMESTAMP_TYPE,
};

struct topic_key {
    struct config_key key;
    const char *broker_key; /* NULL: only the default stands in */
    enum topic_field field;
    uint32_t offset;
};

extern const struct topic_key topic_keys[]; /* sorted by name */
extern const uint32_t topic_key_count;
const struct topic_key *topic_key_find(struct str name);

/** own: the topic's dynamic settings, NULL when it has none. */
void topic_config_build(const struct broker_settings *broker, const struct config_image *own,
                        struct log_config *ret_config);
/** One setting in effect, as it was given; a multiplied number is written into `number`. */
struct setting topic_setting(const struct broker_settings *broker, const struct config_image *own,
                             const struct topic_key *key, char number[SETTING_NUMBER_BYTES]);
/** What is wrong with the settings that a topic would have of its own (sorted by key, values not
 * null), as Kafka's INVALID_CONFIG says it; null when they are good. */
struct str topic_config_problem(const struct broker_settings *broker,
                                const struct config_entry *entries, int32_t count,
                                struct arena *arena);
