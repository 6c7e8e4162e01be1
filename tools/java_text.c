/* tools/java_text.c - see java_text.h. Source: sun.nio.cs.UTF_8, replacing. */
#include "tools/java_text.h"

#define REPLACEMENT "\xef\xbf\xbd"

static bool is_continuation(uint8_t octet) { return (octet & 0xc0) == 0x80; }

/* How many octets a character beginning with `first` takes; 0: it cannot begin one. */
static size_t expected_len(uint8_t first) {
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return 2;
    if (first >= 0xe0 && first <= 0xef) return 3;
    if (first >= 0xf0 && first <= 0xf4) return 4;
    return 0;
}

/* Whether `second` may follow `first`: no overlong forms, nothing above U+10FFFF; surrogates are
 * for the caller. */
static bool may_follow(uint8_t first, uint8_t second) {
    if (!is_continuation(second)) return false;
    if (first == 0xe0) return second >= 0xa0;
    if (first == 0xf0) return second >= 0x90;
    if (first == 0xf4) return second < 0x90;
    return true;
}

/* Octets at the front of `in` that make a character, or that are replaced together. */
static size_t take_character(struct bytes in, bool *ret_valid) {
    size_t want = expected_len(in.ptr[0]);
    *ret_valid = false;
    if (want == 0) return 1;
    size_t len = 1;
    while (len < want && len < in.len) {
        bool fits = len == 1 ? may_follow(in.ptr[0], in.ptr[1]) : is_continuation(in.ptr[len]);
        if (!fits) return len;
        len++;
    }
    bool surrogate = want == 3 && in.ptr[0] == 0xed && in.len > 1 && in.ptr[1] >= 0xa0;
    *ret_valid = len == want && !surrogate;
    return len;
}

void java_text_add(struct strbuf *out, struct bytes octets) {
    while (octets.len > 0) {
        bool valid;
        size_t len = take_character(octets, &valid);
        if (valid)
            strbuf_add(out, octets.ptr, len);
        else
            strbuf_add(out, REPLACEMENT, sizeof REPLACEMENT - 1);
        octets = (struct bytes){octets.ptr + len, octets.len - len};
    }
}
