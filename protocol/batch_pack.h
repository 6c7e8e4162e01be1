/* protocol/batch_pack.h - a batch whose records are in another codec: what compression.type makes
 * of a producer's batch. The records' octets, plain, are the same, and so are offsets, timestamps,
 * producer and counts; codec bits, length and checksum change, and the bit of a delete horizon
 * goes, which no producer has to set. A batch that has the codec already is left alone by the
 * caller, whatever its level, as Kafka leaves it.
 * Source: LogValidator.validateMessagesAndAssignOffsetsCompressed. */
#pragma once
#include "protocol/batch.h"
#include "protocol/octets.h"

/* Reused from batch to batch; after warm-up it allocates nothing. */
struct batch_packer {
    struct compressor compressor;
    struct octets packed; /* the last result */
};
/* Room for a result that is kept; more goes back at the next one. */
#define BATCH_PACKED_KEEP_BYTES ((size_t)4 << 20)

void batch_packer_init(struct batch_packer *packer, struct mem *mem);
void batch_packer_release(struct batch_packer *packer);
/** `batch` is a whole batch that batch_walk passed; reader: idle, used for its records. The result
 * is packer->packed, borrowed until the next call. level: Kafka's, of that codec. ST_NOMEM;
 * ST_TOO_LARGE: beyond 2^31 - 1 octets; else as decompressor_next. */
MUST_CHECK enum status batch_pack(struct batch_packer *packer, struct decompressor *reader,
                                  struct bytes batch, enum codec codec, int32_t level);
