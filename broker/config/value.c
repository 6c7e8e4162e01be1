/* broker/config/value.c - one value against the type and the bounds of its key, in Kafka's notation
 * of bounds. */
#include <stdlib.h>
#include "broker/config/config.h"

static bool is_number(enum config_type type) { return type >= CONFIG_SHORT && type <= CONFIG_LONG; }

static bool number_fits(enum config_type type, int64_t value) {
    if (type == CONFIG_SHORT) return value >= INT16_MIN && value <= INT16_MAX;
    if (type == CONFIG_INT) return value >= INT32_MIN && value <= INT32_MAX;
    return true;
}

static bool parse_double(struct str text, double *ret_value) {
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
        if (same_word(value, STR("true"), true) || same_word(value, STR("false"), true))
            return STR_NULL;
        return STR("true or false is expected");
    }
    if (is_number(key->type)) {
        if (!str_to_int64(value, &number) || !number_fits(key->type, number)) {
            return STR("a whole number is expected");
        }
        if (in_range(key->valid, (double)number)) return STR_NULL;
    } else if (key->type == CONFIG_DOUBLE) {
        if (!parse_double(value, &real)) return STR("a number is expected");
        if (in_range(key->valid, real)) return STR_NULL;
    } else if (key->type == CONFIG_LIST ? words_are_valid(key, value)
                                        : in_words(key->valid, value)) {
        return STR_NULL;
    }
    return arena_printf(arena, "a value in %s is expected", key->valid);
}
