/* base/arena.h - memory that dies together: one request, one job step, one image delta.
 * Allocation is a bump of a pointer; arena_reset keeps the first chunk, so a reused arena allocates
 * nothing after warm-up. Not shared by threads. */
#pragma once
#include <stdarg.h>
#include "base/bytes.h"
#include "base/mem.h"

struct arena_chunk;
struct arena {
    struct mem *mem;           /* borrowed; where chunks come from */
    struct arena_chunk *first; /* kept by arena_reset */
    struct arena_chunk *last;
    size_t chunk_bytes; /* of an ordinary chunk */
    size_t used_bytes;  /* handed out since the last reset */
    size_t limit_bytes; /* arena_alloc fails beyond it; 0 = only mem's limit */
};

void arena_init(struct arena *arena, struct mem *mem, size_t chunk_bytes, size_t limit_bytes);
/** Everything allocated becomes invalid; the first chunk is kept. */
void arena_reset(struct arena *arena);
/** Returns all memory; the arena may be initialised again. */
void arena_release(struct arena *arena);
/** Zeroed, 16-octet aligned; NULL when a limit refuses. None asked: still a unique pointer. */
void *arena_alloc(struct arena *arena, size_t bytes);
/** count * size with overflow check. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/** A copy, terminated by a NUL that is not counted; a null str stays null.
 *  A null result for one that was not null: no memory. */
struct str arena_str(struct arena *arena, struct str s);
struct bytes arena_bytes(struct arena *arena, struct bytes b);
/** Formatted text in the arena; {NULL, 0} when there is no memory. By format_text: a name that a
 * client gives may hold a NUL. */
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *arena, const char *format, va_list *args);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
