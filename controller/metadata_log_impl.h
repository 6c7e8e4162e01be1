/* controller/metadata_log_impl.h - what a metadata log consists of; for metadata_log*.c only. */
#pragma once
#include "base/limits.h"
#include "controller/metadata_log.h"
#include "controller/metadata_replay.h"
#include "controller/raft/quorum_state.h"
#include "controller/raft/raft.h"
#include "controller/snapshot.h"

struct metadata_log {
    struct log_owner owner;
    struct metadata_log_open open;
    struct io *io;
    struct log *log;
    struct raft raft;
    int16_t quorum_state_version;
    struct metadata_replay replay; /* its image is the newest one */
    struct list in_flight;         /* struct metadata_append, in offset order */
    struct list refused;           /* to be told at the end of the turn */
    struct io_later tell_refused;
    struct arena bootstrap_arena;
    struct bytes *bootstrap; /* of bootstrap.checkpoint */
    uint32_t bootstrap_count;
    struct arena arena;  /* of one applied step */
    struct job *leading; /* waits for its epoch to be committed */
    enum status failed;
    char path[LIMIT_PATH_BYTES]; /* <dir>/__cluster_metadata-0 */
};

/* Nothing is committed from now on; says so once to everybody who waits. */
void metadata_log_fail(struct metadata_log *log, enum status why);

/* What the log calls, and the turn's end. */
void metadata_log_on_end(struct log_owner *owner);
void metadata_log_on_durable(struct log_owner *owner);
void metadata_log_on_offline(struct log_owner *owner);
void metadata_log_tell_refused(struct io_later *later);
