/* broker/reactor/receive.c - receiving from streams.
 *
 * Three ways, of which at most one is armed for a receiver:
 *   multishot  one kernel operation that brings one provided buffer after another: small requests;
 *   once       one provided buffer: connections whose frames are large, between two frames;
 *   direct     straight into the caller's buffer (MSG_WAITALL: one completion for all of it).
 * The first direct read of a connection cancels its multishot. Whatever that brings before it ends
 * is put where it belongs, in order: into the direct buffer first, the rest to on_data. Nothing is
 * armed before the former has ended, so the stream has one reader at any time. After SMALL_READS
 * reads without a direct one in between the connection goes back to multishot. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "broker/reactor/internal.h"

#define SMALL_READS 8
#define BUFFER_GROUP 0

enum armed { ARMED_NOTHING, ARMED_MULTISHOT, ARMED_ONCE, ARMED_DIRECT };

struct recv_op {
    struct op_head head;
    uint8_t armed;       /* enum armed */
    uint8_t small_reads; /* since the last direct read */
    bool large_frames;   /* not multishot */
    bool cancelling;     /* the armed one is asked to end */
    bool in_callback;    /* what changes is settled when it returns */
    bool detaching;      /* nothing more is armed: it ends when what is armed has ended */
};
OP_STATE_FITS(struct recv_op);

static struct recv_op *recv_op(struct io_receiver *receiver) {
    return (struct recv_op *)(void *)receiver->op.impl;
}

/* --- provided buffers --- */

int receive_buffers_make(struct reactor *r) {
    const struct reactor_options *options = &r->group->options;
    r->buffer_ring_bytes = options->buffer_count * sizeof(struct io_uring_buf);
    size_t bytes = (size_t)options->buffer_count * options->buffer_bytes;
    void *ring = mmap(NULL, r->buffer_ring_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) return -errno;
    r->buffer_ring = ring;
    void *buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers == MAP_FAILED) return -errno;
    r->buffers = buffers;
    (void)mem_charge(&r->mem, bytes); /* fixed; counted, not refused */
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)ring, .ring_entries = options->buffer_count, .bgid = BUFFER_GROUP};
    int result = io_uring_register_buf_ring(&r->ring, &registration, 0);
    if (result < 0) return result;
    io_uring_buf_ring_init(r->buffer_ring);
    int mask = io_uring_buf_ring_mask(options->buffer_count);
    for (uint32_t i = 0; i < options->buffer_count; i++) {
        io_uring_buf_ring_add(r->buffer_ring, r->buffers + (size_t)i * options->buffer_bytes,
                              options->buffer_bytes, (unsigned short)i, mask, (int)i);
    }
    io_uring_buf_ring_advance(r->buffer_ring, (int)options->buffer_count);
    return 0;
}

void receive_buffers_release(struct reactor *r) {
    const struct reactor_options *options = &r->group->options;
    if (r->buffers != NULL)
        (void)munmap(r->buffers, (size_t)options->buffer_count * options->buffer_bytes);
    if (r->buffer_ring != NULL) (void)munmap(r->buffer_ring, r->buffer_ring_bytes);
}

static void give_back_buffer(struct reactor *r, uint16_t id) {
    const struct reactor_options *options = &r->group->options;
    io_uring_buf_ring_add(r->buffer_ring, r->buffers + (size_t)id * options->buffer_bytes,
                          options->buffer_bytes, id, io_uring_buf_ring_mask(options->buffer_count),
                          0);
    io_uring_buf_ring_advance(r->buffer_ring, 1);
}

/* --- arming and settling --- */

