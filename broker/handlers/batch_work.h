/* broker/handlers/batch_work.h - computing with a batch that would keep a shard away from everybody
 * else: it is done on a worker thread, and its result comes back to the shard.
 *
 * A batch is long when its work takes more than about 200 us: measured by bench-batch, that is
 * LONG_RECORDS records, or LONG_PLAIN_BYTES of decompressed octets. What a compressed batch
 * decompresses to is known only by doing it: batch_walk_briefly tries up to that bound and says
 * when it was not enough, so a small batch that swells costs the shard one bounded attempt. Short
 * batches never come near a worker.
 *
 * At most `limit_count` pieces of a shard's work run at once, others wait in order of arrival, so
 * that the process's workers are not all taken by batches. Each has a mem and codec contexts of its
 * own, charged to the shard while it works: WORK_SHARE of the shard's memory. When that cannot be
 * had, when it is not enough (a zstd window of 128 MiB on a small machine), or when there is no
 * thread, the shard does the work itself.
 *
 * Pieces of work finish in any order. Who needs an order (a partition's appends) keeps a line of
 * its own: broker/handlers/produce.c. Owner: the shard; only `run` is called on a worker. */
#pragma once
#include "base/io.h"
#include "protocol/batch_walk.h"

#define LONG_COMPRESSED_BYTES 32768u /* compressed batches beyond it are long without trying */
#define LONG_PLAIN_BYTES (256u << 10)
#define LONG_RECORDS 6000
#define WORK_SHARE 8 /* of the shard's memory, for each piece under way */

/* Where to draw the line between short and long. */
struct batch_bounds {
    size_t compressed_bytes, plain_bytes;
    int32_t records;
};

/* One piece of work; embedded in what it is about, which lives until `done` was called. */
struct batch_work {
    struct list link;
    /** On a worker, or on the shard: computes only, with the scratch (borrowed); touches nothing
     * that the shard may touch meanwhile. false: it wants more memory; it is called again. */
    bool (*run)(struct batch_work *work, struct batch_scratch *scratch);
    /** On the shard, once; never from within batch_work_start. What `run` left in the scratch
     * is there until this returns. */
    void (*done)(struct batch_work *work);
};

struct batch_worker;

struct batch_workers {
    struct io *io;                 /* borrowed */
    struct batch_scratch *scratch; /* borrowed: the shard's own */
    struct batch_bounds bounds;
    struct list idle;    /* struct batch_worker */
    struct list waiting; /* struct batch_work */
    /* what the shard does itself, at the end of the turn */
    struct io_later here;
    struct list at_home; /* struct batch_work for it */
    struct list ran;     /* struct batch_worker whose result came inline */
    uint32_t made_count, limit_count;
};

/** bounds_bytes: 0 for the bounds above; simulations lower them, so that ordinary batches are long:
 *  that many octets, compressed or plain, and one record. */
void batch_workers_init(struct batch_workers *workers, struct io *io, struct batch_scratch *scratch,
                        uint32_t limit_count, uint32_t bounds_bytes);
/** Nothing may be under way. */
void batch_workers_release(struct batch_workers *workers);
/** Does run and then done, in this order, later. */
void batch_work_start(struct batch_workers *workers, struct batch_work *work);

/** Whether its header alone says that it is long. */
bool batch_is_long(const struct batch_workers *workers, struct bytes batch);
/** batch_walk, when it is short: true, and *ret_fault is its result. false: it is long, nothing is
 *  said of the batch. */
MUST_CHECK bool batch_walk_briefly(struct batch_workers *workers, struct bytes batch,
                                   const struct batch_rules *rules, struct batch_report *report,
                                   enum batch_fault *ret_fault);
