/* tests/sim/net_socket.h - what net.c and net_listen.c share: sockets and listeners. */
#pragma once
#include "tests/sim/net.h"

/* One direction, owned by the side that receives. received <= arrived <= sent <= received +
 * capacity. */
struct pipe {
    uint8_t *octets; /* a ring */
    uint64_t capacity;
    uint64_t sent, arrived, received; /* since the beginning */
    bool is_ended;                    /* the sender has closed: an end follows what was sent */
    bool has_end;                     /* it has arrived */
    bool is_reset;
    bool is_silent;
    bool dribbles;
    struct event arrival;
};

/* One side of a connection. Freed with its peer, when both are closed. */
struct socket {
    struct world *world;
    struct socket *peer;
    struct sim_io *io; /* where it is used; NULL: not yet, or closed */
    uint16_t node;
    int fd;
    struct pipe in;
    struct io_receiver *receiver; /* borrowed; NULL: nobody receives */
    struct sim_op *sending;       /* NULL: nothing */
    struct sim_op *closing;       /* waits for the receiver's end */
    struct task readable;
    struct event room;
    struct list pending_link; /* in listener->pending until it was accepted */
    bool is_stopping;         /* on_end is next */
    bool is_detaching;        /* on_data may come before it */
    bool late_allowed;        /* just paused */
    bool is_closed;           /* no process holds it */
    bool is_lost;             /* its node's power went */
};

struct listening {
    struct list link; /* in world->listeners */
    struct sim_io *io;
    struct io_address address;
    int fd;
    struct io_acceptor *acceptor; /* borrowed; NULL: stopped or not started */
    struct list pending;          /* struct socket */
    struct task task;
};

/** Two connected sockets, the one of `node` is returned. */
struct socket *socket_pair(struct world *world, uint16_t node, uint16_t peer_node);
void socket_release(struct socket *socket);
/** Both sides see a reset. */
void socket_reset(struct socket *socket);
/** The process no longer has it: the peer sees an end or a reset, or nothing at all when the power
 * went. */
void socket_give_up(struct socket *socket, bool is_lost);
void listener_give_up(struct listening *listener);
