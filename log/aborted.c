/* log/aborted.c - transaction indexes as files, and what overlaps a range of the log. Source:
 * TransactionIndex, LocalLog.collectAbortedTransactions. */
#include "log/aborted.h"
#include "base/assert.h"
#include "base/logging.h"
#include "log/segment_file.h"
#include "log/segment_job.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)

static enum status count_entries(struct job *job, const char *path, uint32_t *ret_count) {
    struct io_stat stat;
    enum status st = job_stat(job, path, &stat);
    if (st != ST_OK) return st;
    if (stat.size_bytes > FILE_BYTES_MAX || stat.size_bytes % TXN_INDEX_ENTRY_BYTES != 0)
        return ST_CORRUPT;
    *ret_count = (uint32_t)(stat.size_bytes / TXN_INDEX_ENTRY_BYTES);
    return ST_OK;
}

static enum status read_entries(struct job *job, const char *path, uint32_t count,
                                uint8_t **ret_entries) {
    size_t len = (size_t)count * TXN_INDEX_ENTRY_BYTES;
    uint8_t *entries = mem_alloc(job_mem(job), len);
    if (entries == NULL) return ST_NOMEM;
    int fd = -1;
    enum status st = job_open(job, path, IO_READ, 0, &fd);
    if (st == ST_OK) {
        st = job_read(job, fd, entries, len, 0);
        job_close(job, fd);
    }
    if (st == ST_OK) {
        *ret_entries = entries;
        return ST_OK;
    }
    mem_free(job_mem(job), entries, len);
    return st == ST_SHORT ? ST_CORRUPT : st;
}

static int64_t last_marker(const uint8_t *entries, uint32_t count) {
    return txn_index_decode(entries + (size_t)(count - 1) * TXN_INDEX_ENTRY_BYTES).last_offset;
}

enum status aborted_read_file(struct job *job, const struct log *log, struct segment *segment,
                              uint8_t **ret_entries, uint32_t *ret_count) {
    struct index_tail *tail = &segment->txns.tail;
    uint32_t count = tail->file_count;
    *ret_entries = NULL;
    *ret_count = 0;
    if (count == 0) return ST_OK;
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, PART_TXN_INDEX, "");
    enum status st = ST_OK;
    if (count == INDEX_COUNT_UNKNOWN) st = count_entries(job, path.text, &count);
    if (st == ST_OK && count > 0) st = read_entries(job, path.text, count, ret_entries);
    if (st == ST_OK && !txn_index_is_sane(*ret_entries, count, segment->base_offset)) {
        mem_free(job_mem(job), *ret_entries, (size_t)count * TXN_INDEX_ENTRY_BYTES);
        *ret_entries = NULL;
        st = ST_CORRUPT;
    }
    if (st == ST_CORRUPT) LOG_ERROR("log", "not a transaction index: file=%s", path.text);
    if (st != ST_OK) return st;
    if (tail->file_count == INDEX_COUNT_UNKNOWN) {
        tail->file_count = count;
        if (count > 0) segment->txns.last_marker = last_marker(*ret_entries, count);
    }
    *ret_count = count;
    return ST_OK;
}

/* --- held against the batches --- */

struct confirm {
    struct segment *segment;
    struct scan scan;
    uint8_t *entries; /* of the offset index */
    uint32_t count;
};

/* The first batch that ends at `offset` or above. ST_CORRUPT: none, or damage before it. */
static enum status batch_at(struct confirm *c, int64_t offset, struct batch_view *ret_view) {
    struct segment *segment = c->segment;
    uint32_t relative = (uint32_t)(offset - segment->base_offset);
    uint32_t below = offset_index_count_below(c->entries, c->count, relative);
    uint64_t at = 0;
    if (below > 0) {
        const uint8_t *entry = c->entries + (size_t)(below - 1) * OFFSET_INDEX_ENTRY_BYTES;
        at = offset_index_decode(entry).position;
    }
    while (at < segment->size_bytes) {
        const struct hole *hole = segment_hole_at(segment, at);
        enum status st = hole == NULL ? scan_header(&c->scan, at, false, ret_view) : ST_CORRUPT;
        if (st != ST_OK) return scan_is_damage(st) ? ST_CORRUPT : st;
        if (batch_last_offset(ret_view) >= offset) return ST_OK;
        at += ret_view->batch_bytes;
    }
    return ST_CORRUPT;
}

