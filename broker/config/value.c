/* broker/config/value.c - one value against the type and the bounds of its key, in Kafka's notation
 * of bounds and with Kafka's words about what is wrong; and how a good one is shown.
 * Source: org.apache.kafka.common.config.ConfigDef. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/pattern.h"
#include "broker/config/config.h"

bool config_value_double(struct str text, double *ret_value) {
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy) return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *end = NULL;
    *ret_value = strtod(copy, &end);
    return *end == '\0';
}

bool config_value_share(struct str text, double *ret_share) {
    double percent = 0;
    if (text.len < 2 || text.ptr[text.len - 1] != '%') return false;
    if (!config_value_double((struct str){text.ptr, text.len - 1}, &percent)) return false;
    if (!(percent >= 0 && percent <= 100)) return false;
    *ret_share = percent / 100;
    return true;
}

static bool same_word(struct str a, struct str b, bool ignore_case) {
    return a.len == b.len &&
           (ignore_case ? strncasecmp(a.ptr, b.ptr, a.len) : strncmp(a.ptr, b.ptr, a.len)) == 0;
}

bool config_list_next(struct str *rest, struct str *ret_item) {
    if (rest->ptr == NULL) return false;
    const char *comma = memchr(rest->ptr, ',', rest->len);
    size_t len = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
    *ret_item = str_trim((struct str){rest->ptr, len});
    *rest = comma != NULL ? (struct str){comma + 1, rest->len - len - 1} : STR_NULL;
    return true;
}

/* --- how a value is shown --- */

/* As Java's Double.toString: the shortest digits that read back as the same number, 1.0E7 from ten
 * millions on and below a thousandth. */
