/* log/segment_job.h - what jobs read of a segment's files: whole indexes, positions, the end. */
#pragma once
#include "log/impl.h"
#include "log/scan.h"

/** Reads a whole index file into memory (the caller frees count * entry bytes). One that cannot be
 * an index of this segment (length, order) is logged and gives ST_OK with no entries: it only helps
 * to find. */
MUST_CHECK enum status segment_read_index(struct job *job, const char *dir, int64_t base_offset,
                                          enum segment_part part, uint8_t **ret_entries,
                                          uint32_t *ret_count);
/** Where the first batch starts whose last offset is >= `offset`; size_bytes when there is none.
 * The segment's file is in use. */
MUST_CHECK enum status segment_find_position(struct job *job, const struct log *log,
                                             struct segment *segment, struct scan *scan,
                                             int64_t offset, uint64_t *ret_position);
/** Walks from the last index entry to the end: sets the indexes' counts, the timestamps, and says
 * where the offsets end. For a segment without entries in memory, its file in use. ST_CORRUPT:
 * indexes or batches are not what a clean stop leaves. */
MUST_CHECK enum status segment_walk_end(struct job *job, const struct log *log,
                                        struct segment *segment, struct scan *scan,
                                        int64_t *ret_end);
/** Whether a time index's entry speaks of a batch that is there, and where the first batch starts
 * that ends at its offset or above. The segment's file is in use. */
MUST_CHECK enum status segment_check_time(struct job *job, const struct log *log,
                                          struct segment *segment, struct scan *scan,
                                          struct time_entry entry, uint64_t *ret_position,
                                          bool *ret_is_right);
/** Makes max_timestamp_* known: from the time index when the batches confirm it, else from them. */
MUST_CHECK enum status segment_load_max(struct job *job, struct log *log, struct segment *segment);
