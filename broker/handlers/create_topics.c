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

static void finish(struct forward *forward, enum status st) {
    struct request *rq = forward->rq;
    if (forward->answer == NULL) {
        request_abandon(rq, true);
        return;
    }
    struct create_topics_response *out = rq->out;
    *out = *(struct create_topics_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->topics_count; i++) {
        if (out->topics[i].error_code == KAFKA_NONE)
            out->topics[i].error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    request_respond(rq);
}

void handle_create_topics(struct request *rq) { forward_request(rq, decide, finish); }
