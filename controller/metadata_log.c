/* controller/metadata_log.c - the shell around raft: what it says is written, synced and applied,
 * in that order. An append's way: batch -> log (in the file) -> sync round (durable) -> raft
 * (commit) -> image -> on_image -> done. */
#include "controller/metadata_log.h"
#include "base/assert.h"
#include "base/logging.h"
#include "controller/metadata_log_impl.h"
#include "protocol/batch_builder.h"

/* What an append carries in `impl` while it is on its way. */
struct append_state {
    struct metadata_log *log;
    struct metadata_append *append;
    struct log_append write;
    struct batch_builder builder;
    bool is_written;
};
_Static_assert(sizeof(struct append_state) <= sizeof(((struct metadata_append *)0)->impl),
               "an append carries its state");

static struct append_state *state_of(struct metadata_append *append) {
    return (struct append_state *)(void *)append->impl;
}

/* --- failure --- */

static void finish(struct metadata_append *append, enum status status) {
    append->status = status;
    append->done(append);
}

void metadata_log_fail(struct metadata_log *log, enum status why) {
    if (log->failed != ST_OK) return;
    log->failed = why;
    struct raft_effects none;
    raft_step(&log->raft, io_now(log->io), &(struct raft_event){.type = RAFT_DISK_FAILED}, &none);
    LIST_EACH(&log->in_flight,
              link) { /* those not in the file yet are told when their write ends */
        struct metadata_append *append = CONTAINER_OF(link, struct metadata_append, link);
        if (append->count > 0 && !state_of(append)->is_written) continue;
        list_remove(link);
        finish(append, ST_IO);
    }
    if (log->open.on_failure != NULL) log->open.on_failure(log->open.owner, why);
    struct job *leading = log->leading;
    log->leading = NULL;
    if (leading != NULL) job_wake(leading);
}

/* --- committed --- */

/* Hands the values of one committed append to the image. */
static enum status apply(struct metadata_log *log, const struct metadata_append *append) {
    struct metadata_replay *replay = &log->replay;
    const char *problem = "";
    enum status st = ST_OK;
    for (uint32_t i = 0; i < append->count && st == ST_OK; i++) {
        st = record_group_add(&replay->group, append->values[i], &problem);
    }
    uint32_t ready = record_group_ready(&replay->group);
    if (st != ST_OK || ready == 0) return st;
    struct image *previous = replay->image, *next;
    struct image_delta delta;
    st = image_apply(previous, replay->group.values, ready, append->last_offset,
                     log->raft.durable.epoch, &log->arena, &next, &delta);
    if (st != ST_OK) {
        LOG_ERROR("metadata", "own record refused: offset=%lld status=%s problem=%s",
                  (long long)append->last_offset, status_name(st), LOG_TEXT(delta.problem));
        return st;
    }
    replay->image = next;
    replay->last_offset = append->last_offset;
    replay->last_epoch = log->raft.durable.epoch;
    log->open.on_image(log->open.owner, next, previous, &delta);
    record_group_applied(&replay->group); /* the delta borrowed from it */
    arena_reset(&log->arena);
    return ST_OK;
}

static void commit(struct metadata_log *log, int64_t end) {
    while (log->failed == ST_OK && !list_is_empty(&log->in_flight)) {
        struct metadata_append *append =
            CONTAINER_OF(log->in_flight.next, struct metadata_append, link);
        if (append->last_offset >= end) break;
        list_remove(&append->link);
        enum status st = append->count > 0 ? apply(log, append) : ST_OK;
        finish(append, st);
        if (st != ST_OK) metadata_log_fail(log, st);
    }
    struct job *leading = raft_is_leading(&log->raft) ? log->leading : NULL;
    if (leading == NULL) return;
    log->leading = NULL;
    job_wake(leading);
}

void metadata_log_on_end(struct log_owner *owner) {
    struct metadata_log *log = CONTAINER_OF(owner, struct metadata_log, owner);
    struct raft_effects effects;
    struct raft_event event = {RAFT_APPENDED, log_end(log->log)};
    raft_step(&log->raft, io_now(log->io), &event, &effects);
}

void metadata_log_on_durable(struct log_owner *owner) {
    struct metadata_log *log = CONTAINER_OF(owner, struct metadata_log, owner);
    struct raft_effects effects;
    struct raft_event event = {RAFT_SYNCED, log_durable_end(log->log)};
    raft_step(&log->raft, io_now(log->io), &event, &effects);
    if (effects.commit) commit(log, effects.commit_end);
}

