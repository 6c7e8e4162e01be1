/* controller/metadata/image.h - what the cluster is, at one offset of `__cluster_metadata-0`:
 * topics, partitions, brokers, configurations, features, producer ids. Immutable: applying records
 * to an image gives a new one that shares everything that did not change
 * (controller/metadata/pmap.h).
 *
 * Owner: shard 0 makes and frees images; every shard may read an image between its delivery and its
 * acknowledgement of a newer one. So nothing here is counted atomically: shard 0 frees an image
 * when all shards acknowledged a newer one. Pointers into an image live as long as that image.
 * Source: org.apache.kafka.image.MetadataImage. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"
#include "controller/metadata/pmap.h"

struct partition_image {
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery_state;
    int32_t replica_count, isr_count, elr_count, last_known_elr_count, adding_count, removing_count;
    const int32_t *replicas; /* in order of preference */
    const int32_t *isr;
    const int32_t *elr; /* eligible leader replicas */
    const int32_t *last_known_elr;
    const int32_t *adding, *removing;
    const struct uuid
        *directories; /* one per replica; UNASSIGNED, LOST, MIGRATING as in Kafka's DirectoryId */
};

struct topic_image {
    struct str name;
    struct uuid id;
    int32_t partition_count;
    const struct partition_image *partitions; /* by index, 0 .. partition_count - 1 */
};

struct broker_endpoint {
    struct str name; /* listener */
    struct str host;
    uint16_t port;
    int16_t security_protocol;
};

/* What a registered process supports of one feature. */
struct feature_range {
    struct str name;
    int16_t min_level, max_level;
};

struct broker_image {
    int32_t id;
    int64_t epoch; /* given with its registration: the metadata log's end at that moment */
    struct uuid incarnation_id;
    struct str rack; /* null: none */
    bool fenced, in_controlled_shutdown, is_migrating_zk_broker;
    int32_t endpoint_count;
    const struct broker_endpoint *endpoints;
    int32_t feature_count;
    const struct feature_range *features;
    int32_t directory_count, cordoned_count; /* cordoned_count -1: never said */
    const struct uuid *directories;
    const struct uuid *cordoned; /* directories that take no new replicas */
};

/** Whether the broker's directory takes no new replicas. */
static inline bool broker_is_cordoned(const struct broker_image *broker, struct uuid directory) {
    for (int32_t i = 0; i < broker->cordoned_count; i++) {
        if (uuid_eq(broker->cordoned[i], directory)) return true;
    }
    return false;
}

struct controller_image {
    int32_t id;
    struct uuid incarnation_id;
    bool zk_migration_ready;
    int32_t endpoint_count;
    const struct broker_endpoint *endpoints;
    int32_t feature_count;
    const struct feature_range *features;
};

/* ConfigResource.Type */
enum config_resource_type {
    CONFIG_TOPIC = 2,
    CONFIG_BROKER = 4,
    CONFIG_CLIENT_METRICS = 16,
    CONFIG_GROUP = 32
};

struct config_entry {
    struct str key, value;
};
/* Dynamic settings of one resource; broker name "" is the cluster-wide default. */
struct config_image {
    int8_t type;
    struct str name;
    int32_t count;
    const struct config_entry *entries; /* sorted by key */
};

/* What the metadata says and nothing here obeys yet, kept for who does: client quotas, SCRAM
 * credentials and delegation tokens. They give nothing and take nothing while no listener asks who
 * a client is. */
struct kept_image {
    uint32_t type;       /* enum metadata_type of the record that sets it */
    struct bytes key;    /* what makes it one of its type: see image_kept.c */
    struct bytes value;  /* the record as it was, as in the metadata log */
};

struct feature_level {
    struct str name;
    int16_t level;
};

/* A finalized feature that this program knows, up to which level. */
struct known_feature {
    struct str name;
    int16_t min_level, max_level;
};
/** Sorted by name; without kraft.version, which has no record here. */
const struct known_feature *known_features(uint32_t *ret_count);

/* Kafka's DirectoryId: values that are no directory. */
#define DIRECTORY_MIGRATING UUID_ZERO
#define DIRECTORY_UNASSIGNED ((struct uuid){{[15] = 1}})
#define DIRECTORY_LOST ((struct uuid){{[15] = 2}})

/* PartitionChangeRecord.leader: stays, and so does the leader epoch. */
#define PARTITION_LEADER_UNCHANGED (-2)
#define PARTITION_LEADER_NONE (-1)

#define METADATA_VERSION "metadata.version"
#define METADATA_VERSION_NAME "4.3-IV0" /* of the highest level here */
#define METADATA_VERSION_3_7_IV2 17     /* directories of replicas */
#define METADATA_VERSION_4_0_IV1 23     /* eligible leader replicas */
#define METADATA_VERSION_4_3_IV0 30     /* cordoned directories */

