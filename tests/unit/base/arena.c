/* tests/unit/base/arena.c - alignment, limits at their edges, no allocation after warm-up. */
#include "base/arena.h"
#include <criterion/criterion.h>
#include <stdio.h>

enum { CHUNK = 1024, LIMIT = 640 };

Test(arena, allocations_are_aligned_zeroed_and_apart) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    uint8_t *before = NULL;
    for (size_t bytes = 0; bytes < 200; bytes++) {
        uint8_t *ptr = arena_alloc(&arena, bytes);
        cr_assert_not_null(ptr);
        cr_expect_eq((uintptr_t)ptr % 16, 0, "%zu octets", bytes);
        cr_expect_neq(ptr, before, "%zu octets", bytes);
        for (size_t i = 0; i < bytes; i++) cr_expect_eq(ptr[i], 0, "octet %zu of %zu", i, bytes);
        memset(ptr, 0xff, bytes);
        before = ptr;
    }
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(arena, reused_memory_is_zeroed_again) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    memset(arena_alloc(&arena, 100), 0xff, 100);
    arena_reset(&arena);
    const uint8_t *ptr = arena_alloc(&arena, 100);
    for (size_t i = 0; i < 100; i++) cr_expect_eq(ptr[i], 0, "octet %zu", i);
    arena_release(&arena);
}

Test(arena, after_warm_up_nothing_is_allocated) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    (void)arena_alloc(&arena, 1);
    arena_reset(&arena);
    uint64_t warm = mem.alloc_count;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < CHUNK / 16; i++) cr_assert_not_null(arena_alloc(&arena, 16));
        arena_reset(&arena);
    }
    cr_expect_eq(mem.alloc_count, warm);
    arena_release(&arena);
}

Test(arena, reset_gives_back_all_chunks_but_the_first) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    (void)arena_alloc(&arena, 16);
    size_t one_chunk = mem.used_bytes;
    for (int i = 0; i < 1000; i++) cr_assert_not_null(arena_alloc(&arena, 100));
    cr_expect_gt(mem.used_bytes, one_chunk);
    arena_reset(&arena);
    cr_expect_eq(mem.used_bytes, one_chunk);
    cr_expect_eq(arena.used_bytes, 0);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(arena, a_large_one_has_few_chunks_and_little_room_to_spare) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, 4096, 0);
    for (int i = 0; i < 1 << 16; i++) cr_assert_not_null(arena_alloc(&arena, 1024));
    unsigned long long chunk_count = mem.alloc_count;
    cr_expect_lt(chunk_count, 100, "64 MiB in %llu chunks", chunk_count);
    cr_expect_lt(mem.used_bytes, arena.used_bytes / 4 * 5 + 8192);
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(arena, an_allocation_larger_than_a_chunk_gets_its_own) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    uint8_t *small = arena_alloc(&arena, 16);
    uint8_t *large = arena_alloc(&arena, CHUNK * 10);
    uint8_t *after = arena_alloc(&arena, CHUNK);
    cr_assert(small != NULL && large != NULL && after != NULL);
    memset(small, 1, 16);
    memset(large, 2, CHUNK * 10);
    memset(after, 3, CHUNK);
    cr_expect_eq(small[15], 1);
    cr_expect_eq(large[CHUNK * 10 - 1], 2);
    arena_release(&arena);
}

Test(arena, its_limit_holds_at_the_edge_and_comes_back_with_a_reset) {
    static const struct {
        size_t bytes;
        bool granted;
    } rows[] = {{LIMIT - 16, true}, {LIMIT, true},         {LIMIT + 1, false},
                {SIZE_MAX, false},  {SIZE_MAX / 2, false}, {SIZE_MAX - 15, false}};
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, LIMIT);
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(arena_alloc(&arena, rows[i].bytes) != NULL, rows[i].granted, "%zu octets",
                     rows[i].bytes);
        arena_reset(&arena);
    }
    cr_expect_not_null(arena_alloc(&arena, LIMIT - 16));
    cr_expect_null(arena_alloc(&arena, 17));
    cr_expect_not_null(arena_alloc(&arena, 16));
    cr_expect_null(arena_alloc(&arena, 0), "even an empty one takes its place");
    arena_release(&arena);
}

