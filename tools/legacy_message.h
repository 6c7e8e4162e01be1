/* tools/legacy_message.h - messages in the formats before record batches (magic 0, before Kafka
 * 0.10, and magic 1, before 0.11), which stand in logs that no broker of today writes. Big-endian:
 *
 *      0  offset                  i64        17  attributes  i8: bits 0-2 codec, 3 log append time
 *      8  octets after this field i32        18  timestamp   i64, ms; magic 1 only
 *     12  CRC-32 of all from 16   u32            key         i32 octets, -1: null; octets
 *     16  magic                   i8             value       likewise
 *
 * A message with a codec holds a set of others as its value. Offsets inside a set of magic 1 count
 * from its first message, and the offset of the whole is that of its last; a time that the broker
 * set stands at the whole. In magic 0 the first clients to write lz4 made the checksum of the
 * frame's header over its magic number, too.
 * Source: LegacyRecord and AbstractLegacyRecordBatch of org.apache.kafka.common.record.internal. */
#pragma once
#include "protocol/batch.h"
#include "protocol/octets.h"

struct legacy_message {
    int64_t offset;
    uint32_t crc;
    int8_t magic;
    uint8_t attributes;
    int64_t timestamp;              /* ms; NO_TIMESTAMP in magic 0 */
    int32_t key_bytes, value_bytes; /* as written: below 0 for null */
    struct bytes key, value;        /* borrowed from the entry; may be null */
    bool crc_matches;
};

/** Fills in of *view what a header of magic 0 or 1 has, as a batch of one record with the same
 * bits; `in` begins with a whole entry, or at least its first 26 octets. ST_CORRUPT: another magic,
 * or an entry smaller than any message. */
MUST_CHECK enum status legacy_peek(struct bytes in, struct batch_view *ret_view);
/** What kind of time that is: "NoTimestampType" for magic 0, "CreateTime", "LogAppendTime". */
const char *legacy_timestamp_type(const struct batch_view *view);

/** Whether the checksum fits; `entry` is a whole one that legacy_peek has passed. */
bool legacy_crc_matches(struct bytes entry);
/** Takes an entry apart, offset and size included. ST_CORRUPT: it contradicts itself. */
MUST_CHECK enum status legacy_open(struct bytes entry, struct legacy_message *ret_message);

/* The messages of an entry: itself, or those of its set. Reused from entry to entry. */
struct legacy_set {
    struct legacy_message whole;
    struct decompressor stream;
    struct octets plain, frame; /* the set; an lz4 frame whose header was mended */
    size_t position;            /* in plain */
    int64_t base_offset;        /* to be added to offsets inside */
    bool ended;
    enum status status;
    char why[160]; /* after a failure */
};

void legacy_set_init(struct legacy_set *set, struct mem *mem);
void legacy_set_release(struct legacy_set *set);
/** Starts over `entry`, borrowed until the next one. What is wrong with a set is told by
 * legacy_set_next, before its first message. */
void legacy_set_open(struct legacy_set *set, struct bytes entry);
/** The next message, absolute in offset and timestamp; its slices live until the next open. False
 * at the end, where status is ST_OK; or with a status and `why`. As in Kafka, a message that the
 * set does not hold to its end is none. */
bool legacy_set_next(struct legacy_set *set, struct legacy_message *ret_message);
