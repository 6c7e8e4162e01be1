/* log/compaction.c - batch by batch. */
#include "log/compaction.h"
#include <string.h>
#include "base/assert.h"
#include "protocol/crc32c.h"

#define PLAIN_BYTES_MAX ((size_t)INT32_MAX) /* of one batch, decompressed */

void compaction_init(struct compaction *compaction, struct mem *mem) {
    *compaction = (struct compaction){.mem = mem};
    cleaned_txns_init(&compaction->txns, mem);
    octets_init(&compaction->out, mem);
    record_iter_init(&compaction->iter, mem);
    batch_builder_init(&compaction->builder, mem);
}

void compaction_release(struct compaction *c) {
    key_map_release(&c->map);
    cleaned_txns_release(&c->txns);
    octets_release(&c->out);
    record_iter_release(&c->iter);
    batch_builder_release(&c->builder);
    aborted_txns_release(&c->aborts, c->mem);
    mem_free(c->mem, c->headers, c->header_capacity * sizeof *c->headers);
}

void compaction_turn(struct compaction *compaction) { cleaned_txns_clear(&compaction->txns); }

/* The next batch of the chunk, its checksum verified. ST_SHORT: it is cut. */
static enum status next_batch(struct bytes chunk, struct batch_view *ret_view) {
    enum status st = batch_open(chunk, ret_view);
    if (st != ST_OK) return st;
    bool fits = ret_view->last_offset_delta >= 0 && ret_view->record_count >= 0 &&
                batch_codec(ret_view) < CODEC_COUNT &&
                batch_crc_matches((struct bytes){chunk.ptr, ret_view->batch_bytes});
    return fits ? ST_OK : ST_CORRUPT;
}

typedef enum status batch_fn(struct compaction *c, const struct batch_view *view, struct bytes all);

static enum status walk(struct compaction *c, struct bytes chunk, batch_fn *fn, size_t *ret_used) {
    *ret_used = 0;
    while (*ret_used < chunk.len) {
        struct batch_view view;
        struct bytes rest = {chunk.ptr + *ret_used, chunk.len - *ret_used};
        enum status st = next_batch(rest, &view);
        if (st == ST_SHORT) return ST_OK;
        if (st == ST_OK) st = fn(c, &view, (struct bytes){rest.ptr, view.batch_bytes});
        if (st != ST_OK) return st;
        *ret_used += view.batch_bytes;
    }
    return ST_OK;
}

/* --- markers --- */

/* The first record's key: version i16, type i16 (0 ABORT, 1 COMMIT). */
static enum status marker_of(struct compaction *c, const struct batch_view *view,
                             enum marker *ret_marker) {
    struct record record;
    *ret_marker = MARKER_NONE;
    record_iter_open(&c->iter, view, PLAIN_BYTES_MAX);
    if (record_iter_next(&c->iter, &record)) {
        *ret_marker = MARKER_OTHER;
        if (record.key.len >= 4 && get_u16(record.key.ptr + 2) == 0) *ret_marker = MARKER_ABORT;
        if (record.key.len >= 4 && get_u16(record.key.ptr + 2) == 1) *ret_marker = MARKER_COMMIT;
    }
    enum status st = c->iter.status;
    record_iter_close(&c->iter);
    return st;
}

/* Tells the transactions of the batch. *ret_is_done: an aborted one, or a marker whose transaction
 * has no record left. */
static enum status tell_txns(struct compaction *c, const struct batch_view *view, bool *ret_is_done,
                             struct aborted_txn *ret_abort) {
    ret_abort->producer_id = NO_PRODUCER_ID;
    if (!batch_is_control(view)) return cleaned_txns_batch(&c->txns, view, ret_is_done);
    enum marker marker;
    enum status st = marker_of(c, view, &marker);
    if (st != ST_OK) return st;
    return cleaned_txns_marker(&c->txns, view, marker, ret_is_done, ret_abort);
}

/* --- the first walk --- */

