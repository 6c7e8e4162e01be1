/* broker/shard/sweep.c - a list of keys, since partitions come and go meanwhile. */
#include "broker/shard/sweep.h"
#include "base/assert.h"
#include "broker/replication/partition.h"

struct key {
    struct uuid topic_id;
    int32_t index;
};

static void set_next(struct sweep *sweep, int64_t after_ms) {
    const struct io *io = sweep->shard->io;
    io_timer_set(sweep->shard->io, &sweep->timer, io->now.mono_us + (uint64_t)after_ms * 1000);
}

static struct key *list_keys(const struct shard *shard, size_t *ret_count) {
    size_t count = 0;
    *ret_count = 0;
    struct key *keys = mem_alloc(shard->mem, shard->partitions.count * sizeof *keys);
    if (keys == NULL) return NULL;
    for (struct map_node *node = NULL; (node = map_next(&shard->partitions, node)) != NULL;) {
        const struct partition *p = CONTAINER_OF(node, struct partition, node);
        keys[count++] = (struct key){p->topic_id, p->index};
    }
    *ret_count = count;
    return keys;
}

static void run(struct job *job, void *argument) {
    struct sweep *sweep = argument;
    struct shard *shard = sweep->shard;
    size_t count = 0;
    struct key *keys = list_keys(shard, &count); /* without memory the next sweep does it */
    for (size_t i = 0; i < count && !sweep->is_stopped; i++) {
        struct partition *p = shard_partition(shard, keys[i].topic_id, keys[i].index);
        if (p == NULL || p->state != PARTITION_ONLINE) continue;
        partition_use(p);
        sweep->visit(job, p);
        partition_unuse(p);
        job_yield(job);
    }
    mem_free(shard->mem, keys, count * sizeof *keys);
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
