/* broker/shard/sweep.h - a job that visits all partitions of a shard, one after the other, from
 * time to time: never two at once, and not in one go. What it does to a partition is the caller's.
 * Owner: the shard. */
#pragma once
#include "broker/shard/shard.h"

struct partition;

/* Which partitions a shard has: a list for jobs, as partitions come and go meanwhile. */
struct partition_key {
    struct uuid topic_id;
    int32_t index;
};
struct partition_keys {
    struct partition_key *items; /* NULL: there was no memory */
    size_t count, capacity;
};
struct partition_keys partition_keys_list(const struct shard *shard);
void partition_keys_free(const struct shard *shard, struct partition_keys *keys);

struct sweep {
    struct shard *shard;
    /** The partition is online, and is there until this returns. */
    void (*visit)(struct job *job, struct partition *partition);
    /** Milliseconds from the end of one sweep to the next one. */
    int64_t (*interval_ms)(const struct shard *shard);
    struct io_timer timer;
    struct job *stopper;
    bool is_running, is_stopped;
};

/** The first one begins after first_ms. */
void sweep_start(struct sweep *sweep, struct shard *shard, int64_t first_ms);
/** Waits for the visit that is under way; there are no more. */
void sweep_stop(struct job *job, struct sweep *sweep);
