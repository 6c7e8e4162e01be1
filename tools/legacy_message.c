/* tools/legacy_message.c - see legacy_message.h. */
#include "tools/legacy_message.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "protocol/crc32c.h"

#define AT_ATTRIBUTES 17
#define AT_TIMESTAMP 18 /* or the key, in magic 0 */
#define HEADER_BYTES 26 /* of the smallest message, with all that stands in front of a key */
#define LZ4_AT_FLAGS 4
#define LZ4_FLAG_CONTENT_SIZE 0x08
#define LZ4_CONTENT_SIZE_BYTES 8

_Static_assert(HEADER_BYTES == BATCH_OVERHEAD_BYTES + BATCH_LEGACY_LENGTH_MIN,
               "the smallest message holds every field of the header");

/* ---- one message ---- */

enum status legacy_peek(struct bytes in, struct batch_view *ret_view) {
    if (in.len < HEADER_BYTES) return ST_CORRUPT;
    int32_t length = (int32_t)get_u32(in.ptr + BATCH_AT_LENGTH);
    int8_t magic = (int8_t)in.ptr[BATCH_AT_MAGIC];
    if (length < BATCH_LEGACY_LENGTH_MIN || magic < 0 || magic >= BATCH_MAGIC) return ST_CORRUPT;
    *ret_view = (struct batch_view){
        .base_offset = (int64_t)get_u64(in.ptr + BATCH_AT_BASE_OFFSET),
        .batch_length = length,
        .partition_leader_epoch = NO_LEADER_EPOCH,
        .magic = magic,
        .crc = get_u32(in.ptr + BATCH_LEGACY_AT_CRC),
        .attributes = in.ptr[AT_ATTRIBUTES] & (BATCH_ATTR_CODEC | BATCH_ATTR_LOG_APPEND_TIME),
        .base_timestamp = NO_TIMESTAMP,
        .max_timestamp = magic > 0 ? (int64_t)get_u64(in.ptr + AT_TIMESTAMP) : NO_TIMESTAMP,
        .producer_id = NO_PRODUCER_ID,
        .producer_epoch = NO_PRODUCER_EPOCH,
        .base_sequence = NO_SEQUENCE,
        .record_count = 1,
        .batch_bytes = (size_t)length + BATCH_OVERHEAD_BYTES,
    };
    return ST_OK;
}

const char *legacy_timestamp_type(const struct batch_view *view) {
    if (view->magic == 0) return "NoTimestampType";
    return batch_is_log_append_time(view) ? "LogAppendTime" : "CreateTime";
}

bool legacy_crc_matches(struct bytes entry) {
    return get_u32(entry.ptr + BATCH_LEGACY_AT_CRC) ==
           crc32_legacy(0, entry.ptr + BATCH_AT_MAGIC, entry.len - BATCH_AT_MAGIC);
}

/* A size and that many octets, off the front of `in`. */
static bool take_octets(struct bytes *in, int32_t *ret_size, struct bytes *ret_octets) {
    if (in->len < 4) return false;
    *ret_size = (int32_t)get_u32(in->ptr);
    *in = (struct bytes){in->ptr + 4, in->len - 4};
    *ret_octets = BYTES_NULL;
    if (*ret_size < 0) return true;
    if ((size_t)*ret_size > in->len) return false;
    *ret_octets = (struct bytes){in->ptr, (size_t)*ret_size};
    *in = (struct bytes){in->ptr + *ret_size, in->len - (size_t)*ret_size};
    return true;
}

enum status legacy_open(struct bytes entry, struct legacy_message *ret_message) {
    struct batch_view view;
    enum status st = legacy_peek(entry, &view);
    if (st != ST_OK) return st;
    if (entry.len < view.batch_bytes) return ST_CORRUPT;
    struct legacy_message m = {.offset = view.base_offset,
                               .crc = view.crc,
                               .magic = view.magic,
                               .attributes = (uint8_t)view.attributes,
                               .timestamp = view.max_timestamp};
    m.crc_matches = legacy_crc_matches((struct bytes){entry.ptr, view.batch_bytes});
    size_t at = AT_TIMESTAMP + (m.magic > 0 ? sizeof m.timestamp : 0);
    struct bytes rest = {entry.ptr + at, view.batch_bytes - at};
    if (!take_octets(&rest, &m.key_bytes, &m.key)) return ST_CORRUPT;
    if (!take_octets(&rest, &m.value_bytes, &m.value)) return ST_CORRUPT;
    *ret_message = m; /* what stands behind the value is not looked at */
    return ST_OK;
}

/* ---- a set ---- */

void legacy_set_init(struct legacy_set *set, struct mem *mem) {
    *set = (struct legacy_set){.ended = true};
    decompressor_init(&set->stream, mem);
    octets_init(&set->plain, mem);
    octets_init(&set->frame, mem);
}

void legacy_set_release(struct legacy_set *set) {
    decompressor_release(&set->stream);
    octets_release(&set->plain);
    octets_release(&set->frame);
}

__attribute__((format(printf, 3, 4))) static void fail(struct legacy_set *set, enum status st,
                                                       const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(set->why, sizeof set->why, format, args);
    va_end(args);
    set->status = st;
}

