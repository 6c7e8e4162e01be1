/* log/rebuild.h - a segment's index files made anew by recovery. Entries gather in the segment's
 * tails, which began empty, and go into `.tmp` files; the old files stay as they are until the new
 * ones take their names. So after a crash in between, a segment that was walked because an index is
 * missing or wrong is walked again, and one that is trusted has not lost its transaction index. A
 * segment that is walked after every crash, whatever its indexes are, needs none of that. */
#pragma once
#include "log/impl.h"

/* How far the new files are taken. */
enum rebuild_how {
    REBUILD_DURABLE, /* onto stable storage */
    REBUILD_AGAIN,   /* in place and not synced: after a crash all of it is made once more */
};

/** Forgets the entries that are in memory. */
void rebuild_begin(struct segment *segment);
/** Writes what has gathered, so that memory stays bounded. */
MUST_CHECK enum status rebuild_write(struct job *job, const struct log *log,
                                     struct segment *segment, enum rebuild_how how);
/** All have gathered: they become the files. Without aborted transactions there is no
 * `.txnindex`. */
MUST_CHECK enum status rebuild_end(struct job *job, const struct log *log, struct segment *segment,
                                   enum rebuild_how how);
