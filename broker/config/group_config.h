/* broker/config/group_config.h - what a group's settings amount to: its own (metadata log, resource
 * type GROUP) over the broker's. They are of consumer, share and streams groups; a classic group
 * has none. Pure. Source: org.apache.kafka.coordinator.group.GroupConfig, GroupConfigManager. */
#pragma once
#include "broker/config/settings.h"

struct group_key {
    struct config_key key;
    const char *broker_key; /* stands in where the group says nothing; NULL: only the default */
    const char *min_key, *max_key; /* broker keys that bound it; NULL: none */
};

extern const struct group_key group_keys[]; /* sorted by name */
extern const uint32_t group_key_count;
const struct group_key *group_key_find(struct str name);

/** One setting in effect. own: the group's dynamic settings, NULL when it has none. */
struct str group_setting(const struct broker_settings *broker, const struct config_image *own,
                         const struct group_key *key);
/** The same as a number; the key must hold one. */
int64_t group_setting_number(const struct broker_settings *broker, const struct config_image *own,
                             struct str name);
/** What is wrong with the settings that a group would have of its own (sorted by key, values not
 * null), as Kafka's INVALID_CONFIG says it; null when they are good. */
struct str group_config_problem(const struct broker_settings *broker,
                                const struct config_entry *entries, int32_t count,
                                struct arena *arena);
