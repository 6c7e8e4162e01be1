/* tests/unit/broker/group/coordinator.c - where groups live. Rules and traps of the coordinator are
 * traces: tests/scenarios/group_*.txt. */
#include <criterion/criterion.h>
#include "broker/group/coordinator.h"

/* Hashes of Java's String.hashCode, so that group and coordinator meet where Kafka's clients and
 * tools look for them. */
static const struct {
    const char *name, *id;
    int32_t count, want;
} cases[] = {
    {"one character", "a", 50, 97 % 50},
    {"a short name", "g1", 50, 3242 % 50},
    {"no name", "", 50, 0},
    {"as the console consumer names them", "console-consumer-12345", 50, 6},
    {"two octets a character, a hash below zero", "gr\xc3\xbcppe", 50, 12},
    {"a surrogate pair", "\xf0\x9f\x98\x80", 50, 49},
    {"the hash that has no absolute value", "polygenelubricants", 50, 0},
    {"octets that are no text", "\xff", 50, 0xfffd % 50},
};

Test(group, lives_where_javas_hash_says) {
    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t got = group_partition(str_of(cases[i].id), cases[i].count);
        cr_expect_eq(got, cases[i].want, "%s: got %d", cases[i].name, got);
    }
}
