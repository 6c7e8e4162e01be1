/* log/recovery.h - what is found in segment files after a stop that was not clean, and what becomes
 * of it.
 *
 * Every batch from the recovery point on has its checksum verified; below it only headers are
 * walked, except where an earlier recovery noted a hole: it stays one until its octets are right.
 * At the first bad batch the rest of the file and the later segments are searched for a valid one
 * (magic, length, checksum, base offset and leader epoch not lower than expected):
 *
 *   none, and nothing from this offset on was ever durable: a torn tail, it is cut;
 *
 *   one: a hole. Its octets stay where they are, its range is noted in `<base>.holes`, reading it
 *   gives ST_CORRUPT, all else is served. A bad checksum is no proof of a torn tail, and cutting
 *   there would lose what follows;
 *
 *   none, but the recovery point says that it was durable: a hole up to the recovery point; the
 *   next append goes into a new segment.
 *
 * Indexes are rebuilt as they would have been written along, the transaction index with them: the
 * state of the producers is taken along from batch to batch. Done twice, the second time changes
 * nothing. Memory: one window, the producers, and the tails of indexes, whatever the size of the
 * files.
 * Source: LogSegment.recover, LogLoader.recoverLog; Kafka cuts in all three cases. */
#pragma once
#include "log/producers.h"
#include "log/rebuild.h"

struct recovery {
    struct job *job;
    struct log *log;
    struct scan scan;
    struct producers_load producers;
    int64_t recovery_point; /* below it everything was durable once: never cut */
    int64_t verify_from;  /* checksums of batches that end above it are verified; INT64_MAX: headers
                             only */
    int64_t expected;     /* the next batch's base offset at least */
    int32_t latest_epoch; /* of the batches seen */
    struct hole *known;     /* of the segment, as an earlier recovery noted them */
    uint32_t known_count;
    enum rebuild_how how; /* with the indexes of the segment */
    int direct;      /* the segment's file opened with IO_DIRECT; -1: it is read as usual */
    bool verify_all; /* the segment's note of holes cannot be read */
    bool is_trimmed; /* zeros behind the segment's last batch were cut off */
    bool ended;      /* the log ends with this segment: later ones are gone */
};

MUST_CHECK enum status recovery_begin(struct recovery *recovery, struct job *job, struct log *log,
                                      const struct io_listing *listing,
                                      int64_t recovery_point, int64_t verify_from);
void recovery_end(struct recovery *recovery);
/** Walks segment `index`, repairs it and rebuilds its indexes, all of it onto stable storage, with
 * log_dir_settle at the latest (dir->gathers_syncs). file_bytes: of its file, when it was opened.
 * Afterwards recovery->expected is where it ends. Segments after it may be removed from
 * log->segments. */
MUST_CHECK enum status recovery_segment(struct recovery *recovery, uint32_t index,
                                        uint64_t file_bytes);
