/* broker/handlers/heartbeat.c - API 12. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"

void handle_heartbeat(struct request *rq) {
    const struct heartbeat_request *in = rq->in;
    struct heartbeat_response *out = rq->out;
    if (in->group_id.len == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        request_respond(rq);
        return;
    }
    group_ask(rq, CALL_HEARTBEAT, in, out, in->group_id, group_respond);
}
