/* base/io.h - the seam: everything that klamm asks of the outside world, as operations with
 * intrusive completions. Two implementations: broker/reactor (io_uring) and tests/sim (virtual
 * time, faults); a third (epoll and threads) has its place beside the reactor. Nothing above
 * includes liburing, reads a clock or opens a file in another way.
 *
 * Shards. A `struct io` belongs to one shard (thread). All calls on it and all callbacks from it
 * happen on that shard; only io_post crosses, through the target's mailbox.
 *
 * Operations. The caller embeds a `struct io_op`, sets `done`, and starts it. Every start function
 * returns true when the operation finished at once: op->result holds, and `done` is NOT called. It
 * returns false when it is under way: `done` is called exactly once, later, never from within the
 * start function. So no callback ever runs below its own start, and a caller writes
 *     if (io_read(...)) on_read(&x->op);
 * Until it finished, the op and every buffer, path and iovec named in the call must stay where they
 * are (borrowed). op->result is >= 0 or a negative errno; status_from_errno() turns it into a
 * status.
 *
 * Closing. io_close gives up whatever is outstanding on the descriptor: each such operation
 * completes (-ECANCELED or its real result) before the close itself completes. Nothing is started
 * on it afterwards.
 *
 * Memory. A start allocates nothing after warm-up. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/timers.h"

struct io;

struct io_op {
    void (*done)(struct io_op *op);
    int64_t result;    /* octets, a descriptor, or a negative errno */
    struct list link;  /* the implementation's, while under way */
    uint64_t impl[12]; /* the implementation's, while under way */
};

/* How one shard sees one log directory: whether writes into it may be tried inline. Owned by the
 * caller, one per directory and shard, zeroed at first. */
struct io_disk {
    uint32_t lane;          /* the owner's: the thread that makes all writes, from 1 (the
                               implementation's option says how many there are), so that none holds
                               the shard; 0: the shard and the ring do */
    uint64_t ring_until_us; /* after a stall, writes go to the ring until then */
    uint64_t penalty_us;    /* for how long after the last stall */
    uint64_t inline_writes; /* finished inline */
    uint64_t inline_stalls; /* inline writes that took longer than IO_STALL_US */
    uint64_t ring_writes;   /* not inline: the ring's or the lane's */
};
#define IO_STALL_US 2000            /* an inline write longer than this was a stall */
/* How long the directory's writes then go to the ring: the first time, for a stall may be no more
 * than the shard losing its CPU, and at most, when stall follows stall within IO_STALL_QUIET_US. */
#define IO_STALL_PENALTY_US 20000
#define IO_STALL_PENALTY_MAX_US 1000000
#define IO_STALL_QUIET_US 1000000

enum io_open_flags {
    IO_READ = 1,
    IO_WRITE = 2,
    IO_CREATE = 4,     /* create when missing */
    IO_EXCLUSIVE = 8,  /* with IO_CREATE: -EEXIST when it is there */
    IO_TRUNCATE = 16,  /* cut to nothing */
    IO_DIRECTORY = 32, /* only a directory, for io_sync and io_statfs */
    IO_DIRECT = 64,    /* for io_read with IO_ALIGNED; -EINVAL where the file system cannot */
};

enum io_flags {
    /* read: from the page cache at once where it is there; write: at once unless disk stalled */
    IO_INLINE = 1,
    IO_DURABLE = 2, /* write: on stable storage when it completes (RWF_DSYNC) */
    IO_KEEP_SIZE = 8, /* allocate: the file is not longer than before */
    IO_ALL = 4,     /* sync: metadata too (fsync), not only what is needed to read the data back */
    /* read of a file that was opened with IO_DIRECT: buffer, length and offset are multiples of
       IO_DIRECT_BYTES */
    IO_ALIGNED = 16,
};

#define IO_DIRECT_BYTES 4096u

enum io_entry_kind { IO_FILE, IO_DIR, IO_OTHER };

struct io_entry {
    char *name; /* terminated; within the list's memory */
    enum io_entry_kind kind;
    uint64_t size_bytes; /* of a file */
};

struct io_listing {
    struct io_entry *entries; /* sorted by name */
    uint32_t count;
    /* of the one block that holds everything; free with io_listing_free */
    size_t bytes;
};

