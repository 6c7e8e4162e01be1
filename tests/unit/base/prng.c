/* tests/unit/base/prng.c - the published sequence, so a seed means the same run forever. */
#include "base/prng.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include "base/bytes.h"

/* Computed with another implementation of xoshiro256** over splitmix64. */
Test(prng, gives_the_published_sequence) {
    static const struct {
        uint64_t seed;
        uint64_t want[4];
    } rows[] = {
        {0, {0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}},
        {42, {0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct prng prng;
        prng_seed(&prng, rows[i].seed);
        for (size_t k = 0; k < 4; k++) {
            uint64_t got = prng_next(&prng);
            cr_expect_eq(got, rows[i].want[k], "seed %lu, value %zu: got %lx",
                         (unsigned long)rows[i].seed, k, (unsigned long)got);
        }
    }
}

Test(prng, below_stays_below_and_reaches_both_ends) {
    struct prng prng;
    prng_seed(&prng, 1);
    unsigned seen[6] = {0};
    for (int i = 0; i < 6000; i++) {
        uint64_t value = prng_below(&prng, COUNT(seen));
        cr_assert_lt(value, COUNT(seen));
        seen[value]++;
    }
    for (size_t i = 0; i < COUNT(seen); i++) {
        cr_expect(seen[i] > 800 && seen[i] < 1200, "%zu came %u times of 6000", i, seen[i]);
    }
    cr_expect_eq(prng_below(&prng, 1), 0);
    cr_expect_lt(prng_below(&prng, UINT64_MAX), UINT64_MAX);
}

Test(prng, a_bound_of_zero_aborts, .signal = SIGABRT) {
    struct prng prng;
    prng_seed(&prng, 1);
    (void)prng_below(&prng, 0);
}

Test(prng, chance_is_never_at_nothing_and_always_at_all) {
    struct prng prng;
    prng_seed(&prng, 7);
    int hits = 0;
    for (int i = 0; i < 1000; i++) {
        cr_assert(!prng_chance(&prng, 0, 10));
        cr_assert(prng_chance(&prng, 10, 10));
        hits += prng_chance(&prng, 1, 4);
    }
    cr_expect(hits > 200 && hits < 300, "a quarter of 1000 was %d", hits);
}

Test(prng, fill_writes_exactly_its_length) {
    for (size_t len = 0; len <= 24; len++) {
        struct prng prng;
        uint8_t out[32];
        memset(out, 0xee, sizeof out);
        prng_seed(&prng, 0);
        prng_fill(&prng, out, len);
        for (size_t i = len; i < sizeof out; i++)
            cr_expect_eq(out[i], 0xee, "len %zu at %zu", len, i);
        if (len > 0) cr_expect_eq(out[0], 0xb4, "len %zu", len);
        if (len > 8) cr_expect_eq(out[8], 0x2a, "len %zu", len);
    }
}
