/* tests/unit/tools/line_reader.c - lines out of octets, records out of lines. */
#include "tools/line_reader.h"
#include <criterion/criterion.h>

static const struct {
    const char *name, *in, *want; /* want: lines, each between brackets */
} splits[] = {
    {"nothing", "", ""},
    {"one line", "a\n", "[a]"},
    {"no end", "a", "[a]"},
    {"empty lines", "\n\n", "[][]"},
    {"all three ends", "a\nb\rc\r\nd", "[a][b][c][d]"},
    {"returns in a row", "\r\r\n\n", "[][][]"},
};

/* The lines of `in`, fed in pieces of `step` octets. */
static void split(const char *in, size_t step, struct strbuf *out) {
    struct line_splitter splitter;
    line_splitter_init(&splitter, out->mem);
    size_t left = strlen(in);
    while (left > 0) {
        struct bytes piece = {(const uint8_t *)in, MIN(step, left)};
        in += piece.len;
        left -= piece.len;
        while (line_splitter_feed(&splitter, &piece)) {
            strbuf_printf(out, "[%s]", strbuf_str(&splitter.line).ptr);
            line_splitter_next(&splitter);
        }
    }
    if (splitter.line.len > 0) strbuf_printf(out, "[%s]", strbuf_str(&splitter.line).ptr);
    line_splitter_release(&splitter);
}

Test(line_splitter, finds_the_same_lines_however_the_octets_arrive) {
    for (size_t i = 0; i < COUNT(splits); i++) {
        for (size_t step = 1; step <= 8; step++) {
            struct mem mem = {0};
            struct strbuf out;
            strbuf_init(&out, &mem);
            split(splits[i].in, step, &out);
            cr_expect_str_eq(strbuf_str(&out).ptr, splits[i].want, "%s by %zu: got %s",
                             splits[i].name, step, strbuf_str(&out).ptr);
            strbuf_release(&out);
        }
    }
}

#define SETTINGS_MAX 4
struct row {
    const char *name;
    const char *settings[SETTINGS_MAX]; /* "key=value" */
    const char *line;
    const char *want; /* "key|value|header:value,..."; NULL as <null>; or the refusal */
};

static const struct row rows[] = {
    {"a value", {NULL}, "v", "<null>|v|"},
    {"an empty line", {NULL}, "", "<null>||"},
    {"a key", {"parse.key=true"}, "k\tv", "k|v|"},
    {"a separator of its own", {"parse.key=true", "key.separator=::"}, "k::v::w", "k|v::w|"},
    {"an empty key", {"parse.key=true"}, "\tv", "|v|"},
    {"a null key", {"parse.key=true", "null.marker=NULL"}, "NULL\tv", "<null>|v|"},
    {"a null value", {"parse.key=true", "null.marker=NULL"}, "k\tNULL", "k|<null>|"},
    {"no key", {"parse.key=true"}, "v", "No key separator found on line number 1: 'v'"},
    {"no key, ignored", {"parse.key=true", "ignore.error=true"}, "v", "<null>|v|"},
    {"headers", {"parse.headers=true"}, "a:1,b:2\tv", "<null>|v|a:1,b:2"},
    {"headers and a key", {"parse.headers=true", "parse.key=true"}, "a:1\tk\tv", "k|v|a:1"},
    {"a null header", {"parse.headers=true", "null.marker=N"}, "a:N\tv", "<null>|v|a:<null>"},
    {"null for all headers", {"parse.headers=true", "null.marker=N"}, "N\tv", "<null>|v|"},
    {"an empty header value", {"parse.headers=true"}, "a:\tv", "<null>|v|a:"},
    {"separators at the end", {"parse.headers=true"}, "a:1,,\tv", "<null>|v|a:1"},
    {"no headers", {"parse.headers=true"}, "v", "No headers delimiter found on line number 1: 'v'"},
    {"a header without a value",
     {"parse.headers=true"},
     "a\tv",
     "No header key separator found in pair 'a' on line number 1"},
    {"a header without a value, ignored",
     {"parse.headers=true", "ignore.error=TRUE"},
     "a,b:1\tv",
     "<null>|v|a:<null>,b:1"},
    {"a null header name",
     {"parse.headers=true", "null.marker=N"},
     "N:1,b:2\tv",
     "Header keys should not be equal to the null marker 'N' as they can't be null"},
    {"separators of headers",
     {"parse.headers=true", "headers.separator=;", "headers.key.separator=="},
     "a=1;b=2\tv",
     "<null>|v|a:1,b:2"},
};

