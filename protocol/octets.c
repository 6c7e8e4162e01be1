/* protocol/octets.c - growth by doubling. */
#include "protocol/octets.h"

#define FIRST_BYTES 256

void octets_init(struct octets *o, struct mem *mem) { *o = (struct octets){.mem = mem}; }

void octets_release(struct octets *o) {
    mem_free(o->mem, o->data, o->capacity);
    octets_init(o, o->mem);
}

enum status octets_reserve(struct octets *o, size_t more) {
    if (o->capacity - o->len >= more) return ST_OK;
    size_t need;
    if (__builtin_add_overflow(o->len, more, &need)) return ST_NOMEM;
    size_t capacity = MAX(MAX(o->capacity * 2, need), (size_t)FIRST_BYTES);
    uint8_t *data = mem_resize(o->mem, o->data, o->capacity, capacity);
    if (data == NULL) return ST_NOMEM;
    o->data = data;
    o->capacity = capacity;
    return ST_OK;
}

enum status octets_add(struct octets *o, const void *data, size_t len) {
    enum status st = octets_reserve(o, len);
    if (st != ST_OK) return st;
    if (len > 0) memcpy(o->data + o->len, data, len);
    o->len += len;
    return ST_OK;
}
