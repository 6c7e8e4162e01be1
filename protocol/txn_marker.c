/* protocol/txn_marker.c - the marker's record in and out of its batch. */
#include "protocol/txn_marker.h"
#include "protocol/crc32c.h"
#include "protocol/record.h"

enum control_type { CONTROL_ABORT = 0, CONTROL_COMMIT = 1 };

/* Length 16, no attributes, both deltas 0, a key of 4 octets, a value of 6, no headers. */
enum { RECORD_BYTES = 17, AT_KEY = 5, AT_VALUE = 10 };
_Static_assert(BATCH_HEADER_BYTES + RECORD_BYTES == TXN_MARKER_BATCH_BYTES, "one record");

enum status txn_marker_of_batch(const struct batch_view *batch, struct txn_marker *ret_marker) {
    if (!batch_is_control(batch) || batch->record_count == 0) return ST_NOT_FOUND;
    struct record record;
    if (batch_codec(batch) != CODEC_NONE || record_decode(batch->records, &record) != ST_OK)
        return ST_CORRUPT;
    if (record.key.len < TXN_MARKER_KEY_BYTES || (int16_t)get_u16(record.key.ptr) < 0)
        return ST_CORRUPT;
    uint16_t type = get_u16(record.key.ptr + 2);
    if (type != CONTROL_ABORT && type != CONTROL_COMMIT) return ST_NOT_FOUND;
    if (record.value.len < TXN_MARKER_VALUE_BYTES || (int16_t)get_u16(record.value.ptr) < 0)
        return ST_CORRUPT;
    *ret_marker = (struct txn_marker){
        .is_commit = type == CONTROL_COMMIT,
        .coordinator_epoch = (int32_t)get_u32(record.value.ptr + 2),
        .timestamp = batch_is_log_append_time(batch) ? batch->max_timestamp
                                                     : batch->base_timestamp + record.timestamp,
    };
    return ST_OK;
}

void txn_marker_encode(uint8_t batch[TXN_MARKER_BATCH_BYTES], int64_t producer_id,
                       int16_t producer_epoch, const struct txn_marker *marker) {
    static const uint8_t record[RECORD_BYTES] = {[0] = 0x20, [4] = 0x08, [9] = 0x0c};
    memset(batch, 0, TXN_MARKER_BATCH_BYTES);
    put_u32(batch + BATCH_AT_LENGTH, TXN_MARKER_BATCH_BYTES - BATCH_OVERHEAD_BYTES);
    put_u32(batch + BATCH_AT_LEADER_EPOCH, (uint32_t)NO_LEADER_EPOCH);
    batch[BATCH_AT_MAGIC] = BATCH_MAGIC;
    put_u16(batch + BATCH_AT_ATTRIBUTES, BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL);
    put_u64(batch + BATCH_AT_BASE_TIMESTAMP, (uint64_t)marker->timestamp);
    put_u64(batch + BATCH_AT_MAX_TIMESTAMP, (uint64_t)marker->timestamp);
    put_u64(batch + BATCH_AT_PRODUCER_ID, (uint64_t)producer_id);
    put_u16(batch + BATCH_AT_PRODUCER_EPOCH, (uint16_t)producer_epoch);
    put_u32(batch + BATCH_AT_BASE_SEQUENCE, (uint32_t)NO_SEQUENCE);
    put_u32(batch + BATCH_AT_RECORD_COUNT, 1);
    uint8_t *at = batch + BATCH_HEADER_BYTES;
    memcpy(at, record, sizeof record);
    put_u16(at + AT_KEY + 2, marker->is_commit ? CONTROL_COMMIT : CONTROL_ABORT);
    put_u32(at + AT_VALUE + 2, (uint32_t)marker->coordinator_epoch);
    put_u32(batch + BATCH_AT_CRC,
            crc32c(0, batch + BATCH_AT_ATTRIBUTES, TXN_MARKER_BATCH_BYTES - BATCH_AT_ATTRIBUTES));
}
