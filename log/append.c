/* log/append.c - the append pipeline: offsets are given at once, one write a turn takes all that
 * queued. While a write is in flight, or a new segment is being made, batches queue; so a slow
 * device meets larger writes. A batch counts (end, index entries, `done`) when its write came back,
 * in order. Source: UnifiedLog.append, LocalLog.append. */
#include "base/assert.h"
#include "base/limits.h"
#include "log/ahead.h"
#include "log/full.h"
#include "log/impl.h"
#include "log/rounds.h"

static enum status refuse(struct log_append *append, enum status why) {
    append->status = why;
    return why;
}

/* ST_NOMEM: the producer cannot be remembered. */
static enum status note_producer(struct log *log, struct log_append *append, int64_t base) {
    append->change = (struct producer_change){.before.producer_id = NO_PRODUCER_ID};
    if ((int64_t)get_u64(append->batch + BATCH_AT_PRODUCER_ID) == NO_PRODUCER_ID) return ST_OK;
    struct batch_view view;
    enum status st = batch_open((struct bytes){append->batch, append->batch_bytes}, &view);
    ASSERT(st == ST_OK); /* it was walked */
    struct txn_marker marker, *found = NULL;
    if (batch_is_control(&view)) {
        st = txn_marker_of_batch(&view, &marker);
        if (st != ST_OK && st != ST_NOT_FOUND) return st;
        if (st == ST_OK) found = &marker;
    }
    return producer_states_append(&log->producers, &view, found, base, log_steady_ms(log),
                                  &append->change);
}

enum status log_append(struct log *log, struct log_append *append) {
    ASSERT(append->batch_bytes >= BATCH_HEADER_BYTES && append->record_count > 0);
    if (log_is_offline(log)) return refuse(append, ST_IO);
    if (append->batch_bytes > log->config->segment_bytes) return refuse(append, ST_TOO_LARGE);
    if (log->is_full && !log->waits_for_room) return refuse(append, ST_NO_SPACE);
    int64_t base = log->assigned_end;
    if (append->keep_offsets) {
        base = (int64_t)get_u64(append->batch);
        if (base < log->assigned_end) return refuse(append, ST_INVALID);
    }
    if (base > INT64_MAX - append->record_count) return refuse(append, ST_RANGE);
    enum status st = note_producer(log, append, base);
    if (st != ST_OK) return refuse(append, st);
    batch_stamp(append->batch, base, append->leader_epoch);
    append->base_offset = base;
    append->last_offset = base + append->record_count - 1;
    append->status = ST_OK;
    log->assigned_end = append->last_offset + 1;
    list_push_back(&log->queued, &append->link);
    io_later(log->dir->io, &log->pump);
    return ST_OK;
}

void append_fail_queue(struct log *log) {
    for (struct list *node; (node = list_pop_front(&log->queued)) != NULL;) {
        struct log_append *append = CONTAINER_OF(node, struct log_append, link);
        append->status = ST_IO;
        append->done(append);
    }
}

/* --- where the last batches are --- */

void recent_clear(struct log *log) {
    if (log->recent != NULL) log->recent->count = 0;
}

static void recent_add(struct log *log, const struct log_append *append, uint64_t position) {
    if (log->recent == NULL) log->recent = MEM_NEW(log->dir->io->mem, struct recent);
    struct recent *recent = log->recent;
    if (recent->count == RECENT_COUNT) {
        recent->first++;
        recent->count--;
    }
    recent->batches[(recent->first + recent->count++) % RECENT_COUNT] = (struct recent_batch){
        .base_offset = append->base_offset,
        .position = (uint32_t)position,
        .batch_bytes = append->batch_bytes,
        .last_offset_delta = (int32_t)(append->last_offset - append->base_offset),
    };
}

