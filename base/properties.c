/* base/properties.c - logical lines, then key, separator and value. */
#include "base/properties.h"

struct reader {
    const char *at, *end;
    uint32_t line;
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }
static bool is_line_end(char c) { return c == '\n' || c == '\r'; }

static void skip_line_end(struct reader *r) {
    if (r->at < r->end && *r->at == '\r') r->at++;
    if (r->at < r->end && *r->at == '\n') r->at++;
    r->line++;
}

/* One logical line without its comments and leading blanks, continuation lines joined; escapes are
 * kept. */
static bool next_logical_line(struct reader *r, struct arena *arena, struct str *ret_text,
                              uint32_t *ret_line) {
    while (r->at < r->end) {
        while (r->at < r->end && is_blank(*r->at)) r->at++;
        if (r->at == r->end) return false;
        if (is_line_end(*r->at)) {
            skip_line_end(r);
            continue;
        }
        if (*r->at != '#' && *r->at != '!') break;
        while (r->at < r->end && !is_line_end(*r->at)) r->at++;
    }
    if (r->at == r->end) return false;
    *ret_line = r->line;
    char *out = arena_alloc(arena, (size_t)(r->end - r->at) + 1);
    if (out == NULL) {
        *ret_text = STR_NULL;
        return true;
    }
    size_t len = 0;
    while (r->at < r->end && !is_line_end(*r->at)) {
        if (*r->at != '\\' || r->at + 1 == r->end) {
            out[len++] = *r->at++;
        } else if (is_line_end(r->at[1])) {
            r->at++;
            skip_line_end(r);
            while (r->at < r->end && is_blank(*r->at)) r->at++;
        } else {
            out[len++] = *r->at++;
            out[len++] = *r->at++;
        }
    }
    *ret_text = (struct str){out, len};
    return true;
}

static size_t put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum status unescape(struct str raw, struct arena *arena, struct str *ret_text) {
    char *out = arena_alloc(arena, raw.len + 1);
    if (out == NULL) return ST_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] != '\\' || i + 1 == raw.len) {
            out[len++] = raw.ptr[i];
            continue;
        }
        char c = raw.ptr[++i];
        if (c != 'u') {
            out[len++] = (char)(c == 't'   ? '\t'
                                : c == 'n' ? '\n'
                                : c == 'r' ? '\r'
                                : c == 'f' ? '\f'
                                           : c);
            continue;
        }
        uint32_t code = 0;
        for (int k = 0; k < 4; k++) {
            int digit = i + 1 < raw.len ? hex_value(raw.ptr[++i]) : -1;
            if (digit < 0) return ST_CORRUPT;
            code = code << 4 | (uint32_t)digit;
        }
        len += put_utf8(out + len, code);
    }
    *ret_text = (struct str){out, len};
    return ST_OK;
}

static enum status split(struct str text, struct arena *arena, struct property *property) {
    size_t key_end = 0;
    while (key_end < text.len && !is_blank(text.ptr[key_end]) && text.ptr[key_end] != '=' &&
           text.ptr[key_end] != ':') {
        key_end += text.ptr[key_end] == '\\' && key_end + 1 < text.len ? 2 : 1;
    }
    size_t value = key_end;
    while (value < text.len && is_blank(text.ptr[value])) value++;
    if (value < text.len && (text.ptr[value] == '=' || text.ptr[value] == ':')) value++;
    while (value < text.len && is_blank(text.ptr[value])) value++;
    enum status st = unescape((struct str){text.ptr, key_end}, arena, &property->key);
    if (st != ST_OK) return st;
    return unescape((struct str){text.ptr + value, text.len - value}, arena, &property->value);
}

enum status properties_parse(struct str text, struct arena *arena,
                             struct properties *ret_properties, uint32_t *ret_line) {
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += is_line_end(text.ptr[i]);
    struct properties found = {.entries = arena_array(arena, lines, sizeof(struct property))};
    if (found.entries == NULL) return ST_NOMEM;
    struct reader r = {.at = text.ptr, .end = text.ptr + text.len, .line = 1};
    struct str line;
    struct property property;
    while (next_logical_line(&r, arena, &line, &property.line)) {
        if (line.ptr == NULL) return ST_NOMEM;
        enum status st = split(line, arena, &property);
        if (st != ST_OK) {
            *ret_line = property.line;
            return st;
        }
        found.entries[found.count++] = property;
    }
    *ret_properties = found;
    return ST_OK;
}

const struct property *properties_find(const struct properties *properties, struct str key) {
    for (uint32_t i = properties->count; i > 0; i--) {
        if (str_eq(properties->entries[i - 1].key, key)) return &properties->entries[i - 1];
    }
    return NULL;
}
