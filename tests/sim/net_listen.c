/* tests/sim/net_listen.c - listeners and connects. Several listeners may have one address, as with
 * SO_REUSEPORT: a connection goes to one of them by chance. */
#include <errno.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/net.h"
#include "tests/sim/net_socket.h"

enum { CONNECT_TIMEOUT_US = 3000000 };

static bool is_any(const struct io_address *address) {
    for (size_t i = 0; i < sizeof address->bytes; i++) {
        if (address->bytes[i] != 0) return false;
    }
    return true;
}

static bool is_loopback(const struct io_address *address) {
    static const uint8_t six[16] = {[15] = 1};
    return address->family == 4 ? address->bytes[0] == 127
                                : memcmp(address->bytes, six, sizeof six) == 0;
}

static void accept_some(struct task *task) {
    struct listening *listener = CONTAINER_OF(task, struct listening, task);
    struct sim_io *io = listener->io;
    struct world *world = io->world;
    struct io_acceptor *acceptor = listener->acceptor;
    if (acceptor == NULL || list_is_empty(&listener->pending)) return;
    if (world_fault(world, FAULT_NET_ACCEPT_ERROR, world->faults.net.accept_error)) {
        seam_ready(io, task);
        acceptor->on_accept(acceptor, -EMFILE, &(struct io_address){0});
        return;
    }
    int fd = fd_new(io->node);
    if (fd < 0) {
        acceptor->on_accept(acceptor, fd, &(struct io_address){0});
        return; /* it stays pending; the next connection tries again */
    }
    struct list *node = list_pop_front(&listener->pending);
    struct socket *socket = CONTAINER_OF(node, struct socket, pending_link);
    if (!list_is_empty(&listener->pending)) seam_ready(io, task);
    socket->io = io;
    socket->fd = fd;
    io->node->fds[fd] = (struct descriptor){.socket = socket};
    world_mix(world, (uint64_t)fd);
    world_trace(world, "  %s/%u accepted fd=%d", io->node->name, io->io.shard, fd);
    struct io_address peer = world->nodes[socket->peer->node]->address;
    peer.port = (uint16_t)(32768 + socket->peer->fd);
    acceptor->on_accept(acceptor, fd, &peer);
}

int net_listen(struct io *base, const struct io_address *address, int backlog,
               struct io_address *ret_bound) {
    struct sim_io *io = seam_of(base);
    (void)backlog; /* endless here */
    *ret_bound = *address;
    if (address->port == 0) ret_bound->port = (uint16_t)io->world->next_port++;
    if (!seam_begin(io)) return NODE_FDS; /* of a process that is no more: any number will do */
    int fd = fd_new(io->node);
    if (fd < 0) return fd;
    struct listening *listener = MEM_NEW(&io->world->mem, struct listening);
    listener->io = io;
    listener->fd = fd;
    listener->address = *ret_bound;
    listener->task.run = accept_some;
    list_init(&listener->pending);
    list_push_back(&io->world->listeners, &listener->link);
    io->node->fds[fd] = (struct descriptor){.listener = listener};
    return fd;
}

void net_accept_start(struct io *base, struct io_acceptor *acceptor, int fd) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    struct descriptor *at = fd_find(io, fd);
    ASSERT(at != NULL && at->listener != NULL && at->listener->acceptor == NULL);
    acceptor->fd = fd;
    acceptor->stopped = false;
    at->listener->acceptor = acceptor;
    if (!list_is_empty(&at->listener->pending) && !list_is_linked(&at->listener->task.link)) {
        seam_ready(io, &at->listener->task);
    }
}

void net_accept_stop(struct io *base, struct io_acceptor *acceptor) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    acceptor->stopped = true;
    struct descriptor *at = fd_find(io, acceptor->fd);
    if (at != NULL && at->listener != NULL) at->listener->acceptor = NULL;
}

void listener_give_up(struct listening *listener) {
    struct mem *mem = &listener->io->world->mem;
    LIST_EACH(&listener->pending, node) {
        list_remove(node);
        struct socket *socket = CONTAINER_OF(node, struct socket, pending_link);
        socket_reset(socket);
        socket_give_up(socket, false);
    }
    list_remove(&listener->link);
    list_remove(&listener->task.link);
    MEM_FREE(mem, listener);
}

static int64_t close_execute(struct sim_op *op) {
    struct node *node = op->io->node;
    listener_give_up(node->fds[op->fd].listener);
    fd_free(node, op->fd);
    return 0;
}

bool net_close_listener(struct sim_op *close, struct descriptor *at) {
    at->listener->acceptor = NULL;
    close->execute = close_execute;
    return op_start(close, world_delay(close->io->world, 100));
}

/* --- connect --- */

static struct listening *listener_find(struct sim_op *op, const struct node *target) {
    struct world *world = op->io->world;
    struct listening *chosen = NULL;
    uint64_t count = 0;
    LIST_EACH(&world->listeners, node) {
        struct listening *listener = CONTAINER_OF(node, struct listening, link);
        if (listener->io->node != target || listener->address.port != op->address.port) continue;
        if (!is_any(&listener->address) &&
            memcmp(listener->address.bytes, op->address.bytes, sizeof op->address.bytes) != 0)
            continue;
        if (prng_below(&world->prng, ++count) == 0)
            chosen = listener; /* each with the same chance */
    }
    return chosen;
}

static struct node *target_of(struct sim_op *op) {
    return is_loopback(&op->address) ? op->io->node : node_by_address(op->io->world, &op->address);
}

static int64_t connect_execute(struct sim_op *op) {
    struct sim_io *io = op->io;
    struct world *world = io->world;
    struct node *target = target_of(op);
    if (target == NULL) return -EHOSTUNREACH;
    if (target->is_dark || world->blocked[io->node->id][target->id]) return -ETIMEDOUT;
    if (world_fault(world, FAULT_NET_REFUSED, world->faults.net.refused)) return -ECONNREFUSED;
    struct listening *listener = listener_find(op, target);
    if (listener == NULL) return -ECONNREFUSED;
    int fd = fd_new(io->node);
    if (fd < 0) return fd;
    struct socket *socket = socket_pair(world, io->node->id, target->id);
    socket->fd = fd;
    socket->io = io;
    io->node->fds[fd] = (struct descriptor){.socket = socket};
    list_push_back(&listener->pending, &socket->peer->pending_link);
    if (!list_is_linked(&listener->task.link)) seam_ready(listener->io, &listener->task);
    return fd;
}

bool net_connect(struct io *base, struct io_op *op, const struct io_address *address) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_CONNECT, -1);
    new->address = *address;
    new->execute = connect_execute;
    struct node *target = target_of(new);
    bool hangs =
        target != NULL && (target->is_dark || io->world->blocked[io->node->id][target->id]);
    return op_start(new, hangs ? CONNECT_TIMEOUT_US
                               : 2 * world_delay(io->world, io->world->faults.net.latency_us));
}
