/* protocol/batch_builder.c - records go straight behind the place of the header, which is written
 * last. */
#include "protocol/batch_builder.h"
#include "base/assert.h"
#include "protocol/crc32c.h"
#include "protocol/wire.h"

void batch_builder_init(struct batch_builder *b, struct mem *mem) {
    *b = (struct batch_builder){0};
    octets_init(&b->out, mem);
    compressor_init(&b->compressor, mem);
}

void batch_builder_release(struct batch_builder *b) {
    octets_release(&b->out);
    compressor_release(&b->compressor);
}

enum status batch_builder_start(struct batch_builder *b, const struct batch_options *options) {
    b->options = *options;
    b->record_count = 0;
    b->last_offset_delta = -1;
    b->base_timestamp = NO_TIMESTAMP;
    b->max_timestamp = NO_TIMESTAMP;
    b->out.len = 0;
    enum status st = octets_reserve(&b->out, BATCH_HEADER_BYTES);
    if (st != ST_OK) return st;
    b->out.len = BATCH_HEADER_BYTES;
    return compressor_open(&b->compressor, options->codec, options->level, &b->out);
}

static enum status emit(struct batch_builder *b, const void *data, size_t len) {
    return compressor_add(&b->compressor, (struct bytes){data, len});
}

static enum status emit_nullable(struct batch_builder *b, struct bytes value) {
    uint8_t length[WIRE_VARINT_BYTES_MAX];
    enum status st =
        emit(b, length, wire_put_varint(length, value.ptr == NULL ? -1 : (int32_t)value.len));
    return st == ST_OK && value.len > 0 ? emit(b, value.ptr, value.len) : st;
}

static enum status emit_record(struct batch_builder *b, const struct record_fields *f) {
    int32_t body_bytes;
    enum status st = record_body_bytes(f, &body_bytes);
    if (st != ST_OK) return st;
    if (b->out.len + (size_t)body_bytes + WIRE_VARINT_BYTES_MAX > INT32_MAX) return ST_TOO_LARGE;
    uint8_t lead[WIRE_VARINT_BYTES_MAX + 1 + WIRE_VARLONG_BYTES_MAX + WIRE_VARINT_BYTES_MAX];
    size_t len = wire_put_varint(lead, body_bytes);
    lead[len++] = 0; /* attributes */
    len += wire_put_varlong(lead + len, f->timestamp_delta);
    len += wire_put_varint(lead + len, f->offset_delta);
    st = emit(b, lead, len);
    if (st == ST_OK) st = emit_nullable(b, f->key);
    if (st == ST_OK) st = emit_nullable(b, f->value);
    len = wire_put_varint(lead, f->header_count);
    if (st == ST_OK) st = emit(b, lead, len);
    for (int32_t i = 0; i < f->header_count && st == ST_OK; i++) {
        struct str key = f->headers[i].key;
        ASSERT(key.ptr != NULL);
        st = emit_nullable(b, (struct bytes){(const uint8_t *)key.ptr, key.len});
        if (st == ST_OK) st = emit_nullable(b, f->headers[i].value);
    }
    return st;
}

enum status batch_builder_add_at(struct batch_builder *b, int64_t offset, int64_t timestamp,
                                 struct bytes key, struct bytes value,
                                 const struct record_header *headers, int32_t header_count) {
    int64_t offset_delta = offset - b->options.base_offset;
    ASSERT(offset_delta > b->last_offset_delta);
    if (offset_delta > INT32_MAX) return ST_TOO_LARGE;
    if (b->record_count == 0) {
        bool horizon = b->options.delete_horizon_ms != NO_TIMESTAMP;
        b->base_timestamp = horizon ? b->options.delete_horizon_ms : timestamp;
    }
    struct record_fields fields = {
        .timestamp_delta = (int64_t)((uint64_t)timestamp - (uint64_t)b->base_timestamp),
        .offset_delta = (int32_t)offset_delta,
        .key = key,
        .value = value,
        .headers = headers,
        .header_count = header_count,
    };
    enum status st = emit_record(b, &fields);
    if (st != ST_OK) return st;
    b->record_count++;
    b->last_offset_delta = (int32_t)offset_delta;
    b->max_timestamp = MAX(b->max_timestamp, timestamp);
    return ST_OK;
}

enum status batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                              struct bytes value, const struct record_header *headers,
                              int32_t header_count) {
    int64_t offset = b->options.base_offset + b->last_offset_delta + 1;
    return batch_builder_add_at(b, offset, timestamp, key, value, headers, header_count);
}

void batch_builder_set_last_offset(struct batch_builder *b, int64_t last_offset) {
    int64_t delta = last_offset - b->options.base_offset;
    ASSERT(delta >= b->last_offset_delta && delta <= INT32_MAX);
    b->last_offset_delta = (int32_t)delta;
}

static uint16_t attributes(const struct batch_options *options) {
    unsigned bits = options->codec;
    if (options->log_append_time_ms != NO_TIMESTAMP) bits |= BATCH_ATTR_LOG_APPEND_TIME;
    if (options->transactional) bits |= BATCH_ATTR_TRANSACTIONAL;
    if (options->control) bits |= BATCH_ATTR_CONTROL;
    if (options->delete_horizon_ms != NO_TIMESTAMP) bits |= BATCH_ATTR_DELETE_HORIZON;
    return (uint16_t)bits;
}

enum status batch_builder_finish(struct batch_builder *b, struct bytes *ret_batch) {
    enum status st = compressor_finish(&b->compressor);
    if (st != ST_OK) return st;
    if (b->out.len > INT32_MAX) return ST_TOO_LARGE;
    const struct batch_options *o = &b->options;
    int64_t max_timestamp =
        o->log_append_time_ms != NO_TIMESTAMP ? o->log_append_time_ms : b->max_timestamp;
    uint8_t *p = b->out.data;
    put_u64(p + BATCH_AT_BASE_OFFSET, (uint64_t)o->base_offset);
    put_u32(p + BATCH_AT_LENGTH, (uint32_t)(b->out.len - BATCH_OVERHEAD_BYTES));
    put_u32(p + BATCH_AT_LEADER_EPOCH, (uint32_t)o->leader_epoch);
    p[BATCH_AT_MAGIC] = BATCH_MAGIC;
    put_u16(p + BATCH_AT_ATTRIBUTES, attributes(o));
    put_u32(p + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)b->last_offset_delta);
    put_u64(p + BATCH_AT_BASE_TIMESTAMP, (uint64_t)b->base_timestamp);
    put_u64(p + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    put_u64(p + BATCH_AT_PRODUCER_ID, (uint64_t)o->producer_id);
    put_u16(p + BATCH_AT_PRODUCER_EPOCH, (uint16_t)o->producer_epoch);
    put_u32(p + BATCH_AT_BASE_SEQUENCE, (uint32_t)o->base_sequence);
    put_u32(p + BATCH_AT_RECORD_COUNT, (uint32_t)b->record_count);
    put_u32(p + BATCH_AT_CRC, crc32c(0, p + BATCH_AT_ATTRIBUTES, b->out.len - BATCH_AT_ATTRIBUTES));
    *ret_batch = octets_bytes(&b->out);
    return ST_OK;
}
