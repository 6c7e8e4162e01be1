/* tests/sim/net.c - sockets: pipes, chunks, ends and resets; listeners are in net_listen.c. */
#include "tests/sim/net.h"
#include <errno.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk.h"
#include "tests/sim/net_socket.h"

static const struct net_faults *faults_of(const struct world *world) { return &world->faults.net; }

enum {
    RETRY_US = 200000, /* TCP sends again */
    RECEIVE_BYTES = 16384,
};

/* --- connections --- */

static void arrival(struct event *event);
static void readable(struct task *task);
static void room(struct event *event);
static void close_go_on(struct sim_op *close);

static void pipe_init(struct pipe *pipe, struct world *world, uint16_t node) {
    const struct net_faults *faults = faults_of(world);
    pipe->capacity = faults->pipe_bytes;
    pipe->octets = mem_need(&world->mem, pipe->capacity);
    pipe->dribbles = world_fault(world, FAULT_NET_DRIBBLE, faults->dribble);
    event_init(&pipe->arrival, world, EVENT_ARRIVAL, node, arrival);
}

static struct socket *socket_new(struct world *world, uint16_t node) {
    struct socket *socket = MEM_NEW(&world->mem, struct socket);
    socket->world = world;
    socket->node = node;
    socket->fd = -1;
    socket->readable.run = readable;
    event_init(&socket->room, world, EVENT_ROOM, node, room);
    pipe_init(&socket->in, world, node);
    return socket;
}

struct socket *socket_pair(struct world *world, uint16_t node, uint16_t peer_node) {
    struct socket *socket = socket_new(world, node), *peer = socket_new(world, peer_node);
    socket->peer = peer;
    peer->peer = socket;
    return socket;
}

/* Frees the pair once neither side is held by a process. */
void socket_release(struct socket *socket) {
    struct socket *peer = socket->peer;
    socket->io = NULL;
    socket->fd = -1;
    socket->is_closed = true;
    list_remove(&socket->readable.link);
    event_clear(&socket->room);
    if (!peer->is_closed) return;
    struct socket *both[] = {socket, peer};
    for (size_t i = 0; i < COUNT(both); i++) {
        event_clear(&both[i]->in.arrival);
        event_clear(&both[i]->room);
        mem_free(&socket->world->mem, both[i]->in.octets, both[i]->in.capacity);
    }
    MEM_FREE(&socket->world->mem, peer);
    MEM_FREE(&socket->world->mem, socket);
}

/* --- what is on its way --- */

static uint64_t pipe_room(const struct pipe *pipe) {
    return pipe->capacity - (pipe->sent - pipe->received);
}
static uint64_t pipe_waiting(const struct pipe *pipe) { return pipe->arrived - pipe->received; }

/* Something is to arrive at `socket`, unless that is planned already. */
static void arrival_plan(struct socket *socket, uint64_t most_us) {
    struct world *world = socket->world;
    struct pipe *pipe = &socket->in;
    if (event_is_set(&pipe->arrival) || pipe->is_silent || pipe->is_reset) return;
    uint64_t delay_us = world_delay(world, most_us);
    const struct net_faults *faults = faults_of(world);
    if (world_fault(world, FAULT_NET_SLOW, faults->slow))
        delay_us += world_delay(world, faults->slow_us);
    event_set(&pipe->arrival, delay_us);
}

static void wake_reader(struct socket *socket) {
    if (socket->io == NULL || socket->receiver == NULL || list_is_linked(&socket->readable.link))
        return;
    seam_ready(socket->io, &socket->readable);
}

static void wake_sender(struct socket *socket) {
    if (socket->sending == NULL || event_is_set(&socket->room)) return;
    event_set(&socket->room, world_delay(socket->world, faults_of(socket->world)->chunk_us));
}

static void send_finish(struct socket *socket, int64_t result) {
    struct sim_op *op = socket->sending;
    socket->sending = NULL;
    event_clear(&socket->room);
    op_finish(op, result);
}

