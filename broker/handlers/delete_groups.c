/* broker/handlers/delete_groups.c - API 42: each group is asked of its coordinator. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

struct deleting {
    struct request *rq;
    uint32_t open_count;
};

static void on_group(struct group_call *call) {
    struct deleting *d = call->owner;
    if (--d->open_count == 0) request_respond(d->rq);
}

void handle_delete_groups(struct request *rq) {
    const struct delete_groups_request *in = rq->in;
    struct delete_groups_response *out = rq->out;
    struct deleting *d = ARENA_NEW(&rq->arena, struct deleting);
    int32_t count = MAX(in->groups_names_count, 0);
    out->results = delete_groups_response_deletable_group_result_array(&rq->arena, count);
    if (d == NULL || out->results == NULL) {
        request_abandon(rq, true);
        return;
    }
    *d = (struct deleting){.rq = rq, .open_count = 1};
    out->results_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->results[i].group_id = in->groups_names[i];
        struct group_call *call = group_call_new(rq, CALL_DELETE_GROUP, &in->groups_names[i],
                                                 &out->results[i], on_group);
        if (call == NULL) {
            out->results[i].error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
            continue;
        }
        call->owner = d;
        d->open_count++;
        group_call_go(call, in->groups_names[i]);
    }
    if (--d->open_count == 0) request_respond(rq);
}
