/* log/key_map.c - linear probing. */
#include "log/key_map.h"
#include <string.h>
#include "base/assert.h"

#define SLOTS_MIN 8u

enum status key_map_init(struct key_map *map, struct mem *mem, uint64_t bytes, double load_factor,
                         uint64_t key_count_max, struct siphash_key key) {
    double load = load_factor > 0.001 ? MIN(load_factor, 0.95) : 0.001; /* probing has to end */
    uint64_t slots = bytes / sizeof(struct key_slot);
    double needed = (double)key_count_max / load + SLOTS_MIN;
    if (needed < (double)slots) slots = (uint64_t)needed;
    slots = MAX(slots, (uint64_t)SLOTS_MIN);
    *map = (struct key_map){.mem = mem, .slot_count = slots, .key = key};
    map->limit_count = MAX((uint64_t)((double)slots * load), (uint64_t)1);
    map->slots = mem_alloc(mem, slots * sizeof *map->slots);
    return map->slots != NULL ? ST_OK : ST_NOMEM;
}

void key_map_release(struct key_map *map) {
    if (map->mem == NULL) return;
    mem_free(map->mem, map->slots, map->slot_count * sizeof *map->slots);
    *map = (struct key_map){0};
}

void key_map_clear(struct key_map *map) {
    memset(map->slots, 0, map->slot_count * sizeof *map->slots);
    map->count = 0;
}

/* The key's slot, or the free one where it would be. */
static struct key_slot *find(const struct key_map *map, struct digest128 digest) {
    uint64_t at = (uint64_t)(((unsigned __int128)digest.low * map->slot_count) >> 64);
    for (;;) {
        struct key_slot *slot = &map->slots[at];
        if (slot->offset_plus_1 == 0) return slot;
        if (slot->digest.low == digest.low && slot->digest.high == digest.high) return slot;
        if (++at == map->slot_count) at = 0;
    }
}

enum status key_map_put(struct key_map *map, struct bytes key, int64_t offset) {
    ASSERT(offset >= 0);
    struct digest128 digest = siphash128(key, map->key);
    struct key_slot *slot = find(map, digest);
    if (slot->offset_plus_1 == 0) {
        if (map->count == map->limit_count) return ST_FULL;
        map->count++;
        slot->digest = digest;
    }
    slot->offset_plus_1 = (uint64_t)offset + 1;
    return ST_OK;
}

int64_t key_map_get(const struct key_map *map, struct bytes key) {
    return (int64_t)find(map, siphash128(key, map->key))->offset_plus_1 - 1;
}
