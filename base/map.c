/* base/map.c - chained buckets, doubled at load 1. */
#include "base/map.h"
#include "base/assert.h"

void map_init(struct map *map, struct mem *mem) { *map = (struct map){.mem = mem}; }

void map_release(struct map *map) {
    mem_free(map->mem, map->buckets, map->bucket_count * sizeof(struct map_node *));
    *map = (struct map){.mem = map->mem};
}

static size_t slot(const struct map *map, uint64_t hash) { return hash & (map->bucket_count - 1); }

struct map_node *map_find(const struct map *map, uint64_t hash, map_equal_fn *equal,
                          const void *key) {
    if (map->bucket_count == 0) return NULL;
    struct map_node *node = map->buckets[slot(map, hash)];
    while (node != NULL && (node->hash != hash || !equal(node, key))) node = node->next;
    return node;
}

static void grow(struct map *map) {
    struct map old = *map;
    size_t count = old.bucket_count != 0 ? old.bucket_count * 2 : 8;
    struct map_node **buckets = mem_alloc(map->mem, count * sizeof(struct map_node *));
    if (buckets == NULL) {
        ASSERT(old.bucket_count != 0); /* the first eight are a small fixed need */
        return;
    }
    memset(buckets, 0, count * sizeof(struct map_node *));
    map->buckets = buckets;
    map->bucket_count = count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (struct map_node *node = old.buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            struct map_node **at = &buckets[slot(map, node->hash)];
            node->next = *at;
            *at = node;
        }
    }
    mem_free(map->mem, old.buckets, old.bucket_count * sizeof(struct map_node *));
}

void map_insert(struct map *map, uint64_t hash, struct map_node *node) {
    if (map->count >= map->bucket_count) grow(map);
    struct map_node **at = &map->buckets[slot(map, hash)];
    node->hash = hash;
    node->next = *at;
    *at = node;
    map->count++;
}

void map_remove(struct map *map, struct map_node *node) {
    struct map_node **at = &map->buckets[slot(map, node->hash)];
    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    map->count--;
}

struct map_node *map_next(const struct map *map, const struct map_node *node) {
    size_t i = 0;
    if (node != NULL) {
        if (node->next != NULL) return node->next;
        i = slot(map, node->hash) + 1;
    }
    for (; i < map->bucket_count; i++) {
        if (map->buckets[i] != NULL) return map->buckets[i];
    }
    return NULL;
}
