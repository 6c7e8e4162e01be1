/* log/search.h - the first valid batch behind damage: where a file goes on.
 * Stricter than a walk, which was led to its batch: magic, length, attributes, offsets that fit the
 * segment and are not below what is expected, an epoch that is not below the last one, and the
 * checksum. What runs through checksums in vain is bounded, so that octets made up to look like
 * headers cannot hold a search up for ever. In a job; the file may hold anything. */
#pragma once
#include "log/scan.h"

struct batch_search {
    struct scan *scan;    /* borrowed; looks at the file */
    const char *log_path; /* borrowed, for messages */
    int64_t segment_base;
    int64_t expected;     /* base offsets from here on */
    int32_t latest_epoch; /* epochs from here on */
    uint64_t budget;      /* private: octets that may still be run through checksums */
};

/** Whether these offsets may stand in the segment, `expected` being the first that is free. */
bool batch_offsets_fit(const struct batch_view *view, int64_t expected, int64_t segment_base);
/** A base offset lies outside the checksum, so one that jumps ahead of `expected` may be damage:
 * ST_CORRUPT when the batch behind it, itself whole, goes on below where it ends. */
MUST_CHECK enum status batch_check_jump(struct scan *scan, uint64_t position,
                                        const struct batch_view *view, int64_t expected);
/** The first valid batch at or above `position`. ST_NOT_FOUND: none. */
MUST_CHECK enum status batch_search_from(struct batch_search *search, uint64_t position,
                                         uint64_t *ret_position, struct batch_view *ret_view);
/** Behind the bad batch at `bad`: first where its own length says that the next one starts, then
 * everywhere. */
MUST_CHECK enum status batch_search_behind(struct batch_search *search, uint64_t bad,
                                           uint64_t *ret_position, struct batch_view *ret_view);
