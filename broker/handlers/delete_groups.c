/* broker/handlers/delete_groups.c - API 42: each group is asked of its coordinator. */
#include "broker/handlers/group_fan.h"
#include "broker/handlers/handlers.h"

static void on_group(struct group_call *call) { group_fan_done(call->owner); }

static struct group_call *ask(struct group_fan *fan, int32_t i, struct str *ret_group_id) {
    struct request *rq = fan->rq;
    const struct delete_groups_request *in = rq->in;
    struct delete_groups_response *out = rq->out;
    struct delete_groups_response_deletable_group_result *result = &out->results[i];
    struct group_call *call =
        group_call_new(rq, CALL_DELETE_GROUP, &in->groups_names[i], result, on_group);
    *ret_group_id = result->group_id = in->groups_names[i];
    if (call == NULL) result->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    return call;
}

static void end(struct group_fan *fan) { request_respond(fan->rq); }

static bool prepare(struct request *rq) {
    const struct delete_groups_request *in = rq->in;
    struct delete_groups_response *out = rq->out;
    struct group_fan *fan = ARENA_NEW(&rq->arena, struct group_fan);
    out->results_count = MAX(in->groups_names_count, 0);
    out->results =
        delete_groups_response_deletable_group_result_array(&rq->arena, out->results_count);
    if (fan == NULL || out->results == NULL) return false;
    *fan = (struct group_fan){.rq = rq, .count = out->results_count, .ask = ask, .end = end};
    rq->state_of_handler = fan;
    return true;
}

static void ask_all(struct request *rq) { group_fan_start(rq->state_of_handler); }

void handle_delete_groups(struct request *rq) { request_in_turns(rq, prepare, ask_all); }
