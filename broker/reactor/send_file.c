/* broker/reactor/send_file.c - octets of a file to a socket, in bounded memory.
 *
 * Four ways (docs/decisions/0003-send-file.md, 0011-cold-reads.md):
 *   given    sendfile(2): the socket gets the pages of the page cache themselves. It would block on
 *            a page that is not there, so cachestat(2) is asked before, and for a while after a
 *            read that waited for the disk, when others may be on their way, nothing is given;
 *   copied   through one buffer of the shard, read without waiting and sent in the same step;
 *   past it  what is not in the page cache is read past it by the ring, into one of a few buffers
 *            (broker/reactor/cold.c);
 *   cold     through the page cache into such a buffer: small ranges, what several receivers read,
 *            and where the file system or the kernel does not know the other way.
 * A slow receiver holds no memory of ours for long: when its socket is full we wait for it to be
 * writable, and a buffer that it holds is taken from it when others want one. A shard gives one
 * send at most TURN_BYTES at once, or four times as much of what costs a fourth. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "broker/reactor/send_file.h"

#define TURN_BYTES (256 * 1024)
#define GIVEN_PER_COPIED 4

static int64_t count_sent(struct io_op *op, ssize_t sent) {
    struct send_file_op *s = send_file_op(op);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    s->offset += (uint64_t)sent;
    s->remaining -= (uint64_t)sent;
    op->result += sent;
    return sent;
}

/* --- given --- */

static bool may_give(const struct reactor *r, const struct send_file_op *s, uint64_t len) {
    return r->group->has_cachestat && len >= SEND_FILE_LARGE_BYTES &&
           r->io.now.mono_us >= r->give_from_us && page_cache_has(s->file, s->offset, len);
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
    if (cold_is_past_cache(r, op)) return WANTS_TO_WAIT;
    if (r->file_buffer == NULL) r->file_buffer = mem_need(&r->mem, SEND_FILE_CHUNK_BYTES);
    struct iovec chunk = {r->file_buffer, (size_t)len};
    ssize_t got = preadv2(s->file, &chunk, 1, (off_t)s->offset, RWF_NOWAIT);
    if (got < 0) return errno == EAGAIN || errno == EOPNOTSUPP ? WANTS_TO_WAIT : -errno;
    return got > 0 ? send_some(op, r->file_buffer, (size_t)got) : -EIO;
}

/* --- one after another --- */

enum progress { ENDED, WANTS_TURN, WANTS_WRITABLE, WANTS_COLD_READ };

/* Sends what is there as far as it goes. ENDED: op->result holds. */
static enum progress run(struct reactor *r, struct io_op *op) {
    struct send_file_op *s = send_file_op(op);
    for (uint64_t cost = 0; s->remaining > 0;) {
        if (cost >= TURN_BYTES) return WANTS_TURN;
        uint64_t most = MIN(s->remaining, (uint64_t)(TURN_BYTES - cost) * GIVEN_PER_COPIED);
        bool is_read = s->cold != NULL;
        bool is_given = !is_read && may_give(r, s, most);
        if (!is_given) most = MIN(s->remaining, (uint64_t)SEND_FILE_CHUNK_BYTES);
        if (is_read) most = MIN(most, (uint64_t)s->cold->len);
        int64_t sent = is_read    ? send_some(op, s->cold->at, (size_t)most)
                       : is_given ? give(r, op, most)
                                  : copy(r, op, most);
        if (sent == WANTS_TO_WAIT) return WANTS_COLD_READ;
        if (sent == -EINTR) continue;
        if (sent < 0) {
            op->result = sent;
            return ENDED;
        }
        if (is_read) cold_took(r, op, (size_t)sent);
        if ((uint64_t)sent < most) return WANTS_WRITABLE;
        cost += is_given ? most / GIVEN_PER_COPIED : most;
    }
    return ENDED;
}

static void end(struct reactor *r, struct io_op *op, int64_t result) {
    cold_end(r, op);
    op_end(r, op, result);
}

static void wait(struct reactor *r, struct io_op *op, enum progress progress) {
    if (progress == WANTS_COLD_READ) {
        cold_start(r, op);
        return;
    }
    send_file_op(op)->is_full = progress == WANTS_WRITABLE;
    send_file_op(op)->phase = SEND_FILE_WRITABLE;
    if (progress == WANTS_WRITABLE) {
        io_uring_prep_poll_add(reactor_op_sqe(r, op), op_head(op)->fd, POLLOUT);
        cold_full(r, op);
    } else { /* not by POLLOUT, which a socket that could take more does not tell of */
        io_uring_prep_nop(reactor_op_sqe(r, op));
    }
}

static void go_on(struct reactor *r, struct io_op *op) {
    enum progress progress = run(r, op);
    if (progress == ENDED) {
        end(r, op, op->result);
    } else {
        wait(r, op, progress);
    }
}

static void send_file_on_cqe(struct reactor *r, struct io_op *op, int32_t result,
                             uint32_t cqe_flags) {
    (void)cqe_flags;
    struct send_file_op *s = send_file_op(op);
    if (s->phase == SEND_FILE_WAITS) cold_give_up(r, op); /* kicked */
    if (op_is_cancelled(op)) {
        end(r, op, -ECANCELED);
        return;
    }
    if (s->phase == SEND_FILE_READS) result = cold_arrived(r, op, result);
    if (s->phase == SEND_FILE_YIELDS) result = 0; /* -ETIME */
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
        end(r, op, result);
    } else {
        go_on(r, op); /* an error of the socket shows in the next send */
    }
}

bool reactor_send_file(struct io *io, struct io_op *op, int fd, int file, uint64_t offset,
                       uint64_t len) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, fd, send_file_on_cqe);
    struct send_file_op *s = send_file_op(op);
    *s = (struct send_file_op){
        .head = s->head, .file = file, .offset = offset, .remaining = len};
    enum progress progress = run(r, op);
    if (progress == ENDED) { /* nothing was read for it: that would have taken a turn */
        op_detach(r, op);
    } else {
        wait(r, op, progress);
    }
    return progress == ENDED;
}

void send_file_release(struct reactor *r) {
    mem_free(&r->mem, r->file_buffer, SEND_FILE_CHUNK_BYTES);
    cold_release(r);
}