static enum status note_keys(struct compaction *c, const struct batch_view *view) {
    struct record record;
    enum status st = ST_OK;
    record_iter_open(&c->iter, view, PLAIN_BYTES_MAX);
    while (st == ST_OK && record_iter_next(&c->iter, &record)) {
        if (record.key.ptr == NULL || record.offset < c->first_dirty) continue;
        st = key_map_put(&c->map, record.key, record.offset);
    }
    if (st == ST_OK) st = c->iter.status;
    record_iter_close(&c->iter);
    return st;
}

static enum status index_batch(struct compaction *c, const struct batch_view *view,
                               struct bytes all) {
    (void)all;
    bool is_aborted = false;
    struct aborted_txn abort;
    enum status st = tell_txns(c, view, &is_aborted, &abort);
    if (st != ST_OK || batch_last_offset(view) < c->first_dirty) return st;
    if (!batch_is_control(view) && !is_aborted) st = note_keys(c, view);
    if (st == ST_OK) c->upper_offset = MAX(c->upper_offset, batch_next_offset(view));
    return st;
}

enum status compaction_index(struct compaction *compaction, struct bytes chunk, size_t *ret_used) {
    return walk(compaction, chunk, index_batch, ret_used);
}

/* --- the second walk --- */

static bool is_last_of_producer(const struct compaction *c, const struct batch_view *view) {
    size_t low = 0, high = c->producers.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct producer_summary *last = &c->producers.producers[middle];
        if (last->producer_id == view->producer_id) {
            return last->last_offset >= 0
                       ? last->last_offset == batch_last_offset(view)
                       : batch_is_control(view) && last->epoch == view->producer_epoch;
        }
        if (last->producer_id < view->producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static int64_t new_horizon_ms(const struct compaction *c) {
    int64_t at_ms = 0;
    return __builtin_add_overflow(c->now_ms, c->delete_retention_ms, &at_ms) ? INT64_MAX : at_ms;
}

static bool horizon_has_passed(const struct compaction *c, const struct batch_view *view) {
    return batch_has_delete_horizon(view) && view->base_timestamp <= c->now_ms - c->ahead_ms;
}

static bool keeps(const struct compaction *c, const struct batch_view *view,
                  const struct record *record) {
    if (record->offset >= c->upper_offset) return true;
    if (record->key.ptr == NULL) return false;
    if (record->offset < key_map_get(&c->map, record->key)) return false;
    return record->value.ptr != NULL || !horizon_has_passed(c, view);
}

/* What becomes of the records of one batch. */
struct verdict {
    int32_t kept;
    bool has_tombstone; /* among those that stay, and have taken their keys' values away */
};

static enum status judge(struct compaction *c, const struct batch_view *view,
                         struct verdict *ret_verdict) {
    struct record record;
    *ret_verdict = (struct verdict){0};
    record_iter_open(&c->iter, view, PLAIN_BYTES_MAX);
    while (record_iter_next(&c->iter, &record)) {
        if (!keeps(c, view, &record)) continue;
        ret_verdict->kept++;
        bool is_tombstone = record.value.ptr == NULL && record.offset < c->upper_offset;
        ret_verdict->has_tombstone = ret_verdict->has_tombstone || is_tombstone;
    }
    enum status st = c->iter.status;
    record_iter_close(&c->iter);
    return st;
}

static enum status copy_headers(struct compaction *c, const struct record *record) {
    uint32_t count = (uint32_t)record->header_count;
    if (count > c->header_capacity) {
        void *more = mem_resize(c->mem, c->headers, c->header_capacity * sizeof *c->headers,
                                count * sizeof *c->headers);
        if (more == NULL) return ST_NOMEM;
        c->headers = more;
        c->header_capacity = count;
    }
    struct bytes left = record->headers;
    for (uint32_t i = 0; i < count; i++) {
        if (!record_next_header(&left, &c->headers[i])) return ST_CORRUPT;
    }
    return ST_OK;
}

static enum status rebuild(struct compaction *c, const struct batch_view *view,
                           int64_t delete_horizon_ms) {
    struct batch_options options = {
        .base_offset = view->base_offset,
        .leader_epoch = view->partition_leader_epoch,
        .codec = batch_codec(view),
        .level = COMPRESS_LEVEL_DEFAULT,
        .log_append_time_ms = batch_is_log_append_time(view) ? view->max_timestamp : NO_TIMESTAMP,
        .delete_horizon_ms = delete_horizon_ms,
        .transactional = batch_is_transactional(view),
        .control = batch_is_control(view),
        .producer_id = view->producer_id,
        .producer_epoch = view->producer_epoch,
        .base_sequence = view->base_sequence,
    };
    struct record record;
    enum status st = batch_builder_start(&c->builder, &options);
    record_iter_open(&c->iter, view, PLAIN_BYTES_MAX);
    while (st == ST_OK && record_iter_next(&c->iter, &record)) {
        if (!batch_is_control(view) && !keeps(c, view, &record)) continue;
        st = copy_headers(c, &record);
        if (st != ST_OK) break;
        st = batch_builder_add_at(&c->builder, record.offset, record.timestamp, record.key,
                                  record.value, c->headers, record.header_count);
    }
    if (st == ST_OK) st = c->iter.status;
    record_iter_close(&c->iter);
    struct bytes batch;
    if (st == ST_OK) {
        batch_builder_set_last_offset(&c->builder, batch_last_offset(view));
        st = batch_builder_finish(&c->builder, &batch);
    }
    return st == ST_OK ? octets_add(&c->out, batch.ptr, batch.len) : st;
}

/* The header alone. */
static enum status keep_header(struct compaction *c, const struct batch_view *view,
                               const uint8_t *batch) {
    uint8_t header[BATCH_HEADER_BYTES];
    unsigned kept = BATCH_ATTR_LOG_APPEND_TIME | BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL;
    memcpy(header, batch, sizeof header);
    put_u32(header + BATCH_AT_LENGTH, BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES);
    put_u16(header + BATCH_AT_ATTRIBUTES, (uint16_t)(view->attributes & kept));
    put_u64(header + BATCH_AT_BASE_TIMESTAMP, (uint64_t)NO_TIMESTAMP);
    put_u32(header + BATCH_AT_RECORD_COUNT, 0);
    put_u32(header + BATCH_AT_CRC, crc32c(0, header + BATCH_AT_ATTRIBUTES,
                                          sizeof header - BATCH_AT_ATTRIBUTES));
    return octets_add(&c->out, header, sizeof header);
}

static enum status filter_batch(struct compaction *c, const struct batch_view *view,
                                struct bytes all) {
    bool is_done = false;
    struct aborted_txn abort;
    enum status st = tell_txns(c, view, &is_done, &abort);
    if (st == ST_OK && abort.producer_id >= 0) st = aborted_txns_push(&c->aborts, c->mem, &abort);
    if (st != ST_OK) return st;
    bool is_control = batch_is_control(view);
    bool drops_all = is_done && (!is_control || horizon_has_passed(c, view));
    bool keeps_header = (batch_has_producer_id(view) && is_last_of_producer(c, view)) ||
                        batch_next_offset(view) == c->upper_offset;
    struct verdict verdict = {0};
    if (!drops_all && is_control) verdict.kept = view->record_count;
    if (!drops_all && !is_control) st = judge(c, view, &verdict);
    if (st != ST_OK) return st;

    size_t before = c->out.len;
    bool wants_horizon = (verdict.has_tombstone || (is_control && is_done)) &&
                         !batch_has_delete_horizon(view);
    if (verdict.kept == 0) {
        if (keeps_header) st = keep_header(c, view, all.ptr);
        if (view->record_count > 0 || !keeps_header) c->is_changed = true;
    } else if (verdict.kept == view->record_count && !wants_horizon) {
        st = octets_add(&c->out, all.ptr, all.len);
    } else {
        int64_t old_horizon_ms = batch_has_delete_horizon(view) ? view->base_timestamp
                                                                : NO_TIMESTAMP;
        st = rebuild(c, view, wants_horizon ? new_horizon_ms(c) : old_horizon_ms);
        c->is_changed = true;
    }
    c->stats.read_bytes += all.len;
    c->stats.read_records += (uint64_t)view->record_count;
    c->stats.written_bytes += c->out.len - before;
    c->stats.written_records += (uint64_t)verdict.kept;
    return st;
}

enum status compaction_filter(struct compaction *compaction, struct bytes chunk, size_t *ret_used) {
    return walk(compaction, chunk, filter_batch, ret_used);
}
