/* log/log.c - the struct itself: ends, segments, who waits for whom, leader epochs, failure. */
#include "log/log.h"
#include "base/assert.h"
#include "base/logging.h"
#include "log/impl.h"
#include "log/rounds.h"
#include "log/segment_file.h"

struct str log_topic(const struct log *log) {
    return log->topic;
}
int32_t log_partition(const struct log *log) { return log->partition; }
struct log_dir *log_directory(const struct log *log) {
    return log->dir;
}
int64_t log_start_offset(const struct log *log) { return log->log_start; }
int64_t log_durable_end(const struct log *log) { return log->durable_end; }
int64_t log_end(const struct log *log) { return log->end; }
int64_t log_assigned_end(const struct log *log) { return log->assigned_end; }
bool log_is_offline(const struct log *log) { return log->offline || log->dir->offline; }
uint64_t log_size_bytes(const struct log *log) {
    return log->sealed_bytes + log_active(log)->size_bytes;
}
int64_t log_first_base_offset(const struct log *log) { return log->segments[0]->base_offset; }
uint32_t log_segment_count(const struct log *log) { return log->segment_count; }
const struct log_config *log_get_config(const struct log *log) { return log->config; }
void log_set_config(struct log *log, const struct log_config *config) { log->config = config; }

int64_t log_recovery_point(const struct log *log) {
    for (uint32_t i = 0; i + 1 < log->segment_count; i++) {
        if (log->segments[i + 1]->base_offset > log->durable_end) break;
        /* A start that trusts the segment would trust its indexes, too. */
        if (!log->segments[i]->indexes_durable) return log->segments[i]->base_offset;
    }
    return log->durable_end;
}

/* --- segments --- */

uint32_t log_segment_of(const struct log *log, int64_t offset) {
    uint32_t low = 0, high = log->segment_count; /* how many have a base <= offset */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base_offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : 0;
}

int64_t log_segment_end(const struct log *log, uint32_t index) {
    return index + 1 < log->segment_count ? log->segments[index + 1]->base_offset : log->end;
}

struct segment *log_next_segment(const struct log *log, int64_t after) {
    for (uint32_t i = log_segment_of(log, MAX(after, 0)); i < log->segment_count; i++) {
        if (log->segments[i]->base_offset <= after) continue;
        segment_hold(log->segments[i]);
        return log->segments[i];
    }
    return NULL;
}

bool log_segment_is_there(const struct log *log, const struct segment *segment) {
    return log->segments[log_segment_of(log, segment->base_offset)] == segment;
}

void log_push_segment(struct log *log, struct segment *segment) {
    if (log->segment_count == log->segment_capacity) {
        uint32_t capacity = log->segment_capacity > 0 ? log->segment_capacity * 2 : 1;
        struct segment **grown = mem_need(log->dir->io->mem, capacity * sizeof *grown);
        if (log->segment_count > 0)
            memcpy(grown, log->segments, log->segment_count * sizeof *grown);
        mem_free(log->dir->io->mem, log->segments, log->segment_capacity * sizeof *grown);
        log->segments = grown;
        log->segment_capacity = capacity;
    }
    if (log->segment_count > 0) log->sealed_bytes += log_active(log)->size_bytes;
    log->segments[log->segment_count++] = segment;
    if (log->segment_count > 1)
        segment_files_settle(log, log->segments[log->segment_count - 2]->base_offset);
    recent_clear(log);
}

/* --- life --- */

void log_hold(struct log *log) { log->holds++; }

static void free_log(struct log *log) {
    struct mem *mem = log->dir->io->mem;
    ASSERT(log->write == NULL && log->sync_segment == NULL && list_is_empty(&log->queued) &&
           !log->busy);
    rounds_forget(log);
    list_remove(&log->pump.link);
    log->dir->log_count--;
    for (uint32_t i = 0; i < log->segment_count; i++) {
        segment_index_drop(log->segments[i]); /* whoever holds it still looks nothing up */
        segment_let_go(log->segments[i]);
    }
    mem_free(mem, log->segments, log->segment_capacity * sizeof *log->segments);
    leader_epochs_release(&log->epochs, mem);
    producer_states_release(&log->producers);
    if (log->recent != NULL) MEM_FREE(mem, log->recent);
    mem_free(mem, log->path, log->path_bytes);
    MEM_FREE(mem, log);
}

