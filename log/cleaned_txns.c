/* log/cleaned_txns.c - two small lists: few transactions are open at once. */
#include "log/cleaned_txns.h"
#include <string.h>
#include "base/assert.h"

struct open_txn {
    int64_t producer_id;
    struct aborted_txn abort; /* producer_id -1: it will be committed */
    bool has_batches;           /* some of it was read */
};

void cleaned_txns_init(struct cleaned_txns *txns, struct mem *mem) {
    *txns = (struct cleaned_txns){.mem = mem};
}

void cleaned_txns_release(struct cleaned_txns *txns) {
    mem_free(txns->mem, txns->expected, txns->expected_capacity * sizeof *txns->expected);
    mem_free(txns->mem, txns->open, txns->open_capacity * sizeof *txns->open);
    *txns = (struct cleaned_txns){.mem = txns->mem};
}

void cleaned_txns_clear(struct cleaned_txns *txns) {
    txns->expected_count = 0;
    txns->open_count = 0;
}

static bool has_room(struct mem *mem, void **array, uint32_t count, uint32_t *capacity,
                     size_t element_bytes) {
    if (count < *capacity) return true;
    uint32_t grown = *capacity > 0 ? *capacity * 2 : 8;
    void *more = mem_resize(mem, *array, *capacity * element_bytes, grown * element_bytes);
    if (more == NULL) return false;
    *array = more;
    *capacity = grown;
    return true;
}

static struct open_txn *find(const struct cleaned_txns *txns, int64_t producer_id) {
    for (uint32_t i = 0; i < txns->open_count; i++) {
        if (txns->open[i].producer_id == producer_id) return &txns->open[i];
    }
    return NULL;
}

static struct open_txn *begin(struct cleaned_txns *txns, int64_t producer_id) {
    struct open_txn *open = find(txns, producer_id);
    if (open != NULL) return open;
    void *array = txns->open;
    if (!has_room(txns->mem, &array, txns->open_count, &txns->open_capacity, sizeof *txns->open))
        return NULL;
    txns->open = array;
    open = &txns->open[txns->open_count++];
    *open = (struct open_txn){.producer_id = producer_id, .abort.producer_id = NO_PRODUCER_ID};
    return open;
}

static void forget(struct cleaned_txns *txns, struct open_txn *open) {
    *open = txns->open[--txns->open_count];
}

enum status cleaned_txns_add(struct cleaned_txns *txns, const struct aborted_txn *txn) {
    const struct open_txn *open = find(txns, txn->producer_id);
    if (open != NULL && open->abort.producer_id >= 0 &&
        open->abort.last_offset == txn->last_offset)
        return ST_OK;
    uint32_t at = txns->expected_count;
    while (at > 0 && txns->expected[at - 1].first_offset > txn->first_offset) at--;
    for (uint32_t i = at; i > 0 && txns->expected[i - 1].first_offset == txn->first_offset; i--) {
        if (txns->expected[i - 1].producer_id == txn->producer_id) return ST_OK;
    }
    void *array = txns->expected;
    if (!has_room(txns->mem, &array, txns->expected_count, &txns->expected_capacity,
                  sizeof *txns->expected))
        return ST_NOMEM;
    txns->expected = array;
    memmove(txns->expected + at + 1, txns->expected + at,
            (txns->expected_count - at) * sizeof *txns->expected);
    txns->expected[at] = *txn;
    txns->expected_count++;
    return ST_OK;
}

/* Those that began at or below the offset are open now. */
static enum status begin_up_to(struct cleaned_txns *txns, int64_t offset) {
    uint32_t count = 0;
    while (count < txns->expected_count && txns->expected[count].first_offset <= offset) {
        const struct aborted_txn *txn = &txns->expected[count];
        struct open_txn *open = begin(txns, txn->producer_id);
        if (open == NULL) return ST_NOMEM;
        if (open->abort.producer_id < 0) open->abort = *txn;
        count++;
    }
    if (count == 0) return ST_OK;
    txns->expected_count -= count;
    memmove(txns->expected, txns->expected + count, txns->expected_count * sizeof *txns->expected);
    return ST_OK;
}

enum status cleaned_txns_batch(struct cleaned_txns *txns, const struct batch_view *batch,
                               bool *ret_is_aborted) {
    *ret_is_aborted = false;
    enum status st = begin_up_to(txns, batch_last_offset(batch));
    if (st != ST_OK || !batch_is_transactional(batch)) return st;
    struct open_txn *open = begin(txns, batch->producer_id);
    if (open == NULL) return ST_NOMEM;
    open->has_batches = true;
    *ret_is_aborted = open->abort.producer_id >= 0;
    return ST_OK;
}

enum status cleaned_txns_marker(struct cleaned_txns *txns, const struct batch_view *batch,
                                enum marker marker, bool *ret_is_done,
                                struct aborted_txn *ret_abort) {
    ret_abort->producer_id = NO_PRODUCER_ID;
    *ret_is_done = marker != MARKER_OTHER;
    enum status st = begin_up_to(txns, batch_last_offset(batch));
    if (st != ST_OK || marker == MARKER_OTHER || marker == MARKER_NONE) return st;
    struct open_txn *open = find(txns, batch->producer_id);
    if (open == NULL) return ST_OK;
    *ret_is_done = !open->has_batches;
    if (marker == MARKER_ABORT && open->has_batches) *ret_abort = open->abort;
    forget(txns, open);
    return ST_OK;
}
