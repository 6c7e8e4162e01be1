/* protocol/batch.h - the header of a record batch (RecordBatch v2, "magic 2") and what a leader
 * writes into it.
 *
 * 61 octets, big-endian, then the records, compressed as one stream when the codec bits say so:
 *
 *      0  base offset             i64        35  max timestamp     i64, ms
 *      8  octets after this field i32        43  producer id       i64
 *     12  partition leader epoch  i32        51  producer epoch    i16
 *     16  magic                   i8         53  base sequence     i32
 *     17  CRC-32C of all from 21  u32        57  record count      i32
 *     21  attributes              i16        61  records
 *     23  last offset delta       i32
 *     27  base timestamp          i64, ms
 *
 * What lies before 17 is outside the checksum: a leader stamps it without touching the checksum.
 * Nothing here looks into the records: that is protocol/batch_walk.h (may it be appended?) and
 * protocol/record_iter.h (what do they hold?).
 * Source: org.apache.kafka.common.record.internal.DefaultRecordBatch. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"
#include "protocol/compress.h"

enum {
    BATCH_AT_BASE_OFFSET = 0,
    BATCH_AT_LENGTH = 8,
    BATCH_AT_LEADER_EPOCH = 12,
    BATCH_AT_MAGIC = 16,
    BATCH_AT_CRC = 17,
    BATCH_AT_ATTRIBUTES = 21,
    BATCH_AT_LAST_OFFSET_DELTA = 23,
    BATCH_AT_BASE_TIMESTAMP = 27,
    BATCH_AT_MAX_TIMESTAMP = 35,
    BATCH_AT_PRODUCER_ID = 43,
    BATCH_AT_PRODUCER_EPOCH = 51,
    BATCH_AT_BASE_SEQUENCE = 53,
    BATCH_AT_RECORD_COUNT = 57,
    BATCH_HEADER_BYTES = 61,
    BATCH_OVERHEAD_BYTES = 12, /* what the length field does not count */
    BATCH_MAGIC_END = 17,      /* octets needed to know length and magic */
    BATCH_LEGACY_LENGTH_MIN =
        14, /* of a magic 0 message, the smallest thing that ever stood in a log */
    BATCH_LEGACY_AT_CRC = 12, /* of the octets from the magic on */
};
_Static_assert(BATCH_AT_RECORD_COUNT + 4 == BATCH_HEADER_BYTES, "the record count ends the header");
_Static_assert(BATCH_AT_MAGIC + 1 == BATCH_MAGIC_END,
               "the magic is the last field outside the checksum");

#define BATCH_ATTR_CODEC 0x07u
#define BATCH_ATTR_LOG_APPEND_TIME 0x08u
#define BATCH_ATTR_TRANSACTIONAL 0x10u
#define BATCH_ATTR_CONTROL 0x20u
/* The base timestamp holds the time at which tombstones may go. */
#define BATCH_ATTR_DELETE_HORIZON 0x40u
#define BATCH_ATTR_ALL 0x7fu

#define BATCH_MAGIC 2
#define NO_TIMESTAMP INT64_C(-1)
#define NO_PRODUCER_ID INT64_C(-1)
#define NO_PRODUCER_EPOCH (-1)
#define NO_SEQUENCE (-1)
#define NO_LEADER_EPOCH (-1)

struct batch_view {
    int64_t base_offset;
    int32_t batch_length; /* as written: octets after the length field */
    int32_t partition_leader_epoch;
    int8_t magic;
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp; /* ms; the delete horizon when that bit is set */
    int64_t max_timestamp;  /* ms */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    size_t batch_bytes;   /* of the whole batch, header included */
    struct bytes records; /* borrowed; null when the batch is cut */
};

static inline int64_t batch_last_offset(const struct batch_view *b) {
    return b->base_offset + b->last_offset_delta;
}
static inline int64_t batch_next_offset(const struct batch_view *b) {
    return batch_last_offset(b) + 1;
}
/** May be 5 to 7, which no codec has. */
static inline enum codec batch_codec(const struct batch_view *b) {
    return (enum codec)(b->attributes & BATCH_ATTR_CODEC);
}
static inline bool batch_is_log_append_time(const struct batch_view *b) {
    return b->attributes & BATCH_ATTR_LOG_APPEND_TIME;
}
static inline bool batch_is_transactional(const struct batch_view *b) {
    return b->attributes & BATCH_ATTR_TRANSACTIONAL;
}
static inline bool batch_is_control(const struct batch_view *b) {
    return b->attributes & BATCH_ATTR_CONTROL;
}
static inline bool batch_has_delete_horizon(const struct batch_view *b) {
    return b->attributes & BATCH_ATTR_DELETE_HORIZON;
}
static inline bool batch_has_producer_id(const struct batch_view *b) {
    return b->producer_id > NO_PRODUCER_ID;
}

/** A sequence number `by` further on; they go round from 2^31 - 1 to 0. sequence, by >= 0. */
static inline int32_t sequence_add(int32_t sequence, int32_t by) {
    return (int32_t)(((uint32_t)sequence + (uint32_t)by) & INT32_MAX);
}
/** NO_SEQUENCE when the batch has none. */
static inline int32_t batch_last_sequence(const struct batch_view *b) {
    return b->base_sequence < 0 ? NO_SEQUENCE
                                : sequence_add(b->base_sequence, b->last_offset_delta);
}

/** Reads the header at the start of `in`; the rest of the batch need not be there (records is null
 * then). ST_SHORT: too few octets for a header. ST_CORRUPT: a length or a magic that cannot be.
 * ST_UNSUPPORTED: magic 0 or 1; of the result only base_offset, batch_length, batch_bytes and magic
 * are set. The checksum is not looked at. */
MUST_CHECK enum status batch_peek(struct bytes in, struct batch_view *ret_view);
/** As batch_peek, and ST_SHORT when the batch is cut: on ST_OK view->records is there. */
MUST_CHECK enum status batch_open(struct bytes in, struct batch_view *ret_view);
/** Whether the checksum fits. `batch` is exactly one batch that batch_open has passed. */
bool batch_crc_matches(struct bytes batch);

/* What a leader writes, in place. `batch` is a whole batch that was walked. */

/** Outside the checksum. */
void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/** For topics with message.timestamp.type=LogAppendTime: sets bit 3 and the max timestamp, and the
 * checksum anew. */
void batch_set_log_append_time(uint8_t *batch, int64_t now_ms);
/** For CreateTime topics whose producer wrote a wrong maximum (or bit 3): the true one, and the
 * checksum anew. */
void batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp);
