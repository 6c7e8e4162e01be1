/* base/mem.c - the only file that calls the C library's allocator and maps stacks. */
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define UNPOISON(ptr, bytes) __asan_unpoison_memory_region((ptr), (bytes))
#else
#define UNPOISON(ptr, bytes) ((void)(ptr), (void)(bytes))
#endif

static void *source_resize(struct mem *mem, void *ptr, size_t bytes) {
    size_t size = bytes != 0 ? bytes : 1;
    return mem->source == NULL ? realloc(ptr, size) : mem->source->resize(mem->source, ptr, size);
}

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
    void *ptr = source_resize(mem, NULL, bytes);
    if (ptr == NULL) mem_uncharge(mem, bytes);
    return ptr;
}

void *mem_need(struct mem *mem, size_t bytes) {
    mem->used_bytes += bytes; /* beyond the limit is allowed: it is small and cannot be refused */
    if (mem->used_bytes > mem->peak_bytes) mem->peak_bytes = mem->used_bytes;
    mem->alloc_count++;
    if (mem->source == NULL) {
        void *zeroed = calloc(1, bytes != 0 ? bytes : 1);
        ASSERT(zeroed != NULL);
        return zeroed;
    }
    void *ptr = source_resize(mem, NULL, bytes);
    ASSERT(ptr != NULL);
    memset(ptr, 0, bytes);
    return ptr;
}

void mem_free(struct mem *mem, void *ptr, size_t bytes) {
    if (ptr == NULL) return;
    mem_uncharge(mem, bytes);
    if (mem->source == NULL) {
        free(ptr);
    } else {
        mem->source->free(mem->source, ptr);
    }
}

void *mem_resize(struct mem *mem, void *ptr, size_t old_bytes, size_t new_bytes) {
    if (ptr == NULL) return mem_alloc(mem, new_bytes);
    if (new_bytes > old_bytes && !mem_charge(mem, new_bytes - old_bytes)) return NULL;
    mem->alloc_count++;
    void *grown = source_resize(mem, ptr, new_bytes);
    if (grown == NULL) {
        if (new_bytes > old_bytes) mem_uncharge(mem, new_bytes - old_bytes);
        return NULL;
    }
    if (new_bytes < old_bytes) mem_uncharge(mem, old_bytes - new_bytes);
    return grown;
}

static size_t guard_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void *mem_map_stack(struct mem *mem, size_t bytes) {
    mem->used_bytes += bytes;
    if (mem->used_bytes > mem->peak_bytes) mem->peak_bytes = mem->used_bytes;
    if (mem->source != NULL) return mem->source->map_stack(mem->source, bytes);
    size_t guard = guard_bytes();
    uint8_t *mapping =
        mmap(NULL, bytes + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    ASSERT(mapping != MAP_FAILED);
    ASSERT(mprotect(mapping + guard, bytes, PROT_READ | PROT_WRITE) == 0);
    return mapping + guard;
}

void mem_unmap_stack(struct mem *mem, void *stack, size_t bytes) {
    if (stack == NULL) return;
    mem_uncharge(mem, bytes);
    if (mem->source != NULL) {
        mem->source->unmap_stack(mem->source, stack, bytes);
        return;
    }
    size_t guard = guard_bytes();
    UNPOISON(stack, bytes); /* a fiber that was abandoned left the red zones of its frames */
    (void)munmap((uint8_t *)stack - guard, bytes + guard); /* ours since mmap: cannot fail */
}
