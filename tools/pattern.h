/* tools/pattern.h - regular expressions over whole topic names, as java.util.regex's matches()
 * answers them (by PCRE2, whose language holds Java's but for a few rare constructs). */
#pragma once
#include "base/bytes.h"

struct pattern;

/** NULL when `text` is no regular expression; why[] then says what is wrong and where. */
struct pattern *pattern_new(struct str text, char *why, size_t why_bytes);
void pattern_free(struct pattern *pattern);
/** True when the pattern fits all of `name`. */
bool pattern_matches(const struct pattern *pattern, struct str name);
