/* log/cleaner.c - what is dirty, reading, and writing the segments that replace others. */
#include "log/cleaner.h"
#include <inttypes.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/compaction.h"
#include "log/impl.h"
#include "log/retention.h"
#include "log/swap.h"

#define CLOCK_STEP_MS INT64_C(60000) /* less is a clock being set right */
#define SYNC_BYTES ((uint64_t)32 << 20) /* written without a sync in between */
#define BUFFER_BYTES_MIN ((size_t)4 << 10)

int64_t log_clean_end(const struct log *log) { return log->clean_end; }
void log_set_clean_end(struct log *log, int64_t offset) { log->clean_end = offset; }

enum status log_uncleanable(const struct log *log) {
    return log->uncleanable_start == log->log_start ? log->uncleanable : ST_OK;
}

/* --- what is dirty --- */

/* The checkpoint may be older than the log's start, or tell of what a truncation has cut. */
static int64_t first_dirty(const struct log *log) {
    return log->clean_end < log->log_start || log->clean_end > log->end ? log->log_start
                                                                        : log->clean_end;
}

/* Timestamp of the first batch of a segment; -1: none. */
static enum status first_timestamp(struct job *job, const struct log *log,
                                   const struct segment *segment, int64_t *ret_ms) {
    uint8_t header[BATCH_HEADER_BYTES];
    struct batch_view view;
    struct log_path path;
    int fd = -1;
    *ret_ms = -1;
    if (segment->size_bytes < sizeof header) return ST_OK;
    log_path_of_part(&path, log->path, segment->base_offset, PART_LOG, "");
    enum status st = job_open(job, path.text, IO_READ, 0, &fd);
    if (st != ST_OK) return st;
    st = job_read(job, fd, header, sizeof header, 0);
    job_close(job, fd);
    if (st != ST_OK) return st == ST_SHORT ? ST_OK : st;
    if (batch_peek((struct bytes){header, sizeof header}, &view) == ST_OK)
        *ret_ms = view.max_timestamp;
    return ST_OK;
}

/* One dirty segment: *ret_is_young ends the walk. */
static enum status look_at(struct job *job, struct log *log, struct segment *segment,
                           struct cleanable *found, bool *ret_is_young) {
    const struct log_config *config = log->config;
    *ret_is_young = false;
    if (config->min_compaction_lag_ms > 0) {
        int64_t age_ms = 0;
        enum status st = log_segment_age(job, log, segment, &age_ms);
        if (st != ST_OK) return st;
        *ret_is_young = age_ms < config->min_compaction_lag_ms;
    }
    if (*ret_is_young || found->is_overdue || config->max_compaction_lag_ms == INT64_MAX)
        return ST_OK;
    int64_t first_ms = -1;
    enum status st = first_timestamp(job, log, segment, &first_ms);
    if (st == ST_OK && first_ms > 0)
        found->is_overdue = io_now(log->dir->io).wall_ms - first_ms > config->max_compaction_lag_ms;
    return st;
}

enum status log_cleanable(struct job *job, struct log *log, int64_t upper_offset,
                          struct cleanable *ret_cleanable) {
    *ret_cleanable = (struct cleanable){0};
    if (log_is_offline(log)) return ST_IO;
    log_hold(log);
    struct cleanable found = {.first_dirty = first_dirty(log)};
    found.first_uncleanable = found.first_dirty;
    upper_offset = MIN(upper_offset, log->durable_end);
    struct segment *segment;
    enum status st = ST_OK;
    bool is_young = false;
    int64_t after = -1;
    while (st == ST_OK && !is_young && (segment = log_next_segment(log, after)) != NULL) {
        after = segment->base_offset;
        int64_t end = log_segment_end(log, log_segment_of(log, after));
        bool is_over = segment == log_active(log) || end > upper_offset;
        uint64_t bytes = segment->size_bytes;
        bool is_dirty = end > found.first_dirty;
        if (!is_over && is_dirty) st = look_at(job, log, segment, &found, &is_young);
        segment_let_go(segment);
        if (is_over || is_young || st != ST_OK) break;
        if (after < found.first_dirty) found.clean_bytes += bytes;
        if (is_dirty) {
            found.dirty_bytes += bytes;
            found.first_uncleanable = end;
        }
    }
    log_let_go(log);
    if (st == ST_NOT_FOUND) return ST_OK; /* a segment went meanwhile: next time */
    if (st != ST_OK) return st;
    uint64_t all = found.clean_bytes + found.dirty_bytes;
    found.dirty_ratio = all > 0 ? (double)found.dirty_bytes / (double)all : 0;
    *ret_cleanable = found;
    return ST_OK;
}

