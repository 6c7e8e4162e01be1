/* broker/handlers/forward.h - a request that changes metadata: decided on shard 0, answered at home
 * when every shard has applied what it decided. While the disk of the metadata log hangs it waits
 * for patience_ms at the most. Then, as in Kafka, what has not been begun never is; unlike there,
 * where clients give up by themselves, what was begun is answered, too (after a second at the
 * earliest: a short patience is meant for the queue), and comes to be when the disk goes on. */
#pragma once
#include "broker/metadata/publisher.h"
#include "broker/net/request.h"

struct forward;
/** On shard 0: fills records and an answer in the decision's arena; forward->answer is the
 * handler's. */
typedef void forward_decide_fn(struct forward *forward, const struct controller_context *ctx,
                               struct decision *decision);
/** At home, when it is applied or has failed: uses forward->answer, which is there until it
 * returns, and of a large request until its answer is encoded. ST_TIMEOUT: patience is over;
 * without an answer nothing has happened, with one it is not known. */
typedef void forward_finish_fn(struct forward *forward, enum status st);

struct forward {
    struct request *rq;
    forward_decide_fn *decide;
    forward_finish_fn *finish;
    void *answer;
    void *owner;
    const struct forward_results *results; /* of forward_request */
    int64_t patience_ms; /* 0: FORWARD_PATIENCE_MS */
};

#define FORWARD_PATIENCE_MS 60000 /* of requests that have no time-out, as in Kafka */
/* Where a client wants something else in the first place, that may be there. */
#define FORWARD_SHORT_PATIENCE_MS 1000

/** `forward` is borrowed until finish has run. */
void forward_decision(struct forward *forward);
/* An answer that has a result, with an error of its own, for each thing asked. */
struct forward_results {
    size_t response_bytes;
    /** Fills rq->out with a result for each thing that was asked, named only. false: no memory. */
    bool (*name)(struct request *rq);
    /** Of the i-th result; NULL behind the last. */
    int16_t *(*error)(void *response, int32_t i);
};

/** For a request that is nothing else, with such an answer; without memory it is abandoned.
 * `decide` makes the answer in the decision's arena. timeout_ms: the request's; 0 when it has none.
 */
void forward_request(struct request *rq, forward_decide_fn *decide,
                     const struct forward_results *results, int32_t timeout_ms);
/** Kafka's controller takes up no request whose time is over, whatever it asks: REQUEST_TIMED_OUT
 * for all of it. false: not answered, there is no memory. */
bool forward_answer_late(struct request *rq, const struct forward_results *results);
