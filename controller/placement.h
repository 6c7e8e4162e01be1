/* controller/placement.h - which brokers hold the replicas of new partitions; for the files of
 * controller/ only. Source: org.apache.kafka.metadata.placement.StripedReplicaPlacer (racks apart:
 * there is one node). */
#pragma once
#include "controller/controller.h"

struct placement {
    const struct broker_image *
        *brokers; /* arena: registered ones with a directory that is not cordoned, those that are
                     not fenced first */
    int32_t count, unfenced_count;
    uint32_t start; /* rotates the first replica */
};

/** ST_NOMEM. */
MUST_CHECK enum status placement_init(struct placement *placement, const struct image *image,
                                      uint32_t start, struct arena *arena);
/** Why so many replicas of a partition cannot be placed, in Kafka's words (arena); null when they
 * can. */
struct str placement_problem(const struct placement *placement, int16_t replication_factor,
                             struct arena *arena);
/** The replicas of the n-th partition placed, the preferred leader first; replication_factor passed
 * the check. */
void placement_next(const struct placement *placement, int32_t partition,
                    int16_t replication_factor, int32_t *ret_replicas);

/** A new partition: in sync are the replicas on active brokers (not fenced, not shutting down), the
 * first of them leads, and a broker with one directory has it there; for its own node the context
 * says which. Arrays: arena; replicas borrowed. isr_count 0: nobody is active. ST_NOMEM. */
MUST_CHECK enum status partition_begin(const struct controller_context *ctx,
                                       const int32_t *replicas, int32_t replica_count,
                                       struct partition_image *ret_partition);
/** Why Kafka refuses this row of a manual assignment (arena); null when it does not. expected: how
 * many replicas the rows before have, 0 for the first. sorted: room for count ids. */
struct str assignment_problem(const struct image *image, const int32_t *brokers, int32_t count,
                              int32_t expected, int32_t *sorted, struct arena *arena);
