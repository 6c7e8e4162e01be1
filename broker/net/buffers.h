/* broker/net/buffers.h - octets of requests: buffers in size classes that are used again, so that a
 * steady load allocates nothing and the C library neither maps nor unmaps. Owner: one shard. */
#pragma once
#include "base/mem.h"
#include "base/status.h"

#define BUFFER_CLASSES                                                                             \
    12 /* 512 octets << class: 512, 1 KiB ... 1 MiB; larger ones are not kept                      \
        */
#define BUFFERS_KEPT_BYTES (4 << 20) /* free buffers that one shard keeps */

struct buffer {
    struct buffer *next;
    uint32_t capacity; /* octets of data */
    uint32_t len;      /* octets of data in use */
    uint32_t holders;  /* besides the first: buffer_hold */
    uint8_t data[];
};

struct buffers {
    struct mem *mem; /* borrowed */
    struct buffer *free[BUFFER_CLASSES];
    size_t kept_bytes;
};

void buffers_init(struct buffers *buffers, struct mem *mem);
void buffers_release(struct buffers *buffers);
/** A buffer with room for at least `bytes`, len 0; NULL when the memory budget refuses. */
struct buffer *buffer_get(struct buffers *buffers, size_t bytes);
/** One more who gives it back. */
static inline void buffer_hold(struct buffer *buffer) { buffer->holders++; }
/** Gives it back; NULL is allowed. */
void buffer_put(struct buffers *buffers, struct buffer *buffer);
