/* broker/handlers/list_config_resources.c - API 74: what has settings. Version 0 asks for client
 * metrics subscriptions only, of which there are none. The order is by name within a type; Kafka's
 * is a hash's. Source: kafka.server.KafkaApis.handleListConfigResources. */
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

enum { CONFIG_BROKER_LOGGER = 8 };
static const int8_t known_types[] = {CONFIG_GROUP, CONFIG_CLIENT_METRICS, CONFIG_BROKER_LOGGER,
                                     CONFIG_BROKER, CONFIG_TOPIC};

static bool is_known(int8_t type) { return memchr(known_types, type, sizeof known_types) != NULL; }

static bool is_asked(const struct list_config_resources_request *in, int8_t type) {
    for (int32_t i = 0; i < in->resource_types_count; i++) {
        if (in->resource_types[i] == type) return true;
    }
    return in->resource_types_count <= 0;
}

static void put(struct list_config_resources_response *out, int8_t type, struct str name) {
    struct list_config_resources_response_resource *resource =
        &out->config_resources[out->config_resources_count++];
    resource->resource_type = type;
    resource->resource_name = name;
}

static bool put_brokers(struct request *rq, struct list_config_resources_response *out,
                        int8_t type) {
    struct image_iter iter;
    image_iter_brokers(rq->shard->image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        struct str name = arena_printf(&rq->arena, "%d", broker->id);
        if (name.ptr == NULL) return false;
        put(out, type, name);
    }
    return true;
}

/* Everything that may be listed at most. */
static size_t count_most(const struct image *image) {
    struct image_iter iter;
    size_t count = image_topic_count(image);
    image_iter_brokers(image, &iter);
    while (image_next_broker(&iter) != NULL) count += 2;
    image_iter_configs(image, &iter);
    while (image_next_config(&iter) != NULL) count++;
    return count;
}

static bool fill(struct request *rq) {
    const struct list_config_resources_request *in = rq->in;
    struct list_config_resources_response *out = rq->out;
    const struct image *image = rq->shard->image;
    struct image_iter iter;
    for (int32_t i = 0; i < in->resource_types_count; i++) {
        if (is_known(in->resource_types[i])) continue;
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
        return true;
    }
    out->config_resources =
        list_config_resources_response_resource_array(&rq->arena, (int32_t)count_most(image));
    if (out->config_resources == NULL) return false;
    image_iter_configs(image, &iter);
    for (const struct config_image *config; (config = image_next_config(&iter)) != NULL;) {
        bool is_listed = config->type == CONFIG_GROUP || config->type == CONFIG_CLIENT_METRICS;
        bool is_wanted = rq->header.request_api_version > 0 ? is_asked(in, config->type)
                                                            : config->type == CONFIG_CLIENT_METRICS;
        if (is_listed && is_wanted) put(out, config->type, config->name);
    }
    if (rq->header.request_api_version == 0) return true;
    if (is_asked(in, CONFIG_BROKER_LOGGER) && !put_brokers(rq, out, CONFIG_BROKER_LOGGER))
        return false;
    if (is_asked(in, CONFIG_BROKER) && !put_brokers(rq, out, CONFIG_BROKER)) return false;
    if (!is_asked(in, CONFIG_TOPIC)) return true;
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;)
        put(out, CONFIG_TOPIC, topic->name);
    return true;
}

void handle_list_config_resources(struct request *rq) {
    if (fill(rq)) {
        request_respond(rq);
    } else {
        request_abandon(rq, true);
    }
}
