/* log/scrub_segment.c - one segment's batches, and its indexes held against them. */
#include "base/assert.h"
#include "log/holes.h"
#include "log/scan.h"
#include "log/scrub.h"
#include "log/scrub_txns.h"
#include "log/segment_job.h"

/* What one pass over a segment found; told when it counts. */
struct pass_finding {
    enum segment_part part;
    int64_t position;
    const char *what;
};

struct pass {
    struct job *job;
    struct scrub *scrub;
    const char *dir;  /* NULL: a file without indexes */
    const char *path; /* of the batches */
    int64_t base_offset;
    bool is_last;
    struct scan scan;
    struct hole *holes;
    uint32_t hole_count;
    uint8_t *offsets, *times; /* the index files */
    size_t offsets_bytes, times_bytes;
    uint32_t offset_count, next_offset; /* entries, and the first that is not checked yet */
    uint32_t time_count, next_time;
    struct scrub_txns txns;
    int64_t expected;         /* the least offset of the next batch */
    int32_t epoch;            /* the largest so far */
    int64_t max_timestamp_ms; /* of the batches so far */
    bool has_gap;             /* batches were met that could not be read */
    uint64_t batches;
    struct pass_finding findings[SCRUB_FINDINGS_MAX];
    uint32_t finding_count; /* found; SCRUB_FINDINGS_MAX of them are kept */
};

static void note(struct pass *p, enum segment_part part, int64_t position, const char *what) {
    if (p->finding_count < SCRUB_FINDINGS_MAX)
        p->findings[p->finding_count] = (struct pass_finding){part, position, what};
    p->finding_count++;
}

/* --- what is read before the batches --- */

/* A part as a whole; nothing when there is none. */
static enum status read_part(struct pass *p, enum segment_part part, size_t limit_bytes,
                             uint8_t **ret_data, size_t *ret_bytes) {
    struct log_path path;
    log_path_of_part(&path, p->dir, p->base_offset, part, "");
    char *data = NULL;
    size_t len = 0;
    enum status st = job_read_file(p->job, path.text, limit_bytes, &data, &len);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st == ST_IO || st == ST_TOO_LARGE) {
        note(p, part, -1, st == ST_IO ? "cannot be read" : "is too large");
        return ST_OK;
    }
    if (st != ST_OK) return st;
    p->scrub->files++;
    *ret_data = (uint8_t *)data;
    *ret_bytes = len;
    return scrub_pace(p->job, p->scrub, len);
}

static bool is_zero(const uint8_t *octets, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (octets[i] != 0) return false;
    }
    return true;
}

/* How many entries an index has. A JVM that was killed leaves the room that it had reserved behind
 * them, all zero. */
static uint32_t count_entries(struct pass *p, enum segment_part part, const uint8_t *entries,
                              size_t bytes, size_t entry_bytes) {
    if (bytes % entry_bytes != 0) note(p, part, -1, "its length is no multiple of an entry's");
    size_t count = bytes / entry_bytes;
    while (count > 0 && is_zero(entries + (count - 1) * entry_bytes, entry_bytes)) count--;
    return (uint32_t)count;
}

static void note_txns(struct pass *p, struct scrub_txns_wrong wrong) {
    if (wrong.text != NULL) note(p, PART_TXN_INDEX, wrong.position, wrong.text);
}

#define INDEX_BYTES_MAX ((size_t)256 << 20)
#define HOLES_BYTES_MAX ((size_t)1 << 20)

static enum status read_indexes(struct pass *p) {
    enum status st = read_part(p, PART_INDEX, INDEX_BYTES_MAX, &p->offsets, &p->offsets_bytes);
    if (st == ST_OK) {
        p->offset_count =
            count_entries(p, PART_INDEX, p->offsets, p->offsets_bytes, OFFSET_INDEX_ENTRY_BYTES);
        if (!offset_index_is_sane(p->offsets, p->offset_count, INT32_MAX)) {
            note(p, PART_INDEX, -1, "its entries do not rise");
            p->offset_count = 0;
        }
        st = read_part(p, PART_TIME_INDEX, INDEX_BYTES_MAX, &p->times, &p->times_bytes);
    }
    if (st == ST_OK) {
        p->time_count =
            count_entries(p, PART_TIME_INDEX, p->times, p->times_bytes, TIME_INDEX_ENTRY_BYTES);
        if (!time_index_is_sane(p->times, p->time_count)) {
            note(p, PART_TIME_INDEX, -1, "its entries do not rise");
            p->time_count = 0;
        }
        p->txns.mem = job_mem(p->job);
        p->txns.may_lack = p->is_last;
        st = read_part(p, PART_TXN_INDEX, INDEX_BYTES_MAX, &p->txns.entries, &p->txns.bytes);
    }
    if (st == ST_OK) note_txns(p, scrub_txns_begin(&p->txns, p->base_offset));
    return st;
}

