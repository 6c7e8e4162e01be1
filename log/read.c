/* log/read.c - from an offset to a range of a segment file.
 * At the tail the place is known from memory. Otherwise: the offset index says from where to look,
 * the headers of a few batches are read (at once, from the page cache), and the upper bound is
 * found in the same way. An index entry is believed only when the batch that it leads to is the one
 * it speaks of; if not, the search starts at the segment's first batch. The file of a segment that
 * is not open is opened first, and what this process did not write is held against its checksums
 * before it is given for the first time (log/verified.h). Everything is a loop over `advance` that
 * stops where an operation is under way. Source: LocalLog.read, LogSegment.read,
 * FileRecords.searchForOffsetWithSize. */
#include "base/assert.h"
#include "base/logging.h"
#include "log/holes.h"
#include "log/search.h"
#include "log/segment_file.h"
#include "log/segment_job.h"

#define SCAN_BYTES ((size_t)8 << 10) /* headers and what lies between them, at a time */
#define INLINE_READS_MAX                                                                           \
    32u /* then one goes through the ring, so that a long search gives up its turn */

#define SEARCHES_MAX 4 /* of one read, for what lies behind damage that it met */
#define VERIFY_TURN_BYTES ((uint64_t)1 << 20) /* verified before the shard does other things */

enum read_phase { PHASE_PLACE, PHASE_FIRST, PHASE_SEARCH, PHASE_UPPER, PHASE_VERIFY };

struct read_state {
    struct segment *segment; /* held; NULL between segments */
    uint8_t *buffer;         /* SCAN_BYTES, or NULL */
    struct pool *pool;       /* of the buffer: of the directory that the log was in */
    uint64_t buffer_at;
    uint64_t at;        /* the next header to look at */
    uint64_t found_at;  /* where the first batch starts */
    uint64_t limit;     /* where what is given ends at the latest */
    int64_t found_base; /* its base offset */
    int64_t next_offset; /* the first that the batch at `at` may have */
    int64_t wanted;     /* looked for in this segment: offset, or the segment's base behind a gap */
    struct segment_file_wait file_wait; /* its link also waits for the segment's index */
    uint32_t buffer_len;
    uint32_t found_bytes;
    uint32_t reads;
    uint32_t entry_offset; /* relative; of the index entry that led to `at` */
    enum read_phase phase;
    bool has_file; /* the segment's file is in use */
    bool by_entry; /* `at` came from an index entry and was not looked at yet */
    bool is_jump;  /* the first batch begins above the end of the one before it */
    bool is_cut;   /* an index entry speaks of a batch behind the end of the file */
    bool jumped;   /* the index was asked for the upper bound */
    bool verified; /* by a job of this read; what it did not reach is damaged */
    bool working;      /* a job of this read is under way */
    bool waits;        /* for that job */
    uint8_t searches;  /* for a batch behind damage, so far */
    enum status job_status;
};
_Static_assert(sizeof(struct read_state) <= sizeof((struct log_read *)0)->impl,
               "the state fits into a read");

static struct read_state *state_of(struct log_read *read) {
    return (struct read_state *)(void *)read->impl;
}
static struct log_read *read_of(struct read_state *state) {
    return (struct log_read *)(void *)((char *)state - offsetof(struct log_read, impl));
}

enum step { STEP_ON, STEP_WAIT, STEP_END };

static void drop_segment(struct read_state *s) {
    if (s->has_file) segment_file_unuse(s->segment);
    s->has_file = false;
    segment_let_go(s->segment);
    s->segment = NULL;
}

static enum step end(struct log_read *read, enum status st) {
    struct read_state *s = state_of(read);
    read->status = st;
    if (s->buffer != NULL) pool_put(s->pool, s->buffer);
    s->buffer = NULL;
    if (s->segment == NULL) return STEP_END;
    if (st == ST_OK && read->bytes > 0) {
        read->segment = s->segment; /* the share is the caller's now, the use of the file, too */
        s->segment = NULL;
    } else {
        read->bytes = 0;
        drop_segment(s);
    }
    return STEP_END;
}

