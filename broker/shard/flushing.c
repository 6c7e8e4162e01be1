/* broker/shard/flushing.c - the rule for a topic; a timer over the partitions that have flush.ms.
 * Source: LogManager.flushDirtyLogs. */
#include "broker/shard/flushing.h"
#include "base/logging.h"
#include "broker/config/settings.h"
#include "broker/handlers/cluster.h"
#include "broker/replication/partition.h"

/* Where log.flush.scheduler.interval.ms is left alone it says never; a topic's flush.ms says
 * otherwise. */
#define CHECK_MS_MAX 1000

void flushing_settle(struct shard *shard, const struct broker_settings *settings) {
    struct flushing *flushing = &shard->flushing;
    struct str mode = setting_get(settings, config_key_find(STR("klamm.flush.before.ack"))).value;
    struct str topics =
        setting_get(settings, config_key_find(STR("klamm.flush.before.ack.none.topics"))).value;
    char why[128];
    flushing->before_ack = str_eq(str_trim(mode), STR("all"));
    flushing->check_ms = setting_number(settings, STR("log.flush.scheduler.interval.ms"));
    pattern_free(flushing->exempt);
    flushing->exempt = NULL;
    topics = str_trim(topics);
    if (topics.len == 0) return;
    flushing->exempt = pattern_new(shard->mem, topics, why, sizeof why);
    if (flushing->exempt == NULL) /* it was checked before it got here: no memory */
        LOG_ERROR("log", "event=exemptions-failed, everything is flushed: why=\"%s\"", why);
}

static bool counts_durable(const struct flushing *flushing, const struct partition *p) {
    if (p->config.flush_messages == 1) return true;
    if (!flushing->before_ack) return false;
    if (flushing->exempt == NULL || topic_is_internal(p->topic)) return true;
    return !pattern_matches(flushing->exempt, p->topic);
}

static void set_next(struct shard *shard) {
    int64_t check_ms = MAX(MIN(shard->flushing.check_ms, (int64_t)CHECK_MS_MAX), (int64_t)1);
    io_timer_set(shard->io, &shard->flushing.timer,
                 shard->io->now.mono_us + (uint64_t)check_ms * 1000);
}

static void check(struct io_timer *timer) {
    struct shard *shard = CONTAINER_OF(timer, struct shard, flushing.timer);
    bool any = false;
    for (struct map_node *node = NULL; (node = map_next(&shard->partitions, node)) != NULL;) {
        struct partition *p = CONTAINER_OF(node, struct partition, node);
        if (p->config.flush_ms == INT64_MAX) continue;
        any = true;
        if (p->state != PARTITION_ONLINE || log_end(p->log) == log_durable_end(p->log)) continue;
        uint64_t waited_ms = (shard->io->now.mono_us - p->durable_at_us) / 1000;
        if (waited_ms >= (uint64_t)p->config.flush_ms) log_sync_late(p->log);
    }
    if (any) set_next(shard);
}

void flushing_note(struct partition *p) {
    struct shard *shard = p->shard;
    p->flush_before_ack = counts_durable(&shard->flushing, p);
    if (p->config.flush_ms == INT64_MAX || io_timer_is_set(&shard->flushing.timer)) return;
    if (shard->stopping) return;
    shard->flushing.timer.fire = check;
    set_next(shard);
}

void flushing_stop(struct shard *shard) {
    io_timer_clear(shard->io, &shard->flushing.timer);
}

void flushing_release(struct shard *shard) {
    pattern_free(shard->flushing.exempt);
    shard->flushing.exempt = NULL;
}
