/* tests/unit/reactor/echo.c - a server that sends back what it receives, for the tests and
 * benchmarks of the ring. */
#include "tests/unit/reactor/echo.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES_MAX 4 /* waiting to be sent back; beyond, receiving pauses */
#define FRAME_BYTES_MAX (16 << 20)

struct frame {
    struct list link;
    uint8_t *data; /* with its length before it */
    size_t len;
};

struct connection {
    struct echo *echo;
    struct io_receiver receiver;
    struct io_op send_op, close_op;
    int fd;
    uint8_t header[4];
    size_t header_len;
    struct frame *incoming; /* NULL: its length has not come yet */
    size_t incoming_len;
    struct list frames; /* to be sent back */
    size_t frame_count;
    struct iovec iov[2];
    bool sending, ended, detaching;
};

static void close_when_done(struct connection *c);

static struct frame *frame_new(size_t len) {
    struct frame *frame = calloc(1, sizeof *frame);
    frame->data = malloc(len);
    frame->len = len;
    return frame;
}

static void frame_free(struct frame *frame) {
    if (frame == NULL) return;
    free(frame->data);
    free(frame);
}

static void close_done(struct io_op *op) {
    struct connection *c = CONTAINER_OF(op, struct connection, close_op);
    struct echo *echo = c->echo;
    for (struct list *node; (node = list_pop_front(&c->frames)) != NULL;) {
        frame_free(CONTAINER_OF(node, struct frame, link));
    }
    frame_free(c->incoming);
    free(c);
    if (--echo->live_count == 0 && echo->on_quiet != NULL) echo->on_quiet(echo);
}

static void send_next(struct connection *c);

static void sent(struct connection *c) {
    c->sending = false;
    if (c->send_op.result < 0) {
        if (!c->ended) io_recv_stop(c->echo->io, &c->receiver);
    } else {
        struct frame *frame = CONTAINER_OF(list_pop_front(&c->frames), struct frame, link);
        cr_expect_eq(c->send_op.result, (int64_t)frame->len);
        frame_free(frame);
        c->frame_count--;
        if (c->frame_count < FRAMES_MAX && !c->ended) io_recv_resume(c->echo->io, &c->receiver);
    }
}

static void send_done(struct io_op *op) {
    struct connection *c = CONTAINER_OF(op, struct connection, send_op);
    sent(c);
    send_next(c);
    close_when_done(c);
}

static void send_next(struct connection *c) {
    while (!c->sending && c->frame_count > 0 && c->send_op.result >= 0) {
        struct frame *frame = CONTAINER_OF(c->frames.next, struct frame, link);
        size_t first = frame->len / 2; /* two runs, so that lists are sent too */
        c->iov[0] = (struct iovec){frame->data, first};
        c->iov[1] = (struct iovec){frame->data + first, frame->len - first};
        c->sending = true;
        if (!io_send(c->echo->io, &c->send_op, c->fd, c->iov, 2)) return;
        sent(c);
    }
}

static void frame_complete(struct connection *c) {
    list_push_back(&c->frames, &c->incoming->link);
    c->frame_count++;
    c->incoming = NULL;
    c->header_len = c->incoming_len = 0;
    if (c->frame_count >= FRAMES_MAX) {
        c->echo->pause_count++;
        io_recv_pause(c->echo->io, &c->receiver);
    }
    send_next(c);
}

static void want_more(struct connection *c) {
    if (c->header_len < 4 || c->detaching) return;
    size_t rest = c->incoming->len - c->incoming_len;
    if (rest == 0) return;
    struct echo *echo = c->echo;
    if (rest > echo->direct_over || (echo->by_data_too && prng_chance(&echo->prng, 1, 2))) {
        size_t part = echo->by_data_too ? 1 + prng_below(&echo->prng, rest) : rest;
        uint8_t *at = c->incoming->data + c->incoming_len;
        c->incoming_len += part; /* true when on_direct comes */
        echo->direct_count++;
        io_recv_direct(echo->io, &c->receiver, at, part);
    }
}

