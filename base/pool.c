/* base/pool.c - a free list in the objects' own first word. */
#include "base/pool.h"
#include <string.h>
#include "base/assert.h"

void pool_init(struct pool *pool, struct mem *mem, size_t object_bytes, size_t keep_count) {
    ASSERT(object_bytes >= sizeof(void *));
    *pool = (struct pool){.mem = mem, .object_bytes = object_bytes, .keep_count = keep_count};
}

void pool_release(struct pool *pool) {
    ASSERT(pool->live_count == 0);
    while (pool->free_list != NULL) {
        void *object = pool->free_list;
        memcpy(&pool->free_list, object, sizeof(void *));
        mem_free(pool->mem, object, pool->object_bytes);
    }
    pool->free_count = 0;
}

void *pool_get(struct pool *pool) {
    void *object = pool->free_list;
    if (object != NULL) {
        memcpy(&pool->free_list, object, sizeof(void *));
        pool->free_count--;
    } else {
        object = mem_alloc(pool->mem, pool->object_bytes);
        if (object == NULL) return NULL;
        memset(object, 0, pool->object_bytes);
    }
    pool->live_count++;
    return object;
}

void pool_put(struct pool *pool, void *object) {
    ASSERT(pool->live_count > 0);
    pool->live_count--;
    if (pool->free_count >= pool->keep_count) {
        mem_free(pool->mem, object, pool->object_bytes);
        return;
    }
    memcpy(object, &pool->free_list, sizeof(void *));
    pool->free_list = object;
    pool->free_count++;
}
