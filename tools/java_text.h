/* tools/java_text.h - octets as Java's String shows them. */
#pragma once
#include "base/strbuf.h"

/** Adds `octets` as UTF-8. What is no UTF-8 becomes U+FFFD as new String(octets, UTF_8) has it: one
 * for each part that cannot be continued, one for a surrogate. */
void java_text_add(struct strbuf *out, struct bytes octets);
