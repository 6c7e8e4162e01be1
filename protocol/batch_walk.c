/* protocol/batch_walk.c - one pass over a batch. The records arrive as runs of octets (one run when
 * not compressed); a record may cross runs anywhere, so every field is taken through struct source.
 */
#include "protocol/batch_walk.h"
#include "base/assert.h"
#include "protocol/wire.h"

void batch_scratch_init(struct batch_scratch *scratch, struct mem *mem) {
    *scratch = (struct batch_scratch){0};
    decompressor_init(&scratch->decompressor, mem);
    batch_packer_init(&scratch->packer, mem);
}

void batch_scratch_release(struct batch_scratch *scratch) {
    struct mem *mem = scratch->decompressor.mem;
    mem_free(mem, scratch->errors, scratch->error_capacity * sizeof *scratch->errors);
    decompressor_release(&scratch->decompressor);
    batch_packer_release(&scratch->packer);
    batch_scratch_init(scratch, mem);
}

/* The first batch of `in` by Kafka's reader: BATCH_NONE when it is not whole. */
static enum batch_fault take_batch(struct bytes in, struct bytes *ret_batch) {
    if (in.len < BATCH_OVERHEAD_BYTES) return BATCH_NONE;
    int32_t length = (int32_t)get_u32(in.ptr + BATCH_AT_LENGTH);
    if (length < BATCH_LEGACY_LENGTH_MIN) return BATCH_LENGTH;
    if (in.len < BATCH_MAGIC_END) return BATCH_NONE;
    int8_t magic = (int8_t)in.ptr[BATCH_AT_MAGIC];
    if (magic < 0 || magic > BATCH_MAGIC) return BATCH_MAGIC_UNKNOWN;
    size_t batch_bytes = (size_t)length + BATCH_OVERHEAD_BYTES;
    if (in.len < batch_bytes) return BATCH_NONE;
    *ret_batch = (struct bytes){in.ptr, batch_bytes};
    return BATCH_OK;
}

enum batch_fault batch_single(struct bytes records, struct bytes *ret_batch) {
    if (records.ptr == NULL) return BATCH_NONE;
    struct bytes batch, second;
    enum batch_fault fault = take_batch(records, &batch);
    if (fault != BATCH_OK) return fault;
    if (batch.ptr[BATCH_AT_MAGIC] != BATCH_MAGIC) return BATCH_MAGIC_OLD;
    if (batch.len < BATCH_HEADER_BYTES) return BATCH_LENGTH;
    fault = take_batch((struct bytes){records.ptr + batch.len, records.len - batch.len}, &second);
    if (fault == BATCH_OK) return BATCH_SEVERAL;
    if (fault != BATCH_NONE) return fault;
    *ret_batch = batch;
    return BATCH_OK;
}

/* The plain octets of the records, and how many of the current record are left. */
struct source {
    const uint8_t *at, *end; /* the rest of the current run */
    struct decompressor *stream;
    enum status status; /* of the stream; ST_SHORT once it has ended */
    uint64_t left;      /* octets that the field being read may still take */
};

static bool refill(struct source *s) {
    if (s->status != ST_OK) return false;
    struct bytes run;
    do {
        s->status = decompressor_next(s->stream, &run);
        if (s->status != ST_OK) return false;
    } while (run.len == 0 && !s->stream->ended);
    if (run.len == 0) {
        s->status = ST_SHORT;
        return false;
    }
    s->at = run.ptr;
    s->end = run.ptr + run.len;
    return true;
}

static bool take_octet(struct source *s, uint8_t *ret_octet) {
    if (s->left == 0 || (s->at == s->end && !refill(s))) return false;
    s->left--;
    *ret_octet = *s->at++;
    return true;
}

/* The number may lie across two runs: gather it, then decode it in one place. */
static __attribute__((noinline)) bool take_number_slowly(struct source *s, size_t bytes_max,
                                                         uint64_t *ret_raw) {
    uint8_t gathered[WIRE_VARLONG_BYTES_MAX];
    size_t len = 0, used;
    do {
        if (len == bytes_max || !take_octet(s, &gathered[len])) return false;
    } while (gathered[len++] >= 0x80);
    struct bytes in = {gathered, len};
    if (bytes_max == WIRE_VARLONG_BYTES_MAX) return wire_get_uvarlong(in, ret_raw, &used) == ST_OK;
    uint32_t raw;
    if (wire_get_uvarint(in, &raw, &used) != ST_OK) return false;
    *ret_raw = raw;
    return true;
}

