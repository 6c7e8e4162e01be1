/* tests/sim/net.h - streams between the nodes of a simulated world, as TCP gives them.
 * A connection is two pipes, one for each direction. A pipe holds at most `capacity` octets that
 * were sent and not yet received (both socket buffers together); they arrive in chunks, after a
 * latency, in order. A send completes when its last octet has a place in the pipe.
 *
 * Ends. A close is seen by the peer as the end, after all that was sent; when octets had arrived
 * that the closing side never received, or when more arrive later, the peer sees a reset instead,
 * as with TCP. A reset (a cut) reaches both sides at once and destroys what was on its way.
 * Silence: nothing arrives any more in either direction and nobody is told. A killed process
 * closes; one whose power went is silent until the node runs again, and then resets whatever
 * arrives for it. */
#pragma once
#include "tests/sim/seam.h"

int net_listen(struct io *, const struct io_address *address, int backlog,
               struct io_address *ret_bound);
void net_accept_start(struct io *, struct io_acceptor *, int fd);
void net_accept_stop(struct io *, struct io_acceptor *);
bool net_connect(struct io *, struct io_op *, const struct io_address *address);
void net_recv_start(struct io *, struct io_receiver *, int fd);
void net_recv_direct(struct io *, struct io_receiver *, uint8_t *buf, size_t len);
void net_recv_pause(struct io *, struct io_receiver *);
void net_recv_resume(struct io *, struct io_receiver *);
void net_recv_stop(struct io *, struct io_receiver *);
size_t net_recv_waiting(struct io *, const struct io_receiver *);
void net_recv_detach(struct io *, struct io_receiver *);
bool net_send(struct io *, struct io_op *, int fd, const struct iovec *iov, int iov_count);
bool net_send_file(struct io *, struct io_op *, int fd, int file, uint64_t offset, uint64_t len);
bool net_close_listener(struct sim_op *close, struct descriptor *at);
bool net_close_socket(struct sim_op *close, struct descriptor *at);

/** Every socket of the node's process goes: closed, or silent. */
void net_node_gone(struct node *node, bool silent);
/** Nothing arrives from one node at the other (one way) until it is healed; what is on its way
 * waits. */
void net_block(struct world *world, uint16_t from, uint16_t to, bool blocked);
