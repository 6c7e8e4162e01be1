/* log/txn_index.h - a segment's aborted transactions, as in its `.txnindex` file.
 * Entry, 34 octets: version i16 (0), producer id, first offset, last offset (that of the ABORT
 * marker), last stable offset (after the marker), each i64. Sorted by last offset; an entry stands
 * in the segment that holds its marker. There is no file before the first entry. In memory: the
 * tail that is not in the file yet.
 *
 * Unlike the other two indexes this one does not merely help to find: without an entry the
 * records of an aborted transaction pass for committed. So adding one may fail, a file that cannot
 * be right is rebuilt from the batches, and a reader that cannot have it gets nothing.
 * Source: org.apache.kafka.storage.internals.log.{TransactionIndex,AbortedTxn}. */
#pragma once
#include "base/status.h"
#include "log/index_tail.h"

enum { TXN_INDEX_ENTRY_BYTES = 34 };

struct aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;        /* of the ABORT marker */
    int64_t last_stable_offset; /* where the first transaction that was still open then began;
                                   last_offset + 1 when there was none */
};

struct txn_index {
    struct index_tail tail;
    int64_t last_marker; /* last offset of the last entry; meaningless while there is none */
};

/* A list that grows. */
struct aborted_txns {
    struct aborted_txn *txns;
    uint32_t count, capacity;
};
MUST_CHECK enum status aborted_txns_push(struct aborted_txns *list, struct mem *mem,
                                         const struct aborted_txn *txn);
void aborted_txns_release(struct aborted_txns *list, struct mem *mem);

void txn_index_encode(uint8_t *entry, const struct aborted_txn *txn);
struct aborted_txn txn_index_decode(const uint8_t *entry);
/** Adds an entry, whose last offset is above that of all others. */
MUST_CHECK enum status txn_index_add(struct txn_index *index, struct mem *mem,
                                     const struct aborted_txn *txn);
static inline bool txn_index_is_empty(const struct txn_index *index) {
    return index_tail_total(&index->tail) == 0;
}
/** What overlaps [first, ...) is in memory: the file, if there is one, holds nothing of it. */
bool txn_index_knows(const struct txn_index *index, int64_t first);
/** How many of `count` entries have their marker below `offset`: what a truncation keeps. */
uint32_t txn_index_count_below(const uint8_t *entries, uint32_t count, int64_t offset);
/** Whether `count` entries as read from a file can be those of a segment that begins at
 * base_offset. */
bool txn_index_is_sane(const uint8_t *entries, uint32_t count, int64_t base_offset);
/** Adds to the list, in order, the entries that have a record in [first, upper).
 *  *ret_is_complete: no later entry, in this segment or another, has one. */
MUST_CHECK enum status txn_index_collect(const uint8_t *entries, uint32_t count, int64_t first,
                                         int64_t upper, struct aborted_txns *list, struct mem *mem,
                                         bool *ret_is_complete);