struct io_stat {
    uint64_t size_bytes;
    int64_t modified_ms; /* wall clock */
    uint32_t mode;       /* permission bits */
    uint32_t link_count; /* names that it has */
    enum io_entry_kind kind;
};

struct io_statfs {
    uint64_t total_bytes, free_bytes; /* free for this user */
    uint64_t device;                  /* same number, same file system */
};

/* Small calls that one worker makes one after another: for cold work on very many small files,
 * where handing over each call by itself costs more than the call. */
enum io_step_kind {
    IO_STEP_LIST,   /* as io_list: path, into listing */
    IO_STEP_LOAD,   /* a file from its start into buf; the octets: fewer than len is all of it */
    IO_STEP_MKDIR,  /* path, mode */
    IO_STEP_CREATE, /* a file of buf (path, mode); what an old one holds goes */
    IO_STEP_RENAME, /* path to path_to */
};

struct io_step {
    enum io_step_kind kind;
    bool needs_last; /* only when the step before it was done; otherwise -ECANCELED */
    unsigned mode;
    const char *path, *path_to;
    void *buf;
    size_t len;
    struct io_listing listing;
    int64_t result; /* as that of the operation alone */
};

struct io_address {
    uint8_t bytes[16]; /* IPv6, or IPv4 in the first four */
    uint16_t port;
    uint8_t family; /* 4 or 6; 0: none */
};
#define IO_ADDRESS_TEXT_BYTES 64
/** "127.0.0.1:9092" or "[::1]:9092", terminated. */
void io_address_format(const struct io_address *address, char text[IO_ADDRESS_TEXT_BYTES]);
/** A numeric address without brackets; false for a name. */
bool io_address_parse(const char *host, uint16_t port, struct io_address *ret_address);

/* Accepts until stopped. */
struct io_acceptor {
    /** A new connection's descriptor (taken) and its peer, or fd < 0: a negative errno; accepting
     *  goes on after -EMFILE and the like, with a pause. */
    void (*on_accept)(struct io_acceptor *acceptor, int fd, const struct io_address *peer);
    struct io_op op; /* the implementation's */
    int fd;
    bool stopped;
};

/* Receives from one stream until it ends or is stopped. */
struct io_receiver {
    /** Octets that arrived, borrowed for the call; len > 0. The callee takes all of them. */
    void (*on_data)(struct io_receiver *receiver, const uint8_t *data, size_t len);
    /** The octets asked for by io_recv_direct are in their buffer. */
    void (*on_direct)(struct io_receiver *receiver);
    /** The last call: 0 the peer closed, -ECANCELED io_recv_stop or io_recv_detach, or another
     *  negative errno.
     *  Afterwards neither the receiver nor a direct buffer is used by the implementation. */
    void (*on_end)(struct io_receiver *receiver, int64_t result);
    struct io_op op; /* the implementation's */
    int fd;
    uint8_t *direct; /* where the next octets go; NULL: into the implementation's buffers */
    size_t direct_len;
    uint32_t state; /* the implementation's */
    bool paused;
};

/* A note to another shard, embedded in something that lives until `deliver` has run there. */
struct io_message {
    void (*deliver)(struct io_message *message, struct io *at); /* on the target's shard */
    struct io_message *next;
};

/* Work to be done at the end of this turn of the loop, at most once however often it is asked
 * for. */
struct io_later {
    void (*run)(struct io_later *later);
    struct list link;
};

struct io_stats {
    uint64_t turns, ops, ring_full, ring_overflows;
    /* Between shards, those to itself included; spilled: found a full mailbox. */
    uint64_t messages_sent, messages_received, messages_spilled;
    uint64_t timers_fired, buffers_missing; /* receives that found no provided buffer */
    uint64_t in_flight;                     /* operations under way now */
};

