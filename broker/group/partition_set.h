/* broker/group/partition_set.h - sets of partitions, as members own them and targets give them:
 * sorted by topic id, then index, each once. Internal to broker/group. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"

struct group_partition {
    struct uuid topic_id;
    int32_t index;
    int32_t epoch; /* its owner's when it was given, in targets 0; comparisons pass over it */
};

struct partition_set {
    struct group_partition *items;
    uint32_t count;
};

int group_partition_compare(const struct group_partition *a, const struct group_partition *b);
bool partition_set_has(const struct partition_set *set, struct group_partition partition);
bool partition_set_eq(const struct partition_set *a, const struct partition_set *b);
bool partition_set_touches(const struct partition_set *a, const struct partition_set *b);
/** Sorts, and drops what stands twice. */
void partition_set_order(struct partition_set *set);
/** NULL when it is not there. */
const struct group_partition *partition_set_find(const struct partition_set *set,
                                                 struct group_partition partition);
/** The same epoch for all. */
void partition_set_stamp(struct partition_set *set, int32_t epoch);

/* Results are of the arena, and what is in both is a's; false: no memory. */
bool partition_set_and(struct arena *arena, const struct partition_set *a,
                       const struct partition_set *b, struct partition_set *ret_set);
bool partition_set_minus(struct arena *arena, const struct partition_set *a,
                         const struct partition_set *b, struct partition_set *ret_set);
bool partition_set_or(struct arena *arena, const struct partition_set *a,
                      const struct partition_set *b, struct partition_set *ret_set);

/** Replaces an own copy, which may be empty; false without memory, and then it stands. */
bool partition_set_keep(struct mem *mem, struct partition_set *own,
                        const struct partition_set *set);
void partition_set_free(struct mem *mem, struct partition_set *own);

/* How messages have them: by topic. */
struct topic_run {
    struct uuid topic_id;
    int32_t *partitions; /* arena */
    int32_t count;
};
/** The set cut into its topics; arena. false: no memory. */
bool partition_set_runs(const struct partition_set *set, struct arena *arena,
                        struct topic_run **ret_runs, int32_t *ret_count);