static enum status confirm_one(struct confirm *c, const struct aborted_txn *txn) {
    struct batch_view view;
    enum status st = batch_at(c, txn->last_offset, &view);
    if (st != ST_OK) return st;
    if (!batch_is_control(&view) || batch_last_offset(&view) != txn->last_offset ||
        view.producer_id != txn->producer_id || txn->last_stable_offset > txn->last_offset + 1)
        return ST_CORRUPT;
    if (txn->first_offset < c->segment->base_offset) return ST_OK; /* in another segment */
    st = batch_at(c, txn->first_offset, &view);
    if (st != ST_OK || view.base_offset > txn->first_offset) return st; /* compacted away */
    bool is_its_own = batch_is_transactional(&view) && view.producer_id == txn->producer_id &&
                      view.base_offset == txn->first_offset;
    return is_its_own ? ST_OK : ST_CORRUPT;
}

enum status aborted_confirm(struct job *job, struct log *log, struct segment *segment,
                            const uint8_t *entries, uint32_t count, bool *ret_is_right) {
    struct confirm c = {.segment = segment};
    enum status st = segment_file_use_wait(job, log, segment);
    if (st != ST_OK) return st;
    st = scan_init(&c.scan, job);
    scan_file(&c.scan, segment->file, segment->size_bytes);
    if (st == ST_OK)
        st = segment_read_index(job, log->path, segment->base_offset, PART_INDEX, &c.entries,
                                &c.count);
    for (uint32_t i = 0; st == ST_OK && i < count; i++) {
        struct aborted_txn txn = txn_index_decode(entries + (size_t)i * TXN_INDEX_ENTRY_BYTES);
        st = confirm_one(&c, &txn);
    }
    mem_free(job_mem(job), c.entries, (size_t)c.count * OFFSET_INDEX_ENTRY_BYTES);
    scan_release(&c.scan);
    segment_file_unuse(segment);
    *ret_is_right = st == ST_OK;
    return st == ST_CORRUPT ? ST_OK : st;
}

enum status aborted_read(struct job *job, const struct log *log, struct segment *segment,
                         uint8_t **ret_entries, uint32_t *ret_count) {
    const struct index_tail *tail = &segment->txns.tail;
    struct mem *mem = job_mem(job);
    for (;;) {
        uint32_t in_file = 0;
        enum status st = aborted_read_file(job, log, segment, ret_entries, &in_file);
        if (st != ST_OK) return st;
        size_t len = (size_t)in_file * TXN_INDEX_ENTRY_BYTES;
        if (tail->file_count == in_file) {
            size_t more = (size_t)tail->count * TXN_INDEX_ENTRY_BYTES;
            *ret_count = in_file + tail->count;
            if (more == 0) return ST_OK;
            uint8_t *all = mem_resize(mem, *ret_entries, len, len + more);
            if (all != NULL) {
                memcpy(all + len, tail->entries, more);
                *ret_entries = all;
                return ST_OK;
            }
            st = ST_NOMEM;
        }
        mem_free(mem, *ret_entries, len);
        *ret_entries = NULL;
        if (st != ST_OK) return st;
        /* The tail went into the file meanwhile: read it again. */
    }
}

enum status aborted_cut(struct job *job, const struct log *log, struct segment *segment,
                        int64_t offset) {
    struct index_tail *tail = &segment->txns.tail;
    uint8_t *entries = NULL;
    uint32_t count = 0;
    ASSERT(tail->count == 0);
    enum status st = aborted_read_file(job, log, segment, &entries, &count);
    if (st != ST_OK || count == 0) return st;
    uint32_t keep = txn_index_count_below(entries, count, offset);
    if (keep > 0) segment->txns.last_marker = last_marker(entries, keep);
    mem_free(job_mem(job), entries, (size_t)count * TXN_INDEX_ENTRY_BYTES);
    if (keep == count) return ST_OK;
    struct log_path path;
    log_path_of_part(&path, log->path, segment->base_offset, PART_TXN_INDEX, "");
    int fd = -1;
    st = job_open(job, path.text, IO_WRITE, 0, &fd);
    if (st != ST_OK) return st;
    st = job_truncate(job, fd, (uint64_t)keep * TXN_INDEX_ENTRY_BYTES);
    if (st == ST_OK) st = job_sync(job, fd, IO_ALL);
    job_close(job, fd);
    if (st == ST_OK) tail->file_count = keep;
    return st;
}

/* --- across segments --- */

static enum status collect(struct job *job, struct log *log, struct segment *segment, int64_t first,
                           int64_t upper, struct aborted_txns *list, bool *ret_is_complete) {
    uint8_t *entries = NULL;
    uint32_t count = 0;
    *ret_is_complete = false;
    if (txn_index_is_empty(&segment->txns)) return ST_OK;
    enum status st = aborted_read(job, log, segment, &entries, &count);
    if (st != ST_OK) return st;
    st = txn_index_collect(entries, count, first, upper, list, job_mem(job), ret_is_complete);
    mem_free(job_mem(job), entries, (size_t)count * TXN_INDEX_ENTRY_BYTES);
    return st;
}

