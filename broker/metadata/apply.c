/* broker/metadata/apply.c - from an image to logs. */
#include "broker/metadata/apply.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/logging.h"
#include "broker/config/settings.h"
#include "broker/group/service.h"
#include "broker/metadata/unopened.h"
#include "broker/replication/partition.h"
#include "broker/shard/live.h"
#include "broker/shard/places.h"

void image_change_copy(struct image_change *change, const struct image *image,
                       const struct image *previous, const struct image_delta *delta,
                       struct arena *arena) {
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
        .previous = previous,
        .topics_changed = changed,
        .topics_changed_count = delta->topics_changed_count,
        .topics_deleted = deleted,
        .topics_deleted_count = delta->topics_deleted_count,
        .configs = configs,
        .configs_count = delta->configs_count,
    };
}

static bool has_replica(const struct broker *broker, const struct topic_image *topic,
                        int32_t index) {
    const struct partition_image *partition = &topic->partitions[index];
    for (int32_t r = 0; r < partition->replica_count; r++) {
        if (partition->replicas[r] == broker->node_id) return true;
    }
    return false;
}

bool shard_has_replica(const struct shard *shard, const struct topic_image *topic, int32_t index) {
    return shard_of_partition(shard->broker, topic->id, index) == shard->index &&
           has_replica(shard->broker, topic, index);
}

/* --- opening --- */

/* Logs that are made by one list of steps and one sync. */
#define MADE_AT_ONCE 256u

/* Partitions of one directory that have no log on this shard yet. */
struct batch {
    struct job *job;
    struct shard *shard;
    uint32_t dir_index;
    uint32_t count;
    struct partition_place places[MADE_AT_ONCE];
};

static void open_batch(struct batch *batch) {
    enum status statuses[MADE_AT_ONCE]; /* what failed was logged */
    if (batch->count == 0) return;
    partitions_open(batch->job, batch->shard, batch->dir_index, batch->places, batch->count,
                    statuses);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (unopened_is_worth_it(statuses[i]))
            unopened_add(batch->shard, &batch->places[i], statuses[i]);
    }
    batch->count = 0;
}

/* What was this node's before is open, or stays closed: opened now it would be taken for new. */
static bool is_new_here(const struct shard *shard, const struct topic_image *topic, int32_t index,
                        const struct topic_image *before) {
    bool was_here = before != NULL && index < before->partition_count &&
                    has_replica(shard->broker, before, index);
    return !was_here && shard_has_replica(shard, topic, index);
}

static void add_topic(struct batch *batch, const struct topic_image *topic,
                      const struct topic_image *before) {
    struct shard *shard = batch->shard;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        uint32_t dir_index = 0;
        if (!is_new_here(shard, topic, i, before) ||
            !broker_dir_of(shard->broker, shard->image, topic, i, false, &dir_index) ||
            dir_index != batch->dir_index)
            continue;
        batch->places[batch->count++] = (struct partition_place){topic, i};
        if (batch->count == MADE_AT_ONCE) open_batch(batch);
    }
}

static void begin_epochs(const struct shard *shard, const struct topic_image *topic) {
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct partition *partition = shard_partition(shard, topic->id, i);
        if (partition != NULL)
            partition_begin_epoch(partition, topic->partitions[i].leader_epoch);
    }
}

static void open_topics(struct job *job, struct shard *shard, const struct image_change *change) {
    struct batch *batch = MEM_NEW(shard->mem, struct batch);
    batch->job = job;
    batch->shard = shard;
    for (uint32_t d = 0; d < shard->broker->dir_count; d++) {
        batch->dir_index = d;
        for (uint32_t i = 0; i < change->topics_changed_count; i++) {
            const struct topic_image *topic =
                image_topic_by_id(change->image, change->topics_changed[i]);
            if (topic == NULL) continue;
            if (d == 0) begin_epochs(shard, topic);
            add_topic(batch, topic, image_topic_by_id(change->previous, topic->id));
        }
        open_batch(batch);
    }
    MEM_FREE(shard->mem, batch);
}

/* --- deleting --- */

/* Partitions that leave together. */
#define DELETED_AT_ONCE 256u
struct leaving {
    struct job *job;
    uint32_t count;
    struct partition_deletion deletions[DELETED_AT_ONCE];
    struct str topics[DELETED_AT_ONCE]; /* for the log; of the image that is being applied */
    int32_t indexes[DELETED_AT_ONCE];
};

static void delete_leaving(struct leaving *leaving) {
    partitions_delete(leaving->job, leaving->deletions, leaving->count);
    for (uint32_t i = 0; i < leaving->count; i++) {
        enum status st = leaving->deletions[i].status;
        if (st == ST_OK) continue;
        LOG_ERROR("partition", "event=delete-failed topic=%s partition=%d status=\"%s\"",
                  LOG_TEXT(leaving->topics[i]), leaving->indexes[i], status_name(st));
    }
    leaving->count = 0;
}

static void delete_topic(struct leaving *leaving, struct shard *shard,
                         const struct topic_image *topic) {
    group_service_leave(shard, topic->id);
    unopened_delete(leaving->job, shard, topic);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct partition *partition = shard_partition(shard, topic->id, i);
        if (partition == NULL) continue;
        uint32_t at = leaving->count++;
        leaving->deletions[at] = (struct partition_deletion){.partition = partition};
        leaving->topics[at] = topic->name;
        leaving->indexes[at] = i;
        if (leaving->count == DELETED_AT_ONCE) delete_leaving(leaving);
    }
}

static void delete_topics(struct job *job, struct shard *shard, const struct image_change *change) {
    if (change->topics_deleted_count == 0) return;
    struct leaving *leaving = MEM_NEW(shard->mem, struct leaving);
    leaving->job = job;
    for (uint32_t i = 0; i < change->topics_deleted_count; i++)
        delete_topic(leaving, shard, change->topics_deleted[i]);
    delete_leaving(leaving);
    MEM_FREE(shard->mem, leaving);
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

/* Deletions, then openings, then settings. */
static void apply_next(struct job *job, struct shard *shard) {
    struct image_delivery *delivery =
        CONTAINER_OF(shard->images.next, struct image_delivery, link);
    const struct image_change *change = delivery->change;
    delete_topics(job, shard, change);
    open_topics(job, shard, change);
    apply_configs(shard, change);
    group_service_take_image(shard, change->topics_deleted, change->topics_deleted_count);
    list_remove(&delivery->link);
    delivery->message.deliver = delivery->applied;
    io_post(shard->io, 0, &delivery->message);
}

static void apply_job(struct job *job, void *argument) {
    struct shard *shard = argument;
    for (;;) {
        unopened_open(job, shard);
        if (list_is_empty(&shard->images)) break;
        apply_next(job, shard);
    }
    shard->is_applying = false;
}

void apply_soon(struct shard *shard) {
    if (shard->is_applying) return;
    shard->is_applying = true;
    job_start(&shard->jobs, apply_job, shard);
}

static void on_delivery(struct io_message *message, struct io *at) {
    struct image_delivery *delivery = CONTAINER_OF(message, struct image_delivery, message);
    struct shard *shard = delivery->broker->shards[at->shard];
    shard->image = delivery->change->image;
    list_push_back(&shard->images, &delivery->link);
    apply_soon(shard);
}

void image_deliver(struct io *io, uint32_t shard, struct image_delivery *delivery) {
    delivery->message.deliver = on_delivery;
    io_post(io, shard, &delivery->message);
}
