/* broker/net/move.h - a connection moves to the shard that its requests are for.
 *
 * A request for another shard's partition is two messages and, when the other shard sleeps, two
 * wake-ups: several times what the rest of a small request costs. So a client that waits for each
 * answer, and whose requests all went to one other shard, is handed over to that shard, between two
 * requests: the old shard stops receiving, sends the descriptor and whatever octets had come by
 * then in a visit, and forgets the connection when it is back. The client sees nothing of it.
 *
 * Not moved: a connection that has several requests under way (their messages share wake-ups, and
 * two shards do more than one), one whose requests are for several shards or its own, and one whose
 * new shard has MOVE_IMBALANCE more connections than its old one already, so that a partition that
 * everybody reads does not draw all connections to one CPU. A move makes the next one take twice as
 * many requests, so that a client that changes its mind does not pay for it each time.
 *
 * Owner: the connection's shard; between leaving and coming back the visit's target. */
#pragma once
#include <stdbool.h>
#include "broker/shard/visit.h"

struct connection;

#define MOVE_AFTER 32 /* requests in a row, for the first move */
#define MOVE_AFTER_MAX (1u << 20)
#define MOVE_IMBALANCE 8

enum move_state { MOVE_NOT, MOVE_DETACHING, MOVE_AWAY };

struct move {
    struct visit visit;
    enum move_state state;
    uint32_t target; /* the shard that the last `count` requests were for */
    uint32_t count;
    uint32_t wanted; /* so many make it move */
    uint32_t home_connections;
    bool is_taken; /* the target has it */
};

void move_init(struct connection *connection, uint32_t wanted);
/** An answer has left; shards: of its request (rq->shards). */
void move_note(struct connection *connection, uint64_t shards);
/** Between two requests, perhaps: begins the move when it is time. */
void move_consider(struct connection *connection);
/** Receiving has ended because of it: goes. */
void move_go(struct connection *connection);
