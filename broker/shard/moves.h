/* broker/shard/moves.h - partitions on their way to another log directory of this broker
 * (AlterReplicaLogDirs). log/move.h does the work of each; here is who moves when, at which rate
 * (replica.alter.log.dirs.io.max.bytes.per.second, all moves of the broker together) and what the
 * rest of the broker must know of it: checkpoint files, metadata, cleaners.
 *
 * num.replica.alter.log.dirs.threads partitions are copied at once (the number of log directories
 * unless set, shared by the shards, at least one each); the others wait their turn. A move ends
 * before it is through when it is turned round, the topic is deleted, or a directory fails. When
 * the broker stops, or dies, its `-future` directory stays, and the next start begins the move
 * anew.
 *
 * A crash while the log changes its name may leave it in both directories, equal: the one counts
 * that the metadata names, the other becomes a `-stray` one (broker/shard/places.h).
 * Owner: the partition's shard. */
#pragma once
#include "broker/replication/partition.h"

/** Begins to move it, or turns it round when it is on its way elsewhere; to where it lies: ends its
 * move. In a job that uses the partition, which is online. */
void move_partition(struct job *job, struct partition *partition, uint32_t dir_index);

/* How far a partition on its way has come. */
struct move_progress {
    uint32_t dir_index;
    uint64_t bytes;
    int64_t lag; /* offsets */
};
/** false: it is not on its way. */
bool move_progress_of(const struct partition *partition, struct move_progress *ret_progress);

/** The partitions are open: goes on with what the last process had begun. */
void moves_resume(struct shard *shard);
/** The shard is stopping: waits until none is under way. */
void moves_stop(struct job *job, struct shard *shard);
