/* log/segment_job.c - reading indexes and ends, in a job. */
#include "log/segment_job.h"
#include "base/logging.h"
#include "log/segment_file.h"

#define INDEX_FILE_BYTES_MAX ((size_t)256 << 20)

static uint32_t bytes_of_entry(enum segment_part part) {
    return part == PART_INDEX ? OFFSET_INDEX_ENTRY_BYTES : TIME_INDEX_ENTRY_BYTES;
}

enum status segment_read_index(struct job *job, const char *dir, int64_t base_offset,
                               enum segment_part part, uint8_t **ret_entries, uint32_t *ret_count) {
    struct log_path path;
    uint32_t entry_bytes = bytes_of_entry(part);
    log_path_of_part(&path, dir, base_offset, part, "");
    *ret_entries = NULL;
    *ret_count = 0;
    struct io_stat stat;
    enum status st = job_stat(job, path.text, &stat);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK || stat.size_bytes == 0) return st;
    if (stat.size_bytes > INDEX_FILE_BYTES_MAX || stat.size_bytes % entry_bytes != 0) {
        LOG_WARN("log", "not an index, searching without it: file=%s", path.text);
        return ST_OK;
    }
    size_t len = (size_t)stat.size_bytes;
    uint8_t *entries = mem_alloc(job_mem(job), len);
    if (entries == NULL) return ST_NOMEM;
    int fd = -1;
    st = job_open(job, path.text, IO_READ, 0, &fd);
    if (st == ST_OK) {
        st = job_read(job, fd, entries, len, 0);
        job_close(job, fd);
    }
    uint32_t count = (uint32_t)(len / entry_bytes);
    bool sane = st == ST_OK && (part == PART_INDEX ? offset_index_is_sane(entries, count, INT32_MAX)
                                                   : time_index_is_sane(entries, count));
    if (sane) {
        *ret_entries = entries;
        *ret_count = count;
        return ST_OK;
    }
    mem_free(job_mem(job), entries, len);
    if (st == ST_NOT_FOUND) return ST_OK; /* its segment is going */
    if (st != ST_OK && st != ST_SHORT) return st;
    LOG_WARN("log", "not an index, searching without it: file=%s", path.text);
    return ST_OK;
}

/* Whether the entry leads to the batch that it speaks of. */
static enum status check_entry(const struct segment *segment, struct scan *scan,
                               struct offset_position entry, bool *ret_is_right) {
    struct batch_view view;
    enum status st = scan_header(scan, entry.position, false, &view);
    if (st != ST_OK && !scan_is_damage(st)) return st;
    *ret_is_right = st == ST_OK && batch_last_offset(&view) ==
                                       segment->base_offset + (int64_t)entry.relative_offset;
    return ST_OK;
}

enum status segment_find_position(struct job *job, const struct log *log, struct segment *segment,
                                  struct scan *scan, int64_t offset, uint64_t *ret_position) {
    uint32_t relative = (uint32_t)(offset - segment->base_offset);
    struct offset_position from = {0, 0};
    if (!offset_index_find(&segment->offsets, relative, &from)) {
        uint8_t *entries = NULL;
        uint32_t count = 0;
        enum status st =
            segment_read_index(job, log->path, segment->base_offset, PART_INDEX, &entries, &count);
        if (st != ST_OK) return st;
        uint32_t below =
            relative < UINT32_MAX ? offset_index_count_below(entries, count, relative + 1) : count;
        if (below > 0)
            from = offset_index_decode(entries + (size_t)(below - 1) * OFFSET_INDEX_ENTRY_BYTES);
        mem_free(job_mem(job), entries, (size_t)count * OFFSET_INDEX_ENTRY_BYTES);
    }
    scan_file(scan, segment->file, segment->size_bytes);
    if (from.position > 0) {
        bool is_right = false;
        enum status st = check_entry(segment, scan, from, &is_right);
        if (st != ST_OK) return st;
        if (!is_right) {
            LOG_WARN("log", "offset index leads astray, searching without it: log=%s base=%lld",
                     log->path, (long long)segment->base_offset);
            from.position = 0;
        }
    }
    for (uint64_t at = from.position; at < segment->size_bytes;) {
        const struct hole *hole = segment_hole_at(segment, at);
        if (hole != NULL) {
            if (hole->end_offset > offset) {
                *ret_position = at;
                return ST_OK;
            }
            at = hole->end_position;
            continue;
        }
        struct batch_view view;
        enum status st = scan_header(scan, at, false, &view);
        if (st != ST_OK) return st == ST_SHORT || st == ST_UNSUPPORTED ? ST_CORRUPT : st;
        if (batch_last_offset(&view) >= offset) {
            *ret_position = at;
            return ST_OK;
        }
        at += view.batch_bytes;
    }
    *ret_position = segment->size_bytes;
    return ST_OK;
}

