/* log/full.c - undoing an append that found no room. */
#include "log/full.h"
#include <inttypes.h>
#include "base/assert.h"
#include "base/logging.h"

static void put_back(struct log *log, struct list *failed) {
    struct list *at = log->queued.next;
    for (struct list *node; (node = list_pop_front(failed)) != NULL;) list_insert_before(at, node);
}

/* The producers' state as it was before these appends. */
static enum status forget_producers(struct log *log, const struct list *appends) {
    struct mem *mem = log->dir->io->mem;
    size_t count = 0;
    bool any = false;
    LIST_EACH(appends, node) {
        count++;
        any = any || CONTAINER_OF(node, struct log_append, link)->change.before.producer_id !=
                         NO_PRODUCER_ID;
    }
    if (!any) return ST_OK;
    size_t bytes = count * sizeof(struct producer_change *);
    const struct producer_change **later = mem_need(mem, bytes);
    count = 0;
    LIST_EACH(appends, node)
    later[count++] = &CONTAINER_OF(node, struct log_append, link)->change;
    enum status st = producer_states_undo(&log->producers, later, count, log->end,
                                          log_steady_ms(log));
    mem_free(mem, later, bytes);
    return st;
}

/* They may start nothing new: the log refuses until the job is done. */
static void answer(struct log *log, struct list *failed) {
    struct list all;
    list_init(&all);
    for (struct list *node; failed != NULL && (node = list_pop_front(failed)) != NULL;)
        list_push_back(&all, node);
    for (struct list *node; (node = list_pop_front(&log->queued)) != NULL;)
        list_push_back(&all, node);
    enum status st = forget_producers(log, &all);
    log->assigned_end = log->end;
    log->sync_wanted = MIN(log->sync_wanted, log->end);
    log->sync_awaited = MIN(log->sync_awaited, log->end);
    for (struct list *node; (node = list_pop_front(&all)) != NULL;) {
        struct log_append *append = CONTAINER_OF(node, struct log_append, link);
        append->status = ST_NO_SPACE;
        append->done(append);
    }
    if (st != ST_OK) log_fail(log, st); /* what it would say of producers would be wrong */
}

static void undo_job(struct job *job, void *argument) {
    struct log *log = argument;
    struct io *io = log->dir->io;
    log_job_begin(job, log);
    log_job_quiet(job, log);
    struct segment *active = log_active(log);
    enum status st = log_is_offline(log) ? ST_IO : ST_OK;
    if (st == ST_OK && active->file >= 0) { /* else nothing was written into it */
        st = job_truncate(job, active->file, active->size_bytes);
        active->was_cut = true;
    }
    if (st != ST_OK) log_fail(log, st);
    log_job_end(log);
    job_sleep_until(job, io_now(io).mono_us + FULL_PAUSE_US);
    log->is_full = false;
    io_later(io, &log->pump);
    log_let_go(log);
}

void full_undo(struct log *log, struct list *failed) {
    ASSERT(!log->is_full && log->write == NULL);
    struct log_dir *dir = log->dir;
    log->is_full = true;
    dir->full_count++;
    log_hold(log);
    if (log->waits_for_room) {
        if (dir->on_full != NULL) dir->on_full(dir);
        if (failed != NULL) put_back(log, failed);
    } else {
        answer(log, failed);
    }
    job_start(dir->jobs, undo_job, log);
}

/* --- what was left for later --- */

static void finish_job(struct job *job, void *argument) {
    struct log *log = argument;
    log_job_begin(job, log);
    enum status st = log_is_offline(log) ? ST_CANCELLED : ST_OK;
    if (st == ST_OK) st = log_save_epochs(job, log, INT64_MAX);
    for (uint32_t i = 0; st == ST_OK && i + 1 < log->segment_count; i++) {
        if (!log->segments[i]->indexes_durable)
            st = segment_write_indexes(job, log, log->segments[i], true);
    }
    if (st != ST_OK && st != ST_NO_SPACE && st != ST_CANCELLED) log_fail(log, st);
    log->is_finishing = st == ST_NO_SPACE ? FINISH_LATER : FINISH_NOTHING;
    log_job_end(log);
    log_let_go(log);
}

void log_finish_segments(struct log *log) {
    if (log->is_finishing != FINISH_LATER || log->abandoned) return;
    log->is_finishing = FINISH_NOW;
    log_hold(log);
    job_start(log->dir->jobs, finish_job, log);
}
