/* broker/handlers/forward.h - a request that changes metadata: decided on shard 0, answered at home
 * when every shard has applied what it decided. */
#pragma once
#include "broker/metadata/publisher.h"
#include "broker/net/request.h"

struct forward;
/** On shard 0: fills records and an answer in the decision's arena; forward->answer is the
 * handler's. */
typedef void forward_decide_fn(struct forward *forward, const struct controller_context *ctx,
                               struct decision *decision);
/** At home, when it is applied or has failed: uses forward->answer, which is there until it
 * returns, and of a large request until its answer is encoded. */
typedef void forward_finish_fn(struct forward *forward, enum status st);

struct forward {
    struct request *rq;
    forward_decide_fn *decide;
    forward_finish_fn *finish;
    void *answer;
    void *owner;
};

/** `forward` is borrowed until finish has run. */
void forward_decision(struct forward *forward);
/** The same for a request that is nothing else; without memory it is abandoned. */
void forward_request(struct request *rq, forward_decide_fn *decide, forward_finish_fn *finish);
