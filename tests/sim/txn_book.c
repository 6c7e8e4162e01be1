/* tests/sim/txn_book.c - see txn_book.h. */
#include "tests/sim/txn_book.h"
#include <stdio.h>
#include <string.h>
#include "base/assert.h"

enum { RANGES = 5 };

void txn_book_init(struct txn_book *book, struct mem *mem) {
    *book = (struct txn_book){.mem = mem};
    for (int id = 0; id < BOOK_PRODUCERS; id++) book->open[id] = -1;
}

void txn_book_release(struct txn_book *book) {
    mem_free(book->mem, book->batches, book->capacity * sizeof *book->batches);
    txn_book_init(book, book->mem);
}

/* Where the first transaction that is open began; `otherwise` when none is. */
static int64_t first_open(const struct txn_book *book, int64_t otherwise) {
    int64_t first = INT64_MAX;
    for (int id = 0; id < BOOK_PRODUCERS; id++)
        if (book->open[id] >= 0) first = MIN(first, book->open[id]);
    return first < INT64_MAX ? first : otherwise;
}

static void note_marker(struct txn_book *book, struct book_batch *b, bool is_commit) {
    int64_t *open = &book->open[b->producer_id];
    b->is_marker = true;
    b->is_abort = !is_commit && *open >= 0;
    b->aborted = (struct aborted_txn){b->producer_id, *open, b->base_offset, 0};
    *open = -1;
    b->aborted.last_stable_offset = first_open(book, b->base_offset + 1);
}

void txn_book_note(struct txn_book *book, const struct batch_view *batch) {
    if (book->count > 0 && batch->base_offset <= book->batches[book->count - 1].base_offset) return;
    if (book->count == book->capacity) {
        uint32_t capacity = book->capacity * 2 + 64;
        book->batches = mem_resize(book->mem, book->batches, book->capacity * sizeof *book->batches,
                                   capacity * sizeof *book->batches);
        ASSERT(book->batches != NULL);
        book->capacity = capacity;
    }
    struct book_batch *b = &book->batches[book->count++];
    *b = (struct book_batch){
        .base_offset = batch->base_offset,
        .last_offset = batch_last_offset(batch),
        .producer_id = batch->producer_id,
        .epoch = batch->producer_epoch,
        .last_sequence = batch_last_sequence(batch),
    };
    if (b->producer_id == NO_PRODUCER_ID) return;
    ASSERT(b->producer_id < BOOK_PRODUCERS);
    book->is_known[b->producer_id] = true;
    struct txn_marker marker;
    if (txn_marker_of_batch(batch, &marker) == ST_OK) {
        note_marker(book, b, marker.is_commit);
    } else if (batch_is_control(batch)) {
        b->is_marker = true; /* compaction left its header for the producer's epoch */
    } else if (batch_is_transactional(batch) && book->open[b->producer_id] < 0) {
        book->open[b->producer_id] = b->base_offset;
    }
}

static bool same_aborted(const struct txn_book *book, int64_t first, int64_t upper,
                         const struct aborted_txns *got) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < book->count; i++) {
        const struct aborted_txn *txn = &book->batches[i].aborted;
        if (!book->batches[i].is_abort || txn->last_offset < first || txn->first_offset >= upper)
            continue;
        if (at == got->count || memcmp(&got->txns[at], txn, sizeof *txn) != 0) return false;
        at++;
    }
    return at == got->count;
}

static bool same_producer(const struct txn_book *book, const struct producer_summary *got) {
    int16_t epoch = NO_PRODUCER_EPOCH;
    int32_t sequence = NO_SEQUENCE;
    int64_t offset = -1;
    for (uint32_t i = 0; i < book->count; i++) {
        const struct book_batch *b = &book->batches[i];
        if (b->producer_id != got->producer_id) continue;
        if (b->epoch != epoch) {
            epoch = b->epoch;
            sequence = NO_SEQUENCE;
            offset = -1;
        }
        if (b->is_marker) continue;
        sequence = b->last_sequence;
        offset = b->last_offset;
    }
    return got->epoch == epoch && got->last_sequence == sequence && got->last_offset == offset &&
           got->txn_first_offset == book->open[got->producer_id];
}

static uint32_t count_producers(const struct txn_book *book) {
    uint32_t count = 0;
    for (int id = 0; id < BOOK_PRODUCERS; id++) count += book->is_known[id];
    return count;
}

static enum status check_aborted(const struct txn_book *book, struct job *job, struct log *log,
                                 int64_t first, int64_t upper, char why[static 200]) {
    struct aborted_txns got;
    enum status st = log_find_aborted(job, log, first, upper, &got);
    if (st != ST_OK) return st;
    if (!same_aborted(book, first, upper, &got))
        (void)snprintf(why, 200, "aborted transactions of [%lld, %lld): %u are said",
                       (long long)first, (long long)upper, got.count);
    aborted_txns_release(&got, job_mem(job));
    return ST_OK;
}

enum status txn_book_check(const struct txn_book *book, struct job *job, struct log *log,
                           struct prng *prng, char why[static 200]) {
    struct producer_list list;
    int64_t end = log_end(log);
    why[0] = '\0';
    enum status st = log_list_producers(log, &list);
    if (st != ST_OK) return st;
    if (list.count != count_producers(book))
        (void)snprintf(why, 200, "%zu producers instead of %u", list.count, count_producers(book));
    for (size_t i = 0; i < list.count; i++) {
        if (!same_producer(book, &list.producers[i]))
            (void)snprintf(why, 200, "producer %lld", (long long)list.producers[i].producer_id);
    }
    producer_list_release(&list, job_mem(job));
    int64_t stable = log_stable_offset(log, end), want = first_open(book, end);
    if (stable != want)
        (void)snprintf(why, 200, "stable offset %lld instead of %lld", (long long)stable,
                       (long long)want);
    if (book->is_compacted) return ST_OK;
    st = check_aborted(book, job, log, 0, end, why);
    for (int i = 0; i < RANGES && st == ST_OK && end > 0; i++) {
        int64_t first = (int64_t)prng_below(prng, (uint64_t)end);
        int64_t upper = first + 1 + (int64_t)prng_below(prng, 50);
        st = check_aborted(book, job, log, first, upper, why);
    }
    return st;
}
