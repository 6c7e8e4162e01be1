/* log/log.h - one partition's log: batches appended with assigned offsets to segment files in
 * Kafka's own format, read back as ranges of those files. Format: docs/formats/log-directory.md.
 *
 * Owner: the partition's shard; nothing here is shared by threads.
 *
 * Offsets, always: log_start <= durable_end <= end <= assigned_end
 *   log_start     first offset that may be read
 *   durable_end   below it everything is on stable storage (file, index entries may be rebuilt)
 *   end           "log end offset": below it everything is in the file (page cache)
 *   assigned_end  the next offset to be given; [end, assigned_end) is queued or being written
 * The high watermark is the partition's business (broker/replication), not the log's.
 *
 * Failure: after a failed write or sync nothing is acknowledged any more; the log is offline, every
 * queued append gets ST_IO and its directory is told (log_dir.on_failure). There is no retry. A
 * full file system is no failure: appends that find no room are undone and get ST_NO_SPACE, and the
 * next one tries anew (log/full.h).
 *
 * Source: kafka.log.UnifiedLog / LocalLog / LogSegment (org.apache.kafka.storage.internals.log). */
#pragma once
#include "base/io.h"
#include "base/job.h"
#include "log/config.h"
#include "log/dir.h"
#include "log/producer_state.h"
#include "log/txn_index.h"
#include "protocol/batch.h"

struct log;
struct segment;

/* What the log tells its owner. Called on the shard, never from within a start function of the log.
 */
struct log_owner {
    /** `end` moved: followers' and uncommitted readers' waits may be over. */
    void (*on_end)(struct log_owner *owner);
    /** `durable_end` moved. */
    void (*on_durable)(struct log_owner *owner);
    /** The log went offline; said once. */
    void (*on_offline)(struct log_owner *owner);
};

struct log_look;

struct log_open {
    struct log_dir *dir; /* borrowed for the log's life */
    struct str topic;    /* copied */
    int32_t partition;
    struct uuid topic_id;            /* zero: none is written or checked */
    const struct log_config *config; /* borrowed until log_set_config or log_abandon */
    struct log_owner *owner;         /* borrowed for the log's life */
    bool create; /* make the directory when it is missing; otherwise ST_NOT_FOUND */
    bool waits_for_room; /* appends wait while the file system is full, rather than fail */
    bool clean;  /* the directory was shut down cleanly: sizes and indexes can be trusted */
    int64_t recovery_point; /* from the checkpoint; everything from here on is verified when not
                               clean */
    int64_t log_start;      /* from the checkpoint; 0 when it has none */
    /* What is in its directory, where many are opened: log/look.h. NULL: it is looked at. Borrowed;
     * the listing may change. */
    struct log_look *look;
};

/** Opens or creates `<dir>/<topic>-<partition>`; recovers: cuts a torn tail, keeps a hole, rebuilds
 * indexes that are missing or wrong. ST_CORRUPT: something that cannot be repaired (logged once
 * with its file name). ST_STALE: the directory is that of another topic id. ST_IO after a failed
 * write or sync: the directory goes offline, since one more open in this process would take what
 * the page cache holds for durable. */
MUST_CHECK enum status log_open(struct job *job, const struct log_open *open, struct log **ret_log);
/** Flushes, trims indexes, writes what a clean start needs, closes. No append or read may be under
 * way. */
MUST_CHECK enum status log_close(struct job *job, struct log *log);
/** Renames the directory to `<topic>-<p>.<uuid>-delete` (durably) and frees the log; files are
 * removed after config->file_delete_delay_ms, open readers keep theirs. */
MUST_CHECK enum status log_delete(struct job *job, struct log *log);
/** Frees memory and descriptors without touching the disk: for a directory that went offline. */
void log_abandon(struct log *log);

struct str log_topic(const struct log *log);
int32_t log_partition(const struct log *log);
struct log_dir *log_directory(const struct log *log);
int64_t log_start_offset(const struct log *log);
/** Base offset of the first segment: log_start may lie above it. */
int64_t log_first_base_offset(const struct log *log);
int64_t log_durable_end(const struct log *log);
int64_t log_end(const struct log *log);
int64_t log_assigned_end(const struct log *log);
/** What the recovery-point-offset-checkpoint may say: durable_end, or less while an older segment's
 * indexes are not on stable storage yet. */
