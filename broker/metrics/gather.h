/* broker/metrics/gather.h - asking the shards: what only its owner may read (partitions, rings,
 * memory, the image) is written down by each shard when a message comes by, and put together when
 * all are back. The counters of struct metrics need no asking.
 *
 * Life: gather_new; on shard 0 gather_start -> `done` on shard 0, once, whatever the broker is
 * doing -> from then until the next gather_start the results may be read by one thread, any ->
 * gather_free when no gathering is under way or no loop turns any more. Between gather_start and
 * done everything here belongs to the shards. What a shard writes down is memory of its slot, not
 * of the shard, so that another thread can read and free it.
 *
 * Bounds: topics are listed in order of their names, each with all its partitions or not at all, as
 * long as there are at most GATHER_TOPICS_MAX topics and GATHER_PARTITIONS_MAX partitions in the
 * cluster's list. A shard looks up its own part of those, about 0.2 us each; shard 0 besides goes
 * through the whole image. Groups: broker/group/lag.h; they take a second message to each shard. */
#pragma once
#include "base/arena.h"
#include "base/io.h"
#include "broker/group/lag.h"
#include "broker/metrics/page.h"
#include "log/dir.h"

struct broker;
struct gather_slot;

#define GATHER_TOPICS_MAX 1000
#define GATHER_PARTITIONS_MAX 5000

struct gather {
    struct broker *broker;
    struct mem *mem; /* borrowed: of gather_new */
    struct gather_slot *slots;
    struct lag_notes **groups; /* of the slots */
    uint32_t slot_capacity, slot_count; /* shards there may be; that were asked */
    uint32_t away_count;
    bool with_lists; /* also what the slots hold; otherwise only whether the shards answer */
    bool is_second;  /* the message that asks for the ends of partitions is under way */
    bool is_ready;   /* result: the broker serves everything */
    struct log_recovery left; /* result: what the start still has before it */
    int64_t wall_ms; /* result: when that was */
    int64_t cluster_topics, cluster_partitions, leaderless_partitions, under_replicated_partitions;
    int64_t led_partitions, listed_partitions, live_brokers;
    /** On shard 0; set once, as is the owner. */
    void (*done)(struct gather *gather);
    void *owner;
};

/** NULL without memory. mem: of the thread that calls gather_new and gather_free. */
struct gather *gather_new(struct mem *mem, uint32_t shard_count);
void gather_free(struct gather *gather);
/** On shard 0. broker: NULL while there is none. Shards are visited only when the broker serves. */
void gather_start(struct gather *gather, struct broker *broker, bool with_lists);
/** Adds to *sample what the shards wrote down. Arrays are of the arena and of the gather, until its
 * next start; false without memory. */
bool gather_sample(const struct gather *gather, struct arena *arena, struct metrics_sample *sample);
/** Adds the counters, which need no asking: on any thread, also while a shard does not answer.
 * After gather_sample, so that no topic has more than the total. The broker was ready once. */
void gather_counters(const struct broker *broker, struct metrics_sample *sample);
/** Gives back what the slots hold; not while a gathering is under way. */
void gather_clear(struct gather *gather);
