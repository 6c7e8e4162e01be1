/* tests/scenarios/stage.h - what the cores on stage share: words of a line, and what is answered.
 * */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

#define LINE_BYTES 512
#define ANSWER_BYTES 16384

struct answer {
    char text[ANSWER_BYTES];
    size_t bytes;
};

void say(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** "name=value" in the line as a number; `missing` when it is not there. */
int64_t word(const char *line, const char *name, int64_t missing);
/** The same as text up to the next space; null when it is not there. */
struct str text_word(const char *line, const char *name);
