/* log/move.c - rounds of copying, a short stop, two renames. */
#include "log/move.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/logging.h"
#include "log/impl.h"
#include "log/removal.h"
#include "log/rounds.h"
#include "log/segment_file.h"

#define CHUNK_BYTES ((size_t)1 << 20)
/* What may be left for the stop. */
#define REST_BYTES ((uint64_t)1 << 20)

/* What the copy holds of one segment. */
struct copy {
    int64_t base_offset;
    uint64_t bytes;
    bool has_parts; /* of a segment that is full: its other files, too */
};

struct mover {
    struct job *job;
    struct log *log;
    struct log_move *move;
    char future[LIMIT_PATH_BYTES], plain[LIMIT_PATH_BYTES];
    struct copy *copies; /* by base offset */
    uint32_t copy_count, copy_capacity;
    uint8_t *buffer; /* CHUNK_BYTES */
    struct job_sync written[JOB_SYNCS_MAX]; /* open files that are not on stable storage yet */
    uint32_t written_count;
    bool has_begun;  /* the future directory was made */
};

/* A write or a sync in a directory went wrong: it goes offline, as a log's own failure takes it. */
static enum status judge_dir(struct log_dir *dir, const char *path, enum status st) {
    if (st == ST_OK || st == ST_NO_SPACE || st == ST_NOMEM) return st;
    bool is_first = !dir->offline;
    LOG_ERROR("log", "cannot be written: path=%s reason=\"%s\"", path, status_name(st));
    dir->offline = true;
    if (is_first && dir->on_failure != NULL) dir->on_failure(dir, st);
    return ST_IO;
}

static enum status judge(const struct mover *m, enum status st) {
    return judge_dir(m->move->to, m->future, st);
}

static enum status check(const struct mover *m) {
    if (log_is_offline(m->log) || m->move->to->offline) return ST_IO;
    return m->move->may_go_on(m->move) ? ST_OK : ST_CANCELLED;
}

/* --- octets --- */

static enum status copy_range(struct mover *m, int from, int to, uint64_t at, uint64_t end) {
    enum status st = ST_OK;
    while (st == ST_OK && at < end) {
        size_t len = (size_t)MIN(end - at, (uint64_t)CHUNK_BYTES);
        m->move->pace(m->job, m->move, len);
        st = check(m);
        if (st == ST_OK) st = job_read(m->job, from, m->buffer, len, at);
        if (st == ST_OK) st = judge(m, job_write(m->job, to, m->buffer, len, at));
        at += len;
    }
    return st;
}

static enum status open_copy(struct mover *m, const char *path, int *ret_fd) {
    return judge(m, job_open(m->job, path, IO_READ | IO_WRITE | IO_CREATE, LOG_FILE_MODE, ret_fd));
}

/* Together they cost the file system little more than one alone. */
static enum status sync_written(struct mover *m) {
    if (m->written_count == 0) return ST_OK;
    enum status st = judge(m, job_sync_all(m->job, m->written, m->written_count));
    for (uint32_t i = 0; i < m->written_count; i++) job_close(m->job, m->written[i].fd);
    m->written_count = 0;
    return st;
}

/* Takes the file. */
static enum status sync_soon(struct mover *m, int fd) {
    m->written[m->written_count++] = (struct job_sync){.fd = fd};
    return m->written_count == JOB_SYNCS_MAX ? sync_written(m) : ST_OK;
}

/* The whole of a file that nobody writes now; one that is not there is left out. */
static enum status copy_file(struct mover *m, const struct log_path *from,
                             const struct log_path *to) {
    struct io_stat stat;
    int source = -1, target = -1;
    enum status st = job_stat(m->job, from->text, &stat);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st == ST_OK) st = job_open(m->job, from->text, IO_READ, 0, &source);
    if (st != ST_OK) return st == ST_NOT_FOUND ? ST_OK : st;
    st = open_copy(m, to->text, &target);
    if (st == ST_OK) st = judge(m, job_truncate(m->job, target, 0)); /* of an earlier round */
    if (st == ST_OK) st = copy_range(m, source, target, 0, stat.size_bytes);
    job_close(m->job, source);
    if (st == ST_OK) return sync_soon(m, target);
    if (target >= 0) job_close(m->job, target);
    return st;
}

static enum status copy_named(struct mover *m, const char *name) {
    struct log_path from, to;
    log_path_of_name(&from, m->log->path, name, "");
    log_path_of_name(&to, m->future, name, "");
    return copy_file(m, &from, &to);
}

/* --- segments --- */

static struct copy *find_copy(struct mover *m, int64_t base_offset) {
    for (uint32_t i = m->copy_count; i > 0; i--) { /* mostly the last one */
        if (m->copies[i - 1].base_offset == base_offset) return &m->copies[i - 1];
    }
    return NULL;
}

