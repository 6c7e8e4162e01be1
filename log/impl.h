/* log/impl.h - what the files of log/ share about one partition's log; nobody else includes it.
 *
 * Who may touch what, when. Appending (append.c) runs in callbacks: one write is in flight at most,
 * the rest is queued. Everything that changes files otherwise (rolling, writing index tails,
 * truncating, raising the start, moving, closing) is a job, and one at a time: log_job_begin waits
 * for the one before. Reading (read.c) runs beside all of them and holds shares of the segments
 * that it looks at. A log that was abandoned is freed when its last operation came back (`holds`).
 */
#pragma once
#include "log/leader_epochs.h"
#include "log/log.h"
#include "log/names.h"
#include "log/producer_state.h"
#include "log/segment.h"

#define APPEND_BATCHES_MAX 64 /* of one write */
#define RECENT_COUNT 32u      /* batches whose place is remembered; a power of two */

/* One write under way; kept by the directory for the next one. */
struct append_write {
    struct list link; /* in the directory's idle ones */
    struct io_op op;
    struct log *log;
    struct list appends; /* struct log_append, in the order of their iovecs */
    uint32_t count;
    uint64_t bytes;
    struct iovec iov[APPEND_BATCHES_MAX];
};

/* Where a batch of the active segment is: consumers at the tail and high watermarks need no file
 * for it. */
struct recent_batch {
    int64_t base_offset;
    uint32_t position, batch_bytes;
    int32_t last_offset_delta;
};
struct recent {
    uint32_t first, count; /* a ring: first is the oldest */
    struct recent_batch batches[RECENT_COUNT];
};

struct log {
    struct log_dir *dir;
    struct log_owner *owner;
    const struct log_config *config;
    struct log_config last_config; /* abandoned: what the owner's was */
    char *path; /* path_bytes with the terminator */
    uint32_t path_bytes;
    struct str topic; /* within path */
    int32_t partition;
    struct uuid topic_id;
    int64_t log_start, durable_end, end, assigned_end;

    struct segment **segments; /* by base offset; the last is the active one */
    uint32_t segment_count, segment_capacity;
    uint64_t sealed_bytes; /* of all but the active segment */
    struct leader_epochs epochs;
    struct producer_states producers; /* of everything below assigned_end */
    int64_t snapshot_offset;          /* of the newest producer snapshot, -1 none */
    int64_t lost_from; /* a segment's end is missing from here on, says recovery; else INT64_MAX */

    struct list queued;         /* struct log_append without a place in the file yet */
    struct append_write *write; /* in flight, or NULL */
    struct recent *recent;      /* NULL until the first append */
    struct io_later pump;
    bool waits_for_ring;   /* in dir->ring_waiters */
    struct list ring_wait;
    /* A job makes the next active segment, opens its file, or moves the log: nothing is written. */
    bool rolling;
    int64_t roll_offset;

    int64_t sync_wanted;  /* log_sync or log_sync_late asked for everything below it */
    int64_t sync_awaited; /* the same of log_sync alone */
    int64_t sync_target;  /* below it everything is durable when the sync in flight succeeds */
    struct segment *sync_segment;
    uint64_t sync_began_us;
    struct io_op sync_op;
    struct list dirty; /* in the directory's queue, or its syncfs */

    bool busy; /* a job has the log */
    struct list job_waiters;
    struct job *quiet_waiter; /* a job that waits for `write` and the sync to come back */

    int64_t clean_end;           /* log/cleaner.h; -1: nothing is */
    enum status uncleanable;     /* why it was given up, while ... */
    int64_t uncleanable_start;   /* ... this is log_start */
    /* The last cleaning found the wall clock ahead of the steady one by so much (behind: below 0),
     * the lowest that counts, and when a cleaning met the last step ahead. */
    int64_t clock_offset_ms, clock_low_ms;
    uint64_t clock_stepped_us;

    bool offline; /* and said so */
    bool abandoned;
    bool index_writing; /* a job writes the tails */
    bool is_asking_ahead, is_allocating; /* a job asks for room, the file system gives it */
    bool waits_for_room;
    uint64_t index_pause_us; /* no room for index tails: not before then again */
    bool is_full; /* an append that found no room is being undone */
    /* Indexes and epochs of sealed segments that found no room. */
    enum { FINISH_NOTHING, FINISH_LATER, FINISH_NOW } is_finishing;
    uint32_t holds;     /* operations, jobs and callbacks that still use the struct */
};

