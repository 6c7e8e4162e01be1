/* broker/shard/visit.h - work of one request on another shard: there by one message, back by
 * another. To the own shard it is a plain call. Between visit_go and `returned` everything the
 * visit points at belongs to the target shard; it may not allocate from the home shard's memory,
 * the request's arena included. */
#pragma once
#include "broker/shard/shard.h"

struct visit {
    struct io_message message;
    struct shard *home;
    uint32_t target;
    /** On the target shard; ends, at once or later, with visit_return. */
    void (*work)(struct visit *visit, struct shard *at);
    /** On the home shard. */
    void (*returned)(struct visit *visit);
};

/** On the home shard. `returned` may have run when this returns. */
void visit_go(struct visit *visit);
/** On the target shard. */
void visit_return(struct visit *visit);
