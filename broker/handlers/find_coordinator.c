/* broker/handlers/find_coordinator.c - API 10: which broker leads the partition of
 * `__consumer_offsets` that a group lives in. The topic is created when it is first asked for;
 * unlike Kafka, which answers COORDINATOR_NOT_AVAILABLE meanwhile, the answer waits for it. Of
 * transactions and share groups there are no coordinators yet. Source:
 * kafka.server.KafkaApis.handleFindCoordinatorRequest, AutoTopicCreationManager. */
#include "base/logging.h"
#include "broker/handlers/auto_topic.h"
#include "broker/handlers/cluster.h"
#include "broker/handlers/forward.h"
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

struct creation {
    struct forward forward;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic;
};

/* --- the answer --- */

struct found {
    int16_t error;
    int32_t node_id;
    struct leader_address address;
};

/* before: found for another group, often on the same broker; NULL: nothing. */
static struct found find(struct request *rq, struct str group_id, const struct found *before) {
    struct found found = {.error = KAFKA_COORDINATOR_NOT_AVAILABLE,
                          .node_id = -1,
                          .address = {.host = STR(""), .port = -1}};
    const struct topic_image *topic = offsets_topic(rq->shard);
    if (topic == NULL) return found;
    int32_t leader = topic->partitions[group_partition(group_id, topic->partition_count)].leader;
    struct leader_address address;
    if (before != NULL && before->error == KAFKA_NONE && before->node_id == leader) return *before;
    if (leader < 0 || !leader_address_of(rq, leader, &address)) return found;
    return (struct found){.error = KAFKA_NONE, .node_id = leader, .address = address};
}

static const char *error_text(int16_t error) {
    switch (error) {
    case KAFKA_NONE: return "NONE";
    case KAFKA_COORDINATOR_NOT_AVAILABLE: return "The coordinator is not available.";
    default:
        return "This most likely occurs because of a request being malformed by the client "
               "library or the message was sent to an incompatible broker. See the broker logs "
               "for more details.";
    }
}

static void respond_one(struct request *rq, struct str key, int16_t problem) {
    struct find_coordinator_response *out = rq->out;
    struct found found = find(rq, key, NULL);
    if (problem != KAFKA_NONE)
        found = (struct found){
            .error = problem, .node_id = -1, .address = {.host = STR(""), .port = -1}};
    out->error_code = found.error;
    out->error_message = str_of(error_text(found.error));
    out->node_id = found.node_id;
    out->host = found.address.host;
    out->port = found.address.port;
    request_respond(rq);
}

static bool put_all(struct request *rq) {
    const struct find_coordinator_request *in = rq->in;
    struct find_coordinator_response *out = rq->out;
    const int16_t problem = *(const int16_t *)rq->state_of_handler;
    int32_t count = MAX(in->coordinator_keys_count, 0);
    out->coordinators = find_coordinator_response_coordinator_array(&rq->arena, count);
    if (out->coordinators == NULL) return false;
    out->coordinators_count = count;
    struct found found = {.error = KAFKA_COORDINATOR_NOT_AVAILABLE};
    for (int32_t i = 0; i < count; i++) {
        struct find_coordinator_response_coordinator *answer = &out->coordinators[i];
        breathe();
        found = find(rq, in->coordinator_keys[i], &found);
        answer->key = in->coordinator_keys[i];
        answer->error_code = problem != KAFKA_NONE ? problem : found.error;
        answer->node_id = problem != KAFKA_NONE ? -1 : found.node_id;
        answer->host = problem != KAFKA_NONE ? STR("") : found.address.host;
        answer->port = problem != KAFKA_NONE ? -1 : found.address.port;
        if (problem == KAFKA_INVALID_REQUEST) answer->error_message = str_of(error_text(problem));
    }
    return true;
}

static void respond_all(struct request *rq, int16_t problem) {
    int16_t *kept = ARENA_NEW(&rq->arena, int16_t);
    if (kept == NULL) {
        request_abandon(rq, true);
        return;
    }
    *kept = problem;
    rq->state_of_handler = kept;
    request_in_turns(rq, put_all, request_respond);
}

static void respond(struct request *rq, int16_t problem) {
    const struct find_coordinator_request *in = rq->in;
    if (rq->header.request_api_version < 4) {
        respond_one(rq, in->key, problem);
    } else {
        respond_all(rq, problem);
    }
}

/* --- the topic --- */

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct creation *creation = CONTAINER_OF(forward, struct creation, forward);
    struct create_topics_response *answer =
        ARENA_NEW(&decision->arena, struct create_topics_response);
    if (answer == NULL) return;
    create_topics_response_defaults(answer);
    controller_create_topics(ctx, &creation->request, apis[API_CREATE_TOPICS].max_version, answer,
                             &decision->records);
    forward->answer = answer;
}

static void finish(struct forward *forward, enum status st) {
    const struct create_topics_response *answer = forward->answer;
    bool is_refused = st == ST_OK && answer != NULL && answer->topics_count == 1 &&
                      answer->topics[0].error_code != KAFKA_NONE &&
                      answer->topics[0].error_code != KAFKA_TOPIC_ALREADY_EXISTS;
    if (is_refused) {
        LOG_WARN("groups", "event=offsets-topic-refused why=%s",
                 LOG_TEXT(answer->topics[0].error_message));
    }
    respond(forward->rq, KAFKA_NONE); /* without the topic: COORDINATOR_NOT_AVAILABLE */
}

static void create_topic(struct request *rq) {
    struct creation *creation = ARENA_NEW(&rq->arena, struct creation);
    if (creation == NULL || !auto_topic_fill(rq, OFFSETS_TOPIC, &creation->topic)) {
        request_abandon(rq, true);
        return;
    }
    create_topics_request_defaults(&creation->request);
    creation->request.topics = &creation->topic;
    creation->request.topics_count = 1;
    creation->forward = (struct forward){.rq = rq,
                                         .decide = decide,
                                         .finish = finish,
                                         .patience_ms = FORWARD_SHORT_PATIENCE_MS};
    forward_decision(&creation->forward);
}

void handle_find_coordinator(struct request *rq) {
    const struct find_coordinator_request *in = rq->in;
    int16_t version = rq->header.request_api_version;
    bool is_known = in->key_type == KEY_GROUP || in->key_type == KEY_TRANSACTION ||
                    (in->key_type == KEY_SHARE && version >= 6);
    if (!is_known) {
        respond(rq, KAFKA_INVALID_REQUEST);
    } else if (in->key_type != KEY_GROUP) {
        respond(rq, KAFKA_COORDINATOR_NOT_AVAILABLE);
    } else if (offsets_topic(rq->shard) == NULL) {
        create_topic(rq);
    } else {
        respond(rq, KAFKA_NONE);
    }
}
