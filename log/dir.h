/* log/dir.h - one log directory (an entry of log.dirs) as one shard sees it, and the small files at
 * its root. Files: docs/formats/log-directory.md. The path is shared by all shards, the rest is
 * this shard's own. Sync rounds: logs with something to sync queue here; a bounded number of syncs
 * is in flight, always fewer than the ring's workers, or one syncfs for all shards, so that a hung
 * directory cannot starve another. */
#pragma once
#include "base/io.h"
#include "base/arena.h"
#include "base/job.h"
#include "base/logging.h"
#include "base/pool.h"
#include "log/names.h"
#include "log/fs_rounds.h"

/* Offset indexes of older segments that stay in memory after a lookup, per directory and shard. */
#define LOG_DIR_INDEX_BYTES ((size_t)8 << 20)
/* Dirty logs of one round that nobody waits for from which on it may be one syncfs, unless fs_from
 * says fewer. */
#define LOG_DIR_LATE_FS_FROM 4u
#define LOG_DIR_SYNC_LIMIT 4 /* syncs in flight at once, unless the owner says otherwise */
/* Files of inactive segments that stay open though nobody uses them, per directory and shard,
 * unless the owner says otherwise. */
#define LOG_DIR_IDLE_FILES 256u
/* Dirty logs that are worth a syncfs, unless the owner says otherwise. */
#define LOG_DIR_FS_FROM 64

