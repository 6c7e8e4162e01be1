/* tools/partition_offsets.h - ListOffsets for the tools: where partitions begin or end, or which
 * offset has a timestamp. Source: ListOffsetsRequest. */
#pragma once
#include "tools/client.h"

enum {
    OFFSET_LATEST = -1,
    OFFSET_EARLIEST = -2,
};

/* One partition that is asked for. */
struct partition_offset {
    struct str topic;
    int32_t index, leader; /* leader -1: none, and so no answer */
    int64_t offset;        /* -1: none, for a timestamp after the last one */
    int16_t error_code;
    bool answered;
};

/** Fills in offset, error_code and answered of all; one request for each run of one topic and
 * leader. */
MUST_CHECK enum status partition_offsets_ask(struct client *c, int64_t timestamp,
                                             struct partition_offset *wanted, uint32_t count);
