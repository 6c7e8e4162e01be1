/* log/ends.c - the log's ends move other than by appending: truncation, a raised start, deletion of
 * the whole. Source: LocalLog.truncateTo, UnifiedLog.maybeIncrementLogStartOffset,
 * LocalLog.deleteSegmentFiles, renameDir. */
#include <inttypes.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/aborted.h"
#include "log/holes.h"
#include "log/producers.h"
#include "log/removal.h"
#include "log/retention.h"
#include "log/rounds.h"
#include "log/scan.h"
#include "log/segment_file.h"
#include "log/segment_job.h"
#include "log/swap.h"

/* --- whole segments --- */

enum status segments_remove(struct job *job, struct log *log, uint32_t first, uint32_t count) {
    enum status st = ST_OK;
    /* Inwards from whichever end of the log they are at, so that a crash in between leaves no gap.
     */
    bool upwards = first == 0 && count < log->segment_count;
    for (uint32_t i = 0; st == ST_OK && i < count; i++) {
        uint32_t index = upwards ? first + i : first + count - 1 - i;
        st = segment_set_aside(job, log, log->segments[index]->base_offset, true);
    }
    if (st == ST_OK) st = job_dir_sync(job, log->path);
    if (st != ST_OK) return st;
    uint32_t last = log->segment_count - 1;
    for (uint32_t i = first; i < first + count; i++) {
        struct segment *segment = log->segments[i];
        bool is_shared = segment->shares > 1; /* by reads; no new one finds it */
        removal_of_segment(log->dir, log->path, segment->base_offset, is_shared,
                           log->config->file_delete_delay_ms);
        if (i != last) log->sealed_bytes -= segment->size_bytes;
        segment_let_go(segment);
    }
    log->segment_count -= count;
    memmove(log->segments + first, log->segments + first + count,
            (log->segment_count - first) * sizeof *log->segments);
    if (first + count == last + 1 && log->segment_count > 0)
        log->sealed_bytes -= log_active(log)->size_bytes;
    recent_clear(log);
    return ST_OK;
}

/* By the job that has the log. Segments below the start go even when it does not move: a crash may
 * have left them. */
static enum status raise_start(struct job *job, struct log *log, int64_t new_start,
                               struct retained *gone) {
    uint32_t below = 0;
    new_start = MAX(new_start, log->log_start);
    while (below + 1 < log->segment_count && log->segments[below + 1]->base_offset <= new_start)
        below++;
    if (below == 0 && new_start == log->log_start) return ST_OK;
    log->log_start = new_start;
    enum status st = below > 0 ? producers_secure(job, log, below, &below) : ST_OK;
    if (st == ST_OK && below > 0) {
        struct retained oldest = {.segments = below};
        for (uint32_t i = 0; i < below; i++) oldest.bytes += log->segments[i]->size_bytes;
        st = segments_remove(job, log, 0, below);
        if (st == ST_OK) {
            gone->segments += oldest.segments;
            gone->bytes += oldest.bytes;
        }
    }
    leader_epochs_cut_start(&log->epochs, new_start);
    if (st == ST_OK) {
        st = log_save_epochs(job, log, INT64_MAX);
        if (st == ST_NO_SPACE) st = ST_OK; /* deleting makes room, so it needs none */
    }
    /* Without a descriptor or room the epochs' file says too much, which the next change mends. */
    if (st != ST_OK && st != ST_NOMEM && st != ST_NO_SPACE) log_fail(log, st);
    return st;
}

enum status log_raise_start(struct job *job, struct log *log, int64_t new_start) {
    log_hold(log);
    log_job_begin(job, log);
    enum status st = log_is_offline(log) ? ST_IO : new_start > log->durable_end ? ST_RANGE : ST_OK;
    if (st == ST_OK) st = raise_start(job, log, new_start, &(struct retained){0});
    log_job_end(log);
    log_let_go(log);
    return st;
}

enum status log_drop_below(struct job *job, struct log *log, int64_t base_offset,
                           struct retained *gone) {
    log_job_begin(job, log);
    int64_t there = log->segments[log_segment_of(log, base_offset)]->base_offset;
    enum status st = log_is_offline(log) ? ST_IO : there > log->durable_end ? ST_RANGE : ST_OK;
    if (st == ST_OK) st = raise_start(job, log, MIN(base_offset, there), gone);
    log_job_end(log);
    return st;
}

/* --- truncation --- */

/* Keeps the entries of an index file below relative_offset; the tail is in the file by now. */
static enum status cut_index(struct job *job, const struct log *log, struct segment *segment,
                             enum segment_part part, uint32_t relative_offset) {
    uint32_t entry_bytes = part == PART_INDEX ? OFFSET_INDEX_ENTRY_BYTES : TIME_INDEX_ENTRY_BYTES;
    uint8_t *entries = NULL;
    uint32_t count = 0;
    enum status st =
        segment_read_index(job, log->path, segment->base_offset, part, &entries, &count);
    if (st != ST_OK) return st;
    uint32_t keep = part == PART_INDEX ? offset_index_count_below(entries, count, relative_offset)
                                       : time_index_count_below(entries, count, relative_offset);
    mem_free(job_mem(job), entries, (size_t)count * entry_bytes);
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, part, "");
    int fd = -1;
    st = job_open(job, path.text, IO_WRITE, 0, &fd);
    if (st != ST_OK) return st;
    st = job_truncate(job, fd, (uint64_t)keep * entry_bytes);
    if (st == ST_OK) st = job_sync(job, fd, IO_ALL);
    job_close(job, fd);
    if (st == ST_OK)
        (part == PART_INDEX ? &segment->offsets.tail : &segment->times.tail)->file_count = keep;
    return st;
}

