/* base/siphash.c - two rounds a word, four at each end. */
#include "base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits) { return (x << bits) | (x >> (64 - bits)); }

static void rounds(struct state *s, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static uint64_t word(const uint8_t *octets, size_t len) { /* little-endian; len <= 8 */
    uint64_t w = 0;
    for (size_t i = 0; i < len; i++) w |= (uint64_t)octets[i] << (8 * i);
    return w;
}

static void absorb(struct state *s, uint64_t w) {
    s->v3 ^= w;
    rounds(s, 2);
    s->v0 ^= w;
}

struct digest128 siphash128(struct bytes in, struct siphash_key key) {
    struct state s = {
        .v0 = UINT64_C(0x736f6d6570736575) ^ key.k0,
        .v1 = UINT64_C(0x646f72616e646f6d) ^ key.k1 ^ 0xee,
        .v2 = UINT64_C(0x6c7967656e657261) ^ key.k0,
        .v3 = UINT64_C(0x7465646279746573) ^ key.k1,
    };
    size_t at = 0;
    for (; at + 8 <= in.len; at += 8) absorb(&s, word(in.ptr + at, 8));
    absorb(&s, (uint64_t)in.len << 56 | word(in.len > at ? in.ptr + at : NULL, in.len - at));
    struct digest128 digest;
    s.v2 ^= 0xee;
    rounds(&s, 4);
    digest.low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    rounds(&s, 4);
    digest.high = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return digest;
}
