/* controller/metadata_log.h - `__cluster_metadata-0` on disk, kept by the voters: snapshot, log,
 * quorum-state, and the image that they amount to. The shell around controller/raft (pure): it
 * persists what raft says must be persisted, in that order, and hands committed batches to the
 * image. For now a single voter: this node. The quorum's RPCs have their place in controller/raft
 * and broker/quorum. Owner: shard 0. */
#pragma once
#include "base/job.h"
#include "controller/metadata/image.h"
#include "log/log.h"

struct metadata_log;

struct metadata_log_open {
    struct log_dir *dir; /* the metadata directory; its on_failure is the owner's */
    struct str cluster_id;
    int32_t node_id;
    struct uuid directory_id;
    bool is_static_voter; /* controller.quorum.voters names this node alone: the voter set of a
                             directory that holds none (kraft.version 0) */
    bool is_clean; /* the directory was shut down cleanly: no recovery, and nothing to sync. What
                      is read is verified all the same */
    struct mem *mem;
    /** A batch was committed and applied: `next` is current from now on; `previous` must be
     * released with metadata_log_release when no shard reads it any more. */
    void (*on_image)(void *owner, struct image *next, struct image *previous,
                     const struct image_delta *delta);
    /** The log or its directory failed: nothing will be committed any more. */
    void (*on_failure)(void *owner, enum status why);
    void *owner;
};

/** Loads the newest valid snapshot and replays the log after it (a torn tail is cut; the log's
 * files are made when there are none). ST_UNSUPPORTED / ST_CORRUPT / ST_INVALID / ST_IO with one
 * line in ret_message that names the file and what is wrong (unknown record, feature level above
 * ours, more than one voter, voter or directory id not ours, replicas on other nodes). */
MUST_CHECK enum status metadata_log_load(struct job *job, const struct metadata_log_open *open,
                                         struct arena *arena, struct metadata_log **ret_log,
                                         struct str *ret_message);
/** Becomes leader of the next epoch: quorum-state durable, then the LEADER_CHANGE batch (with
 * KRAFT_VERSION and KRAFT_VOTERS on the very first) durable. From then on appends are taken. */
MUST_CHECK enum status metadata_log_lead(struct job *job, struct metadata_log *log);
/** Whether the log that was loaded, behind its snapshot, deletes that topic. Any shard may ask,
 * until metadata_log_lead. */
bool metadata_log_deleted(const struct metadata_log *log, struct uuid topic_id);
/** The image of everything committed. */
struct image *metadata_log_image(struct metadata_log *log);
int32_t metadata_log_epoch(const struct metadata_log *log);
/** The offset that the next record gets. */
int64_t metadata_log_end(const struct metadata_log *log);
/** Everything below it is committed. */
int64_t metadata_log_high_watermark(const struct metadata_log *log);

struct metadata_append {
    void (*done)(
        struct metadata_append *append); /* committed and applied (after on_image), or failed */
    const struct bytes
        *values; /* borrowed until done; count == 0 is done when everything before it is */
    uint32_t count;
    enum status status;
    int64_t last_offset;
    struct list link;  /* the log's */
    uint64_t impl[64]; /* the log's */
};
/** Appends the records as one batch. Decisions are made against metadata_log_image plus everything
 * that is on its way, so the owner makes one decision at a time: the next one starts in or after
 * `done` (metadata_log_is_idle). */
void metadata_log_append(struct metadata_log *log, struct metadata_append *append);
bool metadata_log_is_idle(const struct metadata_log *log);
/** Frees an image that on_image handed out as previous. */
void metadata_log_release(struct metadata_log *log, struct image *image);
/** Nothing may be on its way. The log is flushed and closed, images handed out as previous are the
 * owner's to release before. */
MUST_CHECK enum status metadata_log_close(struct job *job, struct metadata_log *log);
/** Frees everything without touching the disk: after a failure. Appends on their way get ST_IO
 * before. */
void metadata_log_abandon(struct metadata_log *log);

/** The records of `<dir>/bootstrap.checkpoint`, which controller_register writes first into a new
 * cluster's log; borrowed from the log. None once the image has a metadata.version, or when there
 * is no such file. */
const struct bytes *metadata_log_bootstrap(const struct metadata_log *log, uint32_t *ret_count);
