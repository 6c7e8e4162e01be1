/* broker/metadata/rules.h - what the controller asks of the tables of keys (struct config_rules of
 * controller/controller.h), answered for the newest image. On shard 0. */
#pragma once
#include "broker/config/settings.h"
#include "controller/controller.h"

struct rules_context {
    const struct config_set *set;
    const struct image *image;
    int32_t node_id;
};

/** `context` is borrowed as long as the rules are used. */
struct config_rules config_rules_of(struct rules_context *context);
