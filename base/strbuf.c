/* base/strbuf.c - growable text. */
#include "base/strbuf.h"
#include <stdio.h>

void strbuf_init(struct strbuf *sb, struct mem *mem) { *sb = (struct strbuf){.mem = mem}; }

void strbuf_release(struct strbuf *sb) {
    mem_free(sb->mem, sb->data, sb->capacity);
    *sb = (struct strbuf){.mem = sb->mem};
}

void strbuf_clear(struct strbuf *sb) {
    sb->len = 0;
    sb->failed = false;
    if (sb->data != NULL) sb->data[0] = '\0';
}

static bool reserve(struct strbuf *sb, size_t more) {
    if (sb->failed) return false;
    if (sb->capacity - sb->len > more) return true; /* one octet stays for the terminator */
    char *data = NULL;
    size_t capacity = MAX(sb->capacity * 2, (size_t)128);
    if (more < SIZE_MAX / 4) { /* beyond it doubling would wrap around */
        while (capacity - sb->len <= more) capacity *= 2;
        data = mem_resize(sb->mem, sb->data, sb->capacity, capacity);
    }
    if (data == NULL) {
        sb->failed = true;
        return false;
    }
    sb->data = data;
    sb->capacity = capacity;
    return true;
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len) {
    if (!reserve(sb, len)) return;
    if (len > 0) memcpy(sb->data + sb->len, data, len);
    sb->len += len;
    sb->data[sb->len] = '\0';
}

void strbuf_add_str(struct strbuf *sb, struct str s) { strbuf_add(sb, s.ptr, s.len); }
void strbuf_add_char(struct strbuf *sb, char c) { strbuf_add(sb, &c, 1); }

void strbuf_vprintf(struct strbuf *sb, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len < 0) {
        sb->failed = true;
    } else if (reserve(sb, (size_t)len)) {
        (void)vsnprintf(sb->data + sb->len, (size_t)len + 1, format, again); /* measured above */
        sb->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_printf(struct strbuf *sb, const char *format, ...) {
    va_list args;
    va_start(args, format);
    strbuf_vprintf(sb, format, args);
    va_end(args);
}

void strbuf_add_json(struct strbuf *sb, struct str s) {
    strbuf_add_char(sb, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        static const char short_escape[256] = {
            ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
            ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
        };
        if (short_escape[c] != 0) {
            strbuf_add_char(sb, '\\');
            strbuf_add_char(sb, short_escape[c]);
        } else if (c < 0x20) {
            strbuf_printf(sb, "\\u%04X", c);
        } else {
            strbuf_add_char(sb, (char)c);
        }
    }
    strbuf_add_char(sb, '"');
}