/* This side learns of a reset: its receiver ends, its send fails, nothing more arrives. */
static void reset_seen(struct socket *socket) {
    if (socket->in.is_reset) return;
    socket->in.is_reset = true;
    event_clear(&socket->in.arrival);
    socket->in.received = socket->in.arrived = socket->in.sent; /* gone */
    if (socket->sending != NULL) send_finish(socket, -ECONNRESET);
    wake_reader(socket);
}

void socket_reset(struct socket *socket) {
    reset_seen(socket);
    reset_seen(socket->peer);
}

static void silence(struct socket *socket) {
    struct socket *both[] = {socket, socket->peer};
    for (size_t i = 0; i < COUNT(both); i++) {
        both[i]->in.is_silent = true;
        event_clear(&both[i]->in.arrival);
    }
}

static uint64_t chunk_bytes(struct socket *socket) {
    struct world *world = socket->world;
    uint64_t most = socket->in.dribbles ? 8 : faults_of(world)->chunk_bytes;
    return prng_chance(&world->prng, 1, 4) ? world_delay(world, most) : most;
}

static void arrival(struct event *event) {
    struct pipe *pipe = CONTAINER_OF(event, struct pipe, arrival);
    struct socket *socket = CONTAINER_OF(pipe, struct socket, in);
    struct world *world = socket->world;
    if (world->blocked[socket->peer->node][socket->node]) {
        event_set(&pipe->arrival, RETRY_US);
        return;
    }
    const struct net_faults *faults = faults_of(world);
    if (socket->is_closed) { /* what arrives is answered by a reset, once the node runs */
        if (socket->is_lost && world->nodes[socket->node]->is_dark) {
            event_set(&pipe->arrival, RETRY_US);
        } else if (pipe->arrived < pipe->sent) {
            reset_seen(socket->peer);
        }
        return;
    }
    if (world_fault(world, FAULT_NET_CUT, faults->cut)) {
        socket_reset(socket);
        return;
    }
    if (world_fault(world, FAULT_NET_SILENCE, faults->silence)) {
        silence(socket);
        return;
    }
    uint64_t most = chunk_bytes(socket);
    uint64_t n = MIN(pipe->sent - pipe->arrived, most);
    pipe->arrived += n;
    world_mix(world, n);
    if (pipe->arrived < pipe->sent) {
        arrival_plan(socket, faults->chunk_us);
    } else if (pipe->is_ended) {
        pipe->has_end = true;
    }
    wake_reader(socket);
}

/* --- receiving --- */

static void receive_done(struct socket *socket, size_t len) {
    socket->in.received += len;
    wake_sender(socket->peer);
}

/* A run of waiting octets, in one piece. */
static size_t waiting_run(const struct socket *socket, const uint8_t **ret_data) {
    const struct pipe *pipe = &socket->in;
    size_t at = (size_t)(pipe->received % pipe->capacity);
    *ret_data = pipe->octets + at;
    return (size_t)MIN(pipe_waiting(pipe), pipe->capacity - at);
}

static void receive_direct(struct socket *socket, struct io_receiver *receiver) {
    while (receiver->direct_len > 0) {
        const uint8_t *data;
        size_t run = waiting_run(socket, &data), n = MIN(run, receiver->direct_len);
        if (n == 0) return;
        memcpy(receiver->direct, data, n);
        receiver->direct += n;
        receiver->direct_len -= n;
        receive_done(socket, n);
    }
    receiver->direct = NULL;
    receiver->on_direct(receiver);
}

/* A copy, so that who keeps the pointer after the call reads rubbish, not the octets. */
static void receive_data(struct socket *socket, struct io_receiver *receiver) {
    uint8_t borrowed[RECEIVE_BYTES];
    const uint8_t *data;
    size_t run = waiting_run(socket, &data), n = MIN(run, sizeof borrowed);
    if (n == 0) return;
    memcpy(borrowed, data, n);
    receive_done(socket, n);
    receiver->on_data(receiver, borrowed, n);
    memset(borrowed, 0x5a, n);
}