static inline bool take_number(struct source *s, size_t bytes_max, uint64_t *ret_raw) {
    if (s->left >= 2 &&
        s->end - s->at >= 2) { /* nearly all numbers of a record have one or two octets */
        uint8_t low = s->at[0], high = s->at[1];
        if (low < 0x80) {
            *ret_raw = low;
            s->at++;
            s->left--;
            return true;
        }
        if (high < 0x80) {
            *ret_raw = (uint64_t)(low & 0x7f) | (uint64_t)high << 7;
            s->at += 2;
            s->left -= 2;
            return true;
        }
    }
    return take_number_slowly(s, bytes_max, ret_raw);
}

static inline bool take_varint(struct source *s, int32_t *ret_value) {
    uint64_t raw;
    if (!take_number(s, WIRE_VARINT_BYTES_MAX, &raw)) return false;
    *ret_value = wire_unzigzag32((uint32_t)raw);
    return true;
}

static inline bool take_varlong(struct source *s, int64_t *ret_value) {
    uint64_t raw;
    if (!take_number(s, WIRE_VARLONG_BYTES_MAX, &raw)) return false;
    *ret_value = wire_unzigzag64(raw);
    return true;
}

static bool skip(struct source *s, uint64_t bytes) {
    if (bytes > s->left) return false;
    s->left -= bytes;
    while (bytes > (uint64_t)(s->end - s->at)) {
        bytes -= (uint64_t)(s->end - s->at);
        s->at = s->end;
        if (!refill(s)) return false;
    }
    s->at += bytes;
    return true;
}

/* A length and as many octets; -1 is null. Kafka takes any negative length for null, but no
 * client's reader does. */
static inline bool take_nullable(struct source *s, int32_t *ret_bytes) {
    if (!take_varint(s, ret_bytes) || *ret_bytes < -1) return false;
    return *ret_bytes <= 0 || skip(s, (uint64_t)*ret_bytes);
}

struct scanned_record {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t key_bytes, value_bytes; /* -1: null */
};

/* False when the record is not well formed or the stream failed (source->status tells which). */
static bool take_record(struct source *s, struct scanned_record *r) {
    int32_t body_bytes;
    s->left = WIRE_VARINT_BYTES_MAX;
    if (!take_varint(s, &body_bytes) || body_bytes < 0) return false;
    s->left = (uint64_t)body_bytes;
    uint8_t attributes; /* has no meaning yet, any value passes */
    int32_t header_count;
    if (!take_octet(s, &attributes) || !take_varlong(s, &r->timestamp_delta) ||
        !take_varint(s, &r->offset_delta)) {
        return false;
    }
    if (!take_nullable(s, &r->key_bytes) || !take_nullable(s, &r->value_bytes)) return false;
    if (!take_varint(s, &header_count) || header_count < 0) return false;
    for (int32_t i = 0; i < header_count;
         i++) { /* ends with the record: each header takes two octets at least */
        int32_t key_bytes, value_bytes;
        if (!take_nullable(s, &key_bytes) || key_bytes < 0 || !take_nullable(s, &value_bytes))
            return false;
    }
    return s->left == 0;
}

static bool add_error(struct batch_scratch *scratch, struct batch_report *report,
                      struct record_error error) {
    int32_t listed = MIN(report->error_count, BATCH_RECORD_ERRORS_MAX);
    report->error_count++;
    if (listed == BATCH_RECORD_ERRORS_MAX) return true;
    if ((size_t)listed == scratch->error_capacity) {
        size_t capacity = MAX(scratch->error_capacity * 2, (size_t)8);
        struct record_error *grown =
            mem_resize(scratch->decompressor.mem, scratch->errors,
                       scratch->error_capacity * sizeof *grown, capacity * sizeof *grown);
        if (grown == NULL) return false;
        scratch->errors = grown;
        scratch->error_capacity = capacity;
    }
    scratch->errors[listed] = error;
    report->errors = scratch->errors;
    return true;
}

/* Differences as Java's long arithmetic has them, so that extreme timestamps are judged alike. */
static bool timestamp_in_range(int64_t timestamp, const struct batch_rules *rules) {
    int64_t age = (int64_t)((uint64_t)rules->now_ms - (uint64_t)timestamp);
    int64_t ahead = (int64_t)(0 - (uint64_t)age);
    return age <= rules->timestamp_before_max_ms && ahead <= rules->timestamp_after_max_ms;
}

static enum record_fault judge(const struct batch_rules *rules, bool marked_log_append_time,
                               int64_t timestamp, int32_t key_bytes) {
    if (rules->compacted && key_bytes < 0) return RECORD_KEY_MISSING;
    if (!rules->log_append_time && timestamp != NO_TIMESTAMP) {
        return timestamp_in_range(timestamp, rules) ? 0 : RECORD_TIMESTAMP_RANGE;
    }
    return marked_log_append_time ? RECORD_TIMESTAMP_TYPE : 0;
}

