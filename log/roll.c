/* log/roll.c - when a segment is full, how the next one comes to be, and how indexes get into their
 * files. The new segment's files and their directory entries are on stable storage before a batch
 * goes into it, so whatever is durable in it can be found again (KAFKA-3968). The old one's last
 * octets are synced by the directory's rounds, its indexes here, behind the appends that go on.
 * Source: LogSegment.shouldRoll, LocalLog.roll, LogSegment.onBecomeInactiveSegment. */
#include "base/assert.h"
#include "base/logging.h"
#include "log/ahead.h"
#include "log/full.h"
#include "log/impl.h"
#include "log/producers.h"
#include "log/rounds.h"
#include "log/segment_file.h"

static bool index_has_room(const struct log *log, uint32_t more) {
    const struct segment *active = log_active(log);
    int64_t limit = log->config->segment_index_bytes;
    int64_t offsets = limit / OFFSET_INDEX_ENTRY_BYTES;
    int64_t times =
        limit / TIME_INDEX_ENTRY_BYTES - 1; /* one is kept for the entry made at the end */
    return (int64_t)index_tail_total(&active->offsets.tail) + more < offsets &&
           (int64_t)index_tail_total(&active->times.tail) + more < times;
}

bool roll_index_is_near(const struct log *log, uint32_t more) { return !index_has_room(log, more); }

/* A compacted log rolls in time for max.compaction.lag.ms: the active segment is not cleaned. */
static int64_t segment_ms(const struct log_config *config) {
    bool compacts = config->cleanup_policy & CLEANUP_COMPACT;
    return compacts && config->max_compaction_lag_ms > 0
               ? MIN(config->segment_ms, config->max_compaction_lag_ms)
               : config->segment_ms;
}

static bool time_is_up(const struct log *log, const struct log_append *append) {
    const struct segment *active = log_active(log);
    int64_t waited_ms = active->first_timestamp_ms >= 0
                            ? append->max_timestamp_ms - active->first_timestamp_ms
                            : io_now(log->dir->io).wall_ms - active->created_ms;
    return waited_ms > segment_ms(log->config) - active->jitter_ms;
}

bool roll_is_due(const struct log *log, const struct log_append *append) {
    const struct segment *active = log_active(log);
    if (append->last_offset - active->base_offset > INT32_MAX) return true;
    /* An empty one takes whatever comes: limits may have been lowered while it queued. */
    if (active->size_bytes == 0) return false;
    return (int64_t)active->size_bytes + append->batch_bytes > log->config->segment_bytes ||
           time_is_up(log, append) || !index_has_room(log, 0);
}

int64_t roll_draw_jitter(const struct log *log) {
    int64_t bound = MIN(log->config->segment_jitter_ms, log->config->segment_ms);
    if (bound <= 0) return 0;
    uint64_t draw = 0;
    io_random(log->dir->io, &draw, sizeof draw);
    return (int64_t)(draw % (uint64_t)bound);
}

static enum status create_empty(struct job *job, const struct log *log, int64_t base_offset,
                                enum segment_part part, int *ret_fd) {
    struct log_path path;
    log_path_of_part(&path, log->path, base_offset, part, "");
    return job_open(job, path.text, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, LOG_FILE_MODE,
                    ret_fd);
}

/* A file that gets no room in advance gets it along the way. */
static void preallocate(struct job *job, const struct log *log, int fd) {
    enum status st = job_allocate(job, fd, 0, (uint64_t)log->config->segment_bytes);
    if (st == ST_OK) return;
    LOG_WARN("log", "cannot preallocate a segment: log=%s reason=\"%s\"", log->path,
             status_name(st));
    st = job_truncate(job, fd, 0); /* as far as it came */
    (void)st;                      /* zeros behind the end do no harm */
}

enum status segment_trim(struct job *job, struct segment *segment) {
    if (!segment->preallocated) return ST_OK;
    enum status st = job_truncate(job, segment->file, segment->size_bytes);
    if (st == ST_OK) st = job_sync(job, segment->file, IO_ALL);
    if (st == ST_OK) segment->preallocated = false;
    return st;
}

enum status segment_create(struct job *job, struct log *log, int64_t base_offset,
                           struct segment **ret_segment) {
    static const enum segment_part indexes[] = {PART_INDEX, PART_TIME_INDEX};
    int fd = -1;
    for (size_t i = 0; i < COUNT(indexes); i++) {
        enum status st = create_empty(job, log, base_offset, indexes[i], &fd);
        if (st != ST_OK) return st;
        job_close(job, fd);
    }
    enum status st = create_empty(job, log, base_offset, PART_LOG, &fd);
    if (st != ST_OK) return st;
    bool is_preallocated = log->config->preallocate; /* it may be altered meanwhile */
    if (is_preallocated) preallocate(job, log, fd);
    st = job_dir_sync(job, log->path);
    if (st != ST_OK) {
        job_close(job, fd);
        return st;
    }
    struct segment *segment = segment_new(log->dir, base_offset, fd);
    segment->preallocated = is_preallocated;
    segment->max_known = true;
    segment->indexes_durable = true; /* empty as they are */
    segment->jitter_ms = roll_draw_jitter(log);
    *ret_segment = segment;
    return ST_OK;
}

