/* protocol/wire.h - variable-length integers of Kafka's wire and disk formats.
 *
 *     unsigned  7 bits per octet, low group first, bit 7 set on all but the last octet: compact
 *               lengths, tagged fields
 *     signed    ("varint", "varlong") zig-zag first, so that small negatives stay short: the fields
 *               of a record
 *
 * Readers never look past in.len. An encoding that is longer than needed is accepted, as in Kafka;
 * one that carries more bits than the type holds is not.
 * Source: org.apache.kafka.common.utils.ByteUtils. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

#define WIRE_VARINT_BYTES_MAX 5
#define WIRE_VARLONG_BYTES_MAX 10

static inline uint32_t wire_zigzag32(int32_t v) { return (uint32_t)v << 1 ^ (uint32_t)(v >> 31); }
static inline uint64_t wire_zigzag64(int64_t v) { return (uint64_t)v << 1 ^ (uint64_t)(v >> 63); }
static inline int32_t wire_unzigzag32(uint32_t v) { return (int32_t)(v >> 1 ^ (0 - (v & 1))); }
static inline int64_t wire_unzigzag64(uint64_t v) { return (int64_t)(v >> 1 ^ (0 - (v & 1))); }

/** ST_OK sets both results; ST_SHORT when `in` ends inside the number, ST_CORRUPT when it has more
 * than 64 bits. */
MUST_CHECK static inline enum status wire_get_uvarlong(struct bytes in, uint64_t *ret_value,
                                                       size_t *ret_used) {
    uint64_t value = 0;
    for (size_t i = 0; i < WIRE_VARLONG_BYTES_MAX; i++) {
        if (i == in.len) return ST_SHORT;
        uint8_t octet = in.ptr[i];
        if (i == WIRE_VARLONG_BYTES_MAX - 1 && octet > 1) return ST_CORRUPT;
        value |= (uint64_t)(octet & 0x7f) << (7 * i);
        if (octet < 0x80) {
            *ret_value = value;
            *ret_used = i + 1;
            return ST_OK;
        }
    }
    return ST_CORRUPT;
}

/** ST_OK sets both results; ST_SHORT when `in` ends inside the number, ST_CORRUPT when it has more
 * than 32 bits. */
MUST_CHECK static inline enum status wire_get_uvarint(struct bytes in, uint32_t *ret_value,
                                                      size_t *ret_used) {
    uint32_t value = 0;
    for (size_t i = 0; i < WIRE_VARINT_BYTES_MAX; i++) {
        if (i == in.len) return ST_SHORT;
        uint8_t octet = in.ptr[i];
        if (i == WIRE_VARINT_BYTES_MAX - 1 && octet > 0x0f) return ST_CORRUPT;
        value |= (uint32_t)(octet & 0x7f) << (7 * i);
        if (octet < 0x80) {
            *ret_value = value;
            *ret_used = i + 1;
            return ST_OK;
        }
    }
    return ST_CORRUPT;
}

/** A zig-zag int32; as wire_get_uvarint. */
MUST_CHECK static inline enum status wire_get_varint(struct bytes in, int32_t *ret_value,
                                                     size_t *ret_used) {
    uint32_t raw;
    enum status st = wire_get_uvarint(in, &raw, ret_used);
    if (st == ST_OK) *ret_value = wire_unzigzag32(raw);
    return st;
}

/** A zig-zag int64; as wire_get_uvarlong. */
MUST_CHECK static inline enum status wire_get_varlong(struct bytes in, int64_t *ret_value,
                                                      size_t *ret_used) {
    uint64_t raw;
    enum status st = wire_get_uvarlong(in, &raw, ret_used);
    if (st == ST_OK) *ret_value = wire_unzigzag64(raw);
    return st;
}

/** Octets that the shortest encoding of `v` takes. */
static inline size_t wire_uvarlong_bytes(uint64_t v) {
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}
static inline size_t wire_varint_bytes(int32_t v) { return wire_uvarlong_bytes(wire_zigzag32(v)); }
static inline size_t wire_varlong_bytes(int64_t v) { return wire_uvarlong_bytes(wire_zigzag64(v)); }

/** Writes the shortest encoding at `out`, which has room for wire_uvarlong_bytes(v); returns the
 * octets written. */
static inline size_t wire_put_uvarlong(uint8_t *out, uint64_t v) {
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}
static inline size_t wire_put_varint(uint8_t *out, int32_t v) {
    return wire_put_uvarlong(out, wire_zigzag32(v));
}
static inline size_t wire_put_varlong(uint8_t *out, int64_t v) {
    return wire_put_uvarlong(out, wire_zigzag64(v));
}
