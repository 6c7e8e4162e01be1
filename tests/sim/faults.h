/* tests/sim/faults.h - every fault that the simulator can inject: its name, its rate, its counter.
 * A fault that never fires proves nothing: a rate above zero marks the fault as enabled for the
 * seed, and the runner fails a batch in which an enabled fault never fired. Rates are chances in a
 * million of the occasion named in the comment; times are microseconds. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/prng.h"

#define FAULT_KINDS(X)                                                                             \
    X(PROCESS_KILL, "process-kill") /* kill -9: memory and sockets go, the page cache stays */     \
    X(POWER_CUT, "power-cut")       /* what was not synced may go too */                           \
    X(STOP_WITHIN_TURN, "stop-within-turn") /* a crash between two operations of one turn */       \
    X(CRASH_LOST_PAGE, "crash-lost-page")   /* an unsynced page has its old contents */            \
    X(CRASH_KEPT_PAGE, "crash-kept-page")   /* an unsynced page made it */                         \
    X(CRASH_TORN_PAGE, "crash-torn-page")   /* some 512-octet sectors of it made it */             \
    X(CRASH_SHORT_FILE, "crash-short-file") /* the size is not the last one */                     \
    X(CRASH_LOST_NAME, "crash-lost-name")   /* a create, rename or unlink did not happen */        \
    X(CRASH_PART_WRITE, "crash-part-write") /* a write under way was done in part */               \
    X(DISK_WRITEBACK, "disk-writeback")     /* a dirty page written early, out of order */         \
    X(DISK_READ_ERROR, "disk-read-error")                                                          \
    X(DISK_WRITE_ERROR, "disk-write-error")                                                        \
    X(DISK_SYNC_ERROR, "disk-sync-error") /* and what was dirty may be clean now, and lost */      \
    X(DISK_NO_FILE, "disk-no-file") /* -EMFILE given to an open */                                 \
    X(DISK_NO_DIRECT, "disk-no-direct") /* the file system cannot pass its page cache by */        \
    X(DISK_FULL, "disk-full")                                                                      \
    X(DISK_SLOW, "disk-slow")                                                                      \
    X(DISK_HUNG, "disk-hung")         /* the whole device for a while */                           \
    X(DISK_FLIP, "disk-flip")         /* a stored bit changed */                                   \
    X(DIR_DEAD, "dir-dead") /* one log directory alone answers nothing but errors */               \
    X(DIR_MOVE, "dir-move") /* a partition's copy in another directory took its name */            \
    X(NET_DRIBBLE, "net-dribble")     /* arrives in pieces of a few octets */                      \
    X(NET_FULL_PIPE, "net-full-pipe") /* a send waits for room */                                  \
    X(NET_SLOW, "net-slow")                                                                        \
    X(NET_CUT, "net-cut")                   /* reset at any octet */                               \
    X(NET_SILENCE, "net-silence")           /* half open: nothing arrives any more, no end */      \
    X(NET_REFUSED, "net-refused")           /* connect refused by chance */                        \
    X(NET_ACCEPT_ERROR, "net-accept-error") /* -EMFILE given to on_accept */                       \
    X(NET_OTHER_SHARD, "net-other-shard")   /* a connection is received from by another shard */   \
    X(CLOCK_STEP, "clock-step")             /* the wall clock steps, either way */                 \
    X(COORDINATOR_LOST, "coordinator-lost") /* a new leader epoch of its partition */              \
    X(CUT_AFTER_LOAD, "cut-after-load") /* the power goes while what it loaded is being synced */  \
    X(CUT_AFTER_START, "cut-after-start") /* the power goes right after a kill was recovered */    \
    X(CRASH_IN_RECOVERY, "crash-in-recovery") /* before a log that was killed is open again */     \
    X(CRASH_IN_CLEANING, "crash-in-cleaning") /* a log was being compacted */                      \
    X(DIRECTORY_LOST, "directory-lost")     /* a failed write or sync took a log directory */      \
    X(SHARD_STALL, "shard-stall")           /* a turn comes milliseconds late */                   \
    X(SHARD_PART_TURN, "shard-part-turn")   /* a turn reaps some of what finished */               \
    X(OP_INLINE, "op-inline")               /* an operation finished at once */                    \
    X(OP_LATER, "op-later")                 /* one that may finish at once did not */              \
    X(ROOM_AHEAD, "room-ahead")             /* blocks were reserved behind a segment's end */      \
    X(SHORTENED, "shortened")               /* a file that goes got shorter before */              \
    X(TOGETHER, "together")                 /* a request was received with the one before */       \
    X(LONG_BATCH, "long-batch")             /* a worker walked a batch, others waited for it */    \
    /* of `group`: no faults, but a batch of seeds without them has not tried them */              \
    X(CLEAN_STOP, "clean-stop")                                                                    \
    X(REPLAYED, "replayed")           /* a loaded coordinator was held against its log's octets */ \
    X(GROUP_UPGRADED, "group-upgraded")                                                            \
    X(GROUP_DOWNGRADED, "group-downgraded")                                                        \
    X(REGEX, "regex")                 /* a member is subscribed by an expression */                \
    X(STATIC_AWAY, "static-away")     /* a static member left for a while */                       \
    X(COMMIT_OVERTAKEN, "commit-overtaken") /* at an epoch before the member's: acknowledged */    \
    X(COMMIT_REFUSED, "commit-refused") /* and refused: it had not the partition all the time */   \
    X(TOPIC_GROWN, "topic-grown")                                                                  \
    X(TOPIC_DELETED, "topic-deleted")                                                              \
    X(OFFSET_EXPIRED, "offset-expired")                                                            \
    X(RECORDS_CLEANED, "records-cleaned") /* of clients' topics were compacted away */             \
    X(SEGMENTS_RETAINED, "segments-retained") /* retention took some of clients' topics */         \
    X(OFFSETS_CLEANED, "offsets-cleaned") /* records of __consumer_offsets were compacted away */  \
    /* of `broker`, likewise */                                                                    \
    X(LAG_LOOKED_UP, "lag-looked-up") /* when the record was written that a reader reads next */   \
    X(TOPIC_REMADE, "topic-remade")   /* by one client while another deletes it */                 \
    X(RECORDS_DELETED, "records-deleted") /* by DeleteRecords, acknowledged */                     \
    X(SETTING_ALTERED, "setting-altered") /* of a topic, acknowledged */

