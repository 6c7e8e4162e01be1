/* protocol/record_iter.c - records out of runs. A record inside one run is given out where it lies;
 * one that crosses runs is gathered first, growing with what arrives and not with the length it
 * declares. */
#include "protocol/record_iter.h"
#include "base/assert.h"
#include "protocol/wire.h"

void record_iter_init(struct record_iter *it, struct mem *mem) {
    *it = (struct record_iter){0};
    decompressor_init(&it->stream, mem);
    octets_init(&it->gathered, mem);
}

void record_iter_release(struct record_iter *it) {
    decompressor_release(&it->stream);
    octets_release(&it->gathered);
}

void record_iter_open(struct record_iter *it, const struct batch_view *view,
                      size_t plain_bytes_max) {
    ASSERT(view->records.ptr != NULL);
    it->view = *view;
    it->index = 0;
    it->run = (struct bytes){view->records.ptr, 0};
    it->status = view->record_count < 0 ? ST_CORRUPT : ST_OK;
    if (it->status != ST_OK || view->record_count == 0)
        return; /* what compaction left of a producer's last batch */
    it->status = decompressor_open(&it->stream, batch_codec(view), view->records, plain_bytes_max);
}

static void consume(struct record_iter *it, size_t bytes) {
    it->run.ptr += bytes;
    it->run.len -= bytes;
}

/* One run more; false at the end of the stream and on failure (status). */
static bool refill(struct record_iter *it) {
    do {
        it->status = decompressor_next(&it->stream, &it->run);
    } while (it->status == ST_OK && it->run.len == 0 && !it->stream.ended);
    return it->status == ST_OK && it->run.len > 0;
}

/* Moves up to `want` octets from the runs behind what is gathered. */
static bool gather(struct record_iter *it, size_t want) {
    while (want > 0) {
        if (it->run.len == 0 && !refill(it)) {
            if (it->status == ST_OK) it->status = ST_CORRUPT; /* ended inside a record */
            return false;
        }
        size_t step = MIN(want, it->run.len);
        it->status = octets_add(&it->gathered, it->run.ptr, step);
        if (it->status != ST_OK) return false;
        consume(it, step);
        want -= step;
    }
    return true;
}

/* The record that starts in this run and does not end in it. */
static bool gather_record(struct record_iter *it, struct record *ret_record) {
    int32_t body_bytes;
    size_t length_bytes;
    enum status st;
    it->gathered.len = 0;
    do { /* the length field, octet by octet */
        if (!gather(it, 1)) return false;
        st = wire_get_varint(octets_bytes(&it->gathered), &body_bytes, &length_bytes);
    } while (st == ST_SHORT);
    it->status = st == ST_OK && body_bytes >= 0 ? ST_OK : ST_CORRUPT;
    if (it->status != ST_OK || !gather(it, (size_t)body_bytes)) return false;
    it->status = record_decode(octets_bytes(&it->gathered), ret_record);
    return it->status == ST_OK;
}

static bool next(struct record_iter *it, struct record *ret_record) {
    enum status st = record_decode(it->run, ret_record);
    if (st == ST_OK) {
        consume(it, ret_record->record_bytes);
        return true;
    }
    if (st == ST_SHORT) return gather_record(it, ret_record);
    it->status = st;
    return false;
}

bool record_iter_next(struct record_iter *it, struct record *ret_record) {
    if (it->status != ST_OK) return false;
    if (it->index == it->view.record_count) {
        if (it->view.record_count == 0) {
            if (it->view.records.len != 0) it->status = ST_CORRUPT;
        } else if (it->run.len != 0 || refill(it)) {
            it->status = ST_CORRUPT; /* more than was counted */
        }
        return false;
    }
    if (!next(it, ret_record)) return false;
    it->index++;
    ret_record->offset += it->view.base_offset;
    ret_record->timestamp =
        batch_is_log_append_time(&it->view)
            ? it->view.max_timestamp
            : (int64_t)((uint64_t)it->view.base_timestamp + (uint64_t)ret_record->timestamp);
    return true;
}

void record_iter_close(struct record_iter *it) {
    decompressor_close(&it->stream);
    it->run = BYTES_NULL;
    if (it->gathered.capacity > COMPRESS_KEEP_BYTES) octets_release(&it->gathered);
}
