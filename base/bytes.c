/* base/bytes.c - hashing, uuids and small parsers over borrowed octets. */
#include "base/bytes.h"

uint64_t hash_bytes(const void *ptr, size_t len, uint64_t seed) {
    const uint8_t *p = ptr;
    uint64_t h = seed ^ (0x9e3779b97f4a7c15u * (len + 1));
    while (len >= 8) {
        h = (h ^ get_u64(p)) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        p += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    for (size_t i = 0; i < len; i++) tail = tail << 8 | p[i];
    h = (h ^ tail) * 0xc4ceb9fe1a85ec53u;
    h ^= h >> 29;
    h *= 0x94d049bb133111ebu;
    return h ^ h >> 32;
}

static const char base64url[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void uuid_format(struct uuid u, char text[UUID_TEXT_BYTES + 1]) {
    unsigned bits = 0, held = 0;
    size_t out = 0;
    for (size_t i = 0; i < 16; i++) {
        bits = (bits << 8 | u.b[i]) & 0x3fff;
        held += 8;
        while (held >= 6) {
            held -= 6;
            text[out++] = base64url[bits >> held & 63];
        }
    }
    text[out++] = base64url[bits << (6 - held) & 63];
    text[out] = '\0';
}

static int base64url_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '-') return 62;
    return c == '_' ? 63 : -1;
}

bool uuid_parse(struct str text, struct uuid *ret_uuid) {
    if (text.len != UUID_TEXT_BYTES) return false;
    struct uuid u = UUID_ZERO;
    unsigned bits = 0, held = 0;
    size_t out = 0;
    for (size_t i = 0; i < text.len; i++) {
        int v = base64url_value(text.ptr[i]);
        if (v < 0) return false;
        bits = (bits << 6 | (unsigned)v) & 0x3fff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            u.b[out++] = (uint8_t)(bits >> held);
        }
    }
    if (out != 16 || (bits & ((1u << held) - 1)) != 0) return false;
    *ret_uuid = u;
    return true;
}

bool str_to_int64(struct str text, int64_t *ret_value) {
    size_t i = 0;
    bool negative = false;
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        negative = text.ptr[0] == '-';
        i = 1;
    }
    if (i == text.len) return false;
    int64_t value = 0;
    for (; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        int digit = text.ptr[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, digit, &value)) return false; /* holds INT64_MIN */
    }
    if (!negative && __builtin_sub_overflow(0, value, &value)) return false;
    *ret_value = value;
    return true;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct str str_trim(struct str s) {
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1])) s.len--;
    return s;
}

bool str_is_utf8(struct str s) {
    const uint8_t *p = (const uint8_t *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        uint8_t c = p[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        size_t extra = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || s.len - i <= extra) return false;
        uint32_t code = c & (0x3fu >> extra);
        for (size_t k = 1; k <= extra; k++) {
            if ((p[i + k] & 0xc0) != 0x80) return false;
            code = code << 6 | (p[i + k] & 0x3f);
        }
        static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
        if (code < smallest[extra] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += extra + 1;
    }
    return true;
}