static enum status add_copy(struct mover *m, int64_t base_offset, struct copy **ret_copy) {
    struct mem *mem = job_mem(m->job);
    if (m->copy_count == m->copy_capacity) {
        uint32_t capacity = MAX(m->copy_capacity * 2, 16u);
        struct copy *grown = mem_alloc(mem, capacity * sizeof *grown);
        if (grown == NULL) return ST_NOMEM;
        if (m->copy_count > 0) memcpy(grown, m->copies, m->copy_count * sizeof *grown);
        mem_free(mem, m->copies, m->copy_capacity * sizeof *grown);
        m->copies = grown;
        m->copy_capacity = capacity;
    }
    m->copies[m->copy_count] = (struct copy){.base_offset = base_offset};
    *ret_copy = &m->copies[m->copy_count++];
    return ST_OK;
}

static enum status copy_parts(struct mover *m, int64_t base_offset) {
    enum status st = ST_OK;
    for (int part = 0; part < PART_COUNT && st == ST_OK; part++) {
        struct log_path from, to;
        if (part == PART_LOG) continue;
        log_path_of_part(&from, m->log->path, base_offset, (enum segment_part)part, "");
        log_path_of_part(&to, m->future, base_offset, (enum segment_part)part, "");
        st = copy_file(m, &from, &to);
    }
    return st;
}

static enum status copy_batches(struct mover *m, struct segment *segment, struct copy *copy,
                                uint64_t bytes) {
    struct log_path path;
    int target = -1;
    enum status st = segment_file_use_wait(m->job, m->log, segment);
    if (st != ST_OK) return st;
    log_path_of_part(&path, m->future, segment->base_offset, PART_LOG, "");
    st = open_copy(m, path.text, &target);
    if (st == ST_OK) st = copy_range(m, segment->file, target, copy->bytes, bytes);
    segment_file_unuse(segment);
    if (st == ST_OK) {
        m->move->copied_bytes += bytes - copy->bytes;
        return sync_soon(m, target);
    }
    if (target >= 0) job_close(m->job, target);
    return st;
}

/* What the segment has by now. One that retention takes meanwhile is left as it is. */
static enum status copy_segment(struct mover *m, struct segment *segment, bool is_stopped) {
    struct log *log = m->log;
    bool is_full = segment != log_active(log) && segment->indexes_durable;
    uint64_t bytes = segment->size_bytes;
    int64_t end = log_segment_end(log, log_segment_of(log, segment->base_offset));
    struct copy *copy = find_copy(m, segment->base_offset);
    enum status st = copy != NULL ? ST_OK : add_copy(m, segment->base_offset, &copy);
    bool is_new = st == ST_OK && copy->bytes == 0; /* an empty file is a file, too */
    if (st == ST_OK && (is_new || copy->bytes < bytes)) st = copy_batches(m, segment, copy, bytes);
    if (st == ST_NOT_FOUND && !log_segment_is_there(log, segment)) return ST_OK;
    if (st != ST_OK) return st;
    copy->bytes = bytes;
    m->move->copied_end = MAX(m->move->copied_end, end);
    if (copy->has_parts || (!is_full && !is_stopped)) return ST_OK;
    st = copy_parts(m, segment->base_offset);
    if (st == ST_OK) copy->has_parts = is_full;
    return st;
}

static enum status copy_segments(struct mover *m, bool is_stopped) {
    enum status st = ST_OK;
    int64_t after = -1;
    struct segment *segment;
    while (st == ST_OK && (segment = log_next_segment(m->log, after)) != NULL) {
        after = segment->base_offset;
        st = copy_segment(m, segment, is_stopped);
        segment_let_go(segment);
    }
    return st == ST_OK ? sync_written(m) : st;
}

static uint64_t rest_of(struct mover *m) {
    uint64_t rest = 0;
    for (uint32_t i = 0; i < m->log->segment_count; i++) {
        const struct segment *segment = m->log->segments[i];
        const struct copy *copy = find_copy(m, segment->base_offset);
        rest += segment->size_bytes - (copy != NULL ? MIN(copy->bytes, segment->size_bytes) : 0);
    }
    return rest;
}

/* --- while nothing is written --- */

/* The job has the log, and no write and no roll begins until `go`. */
static void stop(struct mover *m) {
    struct log *log = m->log;
    log_job_begin(m->job, log);
    while (log->rolling) { /* its job waits for the log */
        log_job_end(log);
        job_yield(m->job);
        log_job_begin(m->job, log);
    }
    log->rolling = true;
    log_job_quiet(m->job, log);
}

static void go(struct mover *m) {
    m->log->rolling = false;
    io_later(m->log->dir->io, &m->log->pump);
    log_job_end(m->log);
}

