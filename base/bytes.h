/* base/bytes.h - borrowed runs of octets and of text, big-endian access, small arithmetic.
 * A `struct bytes` or `struct str` never owns; who does is said where it is handed over.
 * Null (as in Kafka's nullable strings and bytes) is ptr == NULL; empty has a ptr and len == 0. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
/** The object of type `type` whose member `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct bytes {
    const uint8_t *ptr;
    size_t len; /* octets */
};

struct str {
    const char *ptr; /* UTF-8, not terminated */
    size_t len;      /* octets */
};

/* A uuid in network order, as Kafka writes it. All zero is "none". */
struct uuid {
    uint8_t b[16];
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define BYTES_NULL ((struct bytes){NULL, 0})
#define UUID_ZERO ((struct uuid){{0}})
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).len, (s).ptr != NULL ? (s).ptr : ""

static inline struct str str_of(const char *terminated) {
    return (struct str){terminated, terminated != NULL ? strlen(terminated) : 0};
}
static inline bool str_eq(struct str a, struct str b) {
    return a.len == b.len && (a.ptr == NULL) == (b.ptr == NULL) &&
           (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/** Octet order, as Java compares ASCII strings; null sorts first. */
static inline int str_cmp(struct str a, struct str b) {
    size_t n = MIN(a.len, b.len);
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}
static inline bool bytes_eq(struct bytes a, struct bytes b) {
    return a.len == b.len && (a.ptr == NULL) == (b.ptr == NULL) &&
           (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool uuid_eq(struct uuid a, struct uuid b) { return memcmp(a.b, b.b, 16) == 0; }
static inline bool uuid_is_zero(struct uuid u) { return uuid_eq(u, UUID_ZERO); }

static inline uint16_t get_u16(const uint8_t *p) { return (uint16_t)((unsigned)p[0] << 8 | p[1]); }
static inline uint32_t get_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t get_u64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline void put_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void put_u32(uint8_t *p, uint32_t v) {
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void put_u64(uint8_t *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

/** A 64-bit hash of octets (not for hostile key sets without a seed: pass one). */
uint64_t hash_bytes(const void *ptr, size_t len, uint64_t seed);

#define UUID_TEXT_BYTES 22 /* base64url without padding, as Kafka prints topic ids */
/** Writes the 22 characters of `u` and a terminator. */
void uuid_format(struct uuid u, char text[UUID_TEXT_BYTES + 1]);
/** Reads exactly 22 base64url characters; false when it is anything else. */
bool uuid_parse(struct str text, struct uuid *ret_uuid);

/** A decimal int64 that fills the whole text (optional sign); false when malformed or too large. */
bool str_to_int64(struct str text, int64_t *ret_value);
/** Without spaces, tabs and line ends at both ends. */
struct str str_trim(struct str s);
/** True when `s` is well-formed UTF-8 (no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
