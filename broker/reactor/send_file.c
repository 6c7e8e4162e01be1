/* broker/reactor/send_file.c - octets of a file to a socket, in bounded memory.
 *
 * Three ways (docs/decisions/0003-send-file.md):
 *   given    sendfile(2): the socket gets the pages of the page cache themselves. It would block on
 *            a page that is not there, so cachestat(2) is asked before, and for a while after a
 *            cold read, when pages may still be on their way from the disk, nothing is given;
 *   copied   through one buffer of the shard, read without waiting and sent in the same step;
 *   cold     read by the ring into one of a few buffers first; more such sends than buffers wait
 *            their turn.
 * A slow receiver holds no memory of ours: when its socket is full we wait for it to be writable
 * and begin again. A shard gives one send at most TURN_BYTES at once, or four times as much of what
 * costs a fourth. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

#define CHUNK_BYTES (128 * 1024) /* smaller ones wake the receiver more often */
#define TURN_BYTES (256 * 1024)
#define GIVEN_PER_COPIED 4
#define COLD_PENALTY_US 1000000 /* nothing is given for so long after a cold read */

enum phase { WRITABLE, BUFFER_FREE, COLD_READ };

struct send_file_op {
    struct op_head head;
    int32_t file;
    uint32_t phase;     /* what is awaited */
    uint64_t offset;    /* of what comes next */
    uint64_t remaining; /* op->result: sent so far */
    uint8_t *buffer;    /* COLD_READ */
    struct io_op *next; /* BUFFER_FREE */
};
OP_STATE_FITS(struct send_file_op);

static struct send_file_op *send_file_op(struct io_op *op) {
    return (struct send_file_op *)(void *)op->impl;
}

static void await_writable(struct reactor *r, struct io_op *op) {
    send_file_op(op)->phase = WRITABLE;
    io_uring_prep_poll_add(reactor_op_sqe(r, op), op_head(op)->fd, POLLOUT);
}

static void cold_read(struct reactor *r, struct io_op *op, uint8_t *buffer) {
    struct send_file_op *s = send_file_op(op);
    r->give_from_us = r->io.now.mono_us + COLD_PENALTY_US;
    s->phase = COLD_READ;
    s->buffer = buffer;
    unsigned len = (unsigned)MIN(s->remaining, (uint64_t)CHUNK_BYTES);
    io_uring_prep_read(reactor_op_sqe(r, op), s->file, buffer, len, s->offset);
}

static void await_cold_buffer(struct reactor *r, struct io_op *op) {
    struct send_file_op *s = send_file_op(op);
    if (r->cold_free_count > 0) {
        cold_read(r, op, r->cold_buffers[--r->cold_free_count]);
    } else if (r->cold_made_count < COUNT(r->cold_buffers)) {
        r->cold_made_count++;
        cold_read(r, op, mem_need(&r->mem, CHUNK_BYTES));
    } else {
        s->phase = BUFFER_FREE;
        s->head.flags |= OP_PARKED;
        s->next = NULL;
        if (r->cold_waiting_head == NULL) {
            r->cold_waiting_head = op;
        } else {
            send_file_op(r->cold_waiting_tail)->next = op;
        }
        r->cold_waiting_tail = op;
    }
}

static void leave_waiting(struct reactor *r, struct io_op *op) {
    struct io_op *before = NULL, *at = r->cold_waiting_head;
    while (at != op) {
        before = at;
        at = send_file_op(at)->next;
    }
    struct io_op *after = send_file_op(op)->next;
    if (before == NULL) {
        r->cold_waiting_head = after;
    } else {
        send_file_op(before)->next = after;
    }
    if (after == NULL) r->cold_waiting_tail = before;
}

static void give_back_cold_buffer(struct reactor *r, uint8_t *buffer) {
    struct io_op *next = r->cold_waiting_head;
    while (next != NULL && op_is_cancelled(next))
        next = send_file_op(next)->next; /* its end is on the way */
    if (next == NULL) {
        r->cold_buffers[r->cold_free_count++] = buffer;
        return;
    }
    leave_waiting(r, next);
    op_head(next)->flags &= ~(uint32_t)OP_PARKED;
    cold_read(r, next, buffer);
}

static int64_t count_sent(struct io_op *op, ssize_t sent) {
    struct send_file_op *s = send_file_op(op);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    s->offset += (uint64_t)sent;
    s->remaining -= (uint64_t)sent;
    op->result += sent;
    return sent;
}

/* --- given --- */

