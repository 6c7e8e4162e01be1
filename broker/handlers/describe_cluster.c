/* broker/handlers/describe_cluster.c - API 60. Source: KIP-700, KIP-919, KIP-1073,
 * kafka.server.AuthHelper.computeDescribeClusterResponse. */
#include "broker/handlers/cluster.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

enum { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

static bool put_brokers(struct request *rq, bool with_fenced,
                        struct describe_cluster_response *out) {
    const struct image *image = rq->shard->image;
    struct image_iter iter;
    int32_t count = 0;
    image_iter_brokers(image, &iter);
    while (image_next_broker(&iter) != NULL) count++;
    out->brokers = describe_cluster_response_broker_array(&rq->arena, count);
    if (out->brokers == NULL && count > 0) return false;
    image_iter_brokers(image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        const struct broker_endpoint *endpoint = broker_endpoint_for(rq, broker);
        if (endpoint == NULL || (broker->fenced && !with_fenced)) continue;
        struct describe_cluster_response_broker *answer = &out->brokers[out->brokers_count++];
        answer->broker_id = broker->id;
        answer->host = arena_str(&rq->arena, endpoint->host);
        answer->port = endpoint->port;
        answer->rack = arena_str(&rq->arena, broker->rack);
        answer->is_fenced = broker->fenced;
    }
    return true;
}

void handle_describe_cluster(struct request *rq) {
    const struct describe_cluster_request *in = rq->in;
    struct describe_cluster_response *out = rq->out;
    if (in->endpoint_type == ENDPOINT_CONTROLLER) {
        out->error_code = KAFKA_MISMATCHED_ENDPOINT_TYPE;
        out->error_message = STR("The request was sent to an endpoint of type BROKER, but we "
                                 "wanted an endpoint of type CONTROLLER");
    } else if (in->endpoint_type != ENDPOINT_BROKER) {
        out->error_code = KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        out->error_message =
            arena_printf(&rq->arena, "Unsupported endpoint type %d", in->endpoint_type);
    } else {
        if (!put_brokers(rq, in->include_fenced_brokers, out)) {
            request_abandon(rq, true);
            return;
        }
        out->cluster_id = str_of(rq->shard->broker->cluster_id);
        out->controller_id = rq->shard->broker->node_id;
        if (in->include_cluster_authorized_operations)
            out->cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    request_respond(rq);
}
