/* protocol/record_iter.h - the records of a batch one after the other, decompressed as needed: for
 * tools, replay of metadata and coordinator logs, compaction and lookups by timestamp. Accepts what
 * may stand in a log: gaps between offsets (compaction), no records at all, control batches.
 *
 *     record_iter_open(&it, &view, limit);
 *     while (record_iter_next(&it, &record)) ...
 *     record_iter_close(&it);
 *     if (it.status != ST_OK) ... damaged, or more than the limit
 *
 * An iterator is reused from batch to batch; after warm-up it allocates nothing. */
#pragma once
#include "protocol/batch.h"
#include "protocol/octets.h"
#include "protocol/record.h"

struct record_iter {
    enum status status; /* ST_OK while all is well; see record_iter_next */
    struct batch_view view;
    int32_t index; /* of the next record */
    struct decompressor stream;
    struct bytes run; /* plain octets not yet given out; borrowed from the stream or the batch */
    struct octets gathered; /* a record that crossed runs */
};

void record_iter_init(struct record_iter *it, struct mem *mem);
void record_iter_release(struct record_iter *it);
/** Starts over `view`, which batch_open has filled (its records are borrowed until close).
 *  plain_bytes_max bounds what the records may decompress to; 0: no bound. */
void record_iter_open(struct record_iter *it, const struct batch_view *view,
                      size_t plain_bytes_max);
/** The next record, absolute in offset and timestamp; its slices live until the next call. False at
 * the end, where status is ST_OK; or ST_CORRUPT (records and header contradict each other, or the
 * stream is damaged), ST_UNSUPPORTED (no such codec), ST_TOO_LARGE (the bound), ST_NOMEM. */
bool record_iter_next(struct record_iter *it, struct record *ret_record);
void record_iter_close(struct record_iter *it);
