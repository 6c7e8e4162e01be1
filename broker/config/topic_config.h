/* broker/config/topic_config.h - what a topic's settings amount to: its own (metadata log) over the
 * broker's defaults. One table of topic keys: name, the broker key it falls back to, bounds, and
 * the field of struct log_config. */
#pragma once
#include "broker/config/config.h"
#include "controller/metadata/image.h"
#include "log/config.h"

/** own: the topic's dynamic settings, NULL when it has none. */
void topic_config_build(const struct config_set *set, const struct config_image *own,
                        struct log_config *ret_config);
/** What is wrong with a topic setting, as Kafka's INVALID_CONFIG says it; null when it is good. */
struct str topic_config_problem(struct str key, struct str value, struct arena *arena);
