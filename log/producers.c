/* log/producers.c - loading, replaying and saving producer state. */
#include "log/producers.h"
#include <inttypes.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/full.h"
#include "log/producer_snapshot.h"
#include "log/segment_file.h"

#define SNAPSHOT_BYTES_MAX ((size_t)64 << 20)

enum { NOTHING_YET = -1, FIRST_CAPACITY = 16 };

/* --- which snapshots there are --- */

static enum status add_offset(struct producers_load *load, int64_t offset) {
    struct mem *mem = job_mem(load->job);
    if (load->count == load->capacity) {
        uint32_t capacity = load->capacity > 0 ? load->capacity * 2 : FIRST_CAPACITY;
        int64_t *grown = mem_resize(mem, load->snapshots, load->capacity * sizeof *grown,
                                    capacity * sizeof *grown);
        if (grown == NULL) return ST_NOMEM;
        load->snapshots = grown;
        load->capacity = capacity;
    }
    uint32_t at = load->count++;
    for (; at > 0 && load->snapshots[at - 1] > offset; at--)
        load->snapshots[at] = load->snapshots[at - 1];
    load->snapshots[at] = offset;
    return ST_OK;
}

static bool has_offset(const struct producers_load *load, int64_t offset) {
    for (uint32_t i = load->count; i > 0; i--) { /* mostly the last one is meant */
        if (load->snapshots[i - 1] <= offset) return load->snapshots[i - 1] == offset;
    }
    return false;
}

static enum status begin(struct producers_load *load, struct job *job, struct log *log,
                         const struct io_listing *listing, bool clean,
                         struct producer_states *states) {
    *load = (struct producers_load){.job = job,
                                    .log = log,
                                    .states = states,
                                    .at = NOTHING_YET,
                                    .good = NOTHING_YET,
                                    .clean = clean};
    enum status st = ST_OK;
    producer_states_clear(states);
    for (uint32_t i = 0; st == ST_OK && i < listing->count; i++) {
        struct part_name name;
        if (!part_name_parse(str_of(listing->entries[i].name), &name)) continue;
        if (name.part == PART_SNAPSHOT && name.suffix.len == 0)
            st = add_offset(load, name.base_offset);
    }
    return st;
}

enum status producers_begin(struct producers_load *load, struct job *job, struct log *log,
                            const struct io_listing *listing, bool clean) {
    log->snapshot_offset = NOTHING_YET;
    return begin(load, job, log, listing, clean, &log->producers);
}

void producers_end(struct producers_load *load) {
    if (load->capacity == 0) return;
    mem_free(job_mem(load->job), load->snapshots, load->capacity * sizeof *load->snapshots);
    load->snapshots = NULL;
    load->count = load->capacity = 0;
}

