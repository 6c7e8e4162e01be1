/* protocol/record.h - one record of a batch (magic 2): varint length, attributes, timestamp and
 * offset as deltas to the batch, key, value, headers. Fields are slices of what was decoded;
 * nothing is copied. Source: org.apache.kafka.common.record.internal.DefaultRecord. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct record_header {
    struct str key;     /* never null */
    struct bytes value; /* may be null */
};

struct record {
    int64_t offset; /* absolute; record_decode leaves the delta here, record_iter adds the base */
    int64_t timestamp; /* ms; likewise */
    uint8_t attributes;
    struct bytes key;   /* may be null */
    struct bytes value; /* may be null */
    int32_t header_count;
    struct bytes headers; /* encoded, for record_next_header */
    size_t record_bytes;  /* with its length field */
};

/** Decodes the record at the start of `in`; all sizes and all headers are checked.
 *  ST_SHORT: `in` ends inside it; ST_CORRUPT: it contradicts itself. */
MUST_CHECK enum status record_decode(struct bytes in, struct record *ret_record);

/** Takes the first header off `headers` (a copy of record.headers, checked by record_decode); false
 * when none is left. */
bool record_next_header(struct bytes *headers, struct record_header *ret_header);

/* What a record is made of, for the encoder. */
struct record_fields {
    int64_t timestamp_delta;
    int32_t offset_delta;
    struct bytes key;   /* may be null */
    struct bytes value; /* may be null */
    const struct record_header *headers;
    int32_t header_count;
};
/** Octets behind the length field; ST_TOO_LARGE when the length field cannot hold them. */
MUST_CHECK enum status record_body_bytes(const struct record_fields *fields, int32_t *ret_bytes);
