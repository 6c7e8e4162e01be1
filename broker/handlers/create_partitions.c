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

static void finish(struct forward *forward, enum status st) {
    struct request *rq = forward->rq;
    if (forward->answer == NULL) {
        request_abandon(rq, true);
        return;
    }
    struct create_partitions_response *out = rq->out;
    *out = *(struct create_partitions_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->results_count; i++) {
        if (out->results[i].error_code == KAFKA_NONE)
            out->results[i].error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    request_respond(rq);
}

void handle_create_partitions(struct request *rq) { forward_request(rq, decide, finish); }
