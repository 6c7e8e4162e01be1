/* tests/unit/base/strbuf.c - growth, failure that sticks, and JSON as Jackson writes it. */
#include "base/strbuf.h"
#include <criterion/criterion.h>

Test(strbuf, is_terminated_whatever_was_added) {
    struct mem mem = {0};
    struct strbuf sb;
    strbuf_init(&sb, &mem);
    cr_expect_str_eq(strbuf_str(&sb).ptr, "", "before anything was added");
    for (int i = 0; i < 1000; i++) {
        strbuf_add_char(&sb, (char)('a' + i % 26));
        cr_assert_eq(sb.data[sb.len], '\0', "after %d", i);
    }
    cr_expect_eq(sb.len, 1000);
    strbuf_add(&sb, NULL, 0);
    strbuf_add_str(&sb, STR_NULL);
    cr_expect_eq(sb.len, 1000, "nothing adds nothing");
    strbuf_clear(&sb);
    cr_expect_str_eq(strbuf_str(&sb).ptr, "");
    strbuf_release(&sb);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(strbuf, formats_across_every_growth_step) {
    struct mem mem = {0};
    for (int width = 1; width < 600; width += 7) {
        struct strbuf sb;
        strbuf_init(&sb, &mem);
        strbuf_add(&sb, "x", 1);
        strbuf_printf(&sb, "%0*d", width, 7);
        cr_expect_eq(sb.len, (size_t)width + 1, "width %d: got %zu", width, sb.len);
        cr_expect_eq(sb.data[width], '7', "width %d", width);
        cr_expect_eq(strlen(sb.data), sb.len, "width %d", width);
        strbuf_release(&sb);
    }
}

Test(strbuf, a_failed_growth_sticks_and_keeps_what_was_there) {
    struct mem mem = {.limit_bytes = 200};
    struct strbuf sb;
    strbuf_init(&sb, &mem);
    strbuf_add_str(&sb, STR("kept"));
    char large[500] = {0};
    strbuf_add(&sb, large, sizeof large);
    cr_expect(sb.failed);
    strbuf_add_str(&sb, STR("lost"));
    strbuf_printf(&sb, "%d", 1);
    cr_expect_str_eq(sb.data, "kept");
    strbuf_clear(&sb);
    cr_expect(!sb.failed);
    strbuf_add_str(&sb, STR("again"));
    cr_expect_str_eq(sb.data, "again");
    strbuf_release(&sb);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(strbuf, an_impossible_length_fails_and_returns) {
    struct mem mem = {0};
    struct strbuf sb;
    strbuf_init(&sb, &mem);
    strbuf_add(&sb, "", SIZE_MAX);
    cr_expect(sb.failed);
    strbuf_clear(&sb);
    strbuf_add(&sb, "", SIZE_MAX / 2 + 1);
    cr_expect(sb.failed);
    strbuf_release(&sb);
}

Test(strbuf, json_is_escaped_as_jackson_escapes_it) {
    static const struct {
        const char *name;
        struct str text;
        const char *want;
    } rows[] = {
        {"empty", {"", 0}, "\"\""},
        {"null prints as empty", {NULL, 0}, "\"\""},
        {"plain", {"topic-0", 7}, "\"topic-0\""},
        {"quote and backslash", {"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {"short escapes", {"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {"a NUL inside", {"a\0b", 3}, "\"a\\u0000b\""},
        {"other controls in capitals", {"\x01\x1f", 2}, "\"\\u0001\\u001F\""},
        {"delete and slash as they are", {"\x7f/", 2}, "\"\x7f/\""},
        {"utf-8 as it is", {"\xc3\xa9\xe2\x82\xac", 5}, "\"\xc3\xa9\xe2\x82\xac\""},
    };
    struct mem mem = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf sb;
        strbuf_init(&sb, &mem);
        strbuf_add_json(&sb, rows[i].text);
        cr_expect_str_eq(sb.data, rows[i].want, "%s: got %s", rows[i].name, sb.data);
        strbuf_release(&sb);
    }
}
