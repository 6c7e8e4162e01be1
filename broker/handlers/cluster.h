/* broker/handlers/cluster.h - what several answers say of topics and brokers. */
#pragma once
#include "broker/net/request.h"

/* Bits of org.apache.kafka.common.acl.AclOperation that everybody has where nothing authorizes. */
#define TOPIC_OPERATIONS 3576 /* read, write, create, delete, alter, describe and of configs both */
#define CLUSTER_OPERATIONS                                                                         \
    8096 /* create, alter, describe, cluster action, of configs both, idempotent write, tokens */

/** Kafka's own topics, which its answers mark. */
bool topic_is_internal(struct str name);
/** A broker's endpoint on the listener that the request came in by; NULL: it has none there. */
const struct broker_endpoint *broker_endpoint_for(const struct request *rq,
                                                  const struct broker_image *broker);
/* Where a broker is reached; arena of the request. */
struct leader_address {
    struct str host, rack;
    int32_t port;
};
/** false: it is not there, or not on this listener. */
bool leader_address_of(struct request *rq, int32_t broker_id, struct leader_address *ret_address);
/** Copies `count` numbers into the request's arena, which outlives the image; NULL without memory.
 */
int32_t *request_copy_ids(struct request *rq, const int32_t *ids, int32_t count);
