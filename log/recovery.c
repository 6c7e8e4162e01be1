/* log/recovery.c - walking, searching, cutting, rebuilding. */
#include "log/recovery.h"
#include <inttypes.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/ahead.h"
#include "log/holes.h"
#include "log/search.h"
#include "log/segment_file.h"

#define TAIL_WRITE_COUNT 4096u /* index entries that are held before they go into the file */

enum status recovery_begin(struct recovery *recovery, struct job *job, struct log *log,
                           const struct io_listing *listing, int64_t recovery_point,
                           int64_t verify_from) {
    *recovery = (struct recovery){
        .job = job,
        .log = log,
        .recovery_point = recovery_point,
        .verify_from = verify_from,
        .latest_epoch = -1,
        .direct = -1,
    };
    log->lost_from = INT64_MAX;
    enum status st = scan_init(&recovery->scan, job);
    if (st != ST_OK) return st;
    return producers_begin(&recovery->producers, job, log, listing, verify_from == INT64_MAX);
}

void recovery_end(struct recovery *recovery) {
    mem_free(job_mem(recovery->job), recovery->known,
             recovery->known_count * sizeof *recovery->known);
    producers_end(&recovery->producers);
    scan_release(&recovery->scan);
}

/* --- one batch --- */

/* Base offset and epoch lie outside the checksum, so one that jumps ahead may be damage. It is when
 * the batch behind it, itself whole, goes on where the jump began. A wrong offset makes the batch
 * unusable (ST_CORRUPT); a wrong epoch is only not believed (view says -1 then): the records are
 * whole. */
static enum status check_jump(struct recovery *r, uint64_t position, int64_t segment_base,
                              struct batch_view *view) {
    if (view->base_offset == r->expected && view->partition_leader_epoch <= r->latest_epoch) {
        return ST_OK;
    }
    struct batch_view next;
    uint64_t after = position + view->batch_bytes;
    enum status st = scan_header(&r->scan, after, true, &next);
    if (st != ST_OK && !scan_is_damage(st)) return st;
    if (st != ST_OK || !batch_offsets_fit(&next, r->expected, segment_base)) return ST_OK;
    bool offset_contradicted = next.base_offset < batch_next_offset(view);
    bool epoch_contradicted = next.partition_leader_epoch < view->partition_leader_epoch;
    if (!offset_contradicted && !epoch_contradicted) return ST_OK;
    st = scan_checksum(&r->scan, after, &next);
    if (st != ST_OK) return scan_is_damage(st) ? ST_OK : st;
    if (offset_contradicted) return ST_CORRUPT;
    view->partition_leader_epoch = NO_LEADER_EPOCH;
    return ST_OK;
}

/* Below the recovery point a batch was verified before, but not where that found a hole. */
static bool must_verify(const struct recovery *r, uint64_t position,
                        const struct batch_view *view) {
    if (r->verify_all || batch_next_offset(view) > r->verify_from) return true;
    for (uint32_t i = 0; i < r->known_count; i++) {
        const struct hole *hole = &r->known[i];
        if (position < hole->end_position && position + view->batch_bytes > hole->position)
            return true;
    }
    return false;
}

/* Offsets are dense unless compaction was there. A header that says otherwise may be damage, which
 * a walk that believed it would lay to every batch behind. */
static bool is_odd(const struct recovery *r, const struct batch_view *view) {
    return view->base_offset != r->expected ||
           view->record_count != view->last_offset_delta + INT64_C(1);
}

/* ST_OK: a batch that may stand here. ST_CORRUPT: none. */
static enum status check_next(struct recovery *r, uint64_t position, int64_t segment_base,
                              struct batch_view *ret_view) {
    bool verify = r->verify_from != INT64_MAX;
    enum status st = scan_header(&r->scan, position, verify, ret_view);
    if (st == ST_UNSUPPORTED) { /* or a torn header that looks like one */
        st = scan_checksum(&r->scan, position, ret_view);
        if (st == ST_OK) return ST_UNSUPPORTED;
    }
    if (st != ST_OK) return scan_is_damage(st) ? ST_CORRUPT : st;
    if (!batch_offsets_fit(ret_view, r->expected, segment_base)) return ST_CORRUPT;
    if (must_verify(r, position, ret_view) || is_odd(r, ret_view)) {
        st = scan_checksum(&r->scan, position, ret_view);
        if (st != ST_OK) return scan_is_damage(st) ? ST_CORRUPT : st;
    }
    return check_jump(r, position, segment_base, ret_view);
}

