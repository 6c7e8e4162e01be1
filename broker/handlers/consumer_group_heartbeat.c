/* broker/handlers/consumer_group_heartbeat.c - API 68 (KIP-848). */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

void handle_consumer_group_heartbeat(struct request *rq) {
    const struct consumer_group_heartbeat_request *in = rq->in;
    struct group_call *call =
        group_call_new(rq, CALL_CONSUMER_HEARTBEAT, in, rq->out, group_respond);
    if (call == NULL) {
        request_abandon(rq, true);
        return;
    }
    if (!group_service_serves_consumers(rq->shard)) {
        group_call_fail(call, KAFKA_UNSUPPORTED_VERSION);
        return;
    }
    call->ticket.client_host = request_client_host(rq);
    if (in->group_id.len == 0 || call->ticket.client_host.ptr == NULL) {
        group_call_fail(call, in->group_id.len == 0 ? KAFKA_INVALID_REQUEST
                                                    : KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    group_call_go(call, in->group_id);
}
