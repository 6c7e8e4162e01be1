/* log/producers.h - how a log's producer state comes from its files and gets into them: the
 * newest snapshot that fits, then the batches behind it. Snapshots are written when a segment
 * begins and at a clean stop; they are hints with a checksum, so they are not synced, and a lost
 * or broken one only makes the replay longer. */
#pragma once
#include "log/impl.h"

/** Fills log->producers for everything below log->end. Snapshots above it are removed: they would
 * be believed later (KAFKA-12520). After a stop that was not clean, so are those above the first
 * hole: they tell of batches that are lost, and a producer that sends one again would be told that
 * it is there. */
MUST_CHECK enum status producers_load(struct job *job, struct log *log, bool clean);
/** Writes the snapshot of `offset`; the one before goes unless a segment begins there. */
MUST_CHECK enum status producers_save(struct job *job, struct log *log, int64_t offset);
