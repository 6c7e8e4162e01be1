/* log/producer_state.h - what a partition remembers of its producers: of the idempotent ones, so
 * that a batch that is sent again is answered and not appended again, and a gap is refused; of the
 * transactional ones, so that readers of committed data know how far they may read.
 *
 * Per producer id: its epoch, sequences and offsets of its last five batches in that epoch, where
 * its open transaction began, and the epoch of the coordinator that ended the last one. The state
 * is a function of the log: replaying its batches in order gives it again (invariant: live state ==
 * replay), a snapshot file only shortens the replay. Entries without a batch or marker for
 * producer.id.expiration.ms are forgotten, and the least recently used when there would be more
 * than the cap; one with an open transaction never is, since the last stable offset hangs on it.
 * That is counted by a clock that never steps (steady_ms, from any point): who is forgotten early
 * could append a batch twice.
 *
 * A transaction is unstable from its first record until its marker is below the high watermark: a
 * reader that believed a marker earlier would see a decision that can still be lost.
 *
 * Pure: no clock, no file. Owner: the partition's shard.
 * Source: org.apache.kafka.storage.internals.log.{ProducerStateManager,ProducerAppendInfo,
 * ProducerStateEntry}; KIP-98, KIP-360, KIP-890. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/status.h"
#include "log/txn_index.h"
#include "protocol/batch.h"
#include "protocol/txn_marker.h"

#define PRODUCER_BATCHES 5   /* remembered per producer; a client keeps at most as many in flight */
#define PRODUCERS_MAX 100000 /* per partition; the least recently used one goes first */
#define NO_UNSTABLE_OFFSET INT64_MAX

enum producer_verdict {
    PRODUCER_APPEND,             /* in order: append it */
    PRODUCER_DUPLICATE,          /* appended before: answer with those offsets */
    PRODUCER_OUT_OF_ORDER,       /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    PRODUCER_FENCED,             /* INVALID_PRODUCER_EPOCH: a newer epoch of this id has written */
    PRODUCER_IN_TRANSACTION,     /* INVALID_TXN_STATE: plain data while its transaction is open */
    PRODUCER_COORDINATOR_FENCED, /* TRANSACTION_COORDINATOR_FENCED: an old coordinator's marker */
};

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t last_offset;
    int32_t offset_delta; /* last offset - first offset */
    int64_t timestamp_ms; /* its max timestamp */
};

/* One producer at one moment: an entry of a snapshot, a row of DescribeProducers. */
struct producer_summary {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence;     /* NO_SEQUENCE: no batch in this epoch */
    int64_t last_offset;       /* of its last batch; -1 likewise */
    int32_t offset_delta;      /* last - first offset of that batch */
    int64_t last_timestamp_ms; /* of its last batch or marker */
    int32_t coordinator_epoch; /* of its last marker; -1 none */
    int64_t txn_first_offset;  /* of its open transaction; -1 none */
};

struct producer_list {
    struct producer_summary *producers;
    size_t count, capacity;
};
void producer_list_release(struct producer_list *list, struct mem *mem);

/* What one batch changed. */
struct producer_change {
    struct producer_summary before; /* of its producer; producer_id NO_PRODUCER_ID: no change */
    bool was_known;
    bool is_abort; /* an entry for the transaction index: */
    struct aborted_txn aborted;
};

/* A transaction that has ended, while its marker may still be lost. */
struct ended_txn {
    int64_t first_offset;
    int64_t last_offset; /* of the marker */
};

struct producer_states {
    struct mem *mem;    /* borrowed */
    struct map map;     /* struct producer_entry by id */
    struct list by_use; /* those without a transaction, least recently appended first */
    struct list open;   /* those with one, by its first offset */
    uint32_t limit_count;
    /* Ended transactions whose marker is not below the high watermark. One that began before an
     * earlier one outlasts it, so earlier ones that began later are dropped: both offsets rise, and
     * the first one is the least. */
    struct ended_txn *ended;
    uint32_t ended_first, ended_count, ended_capacity;
};

void producer_states_init(struct producer_states *states, struct mem *mem);
void producer_states_release(struct producer_states *states);
/** Forgets everybody. */
void producer_states_clear(struct producer_states *states);
static inline size_t producer_states_count(const struct producer_states *states) {
    return states->map.count;
}

/** May this data batch of a client be appended now? A batch without producer id always may.
 *  *ret_duplicate is set for PRODUCER_DUPLICATE. */
enum producer_verdict producer_states_check(const struct producer_states *states,
                                            const struct batch_view *batch,
                                            struct producer_batch *ret_duplicate);
/** May a coordinator's marker be appended now? */
enum producer_verdict producer_states_check_marker(const struct producer_states *states,
                                                   const struct batch_view *batch,
                                                   const struct txn_marker *marker);
/** The batch was given its offsets (or is replayed). marker: what txn_marker_of_batch found in it,
 *  NULL when nothing. base_offset: of its first record. ST_NOMEM: nothing has changed, and the
 *  batch must not be appended. */
MUST_CHECK enum status producer_states_append(struct producer_states *states,
                                              const struct batch_view *batch,
                                              const struct txn_marker *marker, int64_t base_offset,
                                              int64_t steady_ms,
                                              struct producer_change *ret_change);
/** Forgets producers whose last batch was noted before `steady_ms - expiration_ms`. */
void producer_states_expire(struct producer_states *states, int64_t steady_ms,
                            int64_t expiration_ms);

/** Where the first transaction began that is open, or whose marker is not below the high watermark;
 *  NO_UNSTABLE_OFFSET: there is none. */
int64_t producer_states_first_unstable(const struct producer_states *states);
/** The high watermark has come to `offset`: what ended below it is decided. */
void producer_states_decide(struct producer_states *states, int64_t offset);

/** The batches whose changes are `later`, all from offset `end` on, were not written after all.
 * ST_NOMEM: nothing has changed. */
MUST_CHECK enum status producer_states_undo(struct producer_states *states,
                                            const struct producer_change *const *later,
                                            size_t later_count, int64_t end, int64_t steady_ms);

/** Everybody, by producer id, as it was before the batches whose changes are `later` (in the order
 * of their offsets) were noted. The caller releases the list (with states->mem). */
MUST_CHECK enum status producer_states_list(const struct producer_states *states,
                                            const struct producer_change *const *later,
                                            size_t later_count, struct producer_list *ret_list);
/** Fills empty states; the list is sorted anew. ST_CORRUPT: it names one twice; then they are
 * empty. */
MUST_CHECK enum status producer_states_restore(struct producer_states *states,
                                               struct producer_list *list, int64_t steady_ms);
