/* broker/handlers/create_topics.c - API 19. The rules are the controller's (controller/topics.c).
 */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"

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

static bool name_results(struct request *rq) {
    const struct create_topics_request *in = rq->in;
    struct create_topics_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    out->topics = create_topics_response_creatable_topic_result_array(&rq->arena, count);
    if (out->topics == NULL) return false;
    out->topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->topics[i].name = in->topics[i].name;
        out->topics[i].error_message = STR_NULL;
    }
    return true;
}

static int16_t *error_of(void *response, int32_t i) {
    struct create_topics_response *out = response;
    return i < out->topics_count ? &out->topics[i].error_code : NULL;
}

static const struct forward_results results = {
    sizeof(struct create_topics_response), name_results, error_of};

void handle_create_topics(struct request *rq) {
    const struct create_topics_request *in = rq->in;
    if (in->timeout_ms <= 0 && forward_answer_late(rq, &results)) return;
    forward_request(rq, decide, &results, in->timeout_ms);
}
