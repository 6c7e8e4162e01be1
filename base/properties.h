/* base/properties.h - Java properties text: server.properties, meta.properties, tools'
 * --command-config files. `key=value`, `key: value` or `key value`; '#' and '!' comments; a
 * backslash at the end joins lines; escapes \t \n \r \f \uXXXX and \<any>. Source:
 * java.util.Properties.load. */
#pragma once
#include "base/arena.h"
#include "base/status.h"

struct property {
    struct str key, value; /* arena, unescaped */
    uint32_t line;         /* where it starts, from 1 */
};

struct properties {
    /* arena, in the order of the text; a later one of the same key wins */
    struct property *entries;
    uint32_t count;
};

/** ST_CORRUPT with *ret_line for a bad \u escape; ST_NOMEM. */
MUST_CHECK enum status properties_parse(struct str text, struct arena *arena,
                                        struct properties *ret_properties, uint32_t *ret_line);
/** The last entry with the key, NULL when there is none. */
const struct property *properties_find(const struct properties *properties, struct str key);
