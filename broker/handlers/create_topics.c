/* broker/handlers/create_topics.c - API 19. The rules are the controller's (controller/topics.c).
 */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct create_topics_response *answer =
        ARENA_NEW(&decision->arena, struct create_topics_response);
    if (answer == NULL) return;
    create_topics_response_defaults(answer);
    controller_create_topics(ctx, forward->rq->in, forward->rq->header.request_api_version, answer,
                             &decision->records);
    forward->answer = answer;
}

/* Kafka's controller takes up no request whose time is over, whatever it asks. */
static bool answer_late(struct request *rq) {
    const struct create_topics_request *in = rq->in;
    struct create_topics_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    out->topics = create_topics_response_creatable_topic_result_array(&rq->arena, count);
    if (out->topics == NULL) return false;
    out->topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->topics[i].name = in->topics[i].name;
        out->topics[i].error_code = KAFKA_REQUEST_TIMED_OUT;
        out->topics[i].error_message = STR_NULL;
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
    struct create_topics_response *out = rq->out;
    *out = *(struct create_topics_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->topics_count; i++) {
        if (out->topics[i].error_code == KAFKA_NONE)
            out->topics[i].error_code = forward_error(st);
    }
    request_respond(rq);
}

void handle_create_topics(struct request *rq) {
    const struct create_topics_request *in = rq->in;
    if (in->timeout_ms <= 0 && answer_late(rq)) return;
    forward_request(rq, decide, finish, in->timeout_ms);
}
