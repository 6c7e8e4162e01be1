/* broker/handlers/alter_configs.c - APIs 33 and 44: settings of topics, groups and brokers. The
 * rules are the controller's (controller/configs.c). Answered when every shard has the new
 * settings. */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"

/* --- IncrementalAlterConfigs --- */

static void decide_incremental(struct forward *forward, const struct controller_context *ctx,
                               struct decision *decision) {
    struct incremental_alter_configs_response *answer =
        ARENA_NEW(&decision->arena, struct incremental_alter_configs_response);
    if (answer == NULL) return;
    controller_incremental_alter_configs(ctx, forward->rq->in, answer, &decision->records);
    forward->answer = answer;
}

static bool name_incremental(struct request *rq) {
    const struct incremental_alter_configs_request *in = rq->in;
    struct incremental_alter_configs_response *out = rq->out;
    int32_t count = MAX(in->resources_count, 0);
    out->responses = incremental_alter_configs_response_resource_array(&rq->arena, count);
    if (out->responses == NULL) return false;
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->responses[i].resource_type = in->resources[i].resource_type;
        out->responses[i].resource_name = in->resources[i].resource_name;
    }
    return true;
}

static int16_t *error_of_incremental(void *response, int32_t i) {
    struct incremental_alter_configs_response *out = response;
    return i < out->responses_count ? &out->responses[i].error_code : NULL;
}

static const struct forward_results incremental_results = {
    sizeof(struct incremental_alter_configs_response), name_incremental, error_of_incremental};

void handle_incremental_alter_configs(struct request *rq) {
    forward_request(rq, decide_incremental, &incremental_results, 0);
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

static bool name_whole(struct request *rq) {
    const struct alter_configs_request *in = rq->in;
    struct alter_configs_response *out = rq->out;
    int32_t count = MAX(in->resources_count, 0);
    out->responses = alter_configs_response_resource_array(&rq->arena, count);
    if (out->responses == NULL) return false;
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->responses[i].resource_type = in->resources[i].resource_type;
        out->responses[i].resource_name = in->resources[i].resource_name;
    }
    return true;
}

static int16_t *error_of_whole(void *response, int32_t i) {
    struct alter_configs_response *out = response;
    return i < out->responses_count ? &out->responses[i].error_code : NULL;
}

static const struct forward_results whole_results = {
    sizeof(struct alter_configs_response), name_whole, error_of_whole};

void handle_alter_configs(struct request *rq) {
    forward_request(rq, decide_whole, &whole_results, 0);
}
