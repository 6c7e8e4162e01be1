/* tools/admin.c - see admin.h. */
#include "tools/admin.h"

enum status admin_start(struct admin *admin, struct mem *mem, const char *bootstrap,
                        const char *config_path) {
    struct settings settings;
    arena_init(&admin->arena, mem, 64 * 1024, 0);
    settings_init(&settings, &admin->arena);
    if (config_path != NULL) settings_load(&settings, config_path);
    return client_start(&admin->client, &admin->arena, bootstrap, &settings);
}

void admin_stop(struct admin *admin) {
    client_stop(&admin->client);
    arena_release(&admin->arena);
}

bool str_to_int32(struct str text, int32_t *ret_value) {
    int64_t value;
    if (!str_to_int64(text, &value) || value < INT32_MIN || value > INT32_MAX) return false;
    *ret_value = (int32_t)value;
    return true;
}

bool str_next_part(struct str *rest, char separator, struct str *ret_part) {
    if (rest->ptr == NULL) return false;
    const char *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    *ret_part = str_trim((struct str){rest->ptr, len});
    *rest = end != NULL ? (struct str){end + 1, rest->len - len - 1} : STR_NULL;
    return true;
}