struct io_ops {
    bool (*open)(struct io *, struct io_op *, const char *path, unsigned flags, unsigned mode);
    bool (*read)(struct io *, struct io_op *, int fd, void *buf, size_t len, uint64_t offset,
                 unsigned flags);
    bool (*write)(struct io *, struct io_op *, int fd, const struct iovec *iov, int iov_count,
                  uint64_t offset, unsigned flags, struct io_disk *disk);
    bool (*sync)(struct io *, struct io_op *, int fd, unsigned flags);
    bool (*sync_fs)(struct io *, struct io_op *, int fd);
    bool (*forget)(struct io *, struct io_op *, int fd);
    bool (*truncate)(struct io *, struct io_op *, int fd, uint64_t size_bytes);
    bool (*allocate)(struct io *, struct io_op *, int fd, uint64_t offset, uint64_t len,
                     unsigned flags);
    bool (*rename)(struct io *, struct io_op *, const char *from, const char *to);
    bool (*unlink)(struct io *, struct io_op *, const char *path);
    bool (*mkdir)(struct io *, struct io_op *, const char *path, unsigned mode);
    bool (*rmdir)(struct io *, struct io_op *, const char *path);
    bool (*list)(struct io *, struct io_op *, const char *path, struct io_listing *ret_listing);
    bool (*steps)(struct io *, struct io_op *, struct io_step *steps, uint32_t count);
    bool (*stat)(struct io *, struct io_op *, const char *path, struct io_stat *ret_stat);
    bool (*statfs)(struct io *, struct io_op *, const char *path, struct io_statfs *ret_statfs);
    bool (*lock)(struct io *, struct io_op *, int fd);
    bool (*dir_sync)(struct io *, struct io_op *, const char *path);
    bool (*close)(struct io *, struct io_op *, int fd);
    void (*cancel)(struct io *, struct io_op *);

    int (*listen)(struct io *, const struct io_address *address, int backlog,
                  struct io_address *ret_bound);
    void (*accept_start)(struct io *, struct io_acceptor *, int fd);
    void (*accept_stop)(struct io *, struct io_acceptor *);
    bool (*connect)(struct io *, struct io_op *, const struct io_address *address);
    void (*recv_start)(struct io *, struct io_receiver *, int fd);
    void (*recv_direct)(struct io *, struct io_receiver *, uint8_t *buf, size_t len);
    size_t (*recv_waiting)(struct io *, const struct io_receiver *);
    void (*recv_pause)(struct io *, struct io_receiver *);
    void (*recv_resume)(struct io *, struct io_receiver *);
    void (*recv_stop)(struct io *, struct io_receiver *);
    void (*recv_detach)(struct io *, struct io_receiver *);
    bool (*send)(struct io *, struct io_op *, int fd, const struct iovec *iov, int iov_count);
    bool (*send_file)(struct io *, struct io_op *, int fd, int file, uint64_t offset, uint64_t len);
    bool (*resolve)(struct io *, struct io_op *, const char *host, uint16_t port,
                    struct io_address *ret_addresses, uint32_t capacity);

    void (*random)(struct io *, void *out, size_t len);
    bool (*work)(struct io *, struct io_op *, int64_t (*fn)(void *), void *argument);
    void (*post)(struct io *, unsigned shard, struct io_message *);
    void (*later)(struct io *, struct io_later *);
};

struct io {
    const struct io_ops *ops;
    struct mem *mem;      /* borrowed: the shard's counted memory */
    struct timers timers; /* deadlines of this shard */
    struct now now;       /* refreshed by the implementation at each turn of the loop */
    struct io_stats stats;
    uint16_t shard; /* this one's number, 0 .. shard_count - 1 */
    uint16_t shard_count;
};

/* --- files: descriptors are small non-negative numbers --- */

/** Opens; result is the descriptor. flags: enum io_open_flags; mode: permissions of what is
 *  created. */
static inline bool io_open(struct io *io, struct io_op *op, const char *path, unsigned flags,
                           unsigned mode) {
    return io->ops->open(io, op, path, flags, mode);
}
/** Reads up to len octets at offset; result is how many: fewer only at the end of the file. flags:
 *  IO_INLINE. Octets that come with IO_ALIGNED are the device's, not the page cache's, and leave no
 *  page there. */
static inline bool io_read(struct io *io, struct io_op *op, int fd, void *buf, size_t len,
                           uint64_t offset, unsigned flags) {
    return io->ops->read(io, op, fd, buf, len, offset, flags);
}
/** Writes everything or fails; result is the octets written. On failure any part may have been
 *  written. flags: IO_INLINE (then disk is not NULL), IO_DURABLE (never by a lane). */
static inline bool io_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov,
                            int iov_count, uint64_t offset, unsigned flags, struct io_disk *disk) {
    return io->ops->write(io, op, fd, iov, iov_count, offset, flags, disk);
}
/** What was written before the start is on stable storage when it completes. After an error nothing
 *  is known of any write since the last good sync: never try again, take the directory offline.
 *  flags: IO_ALL. */
