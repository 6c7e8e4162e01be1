/* broker/shard/opening.h - the logs of a shard are opened at the start, several at once in each log
 * directory, so that a slow directory holds up no other one: where it was stopped cleanly, by a few
 * jobs that each take many directories at a time (log/look.h); otherwise
 * num.recovery.threads.per.data.dir, shared by the shards (at least one a shard), each with one log
 * that it recovers. What recovery holds in memory is bounded by that number (log/recovery.h).
 *
 * A log that finds no memory or no descriptor is tried again, for OPENING_PATIENCE_US of the whole
 * start; after that, and where there was no room, while the broker serves
 * (broker/metadata/unopened.h). What fails otherwise stays closed until the next start. */
#pragma once
#include "broker/shard/shard.h"

#define OPENING_PATIENCE_US UINT64_C(30000000)

/** Opens every partition of the image that this shard owns. Those that fail are logged and left
 * out. */
void shard_open_partitions(struct job *job, struct shard *shard);

/** When all shards have opened theirs: a crash may lose the renames of a deletion and the new
 * directories while the metadata has both decisions. So a directory whose partition.metadata names
 * a topic that the metadata log has deleted since its snapshot is set aside as `-stray`
 * (event=stray-set-aside; Apache Kafka does so with every other id, LogManager.isStrayReplica),
 * what the checkpoint files say of it is forgotten, and the partition is made anew. One that names
 * any other topic stays closed: it may be the file that is wrong. */
void shard_open_strangers(struct job *job, struct shard *shard);

/* What all directories still have before them; on any thread. */
struct log_recovery opening_left(const struct broker *broker);

/* A line for each directory every few seconds, as long as there is something left. */
struct opening_report {
    struct io_timer timer;
    const struct broker *broker;
};
/** On shard 0, from before any shard opens its logs until after all have. */
void opening_report_begin(struct opening_report *report, const struct broker *broker);
void opening_report_end(struct opening_report *report);
