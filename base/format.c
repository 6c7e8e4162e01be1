/* base/format.c - see format.h. */
#include "base/format.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/assert.h"

struct sink {
    char *out; /* NULL: only measured */
    size_t len, room;
};

static void put(struct sink *sink, const char *data, size_t len) {
    if (sink->out != NULL && len > 0) {
        ASSERT(len <= sink->room - sink->len);
        memcpy(sink->out + sink->len, data, len);
    }
    sink->len += len;
}

/* The spec stands in a format that the compiler has checked. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void put_number(struct sink *sink, const char *spec, ...) {
    va_list args;
    va_start(args, spec);
    char *at = sink->out != NULL ? sink->out + sink->len : NULL;
    int len = vsnprintf(at, at != NULL ? sink->room - sink->len : 0, spec, args);
    va_end(args);
    ASSERT(len >= 0);
    sink->len += (size_t)len;
}
#pragma GCC diagnostic pop

#define SPEC_BYTES 32

/* One conversion as it stands behind its '%', with numbers for '*'; returns what follows it. */
static const char *read_spec(const char *format, va_list *args, char spec[SPEC_BYTES],
                             int *ret_precision) {
    size_t len = 0;
    const char *at = format;
    *ret_precision = -1;
    spec[len++] = '%';
    while (strchr("-+ #0123456789.*hlz", *at) != NULL) {
        int number = 0;
        if (*at == '*') {
            number = va_arg(*args, int);
            len += (size_t)snprintf(spec + len, SPEC_BYTES - len, "%d", number);
            if (at[-1] == '.') *ret_precision = number;
        } else {
            spec[len++] = *at;
        }
        ASSERT(len < SPEC_BYTES - 1);
        at++;
    }
    spec[len++] = *at;
    spec[len] = '\0';
    return at + 1;
}

static const char *put_conversion(struct sink *sink, const char *format, va_list *args) {
    char spec[SPEC_BYTES];
    int precision;
    const char *rest = read_spec(format, args, spec, &precision);
    bool is_long = strchr(spec, 'l') != NULL, is_size = strchr(spec, 'z') != NULL;
    switch (rest[-1]) {
    case '%': put(sink, "%", 1); break;
    case 's': {
        const char *text = va_arg(*args, const char *);
        if (precision >= 0) {
            put(sink, text, (size_t)precision);
        } else {
            put_number(sink, spec, text);
        }
        break;
    }
    case 'f': put_number(sink, spec, va_arg(*args, double)); break;
    case 'c':
    case 'd':
    case 'u':
    case 'x':
        /* long and long long are one size here, and so is size_t. */
        if (is_long || is_size) {
            put_number(sink, spec, va_arg(*args, long long));
        } else {
            put_number(sink, spec, va_arg(*args, int));
        }
        break;
    default: ASSERT(!"a conversion that format_text does not know");
    }
    return rest;
}

size_t format_text(char *out, size_t room, const char *format, va_list *args) {
    struct sink sink = {.out = out, .room = room};
    while (*format != '\0') {
        size_t plain = strcspn(format, "%");
        put(&sink, format, plain);
        format += plain;
        if (*format == '%') format = put_conversion(&sink, format + 1, args);
    }
    put(&sink, "", 1);
    return sink.len - 1;
}
