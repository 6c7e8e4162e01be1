/* tests/unit/base/mem.c - the count is exact, and the limit holds at N-1, N and N+1. */
#include "base/mem.h"
#include <criterion/criterion.h>
#include <signal.h>
#include "base/bytes.h"

enum { LIMIT = 1000 };

Test(mem, grants_up_to_the_limit_and_not_one_octet_more) {
    static const struct {
        size_t bytes;
        bool granted;
    } rows[] = {{0, true}, {LIMIT - 1, true}, {LIMIT, true}, {LIMIT + 1, false}, {SIZE_MAX, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {.limit_bytes = LIMIT};
        void *ptr = mem_alloc(&mem, rows[i].bytes);
        cr_expect_eq(ptr != NULL, rows[i].granted, "%zu octets", rows[i].bytes);
        cr_expect_eq(mem.used_bytes, rows[i].granted ? rows[i].bytes : 0, "%zu octets",
                     rows[i].bytes);
        mem_free(&mem, ptr, rows[i].bytes);
        cr_expect_eq(mem.used_bytes, 0, "%zu octets", rows[i].bytes);
    }
}

Test(mem, limits_the_sum_and_grants_again_after_a_free) {
    struct mem mem = {.limit_bytes = LIMIT};
    void *a = mem_alloc(&mem, LIMIT - 10);
    cr_assert_not_null(a);
    cr_expect_null(mem_alloc(&mem, 11));
    void *b = mem_alloc(&mem, 10);
    cr_assert_not_null(b);
    cr_expect_null(mem_alloc(&mem, 1));
    mem_free(&mem, a, LIMIT - 10);
    a = mem_alloc(&mem, LIMIT - 10);
    cr_expect_not_null(a);
    mem_free(&mem, a, LIMIT - 10);
    mem_free(&mem, b, 10);
    cr_expect_eq(mem.used_bytes, 0);
    cr_expect_eq(mem.peak_bytes, LIMIT);
}

Test(mem, without_a_limit_still_counts) {
    struct mem mem = {0};
    void *ptr = mem_alloc(&mem, 1 << 20);
    cr_assert_not_null(ptr);
    cr_expect_eq(mem.used_bytes, 1 << 20);
    mem_free(&mem, ptr, 1 << 20);
    cr_expect_eq(mem.used_bytes, 0);
    cr_expect_eq(mem.peak_bytes, 1 << 20);
    cr_expect_eq(mem.alloc_count, 1);
}

Test(mem, what_is_needed_is_given_zeroed_and_beyond_the_limit) {
    struct mem mem = {.limit_bytes = 10};
    uint8_t *ptr = mem_need(&mem, 64);
    for (size_t i = 0; i < 64; i++) cr_expect_eq(ptr[i], 0, "octet %zu", i);
    cr_expect_eq(mem.used_bytes, 64);
    cr_expect_null(mem_alloc(&mem, 1), "over the limit already");
    cr_expect_null(mem_alloc(&mem, SIZE_MAX), "no wrap when over the limit");
    mem_free(&mem, ptr, 64);
}

Test(mem, resize_keeps_the_content_and_the_count) {
    struct mem mem = {.limit_bytes = LIMIT};
    uint8_t *ptr = mem_resize(&mem, NULL, 0, 100);
    cr_assert_not_null(ptr);
    for (size_t i = 0; i < 100; i++) ptr[i] = (uint8_t)i;
    uint8_t *grown = mem_resize(&mem, ptr, 100, LIMIT);
    cr_assert_not_null(grown);
    cr_expect_eq(mem.used_bytes, LIMIT);
    cr_expect_null(mem_resize(&mem, grown, LIMIT, LIMIT + 1), "one beyond the limit");
    cr_expect_eq(mem.used_bytes, LIMIT);
    for (size_t i = 0; i < 100; i++) cr_expect_eq(grown[i], i, "octet %zu", i);
    uint8_t *shrunk = mem_resize(&mem, grown, LIMIT, 10);
    cr_assert_not_null(shrunk);
    cr_expect_eq(mem.used_bytes, 10);
    for (size_t i = 0; i < 10; i++) cr_expect_eq(shrunk[i], i, "octet %zu", i);
    mem_free(&mem, shrunk, 10);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(mem, charges_what_is_held_elsewhere_against_the_same_limit) {
    struct mem mem = {.limit_bytes = LIMIT};
    cr_expect(mem_charge(&mem, LIMIT));
    cr_expect(!mem_charge(&mem, 1));
    cr_expect_null(mem_alloc(&mem, 1));
    mem_uncharge(&mem, LIMIT);
    cr_expect_eq(mem.used_bytes, 0);
    cr_expect_eq(mem.alloc_count, 0);
}

Test(mem, giving_back_more_than_was_taken_aborts, .signal = SIGABRT) {
    struct mem mem = {0};
    cr_expect(mem_charge(&mem, 10));
    mem_uncharge(&mem, 11);
}

/* A source of memory that only counts. */
struct counting {
    struct mem_source source;
    struct mem plain;
    int blocks, stacks;
};

enum { BLOCK_BYTES = 8192 }; /* every block is as large */

static void *counting_resize(struct mem_source *source, void *ptr, size_t bytes) {
    struct counting *c = CONTAINER_OF(source, struct counting, source);
    if (ptr != NULL || bytes > BLOCK_BYTES) return ptr;
    c->blocks++;
    return mem_alloc(&c->plain, BLOCK_BYTES);
}
static void counting_free(struct mem_source *source, void *ptr) {
    struct counting *c = CONTAINER_OF(source, struct counting, source);
    c->blocks--;
    mem_free(&c->plain, ptr, BLOCK_BYTES);
}
static void *counting_map(struct mem_source *source, size_t bytes) {
    struct counting *c = CONTAINER_OF(source, struct counting, source);
    c->stacks++;
    return mem_map_stack(&c->plain, bytes);
}
static void counting_unmap(struct mem_source *source, void *stack, size_t bytes) {
    struct counting *c = CONTAINER_OF(source, struct counting, source);
    c->stacks--;
    mem_unmap_stack(&c->plain, stack, bytes);
}

Test(mem, every_block_and_stack_comes_from_the_source_and_goes_back_to_it) {
    struct counting c = {.source = {counting_resize, counting_free, counting_map, counting_unmap}};
    struct mem mem = {.source = &c.source};
    uint8_t *needed = mem_need(&mem, 100);
    for (size_t i = 0; i < 100; i++) cr_expect_eq(needed[i], 0, "mem_need zeroes octet %zu", i);
    void *block = mem_alloc(&mem, 50);
    block = mem_resize(&mem, block, 50, 5000);
    uint8_t *stack = mem_map_stack(&mem, 16384);
    stack[0] = stack[16383] = 1;
    cr_expect_eq(c.blocks, 2);
    cr_expect_eq(c.stacks, 1);
    cr_expect_eq(mem.used_bytes, 100 + 5000 + 16384);
    mem_free(&mem, needed, 100);
    mem_free(&mem, block, 5000);
    mem_unmap_stack(&mem, stack, 16384);
    cr_expect_eq(c.blocks + c.stacks, 0);
    cr_expect_eq(mem.used_bytes + c.plain.used_bytes, 0);
}
