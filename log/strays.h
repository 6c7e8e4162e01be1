/* log/strays.h - what a crash may leave in a partition's directory, put in order before anything is
 * opened.
 *
 *   *.deleted: removed (KRaft's *.checkpoint.deleted belongs to the metadata log and stays)
 *   *.cleaned: removed: compaction output that never became valid
 *   *.swap: renamed into place after the segments that it replaces are removed; but one at or above
 *   the lowest .cleaned offset is part of an unfinished split and is removed, too
 *   an index without a .log: removed
 *
 * Source: LogLoader.load, removeTempFilesAndCollectSwapFiles, loadSegmentFiles. */
#pragma once
#include "log/impl.h"

/** `listing` is the partition's directory as it was found, and as it is afterwards (but for removed
 * indexes, which it may still name). */
MUST_CHECK enum status strays_put_in_order(struct job *job, struct log *log,
                                           struct io_listing *listing);