/* --- looking at the segment's own file --- */

/* What is verified is read from the device: the page cache may hold octets that a failed sync has
 * lost. So nothing is lost by passing it by, and the CPU time that filling it takes is saved. Where
 * that is not possible it is emptied and filled again. */
static enum status look_past_cache(struct recovery *r, const struct segment *segment) {
    struct log_path path;
    log_path_of_part(&path, r->log->path, segment->base_offset, PART_LOG, "");
    enum status st = job_forget(r->job, segment->file);
    if (st != ST_OK) return st;
    if (job_open(r->job, path.text, IO_READ | IO_DIRECT, 0, &r->direct) != ST_OK) r->direct = -1;
    return ST_OK;
}

static void look_at(struct recovery *r, const struct segment *segment, uint64_t file_bytes) {
    bool is_direct =
        r->direct >= 0 && scan_direct(&r->scan, r->direct, file_bytes) == ST_OK;
    if (!is_direct) scan_file(&r->scan, segment->file, file_bytes);
}

/* --- searching --- */

/* For a batch of the file that the scan looks at. */
static struct batch_search search_of(struct recovery *r, int64_t segment_base) {
    return (struct batch_search){.scan = &r->scan,
                                 .log_path = r->log->path,
                                 .segment_base = segment_base,
                                 .expected = r->expected,
                                 .latest_epoch = r->latest_epoch};
}

/* Whether any segment after `index` holds a valid batch; *ret_index says which. */
static enum status search_later_segments(struct recovery *r, uint32_t index, uint32_t *ret_index) {
    for (uint32_t i = index + 1; i < r->log->segment_count; i++) {
        struct segment *segment = r->log->segments[i];
        struct io_stat stat;
        struct log_path path;
        log_path_of_part(&path, r->log->path, segment->base_offset, PART_LOG, "");
        enum status st = job_stat(r->job, path.text, &stat);
        if (st == ST_OK) st = segment_file_use_wait(r->job, r->log, segment);
        if (st != ST_OK) return st;
        uint64_t position = 0;
        struct batch_view view;
        scan_file(&r->scan, segment->file, stat.size_bytes);
        struct batch_search search = search_of(r, segment->base_offset);
        st = batch_search_from(&search, 0, &position, &view);
        segment_file_unuse(segment);
        *ret_index = i;
        if (st != ST_NOT_FOUND) return st;
    }
    return ST_NOT_FOUND;
}

/* --- one segment --- */

/* A start after a crash walks it again, unless the recovery point has moved past it by then. */
static enum rebuild_how how_to_rebuild(const struct recovery *r, uint32_t index) {
    const struct log *log = r->log;
    bool is_last = index + 1 == log->segment_count;
    bool is_walked_again = r->verify_from != INT64_MAX &&
                           (is_last || log->segments[index + 1]->base_offset >= r->recovery_point);
    return log->dir->gathers_syncs && is_walked_again ? REBUILD_AGAIN : REBUILD_DURABLE;
}

static void reset(struct segment *segment) {
    rebuild_begin(segment);
    segment->size_bytes = 0;
    segment->max_timestamp_ms = -1;
    segment->max_known = true;
    segment->bytes_since_entry = 0;
}

/* The batch's place in the state of its producer, and in the transaction index. */
static enum status note_producer(struct recovery *r, struct segment *segment,
                                 const struct batch_view *view) {
    struct producer_change change;
    enum status st = producers_note(&r->producers, &r->scan, segment->size_bytes, view, &change);
    if (st != ST_OK || !change.is_abort) return st;
    return txn_index_add(&segment->txns, job_mem(r->job), &change.aborted);
}

static enum status note_batch(struct recovery *r, struct segment *segment,
                              const struct batch_view *view) {
    struct log *log = r->log;
    enum status st = note_producer(r, segment, view);
    if (st != ST_OK) return st;
    segment_note_batch(segment, batch_last_offset(view), view->max_timestamp,
                       (uint32_t)view->batch_bytes, log->config->index_interval_bytes);
    r->expected = batch_next_offset(view);
    r->latest_epoch = MAX(r->latest_epoch, view->partition_leader_epoch);
    if (view->partition_leader_epoch > log_latest_epoch(log)) {
        st = leader_epochs_assign(&log->epochs, job_mem(r->job), view->partition_leader_epoch,
                                  view->base_offset);
        if (st != ST_OK) return st;
    }
    if (segment->offsets.tail.count < TAIL_WRITE_COUNT &&
        segment->txns.tail.count < TAIL_WRITE_COUNT)
        return ST_OK;
    return rebuild_write(r->job, log, segment, r->how);
}

