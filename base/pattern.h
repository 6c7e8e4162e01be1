/* base/pattern.h - regular expressions over whole topic names, as java.util.regex's matches()
 * answers them (by PCRE2, whose language holds Java's but for a few rare constructs). A pattern is
 * compiled once and used by one thread. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"

struct pattern;

/** NULL when `text` is no regular expression, or there is no memory; why[] then says what is wrong
 *  and where. mem: borrowed for the pattern's life. */
struct pattern *pattern_new(struct mem *mem, struct str text, char *why, size_t why_bytes);
/** NULL is allowed. */
void pattern_free(struct pattern *pattern);
/** How many steps one match may take from now on; a step takes about 20 ns. A million at first. */
void pattern_limit(struct pattern *pattern, uint32_t steps);
/** True when the pattern fits all of `name`. False, too, when that took too many steps. */
bool pattern_matches(struct pattern *pattern, struct str name);
/** Whether a match so far took too many steps: then its answers say nothing. */
bool pattern_gave_up(const struct pattern *pattern);
