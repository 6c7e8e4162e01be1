/* tests/sim/memory.h - all the memory of one simulated process, so that a crash can take it back at
 * once. Every block stays a block of the C library's own, so AddressSanitizer sees each one's
 * bounds and its end. */
#pragma once
#include "base/list.h"
#include "base/mem.h"

struct memory {
    struct mem_source source; /* for struct mem */
    struct list blocks;       /* struct block, oldest first */
    struct list stacks;       /* struct stack */
    struct mem plain;         /* where it all really comes from */
    uint64_t block_count;     /* out at the moment */
};

void memory_init(struct memory *memory);
/** Takes back everything, used or not. */
void memory_release(struct memory *memory);
