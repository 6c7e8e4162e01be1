/* protocol/batch.c - reading and stamping the header of a record batch. */
#include "protocol/batch.h"
#include "base/assert.h"
#include "protocol/crc32c.h"

enum status batch_peek(struct bytes in, struct batch_view *ret_view) {
    if (in.len < BATCH_MAGIC_END) return ST_SHORT;
    const uint8_t *p = in.ptr;
    struct batch_view v = {
        .base_offset = (int64_t)get_u64(p + BATCH_AT_BASE_OFFSET),
        .batch_length = (int32_t)get_u32(p + BATCH_AT_LENGTH),
        .magic = (int8_t)p[BATCH_AT_MAGIC],
    };
    if (v.batch_length < BATCH_LEGACY_LENGTH_MIN || v.magic < 0 || v.magic > BATCH_MAGIC)
        return ST_CORRUPT;
    v.batch_bytes = (size_t)v.batch_length + BATCH_OVERHEAD_BYTES;
    if (v.magic < BATCH_MAGIC) {
        v.crc = get_u32(p + BATCH_LEGACY_AT_CRC);
        *ret_view = v;
        return ST_UNSUPPORTED;
    }
    if (v.batch_bytes < BATCH_HEADER_BYTES) return ST_CORRUPT;
    if (in.len < BATCH_HEADER_BYTES) return ST_SHORT;
    v.partition_leader_epoch = (int32_t)get_u32(p + BATCH_AT_LEADER_EPOCH);
    v.crc = get_u32(p + BATCH_AT_CRC);
    v.attributes = get_u16(p + BATCH_AT_ATTRIBUTES);
    v.last_offset_delta = (int32_t)get_u32(p + BATCH_AT_LAST_OFFSET_DELTA);
    v.base_timestamp = (int64_t)get_u64(p + BATCH_AT_BASE_TIMESTAMP);
    v.max_timestamp = (int64_t)get_u64(p + BATCH_AT_MAX_TIMESTAMP);
    v.producer_id = (int64_t)get_u64(p + BATCH_AT_PRODUCER_ID);
    v.producer_epoch = (int16_t)get_u16(p + BATCH_AT_PRODUCER_EPOCH);
    v.base_sequence = (int32_t)get_u32(p + BATCH_AT_BASE_SEQUENCE);
    v.record_count = (int32_t)get_u32(p + BATCH_AT_RECORD_COUNT);
    if (in.len >= v.batch_bytes) {
        v.records = (struct bytes){p + BATCH_HEADER_BYTES, v.batch_bytes - BATCH_HEADER_BYTES};
    }
    *ret_view = v;
    return ST_OK;
}

enum status batch_open(struct bytes in, struct batch_view *ret_view) {
    struct batch_view v;
    enum status st = batch_peek(in, &v);
    if (st == ST_OK && v.records.ptr == NULL) return ST_SHORT;
    if (st == ST_OK || st == ST_UNSUPPORTED) *ret_view = v;
    return st;
}

static uint32_t checksum(const uint8_t *batch, size_t batch_bytes) {
    return crc32c(0, batch + BATCH_AT_ATTRIBUTES, batch_bytes - BATCH_AT_ATTRIBUTES);
}

bool batch_crc_matches(struct bytes batch) {
    ASSERT(batch.len >= BATCH_HEADER_BYTES);
    return get_u32(batch.ptr + BATCH_AT_CRC) == checksum(batch.ptr, batch.len);
}

void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch) {
    put_u64(batch + BATCH_AT_BASE_OFFSET, (uint64_t)base_offset);
    put_u32(batch + BATCH_AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

/* Kafka drops the bits that have no meaning whenever it writes the attributes. */
static void set_times(uint8_t *batch, unsigned log_append_time, int64_t max_timestamp) {
    size_t batch_bytes = (size_t)get_u32(batch + BATCH_AT_LENGTH) + BATCH_OVERHEAD_BYTES;
    unsigned attributes =
        get_u16(batch + BATCH_AT_ATTRIBUTES) & BATCH_ATTR_ALL & ~BATCH_ATTR_LOG_APPEND_TIME;
    put_u16(batch + BATCH_AT_ATTRIBUTES, (uint16_t)(attributes | log_append_time));
    put_u64(batch + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    put_u32(batch + BATCH_AT_CRC, checksum(batch, batch_bytes));
}

void batch_set_log_append_time(uint8_t *batch, int64_t now_ms) {
    set_times(batch, BATCH_ATTR_LOG_APPEND_TIME, now_ms);
}
void batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp) {
    set_times(batch, 0, max_timestamp);
}
