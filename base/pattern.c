/* base/pattern.c - see pattern.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/pattern.h"
#include <pcre2.h>
#include <stdio.h>

#define STEPS_MAX 1000000
#define HEAP_KIB_MAX 1024 /* of what a match keeps to go back to */

struct pattern {
    struct mem *mem;
    pcre2_general_context *context; /* gives the library our counted memory */
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    bool gave_up;
};

/* Counted memory is given back with its size, which the library does not say: it stands before the
 * block. */
struct block {
    size_t bytes;
    max_align_t data[];
};

static void *give(size_t bytes, void *mem) {
    struct block *block = mem_alloc(mem, sizeof *block + bytes);
    if (block == NULL) return NULL;
    block->bytes = bytes;
    return block->data;
}

static void take_back(void *data, void *mem) {
    if (data == NULL) return;
    struct block *block = CONTAINER_OF(data, struct block, data);
    mem_free(mem, block, sizeof *block + block->bytes);
}

struct pattern *pattern_new(struct mem *mem, struct str text, char *why, size_t why_bytes) {
    struct pattern *pattern = MEM_NEW(mem, struct pattern);
    int code = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE at = 0;
    pattern->mem = mem;
    pattern->context = pcre2_general_context_create(give, take_back, mem);
    pcre2_compile_context *compile =
        pattern->context != NULL ? pcre2_compile_context_create(pattern->context) : NULL;
    if (compile != NULL) {
        pattern->code =
            pcre2_compile((PCRE2_SPTR)text.ptr, text.len,
                          PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &code, &at, compile);
        pcre2_compile_context_free(compile);
    }
    if (pattern->code != NULL) pattern->match = pcre2_match_data_create(1, pattern->context);
    if (pattern->match != NULL) pattern->limits = pcre2_match_context_create(pattern->context);
    if (pattern->limits != NULL) {
        pattern_limit(pattern, STEPS_MAX);
        (void)pcre2_set_heap_limit(pattern->limits, HEAP_KIB_MAX); /* 0 always */
        return pattern;
    }
    if (pattern->code != NULL) code = PCRE2_ERROR_NOMEMORY;
    pattern_free(pattern);
    PCRE2_UCHAR reason[128];
    (void)pcre2_get_error_message(code, reason, sizeof reason); /* cut to fit */
    (void)snprintf(why, why_bytes, "%s near index %zu", (const char *)reason, (size_t)at);
    return NULL;
}

void pattern_free(struct pattern *pattern) {
    if (pattern == NULL) return;
    pcre2_match_context_free(pattern->limits);
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
    pcre2_general_context_free(pattern->context);
    MEM_FREE(pattern->mem, pattern);
}

bool pattern_matches(struct pattern *pattern, struct str name) {
    int result = pcre2_match(pattern->code, (PCRE2_SPTR)name.ptr, name.len, 0, PCRE2_NO_UTF_CHECK,
                             pattern->match, pattern->limits);
    if (result < PCRE2_ERROR_NOMATCH) pattern->gave_up = true; /* a limit, or no memory */
    return result >= 0;
}

void pattern_limit(struct pattern *pattern, uint32_t steps) {
    (void)pcre2_set_match_limit(pattern->limits, steps); /* 0 always */
}

bool pattern_gave_up(const struct pattern *pattern) { return pattern->gave_up; }