static enum step met_damage(struct log_read *read, uint64_t position) {
    struct log *log = read->log;
    uint32_t swallowed = 0;
    log->dir->corrupt_reads++;
    if (log_limit_pass(&log->dir->log_corrupt, io_now(log->dir->io).mono_us, &swallowed)) {
        LOG_ERROR("log", "damage met by a read: log=%s base=%lld position=%llu swallowed=%u",
                  log->path, (long long)state_of(read)->segment->base_offset,
                  (unsigned long long)position, swallowed);
    }
    return end(read, ST_CORRUPT);
}

/* --- the octets of one header --- */

static enum step want_header(struct log_read *read, const uint8_t **ret_header) {
    struct read_state *s = state_of(read);
    struct log *log = read->log;
    *ret_header = NULL;
    if (s->at >= s->buffer_at && s->at + BATCH_HEADER_BYTES <= s->buffer_at + s->buffer_len) {
        *ret_header = s->buffer + (s->at - s->buffer_at);
        return STEP_ON;
    }
    if (s->at + BATCH_HEADER_BYTES > s->segment->size_bytes)
        return STEP_ON; /* no header can be there */
    if (s->buffer == NULL) s->pool = &log->dir->scans;
    if (s->buffer == NULL) s->buffer = pool_get(s->pool);
    if (s->buffer == NULL) return end(read, ST_NOMEM);
    s->buffer_at = s->at;
    s->buffer_len = 0;
    unsigned flags = ++s->reads % INLINE_READS_MAX != 0 ? IO_INLINE : 0;
    size_t len = (size_t)MIN((uint64_t)SCAN_BYTES, s->segment->size_bytes - s->at);
    if (!io_read(log->dir->io, &read->op, s->segment->file, s->buffer, len, s->at, flags))
        return STEP_WAIT;
    if (read->op.result < 0) return end(read, status_from_errno(read->op.result));
    s->buffer_len = (uint32_t)read->op.result;
    if (s->buffer_len >= BATCH_HEADER_BYTES) *ret_header = s->buffer;
    return STEP_ON;
}

/* --- the index --- */

struct index_load {
    struct log *log;
    struct segment *segment;
};

static void drive(struct log_read *read);
static void finish(struct log_read *read);

/* Takes over what was read (count entries), unless the file grew meanwhile: then the reads ask
 * again. */
static void take_entries(struct segment *segment, struct mem *mem, uint8_t *entries, uint32_t count,
                         uint32_t count_before) {
    struct index_tail *tail = &segment->offsets.tail;
    if (tail->file_count != count_before) {
        mem_free(mem, entries, (size_t)count * OFFSET_INDEX_ENTRY_BYTES);
        return;
    }
    if (tail->file_count == INDEX_COUNT_UNKNOWN) tail->file_count = count;
    segment_index_loaded(segment, entries, count);
}

static void index_load_job(struct job *job, void *argument) {
    struct index_load load = *(struct index_load *)argument;
    struct segment *segment = load.segment;
    struct mem *mem = job_mem(job);
    MEM_FREE(mem, (struct index_load *)argument);
    uint8_t *entries = NULL;
    uint32_t count = 0, count_before = segment->offsets.tail.file_count;
    enum status st =
        segment_read_index(job, load.log->path, segment->base_offset, PART_INDEX, &entries, &count);
    if (st == ST_OK && entries == NULL) entries = mem_need(mem, 0);
    if (st == ST_OK) take_entries(segment, mem, entries, count, count_before);
    segment->loading = false;
    segment->load_status = st;
    struct list waiters;
    list_init(&waiters);
    for (struct list *node; (node = list_pop_front(&segment->load_waiters)) != NULL;) {
        list_push_back(&waiters, node);
    }
    segment_let_go(segment); /* the reads have shares of their own */
    log_let_go(load.log);
    for (struct list *node; (node = list_pop_front(&waiters)) != NULL;) {
        struct read_state *s = CONTAINER_OF(node, struct read_state, file_wait.link);
        struct log_read *read = read_of(s);
        if (st == ST_OK) {
            drive(read);
        } else {
            (void)end(read, st);
            finish(read);
        }
    }
}

