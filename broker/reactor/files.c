/* broker/reactor/files.c - files on the ring, with the inline ways for the page cache
 * (docs/decisions/0001). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

#define RUN_BYTES ((size_t)1 << 30) /* of one kernel operation: lengths are 32 bits wide there */

struct read_op {
    struct op_head head;
    uint8_t *buf;
    size_t len;
    uint64_t offset;
    bool aligned;
}; /* what is done so far: op->result */
OP_STATE_FITS(struct read_op);

struct write_op {
    struct op_head head;
    struct gather gather;
    uint64_t offset; /* of what comes next */
    uint32_t rw_flags;
};
OP_STATE_FITS(struct write_op);

static bool is_temporary(int64_t result) { return result == -EINTR || result == -EAGAIN; }

/* --- reading --- */

static void read_arm(struct reactor *r, struct io_op *op) {
    struct read_op *s = (struct read_op *)(void *)op->impl;
    size_t done = (size_t)op->result;
    unsigned run = (unsigned)MIN(s->len - done, RUN_BYTES);
    io_uring_prep_read(reactor_op_sqe(r, op), s->head.fd, s->buf + done, run, s->offset + done);
}

static void read_on_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)cqe_flags;
    struct read_op *s = (struct read_op *)(void *)op->impl;
    if (result < 0 && !is_temporary(result)) {
        op_end(r, op, result);
        return;
    }
    if (result > 0) op->result += result;
    bool at_end = result == 0 || (s->aligned && op->result % IO_DIRECT_BYTES != 0);
    if (at_end || (size_t)op->result == s->len) {
        op_end(r, op, op->result);
    } else if (op_is_cancelled(op)) {
        op_end(r, op, -ECANCELED);
    } else {
        read_arm(r, op);
    }
}

bool reactor_read(struct io *io, struct io_op *op, int fd, void *buf, size_t len, uint64_t offset,
                  unsigned flags) {
    struct reactor *r = reactor_of(io);
    size_t done = 0;
    if (len == 0) return op_finished(op, 0);
    if ((flags & IO_INLINE) != 0) {
        struct iovec run = {buf, len};
        ssize_t got = preadv2(fd, &run, 1, (off_t)offset, RWF_NOWAIT);
        if (got == 0 || (got > 0 && (size_t)got == len)) return op_finished(op, got);
        if (got < 0 && !is_temporary(-errno) && errno != EOPNOTSUPP) return op_finished(op, -errno);
        if (got > 0) done = (size_t)got; /* the end of the file, or of what is in the page cache */
    }
    op_begin(r, op, fd, read_on_cqe);
    struct read_op *s = (struct read_op *)(void *)op->impl;
    s->buf = buf;
    s->len = len;
    s->offset = offset;
    s->aligned = (flags & IO_ALIGNED) != 0;
    op->result = (int64_t)done;
    read_arm(r, op);
    return false;
}

/* --- writing --- */

static void write_arm(struct reactor *r, struct io_op *op) {
    struct write_op *s = (struct write_op *)(void *)op->impl;
    struct io_uring_sqe *sqe = reactor_op_sqe(r, op);
    struct iovec run;
    if (gather_single(&s->gather, &run)) {
        io_uring_prep_write(sqe, s->head.fd, run.iov_base, (unsigned)run.iov_len, s->offset);
    } else {
        io_uring_prep_writev(sqe, s->head.fd, s->gather.iov + s->gather.index,
                             (unsigned)gather_list_count(&s->gather), s->offset);
    }
    sqe->rw_flags = (int)s->rw_flags;
}

static void write_on_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)cqe_flags;
    struct write_op *s = (struct write_op *)(void *)op->impl;
    if (result < 0 && !is_temporary(result)) {
        op_end(r, op, result);
        return;
    }
    if (result == 0) { /* never seen of a file, and never to be tried for ever */
        op_end(r, op, -EIO);
        return;
    }
    if (result > 0) {
        gather_advance(&s->gather, (size_t)result);
        s->offset += (uint64_t)result;
        op->result += result;
    }
    if (gather_is_done(&s->gather)) {
        op_end(r, op, op->result);
    } else if (op_is_cancelled(op)) {
        op_end(r, op, -ECANCELED);
    } else {
        write_arm(r, op);
    }
}

/* Writes what is left at once; the octets written or a negative errno. */
static int64_t write_now(int fd, struct gather *g, uint64_t offset) {
    int64_t done = 0;
    while (!gather_is_done(g)) {
        struct iovec one;
        bool single = gather_single(g, &one);
        ssize_t wrote = pwritev(fd, single ? &one : g->iov + g->index,
                                single ? 1 : gather_list_count(g), (off_t)offset);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return -errno;
        if (wrote == 0) return -EIO;
        gather_advance(g, (size_t)wrote);
        offset += (uint64_t)wrote;
        done += wrote;
    }
    return done;
}

/* An inline write, and whether the directory's next ones shall be. */
static int64_t write_inline(int fd, struct gather *g, uint64_t offset, struct io_disk *disk) {
    uint64_t start_us = reactor_clock_us();
    int64_t result = write_now(fd, g, offset);
    uint64_t end_us = reactor_clock_us();
    disk->inline_writes++;
    if (end_us - start_us > IO_STALL_US) {
        bool again = start_us < disk->ring_until_us + IO_STALL_QUIET_US;
        uint64_t doubled = MIN(disk->penalty_us * 2, (uint64_t)IO_STALL_PENALTY_MAX_US);
        disk->penalty_us = again && doubled > 0 ? doubled : IO_STALL_PENALTY_US;
        disk->ring_until_us = end_us + disk->penalty_us;
        disk->inline_stalls++;
    }
    return result;
}

