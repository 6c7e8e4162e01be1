/* broker/shard/scrubbers.h - damage looked for in the background: with klamm.scrub.bytes.per.second
 * above 0 every log directory is read whole, again and again, at that rate in all (log/scrub.h).
 * What is wrong is an ERROR line and a count in the metrics, each time that it is met; nothing is
 * changed. A directory belongs to the shard of its number, modulo the shards. */
#pragma once
#include "broker/shard/shard.h"

/** Starts those of this shard; they end soon once shard->stopping is set. */
void scrubbers_start(struct shard *shard);
/** shard->stopping is set: returns when they have ended. */
void scrubbers_wait(struct job *job, struct shard *shard);
