/* broker/net/move.c - from one shard to another. */
#include "broker/net/move.h"
#include "base/assert.h"
#include "broker/net/connection.h"

void move_init(struct connection *c, uint32_t wanted) {
    c->move = (struct move){.wanted = wanted};
}

void move_note(struct connection *c, uint64_t shards) {
    struct move *move = &c->move;
    if (shards == 0) return; /* metadata and the like are for any shard */
    bool is_elsewhere =
        (shards & (shards - 1)) == 0 && shards != (uint64_t)1 << c->shard->index;
    uint32_t target = is_elsewhere ? (uint32_t)__builtin_ctzll(shards) : move->target;
    if (!is_elsewhere || target != move->target) {
        move->points = 0;
        if (move->state == MOVE_DRAINING) move->state = MOVE_NOT; /* reads on: connection.c */
    }
    move->target = target;
    if (is_elsewhere) move->points += c->request_count > 0 ? 1 : MOVE_ALONE;
}

static bool is_quiet(const struct connection *c) {
    return c->request_count == 0 && !c->is_sending && framing_is_between(&c->in) &&
           !io_timer_is_set(&c->mute) &&
           !list_is_linked(&c->flush.link); /* which considers it again */
}

void move_consider(struct connection *c) {
    struct move *move = &c->move;
    if (move->points < move->wanted || move_has_begun(move) || c->receive_ended) return;
    if (is_quiet(c)) {
        move->state = MOVE_DETACHING;
        io_recv_detach(c->shard->io, &c->receiver);
    } else if (connection_only_overlaps(c)) {
        move->state = MOVE_DRAINING;
    }
}

static void come_back(struct visit *visit) {
    struct connection *c = CONTAINER_OF(visit, struct connection, move.visit);
    bool is_taken = c->move.is_taken;
    metrics_add(&c->shard->metrics, METRIC_CONNECTIONS_MOVED, is_taken);
    move_init(c, MIN(c->move.wanted * 2, MOVE_AFTER_MAX));
    if (is_taken) {
        connection_given_away(c);
    } else {
        connection_go_on(c);
    }
}

/* On the new shard. */
static void arrive(struct visit *visit, struct shard *at) {
    struct connection *c = CONTAINER_OF(visit, struct connection, move.visit);
    bool has_room = at->connection_count < c->move.home_connections + MOVE_IMBALANCE;
    c->move.is_taken = has_room && !at->stopping && connection_take_over(at, c);
    visit_return(visit);
}

void move_go(struct connection *c) {
    struct move *move = &c->move;
    ASSERT(c->request_count == 0 && !c->is_sending && c->in.frame == NULL);
    ASSERT(!list_is_linked(&c->flush.link));
    move->state = MOVE_AWAY;
    c->is_paused = false;
    move->home_connections = c->shard->connection_count;
    move->visit = (struct visit){
        .home = c->shard, .target = move->target, .work = arrive, .returned = come_back};
    visit_go(&move->visit);
}