struct image;

/** The image before the first record. */
struct image *image_new(struct mem *mem);
/** Frees this image's own references; what newer images share stays. */
void image_free(struct image *image);

int64_t image_offset(const struct image *image); /* of the last record applied, -1 none */
int32_t image_epoch(const struct image *image);
struct mem *image_mem(const struct image *image);

const struct topic_image *image_topic_by_name(const struct image *image, struct str name);
/** The first topic, by name, whose name would be the same as this one in a metric, where '.' and
 * '_' are one (itself, when it exists); NULL when there is none, or the name has neither.
 * Source: org.apache.kafka.common.internals.Topic.hasCollision. */
const struct topic_image *image_topic_like(const struct image *image, struct str name);
const struct topic_image *image_topic_by_id(const struct image *image, struct uuid id);
uint32_t image_topic_count(const struct image *image);
uint64_t image_partition_count(const struct image *image);
const struct broker_image *image_broker(const struct image *image, int32_t id);
/** NULL when no controller of that id registered. */
const struct controller_image *image_controller(const struct image *image, int32_t id);
const struct config_image *image_config(const struct image *image, int8_t type, struct str name);
/** The value of one dynamic setting; null when it is not set. */
struct str image_config_value(const struct image *image, int8_t type, struct str name,
                              struct str key);
/** 0 when the feature is not finalized. */
int16_t image_feature(const struct image *image, struct str name);
/** Sorted by name. */
const struct feature_level *image_features(const struct image *image, uint32_t *ret_count);
/** 0 when no block was given out yet. */
int64_t image_next_producer_id(const struct image *image);

/* Walks in key order (topics by name, brokers by id); the order is the same on every node. */
struct image_iter {
    struct pmap_iter inner;
};
void image_iter_topics(const struct image *image, struct image_iter *iter);
const struct topic_image *image_next_topic(struct image_iter *iter);
void image_iter_brokers(const struct image *image, struct image_iter *iter);
const struct broker_image *image_next_broker(struct image_iter *iter);
void image_iter_controllers(const struct image *image, struct image_iter *iter);
const struct controller_image *image_next_controller(struct image_iter *iter);
void image_iter_configs(const struct image *image, struct image_iter *iter);
const struct config_image *image_next_config(struct image_iter *iter);

void image_iter_kept(const struct image *image, struct image_iter *iter);
const struct kept_image *image_next_kept(struct image_iter *iter);

struct config_resource {
    int8_t type; /* enum config_resource_type */
    struct str name;
};

/* What one committed batch changed; arena of the caller. */
struct image_delta {
    struct uuid *topics_changed; /* created, or with changed partitions */
    uint32_t topics_changed_count;
    const struct topic_image **topics_deleted; /* as they stood in the old image */
    uint32_t topics_deleted_count;
    struct uuid *topics_removed; /* every one, also those that the same records had created */
    uint32_t topics_removed_count;
    bool brokers_changed, configs_changed, features_changed;
    struct config_resource *configs;
    uint32_t configs_count;
    struct str problem; /* why image_apply refused, for people; null when it did not say */
};

/** Applies the records of one committed batch (values as in the metadata log: frame version, key,
 * version, body), or of several that belong together, all or nothing. *ret_image is the new image
 * (offset: last_offset), the old one stands. On failure ret_delta->problem names the record and
 * what is wrong. ST_UNSUPPORTED: an unknown record or version, or one that we do not obey yet and
 * that would be missed (fail closed: ACLs, finalized features above ours); ST_CORRUPT: a record
 * that contradicts the image; ST_NOMEM. Begin and End of a metadata transaction are passed over:
 * what comes here belongs together anyway (controller/metadata/record_group.h); an Abort does not
 * come here. */
MUST_CHECK enum status image_apply(const struct image *old, const struct bytes *values,
                                   uint32_t count, int64_t last_offset, int32_t epoch,
                                   struct arena *arena, struct image **ret_image,
                                   struct image_delta *ret_delta);
/** All records that rebuild the image, in Kafka's snapshot order, one after the other to `emit`.
 * Each value is arena memory; the arena may be reset in emit. */
MUST_CHECK enum status image_write(const struct image *image, struct arena *arena,
                                   enum status (*emit)(void *context, struct bytes value),
                                   void *context);

/** Why this process alone cannot serve what the image describes (replicas on other nodes, no
 * metadata.version); null when it can. Text in the arena. */
struct str image_problem(const struct image *image, int32_t node_id, struct arena *arena);
