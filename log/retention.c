/* log/retention.c - the decision, and the job that carries it out. */
#include "log/retention.h"
#include <inttypes.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/impl.h"
#include "log/segment_job.h"

/* --- the decision --- */

void retention_begin(struct retention *retention, const struct log_config *config,
                     struct retention_clock clock, int64_t log_start, int64_t upper_offset,
                     uint64_t total_bytes) {
    bool deletes = config->cleanup_policy & CLEANUP_DELETE;
    bool is_full = deletes && config->retention_bytes >= 0 &&
                   total_bytes > (uint64_t)config->retention_bytes;
    *retention = (struct retention){
        .retention_ms = deletes ? config->retention_ms : -1,
        .excess_bytes = is_full ? total_bytes - (uint64_t)config->retention_bytes : 0,
        .clock = clock,
        .ahead_ms = MIN(MAX(config->message_timestamp_after_max_ms, RETENTION_AHEAD_MIN_MS),
                        RETENTION_AHEAD_MAX_MS),
        .is_append_time = config->message_timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
        .log_start = log_start,
        .upper_offset = upper_offset,
    };
}

/* Timestamps are a client's, and may be anything. */
static int64_t age(int64_t now_ms, int64_t then_ms) {
    int64_t difference = 0;
    if (!__builtin_sub_overflow(now_ms, then_ms, &difference)) return difference;
    return now_ms > then_ms ? INT64_MAX : INT64_MIN;
}

bool retention_is_absurd(const struct retention *retention, int64_t timestamp_ms) {
    return timestamp_ms < RETENTION_PLAUSIBLE_MS ||
           age(timestamp_ms, retention->clock.wall_ms) > retention->ahead_ms;
}

static bool is_below_start(const struct retention *r, const struct retention_segment *segment) {
    return !segment->is_last && segment->end_offset <= r->log_start;
}

static bool is_excess(const struct retention *r, const struct retention_segment *segment) {
    return r->excess_bytes > 0 && segment->bytes <= r->excess_bytes;
}

bool retention_needs_age(const struct retention *retention,
                         const struct retention_segment *segment) {
    return retention->retention_ms >= 0 && segment->end_offset <= retention->upper_offset &&
           !is_below_start(retention, segment) && !is_excess(retention, segment);
}

/* By both clocks; where the steady one is wrong, by how long it lay here. */
static int64_t age_of(const struct retention *r, const struct retention_segment *segment) {
    bool absurd = retention_is_absurd(r, segment->max_timestamp_ms);
    if ((absurd || r->is_append_time) && segment->appended_here) return segment->idle_ms;
    int64_t born_ms = absurd ? segment->modified_ms : segment->max_timestamp_ms;
    int64_t steady_ms = MAX(age(r->clock.steady_ms, born_ms), segment->idle_ms);
    return MIN(age(r->clock.wall_ms, born_ms), steady_ms);
}

bool retention_takes(struct retention *retention, const struct retention_segment *segment) {
    if (segment->end_offset > retention->upper_offset) return false;
    if (segment->is_last && segment->bytes == 0) return false;
    bool goes = is_below_start(retention, segment) || is_excess(retention, segment) ||
                (retention_needs_age(retention, segment) &&
                 age_of(retention, segment) > retention->retention_ms);
    if (goes) retention->excess_bytes -= MIN(segment->bytes, retention->excess_bytes);
    return goes;
}

/* --- the job --- */

struct retention_clock retention_clock_of(const struct log_dir *dir) {
    struct now now = io_now(dir->io);
    int64_t run_ms = (int64_t)((now.mono_us - dir->opened.mono_us) / 1000);
    return (struct retention_clock){.wall_ms = now.wall_ms,
                                    .steady_ms = dir->opened.wall_ms + run_ms};
}

/* What an age needs: the largest timestamp, and when it is absurd the file's own time. */
static enum status learn_age(struct job *job, struct log *log, const struct retention *retention,
                             struct segment *segment, struct retention_segment *facts) {
    enum status st = segment_load_max(job, log, segment);
    if (st != ST_OK) return st;
    facts->max_timestamp_ms = segment->max_timestamp_ms;
    facts->appended_here = segment->appended_here;
    facts->idle_ms = (int64_t)((io_now(log->dir->io).mono_us - segment->touched_us) / 1000);
    if (segment->appended_here || !retention_is_absurd(retention, facts->max_timestamp_ms))
        return ST_OK;
    struct log_path path;
    struct io_stat stat;
    log_path_of_part(&path, log->path, segment->base_offset, PART_LOG, "");
    st = job_stat(job, path.text, &stat);
    if (st == ST_OK) facts->modified_ms = stat.modified_ms;
    return st;
}

enum status log_segment_age(struct job *job, struct log *log, struct segment *segment,
                            int64_t *ret_age_ms) {
    struct retention retention;
    struct retention_segment facts = {.max_timestamp_ms = -1};
    retention_begin(&retention, log->config, retention_clock_of(log->dir), 0, 0, 0);
    enum status st = learn_age(job, log, &retention, segment, &facts);
    if (st != ST_OK) return st;
    *ret_age_ms = age_of(&retention, &facts);
    return ST_OK;
}

struct walk {
    int64_t new_start; /* -1: nothing goes */
    bool takes_active;
};

static enum status walk(struct job *job, struct log *log, struct retention *retention,
                        struct walk *walk) {
    struct segment *segment;
    enum status st = ST_OK;
    bool goes = true;
    int64_t after = -1;
    while (goes && (segment = log_next_segment(log, after)) != NULL) {
        after = segment->base_offset;
        uint32_t index = log_segment_of(log, after);
        struct retention_segment facts = {
            .bytes = segment->size_bytes,
            .end_offset = log_segment_end(log, index),
            .max_timestamp_ms = -1,
            .is_last = segment == log_active(log),
        };
        if (retention_needs_age(retention, &facts))
            st = learn_age(job, log, retention, segment, &facts);
        /* The job waited: the log may have gone on. */
        goes = st == ST_OK && log_segment_is_there(log, segment) &&
               facts.bytes == segment->size_bytes &&
               facts.is_last == (segment == log_active(log)) && retention_takes(retention, &facts);
        if (goes) {
            walk->new_start = facts.end_offset;
            walk->takes_active = facts.is_last;
        }
        segment_let_go(segment);
    }
    return st == ST_NOT_FOUND ? ST_OK : st; /* the file went meanwhile, and so did the segment */
}

enum status log_retain(struct job *job, struct log *log, int64_t upper_offset,
                       struct retained *deleted) {
    if (log_is_offline(log)) return ST_IO;
    log_hold(log);
    struct retention retention;
    retention_begin(&retention, log->config, retention_clock_of(log->dir), log->log_start,
                    MIN(upper_offset, log->durable_end), log_size_bytes(log));
    struct walk found = {.new_start = -1};
    struct retained gone = {0};
    enum status st = walk(job, log, &retention, &found);
    if (st == ST_OK && found.takes_active) st = log_roll_at(job, log, found.new_start);
    if (st == ST_OK && found.new_start >= 0) st = log_drop_below(job, log, found.new_start, &gone);
    if (gone.segments > 0) {
        LOG_INFO("log", "retention: log=%s start=%" PRId64 " segments=%" PRIu32 " bytes=%" PRIu64,
                 log->path, log->log_start, gone.segments, gone.bytes);
        deleted->segments += gone.segments;
        deleted->bytes += gone.bytes;
    }
    log_let_go(log);
    return st;
}
