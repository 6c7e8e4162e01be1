/* log/lines.c - splitting checkpoint text. */
#include "log/lines.h"

static bool next_line(struct lines *lines, struct str *ret_line) {
    lines->number++;
    if (lines->rest.len == 0) return false;
    const char *end = memchr(lines->rest.ptr, '\n', lines->rest.len);
    size_t len = end != NULL ? (size_t)(end - lines->rest.ptr) : lines->rest.len;
    size_t taken = end != NULL ? len + 1 : len;
    *ret_line = (struct str){lines->rest.ptr, len};
    lines->rest.ptr += taken;
    lines->rest.len -= taken;
    if (len > 0 && ret_line->ptr[len - 1] == '\r') ret_line->len--;
    return true;
}

static enum status next_number(struct lines *lines, int64_t *ret_number) {
    struct str line;
    if (!next_line(lines, &line)) return ST_CORRUPT;
    return str_to_int64(str_trim(line), ret_number) ? ST_OK : ST_CORRUPT;
}

enum status lines_begin(struct lines *lines, struct str text, uint32_t *ret_count) {
    *lines = (struct lines){.rest = text};
    *ret_count = 0;
    if (text.len == 0) return ST_OK;
    int64_t version = 0, count = 0;
    enum status st = next_number(lines, &version);
    if (st != ST_OK) return st;
    if (version != 0) return ST_CORRUPT;
    st = next_number(lines, &count);
    if (st != ST_OK) return st;
    /* The shortest entry is three octets and its line end. */
    if (count < 0 || (uint64_t)count > lines->rest.len / 3 || count > UINT32_MAX) return ST_CORRUPT;
    *ret_count = (uint32_t)count;
    return ST_OK;
}

enum status lines_words(struct lines *lines, struct str *ret_words, size_t count) {
    struct str line;
    if (!next_line(lines, &line)) return ST_CORRUPT;
    size_t found = 0;
    for (size_t i = 0; i < line.len;) {
        while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t')) i++;
        size_t start = i;
        while (i < line.len && line.ptr[i] != ' ' && line.ptr[i] != '\t') i++;
        if (i == start) break;
        if (found == count) return ST_CORRUPT;
        ret_words[found++] = (struct str){line.ptr + start, i - start};
    }
    return found == count ? ST_OK : ST_CORRUPT;
}

enum status lines_end(struct lines *lines) {
    if (str_trim(lines->rest).len == 0) return ST_OK;
    lines->number++;
    return ST_CORRUPT;
}