static inline bool io_sync(struct io *io, struct io_op *op, int fd, unsigned flags) {
    return io->ops->sync(io, op, fd, flags);
}
/** The whole file system of fd (syncfs). */
static inline bool io_sync_fs(struct io *io, struct io_op *op, int fd) {
    return io->ops->sync_fs(io, op, fd);
}
/** Drops the file's clean pages from the page cache: the next reads come from the device. Octets
 * that a failed sync has lost are clean there and nowhere else. */
static inline bool io_forget(struct io *io, struct io_op *op, int fd) {
    return io->ops->forget(io, op, fd);
}
static inline bool io_truncate(struct io *io, struct io_op *op, int fd, uint64_t size_bytes) {
    return io->ops->truncate(io, op, fd, size_bytes);
}
/** Reserves blocks and extends the file's size over them, zero filled. flags: IO_KEEP_SIZE; a
 *  truncation to the file's size gives back what is behind it. */
static inline bool io_allocate(struct io *io, struct io_op *op, int fd, uint64_t offset,
                               uint64_t len, unsigned flags) {
    return io->ops->allocate(io, op, fd, offset, len, flags);
}
/** Replaces `to`; durable only after io_dir_sync of both directories. */
static inline bool io_rename(struct io *io, struct io_op *op, const char *from, const char *to) {
    return io->ops->rename(io, op, from, to);
}
static inline bool io_unlink(struct io *io, struct io_op *op, const char *path) {
    return io->ops->unlink(io, op, path);
}
static inline bool io_mkdir(struct io *io, struct io_op *op, const char *path, unsigned mode) {
    return io->ops->mkdir(io, op, path, mode);
}
static inline bool io_rmdir(struct io *io, struct io_op *op, const char *path) {
    return io->ops->rmdir(io, op, path);
}
/** Names in a directory without "." and "..", and the sizes of files; free with
 *  io_listing_free(io->mem). */
static inline bool io_list(struct io *io, struct io_op *op, const char *path,
                           struct io_listing *ret_listing) {
    return io->ops->list(io, op, path, ret_listing);
}
void io_listing_free(struct mem *mem, struct io_listing *listing);
/** Steps in order, whatever became of those before (but see needs_last). A negative result: none
 *  was tried. */
static inline bool io_steps(struct io *io, struct io_op *op, struct io_step *steps,
                            uint32_t count) {
    return io->ops->steps(io, op, steps, count);
}
static inline bool io_stat(struct io *io, struct io_op *op, const char *path,
                           struct io_stat *ret_stat) {
    return io->ops->stat(io, op, path, ret_stat);
}
static inline bool io_statfs(struct io *io, struct io_op *op, const char *path,
                             struct io_statfs *ret_statfs) {
    return io->ops->statfs(io, op, path, ret_statfs);
}
/** An exclusive POSIX record lock on the whole file, as Java's FileChannel.tryLock takes it;
 *  -EAGAIN when another process holds it. Gone when any descriptor of the file is closed by this
 *  process. */
static inline bool io_lock(struct io *io, struct io_op *op, int fd) {
    return io->ops->lock(io, op, fd);
}
/** The names in a directory are on stable storage. */
static inline bool io_dir_sync(struct io *io, struct io_op *op, const char *path) {
    return io->ops->dir_sync(io, op, path);
}
/** Closes a file or a socket. op may be NULL: nobody waits. */
static inline bool io_close(struct io *io, struct io_op *op, int fd) {
    return io->ops->close(io, op, fd);
}
/** Asks for an operation that is under way to end early; it completes all the same, perhaps with
 *  its result. */
static inline void io_cancel(struct io *io, struct io_op *op) { io->ops->cancel(io, op); }

/* --- the network --- */

/** Binds and listens with SO_REUSEPORT, so that each shard has its own listener on one address
 *  (port 0: any; ret_bound says which). The descriptor or a negative errno, at once. */
static inline int io_listen(struct io *io, const struct io_address *address, int backlog,
                            struct io_address *ret_bound) {
    return io->ops->listen(io, address, backlog, ret_bound);
}
static inline void io_accept_start(struct io *io, struct io_acceptor *acceptor, int fd) {
    io->ops->accept_start(io, acceptor, fd);
}
/** No on_accept after it returned; the acceptor must live until the listening descriptor's io_close
 *  completed. */
