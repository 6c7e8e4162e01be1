/* log/producers.c - loading, replaying and saving producer state. Source:
 * ProducerStateManager.truncateAndReload, takeSnapshot; UnifiedLog.rebuildProducerState. */
#include "log/producers.h"
#include <inttypes.h>
#include "base/logging.h"
#include "log/scan.h"
#include "log/segment_file.h"

#define SNAPSHOT_BYTES_MAX ((size_t)64 << 20)

static enum status read_snapshot(struct job *job, struct log *log, int64_t offset) {
    struct log_path path;
    log_path_of_part(&path, log->path, offset, PART_SNAPSHOT, "");
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, SNAPSHOT_BYTES_MAX, &data, &len);
    if (st != ST_OK) return st;
    st = producer_states_decode(&log->producers, (struct bytes){(const uint8_t *)data, len},
                                io_now(log->dir->io).wall_ms);
    mem_free(job_mem(job), data, len + 1);
    if (st == ST_CORRUPT) {
        LOG_WARN("log", "producer snapshot is damaged, replaying instead: file=%s", path.text);
    }
    return st;
}

static enum status remove_snapshot(struct job *job, const struct log *log, int64_t offset) {
    struct log_path path;
    log_path_of_part(&path, log->path, offset, PART_SNAPSHOT, "");
    enum status st = job_unlink(job, path.text);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Above it no snapshot is believed. */
static int64_t believable_end(const struct log *log, bool clean) {
    int64_t end = log->end;
    for (uint32_t i = 0; !clean && i < log->segment_count; i++) {
        const struct segment *segment = log->segments[i];
        if (segment->hole_count > 0) return MIN(end, segment->holes[0].first_offset);
    }
    return end;
}

/* The offset that was loaded, or the log's start. */
static enum status load_newest(struct job *job, struct log *log, bool clean, int64_t *ret_from) {
    int64_t end = believable_end(log, clean);
    struct io_listing listing = {0};
    enum status st = job_list(job, log->path, &listing);
    *ret_from = log->segments[0]->base_offset;
    bool found = false;
    for (uint32_t i = listing.count; st == ST_OK && i > 0; i--) { /* names sort by offset */
        struct part_name name;
        if (!part_name_parse(str_of(listing.entries[i - 1].name), &name)) continue;
        if (name.part != PART_SNAPSHOT || name.suffix.len > 0) continue;
        if (name.base_offset > end) {
            st = remove_snapshot(job, log, name.base_offset);
        } else if (!found && name.base_offset >= *ret_from) {
            st = read_snapshot(job, log, name.base_offset);
            found = st == ST_OK;
            if (found) *ret_from = log->snapshot_offset = name.base_offset;
            if (st == ST_CORRUPT || st == ST_SHORT)
                st = remove_snapshot(job, log, name.base_offset);
        }
    }
    io_listing_free(job_mem(job), &listing);
    return st;
}

static enum status replay_segment(struct job *job, struct log *log, struct scan *scan,
                                  const struct segment *segment, int64_t from) {
    (void)job;
    int64_t wall_ms = io_now(log->dir->io).wall_ms;
    scan_file(scan, segment->file, segment->size_bytes);
    for (uint64_t at = 0; at < segment->size_bytes;) {
        const struct hole *hole = segment_hole_at(segment, at);
        if (hole != NULL) {
            at = hole->end_position;
            continue;
        }
        struct batch_view view;
        enum status st = scan_header(scan, at, false, &view);
        if (st == ST_OK && batch_last_offset(&view) >= from) {
            st = producer_states_append(&log->producers, &view, view.base_offset, wall_ms);
        }
        if (st == ST_SHORT || st == ST_CORRUPT || st == ST_UNSUPPORTED) {
            /* In a segment that was trusted; what it says of producers cannot be known. */
            LOG_WARN("log", "damaged, producers replayed up to here: log=%s position=%" PRIu64,
                     log->path, at);
            return ST_OK;
        }
        if (st != ST_OK) return st;
        at += view.batch_bytes;
    }
    return ST_OK;
}

enum status producers_load(struct job *job, struct log *log, bool clean) {
    int64_t from = 0;
    log->snapshot_offset = -1;
    producer_states_clear(&log->producers);
    enum status st = load_newest(job, log, clean, &from);
    if (st != ST_OK || from >= log->end) return st;
    struct scan scan;
    st = scan_init(&scan, job);
    for (uint32_t i = log_segment_of(log, from); st == ST_OK && i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        st = segment_file_use_wait(job, log, segment);
        if (st != ST_OK) break;
        st = replay_segment(job, log, &scan, segment, from);
        segment_file_unuse(segment);
    }
    scan_release(&scan);
    return st;
}

static bool begins_segment(const struct log *log, int64_t offset) {
    return log->segments[log_segment_of(log, offset)]->base_offset == offset;
}

enum status producers_save(struct job *job, struct log *log, int64_t offset) {
    if (log->snapshot_offset == offset) return ST_OK;
    uint8_t *data = NULL;
    size_t bytes = 0;
    struct log_path path;
    enum status st = producer_states_encode(&log->producers, offset, &data, &bytes);
    if (st != ST_OK) return st;
    log_path_of_part(&path, log->path, offset, PART_SNAPSHOT, "");
    int fd = -1;
    st = job_open(job, path.text, IO_WRITE | IO_CREATE | IO_TRUNCATE, LOG_FILE_MODE, &fd);
    if (st == ST_OK) {
        st = job_write(job, fd, data, bytes, 0);
        job_close(job, fd);
    }
    mem_free(job_mem(job), data, bytes);
    int64_t previous = log->snapshot_offset;
    if (st != ST_OK) return st;
    log->snapshot_offset = offset;
    if (previous < 0 || begins_segment(log, previous)) return ST_OK;
    return remove_snapshot(job, log, previous);
}

enum producer_verdict log_check_producer(const struct log *log, const struct batch_view *batch,
                                         struct producer_batch *ret_duplicate) {
    return producer_states_check(&log->producers, batch, ret_duplicate);
}

void log_expire_producers(struct log *log, int64_t wall_ms, int64_t expiration_ms) {
    producer_states_expire(&log->producers, wall_ms, expiration_ms);
}
