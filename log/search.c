/* log/search.c - looking for a batch at every octet. */
#include "log/search.h"
#include <inttypes.h>
#include <string.h>
#include "base/logging.h"
#include "protocol/compress.h"

#define SEARCH_BUDGET_BYTES ((uint64_t)64 << 20)

bool batch_offsets_fit(const struct batch_view *view, int64_t expected, int64_t segment_base) {
    return view->base_offset >= MAX(expected, segment_base) && view->last_offset_delta >= 0 &&
           view->record_count >= 0 &&
           view->base_offset - segment_base <= INT32_MAX - (int64_t)view->last_offset_delta;
}

enum status batch_check_jump(struct scan *scan, uint64_t position, const struct batch_view *view,
                             int64_t expected) {
    struct batch_view next;
    uint64_t after = position + view->batch_bytes;
    enum status st = scan_header(scan, after, true, &next);
    if (st != ST_OK) return scan_is_damage(st) ? ST_OK : st;
    if (next.base_offset < expected || next.base_offset >= batch_next_offset(view)) return ST_OK;
    st = scan_checksum(scan, after, &next);
    if (st == ST_OK) return ST_CORRUPT;
    return scan_is_damage(st) ? ST_OK : st;
}

static enum status check_found(struct batch_search *search, uint64_t position,
                               struct batch_view *ret_view) {
    enum status st = scan_header(search->scan, position, true, ret_view);
    if (st != ST_OK) return scan_is_damage(st) ? ST_CORRUPT : st;
    const struct batch_view *v = ret_view;
    if (!batch_offsets_fit(v, search->expected, search->segment_base) ||
        v->record_count > v->last_offset_delta + INT64_C(1) ||
        (v->attributes & ~BATCH_ATTR_ALL) != 0 || batch_codec(v) >= CODEC_COUNT ||
        v->producer_id < NO_PRODUCER_ID || v->partition_leader_epoch < search->latest_epoch) {
        return ST_CORRUPT;
    }
    if (v->batch_bytes > search->budget) {
        search->budget = 0;
        return ST_CORRUPT;
    }
    search->budget -= v->batch_bytes;
    return scan_checksum(search->scan, position, v);
}

static enum status search_on(struct batch_search *search, uint64_t position,
                             uint64_t *ret_position, struct batch_view *ret_view) {
    struct scan *scan = search->scan;
    while (search->budget > 0) {
        const uint8_t *octets = NULL;
        enum status st =
            scan_octets(scan, position, BATCH_HEADER_BYTES, SCAN_WINDOW_BYTES, &octets);
        if (st == ST_SHORT) return ST_NOT_FOUND;
        if (st != ST_OK) return st;
        size_t there = (size_t)(scan->window_at + scan->window_len - position);
        size_t starts =
            there - BATCH_HEADER_BYTES + 1; /* positions at which a whole header is in the window */
        const uint8_t *magic = memchr(octets + BATCH_AT_MAGIC, BATCH_MAGIC, starts);
        if (magic == NULL) {
            position += starts;
            continue;
        }
        position += (uint64_t)(magic - (octets + BATCH_AT_MAGIC));
        st = check_found(search, position, ret_view);
        if (st == ST_OK) {
            *ret_position = position;
            return ST_OK;
        }
        if (!scan_is_damage(st)) return st;
        position++;
    }
    LOG_ERROR("log", "gave up searching for batches behind damage: log=%s base=%" PRId64,
              search->log_path, search->segment_base);
    return ST_NOT_FOUND;
}

static void begin(struct batch_search *search) {
    search->budget = SEARCH_BUDGET_BYTES + 8 * search->scan->size_bytes;
}

enum status batch_search_from(struct batch_search *search, uint64_t position,
                              uint64_t *ret_position, struct batch_view *ret_view) {
    begin(search);
    return search_on(search, position, ret_position, ret_view);
}

enum status batch_search_behind(struct batch_search *search, uint64_t bad, uint64_t *ret_position,
                                struct batch_view *ret_view) {
    struct batch_view view;
    begin(search);
    enum status st = scan_header(search->scan, bad, false, &view);
    if (st == ST_OK) {
        uint64_t next = bad + view.batch_bytes;
        st = check_found(search, next, ret_view);
        if (st == ST_OK) *ret_position = next;
    }
    if (!scan_is_damage(st)) return st;
    return search_on(search, bad + 1, ret_position, ret_view);
}
