/* tests/unit/base/bytes.c - octets, uuids, numbers, UTF-8: range ends and what is refused. */
#include "base/bytes.h"
#include <criterion/criterion.h>

Test(bytes, big_endian_values_are_written_most_significant_octet_first) {
    uint8_t b[8];
    put_u16(b, 0x0102);
    cr_expect_arr_eq(b, ((uint8_t[]){1, 2}), 2);
    put_u32(b, 0x01020304);
    cr_expect_arr_eq(b, ((uint8_t[]){1, 2, 3, 4}), 4);
    put_u64(b, 0x0102030405060708);
    cr_expect_arr_eq(b, ((uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8}), 8);
}

Test(bytes, big_endian_values_come_back_from_any_alignment) {
    uint8_t b[16];
    for (size_t at = 0; at < 8; at++) {
        put_u16(b + at, 0xfedc);
        cr_expect_eq(get_u16(b + at), 0xfedc, "u16 at %zu", at);
        put_u32(b + at, 0xfedcba98);
        cr_expect_eq(get_u32(b + at), 0xfedcba98, "u32 at %zu", at);
        put_u64(b + at, 0xfedcba9876543210);
        cr_expect_eq(get_u64(b + at), 0xfedcba9876543210, "u64 at %zu", at);
    }
}

Test(bytes, null_and_empty_differ) {
    struct str empty = STR("");
    cr_expect(!str_eq(STR_NULL, empty));
    cr_expect(str_eq(STR_NULL, str_of(NULL)));
    cr_expect(str_eq(empty, str_of("")));
    cr_expect(!bytes_eq(BYTES_NULL, (struct bytes){(const uint8_t *)"", 0}));
}

Test(bytes, text_compares_by_octets_and_then_by_length) {
    static const struct {
        const char *name, *a, *b;
        int want;
    } rows[] = {
        {"same", "abc", "abc", 0},          {"earlier letter", "abb", "abc", -1},
        {"later letter", "abd", "abc", 1},  {"prefix is smaller", "ab", "abc", -1},
        {"longer is larger", "abc", "", 1}, {"high octet is unsigned", "\x7f", "\x80", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int order = str_cmp(str_of(rows[i].a), str_of(rows[i].b));
        int sign = (order > 0) - (order < 0);
        cr_expect_eq(sign, rows[i].want, "%s: got %d", rows[i].name, order);
    }
    cr_expect_lt(str_cmp(STR_NULL, STR("a")), 0, "null sorts first");
}

/* The texts are those of java.util.Base64's URL encoder without padding. */
static const struct {
    const char *name;
    struct uuid uuid;
    const char *text;
} uuids[] = {
    {"zero", {{0}}, "AAAAAAAAAAAAAAAAAAAAAA"},
    {"one", {{[15] = 1}}, "AAAAAAAAAAAAAAAAAAAAAQ"},
    {"counting",
     {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
     "AAECAwQFBgcICQoLDA0ODw"},
    {"all bits",
     {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
     "_____________________w"},
    {"dash and underscore",
     {{251, 251, 251, 251, 251, 251, 251, 251, 251, 251, 251, 251, 251, 251, 251, 251}},
     "-_v7-_v7-_v7-_v7-_v7-w"},
};

Test(uuid, prints_as_kafka_prints_topic_ids) {
    for (size_t i = 0; i < COUNT(uuids); i++) {
        char text[UUID_TEXT_BYTES + 1];
        uuid_format(uuids[i].uuid, text);
        cr_expect_str_eq(text, uuids[i].text, "%s: got %s", uuids[i].name, text);
    }
}

Test(uuid, what_is_printed_is_read_back) {
    for (size_t i = 0; i < COUNT(uuids); i++) {
        struct uuid u;
        cr_expect(uuid_parse(str_of(uuids[i].text), &u), "%s", uuids[i].name);
        cr_expect(uuid_eq(u, uuids[i].uuid), "%s", uuids[i].name);
    }
}

Test(uuid, anything_but_22_base64url_characters_is_refused_and_writes_nothing) {
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"empty", ""},
        {"one short", "AAAAAAAAAAAAAAAAAAAAA"},
        {"one long", "AAAAAAAAAAAAAAAAAAAAAAA"},
        {"padding", "AAAAAAAAAAAAAAAAAAAA=="},
        {"plain base64 alphabet", "+/AAAAAAAAAAAAAAAAAAAA"},
        {"bits beyond the sixteenth octet", "AAAAAAAAAAAAAAAAAAAAAB"},
        {"space", "AAAAAAAAAA AAAAAAAAAAA"},
        {"dashed form", "00000000-0000-0000-000"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct uuid u = {{42}};
        cr_expect(!uuid_parse(str_of(rows[i].text), &u), "%s", rows[i].name);
        cr_expect_eq(u.b[0], 42, "%s: the result was touched", rows[i].name);
    }
}

Test(str_to_int64, reads_whole_decimal_numbers) {
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"+7", 7},
        {"007", 7},
        {"-1", -1},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"0000000000000000000000000000000012", 12},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t value = 99;
        cr_expect(str_to_int64(str_of(rows[i].text), &value), "%s", rows[i].text);
        cr_expect_eq(value, rows[i].want, "%s: got %ld", rows[i].text, (long)value);
    }
}