/* Producer snapshots that no segment begins with. */
static enum status copy_snapshots(struct mover *m) {
    struct io_listing listing = {0};
    enum status st = job_list(m->job, m->log->path, &listing);
    for (uint32_t i = 0; st == ST_OK && i < listing.count; i++) {
        struct part_name name;
        if (!part_name_parse(str_of(listing.entries[i].name), &name)) continue;
        if (name.part != PART_SNAPSHOT || name.suffix.len > 0) continue;
        if (find_copy(m, name.base_offset) == NULL) st = copy_named(m, listing.entries[i].name);
    }
    io_listing_free(job_mem(m->job), &listing);
    return st;
}

/* Segments that left the log after they were copied. */
static enum status remove_old(struct mover *m) {
    enum status st = ST_OK;
    int64_t first = m->log->segments[0]->base_offset;
    for (uint32_t i = 0; i < m->copy_count && m->copies[i].base_offset < first; i++) {
        for (int part = 0; part < PART_COUNT && st == ST_OK; part++) {
            struct log_path path;
            log_path_of_part(&path, m->future, m->copies[i].base_offset, (enum segment_part)part,
                             "");
            st = job_unlink(m->job, path.text);
            if (st == ST_NOT_FOUND) st = ST_OK;
        }
    }
    return judge(m, st);
}

static enum status complete(struct mover *m) {
    struct log *log = m->log;
    enum status st = check(m);
    for (uint32_t i = 0; i < log->segment_count && st == ST_OK; i++) {
        bool is_last = i + 1 == log->segment_count;
        if (is_last || !log->segments[i]->indexes_durable)
            st = segment_write_indexes(m->job, log, log->segments[i], !is_last);
    }
    if (st == ST_OK) st = log_save_epochs(m->job, log, INT64_MAX);
    if (st == ST_OK) st = copy_segments(m, true);
    if (st == ST_OK) st = copy_snapshots(m);
    if (st == ST_OK) st = copy_named(m, LEADER_EPOCHS_FILE);
    if (st == ST_OK) st = copy_named(m, PARTITION_METADATA_FILE);
    if (st == ST_OK) st = sync_written(m);
    if (st == ST_OK) st = remove_old(m);
    if (st == ST_OK) st = judge(m, job_dir_sync(m->job, m->future));
    return st == ST_OK ? m->move->prepare(m->job, m->move) : st;
}

/* The other directory's segment, with all that is known of the old one; readers keep that. */
static struct segment *succeed(struct log_dir *to, struct segment *old, int file) {
    struct segment *segment = segment_new(to, old->base_offset, file);
    segment_index_drop(old);
    segment->size_bytes = old->size_bytes;
    segment->created_ms = old->created_ms;
    segment->first_timestamp_ms = old->first_timestamp_ms;
    segment->max_timestamp_ms = old->max_timestamp_ms;
    segment->max_timestamp_offset = old->max_timestamp_offset;
    segment->jitter_ms = old->jitter_ms;
    segment->touched_us = old->touched_us;
    segment->bytes_since_entry = old->bytes_since_entry;
    segment->appended_here = old->appended_here;
    segment->max_known = old->max_known;
    segment->indexes_durable = old->indexes_durable;
    segment->offsets.tail = old->offsets.tail;
    segment->times = old->times;
    segment->txns = old->txns;
    segment->verified = old->verified;
    segment->holes = old->holes;
    segment->hole_count = old->hole_count;
    old->offsets.tail = (struct index_tail){0};
    old->times = (struct time_index){0};
    old->txns = (struct txn_index){0};
    old->verified = (struct verified){0};
    old->holes = NULL;
    old->hole_count = 0;
    return segment;
}

/* From here on the log is there. Nothing is in flight, nothing waits in between. */
static void switch_over(struct mover *m, int file) {
    struct log *log = m->log;
    struct log_dir *to = m->move->to;
    struct mem *mem = log->dir->io->mem;
    size_t path_bytes = strlen(m->plain) + 1;
    char *path = mem_need(mem, path_bytes);
    memcpy(path, m->plain, path_bytes);
    mem_free(mem, log->path, log->path_bytes);
    log->path = path;
    log->path_bytes = (uint32_t)path_bytes;
    log->topic.ptr = path + to->path.len + 1;
    log->dir->log_count--;
    to->log_count++;
    log->dir = to;
    for (uint32_t i = 0; i < log->segment_count; i++) {
        struct segment *old = log->segments[i];
        log->segments[i] = succeed(to, old, i + 1 == log->segment_count ? file : -1);
        segment_let_go(old);
    }
    log->durable_end = log->end; /* the copy is */
}