static inline void io_accept_stop(struct io *io, struct io_acceptor *acceptor) {
    io->ops->accept_stop(io, acceptor);
}
/** result is the connected descriptor. */
static inline bool io_connect(struct io *io, struct io_op *op, const struct io_address *address) {
    return io->ops->connect(io, op, address);
}
static inline void io_recv_start(struct io *io, struct io_receiver *receiver, int fd) {
    io->ops->recv_start(io, receiver, fd);
}
/** Only from within on_data or on_direct: the next len octets of the stream go to buf (borrowed
 *  until on_direct or on_end). For large frames: no second copy. */
static inline void io_recv_direct(struct io *io, struct io_receiver *receiver, uint8_t *buf,
                                  size_t len) {
    io->ops->recv_direct(io, receiver, buf, len);
}
/** Octets that have arrived and were not given yet: a direct read of so many ends soon. */
static inline size_t io_recv_waiting(struct io *io, const struct io_receiver *receiver) {
    return io->ops->recv_waiting(io, receiver);
}
/** Stops reading, for back-pressure; on_data may still bring what had arrived by then (a few
 *  buffers), and a direct read that is under way is finished. */
static inline void io_recv_pause(struct io *io, struct io_receiver *receiver) {
    io->ops->recv_pause(io, receiver);
}
static inline void io_recv_resume(struct io *io, struct io_receiver *receiver) {
    io->ops->recv_resume(io, receiver);
}
/** Ends receiving: no on_data or on_direct any more; on_end follows, later. */
static inline void io_recv_stop(struct io *io, struct io_receiver *receiver) {
    io->ops->recv_stop(io, receiver);
}
/** Ends receiving and loses nothing, so that receiving may start anew, on another shard even:
 *  on_data still brings what had been taken from the stream, then on_end follows, later. Not while
 *  a direct read is wanted; one that is asked for meanwhile is dropped. Resumes a paused receiver
 *  only to end it. */
static inline void io_recv_detach(struct io *io, struct io_receiver *receiver) {
    io->ops->recv_detach(io, receiver);
}
/** Sends everything or fails; at most one send or send_file at a time on a descriptor. */
static inline bool io_send(struct io *io, struct io_op *op, int fd, const struct iovec *iov,
                           int iov_count) {
    return io->ops->send(io, op, fd, iov, iov_count);
}
/** Sends len octets of a file from offset, everything or fails (-EIO when the file is shorter), in
 *  bounded memory. The file stays open until it completes. */
static inline bool io_send_file(struct io *io, struct io_op *op, int fd, int file, uint64_t offset,
                                uint64_t len) {
    return io->ops->send_file(io, op, fd, file, offset, len);
}
/** Addresses of a host name; result is how many (at most capacity). */
static inline bool io_resolve(struct io *io, struct io_op *op, const char *host, uint16_t port,
                              struct io_address *ret_addresses, uint32_t capacity) {
    return io->ops->resolve(io, op, host, port, ret_addresses, capacity);
}

/* --- the rest --- */

static inline struct now io_now(const struct io *io) { return io->now; }
static inline void io_timer_set(struct io *io, struct io_timer *timer, uint64_t at_us) {
    timers_set(&io->timers, timer, at_us);
}
static inline void io_timer_clear(struct io *io, struct io_timer *timer) {
    timers_clear(&io->timers, timer);
}
/** Unpredictable octets (getrandom; seeded in the simulator), at once. */
static inline void io_random(struct io *io, void *out, size_t len) {
    io->ops->random(io, out, len);
}
/** Runs fn(argument) on a worker thread; result is what it returns. fn computes only: no I/O, no
 *  shard state. */
static inline bool io_work(struct io *io, struct io_op *op, int64_t (*fn)(void *), void *argument) {
    return io->ops->work(io, op, fn, argument);
}
/** Hands a message to another shard (or to this one: delivered in a later turn). Messages of one
 *  pair of shards arrive in order. Never fails: beyond the mailbox's bound the sender keeps them
 *  and tries again each turn. */
static inline void io_post(struct io *io, unsigned shard, struct io_message *message) {
    io->ops->post(io, shard, message);
}
/** Runs later->run once at the end of this turn; asking again meanwhile changes nothing. */
static inline void io_later(struct io *io, struct io_later *later) { io->ops->later(io, later); }
