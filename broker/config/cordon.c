/* broker/config/cordon.c - a list looked up. */
#include "broker/config/cordon.h"

static struct str cordoned(const struct broker_settings *settings) {
    return setting_get(settings, config_key_find(STR("cordoned.log.dirs"))).value;
}

static bool names_all(struct str list) { return str_eq(str_trim(list), STR("*")); }

bool cordon_holds(const struct broker_settings *settings, struct str dir) {
    struct str rest = cordoned(settings), item;
    if (names_all(rest)) return true;
    while (config_list_next(&rest, &item)) {
        if (item.len > 0 && str_eq(item, dir)) return true;
    }
    return false;
}

static bool is_log_dir(const struct config *config, struct str dir) {
    const struct str_list *dirs = config_log_dirs(config);
    for (uint32_t i = 0; i < dirs->count; i++) {
        if (str_eq(dirs->items[i], dir)) return true;
    }
    return false;
}

struct str cordon_problem(const struct broker_settings *settings, struct arena *arena) {
    struct str rest = cordoned(settings), item, missing = STR_NULL;
    if (names_all(rest) || rest.len == 0) return STR_NULL;
    while (config_list_next(&rest, &item)) {
        if (names_all(item)) {
            return STR("requirement failed: When cordoned.log.dirs is set to *, it must not "
                       "contain other values");
        }
        if (is_log_dir(&settings->set->values, item)) continue;
        missing = missing.ptr == NULL ? item
                                      : arena_printf(arena, "%.*s, %.*s", STR_ARG(missing),
                                                     STR_ARG(item));
    }
    if (missing.ptr == NULL) return STR_NULL;
    return arena_printf(arena,
                        "requirement failed: All entries in cordoned.log.dirs must be present in "
                        "log.dirs or log.dir. Missing entries : %.*s",
                        STR_ARG(missing));
}