/* Of the log's two directories the one that it is not in goes. */
static enum status put_away(struct job *job, struct log *log, struct log_dir *dir,
                            const char *path) {
    enum status st = removal_of_partition(job, dir, path, log->topic, log->partition, true,
                                          log->config->file_delete_delay_ms);
    return judge_dir(dir, path, st);
}

/* The copy has the log's name, and is not the log: it must not be taken for it at the next start,
 * so nothing is appended unless it is gone. Where the log's own directory has died nothing is
 * appended any more, and what was asked for may still be decided: the copy, which has all of the
 * log, stays. */
static void take_back(struct mover *m) {
    if (log_is_offline(m->log) && !m->move->to->offline) return;
    enum status st = put_away(m->job, m->log, m->move->to, m->plain);
    if (st != ST_OK) log_fail_alone(m->log, st);
}

static enum status take_name(struct mover *m) {
    struct log_dir *to = m->move->to;
    struct log *log = m->log;
    struct log_path active;
    int file = -1;
    log_path_of_part(&active, m->future, log_active(log)->base_offset, PART_LOG, "");
    enum status st = open_copy(m, active.text, &file);
    if (st == ST_OK) st = judge(m, job_rename(m->job, m->future, m->plain));
    if (st != ST_OK) {
        if (file >= 0) job_close(m->job, file);
        return st;
    }
    m->has_begun = false;
    st = judge(m, job_dir_sync(m->job, to->path.ptr));
    if (st == ST_OK) st = m->move->decide(m->job, m->move);
    log_job_quiet(m->job, log); /* somebody may have asked for a sync meanwhile */
    rounds_forget(log);
    if (st == ST_OK && (log_is_offline(log) || to->offline)) st = ST_IO;
    if (st == ST_OK) {
        switch_over(m, file);
    } else {
        job_close(m->job, file);
        take_back(m);
    }
    return st;
}

/* --- all of it --- */

static enum status begin(struct mover *m) {
    struct log_path future;
    struct log_dir *to = m->move->to;
    log_dir_unique_path(to->io, to->path, m->log->topic, m->log->partition, "-future", &future);
    memcpy(m->future, future.text, sizeof m->future);
    int n = snprintf(m->plain, sizeof m->plain, "%.*s/%s", STR_ARG(to->path),
                     m->log->path + m->log->dir->path.len + 1);
    if (n <= 0 || (size_t)n >= LOG_PATH_BYTES_MAX) return ST_TOO_LARGE;
    m->buffer = mem_alloc(job_mem(m->job), CHUNK_BYTES);
    if (m->buffer == NULL) return ST_NOMEM;
    struct io_stat stat;
    enum status st = job_stat(m->job, m->plain, &stat);
    if (st != ST_NOT_FOUND) return st == ST_OK ? ST_EXISTS : judge(m, st);
    st = judge(m, job_mkdir(m->job, m->future, LOG_DIRECTORY_MODE));
    m->has_begun = st == ST_OK;
    return st;
}

static void end(struct mover *m) {
    struct mem *mem = job_mem(m->job);
    for (uint32_t i = 0; i < m->written_count; i++) job_close(m->job, m->written[i].fd);
    if (m->has_begun && !m->move->keeps_copy && !m->move->to->offline) {
        enum status st = remove_directory(m->job, m->future);
        if (st != ST_OK)
            LOG_WARN("log", "cannot remove: path=%s reason=\"%s\"", m->future, status_name(st));
    }
    mem_free(mem, m->copies, m->copy_capacity * sizeof *m->copies);
    if (m->buffer != NULL) mem_free(mem, m->buffer, CHUNK_BYTES);
    MEM_FREE(mem, m);
}

enum status log_move_to(struct job *job, struct log *log, struct log_move *move) {
    struct mover *m = MEM_NEW(job_mem(job), struct mover);
    struct log_dir *from = log->dir;
    char *old_path = NULL;
    size_t old_bytes = log->path_bytes;
    *m = (struct mover){.job = job, .log = log, .move = move};
    move->copied_end = log->segments[0]->base_offset;
    move->copied_bytes = 0;
    log_hold(log);
    enum status st = check(m);
    if (st == ST_OK) st = begin(m);
    do {
        if (st == ST_OK) st = copy_segments(m, false);
    } while (st == ST_OK && rest_of(m) > REST_BYTES);
    if (st == ST_OK) {
        old_path = mem_need(job_mem(job), old_bytes);
        memcpy(old_path, log->path, old_bytes);
        stop(m);
        st = complete(m);
        if (st == ST_OK) st = take_name(m);
        go(m);
    }
    if (st == ST_OK) {
        log->owner->on_durable(log->owner);
        (void)put_away(job, log, from, old_path); /* what stays is not taken for the log */
    }
    if (old_path != NULL) mem_free(job_mem(job), old_path, old_bytes);
    end(m);
    log_let_go(log);
    return st;
}