static void take(struct connection *c, const uint8_t *data, size_t len) {
    while (len > 0) {
        size_t part;
        if (c->header_len < 4) {
            part = MIN(len, 4 - c->header_len);
            memcpy(c->header + c->header_len, data, part);
            c->header_len += part;
            if (c->header_len == 4) {
                size_t size = get_u32(c->header);
                cr_assert_leq(size, FRAME_BYTES_MAX);
                c->incoming = frame_new(size + 4);
                memcpy(c->incoming->data, c->header, 4);
                c->incoming_len = 4;
            }
        } else {
            part = MIN(len, c->incoming->len - c->incoming_len);
            memcpy(c->incoming->data + c->incoming_len, data, part);
            c->incoming_len += part;
        }
        data += part;
        len -= part;
        if (c->header_len == 4 && c->incoming_len == c->incoming->len) frame_complete(c);
    }
}

static void maybe_detach(struct connection *c) {
    if (c->receiver.direct != NULL || !prng_chance(&c->echo->prng, 1, 3)) return;
    c->detaching = true;
    io_recv_detach(c->echo->io, &c->receiver);
}

static void on_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    cr_expect_gt(len, 0);
    c->echo->data_count++;
    take(c, data, len);
    want_more(c);
    if (c->echo->detaches) maybe_detach(c);
}

static void on_direct(struct io_receiver *receiver) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    if (c->incoming_len == c->incoming->len) frame_complete(c);
    want_more(c);
}

static void on_end(struct io_receiver *receiver, int64_t result) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    cr_expect(!c->ended, "on_end comes once");
    if (c->detaching && result == -ECANCELED) {
        c->detaching = false;
        c->echo->detach_count++;
        io_recv_start(c->echo->io, receiver, c->fd);
        if (c->frame_count >= FRAMES_MAX) io_recv_pause(c->echo->io, receiver);
        return;
    }
    c->ended = true;
    c->echo->last_end = result;
    close_when_done(c);
}

static void close_when_done(struct connection *c) {
    if (!c->ended || c->sending || c->close_op.done != NULL) return;
    c->close_op.done = close_done;
    if (io_close(c->echo->io, &c->close_op, c->fd)) close_done(&c->close_op);
}

static void on_accept(struct io_acceptor *acceptor, int fd, const struct io_address *peer) {
    struct echo *echo = CONTAINER_OF(acceptor, struct echo, acceptor);
    if (fd < 0) return;
    cr_expect_eq(peer->family, 4);
    struct connection *c = calloc(1, sizeof *c);
    list_init(&c->frames);
    c->echo = echo;
    c->fd = fd;
    c->send_op.done = send_done;
    c->receiver =
        (struct io_receiver){.on_data = on_data, .on_direct = on_direct, .on_end = on_end};
    echo->live_count++;
    io_recv_start(echo->io, &c->receiver, fd);
}

void echo_start(struct echo *echo, struct io *io) {
    echo->io = io;
    struct io_address any, bound;
    cr_assert(io_address_parse("127.0.0.1", 0, &any));
    echo->listener = io_listen(io, &any, 128, &bound);
    cr_assert_geq(echo->listener, 0);
    echo->port = bound.port;
    echo->acceptor.on_accept = on_accept;
    io_accept_start(io, &echo->acceptor, echo->listener);
}

void echo_stop(struct echo *echo, struct io_op *op) {
    io_accept_stop(echo->io, &echo->acceptor);
    if (io_close(echo->io, op, echo->listener)) op->done(op);
}

int client_connect(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct timeval limit = {.tv_sec = HARNESS_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

void client_send(int fd, const void *data, size_t len) {
    for (const uint8_t *at = data; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        cr_assert_gt(n, 0, "send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
}

bool client_recv(int fd, void *data, size_t len) {
    for (uint8_t *at = data; len > 0;) {
        ssize_t n = recv(fd, at, len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}
