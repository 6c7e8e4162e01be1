/* broker/group/partition_set.c - merges of sorted arrays. */
#include "broker/group/partition_set.h"
#include <stdlib.h>

int group_partition_compare(const struct group_partition *a, const struct group_partition *b) {
    int order = memcmp(a->topic_id.b, b->topic_id.b, 16);
    if (order != 0) return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int compare(const void *a, const void *b) { return group_partition_compare(a, b); }

const struct group_partition *partition_set_find(const struct partition_set *set,
                                                 struct group_partition partition) {
    if (set->count == 0) return NULL;
    return bsearch(&partition, set->items, set->count, sizeof *set->items, compare);
}

bool partition_set_has(const struct partition_set *set, struct group_partition partition) {
    return partition_set_find(set, partition) != NULL;
}

bool partition_set_eq(const struct partition_set *a, const struct partition_set *b) {
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (group_partition_compare(&a->items[i], &b->items[i]) != 0) return false;
    }
    return true;
}

bool partition_set_touches(const struct partition_set *a, const struct partition_set *b) {
    for (uint32_t i = 0; i < b->count; i++) {
        if (partition_set_has(a, b->items[i])) return true;
    }
    return false;
}

void partition_set_order(struct partition_set *set) {
    uint32_t kept = 0;
    if (set->count > 1) qsort(set->items, set->count, sizeof *set->items, compare);
    for (uint32_t i = 0; i < set->count; i++) {
        if (kept > 0 && compare(&set->items[kept - 1], &set->items[i]) == 0) continue;
        set->items[kept++] = set->items[i];
    }
    set->count = kept;
}

void partition_set_stamp(struct partition_set *set, int32_t epoch) {
    for (uint32_t i = 0; i < set->count; i++) set->items[i].epoch = epoch;
}

/* takes: which of "only in a", "only in b", "in both" are taken. */
enum { ONLY_A = 1, ONLY_B = 2, BOTH = 4 };

static bool merge(struct arena *arena, const struct partition_set *a, const struct partition_set *b,
                  unsigned takes, struct partition_set *ret_set) {
    struct group_partition *items = arena_array(arena, (size_t)a->count + b->count, sizeof *items);
    uint32_t i = 0, j = 0, count = 0;
    if (items == NULL) return false;
    while (i < a->count || j < b->count) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : group_partition_compare(&a->items[i], &b->items[j]);
        unsigned where = order < 0 ? ONLY_A : order > 0 ? ONLY_B : BOTH;
        if (takes & where) items[count++] = order > 0 ? b->items[j] : a->items[i];
        i += order <= 0;
        j += order >= 0;
    }
    *ret_set = (struct partition_set){items, count};
    return true;
}

bool partition_set_and(struct arena *arena, const struct partition_set *a,
                       const struct partition_set *b, struct partition_set *ret_set) {
    return merge(arena, a, b, BOTH, ret_set);
}

bool partition_set_minus(struct arena *arena, const struct partition_set *a,
                         const struct partition_set *b, struct partition_set *ret_set) {
    return merge(arena, a, b, ONLY_A, ret_set);
}

bool partition_set_or(struct arena *arena, const struct partition_set *a,
                      const struct partition_set *b, struct partition_set *ret_set) {
    return merge(arena, a, b, ONLY_A | ONLY_B | BOTH, ret_set);
}

bool partition_set_keep(struct mem *mem, struct partition_set *own,
                        const struct partition_set *set) {
    struct group_partition *items = NULL;
    size_t bytes = set->count * sizeof *items;
    if (set->count > 0) {
        items = mem_alloc(mem, bytes);
        if (items == NULL) return false;
        memcpy(items, set->items, bytes);
    }
    partition_set_free(mem, own);
    *own = (struct partition_set){items, set->count};
    return true;
}

void partition_set_free(struct mem *mem, struct partition_set *own) {
    mem_free(mem, own->items, own->count * sizeof *own->items);
    *own = (struct partition_set){0};
}

bool partition_set_runs(const struct partition_set *set, struct arena *arena,
                        struct topic_run **ret_runs, int32_t *ret_count) {
    struct topic_run *runs = arena_array(arena, set->count, sizeof *runs);
    int32_t *partitions = arena_array(arena, set->count, sizeof *partitions);
    int32_t count = 0;
    if (runs == NULL || partitions == NULL) return false;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct group_partition *item = &set->items[i];
        partitions[i] = item->index;
        if (count == 0 || !uuid_eq(runs[count - 1].topic_id, item->topic_id))
            runs[count++] = (struct topic_run){item->topic_id, &partitions[i], 0};
        runs[count - 1].count++;
    }
    *ret_runs = runs;
    *ret_count = count;
    return true;
}
