/* log/scrub_txns.h - a segment's `.txnindex` held against the ABORT markers in its batches. Every
 * entry tells of a marker that is there; every marker whose transaction has a batch in the segment
 * has an entry. (Of a transaction whose batches lie in earlier segments, or were compacted away,
 * the segment alone does not say whether one is due.) */
#pragma once
#include "log/cleaned_txns.h"
#include "log/scan.h"

struct scrub_txns {
    struct mem *mem;  /* borrowed */
    uint8_t *entries; /* the file; NULL: there is none */
    size_t bytes;
    uint32_t count, next;   /* entries, and the first that is not checked yet */
    struct cleaned_txns txns; /* what the segment has shown of each one that is open */
    bool may_lack; /* the last entries may be in memory only: the segment is the active one */
    bool is_blind; /* something could not be read: from here on nothing is known */
};

/* What is wrong; text NULL: nothing. position: in the `.txnindex`, -1 the file as a whole. */
struct scrub_txns_wrong {
    const char *text;
    int64_t position;
};

void scrub_txns_release(struct scrub_txns *txns);
/** `entries` and `bytes` have been read. */
struct scrub_txns_wrong scrub_txns_begin(struct scrub_txns *txns, int64_t base_offset);
/** The next batch, which is whole. ST_OK, ST_NOMEM, or what the scan says. */
MUST_CHECK enum status scrub_txns_batch(struct scrub_txns *txns, struct scan *scan, uint64_t at,
                                        const struct batch_view *view,
                                        struct scrub_txns_wrong *ret_wrong);
/** All batches were seen. */
struct scrub_txns_wrong scrub_txns_end(struct scrub_txns *txns);