const struct recent_batch *recent_find(const struct log *log, int64_t offset) {
    const struct recent *recent = log->recent;
    if (recent == NULL || recent->count == 0) return NULL;
    const struct recent_batch *oldest = &recent->batches[recent->first % RECENT_COUNT];
    if (offset < oldest->base_offset && oldest->position > 0) return NULL;
    uint32_t low = 0, high = recent->count; /* the first that ends at or above offset */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct recent_batch *batch =
            &recent->batches[(recent->first + middle) % RECENT_COUNT];
        if (batch->base_offset + batch->last_offset_delta < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < recent->count ? &recent->batches[(recent->first + low) % RECENT_COUNT] : NULL;
}

/* --- writing --- */

static struct append_write *take_write(struct log *log) {
    struct log_dir *dir = log->dir;
    struct list *node = list_pop_front(&dir->idle_writes);
    struct append_write *write = node != NULL ? CONTAINER_OF(node, struct append_write, link)
                                              : MEM_NEW(dir->io->mem, struct append_write);
    write->log = log;
    write->count = 0;
    write->bytes = 0;
    list_init(&write->appends);
    return write;
}

/* All that queued and still fits into the active segment. The first one is known to fit; a
 * segment's very first batch goes alone, since the time at which the segment is rolled counts from
 * it. */
static void gather(struct log *log, struct append_write *write) {
    bool alone = log_active(log)->size_bytes == 0;
    int64_t room = log->config->segment_bytes - (int64_t)log_active(log)->size_bytes;
    while (!list_is_empty(&log->queued) && write->count < APPEND_BATCHES_MAX) {
        struct log_append *append = CONTAINER_OF(log->queued.next, struct log_append, link);
        if (write->count > 0) {
            if (alone || (int64_t)write->bytes + append->batch_bytes > room) return;
            if (roll_is_due(log, append) || roll_index_is_near(log, write->count)) return;
        }
        list_remove(&append->link);
        list_push_back(&write->appends, &append->link);
        write->iov[write->count++] =
            (struct iovec){.iov_base = append->batch, .iov_len = append->batch_bytes};
        write->bytes += append->batch_bytes;
    }
}

/* ST_NOMEM: the transaction index lacks an entry, and so the log must not be read on. */
static enum status note_written(struct log *log, struct log_append *append) {
    struct segment *active = log_active(log);
    recent_add(log, append, active->size_bytes);
    segment_note_batch(active, append->last_offset, append->max_timestamp_ms, append->batch_bytes,
                       log->config->index_interval_bytes);
    active->touched_us = io_now(log->dir->io).mono_us;
    active->appended_here = true;
    active->indexes_durable = false; /* they lack it */
    if (append->leader_epoch > log_latest_epoch(log)) {
        /* Kept in memory at least; the file is written by a roll or the close, and
         * recovery finds the epoch in the batch itself. */
        enum status st = leader_epochs_assign(&log->epochs, log->dir->io->mem, append->leader_epoch,
                                              append->base_offset);
        (void)st;
    }
    log->end = append->last_offset + 1;
    if (!append->change.is_abort) return ST_OK;
    return txn_index_add(&active->txns, log->dir->io->mem, &append->change.aborted);
}

static void written(struct append_write *write) {
    struct log *log = write->log;
    struct log_dir *dir = log->dir;
    int64_t result = write->op.result;
    struct list
        appends; /* on the stack, so that the write can be used by what the callbacks start */
    list_init(&appends);
    for (struct list *node; (node = list_pop_front(&write->appends)) != NULL;)
        list_push_back(&appends, node);
    log->write = NULL;
    list_push_back(&dir->idle_writes, &write->link);

    enum status st = log_is_offline(log) ? ST_IO : ST_OK;
    if (result < 0) st = status_from_errno(result);
    if (st == ST_NO_SPACE && !log_is_offline(log)) {
        full_undo(log, &appends);
        log_quiet_check(log);
        return;
    }
    LIST_EACH(&appends, node) {
        struct log_append *append = CONTAINER_OF(node, struct log_append, link);
        if (st == ST_OK) st = note_written(log, append);
        if (st != ST_OK) append->status = ST_IO;
    }
    for (struct list *node; (node = list_pop_front(&appends)) != NULL;) {
        struct log_append *append = CONTAINER_OF(node, struct log_append, link);
        append->done(append);
    }
    if (st != ST_OK) {
        log_fail(log, st);
    } else {
        const struct segment *active = log_active(log);
        int64_t flush_messages = log->config->flush_messages; /* 0: no rule, as in tests */
        if (flush_messages > 0 && log->end - log->durable_end >= flush_messages) log_sync(log);
        rounds_want(log);
        if (active->offsets.tail.count >= INDEX_TAIL_WRITE_COUNT ||
            active->txns.tail.count >= INDEX_TAIL_WRITE_COUNT)
            index_write_start(log);
        ahead_consider(log);
        if (!log->abandoned) log->owner->on_end(log->owner);
    }
    log_quiet_check(log);
}

static void pump(struct log *log);

/* A write came back from the ring: there is room for one that waits, in order. */
static void pump_waiting(struct log_dir *dir) {
    struct list *node;
    while (dir->ring_writes < LOG_DIR_RING_WRITES &&
           (node = list_pop_front(&dir->ring_waiters)) != NULL) {
        struct log *log = CONTAINER_OF(node, struct log, ring_wait);
        log->waits_for_ring = false;
        pump(log);
        log_let_go(log);
    }
}

/* Whether the ring has so many writes of this directory that this log's next one waits. */
static bool ring_is_full(struct log *log) {
    if (log->dir->ring_writes < LOG_DIR_RING_WRITES) return false;
    log->waits_for_ring = true;
    log_hold(log);
    list_push_back(&log->dir->ring_waiters, &log->ring_wait);
    return true;
}

static void write_done(struct io_op *op) {
    struct append_write *write = CONTAINER_OF(op, struct append_write, op);
    struct log *log = write->log;
    struct log_dir *dir = log->dir;
    rounds_write_ended(dir);
    written(write);
    pump_waiting(dir);
    pump(log);
    log_let_go(log); /* held while the write was in flight */
}

/* Room that is being allocated locks the file, for as long as a journal takes. */
static unsigned write_flags(const struct log *log) {
    bool may_stall = rounds_are_slow(log->dir) || log->is_allocating;
    return log->dir->disk.lane > 0 || may_stall ? 0 : IO_INLINE;
}

static void pump(struct log *log) {
    while (log->write == NULL && !log->rolling && !log->is_full && !log->waits_for_ring &&
           !list_is_empty(&log->queued)) {
        if (log_is_offline(log)) {
            log_fail(log, ST_IO);
            return;
        }
        struct log_append *first = CONTAINER_OF(log->queued.next, struct log_append, link);
        if (roll_is_due(log, first)) {
            roll_start(log, first->base_offset);
            continue;
        }
        if (log_active(log)->file < 0) {
            active_open_start(log);
            continue;
        }
        if (ring_is_full(log)) return;
        struct append_write *write = take_write(log);
        gather(log, write);
        log->write = write;
        write->op.done = write_done;
        struct segment *active = log_active(log);
        log_hold(log);
        if (!io_write(log->dir->io, &write->op, active->file, write->iov, (int)write->count,
                      active->size_bytes, write_flags(log),
                      &log->dir->disk)) {
            rounds_write_began(log->dir);
            return;
        }
        written(write);
        log_let_go(log);
    }
}

void append_pump(struct io_later *later) {
    struct log *log = CONTAINER_OF(later, struct log, pump);
    log_hold(log);
    pump(log);
    log_let_go(log);
}
