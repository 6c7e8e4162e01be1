/* tests/sim/txn_book.h - a naive model of a log's transactions: every batch as it was read, and
 * what follows from all of them. What a log says of its producers, its aborted transactions and its
 * last stable offset must be the same. */
#pragma once
#include "base/job.h"
#include "base/prng.h"
#include "log/log.h"

struct book_batch {
    int64_t base_offset, last_offset, producer_id;
    int16_t epoch;
    int32_t last_sequence;
    bool is_marker;
    bool is_abort; /* it ends a transaction: */
    struct aborted_txn aborted;
};

enum { BOOK_PRODUCERS = 8 }; /* ids are below it */

struct txn_book {
    struct mem *mem;
    struct book_batch *batches;
    uint32_t count, capacity;
    int64_t open[BOOK_PRODUCERS]; /* where each one's transaction began, -1 none */
    bool is_known[BOOK_PRODUCERS];
    bool is_compacted; /* what is aborted is for tests/sim/log_keys.h: a transaction's first batch
                        * may be gone */
};

void txn_book_init(struct txn_book *book, struct mem *mem);
void txn_book_release(struct txn_book *book);
/** Batches in the order of their offsets; one that was noted before is passed over. */
void txn_book_note(struct txn_book *book, const struct batch_view *batch);
/** Holds the log, all of whose batches were noted and to which nothing is appended meanwhile,
 * against the book. What differs is put into `why`; ST_OK with an empty text: nothing. */
enum status txn_book_check(const struct txn_book *book, struct job *job, struct log *log,
                           struct prng *prng, char why[static 200]);