/* Debian 12 has no header for it. */
#define SYS_CACHESTAT 451
struct cachestat_range {
    uint64_t offset, len;
};
struct cachestat_counts { /* pages */
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

bool send_file_has_cachestat(void) {
    struct cachestat_range range = {0, 1};
    struct cachestat_counts counts;
    return syscall(SYS_CACHESTAT, -1, &range, &counts, 0) < 0 && errno == EBADF;
}

static bool is_cached(int file, uint64_t offset, uint64_t len) {
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = (offset + len - 1) / page_bytes - offset / page_bytes + 1;
    struct cachestat_range range = {offset, len};
    struct cachestat_counts counts;
    return syscall(SYS_CACHESTAT, file, &range, &counts, 0) == 0 && counts.cached == pages;
}

static bool may_give(const struct reactor *r, const struct send_file_op *s, uint64_t len) {
    return r->group->has_cachestat && len >= CHUNK_BYTES / 2 &&
           r->io.now.mono_us >= r->give_from_us && is_cached(s->file, s->offset, len);
}

/* How often this thread has waited in the kernel. */
static long waits(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

/* sendfile has no flag for it: the socket itself is told not to wait, for the call only, since the
 * ring would not wait on such a socket either. */
static int64_t give(struct reactor *r, struct io_op *op, uint64_t len) {
    struct send_file_op *s = send_file_op(op);
    int fd = op_head(op)->fd, flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
    off_t offset = (off_t)s->offset;
    long waits_before = waits();
    uint64_t before_us = reactor_clock_us();
    ssize_t sent = sendfile(fd, s->file, &offset, len);
    int64_t result = sent == 0 ? -EIO : count_sent(op, sent);
    (void)fcntl(fd, F_SETFL, flags); /* it could be set before */
    uint64_t after_us = reactor_clock_us();
    /* A call may take long since the thread lost its CPU, too: that says nothing of the disk. */
    if (after_us - before_us > IO_STALL_US && waits() != waits_before)
        r->give_from_us = MAX(r->give_from_us, after_us + IO_STALL_PENALTY_US);
    return result;
}

/* --- copied --- */

/* Sends from a buffer what the socket takes; the octets, 0 when it is full, or a negative errno. */
static int64_t send_some(struct io_op *op, const uint8_t *data, size_t len) {
    struct send_file_op *s = send_file_op(op);
    int more = s->remaining > len ? MSG_MORE : 0;
    return count_sent(op, send(s->head.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT | more));
}

#define WANTS_TO_WAIT INT64_MIN /* no errno */

/* The octets, 0 when the socket is full, WANTS_TO_WAIT for the disk, or a negative errno. */
static int64_t copy(struct reactor *r, struct io_op *op, uint64_t len) {
    struct send_file_op *s = send_file_op(op);
    struct iovec chunk = {r->file_buffer, (size_t)len};
    ssize_t got = preadv2(s->file, &chunk, 1, (off_t)s->offset, RWF_NOWAIT);
    if (got < 0) return errno == EAGAIN || errno == EOPNOTSUPP ? WANTS_TO_WAIT : -errno;
    return got > 0 ? send_some(op, r->file_buffer, (size_t)got) : -EIO;
}

/* --- one after another --- */

enum progress { ENDED, WANTS_WRITABLE, WANTS_COLD_READ };

/* Sends from the page cache as far as it goes. ENDED: op->result holds. */
static enum progress run(struct reactor *r, struct io_op *op) {
    struct send_file_op *s = send_file_op(op);
    if (r->file_buffer == NULL) r->file_buffer = mem_need(&r->mem, CHUNK_BYTES);
    for (uint64_t cost = 0; s->remaining > 0;) {
        if (cost >= TURN_BYTES) return WANTS_WRITABLE;
        uint64_t most = MIN(s->remaining, (uint64_t)(TURN_BYTES - cost) * GIVEN_PER_COPIED);
        bool is_given = may_give(r, s, most);
        if (!is_given) most = MIN(s->remaining, (uint64_t)CHUNK_BYTES);
        int64_t sent = is_given ? give(r, op, most) : copy(r, op, most);
        if (sent == WANTS_TO_WAIT) return WANTS_COLD_READ;
        if (sent == -EINTR) continue;
        if (sent < 0) {
            op->result = sent;
            return ENDED;
        }
        if ((uint64_t)sent < most) return WANTS_WRITABLE;
        cost += is_given ? most / GIVEN_PER_COPIED : most;
    }
    return ENDED;
}

static void go_on(struct reactor *r, struct io_op *op) {
    switch (run(r, op)) {
    case ENDED: op_end(r, op, op->result); break;
    case WANTS_WRITABLE: await_writable(r, op); break;
    case WANTS_COLD_READ: await_cold_buffer(r, op); break;
    }
}

static void cold_read_finished(struct reactor *r, struct io_op *op, int32_t result) {
    uint8_t *buffer = send_file_op(op)->buffer;
    int64_t sent = result > 0 ? send_some(op, buffer, (size_t)result) : result == 0 ? -EIO : result;
    give_back_cold_buffer(r, buffer);
    if (sent < 0 && sent != -EINTR && sent != -EAGAIN) {
        op_end(r, op, sent);
    } else if (result > 0 && sent < result) {
        await_writable(r, op); /* read again then: it is in the page cache now */
    } else {
        go_on(r, op);
    }
}

static void send_file_on_cqe(struct reactor *r, struct io_op *op, int32_t result,
                             uint32_t cqe_flags) {
    (void)cqe_flags;
    struct send_file_op *s = send_file_op(op);
    if (s->phase == BUFFER_FREE) leave_waiting(r, op); /* kicked */
    if (op_is_cancelled(op)) {
        if (s->phase == COLD_READ) give_back_cold_buffer(r, s->buffer);
        op_end(r, op, -ECANCELED);
    } else if (s->phase == COLD_READ) {
        cold_read_finished(r, op, result);
    } else if (result < 0 && result != -EINTR) {
        op_end(r, op, result);
    } else {
        go_on(r, op); /* an error of the socket shows in the next send */
    }
}

bool reactor_send_file(struct io *io, struct io_op *op, int fd, int file, uint64_t offset,
                       uint64_t len) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, fd, send_file_on_cqe);
    struct send_file_op *s = send_file_op(op);
    s->file = file;
    s->offset = offset;
    s->remaining = len;
    switch (run(r, op)) {
    case WANTS_WRITABLE: await_writable(r, op); return false;
    case WANTS_COLD_READ: await_cold_buffer(r, op); return false;
    default: op_detach(r, op); return true;
    }
}

void send_file_release(struct reactor *r) {
    mem_free(&r->mem, r->file_buffer, CHUNK_BYTES);
    for (uint32_t i = 0; i < r->cold_free_count; i++)
        mem_free(&r->mem, r->cold_buffers[i], CHUNK_BYTES);
}