void metadata_log_on_offline(struct log_owner *owner) {
    metadata_log_fail(CONTAINER_OF(owner, struct metadata_log, owner), ST_IO);
}

/* --- appending --- */

static void written(struct log_append *write) {
    struct append_state *state = CONTAINER_OF(write, struct append_state, write);
    struct metadata_log *log = state->log;
    enum status st = write->status;
    batch_builder_release(&state->builder);
    state->is_written = true;
    if (st == ST_OK && log->failed == ST_OK) {
        log_sync(log->log);
        return;
    }
    list_remove(&state->append->link);
    finish(state->append, ST_IO);
    metadata_log_fail(log, ST_IO);
}

static enum status build(struct append_state *state, const struct metadata_append *append,
                         int64_t now_ms, struct bytes *ret_batch) {
    struct batch_builder *builder = &state->builder;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    enum status st = batch_builder_start(builder, &options);
    for (uint32_t i = 0; i < append->count && st == ST_OK; i++) {
        st = batch_builder_add(builder, now_ms, BYTES_NULL, append->values[i], NULL, 0);
    }
    return st == ST_OK ? batch_builder_finish(builder, ret_batch) : st;
}

void metadata_log_tell_refused(struct io_later *later) {
    struct metadata_log *log = CONTAINER_OF(later, struct metadata_log, tell_refused);
    for (struct list *link; (link = list_pop_front(&log->refused)) != NULL;) {
        struct metadata_append *append = CONTAINER_OF(link, struct metadata_append, link);
        append->done(append);
    }
}

static void refuse(struct metadata_log *log, struct metadata_append *append, enum status status) {
    append->status = status;
    list_push_back(&log->refused, &append->link);
    io_later(log->io, &log->tell_refused);
}

void metadata_log_append(struct metadata_log *log, struct metadata_append *append) {
    ASSERT(append->done != NULL && raft_is_leading(&log->raft) == (log->failed == ST_OK));
    if (log->failed != ST_OK) {
        refuse(log, append, ST_IO);
        return;
    }
    append->last_offset = log_assigned_end(log->log) - 1;
    if (append->count == 0) { /* done with what is before it */
        if (list_is_empty(&log->in_flight)) {
            refuse(log, append, ST_OK);
        } else {
            list_push_back(&log->in_flight, &append->link);
        }
        return;
    }
    struct append_state *state = state_of(append);
    *state = (struct append_state){.log = log, .append = append};
    batch_builder_init(&state->builder, log->open.mem);
    struct bytes batch;
    int64_t now_ms = io_now(log->io).wall_ms;
    enum status st = build(state, append, now_ms, &batch);
    if (st == ST_OK) {
        state->write = (struct log_append){
            .done = written,
            .batch = state->builder.out.data,
            .batch_bytes = (uint32_t)batch.len,
            .record_count = (int32_t)append->count,
            .max_timestamp_ms = now_ms,
            .leader_epoch = log->raft.durable.epoch,
        };
        st = log_append(log->log, &state->write);
    }
    if (st != ST_OK) {
        batch_builder_release(&state->builder);
        refuse(log, append, st);
        return;
    }
    append->last_offset = state->write.last_offset;
    list_push_back(&log->in_flight, &append->link);
}

bool metadata_log_is_idle(const struct metadata_log *log) {
    return list_is_empty(&log->in_flight) && list_is_empty(&log->refused);
}

bool metadata_log_deleted(const struct metadata_log *log, struct uuid topic_id) {
    for (size_t i = 0; i < log->replay.removed_count; i++) {
        if (uuid_eq(log->replay.removed[i], topic_id)) return true;
    }
    return false;
}

struct image *metadata_log_image(struct metadata_log *log) {
    return log->replay.image;
}
int32_t metadata_log_epoch(const struct metadata_log *log) { return log->raft.durable.epoch; }
int64_t metadata_log_end(const struct metadata_log *log) { return log_assigned_end(log->log); }
int64_t metadata_log_high_watermark(const struct metadata_log *log) {
    return log->raft.high_watermark;
}

const struct bytes *metadata_log_bootstrap(const struct metadata_log *log, uint32_t *ret_count) {
    *ret_count = log->bootstrap_count;
    return log->bootstrap;
}

void metadata_log_release(struct metadata_log *log, struct image *image) {
    ASSERT(image != log->replay.image);
    image_free(image);
}
