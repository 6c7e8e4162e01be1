/* log/time_index.h - a segment's sparse map from timestamp to offset, as in its `.timeindex` file.
 * Entry, 12 octets: timestamp i64 (ms; the largest in the segment so far), relative offset i32 (of
 * the last record of the batch that holds it). Timestamps strictly rise; offsets never fall.
 * Written beside the offset index's entries when the maximum rose, and once when the segment is
 * closed or rolled. Source: org.apache.kafka.storage.internals.log.TimeIndex. */
#pragma once
#include "log/index_tail.h"

enum { TIME_INDEX_ENTRY_BYTES = 12 };

struct time_entry {
    int64_t timestamp_ms; /* -1: no entry */
    uint32_t relative_offset;
};

struct time_index {
    struct index_tail tail;
    struct time_entry last; /* {-1, 0} when empty */
};

static inline struct time_entry time_index_decode(const uint8_t *entry) {
    return (struct time_entry){(int64_t)get_u64(entry), get_u32(entry + 8)};
}
/** Adds the entry when its timestamp is above the last one's. */
void time_index_add(struct time_index *index, struct mem *mem, struct time_entry entry);
/** The last of `count` entries whose timestamp is <= timestamp_ms; {-1, 0} when there is none. */
struct time_entry time_index_find(const uint8_t *entries, uint32_t count, int64_t timestamp_ms);
/** How many of `count` entries have an offset below relative_offset: what a truncation keeps. */
uint32_t time_index_count_below(const uint8_t *entries, uint32_t count, uint32_t relative_offset);
/** Whether `count` entries as read from a file can be those of a segment: timestamps rise, offsets
 * do not fall. */
bool time_index_is_sane(const uint8_t *entries, uint32_t count);
