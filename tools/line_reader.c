/* tools/line_reader.c - see line_reader.h. Source: org.apache.kafka.tools.LineMessageReader. */
#include "tools/line_reader.h"
#include <inttypes.h>

void line_splitter_init(struct line_splitter *splitter, struct mem *mem) {
    *splitter = (struct line_splitter){0};
    strbuf_init(&splitter->line, mem);
}

void line_splitter_release(struct line_splitter *splitter) { strbuf_release(&splitter->line); }

bool line_splitter_feed(struct line_splitter *splitter, struct bytes *in) {
    if (splitter->after_return && in->len > 0) {
        splitter->after_return = false;
        if (in->ptr[0] == '\n') *in = (struct bytes){in->ptr + 1, in->len - 1};
    }
    size_t len = 0;
    while (len < in->len && in->ptr[len] != '\n' && in->ptr[len] != '\r') len++;
    strbuf_add(&splitter->line, in->ptr, len);
    bool ended = len < in->len;
    if (ended) {
        splitter->after_return = in->ptr[len] == '\r';
        len++;
    }
    *in = (struct bytes){in->ptr + len, in->len - len};
    return ended;
}

void line_splitter_next(struct line_splitter *splitter) { strbuf_clear(&splitter->line); }

static void refuse_same(struct str a, const char *a_name, struct str b, const char *b_name) {
    if (str_eq(a, b)) cli_exit("%s and %s may not be equal", a_name, b_name);
}

void line_reader_init(struct line_reader *reader, const struct settings *settings) {
    *reader = (struct line_reader){
        .parse_key = settings_get_bool(settings, "parse.key", false),
        .parse_headers = settings_get_bool(settings, "parse.headers", false),
        .ignore_error = settings_get_bool(settings, "ignore.error", false),
        .key_separator = settings_get_or(settings, "key.separator", "\t"),
        .headers_delimiter = settings_get_or(settings, "headers.delimiter", "\t"),
        .headers_separator = settings_get_or(settings, "headers.separator", ","),
        .headers_key_separator = settings_get_or(settings, "headers.key.separator", ":"),
        .null_marker = settings_get(settings, "null.marker"),
    };
    refuse_same(reader->headers_delimiter, "headers.delimiter", reader->headers_separator,
                "headers.separator");
    refuse_same(reader->headers_delimiter, "headers.delimiter", reader->headers_key_separator,
                "headers.key.separator");
    refuse_same(reader->headers_separator, "headers.separator", reader->headers_key_separator,
                "headers.key.separator");
    if (reader->null_marker.ptr == NULL) return;
    refuse_same(reader->null_marker, "null.marker", reader->key_separator, "key.separator");
    refuse_same(reader->null_marker, "null.marker", reader->headers_delimiter, "headers.delimiter");
    refuse_same(reader->null_marker, "null.marker", reader->headers_separator, "headers.separator");
    refuse_same(reader->null_marker, "null.marker", reader->headers_key_separator,
                "headers.key.separator");
}

/* Where `part` begins in `text`; false when it is not there. An empty part is at the start. */
static bool find_part(struct str text, struct str part, size_t *ret_at) {
    const char *found = part.len == 0 ? text.ptr : memmem(text.ptr, text.len, part.ptr, part.len);
    if (found == NULL) return false;
    *ret_at = (size_t)(found - text.ptr);
    return true;
}

static struct str skip(struct str text, size_t octets) {
    return (struct str){text.ptr + octets, text.len - octets};
}

/* Cuts what stands before `separator` off *rest; *ret_part stays null when errors are ignored and
 * it is missing. */
static enum status cut_part(struct line_reader *reader, struct str line, struct str separator,
                            const char *name, struct arena *arena, struct str *rest,
                            struct str *ret_part, struct str *ret_message) {
    size_t at;
    if (find_part(*rest, separator, &at)) {
        *ret_part = (struct str){rest->ptr, at};
        *rest = skip(*rest, at + separator.len);
        return ST_OK;
    }
    if (reader->ignore_error) return ST_OK;
    *ret_message = arena_printf(arena, "No %s found on line number %" PRIu64 ": '%.*s'", name,
                                reader->line_number, STR_ARG(line));
    return ST_INVALID;
}

