/* broker/config/config.c - file, environment and overrides into a struct config. */
#include "broker/config/config.h"
#include <ctype.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/properties.h"
#include "broker/config/contradictions.h"

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

struct str config_place(const struct config_set *set, struct str name) {
    const struct config_setting *setting = config_setting_find(set, name);
    return setting != NULL ? setting->place : str_of(set->file_name);
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

/* Where a setting stands. */
struct place {
    enum config_source source;
    uint32_t line;        /* in the file */
    const char *variable; /* "NAME=value" */
};

static struct str place_text(struct loader *l, const struct place *place) {
    switch (place->source) {
    case SOURCE_OVERRIDE: return STR("--override");
    case SOURCE_VARIABLE: return (struct str){place->variable, strcspn(place->variable, "=")};
    case SOURCE_DEFAULT:
    case SOURCE_FILE: break;
    }
    return arena_printf(l->arena, "%s:%u", l->file_name, place->line);
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
                       const struct place *place) {
    struct str where = place_text(l, place);
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
    *setting = (struct config_setting){
        .key = key, .value = value, .source = place->source, .line = place->line, .place = where};
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

/* A directory that is named twice is one, as Apache Kafka has it. */
static void drop_repeated(struct str_list *list) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        bool is_there = false;
        for (uint32_t k = 0; k < kept; k++)
            is_there = is_there || str_eq(list->items[k], list->items[i]);
        if (!is_there) list->items[kept++] = list->items[i];
    }
    list->count = kept;
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

/* --- where settings stand --- */

#define VARIABLE_PREFIX "KLAMM_"

static bool names_key(struct str name, const char *key) {
    size_t len = strlen(key);
    if (name.len != len) return false;
    for (size_t i = 0; i < len; i++) {
        char c = key[i] == '.' ? '_' : (char)toupper((unsigned char)key[i]);
        if (name.ptr[i] != c) return false;
    }
    return true;
}

/* The key that a variable names; NULL: none. */
static const struct config_key *key_of_variable(const char *variable) {
    struct str whole = {variable, strcspn(variable, "=")};
    size_t prefix = sizeof VARIABLE_PREFIX - 1;
    if (whole.len < prefix || memcmp(whole.ptr, VARIABLE_PREFIX, prefix) != 0) return NULL;
    struct str name = {whole.ptr + prefix, whole.len - prefix};
    for (uint32_t i = 0; i < config_key_count; i++) {
        const char *key = config_keys[i].name;
        if (names_key(name, key) || (strncmp(key, "klamm.", 6) == 0 && names_key(whole, key)))
            return &config_keys[i];
    }
    return NULL;
}

const struct str_list *config_log_dirs(const struct config *config) {
    return config->log_dirs.count > 0 ? &config->log_dirs : &config->log_dir;
}

bool config_metadata_is_apart(const struct config *config) {
    const struct str_list *dirs = config_log_dirs(config);
    for (uint32_t i = 0; i < dirs->count; i++)
        if (str_eq(dirs->items[i], config->metadata_log_dir)) return false;
    return config->metadata_log_dir.ptr != NULL;
}

bool config_writes_inline(const struct config *config) {
    if (!str_eq(config->klamm_inline_writes, STR("auto")))
        return str_eq(config->klamm_inline_writes, STR("true"));
    /* Of several one may not hold the others. */
    return config_log_dirs(config)->count <= 1 && !config_metadata_is_apart(config);
}

bool config_is_variable(const char *variable) { return key_of_variable(variable) != NULL; }

static enum status collect_file(struct loader *l, struct str text) {
    struct properties properties = {0};
    uint32_t bad_line = 0;
    enum status st = properties_parse(text, l->arena, &properties, &bad_line);
    if (st == ST_NOMEM) return fail(l, STR("no memory for the configuration"));
    if (st != ST_OK)
        return fail(l,
                    arena_printf(l->arena, "%s:%u: malformed \\u escape", l->file_name, bad_line));
    for (uint32_t i = 0; i < properties.count; i++) {
        const struct property *p = &properties.entries[i];
        st = set(l, p->key, p->value, &(struct place){.source = SOURCE_FILE, .line = p->line});
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static enum status collect(struct loader *l, const struct config_input *input) {
    enum status st = collect_file(l, input->text);
    for (uint32_t i = 0; i < input->variable_count && st == ST_OK; i++) {
        const char *variable = input->variables[i], *equals = strchr(variable, '=');
        const struct config_key *key = key_of_variable(variable);
        if (key == NULL || equals == NULL) continue;
        struct place place = {.source = SOURCE_VARIABLE, .variable = variable};
        st = set(l, str_of(key->name), str_of(equals + 1), &place);
    }
    for (uint32_t i = 0; i < input->override_count && st == ST_OK; i++) {
        const char *override = input->overrides[i], *equals = strchr(override, '=');
        if (equals == NULL) {
            return fail(l,
                        arena_printf(l->arena, "--override %s: KEY=VALUE is expected", override));
        }
        struct str name = str_trim((struct str){override, (size_t)(equals - override)});
        st = set(l, name, str_of(equals + 1), &(struct place){.source = SOURCE_OVERRIDE});
    }
    return st;
}

/* broker.id is the old name of node.id: one of them sets both. */
static enum status join_ids(struct loader *l) {
    const struct config_key *keys[] = {config_key_find(STR("node.id")),
                                       config_key_find(STR("broker.id"))};
    struct config_setting **node = &l->by_key[keys[0] - config_keys];
    struct config_setting **broker = &l->by_key[keys[1] - config_keys];
    if (*node != NULL && *broker != NULL && !str_eq((*node)->value, (*broker)->value)) {
        return fail(
            l,
            arena_printf(
                l->arena, "%.*s: broker.id=%.*s and node.id=%.*s: they are one key, give one value",
                STR_ARG((*broker)->place), STR_ARG((*broker)->value), STR_ARG((*node)->value)));
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct config_setting **this = i == 0 ? node : broker, *other = i == 0 ? *broker : *node;
        if (*this != NULL || other == NULL) continue;
        struct str problem = config_value_problem(keys[i], other->value, l->arena);
        if (problem.ptr != NULL)
            return fail(
                l, arena_printf(l->arena, "%.*s: %.*s", STR_ARG(other->place), STR_ARG(problem)));
        *this = ARENA_NEW(l->arena, struct config_setting);
        if (*this == NULL) return fail(l, STR("no memory for the configuration"));
        **this = *other;
        (*this)->key = keys[i];
    }
    return ST_OK;
}

/* What contradicts itself among good values, told with the settings that do and their places. */
static enum status refuse_contradiction(struct loader *l, const struct config_set *set) {
    struct broker_settings settings = {.set = set};
    struct settings_problem problem = broker_settings_problem(&settings, l->arena);
    struct str first = str_of(l->file_name), told = STR("");
    if (problem.text.ptr == NULL) return ST_OK;
    for (size_t i = 0; i < COUNT(problem.keys) && problem.keys[i] != NULL; i++) {
        struct str name = str_of(problem.keys[i]->name);
        const struct config_setting *setting = config_setting_find(set, name);
        if (setting == NULL) continue;
        bool is_first = told.len == 0;
        struct str place =
            is_first ? STR("") : arena_printf(l->arena, " at %.*s", STR_ARG(setting->place));
        if (is_first) first = setting->place;
        told = arena_printf(l->arena, "%.*s%s%.*s=%.*s%.*s", STR_ARG(told), is_first ? " (" : ", ",
                            STR_ARG(name), STR_ARG(setting->value), STR_ARG(place));
    }
    return fail(l, arena_printf(l->arena, "%.*s: %.*s%.*s%s", STR_ARG(first), STR_ARG(problem.text),
                                STR_ARG(told), told.len > 0 ? ")" : ""));
}

enum status config_load(const struct config_input *input, struct arena *arena,
                        struct config_set *ret_set, struct str *ret_error) {
    struct loader l = {.arena = arena,
                       .file_name = input->file_name,
                       .by_key =
                           arena_array(arena, config_key_count, sizeof(struct config_setting *)),
                       .error = ret_error};
    struct config_set found = {
        .file_name = input->file_name,
        .settings = arena_array(arena, config_key_count, sizeof(struct config_setting)),
    };
    if (l.by_key == NULL || found.settings == NULL)
        return fail(&l, STR("no memory for the configuration"));
    enum status st = collect(&l, input);
    if (st != ST_OK) return st;
    st = join_ids(&l);
    if (st != ST_OK) return st;
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const struct config_setting *setting = l.by_key[i];
        if (setting == NULL && key->required && key->force == FORCE_ACTS) {
            return fail(&l, arena_printf(arena, "%s: %s is missing and has no default", l.file_name,
                                         key->name));
        }
        if (setting != NULL) found.settings[found.count++] = *setting;
        if (key->offset < 0) continue;
        const char *text_or_null = setting != NULL ? setting->value.ptr : key->default_text;
        store(key, text_or_null, setting != NULL ? setting->value : str_of(key->default_text),
              &found.values, arena);
    }
    drop_repeated(&found.values.log_dirs);
    drop_repeated(&found.values.log_dir);
    if (refuse_contradiction(&l, &found) != ST_OK) return ST_INVALID;
    *ret_set = found;
    return ST_OK;
}
