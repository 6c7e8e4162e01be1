/* controller/controller.h - decisions of the active controller: a request and an image in, records and an answer out.
 * Pure: no clock, socket or file. Nothing changes here; the records are appended to the metadata log, committed,
 * applied to the image, and only then does the answer leave (event -> record -> committed -> image -> shards).
 * Source: org.apache.kafka.controller.{QuorumController,ReplicationControlManager,ClusterControlManager,...}. */
#pragma once
#include "base/arena.h"
#include "base/prng.h"
#include "controller/metadata/image.h"
#include "protocol/messages.h"

/* Records decided together: appended as one batch, applied together or not at all. */
struct controller_records {
    struct bytes *values; /* arena; each: frame version, record key, record version, body */
    uint32_t count, capacity;
    struct arena *arena;
};

struct controller_context {
    const struct image *image;   /* the newest one, with everything appended so far applied to it */
    struct arena *arena;         /* of the request; records and answers live in it */
    int64_t wall_ms;
    int32_t node_id;
    int32_t default_partitions;          /* num.partitions */
    int16_t default_replication_factor;  /* default.replication.factor */
    bool delete_topic_enable;
    void (*random)(void *context, void *out, size_t len); /* topic ids, member ids */
    void *random_context;
    uint32_t placement_start;    /* rotates the first replica as Kafka's StripedReplicaPlacer does */
};

/** Names that Kafka's Topic.validate refuses give a message in the arena; {NULL, 0} when the name is good. */
struct str topic_name_problem(struct str name, struct arena *arena);

void controller_create_topics(const struct controller_context *ctx, const struct create_topics_request *request,
                              int16_t version, struct create_topics_response *response,
                              struct controller_records *records);
void controller_delete_topics(const struct controller_context *ctx, const struct delete_topics_request *request,
                              int16_t version, struct delete_topics_response *response,
                              struct controller_records *records);
/** A block of producer ids that is never given again (ProducerIdsRecord); ids per block as in Kafka: 1000. */
#define PRODUCER_ID_BLOCK 1000
void controller_allocate_producer_ids(const struct controller_context *ctx, int32_t broker_id, int64_t broker_epoch,
                                      int64_t *ret_first_id, struct controller_records *records);

struct broker_registration {
    int32_t id;
    struct uuid incarnation_id;
    struct str rack;
    const struct broker_endpoint *endpoints; /* client listeners */
    int32_t endpoint_count;
    const struct broker_endpoint *controller_endpoints; /* of the same process, when it is a controller too */
    int32_t controller_endpoint_count;
    const struct uuid *directories;
    int32_t directory_count;
};
/** Registers this process as broker (and controller), unfences it, and takes leadership of the partitions whose only
 *  candidate it is. The first activation of a new cluster writes the bootstrap records before (image_offset < 0). */
void controller_register(const struct controller_context *ctx, const struct broker_registration *registration,
                         struct controller_records *records);