/* --- indexes into files --- */

void segment_free_tails(struct segment *segment) {
    struct mem *mem = segment->dir->io->mem;
    uint32_t offsets = segment->offsets.tail.file_count, times = segment->times.tail.file_count;
    uint32_t txns = segment->txns.tail.file_count;
    index_tail_clear(&segment->offsets.tail, mem, OFFSET_INDEX_ENTRY_BYTES);
    index_tail_clear(&segment->times.tail, mem, TIME_INDEX_ENTRY_BYTES);
    index_tail_clear(&segment->txns.tail, mem, TXN_INDEX_ENTRY_BYTES);
    segment->offsets.tail.file_count = offsets;
    segment->times.tail.file_count = times;
    segment->txns.tail.file_count = txns;
}

/* Appends what the tail holds. The octets are copied first: appends may move the array while the
 * write is away. */
static enum status write_tail(struct job *job, struct log *log, struct segment *segment,
                              enum segment_part part, struct index_tail *tail, uint32_t entry_bytes,
                              bool sync) {
    if (tail->count == 0 && !sync) return ST_OK;
    struct mem *mem = job_mem(job);
    uint32_t count = tail->count;
    size_t len = (size_t)count * entry_bytes;
    void *copy = mem_need(mem, len + 1);
    if (len > 0) memcpy(copy, tail->entries, len);
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, part, "");
    int fd = -1;
    enum status st = job_open(job, path.text, IO_WRITE | IO_CREATE, LOG_FILE_MODE, &fd);
    if (st == ST_OK) {
        if (len > 0) st = job_write(job, fd, copy, len, (uint64_t)tail->file_count * entry_bytes);
        if (st == ST_OK && sync) st = job_sync(job, fd, 0);
        job_close(job, fd);
    }
    mem_free(mem, copy, len + 1);
    if (st == ST_OK) index_tail_written(tail, mem, count, entry_bytes);
    return st;
}

enum status segment_write_indexes(struct job *job, struct log *log, struct segment *segment,
                                  bool sync) {
    segment_hold(segment);
    enum status st = write_tail(job, log, segment, PART_INDEX, &segment->offsets.tail,
                                OFFSET_INDEX_ENTRY_BYTES, sync);
    segment_index_drop(segment); /* it lacks what was written */
    if (st == ST_OK) {
        st = write_tail(job, log, segment, PART_TIME_INDEX, &segment->times.tail,
                        TIME_INDEX_ENTRY_BYTES, sync);
    }
    if (st == ST_OK && !txn_index_is_empty(&segment->txns)) {
        st = write_tail(job, log, segment, PART_TXN_INDEX, &segment->txns.tail,
                        TXN_INDEX_ENTRY_BYTES, sync);
        /* Its name is as young as its first entry. */
        if (st == ST_OK && sync) st = job_dir_sync(job, log->path);
    }
    if (st == ST_OK && sync) {
        segment->indexes_durable = true;
        segment_free_tails(segment);
    }
    segment_let_go(segment);
    return st;
}

static void index_write_job(struct job *job, void *argument) {
    struct log *log = argument;
    log_job_begin(job, log);
    if (!log_is_offline(log)) {
        enum status st = segment_write_indexes(job, log, log_active(log), false);
        if (st == ST_NO_SPACE) log->index_pause_us = io_now(job_io(job)).mono_us + FULL_PAUSE_US;
        /* The entries stay in memory. */
        if (st != ST_OK && st != ST_NOMEM && st != ST_NO_SPACE) log_fail(log, st);
    }
    log->index_writing = false;
    log_job_end(log);
    log_let_go(log);
}

void index_write_start(struct log *log) {
    if (log->index_writing || io_now(log->dir->io).mono_us < log->index_pause_us) return;
    log->index_writing = true;
    log_hold(log);
    job_start(log->dir->jobs, index_write_job, log);
}

/* --- rolling --- */

enum { SCARCITY_PAUSE_US = 50000 };

/* After a step that found no memory or no descriptor: whether to try it again. No device is broken,
 * so the log stays online, and what queued waits. */
static bool is_scarce(struct job *job, const struct log *log, enum status st) {
    if (st != ST_NOMEM || log_is_offline(log)) return false;
    job_sleep_until(job, io_now(log->dir->io).mono_us + SCARCITY_PAUSE_US);
    return !log_is_offline(log);
}

