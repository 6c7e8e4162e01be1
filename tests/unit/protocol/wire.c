/* tests/unit/protocol/wire.c - variable-length integers. */
#include "protocol/wire.h"
#include <criterion/criterion.h>

static const struct {
    const char *name;
    uint8_t in[11];
    size_t len;
    enum status want;
    int32_t value;
    size_t used;
} varints[] = {
    {"nothing", {0}, 0, ST_SHORT, 0, 0},
    {"zero", {0x00}, 1, ST_OK, 0, 1},
    {"minus one", {0x01}, 1, ST_OK, -1, 1},
    {"one", {0x02}, 1, ST_OK, 1, 1},
    {"minus two", {0x03}, 1, ST_OK, -2, 1},
    {"seventy", {0x8c, 0x01}, 2, ST_OK, 70, 2},
    {"octets behind it", {0x8c, 0x01, 0x55}, 3, ST_OK, 70, 2},
    {"longer than needed", {0x82, 0x80, 0x00}, 3, ST_OK, 1, 3},
    {"ends mid-number", {0x80}, 1, ST_SHORT, 0, 0},
    {"largest", {0xfe, 0xff, 0xff, 0xff, 0x0f}, 5, ST_OK, INT32_MAX, 5},
    {"smallest", {0xff, 0xff, 0xff, 0xff, 0x0f}, 5, ST_OK, INT32_MIN, 5},
    {"more than 32 bits", {0xff, 0xff, 0xff, 0xff, 0x1f}, 5, ST_CORRUPT, 0, 0},
    {"six octets", {0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 6, ST_CORRUPT, 0, 0},
};

Test(wire, varint_decodes_or_refuses) {
    for (size_t i = 0; i < COUNT(varints); i++) {
        int32_t value = 0;
        size_t used = 0;
        enum status st =
            wire_get_varint((struct bytes){varints[i].in, varints[i].len}, &value, &used);
        cr_expect_eq(st, varints[i].want, "%s: %s", varints[i].name, status_name(st));
        cr_expect_eq(value, varints[i].value, "%s: %d", varints[i].name, value);
        cr_expect_eq(used, varints[i].used, "%s: used %zu", varints[i].name, used);
    }
}

Test(wire, varlong_refuses_more_than_64_bits) {
    uint8_t in[11] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0};
    int64_t value = 0;
    size_t used = 0;
    cr_expect_eq(wire_get_varlong((struct bytes){in, 10}, &value, &used), ST_OK);
    cr_expect_eq(value, INT64_MIN);
    cr_expect_eq(used, 10);
    in[9] = 0x02;
    cr_expect_eq(wire_get_varlong((struct bytes){in, 10}, &value, &used), ST_CORRUPT);
    in[9] = 0x81;
    cr_expect_eq(wire_get_varlong((struct bytes){in, 11}, &value, &used), ST_CORRUPT);
    cr_expect_eq(wire_get_varlong((struct bytes){in, 9}, &value, &used), ST_SHORT);
}

Test(wire, what_is_put_is_got_in_the_announced_octets) {
    static const int64_t values[] = {0,
                                     1,
                                     -1,
                                     63,
                                     64,
                                     -64,
                                     -65,
                                     8191,
                                     8192,
                                     -8193,
                                     INT32_MAX,
                                     INT32_MIN,
                                     (int64_t)INT32_MAX + 1,
                                     INT64_MAX,
                                     INT64_MIN,
                                     -2345};
    for (size_t i = 0; i < COUNT(values); i++) {
        uint8_t buf[WIRE_VARLONG_BYTES_MAX];
        size_t len = wire_put_varlong(buf, values[i]), used;
        int64_t got;
        cr_expect_eq(len, wire_varlong_bytes(values[i]), "%ld", values[i]);
        cr_expect_eq(wire_get_varlong((struct bytes){buf, len}, &got, &used), ST_OK, "%ld",
                     values[i]);
        cr_expect_eq(got, values[i], "%ld became %ld", values[i], got);
        cr_expect_eq(used, len, "%ld", values[i]);
        if (values[i] < INT32_MIN || values[i] > INT32_MAX) continue;
        int32_t narrow;
        cr_expect_eq(wire_put_varint(buf, (int32_t)values[i]),
                     wire_varint_bytes((int32_t)values[i]));
        cr_expect_eq(wire_get_varint((struct bytes){buf, len}, &narrow, &used), ST_OK, "%ld",
                     values[i]);
        cr_expect_eq(narrow, values[i]);
    }
}
