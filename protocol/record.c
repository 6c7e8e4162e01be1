/* protocol/record.c - decoding one record that lies in one piece. */
#include "protocol/record.h"
#include "base/assert.h"
#include "protocol/wire.h"

/* Within a record whose end is known, running out of octets is a contradiction. */
static bool take_varint(struct bytes *in, int32_t *ret_value) {
    size_t used;
    if (wire_get_varint(*in, ret_value, &used) != ST_OK) return false;
    in->ptr += used;
    in->len -= used;
    return true;
}

static bool take_varlong(struct bytes *in, int64_t *ret_value) {
    size_t used;
    if (wire_get_varlong(*in, ret_value, &used) != ST_OK) return false;
    in->ptr += used;
    in->len -= used;
    return true;
}

static bool take_nullable(struct bytes *in, struct bytes *ret_bytes) {
    int32_t len;
    if (!take_varint(in, &len) || len < -1) return false;
    if (len == -1) {
        *ret_bytes = BYTES_NULL;
        return true;
    }
    if ((size_t)len > in->len) return false;
    *ret_bytes = (struct bytes){in->ptr, (size_t)len};
    in->ptr += len;
    in->len -= (size_t)len;
    return true;
}

static bool take_header(struct bytes *in, struct record_header *ret_header) {
    struct bytes key;
    if (!take_nullable(in, &key) || key.ptr == NULL || !take_nullable(in, &ret_header->value))
        return false;
    ret_header->key = (struct str){(const char *)key.ptr, key.len};
    return true;
}

enum status record_decode(struct bytes in, struct record *ret_record) {
    int32_t body_bytes;
    size_t length_bytes;
    enum status st = wire_get_varint(in, &body_bytes, &length_bytes);
    if (st != ST_OK) return st;
    if (body_bytes < 0) return ST_CORRUPT;
    if ((size_t)body_bytes > in.len - length_bytes) return ST_SHORT;
    struct bytes body = {in.ptr + length_bytes, (size_t)body_bytes};
    struct record r = {.record_bytes = length_bytes + (size_t)body_bytes};
    if (body.len == 0) return ST_CORRUPT;
    r.attributes = body.ptr[0];
    body.ptr++;
    body.len--;
    int32_t offset_delta;
    if (!take_varlong(&body, &r.timestamp) || !take_varint(&body, &offset_delta)) return ST_CORRUPT;
    r.offset = offset_delta;
    if (!take_nullable(&body, &r.key) || !take_nullable(&body, &r.value)) return ST_CORRUPT;
    if (!take_varint(&body, &r.header_count) || r.header_count < 0) return ST_CORRUPT;
    r.headers = body;
    struct record_header header;
    for (int32_t i = 0; i < r.header_count;
         i++) { /* ends with the body: each header takes two octets at least */
        if (!take_header(&body, &header)) return ST_CORRUPT;
    }
    if (body.len != 0) return ST_CORRUPT;
    *ret_record = r;
    return ST_OK;
}

bool record_next_header(struct bytes *headers, struct record_header *ret_header) {
    if (headers->len == 0) return false;
    bool taken = take_header(headers, ret_header);
    ASSERT(taken); /* record_decode went over them */
    return true;
}

static size_t nullable_bytes(struct bytes b) {
    return b.ptr == NULL ? 1 : wire_uvarlong_bytes((uint64_t)b.len << 1) + b.len;
}

enum status record_body_bytes(const struct record_fields *f, int32_t *ret_bytes) {
    uint64_t bytes =
        1 + wire_varlong_bytes(f->timestamp_delta) + wire_varint_bytes(f->offset_delta);
    bytes += nullable_bytes(f->key) + nullable_bytes(f->value) + wire_varint_bytes(f->header_count);
    for (int32_t i = 0; i < f->header_count; i++) {
        bytes += wire_uvarlong_bytes((uint64_t)f->headers[i].key.len << 1) + f->headers[i].key.len;
        bytes += nullable_bytes(f->headers[i].value);
    }
    if (bytes > INT32_MAX) return ST_TOO_LARGE;
    *ret_bytes = (int32_t)bytes;
    return ST_OK;
}