enum fault_kind {
#define FAULT_ENUM(name, text) FAULT_##name,
    FAULT_KINDS(FAULT_ENUM)
#undef FAULT_ENUM
        FAULT_COUNT
};

const char *fault_name(enum fault_kind kind);

struct disk_faults {
    uint32_t read_error;  /* per read */
    uint32_t write_error; /* per write, allocate, truncate */
    uint32_t sync_error;  /* per sync, dir_sync and durable write */
    uint32_t no_file;     /* per open: the process has no free descriptor */
    uint32_t no_direct;   /* per open with IO_DIRECT: it is refused */
    uint32_t slow;        /* per operation: it takes up to slow_us */
    uint32_t hung;        /* per operation: the device answers nothing for up to hung_us */
    uint32_t writeback;   /* per write: one dirty page of the file goes to the device */
    uint32_t flip;        /* per restart after a crash: one bit of one stored page */
    uint32_t slow_us, hung_us;
    uint32_t op_us;          /* an ordinary operation takes 1 .. op_us */
    uint32_t sync_us;        /* a sync takes 1 .. sync_us */
    uint64_t capacity_bytes; /* 0: endless; a scenario changes it */
    uint32_t full_every_us;  /* about so often it fills up, or has room again; 0: never */
    /* At a power cut, each unsynced page of a file is lost, kept or torn with these weights. */
    uint8_t lose_weight, keep_weight, tear_weight;
};

struct net_faults {
    uint32_t latency_us;  /* 1 .. latency_us one way */
    uint32_t chunk_bytes; /* at most so many octets arrive at once, chunk_us apart; >= 1 */
    uint32_t chunk_us;
    uint32_t pipe_bytes;   /* of both socket buffers of one direction together; >= 1 */
    uint32_t dribble;      /* per stream: a direction arrives in pieces of 1 .. 8 octets */
    uint32_t slow;         /* per chunk: it arrives up to slow_us later */
    uint32_t cut;          /* per chunk: reset instead */
    uint32_t silence;      /* per chunk: this and nothing more arrives */
    uint32_t refused;      /* per connect */
    uint32_t accept_error; /* per accepted connection: preceded by an -EMFILE */
    uint32_t slow_us;
};

struct shard_faults {
    uint32_t op_inline; /* per operation: it finishes at once */
    uint32_t stall;     /* per turn: it comes up to stall_us late */
    uint32_t part_turn; /* per turn: some of what finished waits for the next */
    uint32_t turn_us;   /* a turn comes 1 .. turn_us after its cause */
    uint32_t stall_us;
    uint32_t post_us; /* a message arrives 1 .. post_us later */
    uint32_t work_us; /* a worker takes 1 .. work_us */
};

struct process_faults {
    uint32_t kill_every_us; /* about so often; 0: never */
    uint32_t power_every_us;
    uint32_t within_turn;   /* per crash: between two operations of a turn */
    uint32_t step_every_us; /* wall clock steps */
    int64_t step_ms;        /* by up to so much, either way */
    uint32_t down_us;       /* restarted 1 .. down_us after a crash */
};

struct sim_faults {
    struct disk_faults disk;
    struct net_faults net;
    struct shard_faults shard;
    struct process_faults process;
};

struct fault_counts {
    uint64_t enabled[FAULT_COUNT]; /* seeds in which it could fire */
    uint64_t fired[FAULT_COUNT];
};

/** No fault at all, short times: for tests of other things. */
struct sim_faults faults_none(void);
/** Swarm: each kind of fault is off or on for the seed by a coin, and its rate is drawn as well. */
struct sim_faults faults_swarm(struct prng *prng);
/** Says in counts which faults these rates enable. */
void faults_mark_enabled(const struct sim_faults *faults, struct fault_counts *counts);
void fault_counts_add(struct fault_counts *sum, const struct fault_counts *more);
