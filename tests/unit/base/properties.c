/* tests/unit/base/properties.c - Java's properties text, row by row. */
#include <criterion/criterion.h>
#include "base/properties.h"

static const struct {
    const char *name, *text, *key, *value;
    uint32_t line;
} rows[] = {
    {"equals sign", "a=b\n", "a", "b", 1},
    {"colon and blanks", "  a : b c \n", "a", "b c ", 1},
    {"blank only", "key value\n", "key", "value", 1},
    {"no value", "key\n", "key", "", 1},
    {"comments and empty lines", "# x=y\n\n! z\n a=1", "a", "1", 4},
    {"joined lines", "a=one,\\\n   two\n", "a", "one,two", 1},
    {"an escaped separator in the key", "a\\=b=c\n", "a=b", "c", 1},
    {"escapes", "a=\\t\\u00e9\\q\n", "a", "\t\xc3\xa9q", 1},
    {"a carriage return ends a line", "x=1\r\na=2\r\n", "a", "2", 2},
    {"the last one wins", "a=1\na=2\n", "a", "2", 2},
    {"no end of line", "a=\\", "a", "\\", 1},
};

Test(properties, rows_are_read_as_java_reads_them) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct arena arena;
        struct properties properties;
        uint32_t line = 0;
        arena_init(&arena, &mem, 256, 0);
        enum status st = properties_parse(str_of(rows[i].text), &arena, &properties, &line);
        cr_assert_eq(st, ST_OK, "%s: %s", rows[i].name, status_name(st));
        const struct property *found = properties_find(&properties, str_of(rows[i].key));
        cr_assert_not_null(found, "%s: no key", rows[i].name);
        cr_expect(str_eq(found->value, str_of(rows[i].value)), "%s: got '%.*s'", rows[i].name,
                  STR_ARG(found->value));
        cr_expect_eq(found->line, rows[i].line, "%s: line %u", rows[i].name, found->line);
        arena_release(&arena);
    }
}

Test(properties, a_malformed_escape_names_its_line) {
    struct mem mem = {0};
    struct arena arena;
    struct properties properties;
    uint32_t line = 0;
    arena_init(&arena, &mem, 256, 0);
    cr_expect_eq(properties_parse(STR("a=1\nb=\\u12"), &arena, &properties, &line), ST_CORRUPT);
    cr_expect_eq(line, 2);
    arena_release(&arena);
}
