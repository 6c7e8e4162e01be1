/* log/verified.c - a short sorted list of ranges. */
#include "log/verified.h"
#include <string.h>
#include "base/bytes.h"

uint64_t verified_until(const struct verified *verified, uint64_t from) {
    for (uint32_t i = 0; i < verified->count; i++) {
        const struct verified_range *range = &verified->ranges[i];
        if (from >= range->from && from < range->to) {
            from = range->to;
            break;
        }
    }
    return from >= verified->foreign_end ? UINT64_MAX : from;
}

static void remove_at(struct verified *verified, uint32_t index, uint32_t count) {
    verified->count -= count;
    memmove(&verified->ranges[index], &verified->ranges[index + count],
            (verified->count - index) * sizeof *verified->ranges);
}

static void forget_smallest(struct verified *verified) {
    uint32_t smallest = 0;
    for (uint32_t i = 1; i < verified->count; i++) {
        const struct verified_range *a = &verified->ranges[i], *b = &verified->ranges[smallest];
        if (a->to - a->from < b->to - b->from) smallest = i;
    }
    remove_at(verified, smallest, 1);
}

void verified_add(struct verified *verified, struct mem *mem, uint64_t from, uint64_t to) {
    to = MIN(to, verified->foreign_end);
    if (from >= to) return;
    if (verified->ranges == NULL)
        verified->ranges = mem_alloc(mem, VERIFIED_RANGES_MAX * sizeof *verified->ranges);
    if (verified->ranges == NULL) return;
    uint32_t first = 0, last = 0; /* [first, last) touch it and become one with it */
    while (first < verified->count && verified->ranges[first].to < from) first++;
    for (last = first; last < verified->count && verified->ranges[last].from <= to; last++) {
        from = MIN(from, verified->ranges[last].from);
        to = MAX(to, verified->ranges[last].to);
    }
    remove_at(verified, first, last - first);
    if (verified->count == VERIFIED_RANGES_MAX) {
        forget_smallest(verified);
        first = 0;
        while (first < verified->count && verified->ranges[first].to < from) first++;
    }
    memmove(&verified->ranges[first + 1], &verified->ranges[first],
            (verified->count - first) * sizeof *verified->ranges);
    verified->ranges[first] = (struct verified_range){from, to};
    verified->count++;
}

void verified_cut(struct verified *verified, uint64_t size_bytes) {
    verified->foreign_end = MIN(verified->foreign_end, size_bytes);
    while (verified->count > 0) {
        struct verified_range *last = &verified->ranges[verified->count - 1];
        last->to = MIN(last->to, verified->foreign_end);
        if (last->from < last->to) return;
        verified->count--;
    }
}

void verified_release(struct verified *verified, struct mem *mem) {
    if (verified->ranges != NULL)
        mem_free(mem, verified->ranges, VERIFIED_RANGES_MAX * sizeof *verified->ranges);
    *verified = (struct verified){0};
}
