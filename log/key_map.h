/* log/key_map.h - the last offset of every key in the dirty part of a log, in bounded memory: a
 * 128-bit digest and an offset a key, 24 octets, by open addressing. The digest is keyed by chance,
 * so that no producer can make one key take another's place. Keys themselves are not kept: two of
 * them would have to share 128 bits.
 * Source: org.apache.kafka.storage.internals.log.SkimpyOffsetMap (there MD5). */
#pragma once
#include "base/mem.h"
#include "base/siphash.h"
#include "base/status.h"

struct key_slot {
    struct digest128 digest;
    uint64_t offset_plus_1; /* 0: free */
};

struct key_map {
    struct mem *mem; /* borrowed */
    struct key_slot *slots;
    uint64_t slot_count;
    uint64_t count, limit_count; /* keys there are; that there may be */
    struct siphash_key key;
};

/** At most `bytes`, filled up to load_factor (0 to 1), and no more than key_count_max keys need.
 * ST_NOMEM. The memory is not cleared yet: key_map_clear, which takes a while. */
MUST_CHECK enum status key_map_init(struct key_map *map, struct mem *mem, uint64_t bytes,
                                    double load_factor, uint64_t key_count_max,
                                    struct siphash_key key);
void key_map_release(struct key_map *map);
void key_map_clear(struct key_map *map);
/** ST_FULL: a new key has no room; nothing changes. offset >= 0. */
MUST_CHECK enum status key_map_put(struct key_map *map, struct bytes key, int64_t offset);
/** -1: not there. */
int64_t key_map_get(const struct key_map *map, struct bytes key);
