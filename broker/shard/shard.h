/* broker/shard/shard.h - one shard: the thread's own partitions, connections, memory and view of
 * the metadata. The subsystems of the broker meet here and in the API table, not in each other.
 * Everything in a struct shard is touched by its own thread only. What shards share is in struct
 * broker and does not change after the start, but for messages through the seam's mailboxes. */
#pragma once
#include "base/io.h"
#include "base/job.h"
#include "base/logging.h"
#include "base/map.h"
#include "base/pool.h"
#include "broker/broker.h"
#include "broker/handlers/batch_work.h"
#include "broker/metrics/answer_errors.h"
#include "broker/metrics/metrics.h"
#include "broker/net/buffers.h"
#include "broker/net/fetch_sessions.h"
#include "broker/shard/flushing.h"
#include "controller/metadata/image.h"
#include "log/dir.h"
#include "log/log.h"
#include "protocol/batch_walk.h"

struct shard;
struct partition;
struct publisher;
struct group_service;

/* A log directory of the process, the same for every shard. */
struct broker_dir {
    struct str path; /* terminated */
    struct uuid id;
    int lock_fd;
    int fs_fd;           /* the directory itself, open before anything is written into it */
    struct fs_rounds fs; /* of shard (index mod shards) */
    bool failed; /* at the start, or shard 0's: a shard could not write into it */
    bool is_missing; /* it could not be read at the start: what lies there is not known */
    bool is_for_metadata; /* metadata.log.dir, and no entry of log.dirs: it holds no partitions */
    bool clean;  /* it was shut down cleanly */
    struct checkpoint recovery_points, log_starts, high_watermarks, clean_ends;
    struct log_starts *starts, *cleaner; /* shard 0's: broker/shard/log_starts.h */
    struct found_partition *found;
    uint32_t found_count;
    struct log_recovery recovery; /* of the start: broker/shard/opening.h */
};

/* Shared by all shards; only shard 0 changes it, and only before the others are told. */
struct broker {
    struct broker_setup setup;
    const struct config *config; /* setup.config->values */
    struct arena arena;          /* shard 0's: what lives as long as the broker */
    struct shard **shards;
    uint32_t shard_count;
    struct broker_dir *dirs;
    uint32_t dir_count, metadata_dir;
    char cluster_id[64];
    int32_t node_id;
    struct uuid incarnation_id;
    uint16_t *ports;              /* bound, by client listener */
    struct io_address *addresses; /* to bind, by client listener */
    uint64_t memory_limit_bytes;  /* of one shard's buffers */
    struct publisher *publisher;  /* shard 0: metadata log, decisions, images on their way */
    struct lifecycle *lifecycle;  /* shard 0: the start and the stop */
    struct admission *admission;  /* shard 0: who may connect */
    struct checkpoints *checkpoints; /* shard 0: broker/shard/checkpoints.h */
    struct cleaners *cleaners;    /* shard 0; NULL: none yet */
    uint64_t moves_next_us; /* shard 0: when broker/shard/moves.h may copy its next octets ... */
    uint64_t moves_rate;    /* ... by this rate */
    struct disk_watch *disk_watch;   /* shard 0: broker/shard/disk_watch.h */
    const struct error_paths *error_paths; /* by API key; of the responses that are served */
};

/* A directory failed: one shard's word to shard 0, and shard 0's word to every shard. */
struct dir_failure {
    struct io_message message, spread;
    struct broker *broker;
    uint32_t dir_index;
    enum status why;
};

enum disk_rung { DISK_ROOM, DISK_WARN, DISK_THROTTLE, DISK_REJECT };

/* How full a directory's file system is, as a shard was told: broker/shard/disk_watch.h. */
struct disk_state {
    enum disk_rung rung;
    uint32_t throttle_ms; /* of each produce request, while the rung is DISK_THROTTLE */
};

/* One shard's word to shard 0 that something which must go on found no room. */
struct disk_cry {
    struct io_message message;
    struct shard *shard;
    uint32_t dir_index;
    bool is_away;
};

/* What a partition was when its log was closed cleanly; for the checkpoint files. */
struct closed_partition {
    struct str topic; /* own copy, terminated */
    int32_t partition;
    uint32_t dir_index;
    int64_t log_start, first_base_offset, end;
};

