/* broker/metadata/apply.c - from an image to logs. */
#include "broker/metadata/apply.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/logging.h"
#include "broker/config/settings.h"
#include "broker/group/service.h"
#include "broker/replication/partition.h"
#include "broker/shard/live.h"
#include "broker/shard/places.h"

void image_change_copy(struct image_change *change, const struct image *image,
                       const struct image_delta *delta, struct arena *arena) {
    size_t changed_bytes = delta->topics_changed_count * sizeof(struct uuid);
    size_t deleted_bytes = delta->topics_deleted_count * sizeof(struct topic_image *);
    struct uuid *changed = arena_alloc(arena, changed_bytes);
    const struct topic_image **deleted = arena_alloc(arena, deleted_bytes);
    ASSERT(changed != NULL && deleted != NULL);
    if (changed_bytes > 0) memcpy(changed, delta->topics_changed, changed_bytes);
    if (deleted_bytes > 0) memcpy(deleted, delta->topics_deleted, deleted_bytes);
    struct config_resource *configs =
        arena_array(arena, delta->configs_count, sizeof(struct config_resource));
    ASSERT(configs != NULL);
    for (uint32_t i = 0; i < delta->configs_count; i++) {
        struct str name = arena_str(arena, delta->configs[i].name);
        ASSERT(name.ptr != NULL);
        configs[i] = (struct config_resource){.type = delta->configs[i].type, .name = name};
    }
    *change = (struct image_change){
        .image = image,
        .topics_changed = changed,
        .topics_changed_count = delta->topics_changed_count,
        .topics_deleted = deleted,
        .topics_deleted_count = delta->topics_deleted_count,
        .configs = configs,
        .configs_count = delta->configs_count,
    };
}

static bool is_mine(const struct shard *shard, const struct topic_image *topic, int32_t index) {
    if (shard_of_partition(shard->broker, topic->id, index) != shard->index) return false;
    const struct partition_image *partition = &topic->partitions[index];
    for (int32_t r = 0; r < partition->replica_count; r++) {
        if (partition->replicas[r] == shard->broker->node_id) return true;
    }
    return false;
}

static void open_one(struct job *job, struct shard *shard, const struct topic_image *topic,
                     int32_t index) {
    if (!is_mine(shard, topic, index)) return;
    struct partition *partition = shard_partition(shard, topic->id, index);
    uint32_t dir_index = 0;
    if (partition != NULL) {
        partition_begin_epoch(partition, topic->partitions[index].leader_epoch);
    } else if (broker_dir_of(shard->broker, topic, index, !shard->has_opened, &dir_index)) {
        partition_open(job, shard, topic, index, dir_index);
    } else if (!shard->has_opened) {
        LOG_ERROR("partition", "event=not-opened topic=%s partition=%d why=\"its log directory is "
                               "not here, and it is not made anew elsewhere\"",
                  LOG_TEXT(topic->name), index);
    }
}

static void open_topic(struct job *job, struct shard *shard, const struct topic_image *topic) {
    for (int32_t i = 0; i < topic->partition_count; i++) open_one(job, shard, topic, i);
}

/* --- the start --- */

/* Several jobs take partitions off one walk over the image. */
struct opening {
    struct shard *shard;
    struct image_iter iter;
    const struct topic_image *topic;
    int32_t index;      /* the next one of `topic` */
    uint32_t job_count; /* jobs under way besides the first */
    struct job *first;  /* waits for them; NULL: not yet */
};

static void open_all(struct job *job, struct opening *opening) {
    while (opening->topic != NULL) {
        const struct topic_image *topic = opening->topic;
        int32_t index = opening->index++;
        if (index < topic->partition_count) {
            open_one(job, opening->shard, topic, index);
            continue;
        }
        opening->topic = image_next_topic(&opening->iter);
        opening->index = 0;
    }
}

static void run_opening(struct job *job, void *argument) {
    struct opening *opening = argument;
    open_all(job, opening);
    if (--opening->job_count == 0 && opening->first != NULL) job_wake(opening->first);
}

