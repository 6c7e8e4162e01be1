/* tests/unit/reactor/echo.h - a server on one shard that sends every frame back (four octets of
 * length, then the contents), receiving large ones directly, with back-pressure; and blocking
 * sockets for clients. */
#pragma once
#include "tests/unit/reactor/harness.h"

struct echo {
    struct io *io;
    struct io_acceptor acceptor;
    int listener;
    uint16_t port;
    size_t direct_over; /* the rest of a frame beyond this many octets is received directly */
    bool by_data_too;   /* asks for direct reads of 1 octet and more at random, by seed */
    bool detaches;      /* ends receiving at random and starts anew */
    struct prng prng;
    int live_count;   /* connections */
    int64_t last_end; /* what the last connection's on_end said */
    uint64_t direct_count, data_count, pause_count, detach_count;
    void (*on_quiet)(struct echo *echo); /* the last connection is closed; may be NULL */
    bool closing;
    struct io_op close_op;
};

/** Listens on 127.0.0.1, any port. */
void echo_start(struct echo *echo, struct io *io);
/** Closes the listener; echo_closed runs when that is done. */
void echo_stop(struct echo *echo, struct io_op *op);

/** A connected blocking socket of a test's own thread. */
int client_connect(uint16_t port);
void client_send(int fd, const void *data, size_t len);
/** false at the end of the stream or on an error. */
bool client_recv(int fd, void *data, size_t len);
