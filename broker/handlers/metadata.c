/* broker/handlers/metadata.c - API 3: brokers and topics out of the shard's image; topics that a
 * client asks for and that are not there are created first where the configuration and the request
 * allow it. Source: kafka.server.KafkaApis.handleTopicMetadataRequest. */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "broker/net/connection.h"
#include "protocol/errors.h"

struct creation {
    struct forward forward;
    struct create_topics_request request;
};

static int32_t *copy_ids(struct request *rq, const int32_t *ids, int32_t count) {
    int32_t *copy = arena_array(&rq->arena, (size_t)MAX(count, 0), sizeof *copy);
    if (copy != NULL && count > 0) memcpy(copy, ids, (size_t)count * sizeof *copy);
    return copy;
}

static bool put_topic(struct request *rq, struct metadata_response_topic *out,
                      const struct topic_image *topic) {
    out->name = arena_str(&rq->arena, topic->name);
    out->topic_id = topic->id;
    out->is_internal = str_eq(topic->name, STR("__consumer_offsets")) ||
                       str_eq(topic->name, STR("__transaction_state")) ||
                       str_eq(topic->name, STR("__share_group_state"));
    out->partitions = metadata_response_partition_array(&rq->arena, topic->partition_count);
    if (out->partitions == NULL) return false;
    out->partitions_count = topic->partition_count;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct partition_image *partition = &topic->partitions[i];
        struct metadata_response_partition *answer = &out->partitions[i];
        answer->partition_index = i;
        answer->leader_id = partition->leader;
        answer->leader_epoch = partition->leader_epoch;
        answer->error_code = partition->leader < 0 ? KAFKA_LEADER_NOT_AVAILABLE : KAFKA_NONE;
        answer->replica_nodes = copy_ids(rq, partition->replicas, partition->replica_count);
        answer->replica_nodes_count = partition->replica_count;
        answer->isr_nodes = copy_ids(rq, partition->isr, partition->isr_count);
        answer->isr_nodes_count = partition->isr_count;
        if (answer->replica_nodes == NULL || answer->isr_nodes == NULL) return false;
    }
    return true;
}

static const struct broker_endpoint *endpoint_for(const struct broker_image *broker,
                                                  struct str listener) {
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        if (str_eq(broker->endpoints[i].name, listener)) return &broker->endpoints[i];
    }
    return NULL;
}

static bool put_brokers(struct request *rq, struct metadata_response *out) {
    const struct shard *shard = rq->shard;
    struct str listener =
        shard->broker->setup.listeners->items[rq->connection->listener_index].name;
    struct image_iter iter;
    int32_t count = 0;
    image_iter_brokers(shard->image, &iter);
    while (image_next_broker(&iter) != NULL) count++;
    out->brokers = metadata_response_broker_array(&rq->arena, count);
    if (out->brokers == NULL && count > 0) return false;
    image_iter_brokers(shard->image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        const struct broker_endpoint *endpoint = endpoint_for(broker, listener);
        if (broker->fenced || endpoint == NULL) continue;
        struct metadata_response_broker *answer = &out->brokers[out->brokers_count++];
        answer->node_id = broker->id;
        answer->host = arena_str(&rq->arena, endpoint->host);
        answer->port = endpoint->port;
        answer->rack = arena_str(&rq->arena, broker->rack);
    }
    return true;
}

/* No list at all (null), or an empty one in version 0: every topic. */
static bool wants_all(const struct request *rq) {
    const struct metadata_request *in = rq->in;
    return in->topics_count < 0 || (rq->header.request_api_version == 0 && in->topics_count == 0);
}

static bool put_all_topics(struct request *rq, struct metadata_response *out) {
    const struct image *image = rq->shard->image;
    out->topics = metadata_response_topic_array(&rq->arena, (int32_t)image_topic_count(image));
    if (out->topics == NULL && image_topic_count(image) > 0) return false;
    struct image_iter iter;
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        if (!put_topic(rq, &out->topics[out->topics_count++], topic)) return false;
    }
    return true;
}

static bool put_asked_topics(struct request *rq, struct metadata_response *out) {
    const struct metadata_request *in = rq->in;
    const struct image *image = rq->shard->image;
    out->topics = metadata_response_topic_array(&rq->arena, in->topics_count);
    if (out->topics == NULL && in->topics_count > 0) return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct metadata_request_topic *asked = &in->topics[i];
        struct metadata_response_topic *answer = &out->topics[out->topics_count++];
        /* A client that asks by id leaves the name null or empty. */
        bool by_id = asked->name.ptr == NULL || !uuid_is_zero(asked->topic_id);
        const struct topic_image *topic = by_id ? image_topic_by_id(image, asked->topic_id)
                                                : image_topic_by_name(image, asked->name);
        if (topic != NULL) {
            if (!put_topic(rq, answer, topic)) return false;
            continue;
        }
        answer->name =
            by_id ? (rq->header.request_api_version < 12 ? STR("") : STR_NULL) : asked->name;
        answer->topic_id = asked->topic_id;
        answer->error_code = by_id ? KAFKA_UNKNOWN_TOPIC_ID
                             : topic_name_problem(asked->name, &rq->arena).ptr != NULL
                                 ? KAFKA_INVALID_TOPIC_EXCEPTION
                                 : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return true;
}

static void respond(struct request *rq) {
    struct metadata_response *out = rq->out;
    bool has_memory = put_brokers(rq, out) &&
                      (wants_all(rq) ? put_all_topics(rq, out) : put_asked_topics(rq, out));
    if (!has_memory) {
        request_abandon(rq, true);
        return;
    }
    out->cluster_id = str_of(rq->shard->broker->cluster_id);
    out->controller_id = rq->shard->broker->node_id;
    request_respond(rq);
}

/* --- creation of what is asked for --- */

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct create_topics_response answer;
    struct creation *creation = CONTAINER_OF(forward, struct creation, forward);
    create_topics_response_defaults(&answer);
    controller_create_topics(ctx, &creation->request, apis[API_CREATE_TOPICS].max_version, &answer,
                             &decision->records);
}

static void finish(struct forward *forward, enum status st) {
    (void)st; /* what could not be created is answered as unknown */
    respond(forward->rq);
}

/* The topics that are missing and may be made; NULL when there is none. */
static struct creation *creation_of_missing(struct request *rq) {
    const struct metadata_request *in = rq->in;
    if (!in->allow_auto_topic_creation || !rq->shard->broker->config->auto_create_topics_enable ||
        wants_all(rq))
        return NULL;
    struct creation *creation = NULL;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct str name = in->topics[i].name;
        if (name.ptr == NULL || image_topic_by_name(rq->shard->image, name) != NULL) continue;
        if (topic_name_problem(name, &rq->arena).ptr != NULL) continue;
        if (creation == NULL) {
            creation = ARENA_NEW(&rq->arena, struct creation);
            if (creation == NULL) return NULL;
            create_topics_request_defaults(&creation->request);
            creation->request.topics =
                create_topics_request_creatable_topic_array(&rq->arena, in->topics_count);
            if (creation->request.topics == NULL) return NULL;
        }
        struct create_topics_request_creatable_topic *topic =
            &creation->request.topics[creation->request.topics_count++];
        topic->name = name;
        topic->num_partitions = -1;
        topic->replication_factor = -1;
    }
    return creation;
}

void handle_metadata(struct request *rq) {
    struct creation *creation = creation_of_missing(rq);
    if (creation == NULL) {
        respond(rq);
        return;
    }
    creation->forward = (struct forward){.rq = rq, .decide = decide, .finish = finish};
    forward_decision(&creation->forward);
}
