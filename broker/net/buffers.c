/* broker/net/buffers.c - free lists by power of two. */
#include "broker/net/buffers.h"
#include <string.h>

#define SMALLEST 512u

void buffers_init(struct buffers *buffers, struct mem *mem) {
    *buffers = (struct buffers){.mem = mem};
}

static size_t footprint(const struct buffer *buffer) { return sizeof *buffer + buffer->capacity; }

void buffers_release(struct buffers *buffers) {
    for (unsigned i = 0; i < BUFFER_CLASSES; i++) {
        while (buffers->free[i] != NULL) {
            struct buffer *buffer = buffers->free[i];
            buffers->free[i] = buffer->next;
            mem_free(buffers->mem, buffer, footprint(buffer));
        }
    }
    buffers->kept_bytes = 0;
}

/* The smallest class that holds `bytes`; BUFFER_CLASSES when none does. */
static unsigned class_of(size_t bytes) {
    unsigned class = 0;
    while (class < BUFFER_CLASSES && ((size_t)SMALLEST << class) < bytes) class ++;
    return class;
}

struct buffer *buffer_get(struct buffers *buffers, size_t bytes) {
    /* A frame of a 64 KiB batch is a little more than 64 KiB: classes have a quarter on top of the
     * power of two. */
    unsigned class = class_of(bytes - bytes / 5);
    size_t capacity = bytes;
    if (class < BUFFER_CLASSES) {
        capacity = ((size_t)SMALLEST << class) + ((size_t)SMALLEST << class) / 4;
        struct buffer *kept = buffers->free[class];
        if (kept != NULL) {
            buffers->free[class] = kept->next;
            buffers->kept_bytes -= footprint(kept);
            kept->len = 0;
            return kept;
        }
    }
    struct buffer *buffer = mem_alloc(buffers->mem, sizeof *buffer + capacity);
    if (buffer == NULL) return NULL;
    *buffer = (struct buffer){.capacity = (uint32_t)capacity};
    return buffer;
}

void buffer_put(struct buffers *buffers, struct buffer *buffer) {
    if (buffer == NULL) return;
    if (buffer->holders > 0) {
        buffer->holders--;
        return;
    }
    unsigned class = class_of(buffer->capacity - buffer->capacity / 5);
    if (class >= BUFFER_CLASSES || buffers->kept_bytes + footprint(buffer) > BUFFERS_KEPT_BYTES ||
        buffer->capacity != (SMALLEST << class) + (SMALLEST << class) / 4) {
        mem_free(buffers->mem, buffer, footprint(buffer));
        return;
    }
    buffer->next = buffers->free[class];
    buffers->free[class] = buffer;
    buffers->kept_bytes += footprint(buffer);
}
