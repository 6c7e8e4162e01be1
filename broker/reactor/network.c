/* broker/reactor/network.c - listening, accepting, connecting, sending. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

#define ACCEPT_PAUSE_US 100000 /* after an accept that failed for want of descriptors or memory */

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static socklen_t address_to_kernel(const struct io_address *from, union address *to) {
    if (from->family == 6) {
        to->six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(from->port)};
        memcpy(&to->six.sin6_addr, from->bytes, 16);
        return sizeof to->six;
    }
    to->four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(from->port)};
    memcpy(&to->four.sin_addr, from->bytes, 4);
    return sizeof to->four;
}

/* An IPv4 peer of a listener on [::] is shown as what it is. */
static struct io_address address_from_kernel(const union address *from) {
    struct io_address to = {0};
    if (from->any.sa_family == AF_INET6) {
        to.family = 6;
        to.port = ntohs(from->six.sin6_port);
        memcpy(to.bytes, &from->six.sin6_addr, 16);
        if (IN6_IS_ADDR_V4MAPPED(&from->six.sin6_addr)) {
            to.family = 4;
            memcpy(to.bytes, from->six.sin6_addr.s6_addr + 12, 4);
            memset(to.bytes + 4, 0, 12);
        }
    } else if (from->any.sa_family == AF_INET) {
        to.family = 4;
        to.port = ntohs(from->four.sin_port);
        memcpy(to.bytes, &from->four.sin_addr, 4);
    }
    return to;
}

/* Small answers leave at once, and a peer that has vanished is noticed; accepted sockets inherit
 * both. */
