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

static bool answer_late_incremental(struct request *rq) {
    const struct incremental_alter_configs_request *in = rq->in;
    struct incremental_alter_configs_response *out = rq->out;
    int32_t count = MAX(in->resources_count, 0);
    out->responses = incremental_alter_configs_response_resource_array(&rq->arena, count);
    if (out->responses == NULL) return false;
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->responses[i].resource_type = in->resources[i].resource_type;
        out->responses[i].resource_name = in->resources[i].resource_name;
        out->responses[i].error_code = KAFKA_REQUEST_TIMED_OUT;
    }
    request_respond(rq);
    return true;
}

static void finish_incremental(struct forward *forward, enum status st) {
    struct incremental_alter_configs_response *out = forward->rq->out;
    if (forward->answer == NULL && st == ST_TIMEOUT && answer_late_incremental(forward->rq)) return;
    if (forward->answer == NULL) {
        request_abandon(forward->rq, true);
        return;
    }
    *out = *(struct incremental_alter_configs_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->responses_count; i++) {
        if (out->responses[i].error_code == KAFKA_NONE)
            out->responses[i].error_code = forward_error(st);
    }
    request_respond(forward->rq);
}

void handle_incremental_alter_configs(struct request *rq) {
    forward_request(rq, decide_incremental, finish_incremental, 0);
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

static bool answer_late_whole(struct request *rq) {
    const struct alter_configs_request *in = rq->in;
    struct alter_configs_response *out = rq->out;
    int32_t count = MAX(in->resources_count, 0);
    out->responses = alter_configs_response_resource_array(&rq->arena, count);
    if (out->responses == NULL) return false;
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->responses[i].resource_type = in->resources[i].resource_type;
        out->responses[i].resource_name = in->resources[i].resource_name;
        out->responses[i].error_code = KAFKA_REQUEST_TIMED_OUT;
    }
    request_respond(rq);
    return true;
}

static void finish_whole(struct forward *forward, enum status st) {
    struct alter_configs_response *out = forward->rq->out;
    if (forward->answer == NULL && st == ST_TIMEOUT && answer_late_whole(forward->rq)) return;
    if (forward->answer == NULL) {
        request_abandon(forward->rq, true);
        return;
    }
    *out = *(struct alter_configs_response *)forward->answer;
    for (int32_t i = 0; st != ST_OK && i < out->responses_count; i++) {
        if (out->responses[i].error_code == KAFKA_NONE)
            out->responses[i].error_code = forward_error(st);
    }
    request_respond(forward->rq);
}

void handle_alter_configs(struct request *rq) {
    forward_request(rq, decide_whole, finish_whole, 0);
}
