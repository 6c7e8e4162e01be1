/* protocol/octets.h - a run of octets that grows: what compressors and the batch builder write
 * into. Invariant: len <= capacity. A refused growth leaves everything as it was. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

struct octets {
    struct mem *mem; /* borrowed */
    uint8_t *data;
    size_t len;      /* octets in use */
    size_t capacity; /* octets allocated */
};

void octets_init(struct octets *o, struct mem *mem);
void octets_release(struct octets *o);
/** Room for `more` octets behind len; ST_NOMEM when memory refuses. Pointers into data die. */
MUST_CHECK enum status octets_reserve(struct octets *o, size_t more);
MUST_CHECK enum status octets_add(struct octets *o, const void *data, size_t len);
static inline struct bytes octets_bytes(const struct octets *o) {
    return (struct bytes){o->data != NULL ? o->data : (const uint8_t *)"", o->len};
}
