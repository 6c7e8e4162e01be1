/* log/cleaner.h - compaction of one log, as a job: log/compaction.h decides, log/swap.h replaces.
 *
 * A log is read twice: its dirty part, to learn the last offset of every key as far as the map has
 * room, then all of it up to there, group of segments after group: as many as fit into one of
 * segment.bytes become one. Reading and writing is the job's, hashing, decompressing and
 * compressing a worker's; memory is the map, a buffer and what one buffer's batches become.
 * Appends and reads go on meanwhile; only the renames have the log to themselves.
 *
 * What may be cleaned ends at the first of: the active segment, what is not visible, committed and
 * durable yet (min of high watermark, last stable offset, durable end), and what is younger than
 * min.compaction.lag.ms. An age is that of log/retention.h.
 *
 * A log that holds damage, or records of a format before version 2, is not cleaned; it is tried
 * again when its start has moved.
 * Source: org.apache.kafka.storage.internals.log.{LogCleanerManager,Cleaner}. */
#pragma once
#include "log/log.h"

struct cleaner_limits {
    uint64_t map_bytes;  /* log.cleaner.dedupe.buffer.size, of this cleaner */
    double load_factor;  /* log.cleaner.io.buffer.load.factor */
    uint32_t io_bytes;   /* log.cleaner.io.buffer.size; grows to the largest batch */
    /* Read and written; log.cleaner.io.max.bytes.per.second. One that changes acts at once. */
    double bytes_per_second;
};

/* Asked again and again whether the cleaning may go on. */
struct cleaner_leave {
    bool (*may_go_on)(const void *owner);
    const void *owner;
};

/* What there is to clean. */
struct cleanable {
    int64_t first_dirty, first_uncleanable;
    /* Of segments that begin below first_dirty; that reach above it, up to first_uncleanable. */
    uint64_t clean_bytes, dirty_bytes;
    double dirty_ratio;                /* 0: nothing */
    bool is_overdue;                   /* something dirty is older than max.compaction.lag.ms */
};
/** Whether it should be cleaned, and which of several first: the dirtiest. */
bool cleanable_is_due(const struct cleanable *cleanable, const struct log_config *config);

struct cleaned {
    uint64_t read_bytes, written_bytes;
    uint64_t read_records, written_records; /* of the second reading */
    uint32_t segments_before, segments_after;
    int64_t clean_end; /* below it every key has been looked at: the next cleaning's first dirty */
};

/** Where the dirty part begins, as cleaner-offset-checkpoint says; -1: nothing was ever cleaned. */
int64_t log_clean_end(const struct log *log);
void log_set_clean_end(struct log *log, int64_t offset);
/** Why it cannot be cleaned for now; ST_OK when it can. */
enum status log_uncleanable(const struct log *log);

/** upper_offset: min of high watermark and last stable offset. */
MUST_CHECK enum status log_cleanable(struct job *job, struct log *log, int64_t upper_offset,
                                     struct cleanable *ret_cleanable);
/** Cleans it. ST_CANCELLED: it may not go on; ST_STALE: the policy or the segments changed;
 * ST_NOMEM, ST_NO_SPACE: later; ST_CORRUPT, ST_UNSUPPORTED: noted, see log_uncleanable; ST_IO: it
 * is offline. What was replaced by then stays so. */
MUST_CHECK enum status log_clean(struct job *job, struct log *log,
                                 const struct cleanable *cleanable,
                                 const struct cleaner_limits *limits,
                                 const struct cleaner_leave *leave,
                                 struct cleaned *ret_cleaned);
