/* log/producer_state.h - what a partition remembers of its idempotent producers, so that a batch
 * that is sent again is answered and not appended again, and a gap is refused.
 *
 * Per producer id: its epoch, and sequences and offsets of its last five batches in that epoch. The
 * state is a function of the log: replaying its batches in order gives it again (invariant: live
 * state == replay), a snapshot file only shortens the replay. Entries without a batch for
 * producer.id.expiration.ms are forgotten, and the oldest when there would be more than the cap.
 *
 * Transactions: markers are replayed (a new epoch, no sequence), open transactions have their place
 * here (first offset per producer) and come with the transaction coordinator.
 * Pure: no clock, no file. Owner: the partition's shard.
 * Source: org.apache.kafka.storage.internals.log.{ProducerStateManager,ProducerAppendInfo,
 * ProducerStateEntry}; KIP-98, KIP-360. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/status.h"
#include "protocol/batch.h"

#define PRODUCER_BATCHES 5   /* remembered per producer; a client keeps at most as many in flight */
#define PRODUCERS_MAX 100000 /* per partition; the least recently used one goes first */

enum producer_verdict {
    PRODUCER_APPEND,       /* in order: append it */
    PRODUCER_DUPLICATE,    /* appended before: answer with those offsets */
    PRODUCER_OUT_OF_ORDER, /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    PRODUCER_FENCED,       /* INVALID_PRODUCER_EPOCH: a newer epoch of this id has written */
};

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t last_offset;
    int32_t offset_delta; /* last offset - first offset */
    int64_t timestamp_ms; /* its max timestamp */
};

struct producer_states {
    struct mem *mem;    /* borrowed */
    struct map map;     /* struct producer_entry by id */
    struct list by_use; /* least recently appended first */
    uint32_t limit_count;
};

void producer_states_init(struct producer_states *states, struct mem *mem);
void producer_states_release(struct producer_states *states);
/** Forgets everybody. */
void producer_states_clear(struct producer_states *states);
static inline size_t producer_states_count(const struct producer_states *states) {
    return states->map.count;
}

/** May this batch of a client be appended now? A batch without producer id always may.
 *  *ret_duplicate is set for PRODUCER_DUPLICATE. */
enum producer_verdict producer_states_check(const struct producer_states *states,
                                            const struct batch_view *batch,
                                            struct producer_batch *ret_duplicate);
/** The batch was given its offsets (or is replayed). base_offset: of its first record. ST_NOMEM:
 *  the producer cannot be remembered; the batch must not be appended. */
MUST_CHECK enum status producer_states_append(struct producer_states *states,
                                              const struct batch_view *batch, int64_t base_offset,
                                              int64_t wall_ms);
/** Forgets producers whose last batch was noted before `wall_ms - expiration_ms`. */
void producer_states_expire(struct producer_states *states, int64_t wall_ms, int64_t expiration_ms);

/** The contents of the snapshot file of `offset`: what batches below it amount to. Version 1,
 * CRC-32C, entries of 46 octets, by producer id. Allocated from mem, *ret_bytes octets. A
 * producer whose remembered batches all lie at or above the offset is left out: the log behind
 * it tells of it. */
MUST_CHECK enum status producer_states_encode(const struct producer_states *states, int64_t offset,
                                              uint8_t **ret_data, size_t *ret_bytes);
/** Fills empty states. ST_CORRUPT: checksum, version or size are wrong; then they are empty. */
MUST_CHECK enum status producer_states_decode(struct producer_states *states, struct bytes data,
                                              int64_t wall_ms);
