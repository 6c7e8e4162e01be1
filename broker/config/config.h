/* broker/config/config.h - server.properties: one table of keys (broker/config/keys.tsv), typed
 * values, clear errors. Pure: text in, values out. Fail closed: an unknown key, a malformed value,
 * or a key whose absence would weaken safety is an error that names key, value, file and line. Keys
 * that are accepted but not in force are reported once. Source of names, types, defaults and
 * bounds: kafka.server.KafkaConfig of 4.3.1. */
#pragma once
#include <stddef.h>
#include "base/arena.h"
#include "base/status.h"
#include "broker/config/keys.h"

enum config_type {
    CONFIG_BOOLEAN,
    CONFIG_SHORT,
    CONFIG_INT,
    CONFIG_LONG,
    CONFIG_DOUBLE,
    CONFIG_STRING,
    CONFIG_LIST,
    CONFIG_CLASS,
    CONFIG_PASSWORD
};
enum config_update { UPDATE_READ_ONLY, UPDATE_PER_BROKER, UPDATE_CLUSTER_WIDE };
enum config_force { FORCE_ACTS, FORCE_LATER, FORCE_REFUSED };
enum config_importance { IMPORTANCE_HIGH, IMPORTANCE_MEDIUM, IMPORTANCE_LOW };
enum config_scope {
    SCOPE_PUBLIC,
    SCOPE_INTERNAL,     /* shown only when it is set */
    SCOPE_DYNAMIC_ONLY, /* never in the file; shown only when it is set */
};

struct config_key {
    const char *name;
    const char *default_text; /* NULL: null, or required */
    const char *valid;        /* Kafka's notation: [min,...], [min,...,max], [a, b], "" */
    const char *doc;
    int32_t offset; /* of the field in struct config; -1: not in force */
    enum config_type type;
    enum config_update update;
    enum config_force force;
    enum config_importance importance;
    enum config_scope scope;
    bool required;
    /* Stands in, multiplied, where this one is null (log.roll.ms: log.roll.hours * 3600000); may
     * have one itself. NULL: nothing does. */
    const char *otherwise;
    int64_t otherwise_factor;
};

extern const struct config_key config_keys[]; /* sorted by name */
extern const uint32_t config_key_count;
const struct config_key *config_key_find(struct str name);

#define CONFIG_UNSET INT64_MIN /* a number whose default is null and that nobody set */

/* Where a value came from, later ones win. */
enum config_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_VARIABLE, SOURCE_OVERRIDE };

struct config_setting {
    const struct config_key *key;
    struct str value;
    enum config_source source;
    uint32_t line;    /* in the file */
    struct str place; /* FILE:LINE, the variable's name, or --override */
};

struct config_set {
    const char *file_name; /* borrowed; for messages */
    struct config values;
    struct config_setting *settings; /* arena: one per key that was set, sorted by name */
    uint32_t count;
};

/* Where settings come from. The later of file, variables and overrides wins. */
struct config_input {
    struct str text; /* of the file */
    const char *file_name;
    /* "NAME=value" of the environment. A name is KLAMM_ and a key in capitals with '_' for '.'
     * (KLAMM_LOG_DIRS; of klamm's own keys the prefix may stand once: KLAMM_SHARDS). Others are
     * nobody's: config_is_variable says which. */
    const char *const *variables;
    uint32_t variable_count;
    const char *const *overrides; /* "key=value" */
    uint32_t override_count;
};

/** Parses and checks everything. On failure *ret_error is one line (arena) that says what is wrong,
 * where, and what would be right. Texts are borrowed from the arena and the input. */
MUST_CHECK enum status config_load(const struct config_input *input, struct arena *arena,
                                   struct config_set *ret_set, struct str *ret_error);
/** Whether a variable of the environment, "NAME=value", sets a key. */
bool config_is_variable(const char *variable);
/** The setting of a key, NULL when it has its default. */
const struct config_setting *config_setting_find(const struct config_set *set, struct str name);
/** Where the key is set, for messages; the file's name when it has its default. Borrowed. */
struct str config_place(const struct config_set *set, struct str name);
/** Checks one value against a key's type and bounds; null when it is good, else what Kafka says of
 * it, with key and value (arena). */
struct str config_value_problem(const struct config_key *key, struct str value,
                                struct arena *arena);
/** "2.5%" as 0.025, up to 100%; false when it is no share. */
bool config_value_share(struct str text, double *ret_share);
/** Cuts the next item off a comma separated list; false at its end, or null. "a," has two items. */
bool config_list_next(struct str *rest, struct str *ret_item);
/** The directories for partitions: log.dirs, else log.dir. */
const struct str_list *config_log_dirs(const struct config *config);
/** Whether metadata.log.dir is none of those. */
bool config_metadata_is_apart(const struct config *config);
/** klamm.inline.writes: whether shards append by themselves. */
bool config_writes_inline(const struct config *config);
/** Reads a whole text as a number; false when it is none. */
bool config_value_double(struct str text, double *ret_value);
/** A good value as Kafka shows it once it is parsed: "0100" is "100", "TRUE" is "true", "a, b" is
 * "a,b", "1000000" of a double is "1000000.0". Arena or borrowed. */
struct str config_value_text(enum config_type type, struct str value, struct arena *arena);
