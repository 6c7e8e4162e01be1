/* broker/reactor/internal.h - what the files of the reactor share. Nobody outside includes it.
 *
 * An operation under way has its state in op->impl, beginning with a struct op_head: whom its
 * completions go to, and which descriptor it is on. Each descriptor with something under way has a
 * list of it, so that a close can give all of it up and wait for it. An operation under way is
 * exactly one of: known to the kernel (its completion entry carries the op's address), with a
 * worker, or *parked* (waiting for something of ours). */
#pragma once
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mailbox.h"
#include "broker/reactor/reactor.h"

struct reactor;
struct worker_pool;

enum op_flags {
    OP_CANCELLED = 1, /* given up: it is not to be continued */
    OP_PARKED = 2,    /* the kernel knows nothing of it */
    OP_WORKER = 4,    /* with a worker thread: cannot be given up */
};

struct op_head {
    void (*on_cqe)(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags);
    int32_t fd; /* whose list it is in; -1: none */
    uint32_t flags;
};

static inline struct op_head *op_head(struct io_op *op) {
    return (struct op_head *)(void *)op->impl;
}
#define OP_STATE_FITS(type)                                                                        \
    _Static_assert(sizeof(type) <= sizeof(((struct io_op *)NULL)->impl), "fits into io_op.impl")

/* Completion entries that belong to no operation carry one of these instead of an address. */
enum user_data {
    UD_IGNORED = 0,
    UD_WOKEN = 1,
    UD_EVENT = 2,
    UD_POKE = 1024 /* + target shard */,
    UD_END = 4096
};

/* What is under way on one descriptor of this shard. */
struct descriptor {
    struct list ops;        /* io_op.link */
    struct io_op *close_op; /* to complete when closed; may be NULL */
    bool closing;
    bool is_socket;
};
#define DESCRIPTORS_PER_PAGE 64

/* What a send_file reads from the disk goes through one (broker/reactor/cold.c). */
struct cold_buffer {
    uint8_t *memory;
    uint8_t *octets;      /* aligned */
    struct io_op *holder; /* NULL: free */
    int file;             /* that it is read from past the page cache; -1: through it */
    uint8_t *at;          /* what is to be sent */
    size_t len;
};
#define COLD_READERS 64

/* One shard. */
struct reactor {
    struct io io; /* first: a `struct io *` is a `struct reactor *` */
    struct reactor_group *group;
    struct io_uring ring;
    struct mem mem;
    struct descriptor **pages; /* by fd / DESCRIPTORS_PER_PAGE */
    uint32_t page_count;
    struct list laters;

    /* Provided receive buffers. */
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    size_t buffer_ring_bytes;

    /* Messages. */
    struct io_message *self_head, *self_tail;     /* to this shard, for the next turn */
    struct io_message **spill_head, **spill_tail; /* by target: beyond the mailbox's bound */
    uint32_t spilled_count;
    uint64_t dirty_targets; /* bit by shard: something was put into its mailbox in this turn */

    /* send_file. */
    uint8_t *file_buffer; /* for what is in the page cache; made at first use */
    struct cold_buffer cold_buffers[8];
    struct io_op *cold_waiting_head, *cold_waiting_tail; /* for a buffer */
    uint64_t give_from_us; /* until then no pages are given to sockets */

    int event_fd;        /* wakes this shard from threads without a ring */
    uint64_t stop_at_us; /* when what is under way gets cancelled; 0: not stopping */
    pthread_t thread;
    bool thread_started;
    int start_result; /* of the thread's own preparations: a negative errno */

    /* Written by other threads. */
    _Alignas(
        64) _Atomic uint32_t sleeping; /* 1: it may be blocked, whoever sets it to 0 must wake it */
    _Alignas(64) _Atomic(struct io_op *) worker_done; /* newest first */
    _Atomic(struct io_message *) inbox;               /* newest first; shard 0 */
    _Atomic uint32_t inbox_count;
};
_Static_assert(LIMIT_SHARDS <= 64, "dirty_targets has a bit for each");

struct listener_claim {
    struct io_address address;
};
#define LISTENER_CLAIMS 64

