/* base/strbuf.h - text that grows: printers, JSON, exposition pages, checkpoint files.
 * Invariant: data[len] == 0 once anything was added. A failed growth sets `failed` and later calls
 * do nothing, so a writer checks once at the end. */
#pragma once
#include <stdbool.h>
#include <stdarg.h>
#include "base/bytes.h"
#include "base/mem.h"

struct strbuf {
    struct mem *mem; /* borrowed */
    char *data;
    size_t len;      /* octets of text */
    size_t capacity; /* octets allocated */
    bool failed;
};

void strbuf_init(struct strbuf *sb, struct mem *mem);
void strbuf_release(struct strbuf *sb);
/** Empty again; memory is kept. */
void strbuf_clear(struct strbuf *sb);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_add_str(struct strbuf *sb, struct str s);
void strbuf_add_char(struct strbuf *sb, char c);
void strbuf_printf(struct strbuf *sb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *sb, const char *format, va_list args);
/** A JSON string with quotes, escaped as Jackson does (controls as \u00XX, UTF-8 as it is). */
void strbuf_add_json(struct strbuf *sb, struct str s);
static inline struct str strbuf_str(const struct strbuf *sb) {
    return (struct str){sb->data != NULL ? sb->data : "", sb->len};
}
