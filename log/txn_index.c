/* log/txn_index.c - entries to and from octets, and which of them overlap a range. */
#include "log/txn_index.h"
#include "base/assert.h"

enum {
    ENTRY_VERSION = 0,
    AT_PRODUCER_ID = 2,
    AT_FIRST_OFFSET = 10,
    AT_LAST_OFFSET = 18,
    AT_LAST_STABLE_OFFSET = 26,
    FIRST_CAPACITY = 8, /* of a list */
};
_Static_assert(AT_LAST_STABLE_OFFSET + 8 == TXN_INDEX_ENTRY_BYTES, "the LSO ends an entry");

void txn_index_encode(uint8_t *entry, const struct aborted_txn *txn) {
    put_u16(entry, ENTRY_VERSION);
    put_u64(entry + AT_PRODUCER_ID, (uint64_t)txn->producer_id);
    put_u64(entry + AT_FIRST_OFFSET, (uint64_t)txn->first_offset);
    put_u64(entry + AT_LAST_OFFSET, (uint64_t)txn->last_offset);
    put_u64(entry + AT_LAST_STABLE_OFFSET, (uint64_t)txn->last_stable_offset);
}

struct aborted_txn txn_index_decode(const uint8_t *entry) {
    return (struct aborted_txn){
        .producer_id = (int64_t)get_u64(entry + AT_PRODUCER_ID),
        .first_offset = (int64_t)get_u64(entry + AT_FIRST_OFFSET),
        .last_offset = (int64_t)get_u64(entry + AT_LAST_OFFSET),
        .last_stable_offset = (int64_t)get_u64(entry + AT_LAST_STABLE_OFFSET),
    };
}

static int64_t last_offset_of(const uint8_t *entries, uint32_t index) {
    return (int64_t)get_u64(entries + (size_t)index * TXN_INDEX_ENTRY_BYTES + AT_LAST_OFFSET);
}

enum status txn_index_add(struct txn_index *index, struct mem *mem, const struct aborted_txn *txn) {
    struct index_tail *tail = &index->tail;
    ASSERT(tail->file_count != INDEX_COUNT_UNKNOWN);
    ASSERT(tail->count == 0 || last_offset_of(tail->entries, tail->count - 1) < txn->last_offset);
    uint8_t entry[TXN_INDEX_ENTRY_BYTES];
    uint32_t count = tail->count;
    txn_index_encode(entry, txn);
    index_tail_add(tail, mem, entry, sizeof entry);
    if (tail->count == count) return ST_NOMEM;
    index->last_marker = txn->last_offset;
    return ST_OK;
}

bool txn_index_knows(const struct txn_index *index, int64_t first) {
    const struct index_tail *tail = &index->tail;
    if (tail->file_count == 0) return true;
    int64_t file_end = tail->count > 0 ? last_offset_of(tail->entries, 0) : index->last_marker + 1;
    return first >= file_end;
}

uint32_t txn_index_count_below(const uint8_t *entries, uint32_t count, int64_t offset) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (last_offset_of(entries, middle) < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool txn_index_is_sane(const uint8_t *entries, uint32_t count, int64_t base_offset) {
    int64_t before = base_offset - 1;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = entries + (size_t)i * TXN_INDEX_ENTRY_BYTES;
        struct aborted_txn txn = txn_index_decode(entry);
        if (get_u16(entry) != ENTRY_VERSION || txn.producer_id < 0 || txn.first_offset < 0)
            return false;
        if (txn.last_offset <= before || txn.first_offset >= txn.last_offset) return false;
        if (txn.last_stable_offset < 0 || txn.last_stable_offset > txn.last_offset + 1)
            return false;
        before = txn.last_offset;
    }
    return true;
}

void aborted_txns_release(struct aborted_txns *list, struct mem *mem) {
    mem_free(mem, list->txns, list->capacity * sizeof *list->txns);
    *list = (struct aborted_txns){0};
}

enum status aborted_txns_push(struct aborted_txns *list, struct mem *mem,
                              const struct aborted_txn *txn) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity > 0 ? list->capacity * 2 : FIRST_CAPACITY;
        struct aborted_txn *grown =
            mem_resize(mem, list->txns, list->capacity * sizeof *grown, capacity * sizeof *grown);
        if (grown == NULL) return ST_NOMEM;
        list->txns = grown;
        list->capacity = capacity;
    }
    list->txns[list->count++] = *txn;
    return ST_OK;
}

enum status txn_index_collect(const uint8_t *entries, uint32_t count, int64_t first, int64_t upper,
                              struct aborted_txns *list, struct mem *mem, bool *ret_is_complete) {
    *ret_is_complete = false;
    for (uint32_t i = txn_index_count_below(entries, count, first); i < count; i++) {
        struct aborted_txn txn = txn_index_decode(entries + (size_t)i * TXN_INDEX_ENTRY_BYTES);
        enum status st = txn.first_offset < upper ? aborted_txns_push(list, mem, &txn) : ST_OK;
        if (st != ST_OK) return st;
        /* Whatever was open then, and so whatever ends later, begins at or above upper. */
        *ret_is_complete = txn.last_stable_offset >= upper;
        if (*ret_is_complete) return ST_OK;
    }
    return ST_OK;
}
