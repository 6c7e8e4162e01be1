/* log/index_tail.h - the end of an index file that is still in memory: entries in the file's own
 * format, in order, which follow the `file_count` entries that were written. Shared by the offset
 * index and the time index. An index only helps to find: a growth that finds no memory skips the
 * entry, and lookups scan further. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"

#define INDEX_TAIL_WRITE_COUNT                                                                     \
    256u /* entries after which the log writes the tail into its file   \
                                     */

#define INDEX_COUNT_UNKNOWN UINT32_MAX /* the file was not looked at yet */

struct index_tail {
    uint8_t *entries;
    uint32_t count, capacity; /* entries in memory */
    uint32_t file_count; /* entries in the file, before these; unknown only of a segment that is not
                            active */
};

static inline uint32_t index_tail_total(const struct index_tail *tail) {
    return tail->file_count + tail->count;
}
/** Copies one entry to the end. */
void index_tail_add(struct index_tail *tail, struct mem *mem, const void *entry,
                    uint32_t entry_bytes);
/** The first `count` entries are in the file now; the memory stays for the next ones. */
void index_tail_written(struct index_tail *tail, struct mem *mem, uint32_t count,
                        uint32_t entry_bytes);
/** Forgets everything. */
void index_tail_clear(struct index_tail *tail, struct mem *mem, uint32_t entry_bytes);
