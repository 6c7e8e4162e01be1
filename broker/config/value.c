/* broker/config/value.c - one value against the type and the bounds of its key, in Kafka's notation
 * of bounds. */
#include <stdio.h>
#include <stdlib.h>
#include "broker/config/config.h"

static bool is_number(enum config_type type) { return type >= CONFIG_SHORT && type <= CONFIG_LONG; }

static bool number_fits(enum config_type type, int64_t value) {
    if (type == CONFIG_SHORT) return value >= INT16_MIN && value <= INT16_MAX;
    if (type == CONFIG_INT) return value >= INT32_MIN && value <= INT32_MAX;
    return true;
}

bool config_value_double(struct str text, double *ret_value) {
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy) return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *end = NULL;
    *ret_value = strtod(copy, &end);
    return *end == '\0';
}

/* "[min,...]" and "[min,...,max]", perhaps followed by " or N". */
static bool in_range(const char *valid, double value) {
    const char *dots = strstr(valid, ",...");
    if (valid[0] != '[' || dots == NULL) return true;
    const char *also = strstr(valid, " or ");
    if (also != NULL && strtod(also + 4, NULL) == value) return true;
    if (value < strtod(valid + 1, NULL)) return false;
    return dots[4] != ',' || value <= strtod(dots + 5, NULL);
}

static bool same_word(struct str a, struct str b, bool ignore_case) {
    return a.len == b.len &&
           (ignore_case ? strncasecmp(a.ptr, b.ptr, a.len) : strncmp(a.ptr, b.ptr, a.len)) == 0;
}

/* "[a, b, c]": one of the words. */
static bool in_words(const char *valid, struct str word) {
    bool ignore_case = strstr(valid, "case insensitive") != NULL;
    const char *at = strchr(valid, '[');
    if (at == NULL || strstr(valid, "...") != NULL) return true;
    at++;
    for (;;) {
        const char *end = at + strcspn(at, ",]");
        if (same_word(str_trim((struct str){at, (size_t)(end - at)}), word, ignore_case))
            return true;
        if (*end != ',') return false;
        at = end + 1;
    }
}

static bool words_are_valid(const struct config_key *key, struct str value) {
    while (value.len > 0) {
        const char *comma = memchr(value.ptr, ',', value.len);
        size_t len = comma != NULL ? (size_t)(comma - value.ptr) : value.len;
        if (!in_words(key->valid, str_trim((struct str){value.ptr, len}))) return false;
        value.ptr += MIN(len + 1, value.len);
        value.len -= MIN(len + 1, value.len);
    }
    return true;
}

struct str config_value_problem(const struct config_key *key, struct str value,
                                struct arena *arena) {
    double real = 0;
    int64_t number = 0;
    if (key->type == CONFIG_BOOLEAN) {
        if (!same_word(value, STR("true"), true) && !same_word(value, STR("false"), true))
            return STR("true or false is expected");
        if (in_words(key->valid, value)) return STR_NULL;
        return arena_printf(arena, "a value in %s is expected", key->valid);
    }
    if (is_number(key->type)) {
        if (!str_to_int64(value, &number) || !number_fits(key->type, number)) {
            return STR("a whole number is expected");
        }
        if (in_range(key->valid, (double)number)) return STR_NULL;
    } else if (key->type == CONFIG_DOUBLE) {
        if (!config_value_double(value, &real)) return STR("a number is expected");
        if (in_range(key->valid, real)) return STR_NULL;
    } else if (key->type == CONFIG_LIST ? words_are_valid(key, value)
                                        : in_words(key->valid, value)) {
        return STR_NULL;
    }
    return arena_printf(arena, "a value in %s is expected", key->valid);
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
    if (text == NULL) return STR_NULL;
    while (value.len > 0) {
        const char *comma = memchr(value.ptr, ',', value.len);
        size_t item_len = comma != NULL ? (size_t)(comma - value.ptr) : value.len;
        struct str item = str_trim((struct str){value.ptr, item_len});
        memcpy(text + len, item.ptr, item.len);
        len += item.len;
        if (comma != NULL) text[len++] = ',';
        value.ptr += MIN(item_len + 1, value.len);
        value.len -= MIN(item_len + 1, value.len);
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
