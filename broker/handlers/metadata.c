/* broker/handlers/metadata.c - API 3: brokers and topics out of the shard's image; topics that a
 * client asks for and that are not there are created first where the configuration and the request
 * allow it. Source: kafka.server.KafkaApis.handleTopicMetadataRequest. */
#include <stdlib.h>
#include "broker/handlers/auto_topic.h"
#include "broker/handlers/cluster.h"
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

struct creation {
    struct forward forward;
    struct create_topics_request request;
};

/* What the client may do with a topic, when it asks; without an authorizer that is everything. */
static void put_operations(const struct request *rq, struct metadata_response_topic *out) {
    const struct metadata_request *in = rq->in;
    if (in->include_topic_authorized_operations)
        out->topic_authorized_operations = TOPIC_OPERATIONS;
}

static bool put_topic(struct request *rq, struct metadata_response_topic *out,
                      const struct topic_image *topic) {
    out->name = arena_str(&rq->arena, topic->name);
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    put_operations(rq, out);
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
        answer->replica_nodes = request_copy_ids(rq, partition->replicas, partition->replica_count);
        answer->replica_nodes_count = partition->replica_count;
        answer->isr_nodes = request_copy_ids(rq, partition->isr, partition->isr_count);
        answer->isr_nodes_count = partition->isr_count;
        if (answer->replica_nodes == NULL || answer->isr_nodes == NULL) return false;
    }
    return true;
}

static bool put_brokers(struct request *rq, struct metadata_response *out) {
    const struct shard *shard = rq->shard;
    struct image_iter iter;
    int32_t count = 0;
    image_iter_brokers(shard->image, &iter);
    while (image_next_broker(&iter) != NULL) count++;
    out->brokers = metadata_response_broker_array(&rq->arena, count);
    if (out->brokers == NULL && count > 0) return false;
    image_iter_brokers(shard->image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        const struct broker_endpoint *endpoint = broker_endpoint_for(rq, broker);
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

/* A topic of the request, by name or by id. */
struct asked {
    struct str name;
    struct uuid id;
    int32_t index; /* in the request */
    bool is_answered;
};

static int by_key(const void *a, const void *b) {
    const struct asked *x = a, *y = b;
    breathe();
    int order = str_cmp(x->name, y->name);
    if (order == 0) order = memcmp(&x->id, &y->id, sizeof x->id);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b) {
    const struct asked *x = a, *y = b;
    breathe();
    return (x->index > y->index) - (x->index < y->index);
}

/* One id is enough for the names not to count. */
static bool asks_by_id(const struct metadata_request *in) {
    for (int32_t i = 0; i < in->topics_count; i++)
        if (!uuid_is_zero(in->topics[i].topic_id)) return true;
    return false;
}

/* What is asked for, each once; NULL without memory. */
static struct asked *gather(struct request *rq, bool by_id, uint32_t *ret_count) {
    const struct metadata_request *in = rq->in;
    struct asked *all = arena_array(&rq->arena, (size_t)MAX(in->topics_count, 0), sizeof *all);
    uint32_t count = 0, kept = 0;
    if (all == NULL) return NULL;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct metadata_request_topic *topic = &in->topics[i];
        if (by_id && uuid_is_zero(topic->topic_id)) continue;
        all[count++] = (struct asked){.name = by_id ? STR("") : topic->name,
                                      .id = by_id ? topic->topic_id : UUID_ZERO,
                                      .index = i};
    }
    qsort(all, count, sizeof *all, by_key);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && str_eq(all[i].name, all[i - 1].name) && uuid_eq(all[i].id, all[i - 1].id))
            continue;
        all[kept++] = all[i];
    }
    qsort(all, kept, sizeof *all, by_index);
    *ret_count = kept;
    return all;
}

static void put_missing(struct request *rq, const struct asked *asked, bool by_id,
                        struct metadata_response *out) {
    struct metadata_response_topic *answer = &out->topics[out->topics_count++];
    if (by_id) {
        answer->name = STR_NULL;
        answer->topic_id = asked->id;
        answer->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        return;
    }
    answer->name = asked->name;
    answer->is_internal = topic_is_internal(asked->name);
    answer->error_code = topic_name_problem(asked->name, &rq->arena).ptr != NULL
                             ? KAFKA_INVALID_TOPIC_EXCEPTION
                             : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    put_operations(rq, answer);
}

/* Answers what has its turn in this pass: in the second one all that is left, as it is by then. */
static bool put_in_turn(struct request *rq, struct asked *asked, bool by_id, int pass,
                        struct metadata_response *out) {
    const struct image *image = rq->shard->image;
    const struct topic_image *topic =
        by_id ? image_topic_by_id(image, asked->id) : image_topic_by_name(image, asked->name);
    asked->is_answered = pass == 1 || (topic != NULL) != by_id;
    if (!asked->is_answered) return true;
    if (topic != NULL) return put_topic(rq, &out->topics[out->topics_count++], topic);
    put_missing(rq, asked, by_id, out);
    return true;
}

