/* base/arena.c - chunks in a list, a pointer that moves. */
#include "base/arena.h"
#include "base/breathe.h"
#include "base/format.h"

#define ZERO_STEP_BYTES ((size_t)64 << 10)
#define ZERO_STEP_US 40
#define CHUNK_BYTES_MAX ((size_t)8 << 20) /* more is a mapping of its own in any case */

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    size_t used;
    size_t unused_; /* keeps data on a 16-octet boundary */
    uint8_t data[];
};
_Static_assert(sizeof(struct arena_chunk) % 16 == 0, "data is 16-octet aligned");

void arena_init(struct arena *arena, struct mem *mem, size_t chunk_bytes, size_t limit_bytes) {
    *arena = (struct arena){.mem = mem, .chunk_bytes = chunk_bytes, .limit_bytes = limit_bytes};
}

static void free_chunks(struct arena *arena, struct arena_chunk *chunk) {
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        mem_free(arena->mem, chunk, sizeof *chunk + chunk->size);
        chunk = next;
    }
}

void arena_reset(struct arena *arena) {
    arena->used_bytes = 0;
    struct arena_chunk *first = arena->first;
    if (first == NULL) return;
    free_chunks(arena, first->next);
    first->next = NULL;
    first->used = 0;
    arena->last = first;
}

void arena_release(struct arena *arena) {
    free_chunks(arena, arena->first);
    arena->first = arena->last = NULL;
    arena->used_bytes = 0;
}

/* Grows with what is there already, so that little of a large arena lies in small chunks: those
 * come from the heap, where something small that lives on keeps all of them from the kernel. */
static size_t chunk_size(const struct arena *arena, size_t bytes) {
    size_t size = MAX(arena->chunk_bytes, MIN(arena->used_bytes / 4, CHUNK_BYTES_MAX));
    return MAX(size, bytes);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t bytes) {
    size_t size = chunk_size(arena, bytes);
    struct arena_chunk *chunk = mem_alloc(arena->mem, sizeof *chunk + size);
    if (chunk == NULL) return NULL;
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    if (arena->last != NULL) {
        arena->last->next = chunk;
    } else {
        arena->first = chunk;
    }
    arena->last = chunk;
    return chunk;
}

/* Octets that the kernel has yet to give are most of the cost of a large array. */
static void *zero(void *ptr, size_t bytes) {
    uint8_t *at = ptr, *end = at + bytes;
    for (; (size_t)(end - at) > ZERO_STEP_BYTES; at += ZERO_STEP_BYTES) {
        memset(at, 0, ZERO_STEP_BYTES);
        breathe_by(ZERO_STEP_US);
    }
    memset(at, 0, (size_t)(end - at));
    return ptr;
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    size_t rounded = (bytes + 15) & ~(size_t)15;
    if (rounded == 0) rounded = 16;
    if (arena->limit_bytes != 0 &&
        rounded > arena->limit_bytes - MIN(arena->used_bytes, arena->limit_bytes)) {
        return NULL;
    }
    struct arena_chunk *chunk = arena->last;
    if (chunk == NULL || chunk->size - chunk->used < rounded) {
        chunk = add_chunk(arena, rounded);
        if (chunk == NULL) return NULL;
    }
    void *ptr = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    return zero(ptr, rounded);
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return arena_alloc(arena, bytes);
}

struct bytes arena_bytes(struct arena *arena, struct bytes b) {
    if (b.ptr == NULL) return b;
    uint8_t *copy = arena_alloc(arena, b.len + 1);
    if (copy == NULL) return BYTES_NULL;
    memcpy(copy, b.ptr, b.len);
    return (struct bytes){copy, b.len};
}

struct str arena_str(struct arena *arena, struct str s) {
    struct bytes copy = arena_bytes(arena, (struct bytes){(const uint8_t *)s.ptr, s.len});
    return (struct str){(const char *)copy.ptr, copy.len};
}

struct str arena_vprintf(struct arena *arena, const char *format, va_list *args) {
    va_list again;
    va_copy(again, *args);
    size_t len = format_text(NULL, 0, format, args);
    char *text = arena_alloc(arena, len + 1);
    if (text != NULL) (void)format_text(text, len + 1, format, &again); /* measured above */
    va_end(again);
    return text != NULL ? (struct str){text, len} : STR_NULL;
}

struct str arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(arena, format, &args);
    va_end(args);
    return text;
}
