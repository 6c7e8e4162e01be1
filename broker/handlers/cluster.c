/* broker/handlers/cluster.c - small answers about topics and brokers. */
#include "broker/handlers/cluster.h"
#include "broker/net/connection.h"

bool topic_is_internal(struct str name) {
    return str_eq(name, STR("__consumer_offsets")) || str_eq(name, STR("__transaction_state")) ||
           str_eq(name, STR("__share_group_state"));
}

const struct broker_endpoint *broker_endpoint_for(const struct request *rq,
                                                  const struct broker_image *broker) {
    struct str listener =
        rq->shard->broker->setup.listeners->items[rq->connection->listener_index].name;
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        if (str_eq(broker->endpoints[i].name, listener)) return &broker->endpoints[i];
    }
    return NULL;
}

int32_t *request_copy_ids(struct request *rq, const int32_t *ids, int32_t count) {
    int32_t *copy = arena_array(&rq->arena, (size_t)MAX(count, 0), sizeof *copy);
    if (copy != NULL && count > 0) memcpy(copy, ids, (size_t)count * sizeof *copy);
    return copy;
}

bool leader_address_of(struct request *rq, int32_t broker_id, struct leader_address *ret_address) {
    const struct broker_image *broker = image_broker(rq->shard->image, broker_id);
    const struct broker_endpoint *endpoint =
        broker != NULL && !broker->fenced ? broker_endpoint_for(rq, broker) : NULL;
    if (endpoint == NULL) return false;
    *ret_address = (struct leader_address){
        .host = arena_str(&rq->arena, endpoint->host),
        .rack = arena_str(&rq->arena, broker->rack),
        .port = endpoint->port,
    };
    return true;
}
