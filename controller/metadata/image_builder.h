/* controller/metadata/image_builder.h - the next image in the making, and the topics that records
 * touch. For image_apply.c, image_topics.c and image_cluster.c only; one function a record
 * type, each ST_OK, ST_NOMEM, or a refusal that says why. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "controller/metadata/image.h"
#include "controller/metadata/image_impl.h"
#include "protocol/messages.h"

/* A topic that these records touch. */
struct topic_draft {
    struct map_node node;
    struct list link;              /* in order of first touch */
    const struct topic_image *old; /* in the old image; NULL: created here */
    struct topic_image topic;
    struct partition_image *partitions; /* arena; NULL until one changes: topic.partitions counts */
    int32_t capacity;
    bool deleted;
};

struct image_builder {
    const struct image *old;
    struct image *next;
    struct arena *arena;
    struct image_delta *delta;
    struct map drafts; /* by topic id */
    struct list order;
    struct topic_draft *latest;
    uint32_t draft_count, deleted_count, configs_capacity;
};

/* Every refusal says why, once, in the delta. */
#define REFUSE(builder, status, ...)                                                               \
    ((builder)->delta->problem = arena_printf((builder)->arena, __VA_ARGS__), (status))

/* image_topics.c */
enum status apply_topic(struct image_builder *b, const struct topic_record *record);
enum status apply_partition(struct image_builder *b, const struct partition_record *record);
enum status apply_partition_change(struct image_builder *b,
                                   const struct partition_change_record *record);
enum status apply_clear_elr(struct image_builder *b, const struct clear_elr_record *record);
enum status apply_remove_topic(struct image_builder *b, const struct remove_topic_record *record);
/* Turns the drafts into objects and puts them into the maps of the next image. */
enum status image_topics_put(struct image_builder *b);

/* image_cluster.c */
enum status apply_register_broker(struct image_builder *b,
                                  const struct register_broker_record *record);
enum status apply_register_controller(struct image_builder *b,
                                      const struct register_controller_record *record);
/* `what` names the record, for a refusal. */
enum status apply_fencing(struct image_builder *b, const char *what, int32_t id, int64_t epoch,
                          bool fenced);
enum status apply_broker_change(struct image_builder *b,
                                const struct broker_registration_change_record *record);
enum status apply_unregister_broker(struct image_builder *b,
                                    const struct unregister_broker_record *record);

/* image_kept.c */
/* Whether records of the type are kept as they are; Remove... takes one away. */
bool is_kept(uint32_t type);
/* value: the record whole; decoded: its struct. */
enum status apply_kept(struct image_builder *b, uint32_t type, struct bytes value,
                       const void *decoded);

/* image_apply.c */
/* Notes that a resource's settings changed. */
enum status config_note(struct image_builder *b, struct config_resource resource);