/* From the segment of offset `from` on. */
static enum status collect_from(struct job *job, struct log *log, int64_t from, int64_t first,
                                int64_t upper, struct aborted_txns *list) {
    for (;;) { /* segments may come and go while a file is read */
        uint32_t index = log_segment_of(log, from);
        struct segment *segment = log->segments[index];
        bool is_last = index + 1 == log->segment_count, is_complete = false;
        from = log_segment_end(log, index);
        segment_hold(segment);
        enum status st = collect(job, log, segment, first, upper, list, &is_complete);
        segment_let_go(segment);
        if (st != ST_OK || is_complete || is_last) return st;
    }
}

enum status log_find_aborted(struct job *job, struct log *log, int64_t first, int64_t upper,
                             struct aborted_txns *ret_list) {
    *ret_list = (struct aborted_txns){0};
    if (log_is_offline(log)) return ST_IO;
    log_hold(log);
    enum status st = collect_from(job, log, first, first, upper, ret_list);
    log_let_go(log);
    if (st != ST_OK) aborted_txns_release(ret_list, job_mem(job));
    return st;
}

/* --- for what a read gave --- */

/* As Kafka bounds it: the first indexed offset behind what was read, or the segment's end; its
 * search passes over the index's very first entry when that lies exactly there. Where the entry is
 * in a part of the index that is not in memory the bound is higher, which only tells the reader
 * more. */
static int64_t upper_bound(const struct log *log, const struct segment *segment,
                           uint64_t position) {
    const struct offset_index *index = &segment->offsets;
    struct offset_position entry;
    uint64_t from = position;
    const uint8_t *first = index->tail.file_count > 0 ? index->loaded : index->tail.entries;
    bool has_first = first != NULL && index_tail_total(&index->tail) > 0;
    if (has_first && offset_index_decode(first).position == position) from++;
    if (offset_index_first_at(index->loaded, index->loaded_count, from, &entry) ||
        offset_index_first_at(index->tail.entries, index->tail.count, from, &entry))
        return segment->base_offset + entry.relative_offset;
    return log_segment_end(log, log_segment_of(log, segment->base_offset));
}

static bool is_there(const struct log *log, const struct segment *segment) {
    return log->segments[log_segment_of(log, segment->base_offset)] == segment;
}

static void settle(struct log_aborted *aborted, enum status st) {
    aborted->status = st;
    if (st != ST_OK) log_aborted_release(aborted);
}

static void find_job(struct job *job, void *argument) {
    struct log_aborted *aborted = argument;
    struct log *log = aborted->log;
    struct segment *segment = aborted->segment;
    enum status st = ST_IO;
    if (!log_is_offline(log))
        st = collect_from(job, log, segment->base_offset, aborted->first, aborted->upper,
                          &aborted->list);
    /* Compacted or deleted meanwhile: the index may be that of other batches. */
    if (!is_there(log, segment)) st = ST_CLOSED;
    settle(aborted, st);
    segment_let_go(segment);
    log_let_go(log); /* before whoever is told may close it */
    aborted->done(aborted);
}

bool log_aborted_start(struct log *log, const struct log_read *read, struct log_aborted *aborted) {
    struct mem *mem = log->dir->io->mem;
    struct segment *segment = read->segment;
    aborted->mem = mem;
    aborted->log = log;
    aborted->segment = segment;
    aborted->first = read->offset;
    aborted->list = (struct aborted_txns){0};
    aborted->upper = upper_bound(log, segment, read->position + read->bytes);
    enum status st = ST_OK;
    bool is_complete = !is_there(log, segment);
    if (is_complete) st = ST_CLOSED;
    uint32_t i = log_segment_of(log, segment->base_offset);
    for (; st == ST_OK && !is_complete && i < log->segment_count; i++) {
        const struct txn_index *index = &log->segments[i]->txns;
        if (!txn_index_knows(index, aborted->first)) break;
        st = txn_index_collect(index->tail.entries, index->tail.count, aborted->first,
                               aborted->upper, &aborted->list, mem, &is_complete);
    }
    settle(aborted, st);
    if (st != ST_OK || is_complete || i == log->segment_count) return true;
    log_aborted_release(aborted);
    segment_hold(segment);
    log_hold(log);
    job_start(log->dir->jobs, find_job, aborted);
    return false;
}

void log_aborted_release(struct log_aborted *aborted) {
    if (aborted->mem != NULL) aborted_txns_release(&aborted->list, aborted->mem);
}
