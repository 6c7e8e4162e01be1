/* log/rounds.c - which log is synced when, and how. */
#include "log/rounds.h"
#include "base/assert.h"
#include "log/segment_file.h"

/* A syncfs that was too slow is tried again after so many rounds that would have used it. */
#define FS_RETRY_ROUNDS 64

static void sync_done(struct io_op *op);

void rounds_want(struct log *log) {
    if (log->abandoned || log->sync_segment != NULL || list_is_linked(&log->dirty)) return;
    if (log->durable_end >= log->end || log->durable_end >= log->sync_wanted) return;
    list_push_back(&log->dir->dirty, &log->dirty);
    io_later(log->dir->io, &log->dir->later);
}

void rounds_forget(struct log *log) { list_remove(&log->dirty); }

void log_sync_late(struct log *log) {
    if (log_is_offline(log)) return;
    log->sync_wanted = log->assigned_end;
    rounds_want(log);
}

void log_sync(struct log *log) {
    log_sync_late(log);
    log->sync_awaited = log->sync_wanted;
}

/* Until finish() the log stays, and so does the segment. */
static void begin(struct log *log, uint32_t segment_index, int64_t target) {
    log->sync_segment = log->segments[segment_index];
    log->sync_target = target;
    log->sync_began_us = io_now(log->dir->io).mono_us;
    segment_hold(log->sync_segment);
    log_hold(log);
}

static void finish(struct log *log, int64_t result) {
    segment_let_go(log->sync_segment);
    log->sync_segment = NULL;
    if (result < 0 || log_is_offline(log)) {
        log_fail(log, result < 0 ? status_from_errno(result) : ST_IO);
    } else {
        log->dir->synced_logs++;
        int64_t before = log->durable_end;
        log->durable_end = log->sync_target;
        segment_files_settle(log, before);
        rounds_want(log);
        if (!log->abandoned) log->owner->on_durable(log->owner);
    }
    log_quiet_check(log);
    log_let_go(log);
}

static void note_progress(struct log_dir *dir) { dir->progress_us = io_now(dir->io).mono_us; }

void rounds_write_began(struct log_dir *dir) {
    if (dir->ring_writes++ == 0) dir->write_progress_us = io_now(dir->io).mono_us;
}

void rounds_write_ended(struct log_dir *dir) {
    dir->ring_writes--;
    dir->write_progress_us = io_now(dir->io).mono_us;
}

uint64_t rounds_wait_us(const struct log_dir *dir) {
    uint64_t now_us = io_now(dir->io).mono_us;
    bool waits = dir->syncs_in_flight > 0 || dir->fs_is_asked;
    uint64_t wait_us = waits ? now_us - dir->progress_us : 0;
    return dir->ring_writes > 0 ? MAX(wait_us, now_us - dir->write_progress_us) : wait_us;
}

/* A disk that has much to write is not one that hangs. */
bool rounds_are_slow(const struct log_dir *dir) {
    uint64_t usual_us = MAX(dir->fs_sync_us, dir->file_sync_us);
    uint64_t slow_us = MAX(4 * usual_us, (uint64_t)ROUNDS_SLOW_US);
    return rounds_wait_us(dir) > MIN(slow_us, (uint64_t)ROUNDS_SLOW_MOST_US);
}

/* A moving average, an eighth of it the new value. */
static void average(uint64_t *average_us, uint64_t us) {
    *average_us = *average_us == 0 ? us : *average_us - *average_us / 8 + us / 8;
}

/* --- file by file --- */

/* true: it ended inline. One file at a time: an older segment is done before the next one counts.
 */
static bool start(struct log *log) {
    uint32_t index = log_segment_of(log, log->durable_end);
    begin(log, index, log_segment_end(log, index));
    if (log->dir->syncs_in_flight++ == 0) note_progress(log->dir);
    log->dir->sync_count++;
    log->sync_op.done = sync_done;
    return io_sync(log->dir->io, &log->sync_op, log->sync_segment->file, 0);
}

static void end(struct log *log) {
    struct log_dir *dir = log->dir;
    uint64_t took_us = io_now(dir->io).mono_us - log->sync_began_us;
    average(&dir->file_sync_us, took_us / dir->syncs_in_flight); /* what one adds to a round */
    dir->syncs_in_flight--;
    note_progress(dir);
    finish(log, log->sync_op.result);
}

/* --- all by one syncfs --- */

static bool is_many(const struct log_dir *dir, uint32_t files) {
    return dir->fs != NULL && dir->fs_from > 0 && files >= dir->fs_from;
}

static bool fs_is_quick(const struct log_dir *dir, uint32_t files) {
    return dir->file_sync_us == 0 || dir->fs_sync_us <= dir->file_sync_us * files;
}

bool rounds_prefer_fs(const struct log_dir *dir, uint32_t files) {
    return is_many(dir, files) && fs_is_quick(dir, files);
}