static struct bytes octets_or_null(const struct line_reader *reader, struct str text) {
    if (text.ptr == NULL || str_eq(text, reader->null_marker)) return BYTES_NULL;
    return (struct bytes){(const uint8_t *)text.ptr, text.len};
}

static enum status parse_header(struct line_reader *reader, struct str pair, struct arena *arena,
                                struct console_header *ret_header, struct str *ret_message) {
    size_t at;
    if (!find_part(pair, reader->headers_key_separator, &at)) {
        *ret_header = (struct console_header){.key = pair};
        if (reader->ignore_error) return ST_OK;
        *ret_message = arena_printf(
            arena, "No header key separator found in pair '%.*s' on line number %" PRIu64,
            STR_ARG(pair), reader->line_number);
        return ST_INVALID;
    }
    struct str key = {pair.ptr, at};
    if (str_eq(key, reader->null_marker)) {
        *ret_message =
            arena_printf(arena,
                         "Header keys should not be equal to the null marker '%.*s' as they "
                         "can't be null",
                         STR_ARG(reader->null_marker));
        return ST_INVALID;
    }
    struct str value = skip(pair, at + reader->headers_key_separator.len);
    *ret_header = (struct console_header){.key = key, .value = octets_or_null(reader, value)};
    return ST_OK;
}

/* Java's split: parts that are empty at the end do not count, an empty text is one part. */
static enum status parse_headers(struct line_reader *reader, struct str text, struct arena *arena,
                                 struct console_header *headers, uint32_t *ret_count,
                                 struct str *ret_message) {
    struct str separator = reader->headers_separator;
    size_t whole = text.len;
    while (separator.len > 0 && text.len >= separator.len &&
           memcmp(text.ptr + text.len - separator.len, separator.ptr, separator.len) == 0)
        text.len -= separator.len;
    uint32_t count = 0;
    bool more = text.len > 0 || whole == 0;
    while (more) {
        size_t at = text.len;
        more = separator.len > 0 && find_part(text, separator, &at);
        if (count == LINE_HEADERS_MAX) {
            *ret_message = arena_printf(arena, "More than %d headers on line number %" PRIu64,
                                        LINE_HEADERS_MAX, reader->line_number);
            return ST_INVALID;
        }
        enum status st =
            parse_header(reader, (struct str){text.ptr, at}, arena, &headers[count], ret_message);
        if (st != ST_OK) return st;
        count++;
        if (more) text = skip(text, at + separator.len);
    }
    *ret_count = count;
    return ST_OK;
}

enum status line_reader_parse(struct line_reader *reader, struct str line, struct arena *arena,
                              struct console_header *headers, struct console_record *ret_record,
                              struct str *ret_message) {
    reader->line_number++;
    struct str rest = line, key = STR_NULL, header_text = STR_NULL;
    enum status st = ST_OK;
    if (reader->parse_headers)
        st = cut_part(reader, line, reader->headers_delimiter, "headers delimiter", arena, &rest,
                      &header_text, ret_message);
    if (st == ST_OK && reader->parse_key)
        st = cut_part(reader, line, reader->key_separator, "key separator", arena, &rest, &key,
                      ret_message);
    if (st != ST_OK) return st;
    uint32_t header_count = 0;
    if (header_text.ptr != NULL && !str_eq(header_text, reader->null_marker)) {
        st = parse_headers(reader, header_text, arena, headers, &header_count, ret_message);
        if (st != ST_OK) return st;
    }
    *ret_record = (struct console_record){.key = octets_or_null(reader, key),
                                          .value = octets_or_null(reader, rest),
                                          .headers = headers,
                                          .header_count = header_count};
    return ST_OK;
}
