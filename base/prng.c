/* base/prng.c - xoshiro256** seeded by splitmix64. */
#include "base/prng.h"
#include "base/assert.h"

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

void prng_seed(struct prng *prng, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        prng->s[i] = z ^ z >> 31;
    }
}

uint64_t prng_next(struct prng *prng) {
    uint64_t *s = prng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound) {
    ASSERT(bound > 0);
    return (uint64_t)(((unsigned __int128)prng_next(prng) * bound) >> 64);
}

bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator) {
    return prng_below(prng, denominator) < numerator;
}

void prng_fill(struct prng *prng, void *out, size_t len) {
    uint8_t *p = out;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t r = prng_next(prng);
        for (size_t k = i; k < len && k < i + 8; k++, r >>= 8) p[k] = (uint8_t)r;
    }
}
