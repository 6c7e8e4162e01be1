/* broker/handlers/alter_configs.c - APIs 33 and 44: settings of topics, groups and brokers. The
 * rules are the controller's (controller/configs.c). Answered when every shard has the new
 * settings. */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

/* --- IncrementalAlterConfigs --- */

static void decide_incremental(struct forward *forward, const struct controller_context *ctx,
                               struct decision *decision) {
    struct incremental_alter_configs_response *answer =
        ARENA_NEW(&decision->arena, struct incremental_alter_configs_response);
    if (answer == NULL) return;
    controller_incremental_alter_configs(ctx, forward->rq->in, answer, &decision->records);
    forward->answer = answer;
}

static void finish_incremental(struct forward *forward, enum status st) {
    struct incremental_alter_configs_response *out = forward->rq->out;
    if (forward->answer == NULL) {
        request_abandon(forward->rq, true);
        return;
    }
    *out = *(struct incremental_alter_configs_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->responses_count; i++) {
        if (out->responses[i].error_code == KAFKA_NONE)
            out->responses[i].error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    request_respond(forward->rq);
}

void handle_incremental_alter_configs(struct request *rq) {
    forward_request(rq, decide_incremental, finish_incremental);
}

/* --- AlterConfigs --- */

static void decide_whole(struct forward *forward, const struct controller_context *ctx,
                         struct decision *decision) {
    struct alter_configs_response *answer =
        ARENA_NEW(&decision->arena, struct alter_configs_response);
    if (answer == NULL) return;
    controller_alter_configs(ctx, forward->rq->in, answer, &decision->records);
    forward->answer = answer;
}

static void finish_whole(struct forward *forward, enum status st) {
    struct alter_configs_response *out = forward->rq->out;
    if (forward->answer == NULL) {
        request_abandon(forward->rq, true);
        return;
    }
    *out = *(struct alter_configs_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->responses_count; i++) {
        if (out->responses[i].error_code == KAFKA_NONE)
            out->responses[i].error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    request_respond(forward->rq);
}

void handle_alter_configs(struct request *rq) { forward_request(rq, decide_whole, finish_whole); }
