/* broker/shard/flushing.h - which topics are on stable storage before they count
 * (klamm.flush.before.ack and its exemptions), and Kafka's flushing by time beside it. Each shard
 * has its own, taken over anew whenever a setting of the broker changes.
 *
 * By number of records (flush.messages) is the log's own business: log/append.c. */
#pragma once
#include "base/pattern.h"
#include "base/timers.h"

struct broker_settings;
struct partition;
struct shard;

struct flushing {
    bool before_ack;        /* klamm.flush.before.ack=all */
    struct pattern *exempt; /* klamm.flush.before.ack.none.topics; NULL: nobody */
    int64_t check_ms;       /* log.flush.scheduler.interval.ms */
    struct io_timer timer;  /* set while a partition of the shard has flush.ms */
};

/** Takes over what the settings say. Partitions are to be settled afterwards. */
void flushing_settle(struct shard *shard, const struct broker_settings *settings);
/** A partition was opened or settled: whether it counts by what is durable, and whether it is to be
 * looked after by time. */
void flushing_note(struct partition *partition);
void flushing_stop(struct shard *shard);
void flushing_release(struct shard *shard);
