/* tools/reset_plan.h - the parts of kafka-consumer-groups --reset-offsets that ask nobody: how
 * durations, times, scopes and CSV lines are written, and how an offset is kept within a partition.
 * Pure. Source: ConsumerGroupCommand, OffsetsUtils, CsvUtils, java.time.Duration.parse,
 * Utils.getDateTime. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

/** "P1DT2H3M4.5S", each part with its own sign, the whole with one before it; in ms, what is finer
 * is cut off. */
bool reset_parse_duration(struct str text, int64_t *ret_ms);

/** "2024-12-31T23:59:59.999", UTC, or with Z, +hh, +hhmm or +hh:mm behind; in ms since 1970.
 * *ret_why: Java's sentence when it is none, without the text itself. */
bool reset_parse_datetime(struct str text, int64_t *ret_ms, const char **ret_why);

/** Cuts the next partition number off "1,2,3"; false at the end or where it is none (*ret_good). */
bool reset_next_partition(struct str *rest, int32_t *ret_partition, bool *ret_good);

/** The offset within [begin, end]; *ret_how: 1 it was above, -1 below, 0 neither. */
int64_t reset_keep_within(int64_t offset, int64_t begin, int64_t end, int *ret_how);

/* One line of a plan that was exported: GROUP,TOPIC,PARTITION,OFFSET; of a single group without the
 * first. */
struct reset_line {
    struct str group; /* ptr NULL: the line names none */
    struct str topic;
    int32_t partition;
    int64_t offset;
};

/** Reads one line without its end; quotes may stand around a field. */
bool reset_parse_line(struct str text, struct reset_line *ret_line);