static void add(struct strbuf *out, struct bytes octets) {
    if (octets.ptr == NULL)
        strbuf_add_str(out, STR("<null>"));
    else
        strbuf_add(out, octets.ptr, octets.len);
}

static void read_line(const struct row *row, struct arena *arena, struct strbuf *out) {
    struct settings settings;
    settings_init(&settings, arena);
    for (int i = 0; i < SETTINGS_MAX && row->settings[i] != NULL; i++) {
        struct str key, value;
        cr_assert(cli_split_pair(row->settings[i], &key, &value));
        settings_set(&settings, key, value);
    }
    struct line_reader reader;
    struct console_header headers[LINE_HEADERS_MAX];
    struct console_record record;
    struct str message;
    line_reader_init(&reader, &settings);
    if (line_reader_parse(&reader, str_of(row->line), arena, headers, &record, &message) != ST_OK) {
        strbuf_add_str(out, message);
        return;
    }
    add(out, record.key);
    strbuf_add_char(out, '|');
    add(out, record.value);
    strbuf_add_char(out, '|');
    for (uint32_t i = 0; i < record.header_count; i++) {
        strbuf_printf(out, "%s%.*s:", i > 0 ? "," : "", STR_ARG(headers[i].key));
        add(out, headers[i].value);
    }
}

Test(line_reader, makes_records_as_kafka_s_line_reader_does) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct arena arena;
        struct strbuf out;
        arena_init(&arena, &mem, 4096, 0);
        strbuf_init(&out, &mem);
        read_line(&rows[i], &arena, &out);
        cr_expect_str_eq(strbuf_str(&out).ptr, rows[i].want, "%s: got %s", rows[i].name,
                         strbuf_str(&out).ptr);
        strbuf_release(&out);
        arena_release(&arena);
    }
}

Test(line_reader, refuses_separators_that_are_the_same, .exit_code = 1) {
    struct mem mem = {0};
    struct arena arena;
    struct settings settings;
    struct line_reader reader;
    arena_init(&arena, &mem, 4096, 0);
    settings_init(&settings, &arena);
    settings_set(&settings, STR("headers.separator"), STR(":"));
    line_reader_init(&reader, &settings);
}

Test(line_reader, takes_as_many_headers_as_there_is_room_for) {
    struct mem mem = {0};
    struct arena arena;
    struct settings settings;
    struct line_reader reader;
    struct strbuf line;
    struct console_header headers[LINE_HEADERS_MAX];
    struct console_record record;
    struct str message;
    arena_init(&arena, &mem, 4096, 0);
    strbuf_init(&line, &mem);
    settings_init(&settings, &arena);
    settings_set(&settings, STR("parse.headers"), STR("true"));
    line_reader_init(&reader, &settings);
    for (int i = 0; i < LINE_HEADERS_MAX; i++)
        strbuf_add_str(&line, i == 0 ? STR("a:1") : STR(",a:1"));
    struct str headers_only = strbuf_str(&line);
    struct str most = arena_printf(&arena, "%.*s\tv", STR_ARG(headers_only));
    struct str too_many = arena_printf(&arena, "%.*s,a:1\tv", STR_ARG(headers_only));
    cr_expect_eq(line_reader_parse(&reader, most, &arena, headers, &record, &message), ST_OK);
    cr_expect_eq(record.header_count, LINE_HEADERS_MAX);
    cr_expect_eq(line_reader_parse(&reader, too_many, &arena, headers, &record, &message),
                 ST_INVALID);
    strbuf_release(&line);
    arena_release(&arena);
}
