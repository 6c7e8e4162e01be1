/* broker/handlers/forward.h - a request that changes metadata: decided on shard 0, answered at home
 * when every shard has applied what it decided. */
#pragma once
#include "broker/metadata/publisher.h"
#include "broker/net/request.h"

struct forward {
    struct request *rq;
    /** On shard 0: fills records and an answer in the decision's arena; forward->answer is the
     * handler's. */
    void (*decide)(struct forward *forward, const struct controller_context *ctx,
                   struct decision *decision);
    /** At home, when it is applied or has failed: uses forward->answer, encodes or copies, keeps
     * nothing of it. */
    void (*finish)(struct forward *forward, enum status st);
    void *answer;
    void *owner;
};

/** `forward` is borrowed until finish has run. */
void forward_decision(struct forward *forward);
