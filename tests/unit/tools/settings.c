/* tests/unit/tools/settings.c - keys and values from files and arguments. */
#include "tools/settings.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct mem mem;
static struct arena arena;
static struct settings settings;

static void set_up(void) {
    arena_init(&arena, &mem, 4096, 0);
    settings_init(&settings, &arena);
}

TestSuite(settings, .init = set_up);

Test(settings, lets_the_later_value_win) {
    settings_set(&settings, STR("a"), STR("1"));
    settings_set(&settings, STR("b"), STR("TRUE"));
    settings_set(&settings, STR("a"), STR("2"));
    cr_expect(str_eq(settings_get(&settings, "a"), STR("2")));
    cr_expect(str_eq(settings_get_or(&settings, "c", "none"), STR("none")));
    cr_expect_null(settings_get(&settings, "c").ptr);
    cr_expect(settings_get_bool(&settings, "b", false));
    cr_expect(!settings_get_bool(&settings, "a", true), "anything but true is false");
    cr_expect(settings_get_bool(&settings, "c", true), "what is missing");
    cr_expect(str_eq(settings.first->key, STR("a")) && str_eq(settings.last->key, STR("b")),
              "their order stands");
}

static const char *file_with(const char *text) {
    static char path[] = "/tmp/klamm-settings-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return path;
}

Test(settings, reads_a_properties_file) {
    const char *path = file_with("# client\nacks = all\nlinger.ms: 5\n");
    settings_load(&settings, path);
    unlink(path);
    cr_expect(str_eq(settings_get(&settings, "acks"), STR("all")));
    cr_expect(str_eq(settings_get(&settings, "linger.ms"), STR("5")));
}

Test(settings, refuses_a_file_that_is_not_there, .exit_code = 1) {
    settings_load(&settings, "/nonexistent/file");
}

Test(settings, refuses_a_file_with_a_bad_escape, .exit_code = 1) {
    const char *path = file_with("a=\\u12\n");
    settings_load(&settings, path);
    unlink(path);
}

Test(settings, reads_a_whole_file_up_to_a_limit) {
    const char *path = file_with("12345");
    struct str text;
    cr_expect_eq(read_whole_file(&arena, path, 5, &text), ST_OK);
    cr_expect(str_eq(text, STR("12345")) && text.ptr[5] == '\0');
    cr_expect_eq(read_whole_file(&arena, path, 4, &text), ST_TOO_LARGE);
    unlink(path);
    cr_expect_eq(read_whole_file(&arena, path, 5, &text), ST_NOT_FOUND);
    cr_expect_eq(read_whole_file(&arena, "/tmp", 5, &text), ST_INVALID);
}
