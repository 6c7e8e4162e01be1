/* broker/metadata/apply.h - a shard takes over a newer image: requests see it at once, then a job
 * deletes the logs of partitions that went, opens those that came and settles anew those whose
 * settings changed, in order of images. */
#pragma once
#include "broker/shard/shard.h"

/* What changed, kept until every shard has applied it. */
struct image_change {
    const struct image *image, *previous;
    const struct uuid *topics_changed;
    uint32_t topics_changed_count;
    const struct topic_image *const *topics_deleted; /* of the previous image */
    uint32_t topics_deleted_count;
    const struct config_resource *configs; /* whose settings changed */
    uint32_t configs_count;
};

/* One image on its way to one shard and back. */
struct image_delivery {
    struct io_message message;
    struct list link; /* in shard->images */
    const struct image_change *change;
    struct broker *broker;
    void (*applied)(struct io_message *message, struct io *at); /* on shard 0 */
    void *owner;
};

void image_change_copy(struct image_change *change, const struct image *image,
                       const struct image *previous, const struct image_delta *delta,
                       struct arena *arena);
/** Starts the job that applies images, and opens what could not be opened before
 * (broker/metadata/unopened.h), unless it is at work. */
void apply_soon(struct shard *shard);
/** On shard 0. */
void image_deliver(struct io *io, uint32_t shard, struct image_delivery *delivery);
/** Whether this shard owns this node's replica of it, if there is one. */
bool shard_has_replica(const struct shard *shard, const struct topic_image *topic, int32_t index);
