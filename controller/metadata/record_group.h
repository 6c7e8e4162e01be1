/* controller/metadata/record_group.h - records on their way into an image. Batches go in, groups
 * that belong together come out: a metadata transaction (BeginTransactionRecord ...
 * EndTransactionRecord, over any number of batches) is one group, and nothing of it is there when
 * it is aborted. While no transaction is open, batches may pile up and be applied at once, which is
 * what loading does. Bounded: GROUP_BYTES_MAX. Source:
 * org.apache.kafka.image.loader.MetadataBatchLoader. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#define GROUP_BYTES_MAX ((size_t)256 << 20)

struct record_group {
    struct arena arena; /* copies of the values */
    struct mem *mem;    /* borrowed */
    struct bytes *values;
    uint32_t count, capacity;
    uint32_t open_at; /* first value of the open transaction; GROUP_CLOSED: none is open */
    size_t bytes;     /* of the values */
};
#define GROUP_CLOSED UINT32_MAX

void record_group_init(struct record_group *group, struct mem *mem);
void record_group_release(struct record_group *group);
/** Copies one value behind the others, or obeys it when it marks a transaction. ST_CORRUPT: a mark
 *  that does not fit (*ret_problem, static text); ST_TOO_LARGE: GROUP_BYTES_MAX; ST_NOMEM. */
MUST_CHECK enum status record_group_add(struct record_group *group, struct bytes value,
                                        const char **ret_problem);
static inline bool record_group_is_open(const struct record_group *group) {
    return group->open_at != GROUP_CLOSED;
}
/** How many of the values, from the first on, may be applied: none of an open transaction. */
static inline uint32_t record_group_ready(const struct record_group *group) {
    return record_group_is_open(group) ? group->open_at : group->count;
}
/** They were applied: forgets those that were ready. */
void record_group_applied(struct record_group *group);