bool cleanable_is_due(const struct cleanable *cleanable, const struct log_config *config) {
    if (!(config->cleanup_policy & CLEANUP_COMPACT) || cleanable->dirty_bytes == 0) return false;
    return cleanable->is_overdue || cleanable->dirty_ratio > config->min_cleanable_dirty_ratio;
}

/* --- a cleaning --- */

/* A segment that is read; its struct may go meanwhile. */
struct source {
    int64_t base, end;
    uint64_t bytes;
    int64_t created_ms; /* these its successor inherits */
    uint64_t touched_us;
    bool appended_here;
};

struct cleaning {
    struct job *job;
    struct log *log;
    const struct cleaner_limits *limits;
    const struct cleaner_leave *leave;
    struct mem mem; /* of `work` alone, in turn with the worker */
    struct compaction work;
    struct source *sources;
    uint32_t source_count;
    uint8_t *buffer;
    size_t buffer_bytes;
    uint64_t began_us;
    uint64_t paced_us, moved_bytes; /* for the throttle: since then so many at ... */
    double bytes_per_second;        /* ... this rate */
    struct cleaned *result;
};

static bool is_compacted(const struct log *log) {
    return (log->config->cleanup_policy & CLEANUP_COMPACT) != 0 && !log->abandoned;
}

static enum status check_wanted(const struct cleaning *c) {
    if (!c->leave->may_go_on(c->leave->owner)) return ST_CANCELLED;
    if (log_is_offline(c->log)) return ST_IO;
    return is_compacted(c->log) ? ST_OK : ST_STALE;
}

/* How long what was moved takes still. */
static double left_us(struct cleaning *c) {
    uint64_t now_us = io_now(c->log->dir->io).mono_us;
    double rate = MAX(c->limits->bytes_per_second, 1.0);
    if (rate < c->bytes_per_second || rate > c->bytes_per_second) {
        c->bytes_per_second = rate;
        c->paced_us = now_us;
        c->moved_bytes = 0;
    }
    return (double)c->moved_bytes / rate * 1e6 - (double)(now_us - c->paced_us);
}

/* Read and written octets take their time. */
static void throttle(struct cleaning *c, uint64_t bytes) {
    enum { NAP_MIN_US = 1000, NAP_MAX_US = 200000 }; /* a stop need not wait for long */
    c->moved_bytes += bytes;
    for (double us; (us = left_us(c)) >= NAP_MIN_US && check_wanted(c) == ST_OK;) {
        uint64_t nap_us = (uint64_t)MIN(us, (double)NAP_MAX_US);
        job_sleep_until(c->job, io_now(c->log->dir->io).mono_us + nap_us);
    }
}

struct step {
    struct compaction *work;
    struct bytes chunk;
    size_t used;
    enum status (*walk)(struct compaction *, struct bytes, size_t *);
};

static int64_t run_step(void *argument) {
    struct step *step = argument;
    return step->walk(step->work, step->chunk, &step->used);
}

static int64_t clear_map(void *argument) {
    key_map_clear(argument);
    return 0;
}

static enum status grow_buffer(struct cleaning *c, size_t bytes) {
    uint8_t *more = mem_resize(&c->mem, c->buffer, c->buffer_bytes, bytes);
    if (more == NULL) return ST_NOMEM;
    c->buffer = more;
    c->buffer_bytes = bytes;
    return ST_OK;
}

/* A batch that is larger than the buffer, or ends behind the file. */
static enum status make_room(struct cleaning *c, uint64_t left_bytes, size_t chunk_bytes) {
    struct batch_view view;
    enum status st = batch_peek((struct bytes){c->buffer, chunk_bytes}, &view);
    if (st != ST_OK) return st == ST_SHORT ? ST_CORRUPT : st;
    bool fits = view.batch_bytes <= left_bytes && view.batch_bytes > c->buffer_bytes;
    return fits ? grow_buffer(c, view.batch_bytes) : ST_CORRUPT;
}

