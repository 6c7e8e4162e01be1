/* broker/config/settings.c - layers of settings, the first that has the key wins. */
#include "broker/config/settings.h"
#include <stdio.h>
#include "base/assert.h"

struct str config_image_find(const struct config_image *config, struct str key) {
    int32_t low = 0, high = config != NULL ? config->count : 0;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = str_cmp(config->entries[middle].key, key);
        if (order == 0) return config->entries[middle].value;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return STR_NULL;
}

struct broker_settings broker_settings_of(const struct config_set *set, const struct image *image,
                                          int32_t node_id) {
    char name[16];
    int len = snprintf(name, sizeof name, "%d", node_id);
    struct str node = {name, (size_t)len};
    return (struct broker_settings){
        .set = set,
        .of_node = image_config(image, CONFIG_BROKER, node),
        .of_cluster = image_config(image, CONFIG_BROKER, STR("")),
    };
}

static struct str value_in(const struct broker_settings *settings, const struct config_key *key,
                           enum setting_source source) {
    struct str name = str_of(key->name);
    if (source == SETTING_BROKER) return config_image_find(settings->of_node, name);
    if (source == SETTING_CLUSTER) return config_image_find(settings->of_cluster, name);
    if (source == SETTING_DEFAULT)
        return key->scope != SCOPE_DYNAMIC_ONLY ? str_of(key->default_text) : STR_NULL;
    const struct config_setting *setting = config_setting_find(settings->set, name);
    return setting != NULL ? setting->value : STR_NULL;
}

static bool is_dynamic(const struct broker_settings *settings, const struct config_key *key) {
    return value_in(settings, key, SETTING_BROKER).ptr != NULL ||
           value_in(settings, key, SETTING_CLUSTER).ptr != NULL;
}

static const struct config_key *otherwise(const struct config_key *key) {
    return key->otherwise != NULL ? config_key_find(str_of(key->otherwise)) : NULL;
}

/* A dynamic log.retention.ms takes the file's minutes and hours away, whatever they were. */
static bool is_overtaken(const struct broker_settings *settings, const struct config_key *key) {
    for (uint32_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].otherwise == NULL) continue;
        const struct config_key *head = &config_keys[i], *at = otherwise(head);
        while (at != NULL && at != key) at = otherwise(at);
        if (at == key && is_dynamic(settings, head)) return true;
    }
    return false;
}

struct setting setting_get(const struct broker_settings *settings, const struct config_key *key) {
    for (int source = SETTING_BROKER; source <= SETTING_DEFAULT; source++) {
        if (source == SETTING_STATIC && is_overtaken(settings, key)) continue;
        struct str value = value_in(settings, key, (enum setting_source)source);
        if (value.ptr != NULL) return (struct setting){value, (enum setting_source)source};
    }
    return (struct setting){STR_NULL, SETTING_DEFAULT};
}

struct setting setting_resolve(const struct broker_settings *settings, const struct config_key *key,
                               char number[SETTING_NUMBER_BYTES]) {
    int64_t factor = 1;
    for (const struct config_key *at = key; at != NULL; at = otherwise(at)) {
        int64_t product = 0;
        struct setting setting = setting_get(settings, at);
        if (setting.value.ptr == NULL || factor == 1) {
            if (setting.value.ptr != NULL) return setting;
            factor *= at->otherwise_factor;
            continue;
        }
        bool is_number = str_to_int64(str_trim(setting.value), &product);
        /* -1 is "without a limit" in hours, too. */
        if (!is_number || product < 0 || __builtin_mul_overflow(product, factor, &product))
            product = -1;
        int len = snprintf(number, SETTING_NUMBER_BYTES, "%lld", (long long)product);
        setting.value = (struct str){number, (size_t)len};
        return setting;
    }
    return (struct setting){STR_NULL, SETTING_DEFAULT};
}

int64_t setting_number(const struct broker_settings *settings, struct str name) {
    char number[SETTING_NUMBER_BYTES];
    int64_t value = 0;
    const struct config_key *key = config_key_find(name);
    ASSERT(key != NULL);
    struct str text = str_trim(setting_resolve(settings, key, number).value);
    return str_to_int64(text, &value) ? value : CONFIG_UNSET;
}

uint32_t setting_synonyms(const struct broker_settings *settings, const struct config_key *key,
                          struct setting_synonym synonyms[SETTING_SYNONYMS_MAX]) {
    uint32_t count = 0;
    bool is_set = false;
    for (int source = SETTING_BROKER; source <= SETTING_DEFAULT; source++) {
        is_set = is_set || value_in(settings, key, (enum setting_source)source).ptr != NULL;
    }
    if (!is_set) return 0;
    for (int source = SETTING_BROKER; source <= SETTING_DEFAULT; source++) {
        for (const struct config_key *at = key; at != NULL; at = otherwise(at)) {
            struct str value = value_in(settings, at, (enum setting_source)source);
            if (value.ptr == NULL || count == SETTING_SYNONYMS_MAX) continue;
            synonyms[count++] = (struct setting_synonym){
                .name = at->name, .value = value, .source = (enum setting_source)source};
        }
    }
    return count;
}
