/* broker/handlers/leave_group.c - API 13. Up to version 2 one member leaves, and its error is the
 * error of the whole. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

static bool is_one(const struct request *rq) { return rq->header.request_api_version < 3; }

static void on_left(struct group_call *call) {
    struct leave_group_response *out = call->rq->out;
    if (is_one(call->rq) && out->members_count == 1) {
        if (out->error_code == KAFKA_NONE) out->error_code = out->members[0].error_code;
        out->members_count = 0;
    }
    request_respond(call->rq);
}

/* One entry of the answer for each member; the group's coordinator fills in the errors. */
static bool prepare(struct request *rq) {
    const struct leave_group_request *in = rq->in;
    struct leave_call *call = ARENA_NEW(&rq->arena, struct leave_call);
    struct leave_group_request_member_identity *one =
        leave_group_request_member_identity_array(&rq->arena, 1);
    int32_t count = is_one(rq) ? 1 : MAX(in->members_count, 0);
    struct leave_group_response_member *answers =
        leave_group_response_member_array(&rq->arena, count);
    if (call == NULL || one == NULL || answers == NULL) return false;
    one->member_id = in->member_id;
    *call = (struct leave_call){.group_id = in->group_id,
                                .members = is_one(rq) ? one : in->members,
                                .answers = answers,
                                .count = count};
    for (int32_t i = 0; i < count; i++) {
        breathe();
        answers[i].member_id = call->members[i].member_id;
        answers[i].group_instance_id = call->members[i].group_instance_id;
    }
    rq->state_of_handler = call;
    return true;
}

static void ask(struct request *rq) {
    const struct leave_call *call = rq->state_of_handler;
    group_ask(rq, CALL_LEAVE, call, rq->out, call->group_id, on_left);
}

void handle_leave_group(struct request *rq) {
    const struct leave_group_request *in = rq->in;
    struct leave_group_response *out = rq->out;
    if (in->group_id.len == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        request_respond(rq);
        return;
    }
    request_in_turns(rq, prepare, ask);
}
