/* log/offset_index.c - adding to and searching in sorted entries. */
#include "log/offset_index.h"

void offset_index_add(struct offset_index *index, struct mem *mem, uint32_t relative_offset,
                      uint32_t position) {
    uint8_t entry[OFFSET_INDEX_ENTRY_BYTES];
    put_u32(entry, relative_offset);
    put_u32(entry + 4, position);
    index_tail_add(&index->tail, mem, entry, sizeof entry);
}

/* How many entries are <= relative_offset. */
static uint32_t count_up_to(const uint8_t *entries, uint32_t count, uint32_t relative_offset) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (get_u32(entries + (size_t)middle * OFFSET_INDEX_ENTRY_BYTES) <= relative_offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool offset_index_find(const struct offset_index *index, uint32_t relative_offset,
                       struct offset_position *ret_found) {
    *ret_found = (struct offset_position){0, 0};
    uint32_t n = count_up_to(index->tail.entries, index->tail.count, relative_offset);
    const uint8_t *entries = index->tail.entries;
    if (n == 0 && index->tail.file_count > 0) {
        if (index->loaded == NULL) return false;
        n = count_up_to(index->loaded, index->loaded_count, relative_offset);
        entries = index->loaded;
    }
    if (n > 0)
        *ret_found = offset_index_decode(entries + (size_t)(n - 1) * OFFSET_INDEX_ENTRY_BYTES);
    return true;
}

bool offset_index_first_at(const uint8_t *entries, uint32_t count, uint64_t position,
                           struct offset_position *ret_found) {
    uint32_t low = 0, high = count; /* how many lie below */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (get_u32(entries + (size_t)middle * OFFSET_INDEX_ENTRY_BYTES + 4) < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == count) return false;
    *ret_found = offset_index_decode(entries + (size_t)low * OFFSET_INDEX_ENTRY_BYTES);
    return true;
}

uint32_t offset_index_count_below(const uint8_t *entries, uint32_t count,
                                  uint32_t relative_offset) {
    return relative_offset == 0 ? 0 : count_up_to(entries, count, relative_offset - 1);
}

bool offset_index_is_sane(const uint8_t *entries, uint32_t count, uint64_t size_bytes) {
    struct offset_position before = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        struct offset_position entry =
            offset_index_decode(entries + (size_t)i * OFFSET_INDEX_ENTRY_BYTES);
        if (entry.relative_offset > INT32_MAX || entry.position >= size_bytes) return false;
        if (entry.relative_offset <= before.relative_offset || entry.position <= before.position)
            return false;
        before = entry;
    }
    return true;
}
