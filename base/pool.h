/* base/pool.h - objects of one size that are used again: requests, connections, operations.
 * Freed objects wait in a list (at most keep_count of them), so a hot path allocates nothing after
 * warm-up. Not shared by threads. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"

struct pool {
    struct mem *mem; /* borrowed */
    size_t object_bytes;
    size_t keep_count; /* free objects kept for later */
    size_t free_count;
    size_t live_count;
    void *free_list;
};

/** object_bytes >= sizeof(void *). */
void pool_init(struct pool *pool, struct mem *mem, size_t object_bytes, size_t keep_count);
/** Every object must have been put back. */
void pool_release(struct pool *pool);
/** Contents are whatever the last user left (or zero); NULL when the budget refuses. */
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);
/** Whether the next pool_put keeps its object: one that owns something lets go of it otherwise. */
static inline bool pool_keeps(const struct pool *pool) {
    return pool->free_count < pool->keep_count;
}
