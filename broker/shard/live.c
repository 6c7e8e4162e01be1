/* broker/shard/live.c - from keys to the numbers that are asked for often. */
#include "broker/shard/live.h"
#include "broker/config/settings.h"
#include "broker/net/admission.h"
#include "broker/shard/cleaners.h"
#include "broker/shard/disk_watch.h"

void shard_take_settings(struct shard *shard) {
    struct broker *broker = shard->broker;
    struct broker_settings settings =
        broker_settings_of(broker->setup.config, shard->image, broker->node_id);
    flushing_settle(shard, &settings);
    shard->producer_id_expiration_ms = setting_number(&settings, STR("producer.id.expiration.ms"));
    if (shard->index != 0) return;
    admission_settle(broker->admission, &settings);
    disk_watch_settle(broker, &settings);
    if (shard->housekeeping != NULL) cleaners_settle(shard);
}