void log_let_go(struct log *log) {
    ASSERT(log->holds > 0);
    if (--log->holds == 0 && log->abandoned) free_log(log);
}

void log_abandon(struct log *log) {
    ASSERT(!log->abandoned);
    log->abandoned = true;
    log->last_config = *log->config; /* jobs that wait for the disk still ask for it */
    log->config = &log->last_config;
    log_hold(log);
    append_fail_queue(log);
    log_let_go(log);
}

void log_fail_alone(struct log *log, enum status why) {
    bool first_of_log = !log->offline;
    log->offline = true;
    if (log->dir->unclean == ST_OK) log->dir->unclean = why;
    log_hold(log);
    if (first_of_log)
        LOG_ERROR("log", "log is offline: log=%s reason=\"%s\"", log->path, status_name(why));
    append_fail_queue(log);
    if (first_of_log && !log->abandoned) log->owner->on_offline(log->owner);
    log_let_go(log);
}

void log_fail(struct log *log, enum status why) {
    struct log_dir *dir = log->dir;
    bool first_of_dir = !dir->offline;
    dir->offline = true;
    log_hold(log);
    log_fail_alone(log, why);
    if (first_of_dir && dir->on_failure != NULL) dir->on_failure(dir, why);
    log_let_go(log);
}

void log_go_offline(struct log *log) { log_fail(log, ST_IO); }

/* --- one job at a time --- */

struct waiting_job {
    struct job *job;
    struct list link;
};

void log_job_begin(struct job *job, struct log *log) {
    if (!log->busy) {
        log->busy = true;
        return;
    }
    struct waiting_job waiting = {.job = job};
    list_push_back(&log->job_waiters, &waiting.link);
    job_suspend(job); /* log_job_end hands the log over: busy stays */
}

void log_job_end(struct log *log) {
    struct list *node = list_pop_front(&log->job_waiters);
    if (node == NULL) {
        log->busy = false;
        return;
    }
    job_wake(CONTAINER_OF(node, struct waiting_job, link)->job);
}

void log_job_quiet(struct job *job, struct log *log) {
    while (log->write != NULL || log->sync_segment != NULL) {
        log->quiet_waiter = job;
        job_suspend(job);
    }
}

void log_quiet_check(struct log *log) {
    if (log->quiet_waiter == NULL || log->write != NULL || log->sync_segment != NULL) return;
    struct job *waiter = log->quiet_waiter;
    log->quiet_waiter = NULL;
    job_wake(waiter);
}

/* --- leader epochs --- */

enum status log_save_epochs(struct job *job, struct log *log, int64_t end_offset) {
    struct strbuf text;
    if (leader_epochs_are_saved(&log->epochs, end_offset)) return ST_OK;
    strbuf_init(&text, job_mem(job));
    leader_epochs_print(&log->epochs, &text);
    struct log_path path;
    log_path_of_name(&path, log->path, LEADER_EPOCHS_FILE, "");
    leader_epochs_note_saved(&log->epochs); /* what changes meanwhile is for the next time */
    enum status st = text.failed ? ST_NOMEM
                                 : job_replace_file(job, log->path, path.text, text.data, text.len,
                                                    LOG_FILE_MODE);
    if (st != ST_OK) leader_epochs_note_lost(&log->epochs);
    strbuf_release(&text);
    return st;
}

enum status log_begin_epoch(struct log *log, int32_t leader_epoch) {
    if (log_is_offline(log)) return ST_IO;
    return leader_epochs_assign(&log->epochs, log->dir->io->mem, leader_epoch, log->assigned_end);
}

void log_end_of_epoch(const struct log *log, int32_t leader_epoch, int32_t *ret_epoch,
                      int64_t *ret_end_offset) {
    leader_epochs_end_of(&log->epochs, leader_epoch, log->end, ret_epoch, ret_end_offset);
}

int32_t log_epoch_at(const struct log *log, int64_t offset) {
    return leader_epochs_at(&log->epochs, offset);
}

int32_t log_latest_epoch(const struct log *log) { return leader_epochs_latest(&log->epochs); }