/* Opens an lz4 frame whatever the checksum of its header is: with the one octet that fits it. */
static enum status open_lz4_unchecked(struct legacy_set *set, struct bytes frame) {
    set->frame.len = 0;
    enum status st = octets_add(&set->frame, frame.ptr, frame.len);
    if (st != ST_OK) return st;
    bool has_size = frame.len > LZ4_AT_FLAGS && (frame.ptr[LZ4_AT_FLAGS] & LZ4_FLAG_CONTENT_SIZE);
    size_t at_checksum = LZ4_AT_FLAGS + 2 + (has_size ? LZ4_CONTENT_SIZE_BYTES : 0);
    if (frame.len <= at_checksum) return ST_CORRUPT;
    for (int checksum = 0; checksum <= UINT8_MAX; checksum++) {
        set->frame.data[at_checksum] = (uint8_t)checksum;
        st = decompressor_open(&set->stream, CODEC_LZ4, octets_bytes(&set->frame), INT32_MAX);
        if (st != ST_CORRUPT) return st;
        decompressor_close(&set->stream);
    }
    return st;
}

static enum status decompress(struct legacy_set *set, enum codec codec) {
    struct bytes run;
    set->plain.len = 0;
    enum status st =
        codec == CODEC_LZ4 && set->whole.magic == 0
            ? open_lz4_unchecked(set, set->whole.value)
            : decompressor_open(&set->stream, codec, set->whole.value, INT32_MAX);
    while (st == ST_OK) {
        st = decompressor_next(&set->stream, &run);
        if (st != ST_OK || (run.len == 0 && set->stream.ended)) break;
        st = octets_add(&set->plain, run.ptr, run.len);
    }
    decompressor_close(&set->stream);
    return st;
}

/* The entry at `position` of the set, its length at least. False where none is whole any more. */
static bool entry_at(const struct legacy_set *set, size_t position, struct bytes *ret_entry) {
    struct bytes left = {set->plain.data + position, set->plain.len - position};
    if (left.len < BATCH_OVERHEAD_BYTES) return false;
    int32_t length = (int32_t)get_u32(left.ptr + BATCH_AT_LENGTH);
    size_t bytes = length < 0 ? BATCH_OVERHEAD_BYTES : (size_t)length + BATCH_OVERHEAD_BYTES;
    if (bytes > left.len && length >= BATCH_LEGACY_LENGTH_MIN) return false;
    *ret_entry = (struct bytes){left.ptr, MIN(bytes, left.len)};
    return true;
}

/* Kafka reads a whole set before it gives out its first message; so it is found out here what is
 * wrong with the lengths, and which offset is the last. */
static void walk(struct legacy_set *set) {
    struct bytes entry;
    int64_t last_offset = 0;
    size_t position = 0;
    for (; entry_at(set, position, &entry); position += entry.len) {
        if (entry.len < HEADER_BYTES) {
            fail(set, ST_CORRUPT, "Record size is less than the minimum record overhead (%d)",
                 BATCH_LEGACY_LENGTH_MIN);
            return;
        }
        last_offset = (int64_t)get_u64(entry.ptr);
    }
    if (position == 0) {
        fail(set, ST_CORRUPT, "Found invalid compressed record set with no inner records");
    } else if (set->whole.magic > 0 && set->whole.offset != 0) { /* some librdkafka wrote 0 */
        if (set->whole.offset < last_offset)
            fail(set, ST_CORRUPT,
                 "Found invalid wrapper offset in compressed v1 message set, wrapper offset '"
                 "%" PRId64 "' is less than the last inner message offset '%" PRId64
                 "' and it is not zero.",
                 set->whole.offset, last_offset);
        set->base_offset = (int64_t)((uint64_t)set->whole.offset - (uint64_t)last_offset);
    }
}

void legacy_set_open(struct legacy_set *set, struct bytes entry) {
    set->position = 0;
    set->base_offset = 0;
    set->ended = false;
    set->status = ST_OK;
    enum status st = legacy_open(entry, &set->whole);
    if (st != ST_OK) {
        fail(set, st, "The key or the value of a message is larger than the message");
        return;
    }
    enum codec codec = set->whole.attributes & BATCH_ATTR_CODEC;
    if (codec == CODEC_NONE) return;
    if (codec == CODEC_ZSTD) {
        fail(set, ST_UNSUPPORTED,
             "Invalid wrapper compressionType found in legacy deep record iterator %d",
             set->whole.magic);
        return;
    }
    if (set->whole.value.ptr == NULL) {
        fail(set, ST_CORRUPT, "Found invalid compressed record set with null value (magic = %d)",
             set->whole.magic);
        return;
    }
    st = decompress(set, codec);
    if (st != ST_OK)
        fail(set, st, "A compressed message set cannot be read: %s", status_name(st));
    else
        walk(set);
}

bool legacy_set_next(struct legacy_set *set, struct legacy_message *ret_message) {
    struct bytes entry;
    if (set->status != ST_OK || set->ended) return false;
    if ((set->whole.attributes & BATCH_ATTR_CODEC) == CODEC_NONE) {
        set->ended = true;
        *ret_message = set->whole;
        return true;
    }
    set->ended = !entry_at(set, set->position, &entry);
    if (set->ended) return false;
    set->position += entry.len;
    struct legacy_message inner;
    enum status st = legacy_open(entry, &inner);
    if (st != ST_OK) {
        fail(set, st, "A message of a compressed set is damaged");
    } else if (inner.attributes & BATCH_ATTR_CODEC) {
        fail(set, ST_CORRUPT, "Inner messages must not be compressed");
    }
    if (set->status != ST_OK) return false;
    inner.offset = (int64_t)((uint64_t)inner.offset + (uint64_t)set->base_offset);
    bool broker_time = set->whole.magic > 0 && set->whole.attributes & BATCH_ATTR_LOG_APPEND_TIME;
    if (inner.magic > 0 && broker_time) inner.timestamp = set->whole.timestamp;
    *ret_message = inner;
    return true;
}
