/* base/prng.h - a seeded generator (xoshiro256**, Blackman and Vigna 2018): same seed, same
 * sequence. Not for secrets; the seam's io_random is. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_seed(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/** Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/** True in `numerator` of `denominator` cases. */
bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator);
void prng_fill(struct prng *prng, void *out, size_t len);
