/* controller/metadata/pmap.h - a persistent ordered map: a copy costs nothing and shares every
 * node, a change copies only the path to what changed. An AVL tree with reference-counted nodes.
 *
 * Invariants: a node that more than one map can reach never changes; for every node the heights of
 * its children differ by at most one, so a path is at most PMAP_HEIGHT_MAX long; a value is freed
 * with the last node that holds it.
 *
 * Owner: one thread (shard 0) makes, changes and releases maps: the counts are not atomic. Other
 * threads may read a map that its owner neither changes nor releases meanwhile. Nodes are small
 * fixed needs (mem_need). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

#define PMAP_HEIGHT_MAX 48 /* 1.44 * log2(2^32) is 46 */

struct pmap_node;

/* The head of everything that is kept in a map. */
struct pmap_value {
    uint32_t refs; /* nodes (and callers) that hold it; set to 1 by who makes it */
};

struct pmap_type {
    /** Below, equal to or above zero as `key` sorts before, with or after the value's key. */
    int (*compare)(const void *key, const struct pmap_value *value);
    void (*free)(struct mem *mem, struct pmap_value *value);
};

struct pmap {
    const struct pmap_type *type;
    struct mem *mem; /* borrowed */
    struct pmap_node *root;
    uint32_t count;
};

void pmap_init(struct pmap *map, struct mem *mem, const struct pmap_type *type);
/** `map` becomes a version of its own that starts as `from`; takes constant time. */
void pmap_copy(struct pmap *map, const struct pmap *from);
/** Gives up this version: what no other one shares is freed. */
void pmap_release(struct pmap *map);
/** NULL when the key is not there. */
struct pmap_value *pmap_get(const struct pmap *map, const void *key);
/** Adds the value, or puts it in the place of the one with the same key. `key` is the value's own;
 * value: taken (one reference). */
void pmap_put(struct pmap *map, const void *key, struct pmap_value *value);
/** False when the key is not there. */
bool pmap_remove(struct pmap *map, const void *key);

static inline struct pmap_value *pmap_value_share(struct pmap_value *value) {
    value->refs++;
    return value;
}
void pmap_value_release(const struct pmap *map, struct pmap_value *value);

/* A walk in key order; the map must stay as it is meanwhile. */
struct pmap_iter {
    const struct pmap_node *path[PMAP_HEIGHT_MAX];
    uint32_t depth;
};
void pmap_iter_init(const struct pmap *map, struct pmap_iter *iter);
/** From the first value whose key is not below `key`. */
void pmap_iter_seek(const struct pmap *map, struct pmap_iter *iter, const void *key);
/** NULL at the end. */
struct pmap_value *pmap_iter_next(struct pmap_iter *iter);

/** Checks order, heights, balance and count; for tests. */
bool pmap_is_valid(const struct pmap *map,
                   int (*compare_values)(const struct pmap_value *, const struct pmap_value *));