struct reactor_group {
    struct reactor_options options; /* defaults filled in */
    struct mem mem;                 /* what is made before the start */
    struct reactor **reactors;
    struct mailbox
        *mailboxes; /* [from * shard_count + to]; mapped, so that unused ones cost nothing */
    size_t mailboxes_bytes;
    bool has_ftruncate; /* Linux 6.9 */
    bool has_cachestat; /* Linux 6.5 */
    void (*on_start)(struct io *io, void *argument);
    void *argument;
    _Atomic uint32_t stopping;
    uint64_t stop_at_us;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t started;
    uint32_t started_count;
    bool go, give_up; /* all rings are enabled; one of them failed */
    struct listener_claim claims[LISTENER_CLAIMS];
    uint32_t claim_count;
    _Atomic uint64_t cold_readers[COLD_READERS]; /* by file: the last socket << 32 | when, ms */
    _Atomic uint32_t syncs;                      /* under way, of all shards */
    struct worker_pool *computing;               /* io_work */
    struct worker_pool *blocking;  /* what has no opcode and may block */
    struct worker_pool **lanes;    /* options.lane_count, of one thread each */
};

static inline struct reactor *reactor_of(struct io *io) {
    return CONTAINER_OF(io, struct reactor, io);
}

/* --- loop.c --- */
extern const struct io_ops reactor_ops;
void *reactor_main(void *reactor);
/** A zeroed submission entry; never NULL: a full queue is submitted first. */
struct io_uring_sqe *reactor_sqe(struct reactor *r);
/** The same, its completion going to op. */
struct io_uring_sqe *reactor_op_sqe(struct reactor *r, struct io_op *op);
uint64_t reactor_clock_us(void);
void reactor_refresh_now(struct reactor *r);

/* --- operations.c --- */
/** Counts op as under way on fd (-1: on none); completions go to on_cqe. */
void op_begin(struct reactor *r, struct io_op *op, int fd,
              void (*on_cqe)(struct reactor *r, struct io_op *op, int32_t result,
                             uint32_t cqe_flags));
/** Takes op off its descriptor: it is no longer under way. Follow with descriptor_check(fd). */
void op_detach(struct reactor *r, struct io_op *op);
/** Completes op: detach, done, check. */
void op_end(struct reactor *r, struct io_op *op, int64_t result);
/** An on_cqe that ends with what the kernel said. */
void op_simple_cqe(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags);
/** A parked op gets a completion. */
void op_unpark(struct reactor *r, struct io_op *op);
/** Gives up: a parked op gets a completion; one in the kernel must be cancelled there besides. */
void op_kick(struct reactor *r, struct io_op *op);
/** Asks the kernel to cancel op. */
void op_cancel_in_kernel(struct reactor *r, struct io_op *op);
static inline bool op_is_cancelled(struct io_op *op) {
    return (op_head(op)->flags & OP_CANCELLED) != 0;
}
/** Finishes the close of fd when it waits for nothing any more. */
void descriptor_check(struct reactor *r, int fd);
void descriptors_release(struct reactor *r);
bool reactor_close(struct io *io, struct io_op *op, int fd);
void reactor_cancel(struct io *io, struct io_op *op);
static inline bool op_finished(struct io_op *op, int64_t result) {
    op->result = result;
    return true;
}

/* --- gather.c: how far a list of runs has been written or sent --- */
struct gather {
    const struct iovec *iov; /* borrowed, not changed */
    int32_t count;
    int32_t index; /* of the run that comes next; == count: finished */
    size_t skip;   /* octets of it that are done */
};
void gather_init(struct gather *g, const struct iovec *iov, int count);
void gather_advance(struct gather *g, size_t octets);
static inline bool gather_is_done(const struct gather *g) { return g->index == g->count; }
/** The next run as a whole or its rest, when it must or can go alone; false: iov + index, a list of
 * runs. */
bool gather_single(const struct gather *g, struct iovec *ret_run);
int gather_list_count(const struct gather *g);

/* --- files.c, blocking.c, network.c, receive.c, send_file.c, messages.c: the operations --- */
bool reactor_open(struct io *, struct io_op *, const char *path, unsigned flags, unsigned mode);
bool reactor_read(struct io *, struct io_op *, int fd, void *buf, size_t len, uint64_t offset,
                  unsigned flags);
bool reactor_write(struct io *, struct io_op *, int fd, const struct iovec *iov, int iov_count,
                   uint64_t offset, unsigned flags, struct io_disk *disk);
