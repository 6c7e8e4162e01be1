/* log/time_index.c - adding to and searching in sorted entries. */
#include "log/time_index.h"

void time_index_add(struct time_index *index, struct mem *mem, struct time_entry entry) {
    if (entry.timestamp_ms <= index->last.timestamp_ms) return;
    uint8_t octets[TIME_INDEX_ENTRY_BYTES];
    put_u64(octets, (uint64_t)entry.timestamp_ms);
    put_u32(octets + 8, entry.relative_offset);
    index_tail_add(&index->tail, mem, octets, sizeof octets);
    index->last = entry;
}

struct time_entry time_index_find(const uint8_t *entries, uint32_t count, int64_t timestamp_ms) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (time_index_decode(entries + (size_t)middle * TIME_INDEX_ENTRY_BYTES).timestamp_ms <=
            timestamp_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return (struct time_entry){-1, 0};
    return time_index_decode(entries + (size_t)(low - 1) * TIME_INDEX_ENTRY_BYTES);
}

uint32_t time_index_count_below(const uint8_t *entries, uint32_t count, uint32_t relative_offset) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (time_index_decode(entries + (size_t)middle * TIME_INDEX_ENTRY_BYTES).relative_offset <
            relative_offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool time_index_is_sane(const uint8_t *entries, uint32_t count) {
    struct time_entry before = {-1, 0};
    for (uint32_t i = 0; i < count; i++) {
        struct time_entry entry = time_index_decode(entries + (size_t)i * TIME_INDEX_ENTRY_BYTES);
        if (entry.relative_offset > INT32_MAX || entry.timestamp_ms <= before.timestamp_ms)
            return false;
        if (entry.relative_offset < before.relative_offset) return false;
        before = entry;
    }
    return true;
}
