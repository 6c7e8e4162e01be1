/* broker/shard/cleaners.h - compaction of every log with `compact` in its cleanup.policy.
 *
 * log.cleaner.threads cleaners walk from shard to shard, as messages. Where one arrives it cleans
 * the dirtiest log of that shard that is due (log/cleaner.h) and walks on; after a round on which
 * no log was due it rests on shard 0 for log.cleaner.backoff.ms; a log whose cleaning failed, for
 * want of room as it may be, is passed over for as long. So at most that many logs are
 * cleaned at once in the whole process, however many shards there are, and nothing is shared. Each
 * has its part of log.cleaner.dedupe.buffer.size and of log.cleaner.io.max.bytes.per.second.
 * Settings are looked up at every arrival; a cleaner that rests, or is at work, also hears of a
 * shorter rest and of another rate. One too many gives up its log, as Apache Kafka's, and ends on
 * shard 0, where missing ones begin.
 *
 * How far a log is clean goes into cleaner-offset-checkpoint of its directory when it was cleaned.
 * Stop: on a shard that stops, a cleaner ends where it is. */
#pragma once
#include "broker/shard/shard.h"

/** On shard 0, when all shards serve, and whenever settings have changed. */
void cleaners_settle(struct shard *shard);
/** On each shard, once it is stopping: waits for the cleaning that is under way there. */
void cleaners_stop(struct job *job, struct shard *shard);
void cleaners_free(struct broker *broker);
