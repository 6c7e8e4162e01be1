/* log/lookup.c - offsets by timestamp and timestamps by offset, in jobs: from an index to a batch,
 * from the batch to a record. Source: UnifiedLog.fetchOffsetByTimestamp,
 * LogSegment.findOffsetByTimestamp, FileRecords.searchForTimestamp. */
#include "base/assert.h"
#include "base/logging.h"
#include "log/segment_file.h"
#include "log/segment_job.h"
#include "protocol/record_iter.h"

#define PLAIN_BYTES_MAX ((size_t)1 << 30) /* of one batch, decompressed */
enum { TRIES_MAX = 8 };

struct lookup {
    struct job *job;
    struct log *log;
    struct scan scan;
    int64_t timestamp_ms; /* at least this, or with `exactly` just this */
    int64_t from_offset;  /* at or above this */
    int64_t upper_offset;
    bool exactly;
    bool any_time; /* the timestamp does not matter: the first record from from_offset on */
    struct log_found *found;
};

static bool fits(const struct lookup *l, int64_t timestamp_ms) {
    if (l->any_time) return true;
    return l->exactly ? timestamp_ms == l->timestamp_ms : timestamp_ms >= l->timestamp_ms;
}

static bool batch_fits(const struct lookup *l, const struct batch_view *view) {
    if (batch_last_offset(view) < MAX(l->log->log_start, l->from_offset)) return false;
    if (l->any_time) return view->record_count > 0 && !batch_is_control(view);
    return fits(l, view->max_timestamp);
}

/* Whether the header alone says when the record was written that is looked for: it is the first of
 * its batch, or all were stamped by the broker at once. */
static bool header_tells(const struct lookup *l, const struct batch_view *view,
                         int64_t *ret_timestamp_ms) {
    bool is_first = MAX(l->log->log_start, l->from_offset) <= view->base_offset;
    bool by_broker = view->attributes & BATCH_ATTR_LOG_APPEND_TIME;
    *ret_timestamp_ms = by_broker ? view->max_timestamp : view->base_timestamp;
    return by_broker || (is_first && !batch_has_delete_horizon(view));
}

/* The first matching record of the batch at `position`. */
static enum status search_batch(struct lookup *l, struct segment *segment, uint64_t position,
                                const struct batch_view *header) {
    struct mem *mem = job_mem(l->job);
    uint8_t *batch = mem_alloc(mem, header->batch_bytes);
    if (batch == NULL) return ST_NOMEM;
    struct batch_view view;
    enum status st = job_read(l->job, segment->file, batch, header->batch_bytes, position);
    if (st == ST_OK) st = batch_open((struct bytes){batch, header->batch_bytes}, &view);
    if (st == ST_OK && !batch_crc_matches((struct bytes){batch, header->batch_bytes}))
        st = ST_CORRUPT;
    if (st == ST_OK) {
        struct record_iter it;
        struct record record;
        record_iter_init(&it, mem);
        record_iter_open(&it, &view, PLAIN_BYTES_MAX);
        while (record_iter_next(&it, &record)) {
            if (!fits(l, record.timestamp)) continue;
            if (record.offset < MAX(l->log->log_start, l->from_offset)) continue;
            if (record.offset < l->upper_offset) {
                *l->found = (struct log_found){record.offset, record.timestamp,
                                               view.partition_leader_epoch};
            }
            st = ST_EXISTS; /* the search is over */
            break;
        }
        if (it.status != ST_OK) st = it.status;
        record_iter_close(&it);
        record_iter_release(&it);
    }
    mem_free(mem, batch, header->batch_bytes);
    return st == ST_SHORT ? ST_CORRUPT : st;
}

static enum status search_in(struct lookup *l, struct segment *segment, uint64_t position,
                             const struct batch_view *header) {
    int64_t timestamp_ms;
    if (!l->any_time || !header_tells(l, header, &timestamp_ms))
        return search_batch(l, segment, position, header);
    int64_t offset = MAX(MAX(l->log->log_start, l->from_offset), header->base_offset);
    *l->found = (struct log_found){offset, timestamp_ms, header->partition_leader_epoch};
    return ST_EXISTS;
}

/* Where to look from: the batch that the entry speaks of, or the log start when that is later. An
 * entry that does not hold is not believed. */
static enum status start_position(struct lookup *l, struct segment *segment,
                                  struct time_entry entry, uint64_t *ret_at) {
    int64_t offset = segment->base_offset + (int64_t)entry.relative_offset;
    bool is_right = true;
    enum status st = ST_OK;
    if (entry.timestamp_ms >= 0) {
        st = segment_check_time(l->job, l->log, segment, &l->scan, entry, ret_at, &is_right);
        if (st != ST_OK || (is_right && offset >= l->log->log_start)) return st;
    }
    if (!is_right) {
        offset = segment->base_offset;
        LOG_WARN("log", "time index leads astray, searching without it: log=%s base=%lld",
                 l->log->path, (long long)segment->base_offset);
    }
    return segment_find_position(l->job, l->log, segment, &l->scan,
                                 MAX(offset, l->log->log_start), ret_at);
}