/* num.recovery.threads.per.data.dir, shared by the shards. */
static uint32_t jobs_at_once(const struct shard *shard) {
    const struct broker *broker = shard->broker;
    struct broker_settings settings =
        broker_settings_of(broker->setup.config, shard->image, broker->node_id);
    int64_t all = setting_number(&settings, STR("num.recovery.threads.per.data.dir")) *
                  (int64_t)broker->dir_count;
    int64_t own = (all + broker->shard_count - 1) / (int64_t)broker->shard_count;
    return (uint32_t)MAX((int64_t)1, MIN(own, (int64_t)LIMIT_JOBS / 2));
}

void shard_open_partitions(struct job *job, struct shard *shard) {
    struct opening opening = {.shard = shard, .job_count = jobs_at_once(shard) - 1};
    image_iter_topics(shard->image, &opening.iter);
    opening.topic = image_next_topic(&opening.iter);
    for (uint32_t i = opening.job_count; i > 0; i--) job_start(&shard->jobs, run_opening, &opening);
    open_all(job, &opening);
    opening.first = job;
    if (opening.job_count > 0) job_suspend(job);
    shard->has_opened = true;
}

static void delete_topic(struct job *job, struct shard *shard, const struct topic_image *topic) {
    group_service_leave(shard, topic->id);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct partition *partition = shard_partition(shard, topic->id, i);
        if (partition == NULL) continue;
        enum status st = partition_leave(job, partition, true);
        if (st != ST_OK) {
            LOG_ERROR("partition", "event=delete-failed topic=%s partition=%d status=\"%s\"",
                      LOG_TEXT(topic->name), i, status_name(st));
        }
    }
}

/* --- settings --- */

static void settle_topic(struct shard *shard, const struct topic_image *topic) {
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct partition *partition = shard_partition(shard, topic->id, i);
        if (partition != NULL) partition_settle(partition);
    }
}

/* What a broker's settings are may be in every topic's. */
static void settle_all(struct shard *shard) {
    struct image_iter iter;
    image_iter_topics(shard->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;)
        settle_topic(shard, topic);
}

static void apply_configs(struct shard *shard, const struct image_change *change) {
    bool is_brokers = false;
    for (uint32_t i = 0; i < change->configs_count; i++)
        is_brokers = is_brokers || change->configs[i].type == CONFIG_BROKER;
    if (is_brokers) {
        shard_take_settings(shard);
        settle_all(shard);
        return;
    }
    for (uint32_t i = 0; i < change->configs_count; i++) {
        if (change->configs[i].type != CONFIG_TOPIC) continue;
        const struct topic_image *topic =
            image_topic_by_name(shard->image, change->configs[i].name);
        if (topic != NULL) settle_topic(shard, topic);
    }
}

/* Deletions, then openings, then settings, image after image. */
static void apply_images(struct job *job, void *argument) {
    struct shard *shard = argument;
    while (!list_is_empty(&shard->images)) {
        struct image_delivery *delivery =
            CONTAINER_OF(shard->images.next, struct image_delivery, link);
        const struct image_change *change = delivery->change;
        for (uint32_t i = 0; i < change->topics_deleted_count; i++)
            delete_topic(job, shard, change->topics_deleted[i]);
        for (uint32_t i = 0; i < change->topics_changed_count; i++) {
            const struct topic_image *topic =
                image_topic_by_id(change->image, change->topics_changed[i]);
            if (topic != NULL) open_topic(job, shard, topic);
        }
        apply_configs(shard, change);
        group_service_take_image(shard, change->topics_deleted, change->topics_deleted_count);
        list_remove(&delivery->link);
        delivery->message.deliver = delivery->applied;
        io_post(shard->io, 0, &delivery->message);
    }
    shard->is_applying = false;
}

static void on_delivery(struct io_message *message, struct io *at) {
    struct image_delivery *delivery = CONTAINER_OF(message, struct image_delivery, message);
    struct shard *shard = delivery->broker->shards[at->shard];
    shard->image = delivery->change->image;
    list_push_back(&shard->images, &delivery->link);
    if (shard->is_applying) return;
    shard->is_applying = true;
    job_start(&shard->jobs, apply_images, shard);
}

void image_deliver(struct io *io, uint32_t shard, struct image_delivery *delivery) {
    delivery->message.deliver = on_delivery;
    io_post(io, shard, &delivery->message);
}