static enum status cut_holes(struct job *job, const struct log *log, struct segment *segment) {
    uint32_t keep = 0;
    while (keep < segment->hole_count && segment->holes[keep].end_position <= segment->size_bytes)
        keep++;
    if (keep == segment->hole_count) return ST_OK;
    struct hole *holes = NULL;
    if (keep > 0) {
        holes = mem_alloc(job_mem(job), keep * sizeof *holes);
        if (holes == NULL) return ST_NOMEM;
        memcpy(holes, segment->holes, keep * sizeof *holes);
    }
    segment_set_holes(segment, holes, keep);
    return holes_write(job, log, segment);
}

/* The active segment keeps what lies below `offset`. Indexes first: they may be too short, never
 * too long. */
static enum status cut_active(struct job *job, struct log *log, int64_t offset) {
    struct segment *segment = log_active(log);
    struct scan scan;
    enum status st = scan_init(&scan, job);
    uint64_t position = 0;
    segment->indexes_durable = false; /* they are cut without a sync */
    if (st == ST_OK) st = segment_find_position(job, log, segment, &scan, offset, &position);
    if (st == ST_OK) st = segment_write_indexes(job, log, segment, false);
    uint32_t relative_offset = (uint32_t)(offset - segment->base_offset);
    if (st == ST_OK) st = cut_index(job, log, segment, PART_INDEX, relative_offset);
    if (st == ST_OK) st = cut_index(job, log, segment, PART_TIME_INDEX, relative_offset);
    if (st == ST_OK) st = aborted_cut(job, log, segment, offset);
    if (st == ST_OK) st = job_truncate(job, segment->file, position);
    if (st == ST_OK) st = job_sync(job, segment->file, IO_ALL);
    if (st == ST_OK) {
        segment->size_bytes = position;
        verified_cut(&segment->verified, position);
        if (position == 0) segment->created_ms = io_now(log->dir->io).wall_ms;
        st = cut_holes(job, log, segment);
    }
    if (st == ST_OK) st = segment_walk_end(job, log, segment, &scan, &(int64_t){0});
    scan_release(&scan);
    return st;
}

static enum status truncate_to(struct job *job, struct log *log, int64_t offset) {
    enum status st = ST_OK;
    if (offset < log->segments[0]->base_offset) {
        st = segments_remove(job, log, 0, log->segment_count);
        struct segment *fresh = NULL;
        if (st == ST_OK) st = segment_create(job, log, offset, &fresh);
        if (st == ST_OK) log_push_segment(log, fresh);
    } else {
        uint32_t keep = log_segment_of(log, offset) + 1;
        if (keep < log->segment_count)
            st = segments_remove(job, log, keep, log->segment_count - keep);
        if (st == ST_OK) st = segment_file_keep(job, log, log_active(log));
        if (st == ST_OK) st = cut_active(job, log, offset);
    }
    if (st != ST_OK) return st;
    recent_clear(log);
    log->end = log->assigned_end = offset;
    log->durable_end = MIN(log->durable_end, offset);
    log->sync_wanted = MIN(log->sync_wanted, offset);
    log->sync_awaited = MIN(log->sync_awaited, offset);
    log->log_start = MIN(log->log_start, offset);
    log->clean_end = MIN(log->clean_end, offset);
    leader_epochs_cut_end(&log->epochs, offset);
    st = log_save_epochs(job, log, INT64_MAX);
    return st == ST_OK ? producers_reload(job, log) : st;
}

enum status log_truncate(struct job *job, struct log *log, int64_t offset) {
    log_hold(log);
    log_job_begin(job, log);
    log_job_quiet(job, log);
    ASSERT(list_is_empty(&log->queued));
    rounds_forget(log);
    enum status st = log_is_offline(log) ? ST_IO : offset < 0 ? ST_INVALID : ST_OK;
    if (st == ST_OK && offset < log->end) {
        LOG_INFO("log", "truncating: log=%s end=%" PRId64 " to=%" PRId64, log->path, log->end,
                 offset);
        st = truncate_to(job, log, offset);
        if (st != ST_OK) log_fail(log, st);
    }
    log_job_end(log);
    log_let_go(log);
    return st;
}

/* --- deletion --- */

enum status log_delete(struct job *job, struct log *log) {
    log_hold(log);
    log_job_begin(job, log);
    ASSERT(list_is_empty(&log->queued));
    log_job_quiet(job, log);
    rounds_forget(log);
    enum status st = ST_IO;
    bool is_shared = false; /* by reads; no new one finds it */
    for (uint32_t i = 0; i < log->segment_count; i++)
        is_shared = is_shared || log->segments[i]->shares > 1;
    if (!log_is_offline(log)) {
        st = removal_of_partition(job, log->dir, log->path, log->topic, log->partition, is_shared,
                                  log->config->file_delete_delay_ms);
    }
    if (st != ST_OK) log_fail(log, st);
    log_job_end(log);
    log_abandon(log);
    log_let_go(log);
    return st;
}
