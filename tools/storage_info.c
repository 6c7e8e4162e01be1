/* tools/storage_info.c - kafka-storage info. Source: kafka.tools.StorageTool. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "base/assert.h"
#include "base/properties.h"
#include "base/strbuf.h"
#include "tools/storage.h"

#define META_BYTES_MAX (64 << 10)

/* What a meta.properties says, all of it, sorted by key. */
struct meta {
    struct property *entries;
    uint32_t count;
};

struct report {
    struct arena *arena;
    struct strbuf found, problems; /* a line each */
    uint32_t found_count, problem_count;
    struct meta first; /* the first that could be read; count 0: none yet */
};

__attribute__((format(printf, 2, 3))) static void add_problem(struct report *r, const char *format,
                                                              ...) {
    va_list args;
    va_start(args, format);
    strbuf_add_str(&r->problems, STR("  "));
    strbuf_vprintf(&r->problems, format, args);
    va_end(args);
    strbuf_add_char(&r->problems, '\n');
    r->problem_count++;
}

static int by_key(const void *a, const void *b) {
    return str_cmp(((const struct property *)a)->key, ((const struct property *)b)->key);
}

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct str meta_get(const struct meta *meta, const char *key) {
    for (uint32_t i = 0; i < meta->count; i++) {
        if (str_eq(meta->entries[i].key, str_of(key))) return meta->entries[i].value;
    }
    return STR_NULL;
}

static bool same_value(const struct meta *a, const struct meta *b, const char *key) {
    return str_eq(meta_get(a, key), meta_get(b, key));
}

/* ST_INVALID and what is wrong (arena). */
static enum status read_meta(struct report *r, const char *path, struct meta *ret_meta,
                             const char **ret_why) {
    struct str text;
    struct properties properties;
    uint32_t line = 0;
    enum status st = read_whole_file(r->arena, path, META_BYTES_MAX, &text);
    if (st == ST_OK) st = properties_parse(text, r->arena, &properties, &line);
    if (st != ST_OK) {
        *ret_why = status_name(st);
        return ST_INVALID;
    }
    struct meta meta = {properties.entries, properties.count};
    qsort(meta.entries, meta.count, sizeof *meta.entries, by_key);
    struct str version = meta_get(&meta, "version");
    if (!str_eq(version, STR("1"))) {
        *ret_why = version.ptr == NULL
                       ? "No version property found"
                       : arena_printf(r->arena, "Unknown meta.properties version number %.*s",
                                      STR_ARG(version))
                             .ptr;
        return ST_INVALID;
    }
    if (meta_get(&meta, "cluster.id").ptr == NULL || meta_get(&meta, "node.id").ptr == NULL) {
        *ret_why = "cluster.id or node.id is missing";
        return ST_INVALID;
    }
    *ret_meta = meta;
    return ST_OK;
}

static void look_at(struct report *r, struct str dir) {
    struct stat about;
    if (stat(dir.ptr, &about) < 0) {
        add_problem(r, "%s does not exist", dir.ptr);
        return;
    }
    if (!S_ISDIR(about.st_mode)) {
        add_problem(r, "%s is not a directory", dir.ptr);
        return;
    }
    strbuf_printf(&r->found, "  %s\n", dir.ptr);
    r->found_count++;
    const char *path = arena_printf(r->arena, "%s/meta.properties", dir.ptr).ptr;
    ASSERT(path != NULL);
    if (stat(path, &about) < 0) {
        add_problem(r, "%s is not formatted.", dir.ptr);
        return;
    }
    struct meta meta;
    const char *why;
    if (read_meta(r, path, &meta, &why) != ST_OK) {
        add_problem(r, "Error loading %s: %s", path, why);
        return;
    }
    if (r->first.count == 0)
        r->first = meta;
    else if (!same_value(&r->first, &meta, "cluster.id"))
        add_problem(r, "Mismatched cluster IDs between storage directories.");
    else if (!same_value(&r->first, &meta, "node.id"))
        add_problem(r, "Mismatched node IDs between storage directories.");
}

static void print_report(const struct report *r) {
    if (r->found_count > 0)
        printf("Found log director%s:\n%s\n", r->found_count == 1 ? "y" : "ies",
               strbuf_str(&r->found).ptr);
    if (r->first.count > 0) {
        fputs("Found metadata: {", stdout);
        for (uint32_t i = 0; i < r->first.count; i++)
            printf("%s%.*s=%.*s", i > 0 ? ", " : "", STR_ARG(r->first.entries[i].key),
                   STR_ARG(r->first.entries[i].value));
        fputs("}\n\n", stdout);
    }
    if (r->problem_count > 0)
        printf("Found problem%s:\n%s\n", r->problem_count == 1 ? "" : "s",
               strbuf_str(&r->problems).ptr);
}

/* log.dirs (or log.dir) and metadata.log.dir, each once, sorted. */
static uint32_t list_dirs(struct arena *arena, const struct settings *settings,
                          struct str **ret_dirs) {
    struct str list = settings_get(settings, "log.dirs");
    if (list.ptr == NULL) list = settings_get_or(settings, "log.dir", "/tmp/kafka-logs");
    struct str metadata = settings_get_or(settings, "metadata.log.dir", "");
    struct str all = arena_printf(arena, "%.*s,%.*s", STR_ARG(list), STR_ARG(metadata));
    struct str *dirs = arena_array(arena, all.len + 1, sizeof *dirs);
    ASSERT(all.ptr != NULL && dirs != NULL);
    uint32_t count = 0;
    for (const char *rest = all.ptr; *rest != '\0';) {
        size_t len = strcspn(rest, ",");
        struct str dir = arena_str(arena, str_trim((struct str){rest, len}));
        bool known = dir.len == 0;
        for (uint32_t i = 0; i < count; i++) known |= str_eq(dirs[i], dir);
        if (!known) dirs[count++] = dir;
        rest += rest[len] == ',' ? len + 1 : len;
    }
    qsort(dirs, count, sizeof *dirs, by_text);
    *ret_dirs = dirs;
    return count;
}

int storage_info(struct arena *arena, const char *config_path) {
    struct settings settings;
    settings_init(&settings, arena);
    settings_load(&settings, config_path);
    struct report report = {.arena = arena};
    strbuf_init(&report.found, arena->mem);
    strbuf_init(&report.problems, arena->mem);
    struct str *dirs;
    uint32_t count = list_dirs(arena, &settings, &dirs);
    for (uint32_t i = 0; i < count; i++) look_at(&report, dirs[i]);
    print_report(&report);
    strbuf_release(&report.found);
    strbuf_release(&report.problems);
    return report.problem_count > 0 ? 1 : 0;
}
