/* log/segment.h - one file of record batches, named after its base offset, with its indexes.
 * A segment is shared: the log holds it, and so does every reader that was handed its descriptor;
 * the last one closes the file, so a file that is deleted or a log that is closed is never pulled
 * from under a sender. The files belong to the log's jobs; nothing here does I/O except closing.
 * Which files are open when: log/segment_file.h.
 * Source: org.apache.kafka.storage.internals.log.LogSegment. */
#pragma once
#include "base/io.h"
#include "log/offset_index.h"
#include "log/time_index.h"
#include "log/txn_index.h"
#include "log/verified.h"

struct log_dir;

/* A range of a segment's file in which no valid batch was found though valid ones follow. */
struct hole {
    int64_t first_offset, end_offset; /* offsets that may have been there: [first, end) */
    uint64_t position, end_position;  /* octets of the file */
};

struct segment {
    struct log_dir *dir; /* borrowed; outlives every holder */
    int64_t base_offset;
    uint64_t size_bytes; /* of whole batches in the file (and of holes) */
    int file;           /* -1: not open now, see log/segment_file.h */
    uint32_t file_uses; /* of the open file, or waiting for it */
    uint32_t shares;
    int64_t
        created_ms; /* wall clock when it was created or opened: for segments without timestamps */
    int64_t
        first_timestamp_ms; /* the first batch's max timestamp; meaningless while size_bytes == 0 */
    int64_t max_timestamp_ms; /* -1: none, or not read yet (see max_known) */
    int64_t max_timestamp_offset;
    int64_t
        jitter_ms; /* subtracted from segment.ms, so that segments created together roll apart */
    uint64_t touched_us; /* monotonic: when this process opened it or appended to it last */
    uint64_t room_end; /* up to where there is room for it on the disk, as asked: log/ahead.h */
    uint32_t bytes_since_entry;
    bool appended_here;       /* by this process */
    bool max_known;           /* max_timestamp_* hold: always of the active segment */
    bool indexes_durable;     /* what a clean start would trust is on stable storage */
    bool was_cut;   /* what an append left behind size_bytes was cut off, perhaps not durably */
    bool file_kept;           /* the log itself uses the file */
    bool preallocated;        /* the file may be longer than size_bytes, zeros behind it */
    bool opening;             /* the file is being opened */
    bool loading;             /* a job reads the offset index */
    enum status load_status;  /* of the last time */
    struct list load_waiters; /* reads that wait for it */
    struct list file_waiters; /* struct segment_file_wait */
    struct list idle_file;    /* in the directory's list: open and nobody uses it */
    struct offset_index offsets;
    struct time_index times;
    struct txn_index txns;
    struct verified verified; /* what may be served without looking at it once more */
    struct hole *holes; /* sorted */
    uint32_t hole_count;
};

/** `file` is taken, and in use by the log that the segment is made for (file_kept); -1: it is
 * opened when it is needed. One share is the caller's. */
struct segment *segment_new(struct log_dir *dir, int64_t base_offset, int file);
void segment_hold(struct segment *segment);
void segment_let_go(struct segment *segment);

/** Accounts for a batch that was written at the segment's end: size, timestamps, index entries. */
void segment_note_batch(struct segment *segment, int64_t last_offset, int64_t max_timestamp_ms,
                        uint32_t batch_bytes, int64_t index_interval_bytes);
/** The time index's last entry holds the segment's maximum from now on, as when a segment is rolled
 * or closed. */
void segment_note_end(struct segment *segment);
/** The hole that `position` is in or at the start of, NULL when there is none. */
const struct hole *segment_hole_at(const struct segment *segment, uint64_t position);
/** The hole whose offsets hold `offset`, NULL when there is none. */
const struct hole *segment_hole_of(const struct segment *segment, int64_t offset);
/** Where the first hole above `position` starts; size_bytes when there is none. */
uint64_t segment_next_hole(const struct segment *segment, uint64_t position);
/** Replaces the holes (taken, count entries; NULL when there are none). */
void segment_set_holes(struct segment *segment, struct hole *holes, uint32_t count);

/* The file's part of the offset index, kept in memory within the directory's bound. */
/** `entries` (taken) are all that the file holds. Others of the directory may be dropped for it. */
void segment_index_loaded(struct segment *segment, uint8_t *entries, uint32_t count);
/** It was used: others go first. */
void segment_index_touch(struct segment *segment);
void segment_index_drop(struct segment *segment);