/* --- writing, by the directory's own thread --- */

/* The kernel runs the buffered writes of a ring in queues by a hash of the inode, so that one that
 * hangs holds up files of other directories; a thread's does not. */
struct lane_write {
    struct gather gather;
    uint64_t offset;
};
_Static_assert(sizeof(struct lane_write) <= sizeof(((struct worker_op *)NULL)->args), "fits");

static struct lane_write *lane_write(struct io_op *op) {
    return (struct lane_write *)(void *)worker_op(op)->args;
}

static int64_t run_write(struct io_op *op) {
    struct lane_write *write = lane_write(op);
    return write_now(op_head(op)->fd, &write->gather, write->offset);
}

/* false: its thread cannot be had, and nothing is under way. */
static bool write_in_lane(struct reactor *r, struct io_op *op, int fd, const struct gather *gather,
                          uint64_t offset, uint32_t lane) {
    ASSERT(lane <= r->group->options.lane_count);
    op_begin(r, op, fd, op_worker_done);
    worker_op(op)->run = run_write;
    *lane_write(op) = (struct lane_write){*gather, offset};
    return worker_pool_submit(r->group->lanes[lane - 1], r, op);
}

bool reactor_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iov_count,
                   uint64_t offset, unsigned flags, struct io_disk *disk) {
    struct reactor *r = reactor_of(io);
    struct gather gather;
    gather_init(&gather, iov, iov_count);
    if (gather_is_done(&gather)) return op_finished(op, 0);
    if ((flags & IO_INLINE) != 0 && (flags & IO_DURABLE) == 0) {
        ASSERT(disk != NULL);
        if (io->now.mono_us >= disk->ring_until_us) {
            return op_finished(op, write_inline(fd, &gather, offset, disk));
        }
    }
    if (disk != NULL) disk->ring_writes++;
    bool has_lane = disk != NULL && disk->lane > 0 && (flags & IO_DURABLE) == 0;
    if (has_lane && write_in_lane(r, op, fd, &gather, offset, disk->lane)) return false;
    op_begin(r, op, fd, write_on_cqe);
    struct write_op *s = (struct write_op *)(void *)op->impl;
    s->gather = gather;
    s->offset = offset;
    s->rw_flags = (flags & IO_DURABLE) != 0 ? RWF_DSYNC : 0;
    write_arm(r, op);
    return false;
}

/* --- what is one kernel operation --- */

bool reactor_open(struct io *io, struct io_op *op, const char *path, unsigned flags,
                  unsigned mode) {
    struct reactor *r = reactor_of(io);
    bool writes = (flags & IO_WRITE) != 0, reads = (flags & IO_READ) != 0;
    int how = O_CLOEXEC | (writes ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY);
    if ((flags & IO_CREATE) != 0) how |= O_CREAT;
    if ((flags & IO_EXCLUSIVE) != 0) how |= O_EXCL;
    if ((flags & IO_TRUNCATE) != 0) how |= O_TRUNC;
    if ((flags & IO_DIRECTORY) != 0) how |= O_DIRECTORY;
    if ((flags & IO_DIRECT) != 0) how |= O_DIRECT;
    op_begin(r, op, -1, op_simple_cqe);
    io_uring_prep_openat(reactor_op_sqe(r, op), AT_FDCWD, path, how, mode);
    return false;
}

static void sync_on_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)cqe_flags;
    atomic_fetch_sub_explicit(&r->group->syncs, 1, memory_order_relaxed);
    op_end(r, op, result);
}

bool reactor_sync(struct io *io, struct io_op *op, int fd, unsigned flags) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, fd, sync_on_cqe);
    atomic_fetch_add_explicit(&r->group->syncs, 1, memory_order_relaxed);
    io_uring_prep_fsync(reactor_op_sqe(r, op), fd,
                        (flags & IO_ALL) != 0 ? 0 : IORING_FSYNC_DATASYNC);
    return false;
}

bool reactor_allocate(struct io *io, struct io_op *op, int fd, uint64_t offset, uint64_t len,
                      unsigned flags) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, fd, op_simple_cqe);
    io_uring_prep_fallocate(reactor_op_sqe(r, op), fd,
                            (flags & IO_KEEP_SIZE) != 0 ? FALLOC_FL_KEEP_SIZE : 0, (off_t)offset,
                            (off_t)len);
    return false;
}

bool reactor_rename(struct io *io, struct io_op *op, const char *from, const char *to) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, -1, op_simple_cqe);
    io_uring_prep_renameat(reactor_op_sqe(r, op), AT_FDCWD, from, AT_FDCWD, to, 0);
    return false;
}

static bool unlink_at(struct io *io, struct io_op *op, const char *path, int flags) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, -1, op_simple_cqe);
    io_uring_prep_unlinkat(reactor_op_sqe(r, op), AT_FDCWD, path, flags);
    return false;
}
bool reactor_unlink(struct io *io, struct io_op *op, const char *path) {
    return unlink_at(io, op, path, 0);
}
bool reactor_rmdir(struct io *io, struct io_op *op, const char *path) {
    return unlink_at(io, op, path, AT_REMOVEDIR);
}

bool reactor_mkdir(struct io *io, struct io_op *op, const char *path, unsigned mode) {
    struct reactor *r = reactor_of(io);
    op_begin(r, op, -1, op_simple_cqe);
    io_uring_prep_mkdirat(reactor_op_sqe(r, op), AT_FDCWD, path, mode);
    return false;
}