static enum status read_holes(struct pass *p) {
    uint8_t *text = NULL;
    size_t len = 0;
    enum status st = read_part(p, PART_HOLES, HOLES_BYTES_MAX, &text, &len);
    if (st != ST_OK || text == NULL) return st;
    struct str lines = {(const char *)text, len};
    st = holes_parse(job_mem(p->job), lines, &p->holes, &p->hole_count);
    mem_free(job_mem(p->job), text, len + 1);
    if (st == ST_CORRUPT) {
        note(p, PART_HOLES, -1, "is not a list of holes");
        st = ST_OK;
    }
    return st;
}

/* --- indexes against batches --- */

static void check_offset_entries(struct pass *p, uint64_t at, const struct batch_view *view) {
    for (; p->next_offset < p->offset_count; p->next_offset++) {
        size_t where = (size_t)p->next_offset * OFFSET_INDEX_ENTRY_BYTES;
        struct offset_position entry = offset_index_decode(p->offsets + where);
        if (entry.position > at) return;
        if (entry.position < at) {
            note(p, PART_INDEX, (int64_t)where, "an entry leads into the middle of a batch");
        } else if (p->base_offset + entry.relative_offset < view->base_offset) {
            note(p, PART_INDEX, (int64_t)where, "an entry leads behind its offset");
        }
    }
}

/* Of what lies below `position` nothing is known that they could be held against. */
static void skip_offset_entries(struct pass *p, uint64_t position) {
    while (p->next_offset < p->offset_count) {
        size_t where = (size_t)p->next_offset * OFFSET_INDEX_ENTRY_BYTES;
        if (offset_index_decode(p->offsets + where).position >= position) return;
        p->next_offset++;
    }
}

/* An entry carries the newest timestamp up to its offset. Those below `offset`, the last one of the
 * next batch (`next_ms`: its newest timestamp), may be held against what was read. */
static void check_time_entries(struct pass *p, int64_t offset, int64_t next_base, int64_t next_ms) {
    for (; p->next_time < p->time_count; p->next_time++) {
        size_t where = (size_t)p->next_time * TIME_INDEX_ENTRY_BYTES;
        struct time_entry entry = time_index_decode(p->times + where);
        int64_t entry_offset = p->base_offset + entry.relative_offset;
        if (entry_offset >= offset) return;
        int64_t newest_ms = p->max_timestamp_ms;
        if (newest_ms > entry.timestamp_ms)
            note(p, PART_TIME_INDEX, (int64_t)where, "an entry leads behind its timestamp");
        if (entry_offset >= next_base) newest_ms = MAX(newest_ms, next_ms);
        if (entry.timestamp_ms > newest_ms && !p->has_gap)
            note(p, PART_TIME_INDEX, (int64_t)where, "an entry tells a time that no record has");
    }
}

static void check_entries_left(struct pass *p) {
    if (p->dir != NULL) note_txns(p, scrub_txns_end(&p->txns));
    if (p->next_offset < p->offset_count) {
        note(p, PART_INDEX, (int64_t)p->next_offset * OFFSET_INDEX_ENTRY_BYTES,
             "an entry leads behind the last batch");
    }
    check_time_entries(p, INT64_MAX, INT64_MAX, NO_TIMESTAMP);
}

/* --- batches --- */

static void check_order(struct pass *p, uint64_t at, const struct batch_view *view) {
    int64_t last = batch_last_offset(view);
    if (view->last_offset_delta < 0 || view->base_offset < p->expected)
        note(p, PART_LOG, (int64_t)at, "its offsets go back");
    else if (p->dir != NULL && last - p->base_offset > INT32_MAX)
        note(p, PART_LOG, (int64_t)at, "its offsets are too far from the segment's");
    if (view->partition_leader_epoch < p->epoch)
        note(p, PART_LOG, (int64_t)at, "its leader epoch goes back");
}

