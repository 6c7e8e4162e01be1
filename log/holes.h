/* log/holes.h - `<base>.holes` beside a segment: ranges of its file in which recovery found no
 * valid batch. Text: "0\n<count>\n", then "<first offset> <end offset> <position> <end position>\n"
 * a line. The file is absent when there are none. Kafka leaves files of unknown name in a
 * partition's directory alone. */
#pragma once
#include "log/impl.h"

/** The holes of such a text, *ret_count of them, from mem; NULL when it has none. ST_CORRUPT. */
MUST_CHECK enum status holes_parse(struct mem *mem, struct str text, struct hole **ret_holes,
                                   uint32_t *ret_count);
/** Sets the segment's holes from the file, none when it is missing. ST_CORRUPT: not such a text. */
MUST_CHECK enum status holes_read(struct job *job, const struct log *log, struct segment *segment);
/** Makes the file say what the segment's holes are, durably; removes it when there are none. */
MUST_CHECK enum status holes_write(struct job *job, const struct log *log,
                                   const struct segment *segment);
/** Damage was met at `position`, where `expected` is the first offset that may stand: what lies up
 * to the next valid batch of the segment, or to its end, becomes a hole, in memory only. The
 * segment's file is in use. */
MUST_CHECK enum status holes_note(struct job *job, const struct log *log, struct segment *segment,
                                  uint64_t position, int64_t expected);
