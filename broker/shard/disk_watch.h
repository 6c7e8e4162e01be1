/* broker/shard/disk_watch.h - the ladder of a file system that fills up. Every second (every
 * quarter of one below the first rung) the room of each log directory is looked at:
 *
 *   klamm.disk.free.warn      less is free: a line in the log, once a minute
 *   klamm.disk.free.throttle  producers are slowed down, the more the less is left
 *   klamm.disk.free.reject    produce is refused with KAFKA_STORAGE_ERROR, which clients try again
 *
 * Everything else goes on: fetching, metadata, deletion, retention, and the cluster's own topics.
 * For these a reserve is kept, a file that holds blocks and no data; when they find no room, or
 * hardly any is left, a part of it is given back to the file system, and it is filled up again when
 * there is room. All of it ends by itself. docs/operations/disk-full.md tells it to operators.
 *
 * Owner: shard 0. Every shard has a copy of the rungs, by message. */
#pragma once
#include "broker/shard/shard.h"

#define DISK_THROTTLE_MS_MAX 1000 /* what a produce request is slowed down by, at most */

struct broker_settings;

/** On shard 0, when the directories are locked. What a crash left of the reserves is given back: a
 * start may need room. */
void disk_watch_open(struct job *job, struct broker *broker);
void disk_watch_free(struct broker *broker);
/** Takes over the limits. On shard 0. */
void disk_watch_settle(struct broker *broker, const struct broker_settings *settings);
/** Looks, and fills the reserves; from then on by a timer. When the shards are there. */
void disk_watch_start(struct broker *broker);
/** Stops it and gives the reserves back: what a clean stop writes finds room. */
void disk_watch_stop(struct job *job, struct broker *broker);
/** log_dir.on_full of every shard: something that must go on found no room. */
void disk_watch_full(struct log_dir *dir);
/** For the metrics, on shard 0. */
void disk_watch_sample(const struct broker *broker, uint32_t dir_index, int64_t *ret_free_bytes,
                       int64_t *ret_total_bytes, int64_t *ret_reserve_bytes);