Test(str_to_int64, refuses_everything_else_and_writes_nothing) {
    static const char *const rows[] = {
        "",
        "-",
        "+",
        "--1",
        "+-1",
        "1 ",
        " 1",
        "1.0",
        "0x10",
        "1e3",
        "a", /* no number */
        "9223372036854775808",
        "-9223372036854775809",
        "92233720368547758070",
        "99999999999999999999999",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t value = 99;
        cr_expect(!str_to_int64(str_of(rows[i]), &value), "'%s'", rows[i]);
        cr_expect_eq(value, 99, "'%s': the result was touched", rows[i]);
    }
    cr_expect(!str_to_int64(STR_NULL, &(int64_t){0}), "null");
    cr_expect(!str_to_int64((struct str){"1\0", 2}, &(int64_t){0}), "a NUL inside");
}

Test(str_trim, takes_white_space_from_both_ends_only) {
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""}, {" \t\r\n", ""}, {"a", "a"}, {"  a b\t\r\n", "a b"}, {"a ", "a"}, {"\va", "a"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str got = str_trim(str_of(rows[i].text));
        cr_expect(str_eq(got, str_of(rows[i].want)), "'%s': got '%.*s'", rows[i].text,
                  STR_ARG(got));
    }
    cr_expect_null(str_trim(STR_NULL).ptr, "null stays null");
}

Test(str_is_utf8, follows_the_unicode_standard) {
    static const struct {
        const char *name, *text;
        bool want;
    } rows[] = {
        {"empty", "", true},
        {"ascii", "abc \x7f", true},
        {"first of two octets", "\xc2\x80", true},
        {"last of two octets", "\xdf\xbf", true},
        {"first of three octets", "\xe0\xa0\x80", true},
        {"last before the surrogates", "\xed\x9f\xbf", true},
        {"first after the surrogates", "\xee\x80\x80", true},
        {"last of three octets", "\xef\xbf\xbf", true},
        {"first of four octets", "\xf0\x90\x80\x80", true},
        {"last code point", "\xf4\x8f\xbf\xbf", true},
        {"beyond the last code point", "\xf4\x90\x80\x80", false},
        {"five octet form", "\xf8\x88\x80\x80\x80", false},
        {"lone continuation", "\x80", false},
        {"overlong slash", "\xc0\xaf", false},
        {"overlong in three octets", "\xe0\x9f\xbf", false},
        {"overlong in four octets", "\xf0\x8f\xbf\xbf", false},
        {"first surrogate", "\xed\xa0\x80", false},
        {"last surrogate", "\xed\xbf\xbf", false},
        {"ends after the first octet", "a\xc3", false},
        {"ends after the second of three", "\xe2\x82", false},
        {"ends after the third of four", "\xf0\x9f\x98", false},
        {"ascii where a continuation belongs", "\xe2\x28\xa1", false},
        {"latin-1", "caf\xe9!", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(str_is_utf8(str_of(rows[i].text)), rows[i].want, "%s", rows[i].name);
    }
    cr_expect(str_is_utf8((struct str){"\0", 1}), "NUL is a character like any other");
}

Test(hash_bytes, depends_on_length_content_and_seed) {
    static const uint8_t zeros[64];
    for (size_t a = 0; a < 40; a++) {
        for (size_t b = a + 1; b < 40; b++) {
            cr_expect_neq(hash_bytes(zeros, a, 1), hash_bytes(zeros, b, 1), "%zu and %zu zeros", a,
                          b);
        }
    }
    uint8_t copy[40] = {0};
    uint64_t plain = hash_bytes(zeros, sizeof copy, 1);
    for (size_t i = 0; i < sizeof copy; i++) {
        copy[i] = 1;
        cr_expect_neq(hash_bytes(copy, sizeof copy, 1), plain, "octet %zu is ignored", i);
        copy[i] = 0;
    }
    cr_expect_eq(hash_bytes(copy, sizeof copy, 1), plain);
    cr_expect_neq(hash_bytes(copy, sizeof copy, 2), plain, "the seed is ignored");
}
