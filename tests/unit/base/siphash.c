/* tests/unit/base/siphash.c - the authors' test vectors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "base/siphash.h"

Test(siphash, gives_the_reference_digests) {
    static const struct {
        size_t len; /* of 00 01 02 ... */
        const char *want;
    } cases[] = {
        {0, "a3817f04ba25a8e66df67214c7550293"},
        {1, "da87c1d86b99af44347659119b22fc45"},
        {2, "8177228da4a45dc7fca38bdef60affe4"},
    };
    struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t in[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[33];
        struct digest128 digest = siphash128((struct bytes){in, cases[i].len}, key);
        for (int b = 0; b < 16; b++) {
            uint64_t half = b < 8 ? digest.low : digest.high;
            snprintf(text + 2 * b, 3, "%02x", (unsigned)(half >> (8 * (b % 8))) & 0xff);
        }
        cr_expect_str_eq(text, cases[i].want, "%zu octets: %s", cases[i].len, text);
    }
}