/* What a start has before it in one directory: counted by all shards, read by any thread. */
struct log_recovery {
    uint64_t logs;            /* to be opened */
    uint64_t segments, bytes; /* to be recovered, of the logs that are being opened */
};
static inline void log_recovery_add(uint64_t *counter, int64_t amount) {
    (void)__atomic_add_fetch(counter, (uint64_t)amount, __ATOMIC_RELAXED);
}
static inline uint64_t log_recovery_get(const uint64_t *counter) {
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct log_dir {
    struct io *io;     /* borrowed */
    struct jobs *jobs; /* borrowed: for rolling, deletion and lookups that need one */
    struct str path;   /* borrowed, absolute or as configured; terminated */
    struct io_disk disk;
    struct now opened; /* when log_dir_init ran */
    struct log_recovery *recovery; /* shared by the shards; NULL: nobody asks */
    bool offline;
    /** Said once, on this shard, after the first failed write or sync. */
    void (*on_failure)(struct log_dir *dir, enum status why);
    /** An append that waits for room found none. NULL: nobody makes any. */
    void (*on_full)(struct log_dir *dir);
    uint64_t full_count; /* appends that found no room */
    enum status unclean; /* why a log of it was not left in order, so that no stop is clean */
    bool is_unverified;  /* the owner's: one was not opened after such a stop; nor is the next */
    void *owner;
    /* sync rounds, private to log/rounds.c */
    struct list dirty;
    uint64_t room_from; /* the owner's; larger active segments get room in advance: log/ahead.h */
    bool is_short;      /* the owner's: of room, so none is asked for in advance */
    uint32_t syncs_in_flight, sync_limit;
    uint32_t ring_writes; /* appends that the ring has, at most LOG_DIR_RING_WRITES */
    struct list ring_waiters; /* struct log that wait until it has fewer */
    struct fs_rounds *fs; /* borrowed, the owner's; shared by shards; NULL: file by file always */
    uint32_t fs_from;     /* the owner's; 0: never */
    /* The owner's, while it opens many logs after a crash: what recovery makes, and a start after
     * the next crash would make once more, waits for log_dir_settle. */
    bool gathers_syncs;
    bool is_unsettled; /* something waits for it */
    struct fs_question fs_question;
    struct list in_fs_round; /* logs that it is asked for */
    bool fs_is_asked;
    uint64_t fs_began_us;
    uint64_t file_sync_us, fs_sync_us; /* averages of what a round takes: per file, and at all */
    uint32_t fs_passed_over;           /* rounds since the last syncfs that it was too slow for */
    uint64_t fs_sync_count;
    uint64_t progress_us; /* when a sync last ended, or began with none under way */
    uint64_t write_progress_us; /* the same of ring_writes */
    struct io_later later;
    uint64_t sync_count, synced_logs;
    /* private to log/: what its logs share */
    struct list idle_writes;    /* struct append_write */
    struct pool scans;          /* buffers in which reads look for batch headers */
    struct list loaded_indexes; /* least recently used first */
    size_t loaded_index_bytes;
    uint64_t verified_bytes; /* read once before they were served (log/verified.h) */
    uint64_t corrupt_reads;  /* that met damage */
    struct log_limit log_corrupt;
    struct list idle_files; /* of segments, least recently used first */
    uint32_t idle_file_count, idle_file_limit;
    uint32_t log_count;   /* that are open, or abandoned with something still under way */
    struct list removals; /* files that wait for file.delete.delay.ms */
    uint32_t removals_running;
    bool ends_removals;          /* those at work take no more time */
    uint64_t removal_step_bytes; /* the owner's: log/removal.h */
};

/* Each write and sync of a directory that hangs, or is frozen, holds one of the kernel's threads of
 * the shard's ring: with fewer than it may have, other directories go on. */
#define LOG_DIR_RING_WRITES 8

/** Zeroes the rest; the owner sets on_failure and owner afterwards. */
void log_dir_init(struct log_dir *dir, struct io *io, struct jobs *jobs, struct str path);
/** Every log of it is closed or abandoned, and no read is held; waits for what is still under way
 * for them. Removals that still wait are given up (the next start finds and removes what they
 * meant); ones at work are waited for. */
void log_dir_release(struct job *job, struct log_dir *dir);
/** One syncfs (log/fs_rounds.h) for what recovery left to it, before anything is served from the
 * logs or their recovery points move; nothing when there is none. After a failure the directory is
 * offline. */
void log_dir_settle(struct job *job, struct log_dir *dir);
/** Descriptors ran out: closes those that nobody uses now, and keeps fewer from now on. */
void log_dir_spare_files(struct log_dir *dir);

/* meta.properties, version 1. */
#define META_PROPERTIES_FILE "meta.properties"
struct meta_properties {
    char cluster_id[64]; /* terminated */
    int32_t node_id;
    struct uuid directory_id; /* zero: the file has none, as Kafka wrote it before 3.7 */
};
/** ST_NOT_FOUND: the directory or the file is missing; ST_CORRUPT: unreadable, *ret_reason (static
 * text) says why. */
MUST_CHECK enum status meta_properties_read(struct job *job, struct str dir,
                                            struct meta_properties *ret_meta,
                                            const char **ret_reason);
MUST_CHECK enum status meta_properties_write(struct job *job, struct str dir,
                                             const struct meta_properties *meta);

/** Takes `<dir>/.lock` as Kafka does; keeps the descriptor open. ST_BUSY: a living process holds
 * it. */
MUST_CHECK enum status log_dir_lock(struct job *job, struct str dir, int *ret_fd);

/** `.kafka_cleanshutdown`: broker epoch of the clean stop; ST_NOT_FOUND after an unclean one. The
 * file is read, then removed durably by log_dir_take_clean_marker; that it is not there is durable,
 * too, when that returns. */
MUST_CHECK enum status log_dir_take_clean_marker(struct job *job, struct str dir,
                                                 int64_t *ret_broker_epoch);
MUST_CHECK enum status log_dir_write_clean_marker(struct job *job, struct str dir,
                                                  int64_t broker_epoch);

#define RECOVERY_POINT_FILE "recovery-point-offset-checkpoint"
#define LOG_START_FILE "log-start-offset-checkpoint"
#define CLEANER_CHECKPOINT_FILE "cleaner-offset-checkpoint"
/* recovery-point-offset-checkpoint, log-start-offset-checkpoint, replication-offset-checkpoint,
 * cleaner-offset-checkpoint: version 0, count, `topic partition offset` lines. */
struct checkpoint_entry {
    struct str topic; /* arena */
    int32_t partition;
    int64_t offset;
};
struct checkpoint {
    struct checkpoint_entry *entries; /* arena; sorted by (topic, partition) */
    uint32_t count;
};
/** A missing or empty file is an empty checkpoint; ST_CORRUPT with *ret_line, the line that is
 * wrong. */
MUST_CHECK enum status checkpoint_read(struct job *job, struct str dir, const char *file,
                                       struct arena *arena, struct checkpoint *ret_checkpoint,
                                       uint32_t *ret_line);
MUST_CHECK enum status checkpoint_write(struct job *job, struct str dir, const char *file,
                                        const struct checkpoint *checkpoint);
/** The offset of a partition; `missing` when it has none. Binary search. */
int64_t checkpoint_find(const struct checkpoint *checkpoint, struct str topic, int32_t partition,
                        int64_t missing);

/* A partition directory found at start. */
enum found_kind {
    FOUND_PARTITION,
    FOUND_DELETED,
    FOUND_FUTURE,
    FOUND_STRAY,
    FOUND_CLUSTER_METADATA
};
struct found_partition {
    struct str name;  /* of the directory, arena */
    struct str topic; /* arena */
    int32_t partition;
    enum found_kind kind;
};
/** All partition directories of a log directory; a directory whose name is none is ST_CORRUPT with
 * its name logged, as Kafka refuses it (hidden ones and known suffixes apart). */
MUST_CHECK enum status log_dir_scan(struct job *job, struct str dir, struct arena *arena,
                                    struct found_partition **ret_found, uint32_t *ret_count);
/** Removes a `-delete` or `-future` directory and everything in it. */
MUST_CHECK enum status log_dir_remove_found(struct job *job, struct str dir, struct str name);
/** Gives another name to a partition's directory, durably. */
MUST_CHECK enum status log_dir_rename_found(struct job *job, struct str dir, struct str from,
                                            struct str to);
/** Gives it a `-stray` one: it is nobody's any more, and stays. */
MUST_CHECK enum status log_dir_set_aside(struct job *job, struct str dir,
                                         const struct found_partition *found);
/** "<dir>/<topic>-<partition>.<32 random hex digits><suffix>", the topic cut so that it fits into a
 * name. */
void log_dir_unique_path(struct io *io, struct str dir, struct str topic, int32_t partition,
                         const char *suffix, struct log_path *path);