bool reactor_sync(struct io *, struct io_op *, int fd, unsigned flags);
bool reactor_sync_fs(struct io *, struct io_op *, int fd);
bool reactor_forget(struct io *, struct io_op *, int fd);
bool reactor_truncate(struct io *, struct io_op *, int fd, uint64_t size_bytes);
bool reactor_allocate(struct io *, struct io_op *, int fd, uint64_t offset, uint64_t len,
                      unsigned flags);
bool reactor_rename(struct io *, struct io_op *, const char *from, const char *to);
bool reactor_unlink(struct io *, struct io_op *, const char *path);
bool reactor_mkdir(struct io *, struct io_op *, const char *path, unsigned mode);
bool reactor_rmdir(struct io *, struct io_op *, const char *path);
bool reactor_list(struct io *, struct io_op *, const char *path, struct io_listing *ret_listing);
bool reactor_steps(struct io *, struct io_op *, struct io_step *steps, uint32_t count);
bool reactor_stat(struct io *, struct io_op *, const char *path, struct io_stat *ret_stat);
bool reactor_statfs(struct io *, struct io_op *, const char *path, struct io_statfs *ret_statfs);
bool reactor_lock(struct io *, struct io_op *, int fd);
bool reactor_dir_sync(struct io *, struct io_op *, const char *path);
bool reactor_resolve(struct io *, struct io_op *, const char *host, uint16_t port,
                     struct io_address *ret_addresses, uint32_t capacity);
bool reactor_work(struct io *, struct io_op *, int64_t (*fn)(void *), void *argument);

int reactor_listen(struct io *, const struct io_address *address, int backlog,
                   struct io_address *ret_bound);
void reactor_accept_start(struct io *, struct io_acceptor *, int fd);
void reactor_accept_stop(struct io *, struct io_acceptor *);
bool reactor_connect(struct io *, struct io_op *, const struct io_address *address);
bool reactor_send(struct io *, struct io_op *, int fd, const struct iovec *iov, int iov_count);
bool reactor_send_file(struct io *, struct io_op *, int fd, int file, uint64_t offset,
                       uint64_t len);
void send_file_release(struct reactor *r);
bool send_file_has_cachestat(void);

void reactor_recv_start(struct io *, struct io_receiver *, int fd);
void reactor_recv_direct(struct io *, struct io_receiver *, uint8_t *buf, size_t len);
void reactor_recv_pause(struct io *, struct io_receiver *);
void reactor_recv_resume(struct io *, struct io_receiver *);
void reactor_recv_stop(struct io *, struct io_receiver *);
size_t reactor_recv_waiting(struct io *, const struct io_receiver *);
void reactor_recv_detach(struct io *, struct io_receiver *);
/** Maps and registers the provided buffers; 0 or a negative errno. */
int receive_buffers_make(struct reactor *r);
void receive_buffers_release(struct reactor *r);

void reactor_post(struct io *, unsigned shard, struct io_message *message);
/** Delivers what has arrived by now. */
void messages_deliver(struct reactor *r);
/** Moves spilled messages on and wakes the shards that may sleep. */
void messages_flush(struct reactor *r);
/** True when something has arrived that messages_deliver or workers_collect would handle. */
bool messages_waiting(struct reactor *r);
/** Wakes r from a thread without a ring, when it may sleep. */
void reactor_wake_from_outside(struct reactor *r);
/** Wakes r whether it sleeps or not. */
void reactor_wake_always(struct reactor *r);

/* --- workers.c --- */
struct worker_op {
    struct op_head head;
    int64_t (*run)(struct io_op *op); /* on the worker's thread */
    struct io_op *next;
    struct reactor *owner;
    union {
        const void *ptr;
        uint64_t number;
    } args[5];
};
OP_STATE_FITS(struct worker_op);
static inline struct worker_op *worker_op(struct io_op *op) {
    return (struct worker_op *)(void *)op->impl;
}
struct worker_pool *worker_pool_new(struct mem *mem, uint32_t limit_count);
/** Runs what is queued, then ends the threads. */
void worker_pool_free(struct mem *mem, struct worker_pool *pool);
/** Hands op (begun; its worker_op filled in) to a worker; head.on_cqe is called on the shard when
 * it has run, with op->result set. false when no thread could be started: op->result holds, it is
 * not under way. */
bool worker_pool_submit(struct worker_pool *pool, struct reactor *r, struct io_op *op);
/** on_cqe of a worker's operations: ends them with what they returned. */
void op_worker_done(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags);
/** On the shard: ends what workers have finished. */
void workers_collect(struct reactor *r);
