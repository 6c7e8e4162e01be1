/* base/mem.c - the only file that calls the C library's allocator. */
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"

int mem_charge(struct mem *mem, size_t bytes) {
    if (mem->limit_bytes != 0 &&
        (mem->used_bytes > mem->limit_bytes || bytes > mem->limit_bytes - mem->used_bytes)) {
        return 0;
    }
    mem->used_bytes += bytes;
    if (mem->used_bytes > mem->peak_bytes) mem->peak_bytes = mem->used_bytes;
    return 1;
}

void mem_uncharge(struct mem *mem, size_t bytes) {
    ASSERT(mem->used_bytes >= bytes);
    mem->used_bytes -= bytes;
}

void *mem_alloc(struct mem *mem, size_t bytes) {
    if (!mem_charge(mem, bytes)) return NULL;
    mem->alloc_count++;
    void *ptr = malloc(bytes != 0 ? bytes : 1);
    if (ptr == NULL) mem_uncharge(mem, bytes);
    return ptr;
}

void *mem_need(struct mem *mem, size_t bytes) {
    mem->used_bytes += bytes; /* beyond the limit is allowed: it is small and cannot be refused */
    if (mem->used_bytes > mem->peak_bytes) mem->peak_bytes = mem->used_bytes;
    mem->alloc_count++;
    void *ptr = calloc(1, bytes != 0 ? bytes : 1);
    ASSERT(ptr != NULL);
    return ptr;
}

void mem_free(struct mem *mem, void *ptr, size_t bytes) {
    if (ptr == NULL) return;
    mem_uncharge(mem, bytes);
    free(ptr);
}

void *mem_resize(struct mem *mem, void *ptr, size_t old_bytes, size_t new_bytes) {
    if (ptr == NULL) return mem_alloc(mem, new_bytes);
    if (new_bytes > old_bytes && !mem_charge(mem, new_bytes - old_bytes)) return NULL;
    mem->alloc_count++;
    void *grown = realloc(ptr, new_bytes != 0 ? new_bytes : 1);
    if (grown == NULL) {
        if (new_bytes > old_bytes) mem_uncharge(mem, new_bytes - old_bytes);
        return NULL;
    }
    if (new_bytes < old_bytes) mem_uncharge(mem, old_bytes - new_bytes);
    return grown;
}
