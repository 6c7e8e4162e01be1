/* broker/shard/housekeeping.c - timers over all partitions. */
#include "broker/shard/housekeeping.h"
#include "broker/replication/partition.h"

static void set_next(struct shard *shard) {
    int64_t interval_ms = shard->broker->config->producer_id_expiration_check_interval_ms;
    io_timer_set(shard->io, &shard->producer_timer,
                 shard->io->now.mono_us + (uint64_t)interval_ms * 1000);
}

static void expire_producers(struct io_timer *timer) {
    struct shard *shard = CONTAINER_OF(timer, struct shard, producer_timer);
    int64_t expiration_ms = shard->producer_id_expiration_ms;
    for (struct map_node *node = map_next(&shard->partitions, NULL); node != NULL;
         node = map_next(&shard->partitions, node)) {
        struct partition *p = CONTAINER_OF(node, struct partition, node);
        log_expire_producers(p->log, shard->io->now.wall_ms, expiration_ms);
    }
    set_next(shard);
}

void housekeeping_start(struct shard *shard) {
    shard->producer_timer.fire = expire_producers;
    set_next(shard);
}

void housekeeping_stop(struct shard *shard) { io_timer_clear(shard->io, &shard->producer_timer); }
