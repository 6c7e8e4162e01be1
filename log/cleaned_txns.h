/* log/cleaned_txns.h - what compaction must know of transactions while it reads a log from its
 * start: which batches belong to an aborted one (their records go), and which markers still have
 * records before them (those stay). Pure.
 *
 * Aborted transactions are announced before the first of their batches is read: all whose records
 * may lie in the segment that is read next, up to its end and not to the end of the cleaning alone
 * (KAFKA-13727: otherwise a marker goes while the data that it takes back stays). All others are
 * committed ones. A marker's own key is not a user's (KAFKA-14055): control batches never enter the
 * key map.
 * Source: org.apache.kafka.storage.internals.log.CleanedTransactionMetadata. */
#pragma once
#include "log/txn_index.h"
#include "protocol/batch.h"

enum marker { MARKER_ABORT, MARKER_COMMIT, MARKER_OTHER, MARKER_NONE /* the batch is empty */ };

struct cleaned_txns {
    struct mem *mem;              /* borrowed */
    struct aborted_txn *expected; /* by first offset: their first batch is still ahead */
    uint32_t expected_count, expected_capacity;
    struct open_txn *open; /* those whose batches are being read, aborted or not */
    uint32_t open_count, open_capacity;
};

void cleaned_txns_init(struct cleaned_txns *txns, struct mem *mem);
void cleaned_txns_release(struct cleaned_txns *txns);
/** Forgets all: another walk begins. */
void cleaned_txns_clear(struct cleaned_txns *txns);
/** Announces one; what was announced already, or was begun, changes nothing. */
MUST_CHECK enum status cleaned_txns_add(struct cleaned_txns *txns, const struct aborted_txn *txn);

/** The next batch that is none of control. *ret_is_aborted: its records go. */
MUST_CHECK enum status cleaned_txns_batch(struct cleaned_txns *txns, const struct batch_view *batch,
                                          bool *ret_is_aborted);
/** The next control batch. *ret_is_done: none of the transaction's records were read, so the marker
 * may go, too, when its time has come. An ABORT that is not done: *ret_abort tells what the new
 * `.txnindex` keeps (else producer_id is -1). */
MUST_CHECK enum status cleaned_txns_marker(struct cleaned_txns *txns,
                                           const struct batch_view *batch, enum marker marker,
                                           bool *ret_is_done, struct aborted_txn *ret_abort);
