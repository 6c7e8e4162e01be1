/* broker/shard/checkpoints.h - the checkpoint files of every log directory, written while the
 * broker runs and at its clean stop.
 *
 *   recovery-point-offset-checkpoint, every log.flush.offset.checkpoint.interval.ms: log_recovery_
 *   point() of each log. A start after a crash verifies a log from there on, and what lies below is
 *   never cut. So the entry of a partition that goes is out of the file before its log is: it would
 *   make a hole of the next topic of that name.
 *
 *   replication-offset-checkpoint, every replica.high.watermark.checkpoint.interval.ms: high
 *   watermarks, for an Apache Kafka that is started here.
 *
 *   log-start-offset-checkpoint is broker/shard/log_starts.h's; here, every log.flush.start.offset.
 *   checkpoint.interval.ms, it is told which entries are needless by now.
 *
 * Owner: shard 0. It asks every shard what its partitions are at, and writes one file at a time. A
 * file that cannot be written for lack of room is tried again at the next time; what it said before
 * is older and so as right as it was. */
#pragma once
#include "broker/shard/shard.h"

/** On shard 0, when the directories are known. */
void checkpoints_open(struct broker *broker);
void checkpoints_free(struct broker *broker);
/** The timers, when everything is served. */
void checkpoints_start(struct broker *broker);
/** Stops them, and waits for what is being written. */
void checkpoints_stop(struct job *job, struct broker *broker);
/** The partition has left its shard's map: recovery-point-offset-checkpoint is written without it.
 * ST_OK: on stable storage. On the partition's shard. */
MUST_CHECK enum status checkpoints_forget(struct job *job, struct shard *shard, uint32_t dir_index);
/** At a clean stop, when no shard has a partition open any more: all files, of what was closed. A
 * directory that cannot be written has failed; the result is that of the others. */
MUST_CHECK enum status checkpoints_write(struct job *job, struct broker *broker);
