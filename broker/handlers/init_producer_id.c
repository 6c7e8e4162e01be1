/* broker/handlers/init_producer_id.c - API 22, without transactions. Ids come in blocks from the
 * metadata log, one block a shard at a time, so no id is ever given twice; what is left of a block
 * at the stop is lost, as in Kafka. Source: KIP-730, org.apache.kafka.server.transaction
 * RPCProducerIdManager. */
#include "broker/handlers/forward.h"
#include "broker/handlers/handlers.h"
#include "protocol/errors.h"

/* A request that waits for the shard's next block. */
struct id_wait {
    struct list link;
    struct request *rq;
    struct forward forward;
    int64_t first_id;
};

static void respond(struct request *rq, int16_t error, int64_t producer_id) {
    struct init_producer_id_response *out = rq->out;
    out->error_code = error;
    out->producer_id = producer_id;
    out->producer_epoch = error == KAFKA_NONE ? 0 : -1;
    request_respond(rq);
}

static void decide(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision) {
    struct id_wait *wait = forward->owner;
    struct broker *broker = forward->rq->shard->broker;
    controller_allocate_producer_ids(ctx, broker->node_id,
                                     publisher_broker_epoch(broker->publisher), &wait->first_id,
                                     &decision->records);
}

static void ask_for_block(struct id_wait *wait);

static void finish(struct forward *forward, enum status st) {
    struct id_wait *asking = forward->owner;
    struct shard *shard = asking->rq->shard;
    if (st == ST_OK) {
        shard->next_producer_id = asking->first_id;
        shard->end_producer_id = asking->first_id + PRODUCER_ID_BLOCK;
    }
    while (!list_is_empty(&shard->producer_id_waiters)) {
        struct id_wait *wait = CONTAINER_OF(shard->producer_id_waiters.next, struct id_wait, link);
        if (st == ST_OK && shard->next_producer_id == shard->end_producer_id) {
            ask_for_block(wait);
            return;
        }
        list_remove(&wait->link);
        if (st == ST_OK) {
            respond(wait->rq, KAFKA_NONE, shard->next_producer_id++);
        } else {
            respond(wait->rq, KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                    -1); /* what Kafka's clients try again on */
        }
    }
}

static void ask_for_block(struct id_wait *wait) {
    wait->forward = (struct forward){.rq = wait->rq,
                                     .decide = decide,
                                     .finish = finish,
                                     .owner = wait,
                                     .patience_ms = FORWARD_SHORT_PATIENCE_MS};
    forward_decision(&wait->forward);
}

void handle_init_producer_id(struct request *rq) {
    const struct init_producer_id_request *in = rq->in;
    struct shard *shard = rq->shard;
    if (in->transactional_id.ptr != NULL) {
        respond(rq,
                in->transactional_id.len == 0 ? KAFKA_INVALID_REQUEST
                                              : KAFKA_COORDINATOR_NOT_AVAILABLE,
                -1);
        return;
    }
    if ((in->producer_id == NO_PRODUCER_ID) != (in->producer_epoch == NO_PRODUCER_EPOCH)) {
        respond(rq, KAFKA_INVALID_REQUEST, -1); /* an id comes with its epoch, or not at all */
        return;
    }
    if (shard->next_producer_id < shard->end_producer_id) {
        respond(rq, KAFKA_NONE, shard->next_producer_id++);
        return;
    }
    struct id_wait *wait = ARENA_NEW(&rq->arena, struct id_wait);
    if (wait == NULL) {
        request_abandon(rq, true);
        return;
    }
    wait->rq = rq;
    bool is_first = list_is_empty(&shard->producer_id_waiters);
    list_push_back(&shard->producer_id_waiters, &wait->link);
    if (is_first) ask_for_block(wait);
}
