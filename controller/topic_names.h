/* controller/topic_names.h - names that would be one in a metric: '.' and '_' are the same there,
 * so a new topic may not differ from an existing one in them only. For the files of controller/
 * only. Source: org.apache.kafka.common.internals.Topic. */
#pragma once
#include "base/map.h"
#include "controller/controller.h"

/* A name to be checked. */
struct collision {
    struct map_node node;
    struct str name;
    struct str existing; /* result: the first topic it collides with, in name order (itself, when it
                            exists); null: none */
};

/** Fills `existing` of all; one walk over the image's topics. names: legal ones. random: for a hash
 * seed. */
void collisions_find(const struct controller_context *ctx, struct collision *collisions,
                     uint32_t count);