typedef enum status after_fn(struct cleaning *c, void *argument);

/* Tells the walk of the aborted transactions that have a record in the segment. */
static enum status announce_aborts(struct cleaning *c, const struct source *source) {
    struct aborted_txns list;
    enum status st = log_find_aborted(c->job, c->log, source->base, source->end, &list);
    if (st != ST_OK) return st == ST_NOT_FOUND ? ST_STALE : st;
    for (uint32_t i = 0; i < list.count && st == ST_OK; i++)
        st = cleaned_txns_add(&c->work.txns, &list.txns[i]);
    aborted_txns_release(&list, job_mem(c->job));
    return st;
}

/* Runs one walk over a segment's file, chunk after chunk; `after` takes what came out of each. */
static enum status walk_source(struct cleaning *c, const struct source *source,
                               enum status (*walk)(struct compaction *, struct bytes, size_t *),
                               after_fn *after, void *argument) {
    struct log_path path;
    int fd = -1;
    log_path_of_part(&path, c->log->path, source->base, PART_LOG, "");
    enum status st = job_open(c->job, path.text, IO_READ, 0, &fd);
    if (st != ST_OK) return st == ST_NOT_FOUND ? ST_STALE : st;
    st = announce_aborts(c, source);
    for (uint64_t at = 0; at < source->bytes && st == ST_OK;) {
        uint64_t left = source->bytes - at;
        size_t want = (size_t)MIN((uint64_t)c->buffer_bytes, left), got = 0;
        st = check_wanted(c);
        if (st == ST_OK) st = job_read_some(c->job, fd, c->buffer, want, at, &got);
        if (st != ST_OK) break;
        if (got < want) st = ST_STALE; /* somebody cut it */
        struct step step = {.work = &c->work, .chunk = {c->buffer, got}, .walk = walk};
        if (st == ST_OK) st = (enum status)job_work(c->job, run_step, &step);
        if (st == ST_OK && step.used == 0) st = make_room(c, left, got);
        at += step.used;
        if (st == ST_OK && after != NULL) st = after(c, argument);
        throttle(c, step.used);
    }
    job_close(c->job, fd);
    return st;
}

/* --- the first reading --- */

static enum status make_map(struct cleaning *c, uint64_t bytes, uint64_t key_count_max) {
    struct siphash_key key;
    io_random(c->log->dir->io, &key, sizeof key);
    key_map_release(&c->work.map);
    enum status st =
        key_map_init(&c->work.map, &c->mem, bytes, c->limits->load_factor, key_count_max, key);
    if (st == ST_OK) (void)job_work(c->job, clear_map, &c->work.map);
    return st;
}

static enum status index_sources(struct cleaning *c) {
    enum status st = ST_OK;
    for (uint32_t i = 0; i < c->source_count && st == ST_OK; i++) {
        const struct source *source = &c->sources[i];
        if (source->end <= c->work.first_dirty) continue;
        st = walk_source(c, source, compaction_index, NULL, NULL);
        if (st == ST_OK) c->work.upper_offset = MAX(c->work.upper_offset, source->end);
    }
    return st;
}

/* A map that has no room for the first batch's keys gets some. */
static enum status learn_keys(struct cleaning *c) {
    uint64_t bytes = c->limits->map_bytes;
    uint64_t key_count_max =
        (uint64_t)(c->sources[c->source_count - 1].end - c->work.first_dirty);
    for (;;) {
        c->work.upper_offset = c->work.first_dirty;
        compaction_turn(&c->work);
        enum status st = make_map(c, bytes, key_count_max);
        if (st == ST_OK) st = index_sources(c);
        if (st != ST_FULL) return st;
        if (c->work.upper_offset > c->work.first_dirty) return ST_OK;
        bytes = MAX(bytes, (uint64_t)BUFFER_BYTES_MIN) * 2;
    }
}

/* --- the second reading --- */

struct output {
    struct segment *segment;
    uint64_t unsynced_bytes;
};