static enum step load_index(struct log_read *read) {
    struct read_state *s = state_of(read);
    struct segment *segment = s->segment;
    if (!segment->loading) {
        segment->loading = true;
        struct index_load *load = MEM_NEW(read->log->dir->io->mem, struct index_load);
        *load = (struct index_load){read->log, segment};
        segment_hold(segment);
        log_hold(read->log);
        job_start(read->log->dir->jobs, index_load_job, load);
    }
    if (segment->loading) {
        list_push_back(&segment->load_waiters, &s->file_wait.link);
        return STEP_WAIT;
    }
    /* It ended at once. */
    return segment->load_status == ST_OK ? STEP_ON : end(read, segment->load_status);
}

/* --- damage on the way --- */

/* While the read waited, the segment may have gone from the log: then it starts again. */
static bool is_gone(struct log_read *read) {
    struct read_state *s = state_of(read);
    if (read->log->segments[log_segment_of(read->log, s->segment->base_offset)] == s->segment)
        return false;
    drop_segment(s);
    s->wanted = read->offset;
    s->verified = false;
    s->phase = PHASE_PLACE;
    return true;
}

static void search_job(struct job *job, void *argument) {
    struct log_read *read = argument;
    struct read_state *s = state_of(read);
    s->job_status = holes_note(job, read->log, s->segment, s->at, s->next_offset);
    s->working = false;
    if (s->waits) drive(read);
}

/* A header that cannot be right does not say where the next batch starts: that is searched for, and
 * what lies in between is a hole from now on. */
static enum step search_behind(struct log_read *read) {
    struct read_state *s = state_of(read);
    s->searches++;
    s->working = true;
    s->waits = false;
    s->phase = PHASE_SEARCH;
    job_start(read->log->dir->jobs, search_job, read);
    s->waits = s->working;
    return s->waits ? STEP_WAIT : STEP_ON;
}

static enum step take_search(struct log_read *read) {
    struct read_state *s = state_of(read);
    if (is_gone(read)) return STEP_ON;
    if (s->job_status != ST_OK) return end(read, s->job_status);
    read->log->dir->corrupt_reads++;
    s->verified = false;
    s->phase = PHASE_PLACE;
    return STEP_ON;
}

/* --- the walk --- */

/* The segment's header at s->at, or what is the matter: STEP_ON with *ret_found says that view
 * holds. */
static enum step look(struct log_read *read, struct batch_view *view, bool *ret_found) {
    struct read_state *s = state_of(read);
    const uint8_t *header = NULL;
    enum step step = want_header(read, &header);
    *ret_found = false;
    if (step != STEP_ON) return step;
    enum status st = ST_CORRUPT;
    if (header != NULL) st = batch_peek((struct bytes){header, BATCH_HEADER_BYTES}, view);
    int64_t end = log_segment_end(read->log, log_segment_of(read->log, s->segment->base_offset));
    bool good = st == ST_OK && view->last_offset_delta >= 0 &&
                view->base_offset >= MAX(s->next_offset, s->segment->base_offset) &&
                batch_next_offset(view) <= end &&
                view->batch_bytes <= s->segment->size_bytes - s->at;
    if (s->by_entry) {
        s->by_entry = false;
        if (!good ||
            batch_last_offset(view) != s->segment->base_offset + (int64_t)s->entry_offset) {
            LOG_WARN("log", "offset index leads astray, searching without it: log=%s",
                     read->log->path);
            s->at = 0;
            s->next_offset = s->segment->base_offset;
            return STEP_ON; /* not found: looks again */
        }
    }
    if (!good && s->phase == PHASE_FIRST && s->searches < SEARCHES_MAX) return search_behind(read);
    if (!good) return met_damage(read, s->at);
    *ret_found = true;
    return STEP_ON;
}

/* The file is open, or not: one that went from under its name is going with its segment. */
static enum step took_file(struct log_read *read) {
    struct read_state *s = state_of(read);
    enum status st = s->file_wait.status;
    s->has_file = st == ST_OK;
    if (st == ST_OK || (st == ST_NOT_FOUND && is_gone(read))) return STEP_ON;
    return end(read, read->offset < read->log->log_start ? ST_RANGE : st);
}

