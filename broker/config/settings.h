/* broker/config/settings.h - what a broker's key amounts to while it runs: the dynamic settings of
 * this node and of the whole cluster (metadata log) over the file's and the defaults. Pure.
 * Source: kafka.server.DynamicBrokerConfig, kafka.server.ConfigHelper. */
#pragma once
#include "broker/config/config.h"
#include "controller/metadata/image.h"

/* Kafka's DescribeConfigsResponse.ConfigSource; a smaller one wins. */
enum setting_source {
    SETTING_TOPIC = 1,
    SETTING_BROKER = 2,  /* dynamic, this node's */
    SETTING_CLUSTER = 3, /* dynamic, of every broker */
    SETTING_STATIC = 4,  /* file, environment, --override */
    SETTING_DEFAULT = 5,
    SETTING_LOGGER = 6,
    SETTING_GROUP = 8,
};

/* Where a broker's settings are looked up. Borrowed: as long as the image and the set. */
struct broker_settings {
    const struct config_set *set;
    const struct config_image *of_node, *of_cluster; /* NULL: none */
};
struct broker_settings broker_settings_of(const struct config_set *set, const struct image *image,
                                          int32_t node_id);

/* A value as it was given (it passed config_value_problem), null: none; and where. */
struct setting {
    struct str value;
    enum setting_source source;
};
/** What is in effect for this very key. */
struct setting setting_get(const struct broker_settings *settings, const struct config_key *key);
#define SETTING_NUMBER_BYTES 24
/** The same, and where the key is null its `otherwise`; a multiplied number is written into
 * `number`. */
struct setting setting_resolve(const struct broker_settings *settings, const struct config_key *key,
                               char number[SETTING_NUMBER_BYTES]);
/** A whole number so resolved; CONFIG_UNSET: none. */
int64_t setting_number(const struct broker_settings *settings, struct str name);

/* One place that gives, or would give if those before it went, a key its value. */
struct setting_synonym {
    const char *name;
    struct str value;
    enum setting_source source;
};
#define SETTING_SYNONYMS_MAX 12 /* three keys in four places */
/** All of them, the first is the one in effect; none for a key that nothing sets, as in Kafka, even
 * where its `otherwise` has a value. */
uint32_t setting_synonyms(const struct broker_settings *settings, const struct config_key *key,
                          struct setting_synonym synonyms[SETTING_SYNONYMS_MAX]);
/** The value that the node's or the cluster's own settings give; null: none. */
struct str config_image_find(const struct config_image *config, struct str key);
