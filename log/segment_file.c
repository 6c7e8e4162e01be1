/* log/segment_file.c - opening when wanted, closing when others are used more. */
#include "log/segment_file.h"
#include "base/assert.h"
#include "base/logging.h"

enum { IDLE_FILES_MIN = 4, DESCRIPTOR_TRIES = 8 };

/* One opening under way; its waiters are the segment's. */
struct opening {
    struct io_op op;
    struct log *log;
    struct segment *segment;
    struct log_path path;
};

/* --- idle files --- */

static void forget_idle(struct segment *segment) {
    if (!list_is_linked(&segment->idle_file)) return;
    list_remove(&segment->idle_file);
    segment->dir->idle_file_count--;
}

void segment_file_close(struct segment *segment) {
    forget_idle(segment);
    if (segment->file < 0) return;
    /* What had to be durable was synced before. */
    (void)io_close(segment->dir->io, NULL, segment->file);
    segment->file = -1;
}

static void close_idle_above(struct log_dir *dir, uint32_t count) {
    while (dir->idle_file_count > count)
        segment_file_close(CONTAINER_OF(dir->idle_files.next, struct segment, idle_file));
}

void log_dir_spare_files(struct log_dir *dir) {
    dir->idle_file_limit = MAX(dir->idle_file_limit / 2, (uint32_t)IDLE_FILES_MIN);
    close_idle_above(dir, 0);
}

void segment_file_unuse(struct segment *segment) {
    ASSERT(segment->file_uses > 0);
    if (--segment->file_uses > 0 || segment->file < 0) return;
    struct log_dir *dir = segment->dir;
    list_push_back(&dir->idle_files, &segment->idle_file);
    dir->idle_file_count++;
    close_idle_above(dir, dir->idle_file_limit);
}

/* --- opening --- */

static bool is_in_log(const struct log *log, const struct segment *segment) {
    return log->segment_count > 0 &&
           log->segments[log_segment_of(log, segment->base_offset)] == segment;
}

static enum status take(const struct opening *opening) {
    struct log *log = opening->log;
    struct segment *segment = opening->segment;
    enum status st = status_from_errno(opening->op.result);
    if (st == ST_OK && is_in_log(log, segment)) {
        segment->file = (int)opening->op.result;
        return ST_OK;
    }
    if (st == ST_OK) { /* another segment's by now, perhaps */
        (void)io_close(log->dir->io, NULL, (int)opening->op.result);
        return ST_NOT_FOUND;
    }
    if (st == ST_NOMEM) log_dir_spare_files(log->dir);
    LOG_WARN("log", "cannot open a segment: file=%s reason=\"%s\"", opening->path.text,
             status_name(st));
    return st;
}

static enum status finish(struct opening *opening) {
    struct log *log = opening->log;
    struct segment *segment = opening->segment;
    enum status st = take(opening);
    struct list waiters;
    list_init(&waiters);
    segment->opening = false;
    for (struct list *node; (node = list_pop_front(&segment->file_waiters)) != NULL;) {
        struct segment_file_wait *wait = CONTAINER_OF(node, struct segment_file_wait, link);
        wait->status = st;
        if (st != ST_OK) segment->file_uses--;
        list_push_back(&waiters, node);
    }
    MEM_FREE(log->dir->io->mem, opening);
    segment_let_go(segment); /* the waiters have shares of their own */
    for (struct list *node; (node = list_pop_front(&waiters)) != NULL;) {
        struct segment_file_wait *wait = CONTAINER_OF(node, struct segment_file_wait, link);
        wait->opened(wait);
    }
    log_let_go(log);
    return st;
}

static void open_done(struct io_op *op) { (void)finish(CONTAINER_OF(op, struct opening, op)); }

/* true: it finished at once. */
static bool start(struct log *log, struct segment *segment, enum status *ret_status) {
    struct opening *opening = MEM_NEW(log->dir->io->mem, struct opening);
    opening->log = log;
    opening->segment = segment;
    opening->op.done = open_done;
    log_path_of_part(&opening->path, log->path, segment->base_offset, PART_LOG, "");
    segment->opening = true;
    segment_hold(segment);
    log_hold(log);
    if (!io_open(log->dir->io, &opening->op, opening->path.text, IO_READ | IO_WRITE, 0))
        return false;
    *ret_status = finish(opening);
    return true;
}

bool segment_file_use(struct log *log, struct segment *segment, struct segment_file_wait *wait) {
    wait->status = ST_OK;
    segment->file_uses++;
    if (segment->file >= 0) {
        forget_idle(segment);
        return true;
    }
    if (!segment->opening && start(log, segment, &wait->status)) {
        if (wait->status != ST_OK) segment->file_uses--;
        return true;
    }
    list_push_back(&segment->file_waiters, &wait->link);
    return false;
}

struct job_wait {
    struct segment_file_wait wait;
    struct job *job;
};

static void wake(struct segment_file_wait *wait) {
    job_wake(CONTAINER_OF(wait, struct job_wait, wait)->job);
}

enum status segment_file_use_wait(struct job *job, struct log *log, struct segment *segment) {
    struct job_wait wait = {.wait.opened = wake, .job = job};
    for (uint32_t tries = 0;; tries++) { /* as job_open waits for a descriptor */
        if (!segment_file_use(log, segment, &wait.wait)) job_suspend(job);
        if (wait.wait.status != ST_NOMEM || tries == DESCRIPTOR_TRIES) return wait.wait.status;
        job_sleep_until(job, io_now(log->dir->io).mono_us + (UINT64_C(1000) << tries));
    }
}

/* --- the log's own use --- */

enum status segment_file_keep(struct job *job, struct log *log, struct segment *segment) {
    if (segment->file_kept) return ST_OK;
    enum status st = segment_file_use_wait(job, log, segment);
    segment->file_kept = st == ST_OK;
    return st;
}

void segment_files_settle(struct log *log, int64_t from) {
    for (uint32_t i = log_segment_of(log, from); i + 1 < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (log->segments[i + 1]->base_offset > log->durable_end) return;
        if (!segment->file_kept) continue;
        segment->file_kept = false;
        segment_file_unuse(segment);
    }
}
