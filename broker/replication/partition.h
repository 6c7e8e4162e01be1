/* broker/replication/partition.h - one partition that this broker leads: the log and its high
 * watermark, and who waits for it. Followers, in-sync replicas and leader changes have their place
 * here (the replication issue); for now the leader is the only replica.
 *
 * Invariant: log_start <= last_stable_offset <= high_watermark <= log end. With flush_before_ack
 * the high watermark is the durable end of the log, otherwise its end: the minimum over the in-sync
 * replicas of what counts there. It never goes back, also when the setting changes. Owner:
 * shard_of_partition(topic id, index). */
#pragma once
#include "broker/shard/log_starts.h"
#include "broker/shard/shard.h"

enum partition_state {
    PARTITION_ONLINE,
    PARTITION_OFFLINE, /* its log or its directory failed */
    PARTITION_LEAVING, /* the topic is being deleted, or the broker stops */
};

/* Somebody who waits until the high watermark, or for committed data the last stable offset, is at
 * least `offset`. */
struct watermark_wait {
    struct list link;
    int64_t offset;
    bool committed;
    /** Called when it is (ST_OK), or when it will not be: ST_IO offline, ST_CLOSED leaving.
     * Unlinked by then. */
    void (*over)(struct watermark_wait *wait, enum status st);
};

struct partition {
    struct map_node node; /* in shard->partitions */
    struct shard *shard;
    struct uuid topic_id;
    struct str topic; /* own copy */
    struct list line; /* batches behind one that a worker walks: broker/handlers/produce.c */
    int32_t index;
    int32_t leader_epoch;
    enum partition_state state;
    struct log *log;
    struct log_owner log_owner;
    struct log_config config;
    int64_t high_watermark;
    int64_t last_stable_offset;  /* log_stable_offset of it */
    struct list waits;           /* struct watermark_wait, in ascending order of offset */
    struct list committed_waits; /* likewise: those for the last stable offset */
    bool flush_before_ack;       /* what counts is on stable storage; otherwise in the file */
    uint64_t durable_at_us;      /* monotonic, when the durable end last moved */
    struct io_timer sync_timer;  /* set: what was appended last is not being synced yet */
    uint32_t use_count;          /* appends, reads and jobs that still need the log */
    struct job *drained;         /* wakes when use_count falls to 0 */
    /* Since it was opened; fetched octets once they have left. */
    uint64_t produce_bytes, produce_records, fetch_bytes;
    bool has_saved_start;          /* it may stand in log-start-offset-checkpoint */
    bool has_saved_recovery_point; /* the same of recovery-point-offset-checkpoint */
    bool is_cleaned_now;           /* by a cleaner */
    uint64_t cleaning_failed_us;   /* when the last one did; 0: it did not */
    struct move *move; /* to another log directory: broker/shard/moves.h; NULL: none */
    uint64_t pool_bytes;           /* of this struct */
};

/* One of a topic's partitions that is to be opened. */
struct partition_place {
    const struct topic_image *topic;
    int32_t index;
    bool was_there; /* at the start: what the directory's checkpoint files said then is of it */
};
/** Opens (or creates) the logs of several partitions in one log directory, which are looked at and
 * made together, and puts the partitions into the shard's map. What fails is logged, and the
 * partition is not there: it answers as one that has no leader here. ret_statuses: of each;
 * ST_NOMEM: no memory or no descriptor was left, which may be better later; ST_STALE: the directory
 * is that of another topic id. */
void partitions_open(struct job *job, struct shard *shard, uint32_t dir_index,
                     const struct partition_place *places, uint32_t count,
                     enum status *ret_statuses);
/** Takes over the settings that the shard's image has for it by now. */
void partition_settle(struct partition *partition);
/** A new leader epoch begins at the log's end; an older or the same one changes nothing.
 */
void partition_begin_epoch(struct partition *partition, int32_t leader_epoch);
/** Fails everybody who waits, lets what is under way finish, closes the log, frees the partition.
 */
MUST_CHECK enum status partition_close(struct job *job, struct partition *partition);
struct partition_deletion {
    struct partition *partition; /* in: of one shard; freed */
    enum status status;          /* out */
    bool was_offline, is_forgotten;
};
/** The same, but their logs are deleted, after their recovery points have gone from the checkpoint
 * file of their directory. That file names every partition there: it is written once for all. */
void partitions_delete(struct job *job, struct partition_deletion *deletions, uint32_t count);

/** DeleteRecords: the log starts at `offset`, which is not above the high watermark, or where it
 * does when that is above. ST_OK: that is on its way into the checkpoint file, save->done tells
 * when it is there. The partition is used until this returns. */
MUST_CHECK enum status partition_raise_start(struct job *job, struct partition *partition,
                                             int64_t offset, struct log_start_save *save);

/** Where its clean part ends goes into cleaner-offset-checkpoint. */
MUST_CHECK enum status partition_save_clean_end(struct job *job, struct partition *partition);

/** The error that a request about this partition gets now; KAFKA_NONE when it is served.
 * current_leader_epoch: what the client believes, NO_LEADER_EPOCH when it does not say. */
int16_t partition_problem(const struct partition *partition, int32_t current_leader_epoch);
/** Waits in order; wait->over runs later, or before this returns false when it is already so. */
bool partition_wait(struct partition *partition, struct watermark_wait *wait);
/** What was appended gets onto stable storage, and so becomes visible: at once when somebody waits
 * for it, otherwise within PARTITION_SYNC_US, so that a stream of acks=1 does not sync for every
 * batch (docs/decisions/0006-sync-rounds.md). */
void partition_sync_soon(struct partition *partition);
#define PARTITION_SYNC_US 50000
/** Until the high watermark has what is in the log now, so that who asks where the log ends is told
 * of every acknowledged record; PARTITION_CATCH_UP_US at most, for a disk that hangs. The partition
 * is used until this returns, and may be offline or leaving then. */
void partition_catch_up(struct job *job, struct partition *partition);
#define PARTITION_CATCH_UP_US 200000
void partition_use(struct partition *partition);
void partition_unuse(struct partition *partition);
/** What acks=all and readers may see, worked out anew; wakes who waited. */
void partition_update_watermark(struct partition *partition);
/** The log's start has moved: with it the last stable offset, if a transaction began before. */
void partition_start_moved(struct partition *partition);
/** The last stable offset for readers of committed data, the high watermark for others. */
static inline int64_t partition_readable_end(const struct partition *partition, bool committed) {
    return committed ? partition->last_stable_offset : partition->high_watermark;
}