struct shard {
    struct broker *broker;
    struct io *io;
    struct mem *mem; /* io->mem */
    uint32_t index;
    struct jobs jobs;
    struct log_dir *dirs;             /* broker->dir_count of them */
    struct dir_failure *dir_failures; /* as many */
    struct disk_state *disks;         /* as many */
    struct disk_cry *disk_cries;      /* as many */
    const struct image *image;        /* borrowed until a newer one was acknowledged */
    struct list images;               /* newer ones whose logs are still being opened or deleted */
    bool is_applying;
    struct unopened *unopened; /* of broker/metadata/unopened.c; NULL: none yet */
    bool has_opened;       /* the partitions there were at the start; later ones are new */
    struct list strangers; /* of broker/shard/opening.c */
    struct map partitions; /* by (topic id, index); only this shard's */
    struct buffers buffers;
    struct pool requests, connections;
    struct fetch_sessions fetch_sessions;
    struct list connection_list; /* least recently active first */
    uint32_t connection_count;
    uint32_t releasing_count; /* requests that give back what they hold, on other shards perhaps */
    int64_t producer_id_expiration_ms; /* a setting that may change */
    struct io_timer idle_timer;        /* closes idle connections */
    uint32_t cleaner_count;            /* cleaners at work on this shard */
    struct job *cleaner_stopper;       /* waits until they have left */
    struct jobs move_jobs;             /* of broker/shard/moves.h */
    struct jobs large_jobs;            /* requests and answers that take many turns */
    uint32_t move_count;               /* moves, and their errands, under way */
    struct job *moves_stopper;         /* waits until they have ended */
    struct housekeeping *housekeeping; /* NULL: not started, or stopped */
    struct flushing flushing;
    struct list listening;             /* struct acceptor of broker/net/listener.c */
    struct batch_scratch scratch;
    struct batch_workers batch_workers; /* for batches that are long to walk */
    struct metrics metrics;
    struct log_limit log_bad_frame, log_bad_request;
    struct closed_partition *closed; /* at the stop */
    uint32_t closed_count, closed_capacity;
    bool stopping;
    uint32_t scrubber_count;                   /* of broker/shard/scrubbers.h, at work */
    struct job *scrubbers_ended;               /* wakes when they have ended */
    struct job *closing;                       /* waits for the last connection to go */
    int64_t next_producer_id, end_producer_id; /* what is left of this shard's block of ids */
    struct group_service *groups; /* the coordinators of this shard: broker/group/service.h */
    struct list producer_id_waiters; /* struct id_wait of broker/handlers/init_producer_id.c */
};

/** Which shard owns a partition: (hash(topic id) + index) mod shards. */
static inline uint32_t shard_of_partition(const struct broker *broker, struct uuid topic_id,
                                          int32_t index) {
    return (uint32_t)((hash_bytes(topic_id.b, 16, 0) + (uint32_t)index) % broker->shard_count);
}
/** The metadata directory failed, or the last log directory: nothing can be served any more. On
 * shard 0. */
void broker_fail(struct broker *broker, enum status why);

/** A directory failed on some shard: its partitions are offline; without the metadata directory, or
 * without any, the broker stops. On shard 0. */
void broker_dir_failed(struct broker *broker, uint32_t dir_index, enum status why);

/** Every shard takes the directory offline. On shard 0. */
void shards_spread_failure(struct broker *broker, uint32_t dir_index);

/** Makes the shard of one io; on its thread. */
struct shard *shard_new(struct broker *broker, struct io *io);
/** Everything was closed. */
void shard_free(struct shard *shard);
/** Closes the listeners and every connection; returns when the last one has gone, and what their
 * requests held on any shard. */
void shard_close_connections(struct job *job, struct shard *shard);
/** Closes every partition's log. */
void shard_close_partitions(struct job *job, struct shard *shard);
/** To be called when a connection has gone, its memory too, or what a request held: the last one
 * ends shard_close_connections. */
void shard_check_closed(struct shard *shard);
/** The partition on this shard, NULL when it is not here (yet, or any more). */
struct partition *shard_partition(const struct shard *shard, struct uuid topic_id, int32_t index);
