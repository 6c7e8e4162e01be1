/* log/segment_file.h - which segments have their file open. The active one's is open as long as
 * batches may go into it, and until they are durable; that of any other only while somebody uses
 * it, and as long afterwards as the directory's bound of idle ones allows (least recently used are
 * closed first). So a log of a thousand segments starts with one open file, and the number of
 * descriptors does not grow with the data.
 *
 * Using is counted apart from holding a share of the struct: a file in use is never closed. Whoever
 * renames another file onto a segment's name (a cleaner) uses the segment meanwhile, so that nobody
 * opens the wrong one under the old segment's name.
 *
 * No descriptor is free (ST_NOMEM): idle ones are given up and the user is told; no device is
 * broken, so no log goes offline for it. */
#pragma once
#include "log/impl.h"

/* Somebody who waits for the file. */
struct segment_file_wait {
    void (*opened)(struct segment_file_wait *wait); /* status holds */
    enum status status; /* ST_OK: open and in use. Otherwise neither; ST_NOT_FOUND: the segment has
                         * gone from the log meanwhile, or its file is missing */
    struct list link;
};

/** true: finished at once, wait->status holds and `opened` is not called. The caller holds a share
 * of the segment until then, and until segment_file_unuse. */
bool segment_file_use(struct log *log, struct segment *segment, struct segment_file_wait *wait);
/** The same, awaited. */
MUST_CHECK enum status segment_file_use_wait(struct job *job, struct log *log,
                                             struct segment *segment);
void segment_file_unuse(struct segment *segment);

/** The log itself uses the file: of a segment that batches may go into. ST_OK when it does
 * already. */
MUST_CHECK enum status segment_file_keep(struct job *job, struct log *log, struct segment *segment);
/** durable_end moved, or another segment became active: what the log no longer needs open among the
 * segments that hold offsets from `from` on. */
void segment_files_settle(struct log *log, int64_t from);
/** The descriptor of a segment that is about to be freed; nobody uses it. */
void segment_file_close(struct segment *segment);
