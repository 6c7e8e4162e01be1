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
/** The shard has stopped, and that job has ended. */
void unopened_release(struct shard *shard);
