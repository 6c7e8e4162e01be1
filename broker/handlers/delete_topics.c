/* broker/handlers/delete_topics.c - API 20. The rules are the controller's (controller/topics.c).
 */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct delete_topics_response *answer =
        ARENA_NEW(&decision->arena, struct delete_topics_response);
    if (answer == NULL) return;
    delete_topics_response_defaults(answer);
    controller_delete_topics(ctx, forward->rq->in, forward->rq->header.request_api_version, answer,
                             &decision->records);
    forward->answer = answer;
}

/* Kafka's controller takes up no request whose time is over, whatever it asks. */
static bool answer_late(struct request *rq) {
    const struct delete_topics_request *in = rq->in;
    struct delete_topics_response *out = rq->out;
    bool has_ids = rq->header.request_api_version >= 6;
    int32_t count = MAX(has_ids ? in->topics_count : in->topic_names_count, 0);
    out->responses = delete_topics_response_deletable_topic_result_array(&rq->arena, count);
    if (out->responses == NULL) return false;
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->responses[i].name = has_ids ? in->topics[i].name : in->topic_names[i];
        if (has_ids) out->responses[i].topic_id = in->topics[i].topic_id;
        out->responses[i].error_code = KAFKA_REQUEST_TIMED_OUT;
    }
    request_respond(rq);
    return true;
}

static void finish(struct forward *forward, enum status st) {
    struct request *rq = forward->rq;
    if (forward->answer == NULL && st == ST_TIMEOUT && answer_late(rq)) return;
    if (forward->answer == NULL) {
        request_abandon(rq, true);
        return;
    }
    struct delete_topics_response *out = rq->out;
    *out = *(struct delete_topics_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->responses_count; i++) {
        if (out->responses[i].error_code == KAFKA_NONE)
            out->responses[i].error_code = forward_error(st);
    }
    request_respond(rq);
}

void handle_delete_topics(struct request *rq) {
    const struct delete_topics_request *in = rq->in;
    if (in->timeout_ms <= 0 && answer_late(rq)) return;
    forward_request(rq, decide, finish, in->timeout_ms);
}
