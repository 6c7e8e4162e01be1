/* log/lines.h - the text form that all of Kafka's checkpoint files share: a line with the version
 * (0), a line with the number of entries, then one entry a line, words parted by spaces. An empty
 * text has no entries. Source: org.apache.kafka.server.common.CheckpointFile. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct lines {
    struct str rest;
    uint32_t number; /* of the line read last, from 1 */
};

/** Reads version and count; a count that cannot fit into the text is ST_CORRUPT. */
MUST_CHECK enum status lines_begin(struct lines *lines, struct str text, uint32_t *ret_count);
/** The next line as exactly `count` words. ST_CORRUPT: it has more or fewer, or there is no line.
 */
MUST_CHECK enum status lines_words(struct lines *lines, struct str *ret_words, size_t count);
/** ST_CORRUPT when something follows. */
MUST_CHECK enum status lines_end(struct lines *lines);