static void set_stream_options(int fd) {
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* works on every TCP socket */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* Before listening: accepted sockets inherit them, and the window is agreed on as a connection is
 * made. The kernel bounds what it grants (net.core.wmem_max, rmem_max). */
static void set_buffer_bytes(int fd, const struct reactor_options *options) {
    int send_bytes = options->send_buffer_bytes, receive_bytes = options->receive_buffer_bytes;
    if (send_bytes > 0) /* the kernel clamps a size, it does not refuse one */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    if (receive_bytes > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
}

/* --- listening --- */

static int bind_to(const struct io_address *address, bool shared) {
    union address name;
    socklen_t len = address_to_kernel(address, &name);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, &name.any, len) != 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

static bool is_claimed(const struct reactor_group *group, const struct io_address *address) {
    for (uint32_t i = 0; i < group->claim_count; i++) {
        const struct io_address *claim = &group->claims[i].address;
        if (claim->family == address->family && claim->port == address->port &&
            memcmp(claim->bytes, address->bytes, sizeof claim->bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* SO_REUSEPORT lets another process of the same user listen on our port, and take half of our
 * connections without a word. So the first of this group's listeners on an address looks whether it
 * is free for itself. */
static int bind_claimed(struct reactor_group *group, const struct io_address *address) {
    if (address->port != 0 && !is_claimed(group, address)) {
        int probe = bind_to(address, false);
        if (probe < 0) return probe;
        close(probe);
    }
    return bind_to(address, true);
}

int reactor_listen(struct io *io, const struct io_address *address, int backlog,
                   struct io_address *ret_bound) {
    struct reactor_group *group = reactor_of(io)->group;
    pthread_mutex_lock(&group->lock); /* at start only */
    int fd = bind_claimed(group, address);
    if (fd >= 0) {
        set_stream_options(fd);
        set_buffer_bytes(fd, &group->options);
        union address name = {0};
        socklen_t len = sizeof name;
        if (listen(fd, backlog) != 0 || getsockname(fd, &name.any, &len) != 0) {
            int result = -errno;
            close(fd);
            fd = result;
        } else {
            struct io_address bound = *address;
            bound.port = address_from_kernel(&name).port;
            if (!is_claimed(group, &bound) && group->claim_count < LISTENER_CLAIMS) {
                group->claims[group->claim_count++].address = bound;
            }
            if (ret_bound != NULL) *ret_bound = bound;
        }
    }
    pthread_mutex_unlock(&group->lock);
    return fd;
}

/* --- accepting --- */

struct accept_op {
    struct op_head head;
    struct reactor *owner;
    struct io_timer pause;
    bool pausing; /* the kernel has nothing to complete: a completion then is a kick's */
};
OP_STATE_FITS(struct accept_op);

static void accept_arm(struct reactor *r, struct io_op *op) {
    struct io_uring_sqe *sqe = reactor_op_sqe(r, op);
    io_uring_prep_multishot_accept(sqe, op_head(op)->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void accept_pause_over(struct io_timer *timer) {
    struct accept_op *s = CONTAINER_OF(timer, struct accept_op, pause);
    if ((s->head.flags & OP_PARKED) == 0) return; /* kicked: its completion is on the way */
    s->head.flags &= ~(uint32_t)OP_PARKED;
    s->pausing = false;
    accept_arm(s->owner, CONTAINER_OF((uint64_t(*)[12])(void *)s, struct io_op, impl));
}

static void accept_deliver(struct io_acceptor *acceptor, int fd) {
    union address name = {0};
    socklen_t len = sizeof name;
    if (getpeername(fd, &name.any, &len) != 0)
        name.any.sa_family = AF_UNSPEC; /* gone already: recv will tell */
    struct io_address peer = address_from_kernel(&name);
    acceptor->on_accept(acceptor, fd, &peer);
}

static void accept_on_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    struct io_acceptor *acceptor = CONTAINER_OF(op, struct io_acceptor, op);
    struct accept_op *s = (struct accept_op *)(void *)op->impl;
    bool more = (cqe_flags & IORING_CQE_F_MORE) != 0;
    if (s->pausing) {
        io_timer_clear(&r->io, &s->pause);
    } else if (result >= 0 && op_is_cancelled(op)) {
        close(result);
    } else if (result >= 0) {
        accept_deliver(acceptor, result);
    }
    if (more) return;
    if (op_is_cancelled(op)) {
        int fd = s->head.fd;
        op_detach(r, op);
        descriptor_check(r, fd);
        return;
    }
    if (result >= 0 || result == -EINTR || result == -EAGAIN || result == -ECONNABORTED) {
        accept_arm(r, op);
        return;
    }
    s->pausing = true;
    s->head.flags |= OP_PARKED; /* before the callback, which may stop or close */
    io_timer_set(&r->io, &s->pause, reactor_clock_us() + ACCEPT_PAUSE_US);
    acceptor->on_accept(acceptor, result, NULL);
}

void reactor_accept_start(struct io *io, struct io_acceptor *acceptor, int fd) {
    struct reactor *r = reactor_of(io);
    acceptor->fd = fd;
    acceptor->stopped = false;
    op_begin(r, &acceptor->op, fd, accept_on_cqe);
    struct accept_op *s = (struct accept_op *)(void *)acceptor->op.impl;
    s->owner = r;
    s->pausing = false;
    s->pause = (struct io_timer){.fire = accept_pause_over};
    accept_arm(r, &acceptor->op);
}

void reactor_accept_stop(struct io *io, struct io_acceptor *acceptor) {
    if (acceptor->stopped) return;
    acceptor->stopped = true;
    reactor_cancel(io, &acceptor->op);
}

/* --- connecting --- */

struct connect_op {
    struct op_head head;
    int32_t fd; /* not in head: it is nobody's descriptor yet */
    socklen_t name_bytes;
    union address name;
};
OP_STATE_FITS(struct connect_op);

static void connect_on_cqe(struct reactor *r, struct io_op *op, int32_t result,
                           uint32_t cqe_flags) {
    (void)cqe_flags;
    int fd = ((struct connect_op *)(void *)op->impl)->fd;
    if (result < 0) close(fd);
    op_end(r, op, result < 0 ? result : fd);
}

bool reactor_connect(struct io *io, struct io_op *op, const struct io_address *address) {
    struct reactor *r = reactor_of(io);
    union address name;
    socklen_t name_bytes = address_to_kernel(address, &name);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return op_finished(op, -errno);
    set_stream_options(fd);
    op_begin(r, op, -1, connect_on_cqe);
    struct connect_op *s = (struct connect_op *)(void *)op->impl;
    s->fd = fd;
    s->name = name;
    s->name_bytes = name_bytes;
    io_uring_prep_connect(reactor_op_sqe(r, op), fd, &s->name.any, name_bytes);
    return false;
}

/* --- sending --- */

/* The ring goes on by itself after a short send. */
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_WAITALL)

struct send_op {
    struct op_head head;
    struct gather gather;
    struct msghdr message; /* read by the kernel when it is submitted */
};                         /* what is sent so far: op->result */
OP_STATE_FITS(struct send_op);

static void send_arm(struct reactor *r, struct io_op *op) {
    struct send_op *s = (struct send_op *)(void *)op->impl;
    struct io_uring_sqe *sqe = reactor_op_sqe(r, op);
    struct iovec run;
    if (gather_single(&s->gather, &run)) {
        io_uring_prep_send(sqe, s->head.fd, run.iov_base, run.iov_len, SEND_FLAGS);
        return;
    }
    s->message =
        (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)(s->gather.iov + s->gather.index),
                        .msg_iovlen = (size_t)gather_list_count(&s->gather)};
    io_uring_prep_sendmsg(sqe, s->head.fd, &s->message, SEND_FLAGS);
}

static void send_on_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)cqe_flags;
    struct send_op *s = (struct send_op *)(void *)op->impl;
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
        op_end(r, op, result);
        return;
    }
    if (result > 0) {
        gather_advance(&s->gather, (size_t)result);
        op->result += result;
    }
    if (gather_is_done(&s->gather)) {
        op_end(r, op, op->result);
    } else if (op_is_cancelled(op)) {
        op_end(r, op, -ECANCELED);
    } else {
        send_arm(r, op);
    }
}

/* Sends what the socket takes at once; 0, or a negative errno that ends the send. */
static int64_t send_now(int fd, struct gather *g, int64_t *sent) {
    struct iovec one;
    bool single = gather_single(g, &one);
    struct msghdr message = {.msg_iov =
                                 single ? &one : (struct iovec *)(uintptr_t)(g->iov + g->index),
                             .msg_iovlen = single ? 1 : (size_t)gather_list_count(g)};
    ssize_t took = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    gather_advance(g, (size_t)took);
    *sent = took;
    return 0;
}

bool reactor_send(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iov_count) {
    struct reactor *r = reactor_of(io);
    struct gather gather;
    int64_t sent = 0;
    gather_init(&gather, iov, iov_count);
    if (gather_is_done(&gather)) return op_finished(op, 0);
    int64_t result = send_now(fd, &gather, &sent);
    if (result < 0) return op_finished(op, result);
    if (gather_is_done(&gather)) return op_finished(op, sent);
    op_begin(r, op, fd, send_on_cqe);
    struct send_op *s = (struct send_op *)(void *)op->impl;
    s->gather = gather;
    op->result = sent;
    send_arm(r, op);
    return false;
}