/* Reads the last entry of an index file. ST_CORRUPT: its length is none; *ret_count is 0 for an
 * empty one. */
static enum status last_entry(struct job *job, const struct log *log, int64_t base_offset,
                              enum segment_part part, const struct index_tail *tail, uint8_t *entry,
                              uint32_t *ret_count) {
    struct log_path path;
    uint32_t entry_bytes = bytes_of_entry(part);
    if (tail->file_count == INDEX_COUNT_UNKNOWN ||
        tail->file_count > INDEX_FILE_BYTES_MAX / entry_bytes)
        return ST_CORRUPT;
    *ret_count = tail->file_count;
    if (*ret_count == 0) return ST_OK;
    log_path_of_part(&path, log->path, base_offset, part, "");
    int fd = -1;
    enum status st = job_open(job, path.text, IO_READ, 0, &fd);
    if (st != ST_OK) return st == ST_NOT_FOUND ? ST_CORRUPT : st;
    st = job_read(job, fd, entry, entry_bytes, (uint64_t)(*ret_count - 1) * entry_bytes);
    job_close(job, fd);
    return st == ST_SHORT ? ST_CORRUPT : st;
}

static enum status read_last_entries(struct job *job, const struct log *log,
                                     struct segment *segment, struct offset_position *ret_from) {
    uint8_t octets[TIME_INDEX_ENTRY_BYTES];
    uint32_t offsets = 0, times = 0;
    struct offset_position from = {0, 0};
    struct time_entry time = {-1, 0};
    enum status st = last_entry(job, log, segment->base_offset, PART_INDEX,
                                &segment->offsets.tail, octets, &offsets);
    if (st != ST_OK) return st;
    if (offsets > 0) from = offset_index_decode(octets);
    if (offsets > 0 && (from.position == 0 || from.position >= segment->size_bytes))
        return ST_CORRUPT;
    st = last_entry(job, log, segment->base_offset, PART_TIME_INDEX, &segment->times.tail, octets,
                    &times);
    if (st != ST_OK) return st;
    if (times > 0) time = time_index_decode(octets);
    if (times > 0 && time.timestamp_ms < 0) return ST_CORRUPT;
    segment->offsets.tail.file_count = offsets;
    segment->times.tail.file_count = times;
    segment->times.last = time;
    *ret_from = from;
    return ST_OK;
}

enum status segment_walk_end(struct job *job, const struct log *log, struct segment *segment,
                             struct scan *scan, int64_t *ret_end) {
    struct offset_position from = {0, 0};
    enum status st = read_last_entries(job, log, segment, &from);
    if (st != ST_OK) return st;
    struct batch_view view;
    int64_t end = segment->base_offset;
    int64_t max_ms = segment->times.last.timestamp_ms;
    int64_t max_offset = segment->base_offset + segment->times.last.relative_offset;
    scan_file(scan, segment->file, segment->size_bytes);
    if (segment->size_bytes > 0 && segment_hole_at(segment, 0) == NULL) {
        st = scan_header(scan, 0, false, &view);
        if (st != ST_OK) return st == ST_SHORT || st == ST_UNSUPPORTED ? ST_CORRUPT : st;
        segment->first_timestamp_ms = view.max_timestamp;
    }
    for (uint64_t at = from.position; at < segment->size_bytes;) {
        const struct hole *hole = segment_hole_at(segment, at);
        if (hole != NULL) {
            at = hole->end_position;
            end = hole->end_offset;
            continue;
        }
        st = scan_header(scan, at, false, &view);
        if (st != ST_OK) return st == ST_SHORT || st == ST_UNSUPPORTED ? ST_CORRUPT : st;
        if (view.base_offset < end || view.last_offset_delta < 0) return ST_CORRUPT;
        bool indexed = at == from.position && at > 0;
        if (indexed && batch_last_offset(&view) != segment->base_offset + from.relative_offset)
            return ST_CORRUPT;
        if (view.max_timestamp > max_ms) {
            max_ms = view.max_timestamp;
            max_offset = batch_last_offset(&view);
        }
        end = batch_next_offset(&view);
        at += view.batch_bytes;
    }
    /* Entries go on as if the log had never been closed (Kafka begins to count anew). */
    segment->bytes_since_entry = (uint32_t)(segment->size_bytes - from.position);
    segment->max_timestamp_ms = max_ms;
    segment->max_timestamp_offset = max_offset;
    segment->max_known = true;
    *ret_end = end;
    return ST_OK;
}

