/* broker/handlers/sync_group.c - API 14. The answer comes when the leader has assigned and that is
 * committed. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

void handle_sync_group(struct request *rq) {
    const struct sync_group_request *in = rq->in;
    struct group_call *call = group_call_new(rq, CALL_SYNC, in, rq->out, group_respond);
    bool names_protocol = rq->header.request_api_version < 5 ||
                          (in->protocol_type.ptr != NULL && in->protocol_name.ptr != NULL);
    if (call == NULL) {
        request_abandon(rq, true);
    } else if (!names_protocol) {
        group_call_fail(call, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    } else if (in->group_id.len == 0) {
        group_call_fail(call, KAFKA_INVALID_GROUP_ID);
    } else {
        group_call_cancellable(call);
        group_call_go(call, in->group_id);
    }
}