int64_t log_recovery_point(const struct log *log);
bool log_is_offline(const struct log *log);
/** Its directory failed under another shard. */
void log_go_offline(struct log *log);
/** Octets of all segments' .log files. */
uint64_t log_size_bytes(const struct log *log);
uint32_t log_segment_count(const struct log *log);
const struct log_config *log_get_config(const struct log *log);
void log_set_config(struct log *log, const struct log_config *config);

/* --- appending --- */

struct log_append {
    /** The batch is in the file (or was refused): status holds. In order of log_append calls. */
    void (*done)(struct log_append *append);
    uint8_t *batch; /* one whole RecordBatch v2 that batch_walk passed; stamped in place; borrowed
                       until done */
    uint32_t batch_bytes;
    int32_t record_count;     /* offsets it takes: last_offset_delta + 1 */
    int64_t max_timestamp_ms; /* of its records, and ... */
    int64_t
        max_timestamp_offset_delta; /* ... the record that has it, relative to the base offset */
    int32_t leader_epoch;
    bool keep_offsets; /* a follower's or a snapshot's batch: base offset must be assigned_end or
                          above */
    /* set by log_append */
    int64_t base_offset, last_offset;
    enum status status;
    struct list link;              /* the log's */
    struct producer_change change; /* the log's */
};

/** Gives the batch its offsets, stamps it and queues it; one write per turn takes all that queued.
 * It may be of a transaction, or the marker that ends one. `done` is called later, never from
 * within. Refusals that need no file (ST_TOO_LARGE for a batch above segment_bytes, ST_CORRUPT for
 * a marker that is none, ST_IO when offline, ST_NO_SPACE right after another found no room) are
 * returned here and `done` is not called; append->status is the same. */
MUST_CHECK enum status log_append(struct log *log, struct log_append *append);

/** May this batch of a client be appended next, as far as its producer's sequence goes? To be asked
 * right before log_append; PRODUCER_DUPLICATE says where it was appended before. */
enum producer_verdict log_check_producer(const struct log *log, const struct batch_view *batch,
                                         struct producer_batch *ret_duplicate);
/** May this marker of a transaction coordinator be appended next? */
enum producer_verdict log_check_marker(const struct log *log, const struct batch_view *batch,
                                       const struct txn_marker *marker);
/** Forgets producers that appended nothing for expiration_ms and have no open transaction. */
void log_expire_producers(struct log *log, int64_t expiration_ms);
/** All producers that are remembered, by id: what DescribeProducers tells. The caller releases the
 * list (producer_list_release with the shard's mem). */
MUST_CHECK enum status log_list_producers(const struct log *log, struct producer_list *ret_list);
/** The last stable offset when the high watermark, which never falls, has come to high_watermark:
 * below it no transaction is open or ended by a marker that can still be lost. To be asked whenever
 * the high watermark or log_start moves; nothing else moves it. */
int64_t log_stable_offset(struct log *log, int64_t high_watermark);

/** Tries again to write what belongs to older segments and found no room; nothing when there is
 * none. */
void log_finish_segments(struct log *log);

/** Asks that everything appended so far gets onto stable storage by the directory's next sync
 * round; owner->on_durable follows. Cheap to call for every batch. */
void log_sync(struct log *log);
/** The same where nobody waits for it: with LOG_DIR_LATE_FS_FROM such logs their round may be one
 * syncfs, which waits for what others wrote, too. */
void log_sync_late(struct log *log);

/** A new leader epoch starts at the log's end. It is in memory at once and in the file
 * leader-epoch-checkpoint with the next roll or clean close; a crash before loses nothing that
 * matters, since every batch carries its epoch and recovery reads them (an epoch without a batch is
 * followed by the next one at the same offset). So a start with many partitions syncs nothing. */
MUST_CHECK enum status log_begin_epoch(struct log *log, int32_t leader_epoch);
/** Kafka's OffsetForLeaderEpoch: the largest epoch <= leader_epoch (-1 none) and where it ends. */
void log_end_of_epoch(const struct log *log, int32_t leader_epoch, int32_t *ret_epoch,
                      int64_t *ret_end_offset);
/** The epoch that the record at `offset` was or would be written in, -1 none. */
int32_t log_epoch_at(const struct log *log, int64_t offset);
/** Epoch of the last entry, -1 none. */
int32_t log_latest_epoch(const struct log *log);

/* --- reading --- */

