/* base/siphash.h - SipHash-2-4 with 128 bits: a short digest of a string that nobody who does not
 * know the key can make collide. Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012),
 * and its 128-bit form in the authors' reference vectors. */
#pragma once
#include "base/bytes.h"

struct siphash_key {
    uint64_t k0, k1;
};
struct digest128 {
    uint64_t low, high;
};

struct digest128 siphash128(struct bytes in, struct siphash_key key);
