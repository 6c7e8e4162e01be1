/* broker/shard/housekeeping.c - timers over all partitions. */
#include "broker/shard/housekeeping.h"
#include "broker/replication/partition.h"
#include "broker/shard/cleaners.h"
#include "broker/shard/sweep.h"
#include "log/retention.h"

struct housekeeping {
    struct shard *shard;
    struct io_timer producers;
    struct sweep retention;
};

/* --- producers --- */

static void set_next(struct housekeeping *keeping) {
    struct shard *shard = keeping->shard;
    int64_t interval_ms = shard->broker->config->producer_id_expiration_check_interval_ms;
    io_timer_set(shard->io, &keeping->producers,
                 shard->io->now.mono_us + (uint64_t)interval_ms * 1000);
}

static void expire_producers(struct io_timer *timer) {
    struct housekeeping *keeping = CONTAINER_OF(timer, struct housekeeping, producers);
    struct shard *shard = keeping->shard;
    int64_t expiration_ms = shard->producer_id_expiration_ms;
    for (struct map_node *node = map_next(&shard->partitions, NULL); node != NULL;
         node = map_next(&shard->partitions, node)) {
        struct partition *p = CONTAINER_OF(node, struct partition, node);
        log_expire_producers(p->log, expiration_ms);
    }
    set_next(keeping);
}

/* --- retention --- */

static int64_t retention_interval_ms(const struct shard *shard) {
    return shard->broker->config->log_retention_check_interval_ms;
}

static void retain(struct job *job, struct partition *p) {
    struct retained deleted = {0};
    enum status st = log_retain(job, p->log, p->high_watermark, &deleted);
    if (st != ST_OK) {
        LOG_ERROR("partition", "event=retention-failed topic=%s partition=%d status=\"%s\"",
                  LOG_TEXT(p->topic), p->index, status_name(st));
    }
    if (st == ST_OK && deleted.segments > 0) partition_start_moved(p);
    metrics_add(&p->shard->metrics, METRIC_RETENTION_BYTES, deleted.bytes);
    metrics_add(&p->shard->metrics, METRIC_RETENTION_SEGMENTS, deleted.segments);
}

/* --- all --- */

void housekeeping_start(struct shard *shard) {
    struct housekeeping *keeping = MEM_NEW(shard->mem, struct housekeeping);
    shard->housekeeping = keeping;
    keeping->shard = shard;
    keeping->producers.fire = expire_producers;
    set_next(keeping);
    keeping->retention.visit = retain;
    keeping->retention.interval_ms = retention_interval_ms;
    int64_t first_ms = shard->broker->config->log_initial_task_delay_ms;
    sweep_start(&keeping->retention, shard, MIN(retention_interval_ms(shard), first_ms));
    if (shard->index == 0) cleaners_settle(shard);
}

void housekeeping_stop(struct job *job, struct shard *shard) {
    struct housekeeping *keeping = shard->housekeeping;
    cleaners_stop(job, shard);
    if (keeping == NULL) return; /* the start did not get that far */
    io_timer_clear(shard->io, &keeping->producers);
    sweep_stop(job, &keeping->retention);
    MEM_FREE(shard->mem, keeping);
    shard->housekeeping = NULL;
}
