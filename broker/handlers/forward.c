/* broker/handlers/forward.c - to the publisher and back. The answer lives in the decision's arena,
 * which is shard 0's, so the decision goes back there to be freed. */
#include "broker/handlers/forward.h"
#include "base/assert.h"
#include "broker/shard/visit.h"
#include "protocol/errors.h"

#define LATE_MS_MIN 1000

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
    if (f == NULL) { /* it was late */
        decision_free(decision);
        return;
    }
    f->status = st;
    visit_return(&f->visit);
}

static void late(struct decision *decision) {
    struct forwarding *f = decision->owner;
    decision->owner = NULL;
    decision_hold(decision); /* the answer lies in it */
    f->status = ST_TIMEOUT;
    visit_return(&f->visit);
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct forwarding *f = CONTAINER_OF(visit, struct forwarding, visit);
    struct decision *decision = decision_new(at->broker->publisher);
    f->decision = decision;
    decision->owner = f;
    decision->decide = on_turn;
    decision->done = decided;
    decision->late = late;
    uint64_t patience_ms = (uint64_t)f->forward->patience_ms;
    decision->begin_by_us = at->io->now.mono_us + patience_ms * 1000;
    decision->late_us = at->io->now.mono_us + MAX(patience_ms, LATE_MS_MIN) * 1000;
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
    if (forward->patience_ms <= 0) forward->patience_ms = FORWARD_PATIENCE_MS;
    f->visit =
        (struct visit){.home = home, .target = 0, .work = visit_work, .returned = visit_returned};
    visit_go(&f->visit);
}

/* --- requests with a result for each thing asked --- */

static void fail_the_good(void *response, const struct forward_results *results, int16_t error) {
    int16_t *own;
    for (int32_t i = 0; (own = results->error(response, i)) != NULL; i++) {
        if (*own == KAFKA_NONE) *own = error;
    }
}

bool forward_answer_late(struct request *rq, const struct forward_results *results) {
    if (!results->name(rq)) return false;
    fail_the_good(rq->out, results, KAFKA_REQUEST_TIMED_OUT);
    request_respond(rq);
    return true;
}

static void finish_results(struct forward *forward, enum status st) {
    struct request *rq = forward->rq;
    const struct forward_results *results = forward->results;
    if (forward->answer == NULL) {
        if (st != ST_TIMEOUT || !forward_answer_late(rq, results)) request_abandon(rq, true);
        return;
    }
    memcpy(rq->out, forward->answer, results->response_bytes);
    if (st != ST_OK)
        fail_the_good(rq->out, results,
                      st == ST_TIMEOUT ? KAFKA_REQUEST_TIMED_OUT : KAFKA_UNKNOWN_SERVER_ERROR);
    request_respond(rq);
}

void forward_request(struct request *rq, forward_decide_fn *decide,
                     const struct forward_results *results, int32_t timeout_ms) {
    struct forward *forward = ARENA_NEW(&rq->arena, struct forward);
    if (forward == NULL) {
        request_abandon(rq, true);
        return;
    }
    *forward = (struct forward){.rq = rq,
                                .decide = decide,
                                .finish = finish_results,
                                .results = results,
                                .patience_ms = timeout_ms};
    forward_decision(forward);
}