static void file_opened(struct segment_file_wait *wait) {
    struct log_read *read = read_of(CONTAINER_OF(wait, struct read_state, file_wait));
    if (took_file(read) == STEP_END) {
        finish(read);
    } else {
        drive(read);
    }
}

static enum step want_file(struct log_read *read) {
    struct read_state *s = state_of(read);
    s->file_wait.opened = file_opened;
    return segment_file_use(read->log, s->segment, &s->file_wait) ? took_file(read) : STEP_WAIT;
}

static void skip_hole(struct read_state *s) {
    const struct hole *hole;
    while ((hole = segment_hole_at(s->segment, s->at)) != NULL) {
        s->at = hole->end_position;
        s->next_offset = hole->end_offset;
        s->by_entry = false; /* what it named is in the hole */
    }
}

/* Goes on in the segment that holds s->wanted. */
static enum step place(struct log_read *read) {
    struct read_state *s = state_of(read);
    struct log *log = read->log;
    if (s->segment != NULL && is_gone(read)) return STEP_ON;
    if (s->segment == NULL) {
        if (read->offset < log->log_start || read->offset > log->end) return end(read, ST_RANGE);
        s->segment = log->segments[log_segment_of(log, s->wanted)];
        segment_hold(s->segment);
        s->buffer_len = 0;
    }
    struct segment *segment = s->segment;
    const struct hole *hole = segment_hole_of(segment, s->wanted);
    if (hole != NULL) {
        read->hole_end = hole->end_offset;
        return end(read, ST_CORRUPT);
    }
    if (!s->has_file) return want_file(read);
    const struct recent_batch *recent =
        segment == log_active(log) ? recent_find(log, s->wanted) : NULL;
    if (recent != NULL) {
        s->found_at = s->at = recent->position;
        s->found_base = recent->base_offset;
        s->found_bytes = recent->batch_bytes;
        s->phase = PHASE_UPPER;
        return STEP_ON;
    }
    struct offset_position entry;
    uint32_t relative = (uint32_t)MAX(s->wanted - segment->base_offset, 0);
    if (!offset_index_find(&segment->offsets, relative, &entry)) return load_index(read);
    segment_index_touch(segment);
    s->at = entry.position;
    s->entry_offset = entry.relative_offset;
    s->is_cut = entry.position > 0 && entry.position >= segment->size_bytes;
    s->by_entry = entry.position > 0 && !s->is_cut;
    if (s->is_cut) s->at = 0;
    s->next_offset = segment->base_offset;
    s->is_jump = false;
    s->phase = PHASE_FIRST;
    return STEP_ON;
}

/* Looks for the first batch that ends at or above s->wanted. */
static enum step find_first(struct log_read *read) {
    struct read_state *s = state_of(read);
    struct log *log = read->log;
    if (is_gone(read)) return STEP_ON;
    skip_hole(s);
    if (s->at >= s->segment->size_bytes) {
        uint32_t index = log_segment_of(log, s->segment->base_offset);
        if (s->is_cut) return met_damage(read, s->at);
        if (index + 1 >= log->segment_count) return end(read, ST_OK); /* nothing there */
        drop_segment(s);
        s->wanted = MAX(s->wanted, log->segments[index + 1]->base_offset);
        s->phase = PHASE_PLACE;
        return STEP_ON;
    }
    struct batch_view view;
    bool found = false, by_entry = s->by_entry;
    enum step step = look(read, &view, &found);
    if (step != STEP_ON || !found) return step;
    if (batch_last_offset(&view) < s->wanted) {
        s->at += view.batch_bytes;
        s->next_offset = batch_next_offset(&view);
        return STEP_ON;
    }
    s->is_jump = !by_entry && view.base_offset > s->next_offset;
    s->found_at = s->at;
    s->found_base = view.base_offset;
    s->found_bytes = (uint32_t)view.batch_bytes;
    s->at += view.batch_bytes;
    if (batch_last_offset(&view) >= read->upper_offset)
        return end(read, ST_OK); /* not readable yet */
    s->phase = PHASE_UPPER;
    return STEP_ON;
}

