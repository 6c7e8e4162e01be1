/* protocol/batch_builder.h - makes record batches: for the metadata and coordinator logs,
 * compaction, tools, tests and load. Uncompressed batches equal, octet by octet, what Apache
 * Kafka's MemoryRecordsBuilder makes of the same records.
 *
 *     struct batch_options options = BATCH_OPTIONS_DEFAULT;
 *     options.base_offset = 7;
 *     batch_builder_start(&b, &options);
 *     batch_builder_add(&b, timestamp, key, value, headers, header_count);
 *     batch_builder_finish(&b, &batch);
 *
 * A builder is reused; after warm-up it allocates nothing. After any failure only start and release
 * may follow. */
#pragma once
#include "protocol/batch.h"
#include "protocol/record.h"

struct batch_options {
    int64_t base_offset;
    int32_t leader_epoch;
    enum codec codec;
    int32_t level;              /* of compression */
    int64_t log_append_time_ms; /* NO_TIMESTAMP: the records' own times count */
    int64_t delete_horizon_ms;  /* takes the place of the base timestamp; NO_TIMESTAMP: none */
    bool transactional;
    bool control;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
};
/* An uncompressed batch of ordinary records from no producer, at offset 0. */
#define BATCH_OPTIONS_DEFAULT                                                                      \
    ((struct batch_options){.leader_epoch = NO_LEADER_EPOCH,                                       \
                            .level = COMPRESS_LEVEL_DEFAULT,                                       \
                            .log_append_time_ms = NO_TIMESTAMP,                                    \
                            .delete_horizon_ms = NO_TIMESTAMP,                                     \
                            .producer_id = NO_PRODUCER_ID,                                         \
                            .producer_epoch = NO_PRODUCER_EPOCH,                                   \
                            .base_sequence = NO_SEQUENCE})

struct batch_builder {
    struct batch_options options;
    struct octets out; /* the batch */
    struct compressor compressor;
    int32_t record_count;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
};

void batch_builder_init(struct batch_builder *b, struct mem *mem);
void batch_builder_release(struct batch_builder *b);
MUST_CHECK enum status batch_builder_start(struct batch_builder *b,
                                           const struct batch_options *options);
/** Appends a record one offset after the one before. Everything is copied.
 *  ST_TOO_LARGE: the batch would pass 2^31 octets or offsets; ST_NOMEM. */
MUST_CHECK enum status batch_builder_add(struct batch_builder *b, int64_t timestamp,
                                         struct bytes key, struct bytes value,
                                         const struct record_header *headers, int32_t header_count);
/** The same at an offset of one's own (above the one before): batches with gaps, as compaction
 * writes them. */
MUST_CHECK enum status batch_builder_add_at(struct batch_builder *b, int64_t offset,
                                            int64_t timestamp, struct bytes key, struct bytes value,
                                            const struct record_header *headers,
                                            int32_t header_count);
/** The last offset is kept when the records behind it are gone. last_offset >= that of the last
 * record. */
void batch_builder_set_last_offset(struct batch_builder *b, int64_t last_offset);
/** Octets so far; exact for an uncompressed batch. */
static inline size_t batch_builder_bytes(const struct batch_builder *b) { return b->out.len; }
/** The whole batch, borrowed (and writable through b->out.data) until the next start or release. */
MUST_CHECK enum status batch_builder_finish(struct batch_builder *b, struct bytes *ret_batch);
