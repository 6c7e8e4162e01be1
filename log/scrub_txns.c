/* log/scrub_txns.c - entries and markers, both in the order of their offsets. */
#include "log/scrub_txns.h"
#include "log/txn_index.h"

#define NOT_OF_A_MARKER "an entry tells of no ABORT marker"

void scrub_txns_release(struct scrub_txns *txns) {
    if (txns->entries != NULL) mem_free(txns->mem, txns->entries, txns->bytes + 1);
    cleaned_txns_release(&txns->txns);
}

static struct scrub_txns_wrong file_is(const char *text) {
    return (struct scrub_txns_wrong){text, -1};
}

static struct scrub_txns_wrong entry_is(const struct scrub_txns *txns, const char *text) {
    return (struct scrub_txns_wrong){text, (int64_t)txns->next * TXN_INDEX_ENTRY_BYTES};
}

struct scrub_txns_wrong scrub_txns_begin(struct scrub_txns *txns, int64_t base_offset) {
    cleaned_txns_init(&txns->txns, txns->mem);
    txns->count = (uint32_t)(txns->bytes / TXN_INDEX_ENTRY_BYTES);
    bool is_odd = txns->bytes % TXN_INDEX_ENTRY_BYTES != 0;
    if (!is_odd && txn_index_is_sane(txns->entries, txns->count, base_offset))
        return file_is(NULL);
    txns->is_blind = true;
    return file_is(is_odd ? "its length is no multiple of an entry's"
                          : "its entries are none of this segment's");
}

static struct aborted_txn next_entry(const struct scrub_txns *txns) {
    return txn_index_decode(txns->entries + (size_t)txns->next * TXN_INDEX_ENTRY_BYTES);
}

/* Of a batch with a marker: the entry that tells of it, and those before, which tell of none. */
static struct scrub_txns_wrong check_entries(struct scrub_txns *txns, const struct batch_view *view,
                                             bool is_abort, bool is_due) {
    struct scrub_txns_wrong wrong = file_is(NULL);
    while (txns->next < txns->count && next_entry(txns).last_offset <= view->base_offset) {
        struct aborted_txn entry = next_entry(txns);
        bool is_of_this = is_abort && entry.last_offset == view->base_offset &&
                          entry.producer_id == view->producer_id;
        if (is_of_this) is_due = false;
        if (!is_of_this && wrong.text == NULL) wrong = entry_is(txns, NOT_OF_A_MARKER);
        txns->next++;
    }
    if (wrong.text != NULL || !is_due) return wrong;
    return file_is("it lacks an aborted transaction");
}

enum status scrub_txns_batch(struct scrub_txns *txns, struct scan *scan, uint64_t at,
                             const struct batch_view *view, struct scrub_txns_wrong *ret_wrong) {
    bool is_done = false;
    struct aborted_txn abort;
    *ret_wrong = file_is(NULL);
    if (txns->is_blind) return ST_OK;
    if (!batch_is_control(view)) return cleaned_txns_batch(&txns->txns, view, &is_done);
    struct txn_marker marker;
    enum status st = scan_marker(scan, at, view, &marker);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) {
        txns->is_blind = true;
        return st == ST_CORRUPT ? ST_OK : st;
    }
    enum marker kind = marker.is_commit ? MARKER_COMMIT : MARKER_ABORT;
    st = cleaned_txns_marker(&txns->txns, view, kind, &is_done, &abort);
    if (st != ST_OK) return st;
    bool is_due = !marker.is_commit && !is_done && !txns->may_lack;
    *ret_wrong = check_entries(txns, view, !marker.is_commit, is_due);
    return ST_OK;
}

struct scrub_txns_wrong scrub_txns_end(struct scrub_txns *txns) {
    if (txns->is_blind || txns->next == txns->count) return file_is(NULL);
    return entry_is(txns, NOT_OF_A_MARKER);
}
