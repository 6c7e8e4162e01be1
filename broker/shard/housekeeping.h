/* broker/shard/housekeeping.h - what a shard does from time to time for all its partitions:
 *
 *   every producer.id.expiration.check.interval.ms   forgets idle producers
 *   every log.retention.check.interval.ms            retention (log/retention.h), the first time
 *                                                    soon after the start, as in Kafka
 *   compaction (broker/shard/cleaners.h) */
#pragma once
#include "broker/shard/shard.h"

/** Until the shard stops. */
void housekeeping_start(struct shard *shard);
/** Waits for what is under way. */
void housekeeping_stop(struct job *job, struct shard *shard);