/* What came out of a chunk goes into the new segment's file. */
static enum status write_out(struct cleaning *c, void *argument) {
    struct output *output = argument;
    struct segment *segment = output->segment;
    struct octets *out = &c->work.out;
    if (out->len == 0) return ST_OK;
    if (segment->size_bytes + out->len > INT32_MAX) return ST_TOO_LARGE;
    enum status st = job_write(c->job, segment->file, out->data, out->len, segment->size_bytes);
    output->unsynced_bytes += out->len;
    if (st == ST_OK && output->unsynced_bytes >= SYNC_BYTES) {
        st = job_sync(c->job, segment->file, 0);
        output->unsynced_bytes = 0;
    }
    for (size_t at = 0; at < out->len && st == ST_OK;) {
        struct batch_view view;
        st = batch_peek((struct bytes){out->data + at, out->len - at}, &view);
        ASSERT(st == ST_OK);
        segment_note_batch(segment, batch_last_offset(&view), view.max_timestamp,
                           (uint32_t)view.batch_bytes, c->log->config->index_interval_bytes);
        at += view.batch_bytes;
    }
    struct mem *mem = c->log->dir->io->mem; /* the segment's */
    for (uint32_t i = 0; i < c->work.aborts.count && st == ST_OK; i++)
        st = txn_index_add(&segment->txns, mem, &c->work.aborts.txns[i]);
    c->work.aborts.count = 0;
    throttle(c, out->len);
    out->len = 0;
    return st;
}

static enum status write_index(struct cleaning *c, const struct segment *segment,
                               enum segment_part part, const struct index_tail *tail,
                               size_t entry_bytes) {
    struct log_path path;
    int fd = -1;
    log_path_of_part(&path, c->log->path, segment->base_offset, part, SUFFIX_CLEANED);
    enum status st = job_open(c->job, path.text, IO_WRITE | IO_CREATE | IO_TRUNCATE, LOG_FILE_MODE,
                              &fd);
    if (st != ST_OK) return st;
    if (tail->count > 0) st = job_write(c->job, fd, tail->entries, tail->count * entry_bytes, 0);
    if (st == ST_OK) st = job_sync(c->job, fd, IO_ALL);
    job_close(c->job, fd);
    return st;
}

static enum status finish_files(struct cleaning *c, struct segment *segment) {
    segment_note_end(segment);
    enum status st = job_sync(c->job, segment->file, IO_ALL);
    if (st == ST_OK) {
        st = write_index(c, segment, PART_INDEX, &segment->offsets.tail, OFFSET_INDEX_ENTRY_BYTES);
    }
    if (st == ST_OK) {
        st = write_index(c, segment, PART_TIME_INDEX, &segment->times.tail, TIME_INDEX_ENTRY_BYTES);
    }
    if (st == ST_OK && segment->txns.tail.count > 0) {
        st = write_index(c, segment, PART_TXN_INDEX, &segment->txns.tail, TXN_INDEX_ENTRY_BYTES);
    }
    return st == ST_OK ? job_dir_sync(c->job, c->log->path) : st;
}

static void remove_files(struct cleaning *c, int64_t base) {
    for (int part = 0; part < PART_COUNT; part++) {
        struct log_path path;
        log_path_of_part(&path, c->log->path, base, (enum segment_part)part, SUFFIX_CLEANED);
        enum status st = job_unlink(c->job, path.text);
        (void)st; /* a start removes what stays */
    }
}

static enum status begin_output(struct cleaning *c, const struct source *group, uint32_t count,
                                struct output *output) {
    struct log_path path;
    int fd = -1;
    log_path_of_part(&path, c->log->path, group[0].base, PART_LOG, SUFFIX_CLEANED);
    enum status st = job_open(c->job, path.text, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE,
                              LOG_FILE_MODE, &fd);
    if (st != ST_OK) return st;
    struct segment *segment = segment_new(c->log->dir, group[0].base, fd);
    const struct source *last = &group[count - 1];
    segment->max_known = true;
    segment->created_ms = last->created_ms;
    segment->touched_us = last->touched_us;
    segment->appended_here = last->appended_here;
    *output = (struct output){.segment = segment};
    return ST_OK;
}

