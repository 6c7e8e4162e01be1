/* tools/settings.c - see settings.h. */
#include "tools/settings.h"
#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/properties.h"

#define PROPERTY_FILE_BYTES_MAX ((size_t)4 << 20)

void settings_init(struct settings *settings, struct arena *arena) {
    *settings = (struct settings){.arena = arena};
}

static struct setting *find(const struct settings *settings, struct str key) {
    for (struct setting *s = settings->first; s != NULL; s = s->next) {
        if (str_eq(s->key, key)) return s;
    }
    return NULL;
}

void settings_set(struct settings *settings, struct str key, struct str value) {
    struct str copy = arena_str(settings->arena, value);
    struct setting *setting = find(settings, key);
    if (setting == NULL) {
        setting = ARENA_NEW(settings->arena, struct setting);
        ASSERT(setting != NULL); /* the arena has no limit */
        setting->key = arena_str(settings->arena, key);
        if (settings->last != NULL)
            settings->last->next = setting;
        else
            settings->first = setting;
        settings->last = setting;
    }
    setting->value = copy;
    ASSERT(setting->key.ptr != NULL && copy.ptr != NULL);
}

struct str settings_get(const struct settings *settings, const char *key) {
    const struct setting *setting = find(settings, str_of(key));
    return setting != NULL ? setting->value : STR_NULL;
}

bool settings_get_bool(const struct settings *settings, const char *key, bool missing) {
    struct str value = str_trim(settings_get(settings, key));
    if (value.ptr == NULL) return missing;
    return value.len == 4 && strncasecmp(value.ptr, "true", 4) == 0;
}

int64_t settings_get_ms(const struct settings *settings, const char *key, int64_t missing) {
    struct str text = settings_get(settings, key);
    int64_t value = missing;
    if (text.ptr != NULL && (!str_to_int64(text, &value) || value < 0 || value > INT32_MAX))
        cli_exit("%s=%s: not a number of milliseconds", key, text.ptr);
    return value;
}

struct str settings_get_or(const struct settings *settings, const char *key, const char *missing) {
    struct str value = settings_get(settings, key);
    return value.ptr != NULL ? value : str_of(missing);
}

static enum status read_open_file(struct arena *arena, int fd, size_t limit_bytes,
                                  struct str *ret_text) {
    struct stat about;
    if (fstat(fd, &about) < 0) return status_from_errno(-errno);
    if (S_ISDIR(about.st_mode)) return ST_INVALID;
    size_t capacity = S_ISREG(about.st_mode) ? (size_t)about.st_size : limit_bytes;
    if (capacity > limit_bytes) return ST_TOO_LARGE;
    char *text = arena_alloc(arena, capacity + 1);
    if (text == NULL) return ST_NOMEM;
    size_t len = 0;
    while (len < capacity) {
        ssize_t got = read(fd, text + len, capacity - len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return status_from_errno(-errno);
        if (got == 0) break;
        len += (size_t)got;
    }
    text[len] = '\0';
    *ret_text = (struct str){text, len};
    return ST_OK;
}

enum status read_whole_file(struct arena *arena, const char *path, size_t limit_bytes,
                            struct str *ret_text) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return status_from_errno(-errno);
    enum status st = read_open_file(arena, fd, limit_bytes, ret_text);
    (void)close(fd); /* opened for reading only: nothing can be lost */
    return st;
}

void settings_load(struct settings *settings, const char *path) {
    struct str text;
    errno = 0;
    enum status st = read_whole_file(settings->arena, path, PROPERTY_FILE_BYTES_MAX, &text);
    if (st != ST_OK)
        cli_exit("%s: cannot be read: %s", path, errno != 0 ? strerror(errno) : status_name(st));
    struct properties properties;
    uint32_t line = 0;
    st = properties_parse(text, settings->arena, &properties, &line);
    if (st == ST_CORRUPT) cli_exit("%s:%u: a \\u escape needs four hexadecimal digits", path, line);
    if (st != ST_OK) cli_exit("%s: cannot be read: %s", path, status_name(st));
    for (uint32_t i = 0; i < properties.count; i++)
        settings_set(settings, properties.entries[i].key, properties.entries[i].value);
}

void settings_add_arguments(struct settings *settings, const struct cli *cli, uint32_t option) {
    for (uint32_t i = 0; i < cli_count(cli, option); i++) {
        const char *text = cli_nth(cli, option, i);
        struct str key = str_of(text), value = STR("");
        const char *equals = strchr(text, '=');
        if (equals != NULL && !cli_split_pair(text, &key, &value))
            cli_usage_exit(cli, "Invalid command line properties: %s", text);
        settings_set(settings, key, value);
    }
}
