/* tools/pattern.c - see pattern.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/pattern.h"
#include <pcre2.h>
#include <stdio.h>

/* A pattern is its compiled code: the struct is never defined. */
static pcre2_code *code_of(const struct pattern *pattern) {
    return (pcre2_code *)(uintptr_t)pattern;
}

struct pattern *pattern_new(struct str text, char *why, size_t why_bytes) {
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)text.ptr, text.len,
                      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &code, &at, NULL);
    if (compiled != NULL) return (struct pattern *)compiled;
    PCRE2_UCHAR reason[128];
    (void)pcre2_get_error_message(code, reason, sizeof reason); /* cut to fit */
    (void)snprintf(why, why_bytes, "%s near index %zu", (const char *)reason, (size_t)at);
    return NULL;
}

void pattern_free(struct pattern *pattern) { pcre2_code_free(code_of(pattern)); }

bool pattern_matches(const struct pattern *pattern, struct str name) {
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (match == NULL) return false;
    int found = pcre2_match(code_of(pattern), (PCRE2_SPTR)name.ptr, name.len, 0, PCRE2_NO_UTF_CHECK,
                            match, NULL);
    pcre2_match_data_free(match);
    return found >= 0;
}
