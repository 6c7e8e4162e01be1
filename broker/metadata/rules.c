/* broker/metadata/rules.c - which settings of topics and brokers may be given while all is running.
 * Source: kafka.server.DynamicBrokerConfig.validate, ControllerConfigurationValidator. */
#include "broker/metadata/rules.h"
#include "broker/config/contradictions.h"
#include "broker/config/group_config.h"
#include "broker/config/topic_config.h"
#include "protocol/errors.h"

static struct broker_settings settings_of(const struct rules_context *context) {
    return broker_settings_of(context->set, context->image, context->node_id);
}

static struct str topic_problem(void *context, const struct config_entry *entries, int32_t count,
                                struct arena *arena) {
    struct broker_settings settings = settings_of(context);
    return topic_config_problem(&settings, entries, count, arena);
}

static struct str group_problem(void *context, const struct config_entry *entries, int32_t count,
                                struct arena *arena) {
    struct broker_settings settings = settings_of(context);
    return group_config_problem(&settings, entries, count, arena);
}

static struct str list_default(void *context, int8_t resource_type, struct str key) {
    (void)context;
    const struct config_key *found = NULL;
    if (resource_type == CONFIG_BROKER) {
        found = config_key_find(key);
    } else {
        const struct topic_key *topic_key = topic_key_find(key);
        if (topic_key != NULL) found = &topic_key->key;
    }
    if (found == NULL || found->type != CONFIG_LIST) return STR_NULL;
    return found->default_text != NULL ? str_of(found->default_text) : STR("");
}

/* --- topics as CreateTopics answers them --- */

static void describe(void *context, const struct config_entry *overrides, int32_t count,
                     struct arena *arena,
                     struct create_topics_response_creatable_topic_configs **ret_configs,
                     int32_t *ret_count) {
    struct broker_settings settings = settings_of(context);
    struct config_image own = {.type = CONFIG_TOPIC, .count = count, .entries = overrides};
    *ret_count = -1;
    *ret_configs =
        create_topics_response_creatable_topic_configs_array(arena, (int32_t)topic_key_count);
    if (*ret_configs == NULL) return;
    int32_t filled = 0;
    for (uint32_t i = 0; i < topic_key_count; i++) {
        const struct topic_key *key = &topic_keys[i];
        char number[SETTING_NUMBER_BYTES];
        struct setting setting = topic_setting(&settings, &own, key, number);
        if (key->key.scope != SCOPE_PUBLIC && setting.source != SETTING_TOPIC) continue;
        struct create_topics_response_creatable_topic_configs *out = &(*ret_configs)[filled++];
        out->name = str_of(key->key.name);
        out->value = arena_str(arena, setting.value);
        out->config_source = (int8_t)setting.source;
        if (out->value.ptr == NULL && setting.value.ptr != NULL) return;
    }
    *ret_count = filled;
}

/* --- brokers --- */

struct broker_check {
    struct str name;
    const struct config_entry *given;
    int32_t given_count;
    struct arena *arena;
};

static struct refusal invalid_request(struct str message) {
    return (struct refusal){.code = KAFKA_INVALID_REQUEST, .message = message};
}

static struct refusal node_problem(const struct broker_check *check, int32_t node_id) {
    int64_t id = 0;
    bool is_number = str_to_int64(check->name, &id) && id == (int32_t)id;
    struct str canonical = arena_printf(check->arena, "%d", (int32_t)id);
    if (!is_number || !str_eq(canonical, check->name)) {
        return invalid_request(arena_printf(
            check->arena, "Node id must be an integer, but it is: %.*s", STR_ARG(check->name)));
    }
    if (id == node_id) return (struct refusal){0};
    return invalid_request(arena_printf(check->arena,
                                        "Unexpected broker id, expected %d, but received %.*s",
                                        node_id, STR_ARG(check->name)));
}

/* Kafka can move its listeners while it runs; klamm cannot yet. */
static bool is_fixed(const struct config_key *key) {
    return key->update == UPDATE_READ_ONLY || str_eq(str_of(key->name), STR("listeners")) ||
           str_eq(str_of(key->name), STR("listener.security.protocol.map"));
}

static bool is_of_a_listener(const struct config_key *key) {
    return strncmp(key->name, "ssl.", 4) == 0;
}

static bool is_of_one_node(const struct config_key *key) {
    return key->update == UPDATE_PER_BROKER;
}

/* Refuses together all given keys that are of some kind; `text` has a %s for their names. */
static struct refusal refuse_kind(const struct broker_check *check,
                                  bool (*is_of_kind)(const struct config_key *key),
                                  const char *text) {
    struct str names = STR_NULL;
    for (int32_t i = 0; i < check->given_count; i++) {
        const struct config_key *key = config_key_find(check->given[i].key);
        if (!is_of_kind(key)) continue;
        names = names.ptr == NULL
                    ? str_of(key->name)
                    : arena_printf(check->arena, "%.*s, %s", STR_ARG(names), key->name);
    }
    if (names.ptr == NULL) return (struct refusal){0};
    return invalid_request(arena_printf(check->arena, "%s: [%.*s]", text, STR_ARG(names)));
}

