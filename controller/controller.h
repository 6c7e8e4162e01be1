/* controller/controller.h - decisions of the active controller: a request and an image in, records
 * and an answer out. Pure: no clock, socket or file. Nothing changes here; the records are appended
 * to the metadata log, committed, applied to the image, and only then does the answer leave (event
 * -> record -> committed -> image -> shards).
 * Source: org.apache.kafka.controller: QuorumController, ReplicationControlManager,
 * ClusterControlManager, ActivationRecordsGenerator. */
#pragma once
#include "base/arena.h"
#include "controller/metadata/image.h"
#include "protocol/messages.h"

/* Records decided together: appended as one batch, applied together or not at all. */
struct controller_records {
    struct bytes *values; /* arena; each: frame version, record key, record version, body */
    uint32_t count, capacity;
    struct arena *arena;
    enum status status; /* not ST_OK: the arena refused; nothing of it may be appended, the answer
                           is not valid */
};
void controller_records_init(struct controller_records *records, struct arena *arena);

/* Why something is refused; KAFKA_NONE: it is not. The text is arena or static. */
struct refusal {
    int16_t code;
    struct str message;
};

/* What the controller asks about settings; the tables of keys are the broker's (broker/config).
 * Each may be NULL: then everything is good, nothing is a list, only overrides are described. */
struct config_rules {
    /** Why Kafka would refuse these settings of one topic (sorted by key, values not null), as it
     * says it; null when they are good. */
    struct str (*topic_problem)(void *context, const struct config_entry *entries, int32_t count,
                                struct arena *arena);
    /** The same of one group's. */
    struct str (*group_problem)(void *context, const struct config_entry *entries, int32_t count,
                                struct arena *arena);
    /** Why this broker may not be set so. name: a node or "" for the cluster's default; given: the
     * entries of the request that are not deletions, entries: all that it would have (sorted). */
    struct refusal (*broker_problem)(void *context, struct str name,
                                     const struct config_entry *given, int32_t given_count,
                                     const struct config_entry *entries, int32_t count,
                                     struct arena *arena);
    /** The default of a key that holds a list, null when the key is unknown or holds none. */
    struct str (*list_default)(void *context, int8_t resource_type, struct str key);
    /** All topic settings in effect with these overrides (sorted by key), as CreateTopics v5+
     * answers them: *ret_configs is arena, *ret_count -1 without memory. */
    void (*describe)(void *context, const struct config_entry *overrides, int32_t count,
                     struct arena *arena,
                     struct create_topics_response_creatable_topic_configs **ret_configs,
                     int32_t *ret_count);
    void *context;
};

struct controller_context {
    const struct image *image; /* the newest one, with everything appended so far applied to it */
    struct arena *arena;       /* of the request; records and answers live in it */
    int64_t next_offset; /* of the first record decided here: metadata_log_end; a broker's epoch
                            comes from it */
    int32_t node_id;
    int32_t default_partitions;         /* num.partitions */
    int16_t default_replication_factor; /* default.replication.factor */
    int32_t min_insync_replicas; /* the static min.insync.replicas; bootstrap makes it the cluster's
                                    default */
    bool delete_topic_enable;
    struct config_rules rules;
    void (*random)(void *context, void *out, size_t len); /* topic ids, incarnation ids */
    void *random_context;
    uint32_t placement_start; /* rotates the first replica; Kafka's StripedReplicaPlacer draws it */
    /** The log directory of node_id that a new partition goes into, which counts there at once.
     * NULL: the broker says later (DIRECTORY_UNASSIGNED), but for one that has only one. */
    struct uuid (*place_directory)(void *context);
    void *place_context;
};

/** Names that Kafka's Topic.validate refuses give a message in the arena; null when the name is
 * good. */
struct str topic_name_problem(struct str name, struct arena *arena);

/* They fill *response wholly (arena), codes and texts as Kafka's. With records->count == 0 nothing
 * is to be appended. */
void controller_create_topics(const struct controller_context *ctx,
                              const struct create_topics_request *request, int16_t version,
                              struct create_topics_response *response,
                              struct controller_records *records);
