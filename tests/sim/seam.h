/* tests/sim/seam.h - the seam (base/io.h) of one shard of a simulated node.
 * A shard runs in turns, as the loop of a real one: what has finished is delivered, then messages,
 * then due timers, then what was put off to the end of the turn. Between its turns none of its code
 * runs. A call on the seam of a shard whose turn it is not is the caller's mistake and asserts. */
#pragma once
#include "base/io.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

/* Something to be delivered in a turn. */
struct task {
    struct list link;
    void (*run)(struct task *task);
};

/* Messages from one shard to another. */
struct mail {
    struct io_message *first, **last;
    uint32_t count;
    uint32_t arrived_count; /* of them, may be delivered */
    struct sim_io *to;
    struct event event;
};

enum op_kind {
    OP_OPEN = 1,
    OP_READ,
    OP_WRITE,
    OP_SYNC,
    OP_SYNC_FS,
    OP_FORGET,
    OP_TRUNCATE,
    OP_ALLOCATE,
    OP_RENAME,
    OP_UNLINK,
    OP_MKDIR,
    OP_RMDIR,
    OP_LIST,
    OP_STEPS,
    OP_STAT,
    OP_STATFS,
    OP_LOCK,
    OP_DIR_SYNC,
    OP_CLOSE,
    OP_CONNECT,
    OP_SEND,
    OP_SEND_FILE,
    OP_RESOLVE,
    OP_WORK,
    OP_KIND_COUNT
};
const char *op_name(enum op_kind kind);

/* An operation under way. */
struct sim_op {
    struct list link;   /* in sim_io->under_way until it was delivered */
    struct task task;   /* once it has finished */
    struct event event; /* it finishes */
    struct sim_io *io;
    struct io_op *op;                      /* borrowed; NULL: nobody waits */
    int64_t (*execute)(struct sim_op *op); /* its effect and result */
    void (*abandon)(
        struct sim_op *op); /* it will have no effect: frees what it holds; NULL: nothing */
    enum op_kind kind;
    int fd;           /* < 0: none */
    bool is_executed; /* the effect came before the end */
    int64_t result;
    struct disk_file *file; /* busy with it until delivered; NULL: none */
    int file_fd;            /* its descriptor */
    struct disk_sync *sync;
    const char *path, *path_to;
    void *buf; /* or a ret_ argument, or a worker's argument */
    const struct iovec *iov;
    int iov_count;
    size_t len;
    uint64_t offset; /* or a size */
    unsigned flags, mode;
    uint64_t buffer_hash; /* of what is written, at the start: it may not change meanwhile */
    uint64_t done_len;    /* of a send, so far */
    struct io_address address;
    int64_t (*fn)(void *);
};

struct sim_io {
    struct io io; /* first */
    struct world *world;
    struct node *node;
    struct event turn;
    struct list ready;              /* struct task */
    struct list under_way;          /* struct sim_op */
    struct list laters;             /* struct io_later */
    struct mail mails[NODE_SHARDS]; /* from each shard to this one */
    uint64_t
        timer_order; /* of the timers when the last turn ended: nobody may set one in between */
};

struct sim_io *seam_new(struct node *node, unsigned shard, unsigned shard_count, struct mem *mem);
/** A crash or an exit: everything outstanding vanishes without a callback. */
void seam_free(struct sim_io *io);

static inline struct sim_io *seam_of(struct io *io) { return (struct sim_io *)(void *)io; }

/** Before and after code of the shard runs outside of its turns (boot). */
void seam_enter(struct sim_io *io);
void seam_leave(struct sim_io *io);
/** Delivers the task in a coming turn. */
void seam_ready(struct sim_io *io, struct task *task);

/** Every operation begins with it. False: the process has just crashed, the operation does nothing
 * and is under way for ever. */
bool seam_begin(struct sim_io *io);
struct sim_op *op_new(struct sim_io *io, struct io_op *op, enum op_kind kind, int fd);
/** Finishes it inline by chance (true, and it is gone), or starts it for about delay_us. */
bool op_start(struct sim_op *op, uint64_t delay_us);
/** Finishes it inline by chance. */
bool op_inline(struct sim_op *op);
/** It has its result; delivered in a coming turn. */
void op_finish(struct sim_op *op, int64_t result);
void op_free(struct sim_op *op);

/** A free descriptor, the lowest; -EMFILE. */
int fd_new(struct node *node);
/** NULL when fd is none of the process's, or is being closed. */
struct descriptor *fd_find(struct sim_io *io, int fd);
void fd_free(struct node *node, int fd);

extern const struct io_ops seam_ops;

/* seam_file.c */
bool file_open(struct io *, struct io_op *, const char *path, unsigned flags, unsigned mode);
bool file_read(struct io *, struct io_op *, int fd, void *buf, size_t len, uint64_t offset,
               unsigned flags);
bool file_write(struct io *, struct io_op *, int fd, const struct iovec *iov, int iov_count,
                uint64_t offset, unsigned flags, struct io_disk *disk);
bool file_sync(struct io *, struct io_op *, int fd, unsigned flags);
bool file_sync_fs(struct io *, struct io_op *, int fd);
bool file_forget(struct io *, struct io_op *, int fd);
bool file_truncate(struct io *, struct io_op *, int fd, uint64_t size_bytes);
bool file_allocate(struct io *, struct io_op *, int fd, uint64_t offset, uint64_t len,
                   unsigned flags);
bool file_rename(struct io *, struct io_op *, const char *from, const char *to);
bool file_unlink(struct io *, struct io_op *, const char *path);
bool file_mkdir(struct io *, struct io_op *, const char *path, unsigned mode);
bool file_rmdir(struct io *, struct io_op *, const char *path);
bool file_list(struct io *, struct io_op *, const char *path, struct io_listing *ret_listing);
bool file_steps(struct io *, struct io_op *, struct io_step *steps, uint32_t count);
bool file_stat(struct io *, struct io_op *, const char *path, struct io_stat *ret_stat);
bool file_statfs(struct io *, struct io_op *, const char *path, struct io_statfs *ret_statfs);
bool file_lock(struct io *, struct io_op *, int fd);
bool file_dir_sync(struct io *, struct io_op *, const char *path);
/** Of a descriptor that is a file: once nothing is outstanding on it. */
bool file_close(struct sim_op *close, struct descriptor *at);
/** One operation less is outstanding on its file. */
void file_op_done(struct sim_op *op);
/** A crash is near: some writes under way are done in part. */
void file_ops_part(struct sim_io *io);
