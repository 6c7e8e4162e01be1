/* log/aborted.h - the `.txnindex` files of a log, in jobs: read and cut. They are
 * written together with a segment's other indexes (segment_write_indexes), unsynced while the
 * segment is active, on stable storage when it is rolled or closed; what a crash loses of them
 * recovery makes again from the batches. */
#pragma once
#include "log/impl.h"

/** The entries that are in the segment's file (the caller frees count * TXN_INDEX_ENTRY_BYTES),
 * which need not be all: newer ones are in segment->txns.tail. ST_CORRUPT: the file cannot be a
 * transaction index of this segment. ST_NOT_FOUND: it is gone, as the segment has left the log. */
MUST_CHECK enum status aborted_read_file(struct job *job, const struct log *log,
                                         struct segment *segment, uint8_t **ret_entries,
                                         uint32_t *ret_count);
/** Whether the batches agree with `count` entries of the segment's file: each marker is there, of
 * that producer, and so is the first batch, unless compaction took it. The format has no checksum,
 * and a wrong producer makes the records of an aborted transaction pass for committed. */
MUST_CHECK enum status aborted_confirm(struct job *job, struct log *log, struct segment *segment,
                                       const uint8_t *entries, uint32_t count, bool *ret_is_right);
/** All entries of a segment, those in memory included. Otherwise as aborted_read_file. */
MUST_CHECK enum status aborted_read(struct job *job, const struct log *log, struct segment *segment,
                                    uint8_t **ret_entries, uint32_t *ret_count);
/** Keeps the entries whose marker is below `offset`, durably. The tail is in the file by now. */
MUST_CHECK enum status aborted_cut(struct job *job, const struct log *log, struct segment *segment,
                                   int64_t offset);
