/* log/index_tail.c - a growing array of index entries. */
#include "log/index_tail.h"
#include "base/assert.h"

enum { FIRST_CAPACITY = 16 };

void index_tail_add(struct index_tail *tail, struct mem *mem, const void *entry,
                    uint32_t entry_bytes) {
    if (tail->count == tail->capacity) {
        uint32_t capacity = tail->capacity > 0 ? tail->capacity * 2 : FIRST_CAPACITY;
        uint8_t *grown = mem_resize(mem, tail->entries, (size_t)tail->capacity * entry_bytes,
                                    (size_t)capacity * entry_bytes);
        if (grown == NULL) return;
        tail->entries = grown;
        tail->capacity = capacity;
    }
    memcpy(tail->entries + (size_t)tail->count * entry_bytes, entry, entry_bytes);
    tail->count++;
}

void index_tail_written(struct index_tail *tail, struct mem *mem, uint32_t count,
                        uint32_t entry_bytes) {
    ASSERT(count <= tail->count);
    if (count == 0) return;
    tail->file_count += count;
    tail->count -= count;
    memmove(tail->entries, tail->entries + (size_t)count * entry_bytes,
            (size_t)tail->count * entry_bytes);
}

void index_tail_clear(struct index_tail *tail, struct mem *mem, uint32_t entry_bytes) {
    mem_free(mem, tail->entries, (size_t)tail->capacity * entry_bytes);
    *tail = (struct index_tail){0};
}
