/* log/compaction.h - what compaction makes of a run of batches. Pure: octets in, octets out, no
 * clock, no file; so it runs on a worker thread, in memory of its own.
 *
 * Two walks over a log. The first (compaction_index, over the dirty part) notes the last offset of
 * every key; it ends early when the map is full, and the cleaning then reaches to there and no
 * further. The second (compaction_filter, from the log's start) keeps
 *
 *   - of every key the record with its last offset, and all records from the cleaning's end on;
 *   - tombstones (no value) until their delete horizon: delete.retention.ms after the cleaning that
 *     met them first, stored in the batch (attribute bit 6, the base timestamp), KIP-534,
 *     KAFKA-8522;
 *   - control batches, markers of transactions whose records were all removed until such a horizon;
 *   - no record of an aborted transaction, and none without a key;
 *   - the header of a batch that has lost all its records when it is the last one of its producer
 *     (sequence and epoch) or the last one of the cleaning (offsets behind it), without records.
 *
 * Offsets, timestamps, headers, leader epochs, sequences and a batch's codec never change; a batch
 * that loses nothing is copied as it is. Every checksum is verified first.
 * Source: org.apache.kafka.storage.internals.log.Cleaner, MemoryRecords.filterTo. */
#pragma once
#include "log/cleaned_txns.h"
#include "log/key_map.h"
#include "log/producer_state.h"
#include "protocol/batch_builder.h"
#include "protocol/record_iter.h"

struct compaction_stats {
    uint64_t read_bytes, written_bytes;     /* of the second walk */
    uint64_t read_records, written_records; /* likewise; control records and aborted ones too */
};

struct compaction {
    struct mem *mem; /* borrowed; nobody else's while a walk is on a worker */
    struct key_map map;
    struct cleaned_txns txns;
    int64_t first_dirty;  /* the first walk notes keys from here on */
    int64_t upper_offset; /* the first walk has been here: the cleaning reaches up to it */
    int64_t now_ms;
    int64_t ahead_ms; /* the clock stepped ahead by so much: horizons pass that much later */
    int64_t delete_retention_ms;
    struct producer_list producers; /* borrowed: those that are remembered, by id */
    struct compaction_stats stats;
    bool is_changed; /* since it was set to false: what came out is not what went in */
    struct octets out; /* of the second walk, until the caller empties it */
    struct aborted_txns aborts; /* likewise: for its `.txnindex`, in the order of their markers */
    /* its own */
    struct record_iter iter;
    struct batch_builder builder;
    struct record_header *headers;
    uint32_t header_capacity;
};

void compaction_init(struct compaction *compaction, struct mem *mem);
void compaction_release(struct compaction *compaction);
/** The second walk begins: what the first one knew of transactions is forgotten. */
void compaction_turn(struct compaction *compaction);

/** Takes whole batches off the start of `chunk`; *ret_used octets. ST_OK with fewer than all: the
 * next batch is cut (used 0: it is larger than the chunk; its first octets tell how large).
 * ST_FULL (index only): the map is, upper_offset is where that was. ST_CORRUPT, ST_UNSUPPORTED
 * (records before format 2): the log cannot be cleaned. ST_NOMEM. */
MUST_CHECK enum status compaction_index(struct compaction *compaction, struct bytes chunk,
                                        size_t *ret_used);
MUST_CHECK enum status compaction_filter(struct compaction *compaction, struct bytes chunk,
                                         size_t *ret_used);
