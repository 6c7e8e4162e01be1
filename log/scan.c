/* log/scan.c - a window over a file. */
#include "log/scan.h"
#include "base/assert.h"
#include "protocol/crc32c.h"

enum { HEADERS_BYTES = 4096 }; /* read at once when only headers are looked at */
#define DIRECT_BLOCK_BYTES (SCAN_DIRECT_BYTES + IO_DIRECT_BYTES) /* the window lies aligned in it */

enum status scan_init(struct scan *scan, struct job *job) {
    *scan = (struct scan){.job = job, .file = -1};
    scan->window = scan->buffered = mem_alloc(job_mem(job), SCAN_WINDOW_BYTES);
    return scan->window != NULL ? ST_OK : ST_NOMEM;
}

void scan_release(struct scan *scan) {
    mem_free(job_mem(scan->job), scan->buffered, SCAN_WINDOW_BYTES);
    mem_free(job_mem(scan->job), scan->direct, DIRECT_BLOCK_BYTES);
    scan->window = scan->buffered = scan->direct = NULL;
}

static void look_at(struct scan *scan, int file, uint64_t size_bytes, bool is_direct) {
    scan->file = file;
    scan->size_bytes = size_bytes;
    scan->is_direct = is_direct;
    scan->window_len = 0;
}

void scan_file(struct scan *scan, int file, uint64_t size_bytes) {
    look_at(scan, file, size_bytes, false);
    scan->window = scan->buffered;
}

enum status scan_direct(struct scan *scan, int file, uint64_t size_bytes) {
    if (scan->direct == NULL) scan->direct = mem_alloc(job_mem(scan->job), DIRECT_BLOCK_BYTES);
    if (scan->direct == NULL) return ST_NOMEM;
    look_at(scan, file, size_bytes, true);
    size_t beyond = (uintptr_t)scan->direct % IO_DIRECT_BYTES;
    scan->window = scan->direct + (beyond > 0 ? IO_DIRECT_BYTES - beyond : 0);
    return ST_OK;
}

/* Around `position`; the window is empty after a failure. */
static enum status fill_window(struct scan *scan, uint64_t position, size_t want) {
    struct io *io = job_io(scan->job);
    uint64_t from = position;
    size_t len = (size_t)MIN((uint64_t)want, scan->size_bytes - from), asked = len;
    unsigned flags = scan->flags;
    if (scan->is_direct) {
        from -= from % IO_DIRECT_BYTES;
        len = (size_t)MIN((uint64_t)SCAN_DIRECT_BYTES, scan->size_bytes - from);
        asked = (len + IO_DIRECT_BYTES - 1) / IO_DIRECT_BYTES * IO_DIRECT_BYTES;
        flags = IO_ALIGNED;
    }
    scan->window_len = 0;
    int64_t result = job_wait(scan->job, io_read(io, job_op(scan->job), scan->file, scan->window,
                                                 asked, from, flags));
    if (result < 0) return status_from_errno(result);
    scan->window_at = from;
    scan->window_len = MIN((size_t)result, len);
    return ST_OK;
}

static bool is_in_window(const struct scan *scan, uint64_t position, size_t need) {
    return position >= scan->window_at && position + need <= scan->window_at + scan->window_len;
}

enum status scan_octets(struct scan *scan, uint64_t position, size_t need, size_t want,
                        const uint8_t **ret_octets) {
    ASSERT(need <= SCAN_WINDOW_BYTES);
    if (position > scan->size_bytes || need > scan->size_bytes - position) return ST_SHORT;
    if (!is_in_window(scan, position, need)) {
        enum status st = fill_window(scan, position, MIN(MAX(need, want), SCAN_WINDOW_BYTES));
        if (st != ST_OK) return st;
        if (!is_in_window(scan, position, need)) {
            /* Somebody cut it meanwhile; but nobody does what is recovered, and what the device did
             * not give is not damage. */
            return scan->is_direct ? ST_IO : ST_SHORT;
        }
    }
    *ret_octets = scan->window + (position - scan->window_at);
    return ST_OK;
}

enum status scan_header(struct scan *scan, uint64_t position, bool whole,
                        struct batch_view *ret_view) {
    const uint8_t *octets = NULL;
    *ret_view = (struct batch_view){0};
    enum status st = scan_octets(scan, position, BATCH_HEADER_BYTES,
                                 whole ? SCAN_WINDOW_BYTES : HEADERS_BYTES, &octets);
    if (st != ST_OK) return st;
    st = batch_peek((struct bytes){octets, BATCH_HEADER_BYTES}, ret_view);
    ret_view->records = BYTES_NULL;
    if (st != ST_OK) return st;
    return ret_view->batch_bytes <= scan->size_bytes - position ? ST_OK : ST_SHORT;
}

enum status scan_checksum(struct scan *scan, uint64_t position, const struct batch_view *view) {
    bool is_legacy = view->magic < BATCH_MAGIC;
    uint64_t at = position + (is_legacy ? BATCH_AT_MAGIC : BATCH_AT_ATTRIBUTES);
    uint64_t end = position + view->batch_bytes;
    uint32_t crc = 0;
    while (at < end) {
        const uint8_t *octets = NULL;
        enum status st = scan_octets(scan, at, 1, SCAN_WINDOW_BYTES, &octets);
        if (st != ST_OK) return st;
        uint64_t in_window = scan->window_at + scan->window_len - at;
        size_t len = (size_t)MIN(in_window, end - at);
        crc = is_legacy ? crc32_legacy(crc, octets, len) : crc32c(crc, octets, len);
        at += len;
    }
    return crc == view->crc ? ST_OK : ST_CORRUPT;
}

enum status scan_marker(struct scan *scan, uint64_t position, const struct batch_view *view,
                        struct txn_marker *ret_marker) {
    const uint8_t *octets = NULL;
    if (view->batch_bytes > SCAN_WINDOW_BYTES) return ST_CORRUPT;
    enum status st = scan_octets(scan, position, view->batch_bytes, SCAN_WINDOW_BYTES, &octets);
    struct batch_view whole;
    if (st == ST_OK) st = batch_open((struct bytes){octets, view->batch_bytes}, &whole);
    return st == ST_OK ? txn_marker_of_batch(&whole, ret_marker) : st;
}
