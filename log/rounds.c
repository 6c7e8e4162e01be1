/* log/rounds.c - which log is synced when. */
#include "log/rounds.h"
#include "base/assert.h"
#include "log/segment_file.h"

static void sync_done(struct io_op *op);

void rounds_want(struct log *log) {
    if (log->abandoned || log->sync_segment != NULL || list_is_linked(&log->dirty)) return;
    if (log->durable_end >= log->end || log->durable_end >= log->sync_wanted) return;
    list_push_back(&log->dir->dirty, &log->dirty);
    io_later(log->dir->io, &log->dir->later);
}

void rounds_forget(struct log *log) { list_remove(&log->dirty); }

void log_sync(struct log *log) {
    if (log_is_offline(log)) return;
    log->sync_wanted = log->assigned_end;
    rounds_want(log);
}

/* true: it ended inline. One file at a time: an older segment is done before the next one counts.
 */
static bool start(struct log *log) {
    uint32_t index = log_segment_of(log, log->durable_end);
    struct segment *segment = log->segments[index];
    log->sync_segment = segment;
    log->sync_target = log_segment_end(log, index);
    segment_hold(segment);
    log_hold(log);
    log->dir->syncs_in_flight++;
    log->dir->sync_count++;
    log->sync_op.done = sync_done;
    return io_sync(log->dir->io, &log->sync_op, segment->file, 0);
}

static void finish(struct log *log) {
    struct log_dir *dir = log->dir;
    dir->syncs_in_flight--;
    segment_let_go(log->sync_segment);
    log->sync_segment = NULL;
    int64_t result = log->sync_op.result;
    if (result < 0 || log_is_offline(log)) {
        log_fail(log, result < 0 ? status_from_errno(result) : ST_IO);
    } else {
        dir->synced_logs++;
        int64_t before = log->durable_end;
        log->durable_end = log->sync_target;
        segment_files_settle(log, before);
        rounds_want(log);
        if (!log->abandoned) log->owner->on_durable(log->owner);
    }
    log_quiet_check(log);
    log_let_go(log);
}

static void run(struct log_dir *dir) {
    while (dir->syncs_in_flight < dir->sync_limit || dir->offline) {
        struct list *node = list_pop_front(&dir->dirty);
        if (node == NULL) return;
        struct log *log = CONTAINER_OF(node, struct log, dirty);
        if (dir->offline) {
            log_fail(log, ST_IO);
        } else if (start(log)) {
            finish(log);
        }
    }
}

static void sync_done(struct io_op *op) {
    struct log *log = CONTAINER_OF(op, struct log, sync_op);
    struct log_dir *dir = log->dir;
    finish(log);
    if (!list_is_empty(&dir->dirty)) io_later(dir->io, &dir->later);
}

void rounds_run(struct io_later *later) { run(CONTAINER_OF(later, struct log_dir, later)); }
