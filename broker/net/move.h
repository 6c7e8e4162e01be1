/* broker/net/move.h - a connection moves to the shard that its requests are for.
 *
 * A request for another shard's partition is two messages and, when the other shard sleeps, two
 * wake-ups: several times what the rest of a small request costs, and a quarter of a large one. So
 * a connection whose requests all went to one other shard is handed over to that shard, between two
 * requests: the old shard stops receiving, sends the descriptor and whatever octets had come by
 * then in a visit, and forgets the connection when it is back. The client sees nothing of it.
 *
 * Of a client that has several Produces under way no further frame is begun until those are
 * answered; the rest of the stream waits in the socket. With anything else under way (a Fetch may
 * wait for long) it stays. Not moved either: one whose requests are for several shards or its own,
 * and one whose new shard has MOVE_IMBALANCE more connections than its old one already, so that a
 * partition that everybody reads does not draw all connections to one CPU. A move makes the next
 * one take twice as many requests, so that a client that changes its mind does not pay for it each
 * time.
 *
 * Owner: the connection's shard; between leaving and coming back the visit's target. */
#pragma once
#include <stdbool.h>
#include "broker/shard/visit.h"

struct connection;

#define MOVE_AFTER 256 /* points in a row, for the first move: a request has one, ... */
#define MOVE_ALONE 8   /* ... one that had no other beside it so many */
#define MOVE_AFTER_MAX (1u << 20)
#define MOVE_IMBALANCE 8

enum move_state {
    MOVE_NOT,
    MOVE_DRAINING, /* no frame is begun until what is under way is answered */
    MOVE_DETACHING,
    MOVE_AWAY,
};

struct move {
    struct visit visit;
    enum move_state state;
    uint32_t target; /* the shard that the last requests were for, ... */
    uint32_t points; /* ... which make so many points */
    uint32_t wanted; /* so many make it move */
    uint32_t home_connections;
    bool is_taken; /* the target has it */
};

void move_init(struct connection *connection, uint32_t wanted);
/** An answer has left; shards: of its request (rq->shards). */
void move_note(struct connection *connection, uint64_t shards);
/** Something has ended: begins the move when it is time, or goes on with it. */
void move_consider(struct connection *connection);
/** Octets that come are the new shard's. */
static inline bool move_has_begun(const struct move *move) { return move->state > MOVE_DRAINING; }
/** Receiving has ended because of it: goes. */
void move_go(struct connection *connection);
