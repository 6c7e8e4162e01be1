/* base/map.h - an intrusive chained hash map: nodes live in the caller's objects, the caller hashes
 * and compares. Grows by doubling; a growth that finds no memory is skipped and the chains get
 * longer. Iteration order follows hashes, not insertion: same hashes and same operations, same
 * order. */
#pragma once
#include <stdbool.h>
#include "base/bytes.h"
#include "base/mem.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct mem *mem; /* borrowed */
    struct map_node **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
};

/** True when the node's object has the key. */
typedef bool map_equal_fn(const struct map_node *node, const void *key);

void map_init(struct map *map, struct mem *mem);
/** Frees the buckets only; the nodes are the caller's. */
void map_release(struct map *map);
/** NULL when it is not there. */
struct map_node *map_find(const struct map *map, uint64_t hash, map_equal_fn *equal,
                          const void *key);
/** The node must be in no map; a key that is there already is not looked for. */
void map_insert(struct map *map, uint64_t hash, struct map_node *node);
/** The node must be in this map. */
void map_remove(struct map *map, struct map_node *node);
/** The node after `node`, the first for NULL; NULL at the end. The map must not change meanwhile,
 *  except that the node returned before may be removed after its successor was asked for. */
struct map_node *map_next(const struct map *map, const struct map_node *node);
