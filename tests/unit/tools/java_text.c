/* tests/unit/tools/java_text.c - octets that are UTF-8 and octets that are not, as Java's
 * String has them. */
#include "tools/java_text.h"
#include <criterion/criterion.h>

#define R "\xef\xbf\xbd" /* U+FFFD */

/* Each `want` was printed by new String(octets, UTF_8) of Java 17. */
static const struct {
    const char *name, *in;
    size_t len;
    const char *want;
} rows[] = {
    {"ASCII", "abc", 3, "abc"},
    {"two octets", "\xc3\xa9", 2, "\xc3\xa9"},
    {"three octets", "\xe2\x82\xac", 3, "\xe2\x82\xac"},
    {"four octets", "\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
    {"an octet that is in no character",
     "\xff"
     "a",
     2, R "a"},
    {"a continuation alone", "\x80", 1, R},
    {"two octets, cut", "\xc3", 1, R},
    {"two octets, not continued",
     "\xc3"
     "a",
     2, R "a"},
    {"an overlong form of two", "\xc0\xaf", 2, R R},
    {"three octets, cut after two", "\xe2\x82", 2, R},
    {"three octets, not continued after two",
     "\xe2\x82"
     "x",
     3, R "x"},
    {"three octets, not continued",
     "\xe2"
     "xy",
     3, R "xy"},
    {"an overlong form of three", "\xe0\x80\xaf", 3, R R R},
    {"a surrogate", "\xed\xa0\x80", 3, R},
    {"four octets, cut after three", "\xf0\x9f\x98", 3, R},
    {"four octets, not continued after three",
     "\xf0\x9f\x98"
     "x",
     4, R "x"},
    {"beyond U+10FFFF", "\xf4\x90\x80\x80", 4, R R R R},
    {"five octets", "\xf8\x88\x80\x80\x80", 5, R R R R R},
};

Test(java_text, replaces_what_is_no_utf8_as_java_does) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct strbuf out;
        strbuf_init(&out, &mem);
        java_text_add(&out, (struct bytes){(const uint8_t *)rows[i].in, rows[i].len});
        cr_expect_str_eq(strbuf_str(&out).ptr, rows[i].want, "%s", rows[i].name);
        strbuf_release(&out);
    }
}
