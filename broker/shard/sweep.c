/* broker/shard/sweep.c - one visit after the other. */
#include "broker/shard/sweep.h"
#include "base/assert.h"
#include "broker/replication/partition.h"

static void set_next(struct sweep *sweep, int64_t after_ms) {
    const struct io *io = sweep->shard->io;
    io_timer_set(sweep->shard->io, &sweep->timer, io->now.mono_us + us_of_ms(after_ms));
}

struct partition_keys partition_keys_list(const struct shard *shard) {
    struct partition_keys keys = {.capacity = shard->partitions.count};
    keys.items = mem_alloc(shard->mem, keys.capacity * sizeof *keys.items);
    if (keys.items == NULL) return (struct partition_keys){0};
    for (struct map_node *node = NULL; (node = map_next(&shard->partitions, node)) != NULL;) {
        const struct partition *p = CONTAINER_OF(node, struct partition, node);
        keys.items[keys.count++] = (struct partition_key){p->topic_id, p->index};
    }
    return keys;
}

void partition_keys_free(const struct shard *shard, struct partition_keys *keys) {
    mem_free(shard->mem, keys->items, keys->capacity * sizeof *keys->items);
    *keys = (struct partition_keys){0};
}

static void run(struct job *job, void *argument) {
    struct sweep *sweep = argument;
    struct shard *shard = sweep->shard;
    struct partition_keys keys = partition_keys_list(shard); /* or the next sweep does it */
    for (size_t i = 0; i < keys.count && !sweep->is_stopped; i++) {
        struct partition *p = shard_partition(shard, keys.items[i].topic_id, keys.items[i].index);
        if (p == NULL || p->state != PARTITION_ONLINE) continue;
        partition_use(p);
        sweep->visit(job, p);
        partition_unuse(p);
        job_yield(job);
    }
    partition_keys_free(shard, &keys);
    sweep->is_running = false;
    if (sweep->stopper != NULL) {
        job_wake(sweep->stopper);
    } else if (!sweep->is_stopped) {
        set_next(sweep, sweep->interval_ms(shard));
    }
}

static void due(struct io_timer *timer) {
    struct sweep *sweep = CONTAINER_OF(timer, struct sweep, timer);
    sweep->is_running = true;
    job_start(&sweep->shard->jobs, run, sweep);
}

void sweep_start(struct sweep *sweep, struct shard *shard, int64_t first_ms) {
    ASSERT(!sweep->is_running);
    sweep->shard = shard;
    sweep->timer.fire = due;
    set_next(sweep, first_ms);
}

void sweep_stop(struct job *job, struct sweep *sweep) {
    if (sweep->shard == NULL) return; /* it never began */
    sweep->is_stopped = true;
    io_timer_clear(sweep->shard->io, &sweep->timer);
    if (!sweep->is_running) return;
    sweep->stopper = job;
    job_suspend(job);
}