static void receive_end(struct socket *socket, int64_t result) {
    struct io_receiver *receiver = socket->receiver;
    socket->receiver = NULL;
    socket->is_detaching = false;
    list_remove(&socket->readable.link); /* who goes on receiving may be another shard */
    receiver->direct = NULL;
    receiver->direct_len = 0;
    world_mix(socket->world, (uint64_t)result);
    struct sim_op *closing = socket->closing;
    receiver->on_end(receiver, result);
    if (closing != NULL) close_go_on(closing);
}

static void readable(struct task *task) {
    struct socket *socket = CONTAINER_OF(task, struct socket, readable);
    struct pipe *pipe = &socket->in;
    struct world *world = socket->world;
    struct io_receiver *receiver = socket->receiver;
    if (receiver == NULL) return;
    if (socket->is_stopping) {
        if (socket->is_detaching && prng_chance(&world->prng, 1, 2)) receive_data(socket, receiver);
        receive_end(socket,
                    pipe->is_reset && prng_chance(&world->prng, 1, 2) ? -ECONNRESET : -ECANCELED);
        return;
    }
    /* While paused, what had arrived by then may still come: here, one buffer of it. */
    bool late = receiver->paused && socket->late_allowed && prng_chance(&world->prng, 1, 2);
    socket->late_allowed = false;
    uint32_t buffers = receiver->paused && !late ? 0 : late ? 1 : 8;
    while (buffers-- > 0 && pipe_waiting(pipe) > 0) {
        if (receiver->direct != NULL) {
            receive_direct(socket, receiver);
        } else {
            receive_data(socket, receiver);
        }
        if (socket->receiver != receiver || socket->is_stopping)
            break; /* stopped or closed by the callee */
        if (receiver->paused && !late) break;
    }
    if (socket->receiver == NULL) return;
    if (socket->is_stopping) {
        wake_reader(socket);
        return;
    }
    if (pipe->is_reset) {
        receive_end(socket, -ECONNRESET);
    } else if (pipe_waiting(pipe) > 0) {
        if (!receiver->paused) wake_reader(socket);
    } else if (pipe->has_end && !receiver->paused) {
        receive_end(socket, 0);
    }
}

static struct socket *socket_at(struct sim_io *io, int fd) {
    struct descriptor *at = fd_find(io, fd);
    return at != NULL ? at->socket : NULL;
}

void net_recv_start(struct io *base, struct io_receiver *receiver, int fd) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    struct socket *socket = socket_at(io, fd);
    ASSERT(socket != NULL && socket->receiver == NULL);
    if (socket->io != NULL && socket->io != io) world_count(io->world, FAULT_NET_OTHER_SHARD);
    socket->io = io;
    socket->receiver = receiver;
    socket->is_stopping = false;
    receiver->fd = fd;
    receiver->direct = NULL;
    receiver->direct_len = 0;
    receiver->paused = false;
    receiver->op.impl[0] = (uint64_t)(uintptr_t)socket;
    wake_reader(socket);
}

static struct socket *socket_of(struct io_receiver *receiver) {
    struct socket *socket = (struct socket *)(uintptr_t)receiver->op.impl[0];
    return socket != NULL && socket->receiver == receiver ? socket : NULL;
}

void net_recv_direct(struct io *base, struct io_receiver *receiver, uint8_t *buf, size_t len) {
    ASSERT(seam_of(base)->world->running == seam_of(base));
    ASSERT(receiver->direct == NULL && len > 0);
    receiver->direct = buf;
    receiver->direct_len = len;
}

size_t net_recv_waiting(struct io *base, const struct io_receiver *receiver) {
    ASSERT(seam_of(base)->world->running == seam_of(base));
    const struct socket *socket = (const struct socket *)(uintptr_t)receiver->op.impl[0];
    return socket->receiver == receiver ? (size_t)pipe_waiting(&socket->in) : 0;
}

void net_recv_pause(struct io *base, struct io_receiver *receiver) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    struct socket *socket = socket_of(receiver);
    receiver->paused = true;
    if (socket == NULL || pipe_waiting(&socket->in) == 0) return;
    socket->late_allowed = true;
    wake_reader(socket);
}

void net_recv_resume(struct io *base, struct io_receiver *receiver) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    receiver->paused = false;
    struct socket *socket = socket_of(receiver);
    if (socket != NULL) wake_reader(socket);
}