static struct str double_text(double value, struct arena *arena) {
    char digits[40];
    int places = 0;
    do snprintf(digits, sizeof digits, "%.*e", places, value);
    while (strtod(digits, NULL) != value && ++places < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (value != 0 && (exponent >= 7 || exponent < -3)) {
        *strchr(digits, 'e') = '\0';
        return arena_printf(arena, "%s%sE%d", digits, places == 0 ? ".0" : "", exponent);
    }
    return arena_printf(arena, "%.*f", MAX(1, places - exponent), value);
}

/* The items without the spaces around them. */
static struct str list_text(struct str value, struct arena *arena) {
    char *text = arena_alloc(arena, value.len + 1);
    size_t len = 0;
    struct str rest = value, item;
    if (text == NULL) return STR_NULL;
    while (config_list_next(&rest, &item)) {
        memcpy(text + len, item.ptr, item.len);
        len += item.len;
        if (rest.ptr != NULL) text[len++] = ',';
    }
    return (struct str){text, len};
}

struct str config_value_text(enum config_type type, struct str value, struct arena *arena) {
    int64_t number = 0;
    double real = 0;
    value = str_trim(value);
    if (value.ptr == NULL) return value;
    switch (type) {
    case CONFIG_BOOLEAN: return same_word(value, STR("true"), true) ? STR("true") : STR("false");
    case CONFIG_SHORT:
    case CONFIG_INT:
    case CONFIG_LONG:
        if (!str_to_int64(value, &number)) return value;
        return arena_printf(arena, "%lld", (long long)number);
    case CONFIG_DOUBLE: return config_value_double(value, &real) ? double_text(real, arena) : value;
    case CONFIG_LIST: return list_text(value, arena);
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD: return value;
    }
    return value;
}

/* --- what is wrong with a value --- */

static struct str invalid(const struct config_key *key, struct str value, struct arena *arena,
                          const char *reason) {
    return arena_printf(arena, "Invalid value %.*s for configuration %s: %s", STR_ARG(value),
                        key->name, reason);
}

static struct str not_a_number(const struct config_key *key, struct str value,
                               struct arena *arena) {
    const char *type = key->type == CONFIG_SHORT  ? "SHORT"
                       : key->type == CONFIG_INT  ? "INT"
                       : key->type == CONFIG_LONG ? "LONG"
                                                  : "DOUBLE";
    return invalid(key, value, arena, arena_printf(arena, "Not a number of type %s", type).ptr);
}

/* "[min,...]" and "[min,...,max]", perhaps followed by " or N". */
static struct str range_problem(const struct config_key *key, struct str value, double number,
                                struct arena *arena) {
    const char *valid = key->valid, *dots = strstr(valid, ",...");
    if (valid[0] != '[' || dots == NULL) return STR_NULL;
    const char *max = dots[4] == ',' ? dots + 5 : NULL, *also = strstr(valid, " or ");
    bool is_below = number < strtod(valid + 1, NULL);
    bool is_above = max != NULL && number > strtod(max, NULL);
    if (!is_below && !is_above) return STR_NULL;
    int min_len = (int)(dots - valid - 1), max_len = max != NULL ? (int)strcspn(max, "]") : 0;
    struct str reason;
    if (also != NULL) {
        if (number == strtod(also + 4, NULL)) return STR_NULL;
        reason = arena_printf(arena, "Value must be between %.*s and %.*s or equal to %s", min_len,
                              valid + 1, max_len, max, also + 4);
    } else if (is_below) {
        reason = arena_printf(arena, "Value must be at least %.*s", min_len, valid + 1);
    } else {
        reason = arena_printf(arena, "Value must be no more than %.*s", max_len, max);
    }
    return invalid(key, value, arena, reason.ptr);
}

static struct str number_problem(const struct config_key *key, struct str value,
                                 struct arena *arena) {
    int64_t number = 0;
    bool fits = str_to_int64(value, &number);
    if (key->type == CONFIG_SHORT) fits = fits && number == (int16_t)number;
    if (key->type == CONFIG_INT) fits = fits && number == (int32_t)number;
    if (!fits) return not_a_number(key, value, arena);
    return range_problem(key, value, (double)number, arena);
}

/* "[a, b, c]": one of the words. */
static struct str word_problem(const struct config_key *key, struct str word, struct arena *arena) {
    bool ignore_case = strstr(key->valid, "case insensitive") != NULL;
    const char *words = strchr(key->valid, '[');
    if (words == NULL || strstr(key->valid, "...") != NULL) return STR_NULL;
    struct str list = {words + 1, strcspn(words + 1, "]")}, rest = list, item;
    while (config_list_next(&rest, &item)) {
        if (same_word(item, word, ignore_case)) return STR_NULL;
    }
    struct str reason = arena_printf(arena, "String must be one of%s: %.*s",
                                     ignore_case ? " (case insensitive)" : "", STR_ARG(list));
    return invalid(key, word, arena, reason.ptr);
}

static struct str pattern_problem(const struct config_key *key, struct str value,
                                  struct arena *arena) {
    char why[160];
    struct pattern *pattern = pattern_new(arena->mem, value, why, sizeof why);
    if (pattern == NULL) return invalid(key, value, arena, arena_printf(arena, "%s", why).ptr);
    pattern_free(pattern);
    return STR_NULL;
}

static struct str room_problem(const struct config_key *key, struct str value,
                               struct arena *arena) {
    double share = 0;
    int64_t bytes = 0;
    if (config_value_share(value, &share) || (str_to_int64(value, &bytes) && bytes >= 0))
        return STR_NULL;
    return invalid(key, value, arena, "Expected a share such as 5% or a number of bytes");
}

/* PARTITION:BROKER, both numbers. */
static bool is_replica(struct str item) {
    const char *colon = memchr(item.ptr, ':', item.len);
    if (colon == NULL || colon == item.ptr || colon == item.ptr + item.len - 1) return false;
    for (size_t i = 0; i < item.len; i++) {
        if (item.ptr + i != colon && !isdigit((unsigned char)item.ptr[i])) return false;
    }
    return true;
}

/* "[partitionId]:[brokerId],...": pairs, or "*". */
static struct str replicas_problem(const struct config_key *key, struct str value,
                                   struct arena *arena) {
    struct str rest = value, item, shown = STR("");
    bool is_good = true;
    if (value.len == 0 || str_eq(value, STR("*"))) return STR_NULL;
    while (config_list_next(&rest, &item)) {
        is_good = is_good && is_replica(item);
        shown = arena_printf(arena, "%.*s%s%.*s", STR_ARG(shown), shown.len > 0 ? ", " : "",
                             STR_ARG(item));
    }
    if (is_good) return STR_NULL;
    struct str reason = arena_printf(
        arena, "%s must be the literal '*' or a list of replicas in the following format: %s",
        key->name, key->valid);
    return invalid(key, arena_printf(arena, "[%.*s]", STR_ARG(shown)), arena, reason.ptr);
}

static bool is_made_of(struct str text, const char *others) {
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum((unsigned char)text.ptr[i]) && strchr(others, text.ptr[i]) == NULL)
            return false;
    }
    return memchr(text.ptr, '\0', text.len) == NULL;
}

/* {host}:{port} as Kafka reads it: a scheme before it and brackets around the host are passed over,
 * the host may be missing. A port that is out of range is for the caller. */