static inline struct segment *log_active(const struct log *log) {
    return log->segments[log->segment_count - 1];
}
/** Index of the last segment whose base is <= offset, 0 when there is none. */
uint32_t log_segment_of(const struct log *log, int64_t offset);
/** Where the segment's offsets end: the next one's base, or the log's end. */
int64_t log_segment_end(const struct log *log, uint32_t index);
/** A share of the first segment above base offset `after`; NULL at the end. How jobs walk segments
 * that may go meanwhile. */
struct segment *log_next_segment(const struct log *log, int64_t after);
/** Whether it is still one of the log's. */
bool log_segment_is_there(const struct log *log, const struct segment *segment);
/** Makes it the active one (taken). */
void log_push_segment(struct log *log, struct segment *segment);

/** Of the clock that never steps. */
static inline int64_t log_steady_ms(const struct log *log) {
    return (int64_t)(io_now(log->dir->io).mono_us / 1000);
}

/** The struct stays until it is let go. */
void log_hold(struct log *log);
void log_let_go(struct log *log);

/** The directory failed: this log goes offline, its queue is refused, owner and directory are told
 * once. */
void log_fail(struct log *log, enum status why);
/** This log alone: its directory is sound, but the log cannot go on. */
void log_fail_alone(struct log *log, enum status why);

/** A write or a sync failed while none of its logs was at hand: the directory goes offline. */
void log_dir_fail(struct log_dir *dir, enum status why);

/** Waits until no other job has the log. */
void log_job_begin(struct job *job, struct log *log);
void log_job_end(struct log *log);
/** Waits until no write and no sync is in flight. Only between log_job_begin and log_job_end. */
void log_job_quiet(struct job *job, struct log *log);
/** Called when a write or a sync came back. */
void log_quiet_check(struct log *log);

/* append.c */
void append_pump(struct io_later *later);
void append_fail_queue(struct log *log);
/** The recent batches no longer hold: the active segment changed or was cut. */
void recent_clear(struct log *log);
/** The remembered batch with the smallest last offset >= offset; NULL when older ones would have to
 * be known. */
const struct recent_batch *recent_find(const struct log *log, int64_t offset);

/* roll.c */
/** Whether the batch must go into a new segment. */
bool roll_is_due(const struct log *log, const struct log_append *append);
/** A new segment's share of segment.jitter.ms. */
int64_t roll_draw_jitter(const struct log *log);
/** Whether `more` index entries could fill an index of the active segment. */
bool roll_index_is_near(const struct log *log, uint32_t more);
/** Starts the job that makes a segment with this base offset the active one; log->rolling until
 * then. */
void roll_start(struct log *log, int64_t base_offset);
/** Starts the job that opens the active segment's file, which an empty log does without;
 * log->rolling until then. */
void active_open_start(struct log *log);
/** Begins a new segment at the log's end, unless that is above `end` by now, or something is queued
 * or being written. For a job that does not have the log. */
MUST_CHECK enum status log_roll_at(struct job *job, struct log *log, int64_t end);
/** Creates the files of a new segment, durably. */
MUST_CHECK enum status segment_create(struct job *job, struct log *log, int64_t base_offset,
                                      struct segment **ret_segment);
/** Cuts off, durably, what was preallocated and not needed; nothing may be written to it any more,
 * its file is in use. */
MUST_CHECK enum status segment_trim(struct job *job, struct segment *segment);
/** Writes what the indexes still have in memory into their files; `sync`: onto stable storage. */
MUST_CHECK enum status segment_write_indexes(struct job *job, struct log *log,
                                             struct segment *segment, bool sync);
/** Gives back the memory of tails that are in their files. */
void segment_free_tails(struct segment *segment);
/** Starts a job that writes the active segment's tails. */
void index_write_start(struct log *log);

/* ends.c */
/** Renames the files of segments [first, first + count) to `.deleted`, durably, and forgets the
 * segments; the files go after file.delete.delay.ms. */
MUST_CHECK enum status segments_remove(struct job *job, struct log *log, uint32_t first,
                                       uint32_t count);
/** log_raise_start to the base of a segment that is there, or to less: segments that were counted
 * on may not be the log's any more. Adds what went to *gone. */
struct retained;
MUST_CHECK enum status log_drop_below(struct job *job, struct log *log, int64_t base_offset,
                                      struct retained *gone);

/* log.c */
/** Writes leader-epoch-checkpoint, unless it says the same of everything below end_offset, where
 * the log ends; INT64_MAX: of everything. */
MUST_CHECK enum status log_save_epochs(struct job *job, struct log *log, int64_t end_offset);
