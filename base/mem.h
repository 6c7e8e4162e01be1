/* base/mem.h - counted allocation. Every allocation belongs to a `struct mem`, which knows how many
 * octets it has out and how many it may have. One mem per shard and purpose; not shared by threads.
 * What a client's input sizes goes through mem_alloc and may fail (ST_NOMEM); small fixed needs go
 * through mem_need and abort, because no answer could be given without them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Where memory comes from when it is not the C library and the kernel: the simulator gives one to
 * each simulated process, so that a crash takes back everything at once. Owned by who sets it. */
struct mem_source {
    /** As realloc: ptr NULL allocates; NULL is a refusal and then the old block stands. */
    void *(*resize)(struct mem_source *source, void *ptr, size_t bytes);
    void (*free)(struct mem_source *source, void *ptr);
    void *(*map_stack)(struct mem_source *source, size_t bytes);
    void (*unmap_stack)(struct mem_source *source, void *stack, size_t bytes);
};

struct mem {
    size_t used_bytes;
    size_t peak_bytes;
    size_t limit_bytes;        /* mem_alloc fails beyond it; 0 = no limit */
    uint64_t alloc_count;      /* since the start: a hot path must not move it */
    struct mem_source *source; /* borrowed; NULL: the C library and the kernel */
};

/** NULL when the limit or the machine refuses; not zeroed; 16-octet aligned. */
void *mem_alloc(struct mem *mem, size_t bytes);
/** Never NULL; zeroed. */
void *mem_need(struct mem *mem, size_t bytes);
/** The octets given when it was allocated are said again; NULL is allowed. */
void mem_free(struct mem *mem, void *ptr, size_t bytes);
/** Grows or shrinks; NULL when refused, and then the old block stands. */
void *mem_resize(struct mem *mem, void *ptr, size_t old_bytes, size_t new_bytes);
/** Charges octets that are held elsewhere (mmap, rings) without allocating; 0 when refused. */
int mem_charge(struct mem *mem, size_t bytes);
void mem_uncharge(struct mem *mem, size_t bytes);
/** A fiber's stack: `bytes` usable octets (whole pages) above a guard page, charged beyond any
 *  limit. Never NULL; the lowest usable octet is returned. */
void *mem_map_stack(struct mem *mem, size_t bytes);
void mem_unmap_stack(struct mem *mem, void *stack, size_t bytes);

#define MEM_NEW(mem, type) ((type *)mem_need((mem), sizeof(type)))
#define MEM_FREE(mem, ptr) mem_free((mem), (ptr), sizeof *(ptr))
