/* broker/handlers/create_partitions.c - API 37. The rules are the controller's
 * (controller/partitions.c). */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct create_partitions_response *answer =
        ARENA_NEW(&decision->arena, struct create_partitions_response);
    if (answer == NULL) return;
    controller_create_partitions(ctx, forward->rq->in, answer, &decision->records);
    forward->answer = answer;
}

static bool name_results(struct request *rq) {
    const struct create_partitions_request *in = rq->in;
    struct create_partitions_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    out->results = create_partitions_response_topic_result_array(&rq->arena, count);
    if (out->results == NULL) return false;
    out->results_count = count;
    for (int32_t i = 0; i < count; i++) out->results[i].name = in->topics[i].name;
    return true;
}

static int16_t *error_of(void *response, int32_t i) {
    struct create_partitions_response *out = response;
    return i < out->results_count ? &out->results[i].error_code : NULL;
}

static const struct forward_results results = {
    sizeof(struct create_partitions_response), name_results, error_of};

void handle_create_partitions(struct request *rq) {
    const struct create_partitions_request *in = rq->in;
    if (in->timeout_ms <= 0 && forward_answer_late(rq, &results)) return;
    forward_request(rq, decide, &results, in->timeout_ms);
}