static enum status swap_in(struct cleaning *c, const struct source *group, uint32_t count,
                           struct segment *segment) {
    int64_t *bases = mem_alloc(&c->mem, count * sizeof *bases);
    if (bases == NULL) {
        segment_let_go(segment);
        return ST_NOMEM;
    }
    for (uint32_t i = 0; i < count; i++) bases[i] = group[i].base;
    enum status st = segments_swap(c->job, c->log, segment, bases, count, is_compacted);
    mem_free(&c->mem, bases, count * sizeof *bases);
    return st;
}

static enum status clean_group(struct cleaning *c, const struct source *group, uint32_t count) {
    struct output output;
    enum status st = begin_output(c, group, count, &output);
    if (st != ST_OK) return st;
    c->work.is_changed = count > 1;
    c->work.out.len = 0;
    for (uint32_t i = 0; i < count && st == ST_OK; i++)
        st = walk_source(c, &group[i], compaction_filter, write_out, &output);
    bool is_swapped = st == ST_OK && c->work.is_changed;
    if (is_swapped) st = finish_files(c, output.segment);
    if (is_swapped && st == ST_OK) {
        st = swap_in(c, group, count, output.segment);
    } else {
        segment_let_go(output.segment);
    }
    if (!is_swapped || (st != ST_OK && !log_is_offline(c->log))) remove_files(c, group[0].base);
    c->result->segments_before += count;
    c->result->segments_after++;
    return st;
}

/* How many segments from `first` on become one: together no larger than segment.bytes, with room in
 * the indexes, and offsets that an index can hold (KAFKA-5413). */
static uint32_t group_of(const struct cleaning *c, uint32_t first, uint32_t end) {
    const struct log_config *config = c->log->config;
    uint64_t interval = (uint64_t)MAX(config->index_interval_bytes, (int64_t)BATCH_HEADER_BYTES);
    uint64_t entries_max = (uint64_t)config->segment_index_bytes / TIME_INDEX_ENTRY_BYTES;
    uint64_t bytes = c->sources[first].bytes;
    uint32_t count = 1;
    while (first + count < end) {
        const struct source *next = &c->sources[first + count];
        uint64_t together = bytes + next->bytes;
        if (together > (uint64_t)config->segment_bytes || together / interval >= entries_max) break;
        if (next->end - 1 - c->sources[first].base > INT32_MAX) break;
        bytes = together;
        count++;
    }
    return count;
}

static enum status clean_groups(struct cleaning *c) {
    uint32_t end = 0;
    while (end < c->source_count && c->sources[end].base < c->work.upper_offset) end++;
    enum status st = log_list_producers(c->log, &c->work.producers);
    compaction_turn(&c->work);
    for (uint32_t first = 0; first < end && st == ST_OK;) {
        uint32_t count = group_of(c, first, end);
        st = clean_group(c, &c->sources[first], count);
        first += count;
    }
    producer_list_release(&c->work.producers, c->log->dir->io->mem);
    return st;
}

/* --- all of it --- */

static enum status list_sources(struct cleaning *c, int64_t upper) {
    const struct log *log = c->log;
    c->sources = mem_alloc(&c->mem, log->segment_count * sizeof *c->sources);
    if (c->sources == NULL) return ST_NOMEM;
    for (uint32_t i = 0; i + 1 < log->segment_count; i++) {
        const struct segment *segment = log->segments[i];
        int64_t end = log->segments[i + 1]->base_offset;
        if (end > upper) break;
        if (segment->hole_count > 0) return ST_CORRUPT; /* its octets stay where they are */
        c->sources[c->source_count++] = (struct source){
            .base = segment->base_offset,
            .end = end,
            .bytes = segment->size_bytes,
            .created_ms = segment->created_ms,
            .touched_us = segment->touched_us,
            .appended_here = segment->appended_here,
        };
    }
    return c->source_count > 0 ? ST_OK : ST_STALE;
}

/* How far the wall clock has stepped ahead since horizons were written that may not be over: from
 * the lowest that cleanings found it at, against the steady one. 0 once delete.retention.ms has
 * passed since a cleaning met the last step: so has every horizon from before it. */
