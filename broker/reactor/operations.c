/* broker/reactor/operations.c - the life of an operation: begun, given up, ended; and closing,
 * which waits for all that is under way on a descriptor. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

static struct descriptor *descriptor_peek(struct reactor *r, int fd) {
    uint32_t page = (uint32_t)fd / DESCRIPTORS_PER_PAGE;
    if (fd < 0 || page >= r->page_count || r->pages[page] == NULL) return NULL;
    return &r->pages[page][(uint32_t)fd % DESCRIPTORS_PER_PAGE];
}

static void grow_pages(struct reactor *r, uint32_t need) {
    uint32_t count = MAX(need, r->page_count * 2);
    struct descriptor **pages = mem_need(&r->mem, count * sizeof *pages);
    if (r->page_count > 0) memcpy(pages, r->pages, r->page_count * sizeof *pages);
    mem_free(&r->mem, r->pages, r->page_count * sizeof *pages);
    r->pages = pages;
    r->page_count = count;
}

static struct descriptor *descriptor_get(struct reactor *r, int fd) {
    struct descriptor *found = descriptor_peek(r, fd);
    if (found != NULL) return found;
    uint32_t page = (uint32_t)fd / DESCRIPTORS_PER_PAGE;
    if (page >= r->page_count) grow_pages(r, page + 1);
    struct descriptor *made = mem_need(&r->mem, DESCRIPTORS_PER_PAGE * sizeof *made);
    for (int i = 0; i < DESCRIPTORS_PER_PAGE; i++) list_init(&made[i].ops);
    r->pages[page] = made;
    return &made[(uint32_t)fd % DESCRIPTORS_PER_PAGE];
}

void descriptors_release(struct reactor *r) {
    for (uint32_t i = 0; i < r->page_count; i++) {
        mem_free(&r->mem, r->pages[i], DESCRIPTORS_PER_PAGE * sizeof(struct descriptor));
    }
    mem_free(&r->mem, r->pages, r->page_count * sizeof *r->pages);
    r->pages = NULL;
    r->page_count = 0;
}

void op_begin(struct reactor *r, struct io_op *op, int fd,
              void (*on_cqe)(struct reactor *r, struct io_op *op, int32_t result,
                             uint32_t cqe_flags)) {
    *op_head(op) = (struct op_head){.on_cqe = on_cqe, .fd = fd};
    op->result = 0;
    op->link = (struct list){0};
    if (fd >= 0) {
        struct descriptor *d = descriptor_get(r, fd);
        ASSERT(!d->closing); /* nothing is started on what is being closed */
        list_push_back(&d->ops, &op->link);
    }
    r->io.stats.in_flight++;
    r->io.stats.ops++;
}

void op_detach(struct reactor *r, struct io_op *op) {
    list_remove(&op->link);
    ASSERT(r->io.stats.in_flight > 0);
    r->io.stats.in_flight--;
}

void op_end(struct reactor *r, struct io_op *op, int64_t result) {
    int fd = op_head(op)->fd;
    op_detach(r, op);
    op->result = result;
    op->done(op); /* may free op */
    descriptor_check(r, fd);
}

void op_simple_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)cqe_flags;
    op_end(r, op, result);
}

void op_unpark(struct reactor *r, struct io_op *op) {
    struct op_head *head = op_head(op);
    if ((head->flags & OP_PARKED) == 0) return;
    head->flags &= ~(uint32_t)OP_PARKED;
    io_uring_prep_nop(reactor_op_sqe(r, op)); /* completes later, never within the caller */
}

void op_kick(struct reactor *r, struct io_op *op) {
    op_head(op)->flags |= OP_CANCELLED;
    op_unpark(r, op);
}

void op_cancel_in_kernel(struct reactor *r, struct io_op *op) {
    struct io_uring_sqe *sqe = reactor_sqe(r);
    io_uring_prep_cancel64(sqe, (uintptr_t)op, 0);
    io_uring_sqe_set_data64(sqe, UD_IGNORED);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void reactor_cancel(struct io *io, struct io_op *op) {
    struct reactor *r = reactor_of(io);
    struct op_head *head = op_head(op);
    if ((head->flags & (OP_WORKER | OP_CANCELLED)) != 0) return;
    bool parked = (head->flags & OP_PARKED) != 0;
    op_kick(r, op);
    if (!parked) op_cancel_in_kernel(r, op);
}

/* A file is closed by a kernel worker: the last reference to an unlinked one frees its blocks,
 * which takes long. */
static void close_in_kernel(struct reactor *r, struct io_op *op, int fd) {
    struct io_uring_sqe *sqe = op != NULL ? reactor_op_sqe(r, op) : reactor_sqe(r);
    io_uring_prep_close(sqe, fd);
    sqe->flags |= IOSQE_ASYNC;
    if (op == NULL) {
        io_uring_sqe_set_data64(sqe, UD_IGNORED);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    }
}

void descriptor_check(struct reactor *r, int fd) {
    struct descriptor *d = descriptor_peek(r, fd);
    if (d == NULL || !d->closing || !list_is_empty(&d->ops)) return;
    struct io_op *op = d->close_op;
    d->closing = false;
    d->close_op = NULL;
    if (!d->is_socket) {
        close_in_kernel(r, op, fd);
        return;
    }
    int64_t result = close(fd) == 0 ? 0 : -errno;
    if (op != NULL) op_end(r, op, result);
}

bool reactor_close(struct io *io, struct io_op *op, int fd) {
    struct reactor *r = reactor_of(io);
    bool is_socket = shutdown(fd, SHUT_RDWR) == 0 || (errno != ENOTSOCK && errno != EBADF);
    struct descriptor *d = descriptor_peek(r, fd);
    if (d == NULL || list_is_empty(&d->ops)) {
        if (is_socket || fd < 0) {
            int64_t result = close(fd) == 0 ? 0 : -errno;
            return op == NULL || op_finished(op, result);
        }
        if (op != NULL) op_begin(r, op, -1, op_simple_cqe);
        close_in_kernel(r, op, fd);
        return op == NULL;
    }
    ASSERT(!d->closing); /* closed once */
    d->closing = true;
    d->is_socket = is_socket;
    d->close_op = op;
    if (op != NULL) op_begin(r, op, -1, op_simple_cqe);
    LIST_EACH(&d->ops, node) op_kick(r, CONTAINER_OF(node, struct io_op, link));
    struct io_uring_sqe *sqe = reactor_sqe(r);
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, UD_IGNORED);
    return false;
}