void net_recv_stop(struct io *base, struct io_receiver *receiver) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    struct socket *socket = socket_of(receiver);
    if (socket == NULL) return;
    socket->is_stopping = true;
    socket->is_detaching = false;
    wake_reader(socket);
}

void net_recv_detach(struct io *base, struct io_receiver *receiver) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    struct socket *socket = socket_of(receiver);
    if (socket == NULL || socket->is_stopping) return;
    ASSERT(receiver->direct == NULL);
    socket->is_stopping = socket->is_detaching = true;
    wake_reader(socket);
}

/* --- sending --- */

static void pipe_put(struct pipe *pipe, const uint8_t *data, size_t len) {
    size_t at = (size_t)(pipe->sent % pipe->capacity);
    size_t first = MIN(len, (size_t)pipe->capacity - at);
    memcpy(pipe->octets + at, data, first);
    memcpy(pipe->octets, data + first, len - first);
    pipe->sent += len;
}

/* Puts octets of the iovecs from done_len on into the pipe, at most `most`. */
static void send_iov(struct sim_op *op, struct pipe *pipe, uint64_t most) {
    uint64_t skip = op->done_len;
    for (int i = 0; i < op->iov_count && most > 0; i++) {
        size_t len = op->iov[i].iov_len;
        if (skip >= len) {
            skip -= len;
            continue;
        }
        const uint8_t *data = (const uint8_t *)op->iov[i].iov_base + skip;
        size_t n = (size_t)MIN((uint64_t)len - skip, most);
        pipe_put(pipe, data, n);
        world_mix_bytes(op->io->world, data, n);
        op->done_len += n;
        most -= n;
        skip = 0;
    }
}

/* The same from a file; a negative errno or 0. */
static int64_t send_some_file(struct sim_op *op, struct pipe *pipe, uint64_t most) {
    uint8_t piece[DISK_PAGE_BYTES];
    struct world *world = op->io->world;
    while (most > 0) {
        size_t n = (size_t)MIN(most, sizeof piece);
        if (world_fault(world, FAULT_DISK_READ_ERROR, world->faults.disk.read_error)) return -EIO;
        int64_t got = disk_read(op->io->node->disk, op->file, piece, n, op->offset + op->done_len);
        if (got < 0) return got;
        if (got == 0) return -EIO; /* the file is shorter */
        pipe_put(pipe, piece, (size_t)got);
        world_mix_bytes(world, piece, (size_t)got);
        op->done_len += (uint64_t)got;
        most -= (uint64_t)got;
    }
    return 0;
}

/* Puts what finds room into the pipe. True when the send is over, with *ret_result. */
static bool send_go_on(struct socket *socket, struct sim_op *op, int64_t *ret_result) {
    struct socket *peer = socket->peer;
    if (socket->in.is_reset) {
        *ret_result = -ECONNRESET;
        return true;
    }
    uint64_t left = op->len - op->done_len, most = MIN(left, pipe_room(&peer->in));
    int64_t error = 0;
    if (op->kind == OP_SEND_FILE) {
        error = send_some_file(op, &peer->in, most);
    } else {
        send_iov(op, &peer->in, most);
    }
    if (most > 0) arrival_plan(peer, faults_of(socket->world)->latency_us);
    if (error != 0) {
        *ret_result = error;
        return true;
    }
    if (op->done_len < op->len) return false;
    *ret_result = (int64_t)op->len;
    return true;
}

static void room(struct event *event) {
    struct socket *socket = CONTAINER_OF(event, struct socket, room);
    int64_t result = 0;
    if (socket->sending == NULL) return;
    if (send_go_on(socket, socket->sending, &result)) {
        send_finish(socket, result);
    } else if (pipe_room(&socket->peer->in) > 0) {
        wake_sender(socket);
    } else {
        world_count(socket->world, FAULT_NET_FULL_PIPE);
    }
}

static int64_t send_execute(struct sim_op *op) {
    struct socket *socket = op->io->node->fds[op->fd].socket;
    int64_t result = 0;
    socket->sending = NULL;
    bool over = send_go_on(socket, op, &result);
    ASSERT(over); /* it was asked for only when there is room */
    return result;
}

