/* broker/handlers/join_group.c - API 11. The answer comes when the group's join phase ends. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

void handle_join_group(struct request *rq) {
    const struct join_group_request *in = rq->in;
    struct group_call *call = group_call_new(rq, CALL_JOIN, in, rq->out, group_respond);
    if (call == NULL) {
        request_abandon(rq, true);
        return;
    }
    call->ticket.client_host = request_client_host(rq);
    if (in->group_id.len == 0 || call->ticket.client_host.ptr == NULL) {
        group_call_fail(call, in->group_id.len == 0 ? KAFKA_INVALID_GROUP_ID
                                                    : KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    group_call_cancellable(call);
    group_call_go(call, in->group_id);
}
