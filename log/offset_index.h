/* log/offset_index.h - a segment's sparse map from offset to position, as in its `.index` file.
 * Entry, 8 octets: relative offset i32 (of a batch's LAST record, to the segment's base), position
 * i32 (where that batch starts). Sorted by both. A batch gets an entry when more than
 * index.interval.bytes went into the segment since the last one; the first batch gets none. In
 * memory: the tail that is not in the file yet, and, while there is room in the directory's bound,
 * the file's entries once a lookup needed them (`loaded`). Source:
 * org.apache.kafka.storage.internals.log.OffsetIndex. */
#pragma once
#include "base/list.h"
#include "log/index_tail.h"

enum { OFFSET_INDEX_ENTRY_BYTES = 8 };

struct offset_index {
    struct index_tail tail;
    uint8_t *loaded;       /* the first loaded_count entries of the file, or NULL */
    uint32_t loaded_count; /* tail.file_count when loaded is not NULL */
    struct list cached;    /* in the directory's list, least recently used first */
};

struct offset_position {
    uint32_t relative_offset;
    uint32_t position;
};

void offset_index_add(struct offset_index *index, struct mem *mem, uint32_t relative_offset,
                      uint32_t position);
/** The last entry that is <= relative_offset, {0, 0} when there is none. false: the file's entries
 * must be loaded to know. */
bool offset_index_find(const struct offset_index *index, uint32_t relative_offset,
                       struct offset_position *ret_found);
/** The first of `count` entries whose batch starts at or above `position`; false: none. */
bool offset_index_first_at(const uint8_t *entries, uint32_t count, uint64_t position,
                           struct offset_position *ret_found);
static inline struct offset_position offset_index_decode(const uint8_t *entry) {
    return (struct offset_position){get_u32(entry), get_u32(entry + 4)};
}
/** How many of `count` entries are below relative_offset: what a truncation keeps. */
uint32_t offset_index_count_below(const uint8_t *entries, uint32_t count, uint32_t relative_offset);
/** Whether `count` entries as read from a file can be those of a segment of size_bytes: rising,
 * within it. */
bool offset_index_is_sane(const uint8_t *entries, uint32_t count, uint64_t size_bytes);
