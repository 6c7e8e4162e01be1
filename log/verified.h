/* log/verified.h - which octets of a segment's file have been held against their checksums since
 * this process began. What it wrote itself needs no look: a batch's checksum is checked before it
 * is appended. What lay there before, `foreign`, is read whole once before it is served for the
 * first time, so that a bit that the disk lost is an error and never data (reads: log/read.c).
 *
 * A few ranges are remembered per segment, as consumers read along; when there would be more, the
 * smallest is forgotten, and verified once more if it is wanted. Ranges begin and end at batches.
 * Memory only; owner: the partition's shard. */
#pragma once
#include "base/mem.h"

#define VERIFIED_RANGES_MAX 8

struct verified_range {
    uint64_t from, to; /* octets of the file */
};

struct verified {
    uint64_t foreign_end;          /* octets below it were not written by this process */
    struct verified_range *ranges; /* VERIFIED_RANGES_MAX of them, NULL before the first; sorted,
                                      apart, below foreign_end */
    uint32_t count;
};

/** How far everything from `from` on may be served: UINT64_MAX when nothing foreign follows. */
uint64_t verified_until(const struct verified *verified, uint64_t from);
/** [from, to) was verified. Without memory it is not remembered. */
void verified_add(struct verified *verified, struct mem *mem, uint64_t from, uint64_t to);
/** The file ends at size_bytes now; what comes behind is this process's own. */
void verified_cut(struct verified *verified, uint64_t size_bytes);
void verified_release(struct verified *verified, struct mem *mem);