/* Walks the segment's batches from the entry's. */
static enum status search_segment(struct lookup *l, struct segment *segment,
                                  struct time_entry entry) {
    uint64_t at = 0;
    enum status st = segment_file_use_wait(l->job, l->log, segment);
    if (st != ST_OK) return st;
    st = start_position(l, segment, entry, &at);
    scan_file(&l->scan, segment->file, segment->size_bytes);
    while (st == ST_OK && at < segment->size_bytes) {
        const struct hole *hole = segment_hole_at(segment, at);
        if (hole != NULL) {
            at = hole->end_position;
            continue;
        }
        struct batch_view view;
        st = scan_header(&l->scan, at, false, &view);
        if (st == ST_SHORT || st == ST_UNSUPPORTED) st = ST_CORRUPT;
        if (st != ST_OK || view.base_offset >= l->upper_offset) break;
        if (batch_fits(l, &view)) st = search_in(l, segment, at, &view);
        at += view.batch_bytes;
    }
    segment_file_unuse(segment);
    return st == ST_EXISTS ? ST_OK : st;
}

/* The last entry whose timestamp is not above the one wanted: nothing before it can match. */
static enum status start_entry(struct lookup *l, struct segment *segment,
                               struct time_entry *ret_entry) {
    struct time_entry entry = {-1, 0};
    const struct index_tail *tail = &segment->times.tail;
    if (tail->count > 0) entry = time_index_find(tail->entries, tail->count, l->timestamp_ms);
    if (entry.timestamp_ms < 0 && tail->file_count > 0) {
        uint8_t *entries = NULL;
        uint32_t count = 0;
        enum status st = segment_read_index(l->job, l->log->path, segment->base_offset,
                                            PART_TIME_INDEX, &entries, &count);
        if (st != ST_OK) return st;
        entry = time_index_find(entries, count, l->timestamp_ms);
        mem_free(job_mem(l->job), entries, (size_t)count * TIME_INDEX_ENTRY_BYTES);
    }
    *ret_entry = entry;
    return ST_OK;
}

static enum status find_at_least(struct lookup *l) {
    int64_t after = -1;
    struct segment *segment;
    while ((segment = log_next_segment(l->log, after)) != NULL) {
        after = segment->base_offset;
        enum status st = segment_load_max(l->job, l->log, segment);
        bool holds_it =
            st == ST_OK && segment->size_bytes > 0 && segment->max_timestamp_ms >= l->timestamp_ms;
        if (holds_it) {
            struct time_entry entry;
            st = start_entry(l, segment, &entry);
            if (st == ST_OK) st = search_segment(l, segment, entry);
        }
        segment_let_go(segment);
        if (st != ST_OK || holds_it) return st;
    }
    return ST_OK;
}

static enum status find_max(struct lookup *l) {
    int64_t after = -1;
    struct segment *segment, *best = NULL;
    enum status st = ST_OK;
    while (st == ST_OK && (segment = log_next_segment(l->log, after)) != NULL) {
        after = segment->base_offset;
        st = segment_load_max(l->job, l->log, segment);
        bool better = st == ST_OK && segment->max_timestamp_ms >= 0 &&
                      (best == NULL || segment->max_timestamp_ms > best->max_timestamp_ms);
        if (better && best != NULL) segment_let_go(best);
        if (better) {
            best = segment;
        } else {
            segment_let_go(segment);
        }
    }
    if (best == NULL) return st;
    l->timestamp_ms = best->max_timestamp_ms;
    if (st == ST_OK) {
        uint32_t relative = (uint32_t)(best->max_timestamp_offset - best->base_offset);
        st = search_segment(l, best, (struct time_entry){best->max_timestamp_ms, relative});
    }
    segment_let_go(best);
    return st;
}

static enum status find_record(struct lookup *l) {
    int64_t from = MAX(l->from_offset, l->log->log_start);
    int64_t after = l->log->segments[log_segment_of(l->log, from)]->base_offset - 1;
    struct segment *segment;
    enum status st = ST_OK;
    while (st == ST_OK && l->found->offset < 0 &&
           (segment = log_next_segment(l->log, after)) != NULL) {
        after = segment->base_offset;
        if (segment->size_bytes > 0) {
            uint32_t relative = (uint32_t)MAX(from - segment->base_offset, 0);
            st = search_segment(l, segment, (struct time_entry){-1, relative});
        }
        segment_let_go(segment);
        if (after >= l->upper_offset) break;
    }
    return st;
}

static enum status run(struct job *job, struct log *log, struct lookup *lookup,
                       enum status (*find)(struct lookup *)) {
    *lookup->found = (struct log_found){-1, -1, -1};
    if (log_is_offline(log)) return ST_IO;
    lookup->job = job;
    lookup->log = log;
    log_hold(log);
    enum status st = scan_init(&lookup->scan, job);
    for (uint32_t tries = 0; st == ST_OK && tries < TRIES_MAX; tries++) {
        st = find(lookup);
        if (st != ST_NOT_FOUND) break;
        st = log_is_offline(log) ? ST_IO : ST_OK; /* a segment went meanwhile, or the log moved */
    }
    scan_release(&lookup->scan);
    log_let_go(log);
    return st;
}

enum status log_find_timestamp(struct job *job, struct log *log, int64_t timestamp_ms,
                               int64_t upper_offset, struct log_found *ret_found) {
    struct lookup lookup = {
        .timestamp_ms = timestamp_ms, .upper_offset = upper_offset, .found = ret_found};
    return run(job, log, &lookup, find_at_least);
}

enum status log_find_record(struct job *job, struct log *log, int64_t offset, int64_t upper_offset,
                            struct log_found *ret_found) {
    struct lookup lookup = {.any_time = true,
                            .from_offset = offset,
                            .upper_offset = upper_offset,
                            .found = ret_found};
    return run(job, log, &lookup, find_record);
}

enum status log_find_max_timestamp(struct job *job, struct log *log, int64_t upper_offset,
                                   struct log_found *ret_found) {
    struct lookup lookup = {.upper_offset = upper_offset, .exactly = true, .found = ret_found};
    return run(job, log, &lookup, find_max);
}