static enum status add_hole(struct recovery *r, struct segment *segment, struct hole hole) {
    size_t bytes = segment->hole_count * sizeof hole;
    struct hole *holes = mem_alloc(job_mem(r->job), bytes + sizeof hole);
    if (holes == NULL) return ST_NOMEM;
    if (bytes > 0) memcpy(holes, segment->holes, bytes);
    holes[segment->hole_count] = hole;
    segment_set_holes(segment, holes, segment->hole_count + 1);
    LOG_ERROR("log",
              "damage kept, the rest is served: log=%s base=%" PRId64 " offsets=[%" PRId64
              ",%" PRId64 ") octets=[%" PRIu64 ",%" PRIu64 ")",
              r->log->path, segment->base_offset, hole.first_offset, hole.end_offset, hole.position,
              hole.end_position);
    segment->size_bytes = hole.end_position;
    r->expected = hole.end_offset;
    return ST_OK;
}

/* Removes the segments behind `index`, the last first: none of them holds a batch. */
static enum status drop_later(struct recovery *r, uint32_t index) {
    static const enum segment_part parts[] = {PART_LOG, PART_INDEX, PART_TIME_INDEX, PART_TXN_INDEX,
                                              PART_HOLES};
    struct log *log = r->log;
    while (log->segment_count > index + 1) {
        struct segment *segment = log_active(log);
        for (size_t i = 0; i < COUNT(parts); i++) {
            struct log_path path;
            log_path_of_part(&path, log->path, segment->base_offset, parts[i], "");
            enum status st = job_unlink(r->job, path.text);
            if (st != ST_OK && st != ST_NOT_FOUND) return st;
        }
        log->segment_count--;
        segment_let_go(segment);
    }
    return ST_OK;
}

static enum status cut(struct recovery *r, uint32_t index, uint64_t file_bytes) {
    struct segment *segment = r->log->segments[index];
    LOG_WARN("log",
             "cut a torn tail: log=%s base=%" PRId64 " end=%" PRId64 " octets=%" PRIu64
             " segments=%" PRIu32,
             r->log->path, segment->base_offset, r->expected, file_bytes - segment->size_bytes,
             r->log->segment_count - index - 1);
    enum status st = drop_later(r, index);
    if (st == ST_OK) st = job_truncate(r->job, segment->file, segment->size_bytes);
    r->ended = true;
    return st;
}

/* Whether the file that the scan looks at is zeros from `position` on, as one that was preallocated
 * and not trimmed before the crash. */
static enum status find_zeros(struct recovery *r, uint64_t position, bool *ret_zeros) {
    *ret_zeros = true;
    while (*ret_zeros && position < r->scan.size_bytes) {
        const uint8_t *octets = NULL;
        enum status st = scan_octets(&r->scan, position, 1, SCAN_WINDOW_BYTES, &octets);
        if (st != ST_OK) return st;
        size_t there = (size_t)(r->scan.window_at + r->scan.window_len - position);
        *ret_zeros = octets[0] == 0 && memcmp(octets, octets + 1, there - 1) == 0;
        position += there;
    }
    return ST_OK;
}