static struct log *next_awaited(const struct log_dir *dir) {
    LIST_EACH(&dir->dirty, node) {
        struct log *log = CONTAINER_OF(node, struct log, dirty);
        if (log->durable_end < log->sync_awaited) return log;
    }
    return NULL;
}

static bool fs_is_due(struct log_dir *dir) {
    uint32_t count = 0;
    if (dir->fs == NULL || dir->fs_from == 0) return false;
    LIST_EACH(&dir->dirty, node) count++;
    bool is_awaited = next_awaited(dir) != NULL;
    if (!is_many(dir, count) && (is_awaited || count < LOG_DIR_LATE_FS_FROM)) return false;
    if (fs_is_quick(dir, count)) return true;
    if (++dir->fs_passed_over < FS_RETRY_ROUNDS) return false;
    dir->fs_passed_over = 0;
    return true;
}

/* The time in which others may come to share it is not the disk's. */
static uint64_t fs_took_us(const struct log_dir *dir) {
    uint64_t took_us = io_now(dir->io).mono_us - dir->fs_began_us;
    uint64_t gathering_us = dir->fs_question.is_late ? FS_ROUNDS_GATHER_US : 0;
    return took_us - MIN(took_us, gathering_us);
}

static void fs_done(struct fs_question *question) {
    struct log_dir *dir = CONTAINER_OF(question, struct log_dir, fs_question);
    struct list logs; /* the next round may begin before all of these were told */
    list_init(&logs);
    for (struct list *node; (node = list_pop_front(&dir->in_fs_round)) != NULL;)
        list_push_back(&logs, node);
    average(&dir->fs_sync_us, fs_took_us(dir));
    dir->fs_sync_count++;
    dir->fs_is_asked = false;
    note_progress(dir);
    for (struct list *node; (node = list_pop_front(&logs)) != NULL;)
        finish(CONTAINER_OF(node, struct log, dirty), question->result);
    if (!list_is_empty(&dir->dirty)) io_later(dir->io, &dir->later);
}

static void start_fs(struct log_dir *dir) {
    dir->fs_question.is_late = next_awaited(dir) == NULL;
    for (struct list *node; (node = list_pop_front(&dir->dirty)) != NULL;) {
        struct log *log = CONTAINER_OF(node, struct log, dirty);
        begin(log, log->segment_count - 1, log->end); /* older segments are covered, too */
        list_push_back(&dir->in_fs_round, node);
    }
    dir->fs_is_asked = true;
    if (dir->syncs_in_flight == 0) note_progress(dir);
    dir->fs_began_us = io_now(dir->io).mono_us;
    dir->fs_question.rounds = dir->fs;
    dir->fs_question.home = dir->io;
    dir->fs_question.done = fs_done;
    fs_question_ask(&dir->fs_question);
}

/* --- the queue --- */

/* While a syncfs is under way, what comes waits for the next round: there are many. What somebody
 * waits for does not wait for one that nobody does. */
static struct log *pop_next(struct log_dir *dir) {
    struct log *log = NULL;
    if (!dir->fs_is_asked || dir->offline) {
        struct list *node = list_pop_front(&dir->dirty);
        return node != NULL ? CONTAINER_OF(node, struct log, dirty) : NULL;
    }
    if (dir->fs_question.is_late) log = next_awaited(dir);
    if (log != NULL) list_remove(&log->dirty);
    return log;
}

static void run(struct log_dir *dir) {
    if (!dir->offline && !dir->fs_is_asked && fs_is_due(dir)) start_fs(dir);
    while (dir->offline || dir->syncs_in_flight < dir->sync_limit) {
        struct log *log = pop_next(dir);
        if (log == NULL) return;
        if (dir->offline) {
            log_fail(log, ST_IO);
        } else if (start(log)) {
            end(log);
        }
    }
}

static void sync_done(struct io_op *op) {
    struct log *log = CONTAINER_OF(op, struct log, sync_op);
    struct log_dir *dir = log->dir;
    end(log);
    if (!list_is_empty(&dir->dirty)) io_later(dir->io, &dir->later);
}

void rounds_run(struct io_later *later) { run(CONTAINER_OF(later, struct log_dir, later)); }

/* --- from a job --- */

struct fs_wait {
    struct fs_question question;
    struct job *job;
};

static void fs_synced(struct fs_question *question) {
    job_wake(CONTAINER_OF(question, struct fs_wait, question)->job);
}

enum status rounds_sync_fs(struct job *job, struct log_dir *dir) {
    struct fs_wait wait = {
        .question = {.rounds = dir->fs, .home = dir->io, .done = fs_synced}, .job = job};
    fs_question_ask(&wait.question);
    job_suspend(job);
    if (wait.question.result >= 0) return ST_OK;
    log_dir_fail(dir, status_from_errno(wait.question.result));
    return ST_IO;
}
