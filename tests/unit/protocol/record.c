/* tests/unit/protocol/record.c - one record in one piece. */
#include "protocol/record.h"
#include <criterion/criterion.h>

#define IN(literal)                                                                                \
    { (const uint8_t *)(literal), sizeof(literal) - 1 }

Test(record, gives_its_fields_as_slices) {
    struct bytes in = IN("\x28\x00\x8c\x01\x06\x06key\x0avalue\x04\x02h\x01\x00\x00more");
    struct record r;
    cr_assert_eq(record_decode(in, &r), ST_OK);
    cr_expect_eq(r.record_bytes, in.len - 4);
    cr_expect_eq(r.timestamp, 70);
    cr_expect_eq(r.offset, 3);
    cr_expect(bytes_eq(r.key, (struct bytes){(const uint8_t *)"key", 3}));
    cr_expect_eq(r.key.ptr, in.ptr + 6, "not a copy");
    cr_expect(bytes_eq(r.value, (struct bytes){(const uint8_t *)"value", 5}));
    cr_expect_eq(r.header_count, 2);
    struct record_header h;
    struct bytes headers = r.headers;
    cr_assert(record_next_header(&headers, &h));
    cr_expect(str_eq(h.key, STR("h")));
    cr_expect_null(h.value.ptr);
    cr_assert(record_next_header(&headers, &h));
    cr_expect(str_eq(h.key, STR("")));
    cr_expect(h.value.ptr != NULL && h.value.len == 0, "empty is not null");
    cr_expect_not(record_next_header(&headers, &h));
}

Test(record, null_and_empty_are_told_apart) {
    struct bytes in =
        IN("\x16\x00\x8c\xdc\x96\xee\xc6\x05\x06\x01\x01\x00"); /* as Kafka wrote it */
    struct record r;
    cr_assert_eq(record_decode(in, &r), ST_OK);
    cr_expect(r.key.ptr == NULL && r.value.ptr == NULL && r.header_count == 0);
    cr_expect_eq(r.offset, 3);
    struct bytes empty = IN("\x0c\x00\x00\x00\x00\x00\x00");
    cr_assert_eq(record_decode(empty, &r), ST_OK);
    cr_expect(r.key.ptr != NULL && r.key.len == 0 && r.value.ptr != NULL && r.value.len == 0);
}

Test(record, is_short_at_every_cut) {
    struct bytes in = IN("\x28\x00\x8c\x01\x06\x06key\x0avalue\x04\x02h\x01\x00\x00");
    for (size_t len = 0; len < in.len; len++) {
        struct record r;
        enum status st = record_decode((struct bytes){in.ptr, len}, &r);
        cr_expect_eq(st, ST_SHORT, "%zu octets: %s", len, status_name(st));
    }
}

Test(record, a_size_that_is_one_off_is_corrupt_or_short) {
    uint8_t in[] = "\x28\x00\x8c\x01\x06\x06key\x0avalue\x04\x02h\x04xy\x00\x00";
    static const struct {
        const char *name;
        size_t at;
    } sizes[] = {{"record", 0},        {"key", 5},         {"value", 9},
                 {"header count", 15}, {"header key", 16}, {"header value", 18}};
    in[0] = (uint8_t)((sizeof in - 2) * 2);
    struct record r;
    cr_assert_eq(record_decode((struct bytes){in, sizeof in - 1}, &r), ST_OK);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (int off = -2; off <= 2; off += 4) {
            in[sizes[i].at] = (uint8_t)(in[sizes[i].at] + off);
            enum status st = record_decode((struct bytes){in, sizeof in - 1}, &r);
            in[sizes[i].at] = (uint8_t)(in[sizes[i].at] - off);
            cr_expect(st == ST_CORRUPT || st == ST_SHORT, "%s %+d: %s", sizes[i].name, off / 2,
                      status_name(st));
        }
    }
}
