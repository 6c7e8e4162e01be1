/* broker/shard/housekeeping.h - what a shard does from time to time for all its partitions. */
#pragma once
#include "broker/shard/shard.h"

/** Forgets idle producers every producer.id.expiration.check.interval.ms, until the shard stops. */
void housekeeping_start(struct shard *shard);
void housekeeping_stop(struct shard *shard);