static void send_abandon(struct sim_op *op) {
    struct socket *socket = op->io->node->fds[op->fd].socket;
    if (socket != NULL) socket->sending = NULL;
}

static int64_t bad_descriptor(struct sim_op *op) {
    (void)op; /* whatever it was */
    return -EBADF;
}

static bool send_start(struct sim_op *op) {
    struct sim_io *io = op->io;
    struct socket *socket = socket_at(io, op->fd);
    if (socket == NULL) {
        op->execute = bad_descriptor;
        return op_start(op, 1);
    }
    ASSERT(socket->sending == NULL); /* one at a time */
    socket->io = io;
    socket->sending = op;
    op->execute = send_execute;
    op->abandon = send_abandon;
    bool fits = socket->in.is_reset || op->len <= pipe_room(&socket->peer->in);
    if (fits && op_inline(op)) return true;
    wake_sender(socket);
    return false;
}

bool net_send(struct io *base, struct io_op *op, int fd, const struct iovec *iov, int iov_count) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_SEND, fd);
    new->iov = iov;
    new->iov_count = iov_count;
    for (int i = 0; i < iov_count; i++) new->len += iov[i].iov_len;
    return send_start(new);
}

bool net_send_file(struct io *base, struct io_op *op, int fd, int file, uint64_t offset,
                   uint64_t len) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_SEND_FILE, fd);
    struct descriptor *at = fd_find(io, file);
    if (at == NULL || at->file == NULL) {
        new->execute = bad_descriptor;
        return op_start(new, 1);
    }
    new->file = at->file;
    new->file_fd = file;
    new->file->busy_count++;
    new->offset = offset;
    new->len = len;
    return send_start(new);
}

/* --- closing --- */

void socket_give_up(struct socket *socket, bool is_lost) {
    struct socket *peer = socket->peer;
    socket->is_lost = is_lost;
    if (is_lost) {
        peer->in.sent = peer->in.arrived; /* what had not arrived is lost, and no end follows */
        event_clear(&peer->in.arrival);
    } else if (pipe_waiting(&socket->in) > 0) {
        reset_seen(peer);
    } else {
        peer->in.is_ended = true;
        if (!peer->is_closed) arrival_plan(peer, faults_of(socket->world)->latency_us);
    }
    if (socket->sending != NULL) {
        socket->sending->abandon = NULL;
        socket->sending = NULL;
    }
    socket->receiver = NULL;
    socket_release(socket);
}

static int64_t close_execute(struct sim_op *op) {
    struct node *node = op->io->node;
    socket_give_up(node->fds[op->fd].socket, false);
    fd_free(node, op->fd);
    return 0;
}

static void close_go_on(struct sim_op *close) {
    event_set(&close->event, world_delay(close->io->world, faults_of(close->io->world)->chunk_us));
}

bool net_close_socket(struct sim_op *close, struct descriptor *at) {
    struct socket *socket = at->socket;
    close->execute = close_execute;
    bool was_idle = socket->sending == NULL && socket->receiver == NULL;
    if (socket->sending != NULL) send_finish(socket, -ECANCELED);
    if (was_idle)
        return op_start(close, world_delay(socket->world, faults_of(socket->world)->chunk_us));
    if (socket->receiver == NULL) {
        close_go_on(close);
        return false;
    }
    socket->closing = close;
    socket->is_stopping = true;
    socket->is_detaching = false;
    wake_reader(socket);
    return false;
}

void net_node_gone(struct node *node, bool silent) {
    for (int fd = 0; fd < node->fd_limit; fd++) {
        if (node->fds[fd].socket != NULL) socket_give_up(node->fds[fd].socket, silent);
        if (node->fds[fd].listener != NULL) listener_give_up(node->fds[fd].listener);
        node->fds[fd].socket = NULL;
        node->fds[fd].listener = NULL;
    }
    node->is_dark = silent;
}

void net_block(struct world *world, uint16_t from, uint16_t to, bool blocked) {
    world->blocked[from][to] = blocked;
}
