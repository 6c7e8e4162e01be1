/* broker/shard/checkpoints.h - the checkpoint files of every log directory: recovery points, log
 * starts and high watermarks of the partitions that all shards closed. Written at a clean stop; the
 * rounds in between come with the log issue. On shard 0, when no shard has a partition open any
 * more. */
#pragma once
#include "broker/shard/shard.h"

MUST_CHECK enum status checkpoints_write(struct job *job, struct broker *broker);