void controller_delete_topics(const struct controller_context *ctx,
                              const struct delete_topics_request *request, int16_t version,
                              struct delete_topics_response *response,
                              struct controller_records *records);

void controller_create_partitions(const struct controller_context *ctx,
                                  const struct create_partitions_request *request,
                                  struct create_partitions_response *response,
                                  struct controller_records *records);

/** Sets, deletes and edits settings of topics and brokers, each resource for itself: what is
 * refused of one does not keep the others from being altered. Fill *response wholly, codes and
 * texts as Kafka's. The second one replaces all settings of a resource by those of the request. */
void controller_incremental_alter_configs(const struct controller_context *ctx,
                                          const struct incremental_alter_configs_request *request,
                                          struct incremental_alter_configs_response *response,
                                          struct controller_records *records);
void controller_alter_configs(const struct controller_context *ctx,
                              const struct alter_configs_request *request,
                              struct alter_configs_response *response,
                              struct controller_records *records);

/** A block of producer ids that is never given again (ProducerIdsRecord); ids per block as in
 * Kafka: 1000. *ret_first_id is -1 when there are none left. */
#define PRODUCER_ID_BLOCK 1000
void controller_allocate_producer_ids(const struct controller_context *ctx, int32_t broker_id,
                                      int64_t broker_epoch, int64_t *ret_first_id,
                                      struct controller_records *records);

struct broker_registration {
    int32_t id;
    struct uuid incarnation_id; /* of this run, random */
    struct str rack;
    const struct broker_endpoint *endpoints; /* client listeners */
    int32_t endpoint_count;
    const struct broker_endpoint
        *controller_endpoints; /* of the same process, when it is a controller too */
    int32_t controller_endpoint_count;
    const struct uuid *directories; /* that are online */
    int32_t directory_count;
    const struct uuid *cordoned; /* of these; they get no new replicas */
    int32_t cordoned_count;
    const struct bytes *bootstrap; /* records of bootstrap.checkpoint (metadata_log_bootstrap) */
    uint32_t bootstrap_count;      /* 0: every known feature at its highest level */
};
/** Registers this process as broker (and controller), unfences it, and takes leadership of the
 * partitions whose only candidate it is: those that it led before get a new leader epoch. What lies
 * in a directory that is not online is led by nobody. In a new
 * cluster (no metadata.version) the bootstrap records come before. *ret_broker_epoch: of this
 * registration. */
void controller_register(const struct controller_context *ctx,
                         const struct broker_registration *registration, int64_t *ret_broker_epoch,
                         struct controller_records *records);
/* Where a broker's replicas lie, as far as it knows: UUID_ZERO for one that it has not found. */
typedef struct uuid directory_of(void *context, const struct topic_image *topic, int32_t index);
/** Writes down where the replicas of a broker lie where the image says otherwise (Kafka's
 * AssignReplicasToDirs, decided where both live), of at most `limit` partitions. records->count ==
 * 0: the image says so everywhere. */
void controller_assign_directories(const struct controller_context *ctx, int32_t broker_id,
                                   directory_of *where, void *where_context, uint32_t limit,
                                   struct controller_records *records);
/** Log directories of a broker failed while it ran, `online` are left: it leads nothing that lies
 * in another one. Source: ReplicationControlManager.handleDirectoriesOffline. */
void controller_directories_offline(const struct controller_context *ctx, int32_t broker_id,
                                    const struct uuid *online, int32_t online_count,
                                    struct controller_records *records);
/** These directories of a broker take no new replicas from now on, its others do. records->count ==
 * 0: the image says so already, or its metadata.version is too old to say it (then nothing is
 * cordoned). Source: ReplicationControlManager.handleDirectoriesCordoned. */
void controller_cordon_directories(const struct controller_context *ctx, int32_t broker_id,
                                   const struct uuid *cordoned, int32_t cordoned_count,
                                   struct controller_records *records);
/** A controlled shutdown: the broker leads nothing any more and is fenced, as Kafka leaves a node
 * that was stopped cleanly; the next one to start on these directories need not wait for a session
 * to expire. */
void controller_shut_down(const struct controller_context *ctx, int32_t broker_id,
                          struct controller_records *records);
