/* broker/metadata/publisher.h - the one way by which metadata changes: a decision (request and
 * image in, records out) is appended to the metadata log, committed, applied to the image, and the
 * image is given to every shard; when all have applied it (logs opened, logs deleted) the decision
 * is done and its answer may leave. One decision at a time, in order of arrival. Owner: shard 0.
 * While the disk of the metadata log hangs nothing is decided; who does not want to wait for it
 * says so (begin_by_us, late_us). */
#pragma once
#include "base/arena.h"
#include "broker/shard/shard.h"
#include "controller/controller.h"
#include "controller/metadata_log.h"

struct publisher;

/* Made by decision_new, freed by decision_free; on shard 0 alone. */
struct decision {
    struct list link;
    struct publisher *publisher;
    struct arena arena; /* records and answers */
    struct controller_records records;
    struct metadata_append append;
    struct io_message release; /* from the shard that read the answer */
    int64_t applied_at;        /* offset that every shard must have applied */
    enum status status;
    bool is_done_at_commit; /* whoever waits may hold up the applying of images before this one's */
    bool is_long;           /* others have turns while it is decided (base/breathe.h) */
    /* How long somebody waits for it, monotonic; 0: for as long as it takes. */
    uint64_t begin_by_us; /* not begun by then, it never is: `done` gets ST_TIMEOUT */
    uint64_t late_us;     /* begun and not done by then: `late` is told, once */
    struct io_timer timer;
    uint32_t hold_count; /* decision_free frees it for the last one */
    /** What to append: reads the context's image, fills `records` (none: nothing to do). */
    void (*decide)(struct decision *decision, const struct controller_context *ctx);
    /** Committed, and applied everywhere unless is_done_at_commit (ST_OK), or not appended at all.
     * The decision is the callee's now. */
    void (*done)(struct decision *decision, enum status st);
    /** A disk hangs, say. What was decided may still come to be: `done` is called in any case. */
    void (*late)(struct decision *decision);
    void *owner;
};

/** Loads the metadata log of broker->dirs[metadata_dir]; on failure *ret_message is one line in
 * broker->arena. */
MUST_CHECK enum status publisher_open(struct job *job, struct broker *broker,
                                      struct str *ret_message);
/** Every shard exists and holds the loaded image: take the lead of the log, write down where
 * partitions lie, and register this process. */
MUST_CHECK enum status publisher_lead(struct job *job, struct publisher *publisher,
                                      struct str *ret_message);
/** Directories failed (broker->dirs[].failed): nothing that lies there is led any more. */
void publisher_dirs_failed(struct publisher *publisher);
/* This node's replica lies in another log directory from now on. */
struct directory_assignment {
    struct uuid topic_id;
    int32_t index;
    uint32_t dir_index;
    enum status status; /* ST_OK also when the partition has gone */
    /** On shard 0, when it is committed: a topic whose deletion the shards wait for may wait for
     * requests that wait for this move. */
    void (*done)(struct directory_assignment *assignment);
};
void publisher_assign_directory(struct publisher *publisher,
                                struct directory_assignment *assignment);
/** Leads nothing any more and is fenced, as Kafka leaves a node that was stopped cleanly. */
MUST_CHECK enum status publisher_shut_down(struct job *job, struct publisher *publisher);
/** Nothing may be on its way. */
MUST_CHECK enum status publisher_close(struct job *job, struct publisher *publisher);
/** NULL is allowed. */
void publisher_free(struct publisher *publisher);
/** metadata_log_deleted. */
bool publisher_saw_deletion(const struct publisher *publisher, struct uuid topic_id);
const struct image *publisher_image(struct publisher *publisher);
/** Nothing is being decided, committed or applied. */
bool publisher_is_idle(const struct publisher *publisher);
/** Broker epoch of this process: the offset of its registration; -1 before it. */
int64_t publisher_broker_epoch(const struct publisher *publisher);

struct decision *decision_new(struct publisher *publisher);
/** Two must free it now. */
void decision_hold(struct decision *decision);
void decision_free(struct decision *decision);
void publisher_submit(struct publisher *publisher, struct decision *decision);
