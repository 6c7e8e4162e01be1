/* tests/unit/base/pattern.c - regular expressions fit whole names only. */
#include "base/pattern.h"
#include <criterion/criterion.h>

static const struct {
    const char *pattern, *name;
    bool want;
} rows[] = {
    {"a", "a", true},         {"a", "ab", false},         {"a", "ba", false},
    {"a|ab", "ab", true},     {"a.*", "abc", true},       {"a.b", "a.b", true},
    {"a.b", "axb", true},     {"a\\.b", "axb", false},    {"", "", true},
    {"", "a", false},         {"[a-c]+", "abcabc", true}, {"(?i)ABC", "abc", true},
    {"a|b", "ab", false},     {"^a$", "a", true},         {"a{2}", "aa", true},
    {"(?!x).*", "xa", false},
};

Test(pattern, fits_all_of_a_name_or_nothing) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        char why[100] = "";
        struct pattern *pattern = pattern_new(&mem, str_of(rows[i].pattern), why, sizeof why);
        cr_assert_not_null(pattern, "%s: %s", rows[i].pattern, why);
        cr_expect_eq(pattern_matches(pattern, str_of(rows[i].name)), rows[i].want, "%s on %s",
                     rows[i].pattern, rows[i].name);
        pattern_free(pattern);
        cr_expect_eq(mem.used_bytes, 0);
    }
}

Test(pattern, gives_up_where_a_match_would_take_for_ever) {
    static const char *const bad[] = {"(.*a){20}x?y?", "(a?){100}a{100}", "(a|aa)+x?b?c?$d?."};
    char name[250];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '!';
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct mem mem = {0};
        char why[100] = "";
        struct pattern *pattern = pattern_new(&mem, str_of(bad[i]), why, sizeof why);
        cr_assert_not_null(pattern, "%s: %s", bad[i], why);
        pattern_limit(pattern, 10000);
        cr_expect(!pattern_matches(pattern, (struct str){name, sizeof name}), "%s", bad[i]);
        cr_expect(pattern_gave_up(pattern), "%s", bad[i]);
        pattern_free(pattern);
        cr_expect_eq(mem.used_bytes, 0);
    }
}

Test(pattern, says_what_is_wrong_with_it) {
    struct mem mem = {0};
    char why[100] = "";
    cr_expect_null(pattern_new(&mem, STR("a["), why, sizeof why));
    cr_expect_eq(mem.used_bytes, 0);
    cr_expect_not_null(strstr(why, "near index 2"), "got %s", why);
}
