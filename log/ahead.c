/* log/ahead.c - asking for room, and giving it back. */
#include "log/ahead.h"
#include "log/segment_file.h"

static uint64_t least_of(const struct log_dir *dir) { return MAX(dir->room_from / 4, 1); }

static bool is_due(const struct log *log, const struct segment *active) {
    if (active->preallocated || active->size_bytes < log->dir->room_from || log->dir->is_short)
        return false;
    return active->room_end < active->size_bytes + least_of(log->dir) &&
           active->room_end < (uint64_t)log->config->segment_bytes;
}

static enum status ask(struct job *job, struct log *log, struct segment *active) {
    enum status st = segment_file_use_wait(job, log, active);
    if (st != ST_OK) return st;
    uint64_t from = MAX(active->size_bytes, active->room_end);
    uint64_t step = MIN(MAX(active->size_bytes / 8, least_of(log->dir)), ROOM_MOST_BYTES);
    uint64_t end = MIN(from + step, (uint64_t)log->config->segment_bytes);
    log->is_allocating = true;
    if (end > from) st = job_reserve(job, active->file, from, end - from);
    log->is_allocating = false;
    segment_file_unuse(active);
    if (st == ST_OK) active->room_end = MAX(end, from);
    return st;
}

static void ahead_job(struct job *job, void *argument) {
    struct log *log = argument;
    log_job_begin(job, log);
    struct segment *active = log_active(log);
    if (!log_is_offline(log) && is_due(log, active)) {
        segment_hold(active);
        if (ask(job, log, active) != ST_OK) active->room_end = ROOM_NOT_GRANTED;
        segment_let_go(active);
    }
    log->is_asking_ahead = false;
    log_job_end(log);
    log_let_go(log);
}

void ahead_consider(struct log *log) {
    if (log->is_asking_ahead || log->abandoned || !is_due(log, log_active(log))) return;
    log->is_asking_ahead = true;
    log_hold(log);
    job_start(log->dir->jobs, ahead_job, log);
}

enum status ahead_give_back(struct job *job, struct segment *segment) {
    bool has_none = segment->room_end <= segment->size_bytes;
    if (has_none || segment->room_end == ROOM_NOT_GRANTED) return ST_OK;
    segment->room_end = 0;
    return job_truncate(job, segment->file, segment->size_bytes);
}

enum status ahead_recover(struct job *job, struct segment *segment) {
    if (segment->size_bytes < segment->dir->room_from) return ST_OK; /* it had none */
    return job_truncate(job, segment->file, segment->size_bytes);
}