struct log_read {
    void (*done)(struct log_read *read);
    int64_t offset;       /* first offset wanted */
    int64_t upper_offset; /* nothing at or above it: high watermark, last stable offset or end */
    uint32_t max_bytes;
    bool whole_first; /* the first batch is given even when it alone is larger than max_bytes */
    /* results */
    enum status
        status; /* ST_RANGE: offset below log_start or above log_end; ST_CORRUPT: a hole; ST_IO.
                 * ST_OK with bytes == 0: nothing at or above offset that lies below upper_offset */
    int64_t hole_end;        /* with ST_CORRUPT: the first offset behind the hole; -1: not known */
    struct segment *segment; /* shared: log_read_release gives it back; NULL when bytes == 0 */
    int file;                /* descriptor, valid as long as the segment is held */
    uint64_t position;       /* where the first batch that holds `offset` starts */
    uint32_t bytes;          /* whole file range; the last batch in it may be cut, as Kafka's is */
    int64_t first_base_offset;  /* of the batch at position, and ... */
    uint32_t first_batch_bytes; /* ... its size */
    struct io_op op;            /* the log's */
    struct log *log;            /* the log's */
    uint64_t impl[24];          /* the log's */
};
/** Finds the range. true: finished at once, results hold, done is not called. */
bool log_read_start(struct log *log, struct log_read *read);
/** On the log's shard. The log may have been deleted since. */
void log_read_release(struct log_read *read);

struct log_found {
    int64_t offset;       /* -1: none */
    int64_t timestamp_ms; /* -1: none */
    int32_t leader_epoch; /* -1: none */
};
/** The first record with a timestamp >= timestamp_ms, below upper_offset (Kafka's offsetsForTimes).
 */
MUST_CHECK enum status log_find_timestamp(struct job *job, struct log *log, int64_t timestamp_ms,
                                          int64_t upper_offset, struct log_found *ret_found);
/** The first record of a client at or above `offset` and below upper_offset: what a reader that
 * stands at `offset` reads next, and so when that was written. Markers of transactions are passed
 * over. ret_found->offset: at most that record's (compaction may have left fewer records than the
 * header of a batch says), never above it. */
MUST_CHECK enum status log_find_record(struct job *job, struct log *log, int64_t offset,
                                       int64_t upper_offset, struct log_found *ret_found);
/** The record with the largest timestamp (ListOffsets -3), below upper_offset. */
MUST_CHECK enum status log_find_max_timestamp(struct job *job, struct log *log,
                                              int64_t upper_offset, struct log_found *ret_found);

/** The aborted transactions that have a record in [first, upper), in the order of their markers, as
 * TransactionIndex.collectAbortedTxns finds them: for a cleaner, which walks whole segments. The
 * caller releases the list (aborted_txns_release with the job's mem). ST_CORRUPT: an index cannot
 * be read, so nothing is known. */
MUST_CHECK enum status log_find_aborted(struct job *job, struct log *log, int64_t first,
                                        int64_t upper, struct aborted_txns *ret_list);

/* The aborted transactions that a reader of committed data must know of to read what it was given.
 */
struct log_aborted {
    void (*done)(struct log_aborted *aborted);
    /* results */
    enum status status; /* ST_CLOSED: the segment has left the log since the read: read again */
    struct aborted_txns list;
    /* the log's */
    struct mem *mem; /* of the list; NULL: not started */
    struct log *log;
    struct segment *segment;
    int64_t first, upper;
};
/** `read` gave octets and is not released before this ends. true: finished at once, results hold,
 *  done is not called. At the end of a log without recent aborts nothing is read or allocated. */
bool log_aborted_start(struct log *log, const struct log_read *read, struct log_aborted *aborted);
/** Frees the list, which is empty unless the status is ST_OK; on the log's shard. The log may have
 * gone, as for log_read_release. */
void log_aborted_release(struct log_aborted *aborted);

/* --- changing the ends --- */

/** Raises log_start (DeleteRecords, retention); whole segments below it go. new_start <=
 * durable_end. */
MUST_CHECK enum status log_raise_start(struct job *job, struct log *log, int64_t new_start);
/** Cuts everything at and above `offset`; durable when it returns. Nothing may be queued. The
 * caller lowers a recovery-point checkpoint above `offset` first, durably: a crash in between must
 * not trust what was cut. */
MUST_CHECK enum status log_truncate(struct job *job, struct log *log, int64_t offset);
