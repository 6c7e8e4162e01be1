/* protocol/txn_marker.h - the control batch that ends a transaction on one partition: one record,
 * not compressed, of the transaction's producer, whose epoch may be one above that of the data
 * (KIP-890). Key: version i16, type i16 (0 ABORT, 1 COMMIT); value: version i16, the transaction
 * coordinator's epoch i32. Source: org.apache.kafka.common.record.internal.{EndTransactionMarker,
 * ControlRecordType}. */
#pragma once
#include "protocol/batch.h"

enum {
    TXN_MARKER_BATCH_BYTES = 78,
    TXN_MARKER_KEY_BYTES = 4,
    TXN_MARKER_VALUE_BYTES = 6,
};

struct txn_marker {
    bool is_commit;
    int32_t coordinator_epoch;
    int64_t timestamp; /* ms, of its record */
};

/** The marker in a control batch that batch_open has passed. ST_NOT_FOUND: it is none (compaction
 * took the record, or it speaks of something else than transactions). ST_CORRUPT: it should be. */
MUST_CHECK enum status txn_marker_of_batch(const struct batch_view *batch,
                                           struct txn_marker *ret_marker);
/** Writes a whole batch with offset 0, for log_append. */
void txn_marker_encode(uint8_t batch[TXN_MARKER_BATCH_BYTES], int64_t producer_id,
                       int16_t producer_epoch, const struct txn_marker *marker);