/* In Kafka's order: by name, those that are there come first; by id, those that are missing. */
static bool put_asked_topics(struct request *rq, struct metadata_response *out) {
    bool by_id = asks_by_id(rq->in);
    uint32_t count = 0;
    struct asked *asked = gather(rq, by_id, &count);
    out->topics = metadata_response_topic_array(&rq->arena, (int32_t)count);
    if (asked == NULL || (out->topics == NULL && count > 0)) return false;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < count; i++) {
            breathe();
            if (asked[i].is_answered) continue;
            struct breather *breather = breathe_not(); /* a topic is of one image */
            bool has_memory = put_in_turn(rq, &asked[i], by_id, pass, out);
            breathe_again(breather);
            if (!has_memory) return false;
        }
    }
    return true;
}

/* Requests that Kafka fails as a whole: ids, or a name left out, before version 12; neither id nor
 * name from then on. */
static int16_t problem_of(const struct request *rq) {
    const struct metadata_request *in = rq->in;
    bool by_id = asks_by_id(in), has_null = false;
    for (int32_t i = 0; i < in->topics_count; i++)
        has_null = has_null || in->topics[i].name.ptr == NULL;
    if (rq->header.request_api_version < 12)
        return by_id || has_null ? KAFKA_INVALID_REQUEST : KAFKA_NONE;
    return !by_id && has_null ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_NONE;
}

static void refuse(struct request *rq, int16_t problem) {
    const struct metadata_request *in = rq->in;
    struct metadata_response *out = rq->out;
    out->topics = metadata_response_topic_array(&rq->arena, in->topics_count);
    if (out->topics == NULL) {
        request_abandon(rq, true);
        return;
    }
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++) {
        out->topics[i].name = in->topics[i].name.ptr != NULL ? in->topics[i].name : STR("");
        out->topics[i].topic_id = in->topics[i].topic_id;
        out->topics[i].error_code = problem;
    }
    if (rq->header.request_api_version >= 13) out->error_code = problem;
    request_respond(rq);
}

static bool put_answer(struct request *rq) {
    struct metadata_response *out = rq->out;
    struct breather *breather = breathe_not(); /* brokers, and all topics, are those of one image */
    bool has_memory = put_brokers(rq, out) && (!wants_all(rq) || put_all_topics(rq, out));
    breathe_again(breather);
    if (!has_memory || (!wants_all(rq) && !put_asked_topics(rq, out))) return false;
    out->cluster_id = str_of(rq->shard->broker->cluster_id);
    out->controller_id = rq->shard->broker->node_id;
    const struct metadata_request *in = rq->in;
    if (in->include_cluster_authorized_operations)
        out->cluster_authorized_operations = CLUSTER_OPERATIONS;
    return true;
}

static void respond(struct request *rq) { request_in_turns(rq, put_answer, request_respond); }

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

static bool may_create(struct request *rq, struct str name) {
    return image_topic_by_name(rq->shard->image, name) == NULL && auto_topic_may_be(name) &&
           topic_name_problem(name, &rq->arena).ptr == NULL;
}

/* The topics that are missing and may be made; NULL when there is none. */
static struct creation *creation_of_missing(struct request *rq) {
    const struct metadata_request *in = rq->in;
    bool is_allowed =
        in->allow_auto_topic_creation && rq->shard->broker->config->auto_create_topics_enable;
    uint32_t count = 0, missing_count = 0;
    for (int32_t i = 0; is_allowed && i < in->topics_count; i++) {
        missing_count += in->topics[i].name.ptr != NULL && may_create(rq, in->topics[i].name);
        breathe();
    }
    if (missing_count == 0 || asks_by_id(in)) return NULL;
    struct asked *asked = gather(rq, false, &count);
    if (asked == NULL) return NULL;
    missing_count = 0; /* each once */
    for (uint32_t i = 0; i < count; i++) {
        if (may_create(rq, asked[i].name)) asked[missing_count++] = asked[i];
        breathe();
    }
    struct creation *creation = missing_count > 0 ? ARENA_NEW(&rq->arena, struct creation) : NULL;
    if (creation == NULL) return NULL;
    create_topics_request_defaults(&creation->request);
    creation->request.topics =
        create_topics_request_creatable_topic_array(&rq->arena, (int32_t)missing_count);
    if (creation->request.topics == NULL) return NULL;
    creation->request.topics_count = (int32_t)missing_count;
    for (uint32_t i = 0; i < missing_count; i++)
        if (!auto_topic_fill(rq, asked[i].name, &creation->request.topics[i])) return NULL;
    return creation;
}

static bool look_for_missing(struct request *rq) {
    rq->state_of_handler = creation_of_missing(rq);
    return true; /* without memory nothing is created */
}

static void create(struct request *rq) {
    struct creation *creation = rq->state_of_handler;
    if (creation == NULL) {
        respond(rq);
        return;
    }
    creation->forward = (struct forward){.rq = rq,
                                         .decide = decide,
                                         .finish = finish,
                                         .patience_ms = FORWARD_SHORT_PATIENCE_MS};
    forward_decision(&creation->forward);
}

void handle_metadata(struct request *rq) {
    int16_t problem = problem_of(rq);
    if (problem != KAFKA_NONE) {
        refuse(rq, problem);
        return;
    }
    request_in_turns(rq, look_for_missing, create);
}
