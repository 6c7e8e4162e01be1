/* tools/java_date.h - a time by a pattern of Java's SimpleDateFormat, in the local time zone and in
 * English, with the weeks of the United States (they begin on Sunday), as Java has them where no
 * other language is set. Source: java.text.SimpleDateFormat of Java 17. */
#pragma once
#include <time.h>
#include "base/strbuf.h"

/** Null when the pattern is one, else what is wrong with it, in Java's words, perhaps in `why`. */
const char *java_date_problem(const char *pattern, char *why, size_t why_bytes);
/** Adds the time by a pattern without a problem. */
void java_date_add(struct strbuf *out, const char *pattern, struct timespec time);