static enum status take_batch(struct pass *p, uint64_t at, const struct batch_view *view) {
    check_order(p, at, view);
    check_offset_entries(p, at, view);
    check_time_entries(p, batch_last_offset(view), view->base_offset, view->max_timestamp);
    p->batches++;
    p->expected = MAX(p->expected, batch_next_offset(view));
    p->epoch = MAX(p->epoch, view->partition_leader_epoch);
    p->max_timestamp_ms = MAX(p->max_timestamp_ms, view->max_timestamp);
    struct scrub_txns_wrong wrong;
    if (p->dir == NULL) return ST_OK;
    enum status st = scrub_txns_batch(&p->txns, &p->scan, at, view, &wrong);
    if (st == ST_OK) note_txns(p, wrong);
    return st;
}

static const struct hole *hole_at(const struct pass *p, uint64_t at) {
    for (uint32_t i = 0; i < p->hole_count; i++) {
        const struct hole *hole = &p->holes[i];
        if (at >= hole->position && at < hole->end_position) return hole;
    }
    return NULL;
}

/* Whether the file holds only zeros from here on, as one does whose room was reserved; a broker
 * that rolls meanwhile cuts it off. */
static enum status is_reserved(struct pass *p, uint64_t at, bool *ret_is) {
    *ret_is = false;
    while (at < p->scan.size_bytes) {
        const uint8_t *octets = NULL;
        enum status st = scan_octets(&p->scan, at, 1, SCAN_WINDOW_BYTES, &octets);
        if (st == ST_SHORT) break;
        if (st != ST_OK) return st;
        size_t len =
            (size_t)MIN(p->scan.window_at + p->scan.window_len, p->scan.size_bytes) - (size_t)at;
        if (!is_zero(octets, len)) return ST_OK;
        at += len;
        st = scrub_pace(p->job, p->scrub, len);
        if (st != ST_OK) return st;
    }
    *ret_is = true;
    return ST_OK;
}

/* What the indexes tell of what is in there is believed from here on. */
static void meet_gap(struct pass *p) {
    p->has_gap = true;
    p->txns.is_blind = true;
}

/* At octets that are no batch. *ret_next: where to go on; the end when nothing tells. */
static enum status take_damage(struct pass *p, uint64_t at, enum status why, bool has_header,
                               const struct batch_view *view, uint64_t *ret_next) {
    const struct hole *hole = hole_at(p, at);
    *ret_next = p->scan.size_bytes;
    if (hole != NULL) {
        meet_gap(p);
        skip_offset_entries(p, hole->end_position);
        note(p, PART_LOG, (int64_t)at, "a hole, kept by an earlier recovery");
        *ret_next = hole->end_position;
        p->expected = MAX(p->expected, hole->end_offset);
        return ST_OK;
    }
    bool reserved = false;
    if (p->is_last) {
        enum status st = is_reserved(p, at, &reserved);
        if (st != ST_OK) return st;
    }
    if (reserved) return ST_OK;
    meet_gap(p);
    if (has_header) {
        note(p, PART_LOG, (int64_t)at, "its checksum is wrong");
        *ret_next = at + view->batch_bytes;
        skip_offset_entries(p, *ret_next);
    } else {
        note(p, PART_LOG, (int64_t)at,
             why == ST_SHORT         ? "the file ends within a batch"
             : why == ST_UNSUPPORTED ? "a message in a format before version 2"
                                     : "no batch begins here, what follows was not checked");
        p->next_offset = p->offset_count; /* of what was not read nothing is known */
        p->next_time = p->time_count;
    }
    return ST_OK;
}

static enum status walk(struct pass *p) {
    for (uint64_t at = 0, next = 0; at < p->scan.size_bytes; at = next) {
        struct batch_view view;
        enum status st = scan_header(&p->scan, at, true, &view);
        bool has_header = st == ST_OK;
        if (st == ST_OK) st = scan_checksum(&p->scan, at, &view);
        next = at + view.batch_bytes;
        if (st == ST_OK) {
            st = take_batch(p, at, &view);
        } else if (st == ST_CORRUPT || st == ST_SHORT || st == ST_UNSUPPORTED) {
            st = take_damage(p, at, st, has_header, &view, &next);
        }
        if (st == ST_OK) st = scrub_pace(p->job, p->scrub, next - at);
        if (st == ST_IO) {
            note(p, PART_LOG, (int64_t)at, "cannot be read");
            return ST_OK;
        }
        if (st != ST_OK) return st;
    }
    check_entries_left(p);
    return ST_OK;
}

