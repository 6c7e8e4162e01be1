/* broker/handlers/forward.c - to the publisher and back. The answer lives in the decision's arena,
 * which is shard 0's, so the decision goes back there to be freed. */
#include "broker/handlers/forward.h"
#include "base/assert.h"
#include "broker/shard/visit.h"

struct forwarding {
    struct visit visit;
    struct request_hold hold;
    struct forward *forward;
    struct decision *decision;
    enum status status;
};

static void on_turn(struct decision *decision, const struct controller_context *ctx) {
    struct forwarding *f = decision->owner;
    f->forward->decide(f->forward, ctx, decision);
}

static void decided(struct decision *decision, enum status st) {
    struct forwarding *f = decision->owner;
    f->status = st;
    visit_return(&f->visit);
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct forwarding *f = CONTAINER_OF(visit, struct forwarding, visit);
    struct decision *decision = decision_new(at->broker->publisher);
    f->decision = decision;
    decision->owner = f;
    decision->decide = on_turn;
    decision->done = decided;
    decision->is_long = request_is_large(f->forward->rq);
    publisher_submit(at->broker->publisher, decision);
}

static void release(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    decision_free(CONTAINER_OF(message, struct decision, release));
}

static void give_back(struct forwarding *f) {
    struct shard *home = f->visit.home;
    struct decision *decision = f->decision;
    MEM_FREE(home->mem, f);
    decision->release.deliver = release;
    io_post(home->io, 0, &decision->release);
}

static void let_go(struct request_hold *hold) {
    give_back(CONTAINER_OF(hold, struct forwarding, hold));
}

static void visit_returned(struct visit *visit) {
    struct forwarding *f = CONTAINER_OF(visit, struct forwarding, visit);
    struct forward *forward = f->forward;
    bool is_held = request_is_large(forward->rq); /* and so encoded in turns */
    if (is_held) {
        ASSERT(forward->rq->hold == NULL);
        f->hold.let_go = let_go;
        forward->rq->hold = &f->hold;
    }
    forward->finish(forward, f->status); /* the request may be gone, and what it held */
    if (!is_held) give_back(f);
}

void forward_decision(struct forward *forward) {
    struct shard *home = forward->rq->shard;
    struct forwarding *f = MEM_NEW(home->mem, struct forwarding);
    f->forward = forward;
    f->visit =
        (struct visit){.home = home, .target = 0, .work = visit_work, .returned = visit_returned};
    visit_go(&f->visit);
}

void forward_request(struct request *rq, forward_decide_fn *decide, forward_finish_fn *finish) {
    struct forward *forward = ARENA_NEW(&rq->arena, struct forward);
    if (forward == NULL) {
        request_abandon(rq, true);
        return;
    }
    *forward = (struct forward){.rq = rq, .decide = decide, .finish = finish};
    forward_decision(forward);
}
