/* protocol/cursor.h - a place in borrowed input that knows where the input ends: the only way by
 * which the codec touches bytes from outside. A take either yields octets that are all there, or
 * NULL and stays where it is. Invariant: at <= end. */
#pragma once
#include "protocol/wire.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct cursor cursor_of(struct bytes in) {
    static const uint8_t nothing[1];
    const uint8_t *at = in.ptr != NULL ? in.ptr : nothing;
    return (struct cursor){at, at + in.len};
}
static inline size_t cursor_left(const struct cursor *c) { return (size_t)(c->end - c->at); }

/** The next `count` octets, borrowed from the input; NULL when fewer are left. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t count) {
    if (count > cursor_left(c)) return NULL;
    const uint8_t *taken = c->at;
    c->at += count;
    return taken;
}

/** As wire_get_uvarint; the cursor moves on ST_OK only. */
MUST_CHECK static inline enum status cursor_uvarint(struct cursor *c, uint32_t *ret_value) {
    if (c->at < c->end && *c->at < 0x80) { /* nearly always */
        *ret_value = *c->at++;
        return ST_OK;
    }
    size_t used;
    enum status st = wire_get_uvarint((struct bytes){c->at, cursor_left(c)}, ret_value, &used);
    if (st == ST_OK) c->at += used;
    return st;
}