static enum status create_next(struct job *job, struct log *log, int64_t base_offset,
                               struct segment **ret_next) {
    enum status st = ST_IO;
    do {
        if (!log_is_offline(log)) st = segment_create(job, log, base_offset, ret_next);
    } while (is_scarce(job, log, st));
    return st;
}

/* While nothing is written. */
static enum status freeze_producers(struct job *job, const struct log *log,
                                    struct producers_image *image) {
    enum status st = ST_IO;
    do {
        if (!log_is_offline(log)) st = producers_freeze(log, image);
    } while (is_scarce(job, log, st));
    return st;
}

static enum status trim_old(struct job *job, struct log *log, struct segment *old) {
    if (!old->preallocated && old->room_end == 0) return ST_OK;
    enum status st = segment_file_use_wait(job, log, old);
    if (st != ST_OK) return st;
    st = segment_trim(job, old);
    if (st == ST_OK) st = ahead_give_back(job, old);
    segment_file_unuse(old);
    return st;
}

/* What a start needs in order not to look at the old segment's batches. Epochs first: indexes that
 * are durable say that it need not. */
static enum status complete_old(struct job *job, struct log *log, struct segment *old,
                                const struct producers_image *image) {
    enum status st = ST_OK;
    do {
        st = trim_old(job, log, old);
        if (st == ST_OK) st = log_save_epochs(job, log, INT64_MAX);
        if (st == ST_OK && !old->indexes_durable) st = segment_write_indexes(job, log, old, true);
        if (st == ST_OK) st = producers_save(job, log, image);
    } while (is_scarce(job, log, st));
    return st;
}

/* By the job that has the log; log->rolling is set. */
static void roll(struct job *job, struct log *log) {
    struct segment *old = log_active(log), *next = NULL;
    int64_t base_offset = log->roll_offset; /* the next roll may begin before this one ends */
    /* Above the end when a leader's compacted batches have gaps. */
    ASSERT(log_is_offline(log) || (base_offset >= log->end && log->write == NULL));
    struct producers_image image = {0};
    enum status st = create_next(job, log, base_offset, &next);
    if (st == ST_OK) st = freeze_producers(job, log, &image);
    if (st != ST_OK) {
        if (next != NULL) segment_let_go(next);
        log->rolling = false;
    } else {
        segment_hold(old);
        segment_note_end(old);
        old->indexes_durable = false;
        log_push_segment(log, next);
        log->rolling = false; /* the next roll may wait for its turn from here on */
        io_later(log->dir->io, &log->pump);
        st = complete_old(job, log, old, &image);
        segment_let_go(old);
    }
    producers_image_release(&image, job_mem(job));
    if (st == ST_NO_SPACE && next == NULL) {
        if (!log->is_full) full_undo(log, NULL);
    } else if (st == ST_NO_SPACE) {
        log->is_finishing = FINISH_LATER;
    } else if (st != ST_OK) {
        log_fail(log, st);
    }
}

static void roll_job(struct job *job, void *argument) {
    struct log *log = argument;
    log_job_begin(job, log);
    roll(job, log);
    log_job_end(log);
    log_let_go(log);
}

enum status log_roll_at(struct job *job, struct log *log, int64_t end) {
    log_job_begin(job, log);
    bool is_idle = log->write == NULL && !log->rolling && list_is_empty(&log->queued);
    if (!log_is_offline(log) && is_idle && log->end == end && log_active(log)->size_bytes > 0) {
        log->rolling = true;
        log->roll_offset = end;
        roll(job, log);
    }
    log_job_end(log);
    return log_is_offline(log) ? ST_IO : ST_OK;
}

void roll_start(struct log *log, int64_t base_offset) {
    ASSERT(!log->rolling && log->write == NULL);
    log->rolling = true;
    log->roll_offset = base_offset;
    log_hold(log);
    job_start(log->dir->jobs, roll_job, log);
}

/* --- the file of an empty log's segment --- */

static void active_open_job(struct job *job, void *argument) {
    struct log *log = argument;
    enum status st = ST_IO;
    log_job_begin(job, log);
    do {
        if (!log_is_offline(log)) st = segment_file_keep(job, log, log_active(log));
    } while (is_scarce(job, log, st));
    log->rolling = false;
    if (st != ST_OK) log_fail(log, st);
    io_later(log->dir->io, &log->pump);
    log_job_end(log);
    log_let_go(log);
}

void active_open_start(struct log *log) {
    ASSERT(!log->rolling && log->write == NULL);
    log->rolling = true;
    log_hold(log);
    job_start(log->dir->jobs, active_open_job, log);
}