static bool is_host_port(struct str text, int64_t *ret_port) {
    const char *slashes = memmem(text.ptr, text.len, "://", 3), *end = text.ptr + text.len;
    const char *host = slashes != NULL ? slashes + 3 : text.ptr;
    const char *colon = memrchr(host, ':', (size_t)(end - host));
    if (colon == NULL || colon + 1 == end) return false;
    const char *host_end = colon;
    if (host < host_end && *host == '[') host++;
    if (host < host_end && host_end[-1] == ']') host_end--;
    struct str scheme = {text.ptr, slashes != NULL ? (size_t)(slashes - text.ptr) : 0};
    if (!is_made_of(scheme, "-%._") ||
        !is_made_of((struct str){host, (size_t)(host_end - host)}, "-%._:"))
        return false;
    for (const char *c = colon + 1; c < end; c++) {
        if (!isdigit((unsigned char)*c)) return false;
    }
    if (!str_to_int64((struct str){colon + 1, (size_t)(end - colon - 1)}, ret_port))
        *ret_port = INT64_MAX;
    return true;
}

/* "{id}@{host}:{port},...", and without ids; in Kafka's words. */
static struct str addresses_problem(const struct config_key *key, struct str value,
                                    struct arena *arena) {
    bool has_ids = strchr(key->valid, '@') != NULL;
    struct str rest = value, item;
    while (config_list_next(&rest, &item)) {
        int64_t id, port;
        const char *at = memchr(item.ptr, '@', item.len);
        const char *end = item.ptr + item.len;
        bool is_pair = at != NULL && memchr(at + 1, '@', (size_t)(end - at - 1)) == NULL;
        if (has_ids && !is_pair) {
            return arena_printf(arena,
                                "Invalid configuration value for %s. Each entry should be in the "
                                "form `%.*s`.",
                                key->name, (int)strcspn(key->valid, ","), key->valid);
        }
        struct str id_text = {item.ptr, has_ids ? (size_t)(at - item.ptr) : 0};
        struct str address = has_ids ? (struct str){at + 1, (size_t)(end - at - 1)} : item;
        if (has_ids && (!str_to_int64(id_text, &id) || id != (int32_t)id)) {
            return arena_printf(arena, "%s: Failed to parse voter ID as an integer from %.*s",
                                key->name, STR_ARG(id_text));
        }
        if (!is_host_port(address, &port)) {
            return arena_printf(arena,
                                "Failed to parse host name from %.*s for the configuration %s. "
                                "Each entry should be in the form \"%.*s\"",
                                STR_ARG(item), key->name, (int)strcspn(key->valid, ","),
                                key->valid);
        }
        if (port > UINT16_MAX) return invalid(key, item, arena, "port out of range");
    }
    return STR_NULL;
}

static struct str empty_list_problem(const struct config_key *key, struct arena *arena) {
    if (strstr(key->valid, "not empty") == NULL) return STR_NULL;
    const char *words = strchr(key->valid, '[');
    int len = words != NULL ? (int)strcspn(words, "]") + 1 : 0;
    return arena_printf(arena, "Configuration '%s' must not be empty. Valid values include: %.*s",
                        key->name, words != NULL ? len : 19,
                        words != NULL ? words : "any non-empty value");
}

static struct str list_problem(const struct config_key *key, struct str value,
                               struct arena *arena) {
    struct str rest = value, item;
    if (strstr(key->valid, "]:[") != NULL) return replicas_problem(key, value, arena);
    if (value.len == 0) return empty_list_problem(key, arena);
    if (strstr(key->valid, "{host}:{port}") != NULL) return addresses_problem(key, value, arena);
    while (config_list_next(&rest, &item)) {
        if (item.len == 0) {
            return arena_printf(arena, "Configuration '%s' values must not be empty.", key->name);
        }
        struct str problem = word_problem(key, item, arena);
        if (problem.ptr != NULL) return problem;
    }
    return STR_NULL;
}

struct str config_value_problem(const struct config_key *key, struct str value,
                                struct arena *arena) {
    double real = 0;
    value = str_trim(value);
    switch (key->type) {
    case CONFIG_BOOLEAN:
        if (!same_word(value, STR("true"), true) && !same_word(value, STR("false"), true)) {
            return invalid(key, value, arena, "Expected value to be either true or false");
        }
        return STR_NULL;
    case CONFIG_SHORT:
    case CONFIG_INT:
    case CONFIG_LONG: return number_problem(key, value, arena);
    case CONFIG_DOUBLE:
        if (!config_value_double(value, &real)) return not_a_number(key, value, arena);
        return range_problem(key, double_text(real, arena), real, arena);
    case CONFIG_LIST: return list_problem(key, value, arena);
    case CONFIG_STRING:
        if (strcmp(key->valid, "regular expression") == 0)
            return pattern_problem(key, value, arena);
        if (strcmp(key->valid, "N% or bytes") == 0) return room_problem(key, value, arena);
        return word_problem(key, value, arena);
    case CONFIG_CLASS:
    case CONFIG_PASSWORD: return word_problem(key, value, arena);
    }
    return STR_NULL;
}
