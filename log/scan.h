/* log/scan.h - walking the batches of a segment file in a job, in bounded memory: headers through a
 * window, bodies streamed through the checksum. The file may hold anything. */
#pragma once
#include "base/job.h"
#include "protocol/batch.h"
#include "protocol/txn_marker.h"

#define SCAN_WINDOW_BYTES ((size_t)128 << 10)
#define SCAN_DIRECT_BYTES ((size_t)1 << 20) /* the window of scan_direct */

struct scan {
    struct job *job;
    int file;
    uint64_t size_bytes; /* of the file: nothing at or above it is looked at */
    unsigned flags;      /* of io_read: IO_INLINE where the octets are probably in memory */
    bool is_direct;
    uint8_t *window; /* at buffered, or within direct at a multiple of IO_DIRECT_BYTES */
    uint8_t *buffered; /* SCAN_WINDOW_BYTES */
    uint8_t *direct;   /* NULL before the first scan_direct */
    uint64_t window_at;
    size_t window_len;
};

/** What a file's octets can be blamed for; anything else is the device or memory. */
static inline bool scan_is_damage(enum status st) {
    return st == ST_CORRUPT || st == ST_SHORT || st == ST_UNSUPPORTED;
}

MUST_CHECK enum status scan_init(struct scan *scan, struct job *job);
void scan_release(struct scan *scan);
/** Looks at another file, or at the same one again. */
void scan_file(struct scan *scan, int file, uint64_t size_bytes);
/** The same, past the page cache (a file that was opened with IO_DIRECT). For many octets that are
 * looked at once: it costs a tenth of reading into the page cache, and shows what the device has.
 * The file is the caller's alone: a read that ends before size_bytes is ST_IO.
 * ST_NOMEM: the scan is as it was. */
MUST_CHECK enum status scan_direct(struct scan *scan, int file, uint64_t size_bytes);
/** At least `need` octets (<= SCAN_WINDOW_BYTES) from `position`, borrowed until the next call; up
 * to `want` are read at once when they are not there yet. ST_SHORT: the file ends before. */
MUST_CHECK enum status scan_octets(struct scan *scan, uint64_t position, size_t need, size_t want,
                                   const uint8_t **ret_octets);
/** The header of the batch at `position`; view->records is null. ST_SHORT: the file ends within the
 * batch. Otherwise as batch_peek. `whole`: the body will be looked at, too. */
MUST_CHECK enum status scan_header(struct scan *scan, uint64_t position, bool whole,
                                   struct batch_view *ret_view);
/** ST_CORRUPT when the checksum of the batch that scan_header found at `position` does not fit.
 * Messages before version 2 (ST_UNSUPPORTED there) have one, too. */
MUST_CHECK enum status scan_checksum(struct scan *scan, uint64_t position,
                                     const struct batch_view *view);
/** As txn_marker_of_batch, of the whole batch that scan_header found at `position`. */
MUST_CHECK enum status scan_marker(struct scan *scan, uint64_t position,
                                   const struct batch_view *view, struct txn_marker *ret_marker);