/* Verifies on from where it was known, to the end of the batch in which s->limit lies. Offsets rise
 * and end below the next segment's: a file that is another one's has checksums that are right. */
static enum status verify(struct job *job, const struct log *log, struct segment *segment,
                          uint64_t at, uint64_t limit) {
    struct log_dir *dir = segment->dir;
    int64_t expected = segment->base_offset;
    int64_t end = log_segment_end(log, log_segment_of(log, segment->base_offset));
    struct scan scan;
    enum status st = scan_init(&scan, job);
    scan.flags = IO_INLINE;
    scan_file(&scan, segment->file, segment->verified.foreign_end);
    uint64_t from = at, turn_at = at;
    while (st == ST_OK && at < limit && at < scan.size_bytes) {
        struct batch_view view;
        st = scan_header(&scan, at, true, &view);
        if (st == ST_OK) st = scan_checksum(&scan, at, &view);
        bool fits = view.base_offset >= expected && batch_next_offset(&view) <= end;
        if (st == ST_OK && !fits) st = ST_CORRUPT;
        if (st == ST_OK && view.base_offset > expected)
            st = batch_check_jump(&scan, at, &view, expected);
        if (st != ST_OK) break;
        expected = batch_next_offset(&view);
        dir->verified_bytes += view.batch_bytes;
        at = verified_until(&segment->verified, at + view.batch_bytes);
        if (at - turn_at < VERIFY_TURN_BYTES) continue;
        turn_at = at;
        job_yield(job);
    }
    scan_release(&scan);
    verified_add(&segment->verified, dir->io->mem, from, at);
    return st == ST_SHORT || st == ST_UNSUPPORTED ? ST_CORRUPT : st;
}

static void verify_job(struct job *job, void *argument) {
    struct log_read *read = argument;
    struct read_state *s = state_of(read);
    uint64_t from = verified_until(&s->segment->verified, s->found_at);
    s->job_status = from < s->limit ? verify(job, read->log, s->segment, from, s->limit)
                                        : ST_OK;
    s->verified = true;
    s->working = false;
    if (s->waits) drive(read);
}

/* Whether all that lies up to s->limit may be served; else a job looks at it, once. What it finds
 * damaged ends what is given. */
static enum step check_verified(struct log_read *read) {
    struct read_state *s = state_of(read);
    if (is_gone(read)) return STEP_ON;
    uint64_t until = verified_until(&s->segment->verified, s->found_at);
    if (until < s->limit && !s->verified) {
        s->working = true;
        s->waits = false;
        job_start(read->log->dir->jobs, verify_job, read);
        s->waits = s->working;
        return s->waits ? STEP_WAIT : STEP_ON;
    }
    if (until < s->limit && s->job_status != ST_CORRUPT) return end(read, s->job_status);
    if (until <= s->found_at && s->is_jump && s->searches < SEARCHES_MAX) {
        s->at = s->found_at; /* its offsets may be wrong, and what is wanted lie behind it */
        return search_behind(read);
    }
    if (until <= s->found_at) return met_damage(read, s->found_at);
    read->bytes = (uint32_t)(MIN(s->limit, until) - s->found_at);
    return end(read, ST_OK);
}

static enum step give(struct log_read *read, uint64_t limit) {
    struct read_state *s = state_of(read);
    limit = MIN(limit, segment_next_hole(s->segment, s->found_at));
    uint64_t bytes = limit > s->found_at ? MIN(limit - s->found_at, (uint64_t)read->max_bytes) : 0;
    if (read->whole_first && limit >= s->found_at + s->found_bytes)
        bytes = MAX(bytes, (uint64_t)s->found_bytes);
    if (bytes == 0) return end(read, ST_OK);
    s->limit = s->found_at + bytes;
    s->phase = PHASE_VERIFY;
    read->file = s->segment->file;
    read->position = s->found_at;
    read->first_base_offset = s->found_base;
    read->first_batch_bytes = s->found_bytes;
    return STEP_ON;
}