/* --- a pass --- */

/* The batches' size is asked last: what the indexes tell of is in the file by then. */
static enum status open_and_walk(struct pass *p) {
    int fd = -1;
    enum status st = job_open(p->job, p->path, IO_READ, 0, &fd);
    if (st != ST_OK) return st;
    if (p->dir != NULL) st = read_indexes(p);
    if (st == ST_OK && p->dir != NULL) st = read_holes(p);
    struct io_stat stat;
    if (st == ST_OK) st = job_stat(p->job, p->path, &stat);
    if (st == ST_OK) {
        p->scrub->files++;
        scan_file(&p->scan, fd, stat.size_bytes);
        st = walk(p);
    }
    job_close(p->job, fd);
    return st;
}

static void release(struct pass *p) {
    struct mem *mem = job_mem(p->job);
    if (p->offsets != NULL) mem_free(mem, p->offsets, p->offsets_bytes + 1);
    if (p->times != NULL) mem_free(mem, p->times, p->times_bytes + 1);
    if (p->dir != NULL) scrub_txns_release(&p->txns);
    mem_free(mem, p->holes, p->hole_count * sizeof *p->holes);
    scan_release(&p->scan);
}

static void tell(const struct pass *p) {
    for (uint32_t i = 0; i < MIN(p->finding_count, SCRUB_FINDINGS_MAX); i++) {
        const struct pass_finding *finding = &p->findings[i];
        struct log_path path;
        if (p->dir != NULL) log_path_of_part(&path, p->dir, p->base_offset, finding->part, "");
        scrub_tell(p->scrub, p->dir != NULL ? path.text : p->path, finding->position,
                   finding->what);
    }
    if (p->finding_count > SCRUB_FINDINGS_MAX)
        scrub_tell(p->scrub, p->path, -1, "and more, not told one by one");
}

/* `first` says what is looked at. Once; and again after a while, when a broker may have been at
 * work there. */
static enum status check(const struct pass *first, int64_t *ret_end) {
    for (unsigned turn = 0;; turn++) {
        struct pass p = *first;
        enum status st = scan_init(&p.scan, p.job);
        if (st == ST_OK) st = open_and_walk(&p);
        bool again = st == ST_OK && p.finding_count > 0 && p.scrub->is_live && turn == 0;
        if (st == ST_IO) { /* of opening; what reading gives is noted where it happens */
            scrub_tell(p.scrub, p.path, -1, "cannot be opened");
            st = ST_OK;
        } else if (st == ST_OK && !again) {
            tell(&p);
        }
        *ret_end = p.expected;
        if (!again) p.scrub->batches += p.batches;
        release(&p);
        if (!again) return st == ST_NOT_FOUND ? ST_OK : st;
        uint64_t until_us = io_now(job_io(p.job)).mono_us + (uint64_t)SCRUB_AGAIN_MS * 1000;
        job_sleep_until(p.job, until_us);
    }
}

enum status scrub_segment(struct job *job, struct scrub *scrub, const char *dir,
                          int64_t base_offset, bool is_last, int64_t *ret_end) {
    struct log_path path;
    log_path_of_part(&path, dir, base_offset, PART_LOG, "");
    const struct pass first = {.job = job,
                               .scrub = scrub,
                               .dir = dir,
                               .path = path.text,
                               .base_offset = base_offset,
                               .is_last = is_last,
                               .expected = base_offset,
                               .epoch = NO_LEADER_EPOCH,
                               .max_timestamp_ms = NO_TIMESTAMP};
    return check(&first, ret_end);
}

enum status scrub_batches(struct job *job, struct scrub *scrub, const char *path) {
    const struct pass first = {.job = job,
                               .scrub = scrub,
                               .path = path,
                               .epoch = NO_LEADER_EPOCH,
                               .max_timestamp_ms = NO_TIMESTAMP};
    int64_t end = 0;
    return check(&first, &end);
}
