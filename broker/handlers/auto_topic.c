/* broker/handlers/auto_topic.c - the counts and settings of topics that nobody described. */
#include "broker/handlers/auto_topic.h"
#include "broker/group/service.h"
#include "broker/handlers/cluster.h"

bool auto_topic_may_be(struct str name) {
    return !topic_is_internal(name) || str_eq(name, OFFSETS_TOPIC);
}

static void set_config(struct create_topics_request_creatable_topic *topic, const char *name,
                       struct str value) {
    struct create_topics_request_creatable_topic_config *config =
        &topic->configs[topic->configs_count++];
    config->name = str_of(name);
    config->value = value;
}

static bool fill_offsets_topic(struct request *rq,
                               struct create_topics_request_creatable_topic *topic) {
    const struct config *config = rq->shard->broker->config;
    struct str segment_bytes =
        arena_printf(&rq->arena, "%lld", (long long)config->offsets_topic_segment_bytes);
    topic->configs = create_topics_request_creatable_topic_config_array(&rq->arena, 3);
    if (topic->configs == NULL || segment_bytes.ptr == NULL) return false;
    topic->num_partitions = (int32_t)config->offsets_topic_num_partitions;
    topic->replication_factor = (int16_t)config->offsets_topic_replication_factor;
    set_config(topic, "cleanup.policy", STR("compact"));
    set_config(topic, "compression.type", STR("producer"));
    set_config(topic, "segment.bytes", segment_bytes);
    return true;
}

bool auto_topic_fill(struct request *rq, struct str name,
                     struct create_topics_request_creatable_topic *ret_topic) {
    create_topics_request_creatable_topic_defaults(ret_topic);
    ret_topic->name = name;
    ret_topic->num_partitions = -1; /* as the broker's settings say */
    ret_topic->replication_factor = -1;
    return !str_eq(name, OFFSETS_TOPIC) || fill_offsets_topic(rq, ret_topic);
}
