/* broker/handlers/delete_topics.c - API 20. The rules are the controller's (controller/topics.c).
 */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"

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

static bool name_results(struct request *rq) {
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
    }
    return true;
}

static int16_t *error_of(void *response, int32_t i) {
    struct delete_topics_response *out = response;
    return i < out->responses_count ? &out->responses[i].error_code : NULL;
}

static const struct forward_results results = {
    sizeof(struct delete_topics_response), name_results, error_of};

void handle_delete_topics(struct request *rq) {
    const struct delete_topics_request *in = rq->in;
    if (in->timeout_ms <= 0 && forward_answer_late(rq, &results)) return;
    forward_request(rq, decide, &results, in->timeout_ms);
}
