/* controller/metadata/metadata_record.c - the frame around a metadata record. */
#include "controller/metadata/metadata_record.h"
#include "base/assert.h"
#include "protocol/wire.h"

#define FRAME_VERSION 1

enum status metadata_record_open(struct bytes value, struct metadata_record *ret_record) {
    uint32_t numbers[3]; /* frame version, type, version */
    struct bytes rest = value;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        size_t used;
        if (rest.ptr == NULL || wire_get_uvarint(rest, &numbers[i], &used) != ST_OK)
            return ST_CORRUPT;
        rest = (struct bytes){rest.ptr + used, rest.len - used};
        if (i == 0 && numbers[0] == 0) return ST_CORRUPT;
        if (i == 0 && numbers[0] > FRAME_VERSION) return ST_UNSUPPORTED;
    }
    if (numbers[1] > INT16_MAX || numbers[2] > INT16_MAX) return ST_CORRUPT;
    *ret_record = (struct metadata_record){
        .schema = schema_find(MESSAGE_METADATA, (int16_t)numbers[1]),
        .type = numbers[1],
        .version = (int16_t)numbers[2],
        .body = rest,
    };
    return ST_OK;
}

enum status metadata_record_decode(const struct metadata_record *record, struct arena *arena,
                                   void *out) {
    size_t used;
    enum status st = codec_decode(record->schema, record->version, record->body, arena, out, &used);
    if (st == ST_SHORT) return ST_CORRUPT;
    if (st != ST_OK) return st;
    return used == record->body.len ? ST_OK : ST_CORRUPT;
}

enum status metadata_record_encode(const struct schema *schema, int16_t version,
                                   const void *message, struct arena *arena,
                                   struct bytes *ret_value) {
    ASSERT(schema->type == MESSAGE_METADATA);
    size_t frame_bytes =
        1 + wire_uvarlong_bytes((uint64_t)schema->key) + wire_uvarlong_bytes((uint64_t)version);
    size_t body_bytes = codec_size(schema, version, message);
    uint8_t *out = arena_alloc(arena, frame_bytes + body_bytes);
    if (out == NULL) return ST_NOMEM;
    size_t at = wire_put_uvarlong(out, FRAME_VERSION);
    at += wire_put_uvarlong(out + at, (uint64_t)schema->key);
    at += wire_put_uvarlong(out + at, (uint64_t)version);
    enum status st = codec_encode(schema, version, message, out + at, body_bytes, NULL);
    if (st == ST_OK) *ret_value = (struct bytes){out, frame_bytes + body_bytes};
    return st;
}
