/* broker/handlers/leave_group.c - API 13. Up to version 2 one member leaves, and its error is the
 * error of the whole. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

static void on_left(struct group_call *call) {
    struct leave_group_response *out = call->rq->out;
    bool is_one = call->rq->header.request_api_version < 3;
    if (is_one && out->members_count == 1) {
        if (out->error_code == KAFKA_NONE) out->error_code = out->members[0].error_code;
        out->members_count = 0;
    }
    request_respond(call->rq);
}

void handle_leave_group(struct request *rq) {
    const struct leave_group_request *in = rq->in;
    struct leave_group_response *out = rq->out;
    struct leave_call *call = ARENA_NEW(&rq->arena, struct leave_call);
    struct leave_group_request_member_identity *one =
        leave_group_request_member_identity_array(&rq->arena, 1);
    if (call == NULL || one == NULL) {
        request_abandon(rq, true);
        return;
    }
    one->member_id = in->member_id;
    bool is_one = rq->header.request_api_version < 3;
    *call = (struct leave_call){.group_id = in->group_id,
                                .members = is_one ? one : in->members,
                                .count = is_one ? 1 : MAX(in->members_count, 0)};
    if (in->group_id.len == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        request_respond(rq);
        return;
    }
    group_ask(rq, CALL_LEAVE, call, out, in->group_id, on_left);
}