/* Looks for the first batch that reaches upper_offset, no further than what may be given. */
static enum step find_upper(struct log_read *read) {
    struct read_state *s = state_of(read);
    struct log *log = read->log;
    if (is_gone(read)) return STEP_ON;
    struct segment *segment = s->segment;
    uint32_t index = log_segment_of(log, segment->base_offset);
    if (read->upper_offset >= log_segment_end(log, index)) return give(read, segment->size_bytes);
    const struct recent_batch *recent =
        segment == log_active(log) ? recent_find(log, read->upper_offset) : NULL;
    if (recent != NULL) return give(read, recent->position);

    uint64_t wanted_end = s->found_at + MAX((uint64_t)read->max_bytes, (uint64_t)s->found_bytes);
    struct offset_position below;
    if (!s->jumped) {
        s->jumped = true;
        s->at = s->found_at + s->found_bytes;
        uint32_t relative = (uint32_t)(read->upper_offset - 1 - segment->base_offset);
        if (offset_index_find(&segment->offsets, relative, &below) && below.position > s->at) {
            s->at = below.position;
            s->entry_offset = below.relative_offset;
            s->by_entry = true;
        }
    }
    skip_hole(s);
    if (s->at >= wanted_end || s->at >= segment->size_bytes)
        return give(read, MIN(s->at, segment->size_bytes));
    struct batch_view view;
    bool found = false;
    enum step step = look(read, &view, &found);
    if (step != STEP_ON) return step;
    if (!found) { /* the index was wrong */
        s->at = s->found_at + s->found_bytes;
        return STEP_ON;
    }
    if (batch_last_offset(&view) >= read->upper_offset) return give(read, s->at);
    s->at += view.batch_bytes;
    return STEP_ON;
}

/* false: under way. */
static bool advance(struct log_read *read) {
    struct read_state *s = state_of(read);
    for (;;) {
        enum step step = STEP_ON;
        if (log_is_offline(read->log)) step = end(read, ST_IO);
        if (step == STEP_ON) {
            switch (s->phase) {
            case PHASE_PLACE: step = place(read); break;
            case PHASE_FIRST: step = find_first(read); break;
            case PHASE_SEARCH: step = take_search(read); break;
            case PHASE_UPPER: step = find_upper(read); break;
            case PHASE_VERIFY: step = check_verified(read); break;
            }
        }
        if (step == STEP_WAIT) return false;
        if (step == STEP_END) return true;
    }
}

static void finish(struct log_read *read) {
    log_let_go(read->log); /* first: whoever is told may close it */
    read->done(read);
}

static void drive(struct log_read *read) {
    if (advance(read)) finish(read);
}

static void header_read(struct io_op *op) {
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    struct read_state *s = state_of(read);
    if (op->result < BATCH_HEADER_BYTES) { /* a header is in the file, unless somebody cut it */
        (void)end(read, op->result < 0 ? status_from_errno(op->result) : ST_CORRUPT);
        finish(read);
        return;
    }
    s->buffer_len = (uint32_t)op->result;
    drive(read);
}

bool log_read_start(struct log *log, struct log_read *read) {
    struct read_state *s = state_of(read);
    *s = (struct read_state){.wanted = read->offset, .phase = PHASE_PLACE};
    read->log = log;
    read->op.done = header_read;
    read->segment = NULL;
    read->bytes = 0;
    read->status = ST_OK;
    read->hole_end = -1;
    if (log_is_offline(log)) {
        read->status = ST_IO;
        return true;
    }
    if (read->offset < log->log_start || read->offset > log->end) {
        read->status = ST_RANGE;
        return true;
    }
    if (read->offset >= read->upper_offset || read->offset == log->end) return true;
    log_hold(log);
    if (!advance(read)) return false;
    log_let_go(log);
    return true;
}

void log_read_release(struct log_read *read) {
    if (read->segment != NULL) {
        segment_file_unuse(read->segment);
        segment_let_go(read->segment);
    }
    read->segment = NULL;
    read->bytes = 0;
}
