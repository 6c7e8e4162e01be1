/* tools/json.h - reads a JSON text (RFC 8259) from the front to the back, for the files that tools
 * are given. Whoever reads asks for what must come next; a false answer means that it does not,
 * and `failed` that the text is no JSON, for good. Nests JSON_DEPTH deep. */
#pragma once
#include "base/arena.h"

#define JSON_DEPTH 64

struct json {
    struct arena *arena; /* borrowed; for strings */
    const char *at, *end;
    bool failed;
    bool begun; /* a member or an element of the innermost container was read */
};

void json_init(struct json *json, struct arena *arena, struct str text);
/** What comes next: one of { [ " 0 (a number) t f n; 0 at the end or when the text is wrong. */
char json_peek(struct json *json);
/** Goes into an object or an array. */
bool json_enter(struct json *json, char bracket);
/** The next member's name, or false at the object's end, which is then left. */
bool json_member(struct json *json, struct str *ret_name);
/** True before the next element, or false at the array's end, which is then left. */
bool json_element(struct json *json);
bool json_string(struct json *json, struct str *ret_text);
bool json_int64(struct json *json, int64_t *ret_value);
/** Passes over a value of any kind. */
void json_skip(struct json *json);
/** True when all was read without a failure and nothing but white space is left. */
bool json_done(struct json *json);