static void arm(struct reactor *r, struct io_receiver *receiver) {
    struct recv_op *s = recv_op(receiver);
    struct io_uring_sqe *sqe = reactor_op_sqe(r, &receiver->op);
    s->head.flags &= ~(uint32_t)OP_PARKED;
    if (receiver->direct != NULL) {
        s->armed = ARMED_DIRECT;
        size_t len = MIN(receiver->direct_len, (size_t)1 << 30);
        io_uring_prep_recv(sqe, s->head.fd, receiver->direct, len, MSG_WAITALL);
        return;
    }
    s->armed = s->large_frames ? ARMED_ONCE : ARMED_MULTISHOT;
    if (s->large_frames) {
        io_uring_prep_recv(sqe, s->head.fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv_multishot(sqe, s->head.fd, NULL, 0, 0);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
}

static void end(struct reactor *r, struct io_receiver *receiver, int64_t result) {
    int fd = recv_op(receiver)->head.fd;
    if (op_is_cancelled(&receiver->op)) result = -ECANCELED;
    op_detach(r, &receiver->op);
    receiver->on_end(receiver, result); /* may free it */
    descriptor_check(r, fd);
}

static bool armed_must_end(const struct io_receiver *receiver, const struct recv_op *s) {
    if (s->detaching || (s->head.flags & OP_CANCELLED) != 0) return true;
    if (s->armed == ARMED_DIRECT)
        return false; /* what a direct read waits for has a buffer: it is finished */
    return receiver->paused || receiver->direct != NULL;
}

/* Brings what is armed into line with what is wanted. may_end: on_end may be called here and now.
 */
static void settle(struct reactor *r, struct io_receiver *receiver, bool may_end) {
    struct recv_op *s = recv_op(receiver);
    if (s->in_callback) return;
    if (s->armed != ARMED_NOTHING) {
        if (!armed_must_end(receiver, s) || s->cancelling) return;
        s->cancelling = true;
        op_cancel_in_kernel(r, &receiver->op);
    } else if (s->detaching || op_is_cancelled(&receiver->op)) {
        if (may_end) end(r, receiver, -ECANCELED);
    } else if (receiver->paused) {
        s->head.flags |= OP_PARKED;
    } else {
        arm(r, receiver);
    }
}

/* --- what arrives --- */

static void direct_arrived(struct io_receiver *receiver, size_t len) {
    receiver->direct += len;
    receiver->direct_len -= len;
    if (receiver->direct_len > 0) return;
    receiver->direct = NULL;
    receiver->on_direct(receiver);
}

static void data_arrived(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct recv_op *s = recv_op(receiver);
    while (len > 0 && !op_is_cancelled(&receiver->op)) {
        size_t take = len;
        if (receiver->direct != NULL) {
            take = MIN(len, receiver->direct_len);
            memcpy(receiver->direct, data, take);
            direct_arrived(receiver, take);
        } else {
            receiver->on_data(receiver, data, len);
            if (receiver->direct == NULL && s->large_frames && ++s->small_reads >= SMALL_READS) {
                s->large_frames = false;
            }
        }
        data += take;
        len -= take;
    }
}

static bool ends_stream(int32_t result) {
    return result <= 0 && result != -ENOBUFS && result != -EINTR && result != -EAGAIN &&
           result != -ECANCELED;
}

static void recv_on_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    struct io_receiver *receiver = CONTAINER_OF(op, struct io_receiver, op);
    struct recv_op *s = recv_op(receiver);
    enum armed was = s->armed;
    if (was == ARMED_NOTHING) { /* kicked while it was parked */
        settle(r, receiver, true);
        return;
    }
    bool more = (cqe_flags & IORING_CQE_F_MORE) != 0;
    if (!more) {
        s->armed = ARMED_NOTHING;
        s->cancelling = false;
    }
    s->in_callback = true;
    if ((cqe_flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t id = (uint16_t)(cqe_flags >> IORING_CQE_BUFFER_SHIFT);
        const uint8_t *data = r->buffers + (size_t)id * r->group->options.buffer_bytes;
        if (result > 0) data_arrived(receiver, data, (size_t)result);
        give_back_buffer(r, id);
    } else if (result > 0 && !op_is_cancelled(op)) {
        direct_arrived(receiver, (size_t)result);
    }
    s->in_callback = false;
    if (result == -ENOBUFS)
        r->io.stats.buffers_missing++; /* the others are back by now: tried again below */
    if (!more && ends_stream(result)) {
        end(r, receiver, result);
        return;
    }
    settle(r, receiver, true);
}

/* --- the seam --- */

void reactor_recv_start(struct io *io, struct io_receiver *receiver, int fd) {
    struct reactor *r = reactor_of(io);
    receiver->fd = fd;
    receiver->direct = NULL;
    receiver->direct_len = 0;
    receiver->paused = false;
    op_begin(r, &receiver->op, fd, recv_on_cqe);
    struct recv_op *s = recv_op(receiver);
    *s = (struct recv_op){.head = s->head};
    arm(r, receiver);
}

void reactor_recv_direct(struct io *io, struct io_receiver *receiver, uint8_t *buf, size_t len) {
    (void)io;
    struct recv_op *s = recv_op(receiver);
    ASSERT(s->in_callback && receiver->direct == NULL && len > 0);
    receiver->direct = buf;
    receiver->direct_len = len;
    s->large_frames = true;
    s->small_reads = 0;
}

size_t reactor_recv_waiting(struct io *io, const struct io_receiver *receiver) {
    (void)io;
    int waiting = 0;
    return ioctl(receiver->fd, FIONREAD, &waiting) == 0 ? (size_t)MAX(waiting, 0) : 0;
}

void reactor_recv_pause(struct io *io, struct io_receiver *receiver) {
    if (receiver->paused) return;
    receiver->paused = true;
    settle(reactor_of(io), receiver, false);
}

void reactor_recv_resume(struct io *io, struct io_receiver *receiver) {
    if (!receiver->paused) return;
    receiver->paused = false;
    settle(reactor_of(io), receiver, false);
}

void reactor_recv_stop(struct io *io, struct io_receiver *receiver) {
    struct reactor *r = reactor_of(io);
    if (op_is_cancelled(&receiver->op)) return;
    op_kick(r, &receiver->op);
    settle(r, receiver, false);
}

void reactor_recv_detach(struct io *io, struct io_receiver *receiver) {
    struct reactor *r = reactor_of(io);
    struct recv_op *s = recv_op(receiver);
    if (s->detaching || op_is_cancelled(&receiver->op)) return;
    ASSERT(receiver->direct == NULL);
    s->detaching = true;
    op_unpark(r, &receiver->op);
    settle(r, receiver, false);
}
