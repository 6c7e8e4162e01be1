/* tests/unit/reactor/plain.h - as much of Criterion as these tests use, for a program that runs
 * them one after another in one process: Criterion cannot start under ThreadSanitizer (its shared
 * arena does not find its place), and this is where that sanitizer is wanted. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_test {
    const char *name;
    void (*run)(void);
    struct plain_test *next;
};
extern struct plain_test *plain_tests;

#define Test(suite, name_, ...)                                                                    \
    static void suite##_##name_(void);                                                             \
    static struct plain_test suite##_##name_##_entry = {#suite "::" #name_, suite##_##name_,       \
                                                        NULL};                                     \
    __attribute__((constructor)) static void suite##_##name_##_register(void) {                    \
        suite##_##name_##_entry.next = plain_tests;                                                \
        plain_tests = &suite##_##name_##_entry;                                                    \
    }                                                                                              \
    static void suite##_##name_(void)

#define cr_assert(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
#define cr_expect cr_assert
#define cr_assert_eq(a, b, ...) cr_assert((a) == (b))
#define cr_assert_leq(a, b, ...) cr_assert((a) <= (b))
#define cr_assert_lt(a, b, ...) cr_assert((a) < (b))
#define cr_assert_geq(a, b, ...) cr_assert((a) >= (b))
#define cr_assert_gt(a, b, ...) cr_assert((a) > (b))
#define cr_assert_not_null(a, ...) cr_assert((a) != NULL)
#define cr_assert_neq(a, b, ...) cr_assert((a) != (b))
#define cr_expect_eq cr_assert_eq
#define cr_expect_neq(a, b, ...) cr_assert((a) != (b))
#define cr_expect_leq cr_assert_leq
#define cr_expect_lt cr_assert_lt
#define cr_expect_geq cr_assert_geq
#define cr_expect_gt cr_assert_gt
#define cr_expect_str_eq(a, b, ...) cr_assert(strcmp((a), (b)) == 0)
#define cr_expect_arr_eq(a, b, len, ...) cr_assert(memcmp((a), (b), (len)) == 0)