static int64_t clock_ahead_ms(struct log *log) {
    struct retention_clock clock = retention_clock_of(log->dir);
    int64_t offset_ms = clock.wall_ms - clock.steady_ms;
    uint64_t now_us = io_now(log->dir->io).mono_us;
    bool is_past = now_us - log->clock_stepped_us > us_of_ms(log->config->delete_retention_ms);
    if (is_past) log->clock_low_ms = log->clock_offset_ms;
    if (offset_ms > log->clock_offset_ms + CLOCK_STEP_MS) log->clock_stepped_us = now_us;
    log->clock_low_ms = MIN(log->clock_low_ms, offset_ms);
    log->clock_offset_ms = offset_ms;
    int64_t ahead_ms = offset_ms - log->clock_low_ms;
    return ahead_ms > CLOCK_STEP_MS ? ahead_ms : 0;
}

static enum status run(struct cleaning *c, const struct cleanable *cleanable) {
    struct log *log = c->log;
    uint32_t capacity = log->segment_count;
    compaction_init(&c->work, &c->mem);
    c->work.first_dirty = cleanable->first_dirty;
    c->work.now_ms = io_now(log->dir->io).wall_ms;
    c->work.ahead_ms = clock_ahead_ms(log);
    c->work.delete_retention_ms = log->config->delete_retention_ms;
    enum status st = list_sources(c, cleanable->first_uncleanable);
    if (st == ST_OK) st = grow_buffer(c, MAX((size_t)c->limits->io_bytes, BUFFER_BYTES_MIN));
    if (st == ST_OK) st = learn_keys(c);
    if (st == ST_OK) st = clean_groups(c);
    const struct compaction_stats *stats = &c->work.stats;
    c->result->read_bytes = stats->read_bytes;
    c->result->written_bytes = stats->written_bytes;
    c->result->read_records = stats->read_records;
    c->result->written_records = stats->written_records;
    c->result->clean_end = c->work.upper_offset;
    compaction_release(&c->work);
    mem_free(&c->mem, c->buffer, c->buffer_bytes);
    mem_free(&c->mem, c->sources, capacity * sizeof *c->sources);
    ASSERT(c->mem.used_bytes == 0);
    return st;
}

/* What a failure means for the log. */
static void judge(struct log *log, enum status st) {
    if (st == ST_IO) log_fail(log, st);
    if (st != ST_CORRUPT && st != ST_UNSUPPORTED && st != ST_TOO_LARGE) return;
    log->uncleanable = st;
    log->uncleanable_start = log->log_start;
    LOG_ERROR("log", "cannot be compacted: log=%s reason=\"%s\"", log->path, status_name(st));
}

enum status log_clean(struct job *job, struct log *log, const struct cleanable *cleanable,
                      const struct cleaner_limits *limits, const struct cleaner_leave *leave,
                      struct cleaned *ret_cleaned) {
    *ret_cleaned = (struct cleaned){0};
    log_hold(log);
    struct cleaning *c = MEM_NEW(job_mem(job), struct cleaning);
    *c = (struct cleaning){
        .job = job,
        .log = log,
        .limits = limits,
        .leave = leave,
        .mem = {.source = job_mem(job)->source},
        .began_us = io_now(log->dir->io).mono_us,
        .bytes_per_second = MAX(limits->bytes_per_second, 1.0),
        .result = ret_cleaned,
    };
    c->paced_us = c->began_us;
    enum status st = run(c, cleanable);
    if (st == ST_OK) {
        log->clean_end = ret_cleaned->clean_end;
        LOG_INFO("log",
                 "compacted: log=%s up_to=%" PRId64 " segments=%" PRIu32 "->%" PRIu32
                 " bytes=%" PRIu64 "->%" PRIu64 " records=%" PRIu64 "->%" PRIu64 " ms=%" PRIu64,
                 log->path, ret_cleaned->clean_end, ret_cleaned->segments_before,
                 ret_cleaned->segments_after, ret_cleaned->read_bytes, ret_cleaned->written_bytes,
                 ret_cleaned->read_records, ret_cleaned->written_records,
                 (io_now(log->dir->io).mono_us - c->began_us) / 1000);
    } else {
        judge(log, st);
    }
    MEM_FREE(job_mem(job), c);
    log_let_go(log);
    return st;
}
