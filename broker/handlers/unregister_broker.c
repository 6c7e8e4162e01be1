/* broker/handlers/unregister_broker.c - API 64. The only broker that is registered is this one, and
 * it stays: Apache Kafka takes its registration away while it runs, after which no topic can be
 * made any more. Source: KIP-500, ClusterControlManager.unregisterBroker. */
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

void handle_unregister_broker(struct request *rq) {
    const struct unregister_broker_request *in = rq->in;
    struct unregister_broker_response *out = rq->out;
    if (image_broker(rq->shard->image, in->broker_id) == NULL) {
        out->error_code = KAFKA_BROKER_ID_NOT_REGISTERED;
        out->error_message =
            arena_printf(&rq->arena, "Broker ID %d is not currently registered", in->broker_id);
    } else {
        out->error_code = KAFKA_POLICY_VIOLATION;
        out->error_message = arena_printf(
            &rq->arena, "Broker ID %d cannot be unregistered: it is running", in->broker_id);
    }
    request_respond(rq);
}
