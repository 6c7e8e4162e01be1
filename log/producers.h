/* log/producers.h - how a log's producer state comes from its files and gets into them: the
 * newest snapshot that fits, then the batches behind it. Snapshots are written when a segment
 * begins and at a clean stop; they are hints with a checksum, so they are not synced, and a lost
 * or broken one only makes the replay longer. */
#pragma once
#include "log/impl.h"

/** Fills log->producers for everything below log->end. Snapshots above it are removed: they would
 * be believed later (KAFKA-12520). */
MUST_CHECK enum status producers_load(struct job *job, struct log *log);
/** Writes the snapshot of `offset`; the one before goes unless a segment begins there. */
MUST_CHECK enum status producers_save(struct job *job, struct log *log, int64_t offset);
