/* broker/handlers/create_partitions.c - API 37. The rules are the controller's
 * (controller/partitions.c). */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct create_partitions_response *answer =
        ARENA_NEW(&decision->arena, struct create_partitions_response);
    if (answer == NULL) return;
    controller_create_partitions(ctx, forward->rq->in, answer, &decision->records);
    forward->answer = answer;
}

/* Kafka's controller takes up no request whose time is over, whatever it asks. */
static bool answer_late(struct request *rq) {
    const struct create_partitions_request *in = rq->in;
    struct create_partitions_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    out->results = create_partitions_response_topic_result_array(&rq->arena, count);
    if (out->results == NULL) return false;
    out->results_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->results[i].name = in->topics[i].name;
        out->results[i].error_code = KAFKA_REQUEST_TIMED_OUT;
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
    struct create_partitions_response *out = rq->out;
    *out = *(struct create_partitions_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->results_count; i++) {
        if (out->results[i].error_code == KAFKA_NONE)
            out->results[i].error_code = forward_error(st);
    }
    request_respond(rq);
}

void handle_create_partitions(struct request *rq) {
    const struct create_partitions_request *in = rq->in;
    if (in->timeout_ms <= 0 && answer_late(rq)) return;
    forward_request(rq, decide, finish, in->timeout_ms);
}
