/* broker/metadata/unopened.h - partitions whose logs found no room, no memory or no descriptor when
 * they were to be opened or made: nobody leads them until they are tried again. That is every
 * second where their directory has room (broker/shard/disk_watch.h; as long as that does not help
 * less and less often, down to UNOPENED_PAUSE_MAX_US), and not while its produce requests are
 * refused.
 *
 * Owner: the partition's shard. They are opened by the job that applies images, and nothing else
 * opens or deletes meanwhile. */
#pragma once
#include "broker/replication/partition.h"

#define UNOPENED_PAUSE_US UINT64_C(1000000)
#define UNOPENED_PAUSE_MAX_US UINT64_C(60000000)

/** Whether what ended an opening may be over later. */
bool unopened_is_worth_it(enum status st);
/** due: starts the job that calls unopened_open. */
void unopened_add(struct shard *shard, const struct partition_place *place, enum status why);
/** Tries those whose time has come. */
void unopened_open(struct job *job, struct shard *shard);
/** A topic is deleted: the logs of its partitions that are listed here go, too, before a topic of
 * its name can come. What fails is logged, and the directory stays until the next start. */
void unopened_delete(struct job *job, struct shard *shard, const struct topic_image *topic);
/** The shard has stopped, and that job has ended. */
void unopened_release(struct shard *shard);
