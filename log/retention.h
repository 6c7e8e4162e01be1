/* log/retention.h - which of a log's oldest segments go: by retention.ms, by retention.bytes, or
 * because they lie below the log's start. The decision is pure (struct retention); log_retain is
 * the job that carries it out.
 *
 * A segment's age is that of its largest timestamp, as in Kafka, and must be above retention.ms by
 * two clocks at once: the wall clock, and one that took the wall clock's value when the log's
 * directory was opened and then went on by the monotonic clock, so that it never steps. So a wall
 * clock that jumps ahead deletes nothing early, and one that jumps back only keeps more. If the
 * steady clock is the wrong one (the wall clock was corrected after the start), then what has lain
 * here untouched for retention.ms of monotonic time is old enough as well, so nothing stays for
 * ever. Over a restart only the wall clock tells how time passed: one that is wrong at a start is
 * believed.
 *
 * With message.timestamp.type=LogAppendTime timestamps are of the wall clock as it was, right or
 * wrong: what this process appended has its monotonic age.
 *
 * An absurd largest timestamp says nothing of an age: one below RETENTION_PLAUSIBLE_MS (none,
 * negative, or seconds given as milliseconds), or above what message.timestamp.after.max.ms lets in
 * (microseconds, nanoseconds, another planet's clock; KIP-937). Such a segment has the age of its
 * last append: of the monotonic clock when this process appended it, of the file's modification
 * time otherwise. Apache Kafka takes the modification time for "none" only, deletes the live data
 * of the small ones at the next check and keeps the large ones for ever.
 *
 * Source: UnifiedLog.deleteOldSegments, deletableSegments, LogSegment.largestTimestamp. */
#pragma once
#include "log/log.h"

/* 3 March 1973: seconds since 1970, taken for milliseconds, stay below it until the year 5138. */
#define RETENTION_PLAUSIBLE_MS INT64_C(100000000000)
/* How far ahead of the clock a timestamp is believed, where topics bound it less or not at all. */
#define RETENTION_AHEAD_MIN_MS INT64_C(3600000)
#define RETENTION_AHEAD_MAX_MS (INT64_C(10) * 366 * 24 * 3600000)

struct retention_clock {
    int64_t wall_ms, steady_ms;
};

/* One segment, the oldest first. */
struct retention_segment {
    uint64_t bytes;
    int64_t end_offset;       /* the next segment's base, or the log's end */
    int64_t max_timestamp_ms; /* -1: none */
    int64_t modified_ms;      /* of the file; looked at only when the timestamp is absurd */
    int64_t idle_ms;          /* monotonic: since this process appended to it or opened it last */
    bool appended_here;       /* by this process */
    bool is_last;             /* the active one */
};

/* The walk over one log's segments. */
struct retention {
    int64_t retention_ms; /* -1: no limit */
    uint64_t excess_bytes; /* still above retention.bytes */
    struct retention_clock clock;
    int64_t ahead_ms;     /* timestamps further ahead are absurd */
    bool is_append_time;  /* message.timestamp.type: timestamps are of our own wall clock */
    int64_t log_start;    /* what lies below it goes whatever the limits */
    int64_t upper_offset; /* what reaches above it stays: high watermark and durable end */
};

struct retention_clock retention_clock_of(const struct log_dir *dir);
/** total_bytes: of all segments. Without `delete` in cleanup.policy only log_start counts. */
void retention_begin(struct retention *retention, const struct log_config *config,
                     struct retention_clock clock, int64_t log_start, int64_t upper_offset,
                     uint64_t total_bytes);
/** Whether a timestamp tells nothing of an age. */
bool retention_is_absurd(const struct retention *retention, int64_t timestamp_ms);
/** Whether the segment's age decides: its timestamps and times must be known for retention_takes.
 */
bool retention_needs_age(const struct retention *retention,
                         const struct retention_segment *segment);
/** Whether this one, the oldest that is left, goes. False ends the walk. */
bool retention_takes(struct retention *retention, const struct retention_segment *segment);

/** How old a segment is, as retention counts it. ST_NOT_FOUND: it went meanwhile. */
MUST_CHECK enum status log_segment_age(struct job *job, struct log *log, struct segment *segment,
                                       int64_t *ret_age_ms);

struct retained {
    uint32_t segments; /* deleted */
    uint64_t bytes;
};
/** Deletes what may go; when all of it may, an empty segment is begun first. upper_offset: the high
 * watermark. Counts are added to *deleted. */
MUST_CHECK enum status log_retain(struct job *job, struct log *log, int64_t upper_offset,
                                  struct retained *deleted);
