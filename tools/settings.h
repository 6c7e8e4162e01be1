/* tools/settings.h - keys and values that a tool collects from property files, `key=value`
 * arguments and options, the later one winning: what Kafka's tools keep in a java.util.Properties.
 * Everything is arena memory. Owner: the one thread of a tool. */
#pragma once
#include "base/arena.h"
#include "tools/cli.h"

struct setting {
    struct str key, value;
    struct setting *next; /* in the order in which the keys were first set */
};

struct settings {
    struct arena *arena; /* borrowed */
    struct setting *first, *last;
};

void settings_init(struct settings *settings, struct arena *arena);
/** Copies both; replaces the value of a key that is there. */
void settings_set(struct settings *settings, struct str key, struct str value);
/** A null str when the key was never set. Terminated. */
struct str settings_get(const struct settings *settings, const char *key);
/** "true" in any case is true, as Boolean.parseBoolean has it; `missing` when the key was never
 * set. */
bool settings_get_bool(const struct settings *settings, const char *key, bool missing);
/** As settings_get, `missing` instead of a null one. */
struct str settings_get_or(const struct settings *settings, const char *key, const char *missing);
/** A number of milliseconds, `missing` when the key was never set; ends the process when it is no
 * such. */
int64_t settings_get_ms(const struct settings *settings, const char *key, int64_t missing);

/** Adds the entries of a Java properties file; ends the process naming file and line when it cannot
 * be read. */
void settings_load(struct settings *settings, const char *path);
/** Adds the `key=value` values of a repeated option; one without '=' has an empty value. Ends the
 * process when a key is empty. */
void settings_add_arguments(struct settings *settings, const struct cli *cli, uint32_t option);

/** Reads a whole file of at most limit_bytes into the arena, terminated by a NUL that is not
 * counted. ST_TOO_LARGE beyond the limit; ST_INVALID: a directory; else the status of the errno. */
MUST_CHECK enum status read_whole_file(struct arena *arena, const char *path, size_t limit_bytes,
                                       struct str *ret_text);
