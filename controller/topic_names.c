/* controller/topic_names.c - which names a topic may have. */
#include "base/limits.h"
#include "controller/controller.h"

static bool is_legal(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

struct str topic_name_problem(struct str name, struct arena *arena) {
    if (name.len == 0) return STR("Topic name is invalid: the empty string is not allowed");
    if (str_eq(name, STR("."))) return STR("Topic name is invalid: '.' is not allowed");
    if (str_eq(name, STR(".."))) return STR("Topic name is invalid: '..' is not allowed");
    if (name.len > LIMIT_TOPIC_NAME_BYTES) {
        return arena_printf(
            arena,
            "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d",
            STR_ARG(name), LIMIT_TOPIC_NAME_BYTES);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (is_legal(name.ptr[i])) continue;
        return arena_printf(
            arena,
            "Topic name is invalid: '%.*s' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'",
            STR_ARG(name));
    }
    return STR_NULL;
}