/* Walks on from `at`: *max becomes the latest batch's entry. Ends at damage: what lies behind it is
 * not known. */
static enum status raise_max(const struct segment *segment, struct scan *scan, uint64_t at,
                             struct time_entry *max) {
    while (at < segment->size_bytes) {
        const struct hole *hole = segment_hole_at(segment, at);
        if (hole != NULL) {
            at = hole->end_position;
            continue;
        }
        struct batch_view view;
        enum status st = scan_header(scan, at, false, &view);
        if (st != ST_OK) return scan_is_damage(st) ? ST_OK : st;
        if (view.max_timestamp > max->timestamp_ms) {
            *max = (struct time_entry){
                view.max_timestamp, (uint32_t)(batch_last_offset(&view) - segment->base_offset)};
        }
        at += view.batch_bytes;
    }
    return ST_OK;
}

enum status segment_check_time(struct job *job, const struct log *log, struct segment *segment,
                               struct scan *scan, struct time_entry entry, uint64_t *ret_position,
                               bool *ret_is_right) {
    int64_t offset = segment->base_offset + (int64_t)entry.relative_offset;
    struct batch_view view;
    *ret_is_right = false;
    enum status st = segment_find_position(job, log, segment, scan, offset, ret_position);
    if (st == ST_OK && *ret_position < segment->size_bytes)
        st = scan_header(scan, *ret_position, false, &view);
    if (st != ST_OK) return scan_is_damage(st) ? ST_OK : st;
    *ret_is_right = *ret_position < segment->size_bytes && batch_last_offset(&view) == offset &&
                    view.max_timestamp == entry.timestamp_ms;
    return ST_OK;
}

/* The last entry holds the latest timestamp when it speaks of a batch that is there and none behind
 * that is later. A file that lost its end, or is another's, does not say so by itself. */
static enum status find_max(struct job *job, const struct log *log, struct segment *segment,
                            struct time_entry *max) {
    struct scan scan;
    struct time_entry last = *max;
    uint64_t at = 0;
    bool is_right = false;
    enum status st = scan_init(&scan, job);
    if (st == ST_OK && last.timestamp_ms >= 0)
        st = segment_check_time(job, log, segment, &scan, last, &at, &is_right);
    scan_file(&scan, segment->file, segment->size_bytes);
    if (st == ST_OK && is_right) st = raise_max(segment, &scan, at, max);
    is_right = is_right && max->timestamp_ms == last.timestamp_ms;
    if (st == ST_OK && !is_right) {
        *max = (struct time_entry){-1, 0};
        st = raise_max(segment, &scan, 0, max);
    }
    if (st == ST_OK && !is_right && max->timestamp_ms >= 0) {
        LOG_WARN("log", "time index is not the segment's, its batches were asked: log=%s base=%lld",
                 log->path, (long long)segment->base_offset);
    }
    scan_release(&scan);
    return st;
}

enum status segment_load_max(struct job *job, struct log *log, struct segment *segment) {
    if (segment->max_known) return ST_OK;
    uint8_t octets[TIME_INDEX_ENTRY_BYTES];
    uint32_t count = 0;
    enum status st = last_entry(job, log, segment->base_offset, PART_TIME_INDEX,
                                &segment->times.tail, octets, &count);
    if (st != ST_OK && st != ST_CORRUPT) return st;
    struct time_entry time = {-1, 0};
    if (st == ST_OK && count > 0) time = time_index_decode(octets);
    st = segment_file_use_wait(job, log, segment);
    if (st == ST_OK) {
        st = find_max(job, log, segment, &time);
        segment_file_unuse(segment);
    }
    if (st != ST_OK && st != ST_NOT_FOUND) return st; /* not found: it is going */
    segment->max_timestamp_ms = time.timestamp_ms;
    segment->max_timestamp_offset = segment->base_offset + time.relative_offset;
    segment->max_known = true;
    return ST_OK;
}