static enum status remove_file(struct job *job, const struct log *log, int64_t offset) {
    struct log_path path;
    log_path_of_part(&path, log->path, offset, PART_SNAPSHOT, "");
    enum status st = job_unlink(job, path.text);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status remove_snapshot(struct producers_load *load, uint32_t index) {
    enum status st = remove_file(load->job, load->log, load->snapshots[index]);
    load->has_removed = true;
    load->count--;
    memmove(load->snapshots + index, load->snapshots + index + 1,
            (load->count - index) * sizeof *load->snapshots);
    return st;
}

/* Above it no snapshot is believed. */
static int64_t believable_end(const struct producers_load *load, int64_t end) {
    const struct log *log = load->log;
    if (!load->clean) end = MIN(end, log->lost_from);
    for (uint32_t i = 0; !load->clean && i < log->segment_count; i++) {
        const struct segment *segment = log->segments[i];
        if (segment->hole_count > 0) return MIN(end, segment->holes[0].first_offset);
    }
    return end;
}

/* --- loading one --- */

/* ST_CORRUPT: damaged, and said so. */
static enum status read_list(struct job *job, const struct log *log, int64_t offset,
                             struct producer_list *ret_list) {
    struct mem *mem = job_mem(job);
    struct log_path path;
    log_path_of_part(&path, log->path, offset, PART_SNAPSHOT, "");
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(job, path.text, SNAPSHOT_BYTES_MAX, &data, &len);
    if (st == ST_OK) {
        st = producer_snapshot_decode((struct bytes){(const uint8_t *)data, len}, mem, ret_list);
        mem_free(mem, data, len + 1);
    }
    bool is_bad = st == ST_CORRUPT || st == ST_SHORT || st == ST_TOO_LARGE;
    if (is_bad) LOG_WARN("log", "producer snapshot is damaged, replaying: file=%s", path.text);
    return is_bad ? ST_CORRUPT : st;
}

static enum status read_snapshot(struct producers_load *load, int64_t offset) {
    struct log *log = load->log;
    struct producer_list list = {0};
    enum status st = read_list(load->job, log, offset, &list);
    if (st == ST_OK) {
        producer_states_clear(load->states);
        load->at = NOTHING_YET;
        st = producer_states_restore(load->states, &list, log_steady_ms(log));
    }
    producer_list_release(&list, job_mem(load->job));
    if (st == ST_OK) load->at = load->good = offset;
    return st;
}

/* The newest one at or below `offset`, if it spares replaying. */
static enum status load_newest(struct producers_load *load, int64_t offset) {
    int64_t first = load->log->segments[0]->base_offset;
    int64_t bound = believable_end(load, offset);
    for (uint32_t i = load->count; i > 0; i--) {
        int64_t snapshot = load->snapshots[i - 1];
        if (snapshot > bound) continue;
        if (snapshot < first || snapshot <= load->at) break;
        enum status st = read_snapshot(load, snapshot);
        if (st != ST_CORRUPT) return st;
        st = remove_snapshot(load, i - 1);
        if (st != ST_OK) return st;
    }
    if (load->at == NOTHING_YET) load->at = first;
    return ST_OK;
}

/* --- into files --- */

static bool begins_segment(const struct log *log, int64_t offset) {
    return log->segments[log_segment_of(log, offset)]->base_offset == offset;
}

static enum status make_image(const struct producer_states *states, int64_t offset,
                              const struct producer_change *const *later, size_t later_count,
                              struct producers_image *ret_image) {
    struct producer_list list = {0};
    enum status st = producer_states_list(states, later, later_count, &list);
    ret_image->offset = offset;
    if (st == ST_OK)
        st = producer_snapshot_encode(&list, states->mem, &ret_image->octets, &ret_image->bytes);
    producer_list_release(&list, states->mem);
    return st;
}

enum status producers_freeze(const struct log *log, struct producers_image *ret_image) {
    struct mem *mem = log->dir->io->mem;
    size_t count = 0;
    LIST_EACH(&log->queued, node) count++;
    size_t bytes = (count + 1) * sizeof(struct producer_change *);
    const struct producer_change **later = mem_alloc(mem, bytes);
    if (later == NULL) return ST_NOMEM;
    count = 0;
    LIST_EACH(&log->queued, node) {
        later[count++] = &CONTAINER_OF(node, struct log_append, link)->change;
    }
    enum status st = make_image(&log->producers, log->end, later, count, ret_image);
    mem_free(mem, later, bytes);
    return st;
}

void producers_image_release(struct producers_image *image, struct mem *mem) {
    mem_free(mem, image->octets, image->bytes);
    image->octets = NULL;
}

/* ST_NO_SPACE: nothing of it stays. */
static enum status write_image(struct job *job, const struct log *log,
                               const struct producers_image *image) {
    struct log_path path, temporary;
    log_path_of_part(&path, log->path, image->offset, PART_SNAPSHOT, "");
    log_path_of_part(&temporary, log->path, image->offset, PART_SNAPSHOT, SUFFIX_TEMPORARY);
    int fd = -1;
    enum status st =
        job_open(job, temporary.text, IO_WRITE | IO_CREATE | IO_TRUNCATE, LOG_FILE_MODE, &fd);
    if (st == ST_OK) {
        st = job_write(job, fd, image->octets, image->bytes, 0);
        job_close(job, fd);
    }
    if (st == ST_OK) st = job_rename(job, temporary.text, path.text);
    if (st != ST_NO_SPACE) return st;
    LOG_WARN("log", "no room for a producer snapshot: file=%s", path.text);
    st = job_unlink(job, temporary.text);
    return st == ST_OK || st == ST_NOT_FOUND ? ST_NO_SPACE : st;
}

enum status producers_save(struct job *job, struct log *log, const struct producers_image *image) {
    int64_t previous = log->snapshot_offset;
    if (previous == image->offset) return ST_OK;
    enum status st = write_image(job, log, image);
    if (st != ST_OK) return st == ST_NO_SPACE ? ST_OK : st;
    log->snapshot_offset = image->offset;
    if (previous < 0 || begins_segment(log, previous)) return ST_OK;
    return remove_file(job, log, previous);
}

/* --- replaying --- */

enum status producers_note(struct producers_load *load, struct scan *scan, uint64_t position,
                           const struct batch_view *view, struct producer_change *ret_change) {
    struct log *log = load->log;
    struct txn_marker marker, *found = NULL;
    *ret_change = (struct producer_change){.before.producer_id = NO_PRODUCER_ID};
    load->at = batch_next_offset(view);
    if (!batch_has_producer_id(view)) return ST_OK;
    if (batch_is_control(view)) {
        enum status st = scan_marker(scan, position, view, &marker);
        if (st == ST_CORRUPT)
            LOG_WARN("log", "not a transaction marker: log=%s offset=%" PRId64, log->path,
                     view->base_offset);
        if (st == ST_OK) found = &marker;
        if (st != ST_OK && st != ST_NOT_FOUND && st != ST_CORRUPT) return st;
    }
    return producer_states_append(load->states, view, found, view->base_offset,
                                  log_steady_ms(log), ret_change);
}

/* From load->at on, up to `offset`. */
static enum status replay_segment(struct producers_load *load, struct scan *scan,
                                  const struct segment *segment, int64_t offset) {
    int64_t from = load->at;
    scan_file(scan, segment->file, segment->size_bytes);
    for (uint64_t at = 0; at < segment->size_bytes && load->at < offset;) {
        const struct hole *hole = segment_hole_at(segment, at);
        if (hole != NULL) {
            at = hole->end_position;
            continue;
        }
        struct batch_view view;
        struct producer_change change;
        enum status st = scan_header(scan, at, false, &view);
        if (st == ST_OK && batch_last_offset(&view) >= from)
            st = producers_note(load, scan, at, &view, &change);
        if (st == ST_SHORT || st == ST_CORRUPT || st == ST_UNSUPPORTED) {
            /* In a segment that was trusted; what it says of producers cannot be known. */
            LOG_WARN("log", "damaged, producers replayed up to here: log=%s position=%" PRIu64,
                     load->log->path, at);
            return ST_OK;
        }
        if (st != ST_OK) return st;
        at += view.batch_bytes;
    }
    return ST_OK;
}

enum status producers_enter(struct producers_load *load, uint32_t index) {
    int64_t base_offset = load->log->segments[index]->base_offset;
    bool is_there = has_offset(load, base_offset);
    bool is_whole = is_there && (load->clean || load->good == base_offset);
    if (index == 0 || load->at != base_offset || is_whole) return ST_OK;
    struct producers_image image = {0};
    enum status st = make_image(load->states, base_offset, NULL, 0, &image);
    if (st == ST_OK) st = write_image(load->job, load->log, &image);
    producers_image_release(&image, job_mem(load->job));
    if (st == ST_NO_SPACE) return ST_OK;
    return st == ST_OK && !is_there ? add_offset(load, base_offset) : st;
}

enum status producers_reach(struct producers_load *load, struct scan *scan, int64_t offset) {
    const struct log *log = load->log;
    enum status st = load_newest(load, offset);
    uint32_t index = log_segment_of(log, load->at);
    for (; st == ST_OK && load->at < offset && index < log->segment_count; index++) {
        struct segment *segment = log->segments[index];
        bool is_last = index + 1 == log->segment_count;
        if (segment->base_offset >= offset) break;
        st = producers_enter(load, index);
        if (st == ST_OK) st = segment_file_use_wait(load->job, load->log, segment);
        if (st != ST_OK) break;
        st = replay_segment(load, scan, segment, offset);
        segment_file_unuse(segment);
        /* Behind the last batch offsets may be missing. */
        int64_t end = is_last ? offset : log->segments[index + 1]->base_offset;
        load->at = MAX(load->at, MIN(end, offset));
    }
    return st;
}

enum status producers_finish(struct producers_load *load, struct scan *scan) {
    struct log *log = load->log;
    enum status st = producers_reach(load, scan, log->end);
    int64_t end = believable_end(load, log->end);
    for (uint32_t i = load->count; st == ST_OK && i > 0; i--) {
        int64_t snapshot = load->snapshots[i - 1];
        if (snapshot <= end && (i == load->count || begins_segment(log, snapshot))) continue;
        st = remove_snapshot(load, i - 1);
    }
    if (st == ST_OK && load->has_removed) st = job_dir_sync(load->job, log->path);
    int64_t newest = load->count > 0 ? load->snapshots[load->count - 1] : NOTHING_YET;
    /* One that was not read may be torn: a roll that begins a segment there writes it again. */
    log->snapshot_offset = load->clean || load->good == newest ? newest : NOTHING_YET;
    return st;
}

/* A load of its own into `states`, without a recovery. */
static enum status begin_alone(struct producers_load *load, struct scan *scan, struct job *job,
                               struct log *log, struct producer_states *states) {
    struct io_listing listing = {0};
    enum status st = scan_init(scan, job);
    if (st == ST_OK) st = job_list(job, log->path, &listing);
    if (st == ST_OK) st = begin(load, job, log, &listing, true, states);
    io_listing_free(job_mem(job), &listing);
    return st;
}

enum status producers_reload(struct job *job, struct log *log) {
    struct producers_load load = {.job = job};
    struct scan scan;
    log->snapshot_offset = NOTHING_YET;
    enum status st = begin_alone(&load, &scan, job, log, &log->producers);
    load.has_removed = true; /* the newest one replaced another not long ago, perhaps */
    if (st == ST_OK) st = producers_finish(&load, &scan);
    producers_end(&load);
    scan_release(&scan);
    return st;
}

/* --- before segments go --- */

/* Makes the snapshot durable that segment `index` begins with. ST_NOT_FOUND: there is none, or a
 * power cut tore it while a later one spared reading it. */
static enum status secure_one(struct job *job, const struct log *log, uint32_t index) {
    int64_t offset = log->segments[index]->base_offset;
    struct producer_list list = {0};
    struct log_path path;
    int fd = -1;
    enum status st = read_list(job, log, offset, &list);
    producer_list_release(&list, job_mem(job));
    if (st != ST_OK) return st == ST_CORRUPT ? ST_NOT_FOUND : st;
    log_path_of_part(&path, log->path, offset, PART_SNAPSHOT, "");
    st = job_open(job, path.text, IO_READ, 0, &fd);
    if (st != ST_OK) return st;
    st = job_sync(job, fd, IO_ALL);
    job_close(job, fd);
    return st == ST_OK ? job_dir_sync(job, log->path) : st;
}

/* Makes it from the segments in front of it, which are still there, and secures it. ST_NOT_FOUND:
 * there is no room for it. */
static enum status make_and_secure(struct job *job, struct log *log, uint32_t index) {
    struct producers_load load = {.job = job};
    struct producer_states states;
    struct scan scan;
    producer_states_init(&states, job_mem(job));
    enum status st = begin_alone(&load, &scan, job, log, &states);
    if (st == ST_OK) st = producers_reach(&load, &scan, log->segments[index]->base_offset);
    if (st == ST_OK) st = producers_enter(&load, index);
    producers_end(&load);
    scan_release(&scan);
    producer_states_release(&states);
    return st == ST_OK ? secure_one(job, log, index) : st;
}

enum status producers_secure(struct job *job, struct log *log, uint32_t index,
                             uint32_t *ret_index) {
    struct log_dir *dir = log->dir;
    uint32_t wanted = index;
    enum status st = secure_one(job, log, index);
    bool is_needed = producer_states_count(&log->producers) > 0;
    if (st == ST_NOT_FOUND) st = is_needed ? make_and_secure(job, log, index) : ST_OK;
    if (st == ST_NOT_FOUND && dir->on_full != NULL) {
        dir->on_full(dir);
        job_sleep_until(job, io_now(dir->io).mono_us + FULL_PAUSE_US);
        st = log_is_offline(log) ? ST_IO : make_and_secure(job, log, index);
    }
    while (st == ST_NOT_FOUND && --index > 0) st = secure_one(job, log, index);
    if (index < wanted && (st == ST_OK || st == ST_NOT_FOUND)) {
        LOG_WARN("log",
                 "segments stay until there is room for what they tell of producers: log=%s "
                 "segments=%" PRIu32,
                 log->path, wanted - index);
        st = ST_OK;
    }
    *ret_index = index;
    return st;
}

/* --- for the log's owner --- */

enum producer_verdict log_check_producer(const struct log *log, const struct batch_view *batch,
                                         struct producer_batch *ret_duplicate) {
    return producer_states_check(&log->producers, batch, ret_duplicate);
}

enum producer_verdict log_check_marker(const struct log *log, const struct batch_view *batch,
                                       const struct txn_marker *marker) {
    return producer_states_check_marker(&log->producers, batch, marker);
}

void log_expire_producers(struct log *log, int64_t expiration_ms) {
    producer_states_expire(&log->producers, log_steady_ms(log), expiration_ms);
}

enum status log_list_producers(const struct log *log, struct producer_list *ret_list) {
    return producer_states_list(&log->producers, NULL, 0, ret_list);
}

int64_t log_stable_offset(struct log *log, int64_t high_watermark) {
    producer_states_decide(&log->producers, high_watermark);
    int64_t unstable = producer_states_first_unstable(&log->producers);
    return MIN(MAX(unstable, log->log_start), high_watermark);
}