static enum batch_fault stream_fault(enum status st) {
    switch (st) {
    case ST_TOO_LARGE: return BATCH_PLAIN_TOO_LARGE;
    case ST_NOMEM: return BATCH_NOMEM;
    default: return BATCH_STREAM;
    }
}

static enum batch_fault walk_records(const struct batch_rules *rules, struct batch_scratch *scratch,
                                     struct batch_report *report, struct source *s) {
    const struct batch_view *view = &report->view;
    bool marked = batch_is_log_append_time(view), timestamp_fault = false;
    for (int32_t i = 0; i < view->record_count; i++) {
        report->record_index = i;
        if (s->at == s->end && !refill(s)) {
            return s->status == ST_SHORT ? BATCH_RECORDS_SHORT : stream_fault(s->status);
        }
        struct scanned_record r;
        if (!take_record(s, &r)) {
            return s->status == ST_OK || s->status == ST_SHORT ? BATCH_RECORD_SHAPE
                                                               : stream_fault(s->status);
        }
        if (r.offset_delta != i && rules->from_client) return BATCH_OFFSET_DELTA;
        int64_t timestamp = (int64_t)((uint64_t)view->base_timestamp + (uint64_t)r.timestamp_delta);
        if (timestamp > report->max_timestamp) {
            report->max_timestamp = timestamp;
            report->max_timestamp_delta = r.offset_delta;
        }
        enum record_fault fault = judge(rules, marked, timestamp, r.key_bytes);
        if (fault == 0) continue;
        timestamp_fault |= fault != RECORD_KEY_MISSING;
        struct record_error error = {.index = i,
                                     .fault = fault,
                                     .timestamp = timestamp,
                                     .key_bytes = r.key_bytes,
                                     .value_bytes = r.value_bytes};
        if (!add_error(scratch, report, error)) return BATCH_NOMEM;
    }
    report->record_index = -1;
    if (s->at != s->end || refill(s)) return BATCH_RECORDS_LEFT;
    if (s->status != ST_SHORT) return stream_fault(s->status);
    if (report->error_count == 0) return BATCH_OK;
    return timestamp_fault ? BATCH_RECORD_TIMESTAMP : BATCH_RECORD_KEY;
}

static enum batch_fault judge_header(const struct batch_view *view,
                                     const struct batch_rules *rules) {
    if (batch_codec(view) >= CODEC_COUNT) return BATCH_CODEC;
    if (view->record_count <= 0) return BATCH_COUNT;
    if (rules->from_client) {
        if (view->last_offset_delta != view->record_count - 1) return BATCH_OFFSET_RANGE;
        if (batch_is_control(view)) return BATCH_CONTROL;
        if (batch_has_producer_id(view) && view->base_sequence < 0) return BATCH_SEQUENCE;
        if (batch_is_transactional(view) && !batch_has_producer_id(view)) return BATCH_NO_PRODUCER;
    }
    return BATCH_OK;
}

enum batch_fault batch_walk(struct bytes batch, const struct batch_rules *rules,
                            struct batch_scratch *scratch, struct batch_report *report) {
    *report = (struct batch_report){.record_index = -1,
                                    .max_timestamp = NO_TIMESTAMP,
                                    .max_timestamp_delta = -1,
                                    .errors = NULL};
    struct batch_view *view = &report->view;
    if (batch_open(batch, view) != ST_OK || view->batch_bytes != batch.len) return BATCH_LENGTH;
    if (rules->from_client && view->base_offset != 0) return BATCH_BASE_OFFSET;
    if (rules->batch_bytes_max != 0 && batch.len > rules->batch_bytes_max) return BATCH_TOO_LARGE;
    if (!batch_crc_matches(batch)) return BATCH_CRC;
    enum batch_fault fault = judge_header(view, rules);
    if (fault != BATCH_OK) return fault;

    struct decompressor *stream = &scratch->decompressor;
    enum status st =
        decompressor_open(stream, batch_codec(view), view->records, rules->plain_bytes_max);
    if (st == ST_OK) {
        static const uint8_t nothing[1];
        struct source s = {.at = nothing, .end = nothing, .stream = stream};
        fault = walk_records(rules, scratch, report, &s);
    } else {
        fault = stream_fault(st);
    }
    report->plain_bytes = stream->produced_bytes;
    decompressor_close(stream);
    report->rewrite_max_timestamp =
        report->max_timestamp != view->max_timestamp || batch_is_log_append_time(view);
    return fault;
}
