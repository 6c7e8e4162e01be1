/* tools/lag_print.h - what klamm-lag shows of a look: a table, worst first, or one object of
 * JSON. */
#pragma once
#include <stdio.h>
#include "base/strbuf.h"
#include "tools/lag_watch.h"

/** A table of at most max_rows rows (0: all), worst first, then a line of advice for every group
 * with a cause. */
void lag_print_table(const struct lag_watch *watch, struct arena *arena, uint32_t max_rows,
                     FILE *out);
/** One object and the end of the line: docs/tools.md has its fields. */
void lag_print_json(const struct lag_watch *watch, struct strbuf *out);
/** "1.5s", "2m05s", "3h10m", "12d4h"; "-" for a time below 0. */
void lag_format_duration(int64_t ms, char *text, size_t text_bytes);
