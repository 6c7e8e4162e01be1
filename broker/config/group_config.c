/* broker/config/group_config.c - the group keys over the broker's. */
#include "broker/config/group_config.h"
#include <stdlib.h>
#include "base/assert.h"

const struct group_key group_keys[] = {
    {.key = {.name = "consumer.assignment.interval.ms",
             .default_text = "1000",
             .valid = "[0,...]",
             .doc = "The least time between two assignments computed for a consumer group.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.consumer.assignment.interval.ms",
     .min_key = "group.consumer.min.assignment.interval.ms",
     .max_key = "group.consumer.max.assignment.interval.ms"},
    {.key = {.name = "consumer.heartbeat.interval.ms",
             .default_text = "5000",
             .valid = "[1,...]",
             .doc = "How often members of a consumer group beat.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.consumer.heartbeat.interval.ms",
     .min_key = "group.consumer.min.heartbeat.interval.ms",
     .max_key = "group.consumer.max.heartbeat.interval.ms"},
    {.key = {.name = "consumer.session.timeout.ms",
             .default_text = "45000",
             .valid = "[1,...]",
             .doc = "How long a member of a consumer group may be silent.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.consumer.session.timeout.ms",
     .min_key = "group.consumer.min.session.timeout.ms",
     .max_key = "group.consumer.max.session.timeout.ms"},
    {.key = {.name = "share.assignment.interval.ms",
             .default_text = "1000",
             .valid = "[0,...]",
             .doc = "The least time between two assignments computed for a share group.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.share.assignment.interval.ms",
     .min_key = "group.share.min.assignment.interval.ms",
     .max_key = "group.share.max.assignment.interval.ms"},
    {.key = {.name = "share.auto.offset.reset",
             .default_text = "latest",
             .valid = "", /* reset_problem says */
             .doc = "Where a share group begins that has no offsets.",
             .offset = -1,
             .type = CONFIG_STRING,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = NULL,
     .min_key = NULL,
     .max_key = NULL},
    {.key = {.name = "share.delivery.count.limit",
             .default_text = "5",
             .valid = "[2,...]",
             .doc = "How often a record is delivered to a share group at most.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.share.delivery.count.limit",
     .min_key = "group.share.min.delivery.count.limit",
     .max_key = "group.share.max.delivery.count.limit"},
    {.key = {.name = "share.heartbeat.interval.ms",
             .default_text = "5000",
             .valid = "[1,...]",
             .doc = "How often members of a share group beat.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.share.heartbeat.interval.ms",
     .min_key = "group.share.min.heartbeat.interval.ms",
     .max_key = "group.share.max.heartbeat.interval.ms"},
    {.key = {.name = "share.isolation.level",
             .default_text = "read_uncommitted",
             .valid = "[read_committed, read_uncommitted]",
             .doc = "Whether a share group sees records of open transactions.",
             .offset = -1,
             .type = CONFIG_STRING,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = NULL,
     .min_key = NULL,
     .max_key = NULL},
    {.key = {.name = "share.partition.max.record.locks",
             .default_text = "2000",
             .valid = "[100,...]",
             .doc = "How many records of a partition a share group may hold at once.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.share.partition.max.record.locks",
     .min_key = "group.share.min.partition.max.record.locks",
     .max_key = NULL},
    {.key = {.name = "share.record.lock.duration.ms",
             .default_text = "30000",
             .valid = "[1000,...]",
             .doc = "How long a member of a share group holds a record.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.share.record.lock.duration.ms",
     .min_key = "group.share.min.record.lock.duration.ms",
     .max_key = "group.share.max.record.lock.duration.ms"},
    {.key = {.name = "share.renew.acknowledge.enable",
             .default_text = "true",
             .valid = "",
             .doc = "Whether members of a share group may hold records for longer.",
             .offset = -1,
             .type = CONFIG_BOOLEAN,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = NULL,
     .min_key = NULL,
     .max_key = NULL},
    {.key = {.name = "share.session.timeout.ms",
             .default_text = "45000",
             .valid = "[1,...]",
             .doc = "How long a member of a share group may be silent.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.share.session.timeout.ms",
     .min_key = "group.share.min.session.timeout.ms",
     .max_key = "group.share.max.session.timeout.ms"},
    {.key = {.name = "streams.assignment.interval.ms",
             .default_text = "1000",
             .valid = "[0,...]",
             .doc = "The least time between two assignments computed for a streams group.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.streams.assignment.interval.ms",
     .min_key = "group.streams.min.assignment.interval.ms",
     .max_key = "group.streams.max.assignment.interval.ms"},
    {.key = {.name = "streams.heartbeat.interval.ms",
             .default_text = "5000",
             .valid = "[1,...]",
             .doc = "How often members of a streams group beat.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.streams.heartbeat.interval.ms",
     .min_key = "group.streams.min.heartbeat.interval.ms",
     .max_key = "group.streams.max.heartbeat.interval.ms"},
    {.key = {.name = "streams.initial.rebalance.delay.ms",
             .default_text = "3000",
             .valid = "[0,...]",
             .doc = "How long the first rebalance of a streams group waits for more members.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.streams.initial.rebalance.delay.ms",
     .min_key = NULL,
     .max_key = NULL},
    {.key = {.name = "streams.num.standby.replicas",
             .default_text = "0",
             .valid = "[0,...]",
             .doc = "How many standby tasks a streams group has for each task.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.streams.num.standby.replicas",
     .min_key = NULL,
     .max_key = "group.streams.max.standby.replicas"},
    {.key = {.name = "streams.session.timeout.ms",
             .default_text = "45000",
             .valid = "[1,...]",
             .doc = "How long a member of a streams group may be silent.",
             .offset = -1,
             .type = CONFIG_INT,
             .importance = IMPORTANCE_MEDIUM},
     .broker_key = "group.streams.session.timeout.ms",
     .min_key = "group.streams.min.session.timeout.ms",
     .max_key = "group.streams.max.session.timeout.ms"},
};
const uint32_t group_key_count = COUNT(group_keys);

static int name_order(const void *name, const void *key) {
    return str_cmp(*(const struct str *)name, str_of(((const struct group_key *)key)->key.name));
}

const struct group_key *group_key_find(struct str name) {
    return bsearch(&name, group_keys, group_key_count, sizeof *group_keys, name_order);
}

struct str group_setting(const struct broker_settings *broker, const struct config_image *own,
                         const struct group_key *key) {
    struct str value = config_image_find(own, str_of(key->key.name));
    if (value.ptr != NULL) return value;
    if (key->broker_key == NULL) return str_of(key->key.default_text);
    const struct config_key *broker_key = config_key_find(str_of(key->broker_key));
    ASSERT(broker_key != NULL);
    return setting_get(broker, broker_key).value;
}

int64_t group_setting_number(const struct broker_settings *broker, const struct config_image *own,
                             struct str name) {
    const struct group_key *key = group_key_find(name);
    int64_t number = 0;
    ASSERT(key != NULL);
    bool is_number = str_to_int64(str_trim(group_setting(broker, own, key)), &number);
    ASSERT(is_number); /* checked before it got here */
    return number;
}

/* "1H" of "1H2M": digits, with a fraction where there may be one, and the unit. */
static bool take_part(struct str *rest, char unit, bool may_have_fraction) {
    size_t at = 0;
    while (at < rest->len && rest->ptr[at] >= '0' && rest->ptr[at] <= '9') at++;
    bool has_digits = at > 0;
    if (may_have_fraction && has_digits && at < rest->len && rest->ptr[at] == '.') {
        at++;
        while (at < rest->len && rest->ptr[at] >= '0' && rest->ptr[at] <= '9') at++;
    }
    if (!has_digits || at == rest->len || rest->ptr[at] != unit) return false;
    *rest = (struct str){rest->ptr + at + 1, rest->len - at - 1};
    return true;
}

/* ISO 8601, as java.time.Duration reads it, but for signs. */
static bool is_duration(struct str text) {
    if (text.len < 3 || text.ptr[0] != 'P') return false;
    struct str rest = {text.ptr + 1, text.len - 1};
    (void)take_part(&rest, 'D', false); /* each part may be left out */
    if (rest.len == 0) return true;
    if (rest.len == 1 || rest.ptr[0] != 'T') return false;
    rest = (struct str){rest.ptr + 1, rest.len - 1};
    (void)take_part(&rest, 'H', false);
    (void)take_part(&rest, 'M', false);
    (void)take_part(&rest, 'S', true);
    return rest.len == 0;
}

static struct str reset_problem(struct str value, struct arena *arena) {
    struct str prefix = STR("by_duration:");
    if (str_eq(value, STR("earliest")) || str_eq(value, STR("latest"))) return STR_NULL;
    if (value.len > prefix.len && memcmp(value.ptr, prefix.ptr, prefix.len) == 0 &&
        is_duration((struct str){value.ptr + prefix.len, value.len - prefix.len}))
        return STR_NULL;
    return arena_printf(arena,
                        "Invalid value %.*s for configuration share.auto.offset.reset: Invalid "
                        "value `%.*s` for configuration share.auto.offset.reset. The value must be "
                        "either 'earliest', 'latest' or of the format "
                        "'by_duration:<PnDTnHnMn.nS>'.",
                        STR_ARG(value), STR_ARG(value));
}

static struct str value_problem(const struct group_key *key, struct str value,
                                struct arena *arena) {
    struct str problem = config_value_problem(&key->key, value, arena);
    bool is_reset = str_eq(str_of(key->key.name), STR("share.auto.offset.reset"));
    return problem.ptr == NULL && is_reset ? reset_problem(value, arena) : problem;
}

/* The broker bounds what a group may choose. */
static struct str bound_problem(const struct broker_settings *broker, const struct group_key *key,
                                int64_t number, struct arena *arena) {
    if (key->min_key != NULL && number < setting_number(broker, str_of(key->min_key))) {
        return arena_printf(arena, "%s must be greater than or equal to %s", key->key.name,
                            key->min_key);
    }
    if (key->max_key != NULL && number > setting_number(broker, str_of(key->max_key))) {
        return arena_printf(arena, "%s must be less than or equal to %s", key->key.name,
                            key->max_key);
    }
    return STR_NULL;
}

/* A session as short as the time between two heartbeats ends before the next one. */
static struct str session_problem(const struct broker_settings *broker,
                                  const struct config_image *own, const char *kind,
                                  struct arena *arena) {
    struct str session = arena_printf(arena, "%s.session.timeout.ms", kind);
    struct str beat = arena_printf(arena, "%s.heartbeat.interval.ms", kind);
    if (session.ptr == NULL || beat.ptr == NULL) return STR("no memory");
    if (group_setting_number(broker, own, session) > group_setting_number(broker, own, beat))
        return STR_NULL;
    return arena_printf(arena, "%.*s must be greater than %.*s", STR_ARG(session), STR_ARG(beat));
}

struct str group_config_problem(const struct broker_settings *broker,
                                const struct config_entry *entries, int32_t count,
                                struct arena *arena) {
    static const char *const kinds[] = {"consumer", "share", "streams"};
    struct config_image own = {.type = CONFIG_GROUP, .count = count, .entries = entries};
    struct str problem = STR_NULL;
    if (count == 0) return STR_NULL; /* the broker's alone were held against each other before */
    for (int32_t i = 0; i < count; i++) {
        if (group_key_find(entries[i].key) != NULL) continue;
        return arena_printf(arena, "Unknown group config name: %.*s", STR_ARG(entries[i].key));
    }
    for (int32_t i = 0; i < count && problem.ptr == NULL; i++)
        problem = value_problem(group_key_find(entries[i].key), entries[i].value, arena);
    for (int32_t i = 0; i < count && problem.ptr == NULL; i++) {
        const struct group_key *key = group_key_find(entries[i].key);
        int64_t number = 0;
        if (str_to_int64(str_trim(entries[i].value), &number))
            problem = bound_problem(broker, key, number, arena);
    }
    for (size_t i = 0; i < COUNT(kinds) && problem.ptr == NULL; i++)
        problem = session_problem(broker, &own, kinds[i], arena);
    return problem;
}
