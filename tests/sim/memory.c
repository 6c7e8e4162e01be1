/* tests/sim/memory.c - blocks with a list link in front, stacks with a note beside them. */
#include "tests/sim/memory.h"
#include "base/bytes.h"

struct block {
    struct list link;
    size_t bytes;
    size_t unused; /* keeps what follows 16-octet aligned */
};
_Static_assert(sizeof(struct block) % 16 == 0, "what follows is aligned");

struct stack {
    struct list link;
    void *base;
    size_t bytes;
};

static void *resize(struct mem_source *source, void *ptr, size_t bytes) {
    struct memory *memory = CONTAINER_OF(source, struct memory, source);
    if (ptr == NULL) {
        struct block *block = mem_alloc(&memory->plain, sizeof *block + bytes);
        if (block == NULL) return NULL;
        *block = (struct block){.bytes = bytes};
        list_push_back(&memory->blocks, &block->link);
        memory->block_count++;
        return block + 1;
    }
    struct block *old = (struct block *)ptr - 1;
    size_t old_bytes = old->bytes;
    list_remove(&old->link);
    struct block *block =
        mem_resize(&memory->plain, old, sizeof *old + old_bytes, sizeof *old + bytes);
    if (block == NULL) {
        list_push_back(&memory->blocks, &old->link);
        return NULL;
    }
    block->bytes = bytes;
    list_push_back(&memory->blocks, &block->link);
    return block + 1;
}

static void give_back(struct mem_source *source, void *ptr) {
    struct memory *memory = CONTAINER_OF(source, struct memory, source);
    struct block *block = (struct block *)ptr - 1;
    list_remove(&block->link);
    memory->block_count--;
    mem_free(&memory->plain, block, sizeof *block + block->bytes);
}

static void *map_stack(struct mem_source *source, size_t bytes) {
    struct memory *memory = CONTAINER_OF(source, struct memory, source);
    struct stack *stack = MEM_NEW(&memory->plain, struct stack);
    stack->base = mem_map_stack(&memory->plain, bytes);
    stack->bytes = bytes;
    list_push_back(&memory->stacks, &stack->link);
    return stack->base;
}

static void stack_free(struct memory *memory, struct stack *stack) {
    list_remove(&stack->link);
    mem_unmap_stack(&memory->plain, stack->base, stack->bytes);
    MEM_FREE(&memory->plain, stack);
}

static void unmap_stack(struct mem_source *source, void *base, size_t bytes) {
    struct memory *memory = CONTAINER_OF(source, struct memory, source);
    LIST_EACH(&memory->stacks, node) {
        struct stack *stack = CONTAINER_OF(node, struct stack, link);
        if (stack->base == base) stack_free(memory, stack);
    }
}

void memory_init(struct memory *memory) {
    *memory = (struct memory){.source = {resize, give_back, map_stack, unmap_stack}};
    list_init(&memory->blocks);
    list_init(&memory->stacks);
}

void memory_release(struct memory *memory) {
    LIST_EACH(&memory->blocks, node) {
        struct block *block = CONTAINER_OF(node, struct block, link);
        give_back(&memory->source, block + 1);
    }
    LIST_EACH(&memory->stacks, node) stack_free(memory, CONTAINER_OF(node, struct stack, link));
}
