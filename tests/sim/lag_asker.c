/* tests/sim/lag_asker.c - see lag_asker.h. */
#include "tests/sim/lag_asker.h"
#include "base/assert.h"
#include "broker/replication/partition.h"

#define LATE_US 300000 /* a shard that stalls answers later */

static void answered(struct lag_ends *ends) {
    struct lag_asker *asker = CONTAINER_OF(ends, struct lag_asker, ends);
    ASSERT(asker->is_away);
    asker->is_away = false;
    if (asker->world->now_us - asker->asked_us > LAG_LOOKUP_US + LATE_US)
        world_fail(asker->world, "lags were asked for, and a disk was waited for");
    for (uint32_t i = 0; i < asker->notes.row_count; i++) {
        const struct lag_row *row = &asker->rows[i];
        if (!row->has_ends) continue; /* its log has failed, or it stops */
        if (row->last_stable_offset > row->high_watermark)
            world_fail(asker->world, "a last stable offset above the high watermark");
        if (row->has_next && row->committed >= row->high_watermark && row->next_ms >= 0)
            world_fail(asker->world, "a record at the end, where nothing is");
        if (row->has_next && row->next_ms >= 0) world_count(asker->world, FAULT_LAG_LOOKED_UP);
    }
}

/* Somewhere from before its start to behind its end. */
static void add_row(struct lag_asker *asker, const struct topic_image *topic,
                    const struct partition *p) {
    int64_t span = p->high_watermark + 3;
    struct lag_row *row = &asker->rows[asker->notes.row_count++];
    *row = (struct lag_row){
        .topic_id = topic->id,
        .partition = p->index,
        .committed = (int64_t)prng_below(&asker->world->prng, (uint64_t)span) - 1,
        .is_listed = true,
    };
}

void lag_asker_ask(struct lag_asker *asker, struct world *world, struct shard *shard) {
    ASSERT(!asker->is_away);
    *asker = (struct lag_asker){
        .world = world, .is_away = true, .asked_us = world->now_us};
    asker->list[0] = &asker->notes;
    asker->notes.groups = &asker->group;
    asker->notes.rows = asker->rows;
    struct image_iter iter;
    image_iter_topics(shard->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (asker->notes.row_count == LAG_ASKER_ROWS) break;
            if (shard_of_partition(shard->broker, topic->id, i) != shard->index) continue;
            const struct partition *p = shard_partition(shard, topic->id, i);
            if (p != NULL) add_row(asker, topic, p);
        }
    }
    asker->ends = (struct lag_ends){
        .shard = shard, .notes = asker->list, .notes_count = 1, .done = answered};
    lag_ends_find(&asker->ends);
}