/* At a bad batch: segment->size_bytes is where it starts. */
static enum status treat_damage(struct recovery *r, uint32_t index, uint64_t file_bytes) {
    struct segment *segment = r->log->segments[index];
    uint64_t bad = segment->size_bytes, position = 0;
    struct batch_search search = search_of(r, segment->base_offset);
    struct batch_view view;
    enum status st = batch_search_behind(&search, bad, &position, &view);
    if (st == ST_OK) {
        return add_hole(r, segment, (struct hole){r->expected, view.base_offset, bad, position});
    }
    if (st != ST_NOT_FOUND) return st;
    uint32_t later = 0;
    st = search_later_segments(r, index, &later);
    look_at(r, segment, file_bytes);
    if (st == ST_OK) {
        int64_t next_base = r->log->segments[index + 1]->base_offset;
        bool zeros = false;
        if (r->expected == next_base) st = find_zeros(r, bad, &zeros);
        if (st != ST_OK) return st;
        if (zeros) { /* nothing is missing */
            r->is_trimmed = true;
            return job_truncate(r->job, segment->file, bad);
        }
        return add_hole(r, segment,
                        (struct hole){r->expected, MAX(next_base, r->expected), bad, file_bytes});
    }
    if (st != ST_NOT_FOUND) return st;
    if (r->expected >= r->recovery_point) return cut(r, index, file_bytes);
    st = drop_later(r, index);
    r->ended = true;
    if (st != ST_OK) return st;
    return add_hole(r, segment, (struct hole){r->expected, r->recovery_point, bad, file_bytes});
}

/* The segment's holes become the known ones; it starts without. */
static enum status take_known_holes(struct recovery *r, struct segment *segment) {
    enum status st = holes_read(r->job, r->log, segment);
    r->verify_all = st == ST_CORRUPT;
    mem_free(job_mem(r->job), r->known, r->known_count * sizeof *r->known);
    r->known = segment->holes;
    r->known_count = segment->hole_count;
    segment->holes = NULL;
    segment->hole_count = 0;
    return st == ST_CORRUPT ? ST_OK : st;
}

static enum status finish_segment(struct recovery *r, struct segment *segment) {
    enum status st = holes_write(r->job, r->log, segment);
    if (st == ST_OK) st = rebuild_end(r->job, r->log, segment, r->how);
    if (r->how == REBUILD_AGAIN) {
        r->log->dir->is_unsettled = true;
        return st;
    }
    if (st == ST_OK) st = job_sync(r->job, segment->file, IO_ALL);
    return st == ST_OK ? job_dir_sync(r->job, r->log->path) : st;
}

static enum status recover_segment(struct recovery *r, uint32_t index, uint64_t file_bytes) {
    struct log *log = r->log;
    struct segment *segment = log->segments[index];
    enum status st = take_known_holes(r, segment);
    if (st == ST_OK) st = producers_reach(&r->producers, &r->scan, segment->base_offset);
    if (st == ST_OK) st = producers_enter(&r->producers, index);
    if (st == ST_OK && r->verify_from != INT64_MAX) st = look_past_cache(r, segment);
    if (st != ST_OK) return st;
    r->how = how_to_rebuild(r, index);
    reset(segment);
    look_at(r, segment, file_bytes);
    r->expected = MAX(r->expected, segment->base_offset);
    r->is_trimmed = false;
    while (segment->size_bytes < file_bytes && !r->ended && !r->is_trimmed) {
        struct batch_view view;
        st = check_next(r, segment->size_bytes, segment->base_offset, &view);
        if (st == ST_OK && must_verify(r, segment->size_bytes, &view)) {
            verified_add(&segment->verified, job_mem(r->job), segment->size_bytes,
                         segment->size_bytes + view.batch_bytes);
        }
        if (st == ST_OK) st = note_batch(r, segment, &view);
        if (st == ST_CORRUPT) st = treat_damage(r, index, file_bytes);
        if (st == ST_UNSUPPORTED) {
            LOG_ERROR("log", "records in a format before version 2: log=%s base=%" PRId64,
                      log->path, segment->base_offset);
        }
        if (st != ST_OK) return st;
    }
    verified_cut(&segment->verified, segment->size_bytes);
    if (segment->size_bytes == file_bytes) {
        st = ahead_recover(r->job, segment);
        if (st != ST_OK) return st;
    }
    if (index + 1 < log->segment_count && r->expected < log->segments[index + 1]->base_offset)
        log->lost_from = MIN(log->lost_from, r->expected); /* or compaction took it */
    segment_note_end(segment);
    return finish_segment(r, segment);
}

enum status recovery_segment(struct recovery *r, uint32_t index, uint64_t file_bytes) {
    struct segment *segment = r->log->segments[index]; /* it stays, whatever goes behind it */
    enum status st = segment_file_use_wait(r->job, r->log, segment);
    if (st != ST_OK) return st;
    st = recover_segment(r, index, file_bytes);
    if (r->direct >= 0) job_close(r->job, r->direct);
    r->direct = -1;
    segment_file_unuse(segment);
    return st;
}
