/* tests/unit/protocol/crc32c.c - the standard's own values, and that pieces give the same as the
 * whole. */
#include "protocol/crc32c.h"
#include <criterion/criterion.h>
#include "base/bytes.h"

Test(crc32c, legacy_is_the_checksum_of_ieee) {
    cr_expect_eq(crc32_legacy(0, "123456789", 9), 0xcbf43926);
    cr_expect_eq(crc32_legacy(crc32_legacy(0, "1234", 4), "56789", 5), 0xcbf43926);
}

Test(crc32c, gives_the_values_of_rfc_3720) {
    static uint8_t zeros[32], ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    static const struct {
        const char *name;
        const void *data;
        size_t len;
        uint32_t want;
    } rows[] = {
        {"nothing", "", 0, 0x00000000},   {"digits", "123456789", 9, 0xe3069283},
        {"zeros", zeros, 32, 0x8a9136aa}, {"ones", ones, 32, 0x62a8ab43},
        {"up", up, 32, 0x46dd794e},       {"down", down, 32, 0x113fdb5c},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t got = crc32c(0, rows[i].data, rows[i].len);
        cr_expect_eq(got, rows[i].want, "%s: %08x", rows[i].name, got);
    }
}

Test(crc32c, continues_from_piece_to_piece) {
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7);
    uint32_t whole = crc32c(0, data, sizeof data);
    for (size_t cut = 0; cut <= sizeof data; cut += 37) {
        uint32_t pieces = crc32c(crc32c(0, data, cut), data + cut, sizeof data - cut);
        cr_expect_eq(pieces, whole, "cut at %zu", cut);
    }
}
