/* controller/metadata/image_impl.h - what an image consists of; for the files of
 * controller/metadata/ only. Topics, brokers, controllers and configurations are objects of one
 * allocation each: the head for the map, the public struct, and behind them every string and array
 * it points to. They never change after they were made. */
#pragma once
#include "controller/metadata/image.h"

struct topic_object {
    struct pmap_value head; /* held by the maps of topics */
    size_t bytes;
    struct topic_image topic;
};
struct broker_object {
    struct pmap_value head;
    size_t bytes;
    struct broker_image broker;
};
struct controller_object {
    struct pmap_value head;
    size_t bytes;
    struct controller_image controller;
};
struct config_object {
    struct pmap_value head;
    size_t bytes;
    struct config_image config;
};
struct kept_object {
    struct pmap_value head;
    size_t bytes;
    struct kept_image kept;
};
struct feature_object {
    struct pmap_value head; /* `refs` only: images share it directly */
    size_t bytes;
    uint32_t count;
    struct feature_level levels[]; /* sorted by name; names are known_features' own */
};

struct image {
    struct mem *mem;
    int64_t offset;
    int32_t epoch;
    int64_t next_producer_id; /* -1: no ProducerIdsRecord yet */
    uint64_t partition_count;
    struct pmap topics_by_metric; /* those with '.' or '_' in their name: see image_topic_like */
    struct pmap topics_by_name, topics_by_id, brokers, controllers, configs, kept;
    struct feature_object *features; /* NULL: none */
};

/** Whether the name has a '.' or a '_'. */
bool topic_is_by_metric(struct str name);

/* A private copy that shares everything. */
struct image *image_copy(const struct image *image);

/* Each makes an object with one reference, or NULL for want of memory; everything is copied. */
struct topic_object *topic_object_new(struct mem *mem, const struct topic_image *from);
struct broker_object *broker_object_new(struct mem *mem, const struct broker_image *from);
struct controller_object *controller_object_new(struct mem *mem,
                                                const struct controller_image *from);
struct config_object *config_object_new(struct mem *mem, const struct config_image *from);
struct kept_object *kept_object_new(struct mem *mem, const struct kept_image *from);

extern const struct pmap_type topic_by_name_type; /* key: struct str */
extern const struct pmap_type topic_by_id_type;   /* key: struct uuid */
extern const struct pmap_type topic_by_metric_type; /* key: struct str, '.' before '_' */
extern const struct pmap_type broker_type;        /* key: int32_t */
extern const struct pmap_type controller_type;    /* key: int32_t */
extern const struct pmap_type config_type;        /* key: struct config_resource */
extern const struct pmap_type kept_type;          /* key: struct kept_image, without its value */
