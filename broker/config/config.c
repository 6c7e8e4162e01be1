/* broker/config/config.c - file and overrides into a struct config. */
#include "broker/config/config.h"
#include <stdlib.h>
#include "base/assert.h"
#include "base/properties.h"

const struct config_key *config_key_find(struct str name) {
    uint32_t low = 0, high = config_key_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = str_cmp(str_of(config_keys[middle].name), name);
        if (order == 0) return &config_keys[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct config_setting *config_setting_find(const struct config_set *set, struct str name) {
    for (uint32_t i = 0; i < set->count; i++) {
        if (str_eq(str_of(set->settings[i].key->name), name)) return &set->settings[i];
    }
    return NULL;
}

struct loader {
    struct arena *arena;
    const char *file_name;
    struct config_setting **by_key; /* one slot per key of the table */
    struct str *error;
};

static enum status fail(struct loader *l, struct str error) {
    *l->error = error;
    return ST_INVALID;
}

static struct str place(struct loader *l, enum config_source source, uint32_t line) {
    if (source == SOURCE_OVERRIDE) return STR("--override");
    return arena_printf(l->arena, "%s:%u", l->file_name, line);
}

/* The key that was probably meant: the longest common beginning. */
static const char *nearest_key(struct str name) {
    size_t best_len = 0;
    const char *best = NULL;
    for (uint32_t i = 0; i < config_key_count; i++) {
        size_t n = 0;
        while (n < name.len && config_keys[i].name[n] == name.ptr[n]) n++;
        if (n > best_len) {
            best_len = n;
            best = config_keys[i].name;
        }
    }
    return best_len >= 4 ? best : NULL;
}

static enum status refuse_unknown(struct loader *l, struct str name, struct str where) {
    const char *near = nearest_key(name);
    return fail(l, arena_printf(l->arena, "%.*s: unknown key '%.*s'%s%s%s", STR_ARG(where),
                                STR_ARG(name), near != NULL ? "; did you mean '" : "",
                                near != NULL ? near : "", near != NULL ? "'?" : ""));
}

static bool is_default(const struct config_key *key, struct str value) {
    return str_eq(value, str_of(key->default_text != NULL ? key->default_text : ""));
}

static enum status set(struct loader *l, struct str name, struct str value,
                       enum config_source source, uint32_t line) {
    struct str where = place(l, source, line);
    const struct config_key *key = config_key_find(name);
    if (key == NULL) return refuse_unknown(l, name, where);
    value = str_trim(value);
    struct str problem = config_value_problem(key, value, l->arena);
    bool is_secret = key->type == CONFIG_PASSWORD;
    struct str shown = is_secret ? STR("[hidden]") : value;
    if (problem.ptr != NULL)
        return fail(l, arena_printf(l->arena, "%.*s: %.*s", STR_ARG(where), STR_ARG(problem)));
    if (key->force == FORCE_REFUSED && !is_default(key, value)) {
        return fail(
            l, arena_printf(
                   l->arena,
                   "%.*s: %.*s=%.*s: this key is not served yet, and leaving it out would weaken "
                   "safety or security: remove it",
                   STR_ARG(where), STR_ARG(name), STR_ARG(shown)));
    }
    struct config_setting *setting = ARENA_NEW(l->arena, struct config_setting);
    if (setting == NULL) return fail(l, STR("no memory for the configuration"));
    *setting = (struct config_setting){.key = key, .value = value, .source = source, .line = line};
    l->by_key[key - config_keys] = setting;
    return ST_OK;
}

static struct str_list split_list(struct str text, struct arena *arena) {
    uint32_t count = 1;
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == ',';
    struct str_list list = {.items = arena_array(arena, count, sizeof(struct str))};
    ASSERT(list.items != NULL);
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        struct str item = str_trim((struct str){text.ptr, len});
        if (item.len > 0) list.items[list.count++] = item;
        text.ptr += MIN(len + 1, text.len);
        text.len -= MIN(len + 1, text.len);
    }
    return list;
}

/* The text passed config_value_problem; NULL is the null default. */
static void store(const struct config_key *key, const char *text_or_null, struct str text,
                  struct config *values, struct arena *arena) {
    void *field = (char *)values + key->offset;
    bool is_null = text_or_null == NULL;
    switch (key->type) {
    case CONFIG_BOOLEAN: *(bool *)field = !is_null && text.len == 4; break;
    case CONFIG_SHORT:
    case CONFIG_INT:
    case CONFIG_LONG:
        *(int64_t *)field = CONFIG_UNSET;
        if (!is_null) ASSERT(str_to_int64(text, field));
        break;
    case CONFIG_DOUBLE: *(double *)field = is_null ? 0 : strtod(text.ptr, NULL); break;
    case CONFIG_LIST:
        *(struct str_list *)field = split_list(is_null ? STR("") : text, arena);
        break;
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD: *(struct str *)field = is_null ? STR_NULL : text; break;
    }
}

static enum status collect(struct loader *l, struct str text, const char *const *overrides,
                           uint32_t override_count) {
    struct properties properties = {0};
    uint32_t bad_line = 0;
    enum status st = properties_parse(text, l->arena, &properties, &bad_line);
    if (st == ST_NOMEM) return fail(l, STR("no memory for the configuration"));
    if (st != ST_OK)
        return fail(l,
                    arena_printf(l->arena, "%s:%u: malformed \\u escape", l->file_name, bad_line));
    for (uint32_t i = 0; i < properties.count; i++) {
        const struct property *p = &properties.entries[i];
        st = set(l, p->key, p->value, SOURCE_FILE, p->line);
        if (st != ST_OK) return st;
    }
    for (uint32_t i = 0; i < override_count; i++) {
        const char *equals = strchr(overrides[i], '=');
        if (equals == NULL) {
            return fail(
                l, arena_printf(l->arena, "--override %s: KEY=VALUE is expected", overrides[i]));
        }
        struct str name = str_trim((struct str){overrides[i], (size_t)(equals - overrides[i])});
        st = set(l, name, str_of(equals + 1), SOURCE_OVERRIDE, 0);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

/* broker.id is the old name of node.id: one of them sets both. */
static enum status join_ids(struct loader *l) {
    const struct config_key *keys[] = {config_key_find(STR("node.id")),
                                       config_key_find(STR("broker.id"))};
    struct config_setting **node = &l->by_key[keys[0] - config_keys];
    struct config_setting **broker = &l->by_key[keys[1] - config_keys];
    if (*node != NULL && *broker != NULL && !str_eq((*node)->value, (*broker)->value)) {
        return fail(
            l, arena_printf(l->arena,
                            "%s: broker.id=%.*s and node.id=%.*s: they are one key, give one value",
                            l->file_name, STR_ARG((*broker)->value), STR_ARG((*node)->value)));
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct config_setting **this = i == 0 ? node : broker, *other = i == 0 ? *broker : *node;
        if (*this != NULL || other == NULL) continue;
        *this = ARENA_NEW(l->arena, struct config_setting);
        if (*this == NULL) return fail(l, STR("no memory for the configuration"));
        **this = *other;
        (*this)->key = keys[i];
    }
    return ST_OK;
}

enum status config_load(struct str text, const char *file_name, const char *const *overrides,
                        uint32_t override_count, struct arena *arena, struct config_set *ret_set,
                        struct str *ret_error) {
    struct loader l = {.arena = arena,
                       .file_name = file_name,
                       .by_key =
                           arena_array(arena, config_key_count, sizeof(struct config_setting *)),
                       .error = ret_error};
    struct config_set found = {
        .settings = arena_array(arena, config_key_count, sizeof(struct config_setting)),
    };
    if (l.by_key == NULL || found.settings == NULL)
        return fail(&l, STR("no memory for the configuration"));
    enum status st = collect(&l, text, overrides, override_count);
    if (st != ST_OK) return st;
    st = join_ids(&l);
    if (st != ST_OK) return st;
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const struct config_setting *setting = l.by_key[i];
        if (setting == NULL && key->required && key->force == FORCE_ACTS) {
            return fail(&l, arena_printf(arena, "%s: %s is missing and has no default", file_name,
                                         key->name));
        }
        if (setting != NULL) found.settings[found.count++] = *setting;
        if (key->offset < 0) continue;
        const char *text_or_null = setting != NULL ? setting->value.ptr : key->default_text;
        store(key, text_or_null, setting != NULL ? setting->value : str_of(key->default_text),
              &found.values, arena);
    }
    *ret_set = found;
    return ST_OK;
}