Test(arena, the_limit_of_its_mem_holds_too) {
    struct mem mem = {.limit_bytes = 4 * CHUNK};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    int granted = 0;
    while (granted < 100 && arena_alloc(&arena, CHUNK) != NULL) granted++;
    cr_expect_eq(granted, 3, "three chunks and their headers fit, got %d", granted);
    arena_reset(&arena);
    cr_expect_not_null(arena_alloc(&arena, CHUNK));
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(arena, an_array_whose_size_overflows_is_refused) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    cr_expect_null(arena_array(&arena, SIZE_MAX / 8 + 1, 8));
    cr_expect_null(arena_array(&arena, SIZE_MAX, SIZE_MAX));
    cr_expect_not_null(arena_array(&arena, 0, 8));
    cr_expect_not_null(arena_array(&arena, 10, 8));
    arena_release(&arena);
}

Test(arena, copies_are_terminated_and_null_stays_null) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    cr_expect_null(arena_str(&arena, STR_NULL).ptr);
    struct str empty = arena_str(&arena, STR(""));
    cr_expect_not_null(empty.ptr);
    cr_expect_str_eq(empty.ptr, "");
    struct str copy = arena_str(&arena, (struct str){"sixteen octets!!more", 16});
    cr_expect_str_eq(copy.ptr, "sixteen octets!!");
    cr_expect_eq(copy.len, 16);
    cr_expect_null(arena_bytes(&arena, BYTES_NULL).ptr);
    arena_release(&arena);
}

Test(arena, a_copy_that_does_not_fit_is_null) {
    struct mem mem = {.limit_bytes = 1};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    struct str copy = arena_str(&arena, STR("text"));
    cr_expect_null(copy.ptr);
    cr_expect_eq(copy.len, 0);
    cr_expect_null(arena_printf(&arena, "%d", 1).ptr);
    arena_release(&arena);
}

Test(arena, formats_text_of_any_length) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    struct str text = arena_printf(&arena, "%s-%d", "topic", 7);
    cr_expect_str_eq(text.ptr, "topic-7");
    cr_expect_eq(text.len, 7);
    text = arena_printf(&arena, "%*d", CHUNK * 2, 1);
    cr_expect_eq(text.len, CHUNK * 2);
    cr_expect_eq(text.ptr[CHUNK * 2 - 1], '1');
    arena_release(&arena);
}

Test(arena, formats_as_printf_does) {
    struct mem mem = {0};
    struct arena arena;
    char want[200];
    arena_init(&arena, &mem, CHUNK, 0);
#define BOTH(...)                                                                                  \
    do {                                                                                           \
        (void)snprintf(want, sizeof want, __VA_ARGS__);                                            \
        cr_expect_str_eq(arena_printf(&arena, __VA_ARGS__).ptr, want);                             \
    } while (0)
    BOTH("%s", "");
    BOTH("100%%, %d%% of %u", -5, 4000000000u);
    BOTH("%lld %llu %zu %ld", -5000000000LL, 18446744073709551615ULL, (size_t)7, -1L);
    BOTH("%04x %08x %012llx %c|%5d|%-5d|%+d", 0xabu, 0xfu, 0x123456789aULL, 'c', 42, 42, 42);
    BOTH("%.3f %.*f %5.1f", 3.14159, 2, 2.71828, 1.25);
    BOTH("%*d|%.*s|%10s|%-10s|%.3s", 6, 42, 3, "abcdef", "right", "left", "cut");
#undef BOTH
    arena_release(&arena);
}

Test(arena, formats_text_with_a_nul_whole) {
    struct mem mem = {0};
    struct arena arena;
    arena_init(&arena, &mem, CHUNK, 0);
    struct str name = {"a\0b", 3};
    struct str text = arena_printf(&arena, "Topic '%.*s' is %s", STR_ARG(name), "bad");
    cr_expect(str_eq(text, (struct str){"Topic 'a\0b' is bad", 18}), "got %zu octets", text.len);
    arena_release(&arena);
}
