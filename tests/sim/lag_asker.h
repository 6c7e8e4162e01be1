/* tests/sim/lag_asker.h - somebody who asks a shard how far readers of its partitions are behind
 * (broker/group/lag.h), while logs grow, are cut, fail and close: at offsets that the seed draws.
 * Lives outside of the process; every asking comes back, also while a disk hangs,
 * unless the process ends. */
#pragma once
#include "broker/group/lag.h"
#include "tests/sim/world.h"

enum { LAG_ASKER_ROWS = 24 };

struct lag_asker {
    struct world *world;
    struct lag_row rows[LAG_ASKER_ROWS];
    struct lag_group group;
    struct lag_notes notes;
    struct lag_notes *list[1];
    struct lag_ends ends;
    bool is_away;      /* asked, and not answered */
    uint64_t asked_us; /* of the world */
};

/** On the shard; not while an asking is away. */
void lag_asker_ask(struct lag_asker *asker, struct world *world, struct shard *shard);