static struct refusal unknown_key(const struct broker_check *check) {
    for (int32_t i = 0; i < check->given_count; i++) {
        if (config_key_find(check->given[i].key) != NULL) continue;
        return (struct refusal){.code = KAFKA_INVALID_CONFIG,
                                .message =
                                    arena_printf(check->arena, "Unknown broker config name: %.*s",
                                                 STR_ARG(check->given[i].key))};
    }
    return (struct refusal){0};
}

static struct refusal bad_value(const struct broker_check *check) {
    for (int32_t i = 0; i < check->given_count; i++) {
        struct str value = check->given[i].value;
        const struct config_key *key = config_key_find(check->given[i].key);
        struct str problem = config_value_problem(key, value, check->arena);
        if (problem.ptr == NULL && key->force == FORCE_REFUSED &&
            !str_eq(value, str_of(key->default_text))) {
            problem = arena_printf(check->arena,
                                   "%s is not served yet, and leaving it out would weaken safety "
                                   "or security",
                                   key->name);
        }
        if (problem.ptr != NULL) return invalid_request(problem);
    }
    return (struct refusal){0};
}

/* An older cluster has no record for it. */
static struct refusal cordon_is_unknown(const struct broker_check *check,
                                        const struct image *image) {
    bool is_given = false;
    for (int32_t i = 0; i < check->given_count; i++)
        is_given = is_given || str_eq(check->given[i].key, STR("cordoned.log.dirs"));
    if (!is_given || image_feature(image, STR(METADATA_VERSION)) >= METADATA_VERSION_4_3_IV0)
        return (struct refusal){0};
    return (struct refusal){.code = KAFKA_INVALID_CONFIG,
                            .message = STR("The cordoned.log.dirs configuration value cannot be "
                                           "set because it requires metadata.version >= 4.3-IV0")};
}

/* At most double and at least half of what it was, in Kafka's words. 0 cleaners are klamm's own. */
static struct str thread_count_problem(const struct broker_settings *before,
                                       const struct broker_settings *after, struct arena *arena) {
    static const char *const keys[] = {"num.io.threads",       "num.network.threads",
                                       "num.replica.fetchers", "num.recovery.threads.per.data.dir",
                                       "background.threads",   "log.cleaner.threads"};
    const size_t cleaners = COUNT(keys) - 1;
    for (size_t i = 0; i < COUNT(keys); i++) {
        int64_t was = setting_number(before, str_of(keys[i]));
        int64_t count = setting_number(after, str_of(keys[i]));
        bool is_more = count > was * 2, is_less = count < was / 2;
        if (was == 0 || count == 0 || (!is_more && !is_less)) continue;
        struct str text;
        if (i == cleaners) {
            text = arena_printf(arena, "Log cleaner threads cannot be %s the current value %lld",
                                is_more ? "increased to more than double"
                                        : "reduced to less than half",
                                (long long)was);
        } else {
            text = arena_printf(arena,
                                "Dynamic thread count update validation failed for %s=%lld, value "
                                "should %s the current value %lld",
                                keys[i], (long long)count,
                                is_more ? "not be greater than double" : "be at least half",
                                (long long)was);
        }
        return arena_printf(arena,
                            "Invalid value org.apache.kafka.common.config.ConfigException: %.*s "
                            "for configuration Invalid dynamic configuration",
                            STR_ARG(text));
    }
    return STR_NULL;
}

static struct refusal broker_problem(void *context, struct str name,
                                     const struct config_entry *given, int32_t given_count,
                                     const struct config_entry *entries, int32_t count,
                                     struct arena *arena) {
    const struct rules_context *rules = context;
    struct broker_check check = {
        .name = name, .given = given, .given_count = given_count, .arena = arena};
    struct refusal refusal = {0};
    if (name.len > 0) refusal = node_problem(&check, rules->node_id);
    if (refusal.code == KAFKA_NONE) refusal = unknown_key(&check);
    if (refusal.code == KAFKA_NONE)
        refusal = refuse_kind(&check, is_fixed, "Cannot update these configs dynamically");
    if (refusal.code == KAFKA_NONE) {
        refusal = refuse_kind(&check, is_of_a_listener,
                              "These security configs can be dynamically updated only "
                              "per-listener using the listener prefix");
    }
    if (refusal.code == KAFKA_NONE && name.len == 0) {
        refusal = refuse_kind(&check, is_of_one_node,
                              "Cannot update these configs at default cluster level, broker id "
                              "must be specified");
    }
    if (refusal.code == KAFKA_NONE) refusal = bad_value(&check);
    if (refusal.code != KAFKA_NONE) return refusal;
    struct config_image next = {.type = CONFIG_BROKER, .count = count, .entries = entries};
    struct broker_settings settings = settings_of(rules);
    if (name.len > 0) {
        settings.of_node = &next;
    } else {
        settings.of_cluster = &next;
    }
    struct broker_settings before = settings_of(rules);
    struct str problem = broker_settings_problem(&settings, arena).text;
    if (problem.ptr == NULL) problem = thread_count_problem(&before, &settings, arena);
    return problem.ptr != NULL ? invalid_request(problem) : cordon_is_unknown(&check, rules->image);
}

struct config_rules config_rules_of(struct rules_context *context) {
    return (struct config_rules){
        .topic_problem = topic_problem,
        .group_problem = group_problem,
        .broker_problem = broker_problem,
        .list_default = list_default,
        .describe = describe,
        .context = context,
    };
}
