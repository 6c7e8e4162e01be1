/* tests/unit/protocol/cursor.c - a cursor gives what is there, or nothing and stays. */
#include <criterion/criterion.h>
#include "protocol/cursor.h"

Test(cursor, takes_up_to_the_end_and_not_beyond) {
    static const uint8_t in[] = {1, 2, 3};
    struct cursor c = cursor_of((struct bytes){in, sizeof in});
    cr_expect_eq(cursor_take(&c, 2), in);
    cr_expect_null(cursor_take(&c, 2));
    cr_expect_null(cursor_take(&c, SIZE_MAX));
    cr_expect_eq(cursor_left(&c), 1, "a refused take moves nothing");
    cr_expect_eq(cursor_take(&c, 1), in + 2);
    cr_expect_eq(cursor_take(&c, 0), in + 3, "nothing is always there");
    cr_expect_null(cursor_take(&c, 1));
}

Test(cursor, stands_on_null_input) {
    struct cursor c = cursor_of(BYTES_NULL);
    uint32_t value;
    cr_expect_eq(cursor_left(&c), 0);
    cr_expect_not_null(cursor_take(&c, 0));
    cr_expect_eq(cursor_uvarint(&c, &value), ST_SHORT);
}

Test(cursor, a_varint_moves_it_only_when_whole) {
    static const uint8_t in[] = {0x7f, 0xac, 0x02, 0x80};
    struct cursor c = cursor_of((struct bytes){in, sizeof in});
    uint32_t value;
    cr_expect_eq(cursor_uvarint(&c, &value), ST_OK);
    cr_expect_eq(value, 127);
    cr_expect_eq(cursor_uvarint(&c, &value), ST_OK);
    cr_expect_eq(value, 300);
    cr_expect_eq(cursor_uvarint(&c, &value), ST_SHORT);
    cr_expect_eq(cursor_left(&c), 1);
}
