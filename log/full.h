/* log/full.h - a log whose file system has no room: not a failure of the device.
 *
 * A write (or a new segment) that met ENOSPC is undone: what it wrote of its batches is cut off
 * again, for later ones to take the same offsets; its batches and those queued behind it are
 * answered with ST_NO_SPACE, and what the log remembered of their producers is forgotten. Until
 * that is done appends are refused with ST_NO_SPACE; then the next one simply tries. So it resumes
 * by itself, and nothing half-visible stays.
 *
 * A log that must go on (log_open.waits_for_room: the cluster's own) keeps its batches and tries
 * again, FULL_PAUSE_US apart, for as long as it takes: the directory's owner is asked to make room
 * (log_dir.on_full).
 *
 * Indexes and epochs that found no room are written later: log_finish_segments. Until then the
 * recovery point stays below their segment. A producer snapshot is made when segments are deleted
 * that it must stand for (producers_secure). */
#pragma once
#include "log/impl.h"

#define FULL_PAUSE_US 100000

/** After ENOSPC: takes back what was not written. `failed`: the appends of the write that met it,
 * in order, not queued any more; moved. NULL: there is no such write. */
void full_undo(struct log *log, struct list *failed);
