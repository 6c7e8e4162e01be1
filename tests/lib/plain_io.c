/* tests/lib/plain_io.c - system calls, done at once or at the next turn. */
#include "tests/lib/plain_io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/bytes.h"

/* The closure of one operation; lives in io_op.impl until it is done. */
struct closure {
    const char *path, *path2;
    void *pointer;
    uint64_t offset, len;
    int32_t fd;
    uint32_t flags;
    uint32_t mode;
    uint32_t kind;
    int64_t (*fn)(void *);
};
_Static_assert(sizeof(struct closure) <= sizeof((struct io_op *)0)->impl,
               "a closure fits into an operation");

static struct plain_io *plain_of(struct io *io) { return CONTAINER_OF(io, struct plain_io, io); }

static int64_t do_open(const struct closure *c) {
    int flags = O_CLOEXEC;
    if (c->flags & IO_DIRECTORY) flags |= O_DIRECTORY;
    flags |= (c->flags & IO_WRITE) ? ((c->flags & IO_READ) ? O_RDWR : O_WRONLY) : O_RDONLY;
    if (c->flags & IO_CREATE) flags |= O_CREAT;
    if (c->flags & IO_EXCLUSIVE) flags |= O_EXCL;
    if (c->flags & IO_TRUNCATE) flags |= O_TRUNC;
    if (c->flags & IO_DIRECT) flags |= O_DIRECT;
    int fd = open(c->path, flags, c->mode);
    return fd >= 0 ? fd : -errno;
}

static int64_t do_read(const struct closure *c) {
    size_t got = 0;
    while (got < c->len) {
        ssize_t n = pread(c->fd, (char *)c->pointer + got, c->len - got, (off_t)(c->offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        got += (size_t)n;
        if ((c->flags & IO_ALIGNED) && got % IO_DIRECT_BYTES != 0) break; /* the end */
    }
    return (int64_t)got;
}

static int64_t do_write(const struct closure *c) {
    const struct iovec *iov = c->pointer;
    uint64_t at = c->offset;
    for (uint64_t i = 0; i < c->len; i++) {
        for (size_t sent = 0; sent < iov[i].iov_len;) {
            ssize_t n =
                pwrite(c->fd, (char *)iov[i].iov_base + sent, iov[i].iov_len - sent, (off_t)at);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return -errno;
            sent += (size_t)n;
            at += (uint64_t)n;
        }
    }
    return (int64_t)(at - c->offset);
}

static int64_t do_dir_sync(const struct closure *c) {
    int fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int result = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return result;
}

static int64_t do_stat(const struct closure *c) {
    struct stat st;
    if (stat(c->path, &st) != 0) return -errno;
    struct io_stat *out = c->pointer;
    *out = (struct io_stat){
        .size_bytes = (uint64_t)st.st_size,
        .modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .mode = st.st_mode & 07777,
        .link_count = (uint32_t)st.st_nlink,
        .kind = S_ISREG(st.st_mode)   ? IO_FILE
                : S_ISDIR(st.st_mode) ? IO_DIR
                                      : IO_OTHER,
    };
    return 0;
}

static int64_t do_statfs(const struct closure *c) {
    struct statvfs st;
    if (statvfs(c->path, &st) != 0) return -errno;
    *(struct io_statfs *)c->pointer = (struct io_statfs){
        .total_bytes = (uint64_t)st.f_blocks * st.f_frsize,
        .free_bytes = (uint64_t)st.f_bavail * st.f_frsize,
        .device = st.f_fsid,
    };
    return 0;
}

static int64_t do_lock(const struct closure *c) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(c->fd, F_SETLK, &lock) == 0) return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

static int compare_entries(const void *a, const void *b) {
    return strcmp(((const struct io_entry *)a)->name, ((const struct io_entry *)b)->name);
}

static int64_t do_list(struct mem *mem, const struct closure *c) {
    DIR *dir = opendir(c->path);
    if (dir == NULL) return -errno;
    uint32_t count = 0;
    size_t names = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        count++;
        names += strlen(e->d_name) + 1;
    }
    rewinddir(dir);
    struct io_listing *out = c->pointer;
    *out = (struct io_listing){.bytes = count * sizeof(struct io_entry) + names + 1};
    out->entries = mem_need(mem, out->bytes);
    char *text = (char *)(out->entries + count);
    for (struct dirent *e; (e = readdir(dir)) != NULL && out->count < count;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        struct stat st;
        enum io_entry_kind kind = IO_OTHER;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            kind = S_ISREG(st.st_mode) ? IO_FILE : S_ISDIR(st.st_mode) ? IO_DIR : IO_OTHER;
        }
        out->entries[out->count++] =
            (struct io_entry){.name = text,
                              .kind = kind,
                              .size_bytes = kind == IO_FILE ? (uint64_t)st.st_size : 0};
        size_t n = strlen(e->d_name) + 1;
        memcpy(text, e->d_name, n);
        text += n;
    }
    closedir(dir);
    qsort(out->entries, out->count, sizeof *out->entries, compare_entries);
    return 0;
}

static int64_t errno_of(int result) { return result == 0 ? 0 : -errno; }

static int64_t perform(struct plain_io *plain, const struct closure *c);

/* By the kinds of its single calls, so that faults meet it as they meet those. */
static int64_t do_step(struct plain_io *plain, struct io_step *step) {
    struct iovec iov = {step->buf, step->len};
    struct closure c = {.path = step->path, .path2 = step->path_to, .mode = step->mode};
    switch (step->kind) {
    case IO_STEP_LIST:
        c.kind = PLAIN_LIST;
        c.pointer = &step->listing;
        return perform(plain, &c);
    case IO_STEP_MKDIR: c.kind = PLAIN_MKDIR; return perform(plain, &c);
    case IO_STEP_RENAME: c.kind = PLAIN_RENAME; return perform(plain, &c);
    case IO_STEP_LOAD: c.flags = IO_READ; break;
    case IO_STEP_CREATE: c.flags = IO_WRITE | IO_CREATE | IO_TRUNCATE; break;
    }
    c.kind = PLAIN_OPEN;
    int64_t fd = perform(plain, &c);
    if (fd < 0) return fd;
    c.fd = (int32_t)fd;
    c.kind = step->kind == IO_STEP_LOAD ? PLAIN_READ : PLAIN_WRITE;
    c.pointer = step->kind == IO_STEP_LOAD ? step->buf : &iov;
    c.len = step->kind == IO_STEP_LOAD ? step->len : 1;
    int64_t result = perform(plain, &c);
    c.kind = PLAIN_CLOSE;
    (void)perform(plain, &c);
    return result;
}

static int64_t do_steps(struct plain_io *plain, const struct closure *c) {
    struct io_step *steps = c->pointer;
    for (uint64_t i = 0; i < c->len; i++) {
        bool is_off = i > 0 && steps[i].needs_last && steps[i - 1].result < 0;
        steps[i].result = is_off ? -ECANCELED : do_step(plain, &steps[i]);
    }
    return 0;
}

static int64_t perform(struct plain_io *plain, const struct closure *c) {
    struct closure part;
    plain->counts[c->kind]++;
    if (c->kind == PLAIN_STEPS) return do_steps(plain, c);
    if (plain->fault != NULL) {
        struct plain_call call = {
            (enum plain_kind)c->kind, c->fd, c->path, c->path2, c->offset, c->len};
        int refused = plain->fault(plain, &call);
        if (refused < 0) return refused;
        if (refused > 0 && c->kind == PLAIN_READ) {
            part = *c;
            part.len = MIN(part.len, (uint64_t)refused);
            return do_read(&part);
        }
    }
    bool is_sync = c->kind == PLAIN_SYNC || c->kind == PLAIN_SYNC_FS || c->kind == PLAIN_DIR_SYNC;
    if (is_sync && plain->syncs_are_free) return 0;
    switch ((enum plain_kind)c->kind) {
    case PLAIN_OPEN: return do_open(c);
    case PLAIN_READ: return do_read(c);
    case PLAIN_WRITE: return do_write(c);
    case PLAIN_SYNC: return errno_of((c->flags & IO_ALL) ? fsync(c->fd) : fdatasync(c->fd));
    case PLAIN_SYNC_FS: return errno_of(syncfs(c->fd));
    case PLAIN_FORGET: return -posix_fadvise(c->fd, 0, 0, POSIX_FADV_DONTNEED);
    case PLAIN_TRUNCATE: return errno_of(ftruncate(c->fd, (off_t)c->len));
    case PLAIN_ALLOCATE: {
        int mode = (c->flags & IO_KEEP_SIZE) != 0 ? FALLOC_FL_KEEP_SIZE : 0;
        return errno_of(fallocate(c->fd, mode, (off_t)c->offset, (off_t)c->len));
    }
    case PLAIN_RENAME: return errno_of(rename(c->path, c->path2));
    case PLAIN_UNLINK: return errno_of(unlink(c->path));
    case PLAIN_MKDIR: return errno_of(mkdir(c->path, c->mode));
    case PLAIN_RMDIR: return errno_of(rmdir(c->path));
    case PLAIN_LIST: return do_list(&plain->mem, c);
    case PLAIN_STAT: return do_stat(c);
    case PLAIN_STATFS: return do_statfs(c);
    case PLAIN_LOCK: return do_lock(c);
    case PLAIN_DIR_SYNC: return do_dir_sync(c);
    case PLAIN_CLOSE: return errno_of(close(c->fd));
    case PLAIN_WORK: return c->fn(c->pointer);
    case PLAIN_STEPS:
    case PLAIN_KIND_COUNT: break;
    }
    UNREACHABLE();
}

static bool begin(struct io *io, struct io_op *op, const struct closure *c) {
    struct plain_io *plain = plain_of(io);
    if (!plain->deferred || op == NULL) {
        int64_t result = perform(plain, c);
        if (op != NULL) op->result = result;
        return true;
    }
    memcpy(op->impl, c, sizeof *c);
    list_push_back(&plain->waiting, &op->link);
    return false;
}

static bool plain_open(struct io *io, struct io_op *op, const char *path, unsigned flags,
                       unsigned mode) {
    return begin(io, op,
                 &(struct closure){.kind = PLAIN_OPEN, .path = path, .flags = flags, .mode = mode});
}
static bool plain_read(struct io *io, struct io_op *op, int fd, void *buf, size_t len,
                       uint64_t offset, unsigned flags) {
    return begin(io, op,
                 &(struct closure){.kind = PLAIN_READ,
                                   .fd = fd,
                                   .pointer = buf,
                                   .len = len,
                                   .offset = offset,
                                   .flags = flags});
}
static bool plain_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov,
                        int iov_count, uint64_t offset, unsigned flags, struct io_disk *disk) {
    ASSERT(!(flags & IO_INLINE) || disk != NULL);
    return begin(io, op,
                 &(struct closure){.kind = PLAIN_WRITE,
                                   .fd = fd,
                                   .pointer = (void *)(uintptr_t)iov,
                                   .len = (uint64_t)iov_count,
                                   .offset = offset,
                                   .flags = flags});
}
static bool plain_sync(struct io *io, struct io_op *op, int fd, unsigned flags) {
    return begin(io, op, &(struct closure){.kind = PLAIN_SYNC, .fd = fd, .flags = flags});
}
static bool plain_sync_fs(struct io *io, struct io_op *op, int fd) {
    return begin(io, op, &(struct closure){.kind = PLAIN_SYNC_FS, .fd = fd});
}
static bool plain_forget(struct io *io, struct io_op *op, int fd) {
    return begin(io, op, &(struct closure){.kind = PLAIN_FORGET, .fd = fd});
}
static bool plain_truncate(struct io *io, struct io_op *op, int fd, uint64_t size_bytes) {
    return begin(io, op, &(struct closure){.kind = PLAIN_TRUNCATE, .fd = fd, .len = size_bytes});
}
static bool plain_allocate(struct io *io, struct io_op *op, int fd, uint64_t offset, uint64_t len,
                           unsigned flags) {
    return begin(io, op,
                 &(struct closure){.kind = PLAIN_ALLOCATE,
                                   .fd = fd,
                                   .offset = offset,
                                   .len = len,
                                   .flags = flags});
}
static bool plain_rename(struct io *io, struct io_op *op, const char *from, const char *to) {
    return begin(io, op, &(struct closure){.kind = PLAIN_RENAME, .path = from, .path2 = to});
}
static bool plain_unlink(struct io *io, struct io_op *op, const char *path) {
    return begin(io, op, &(struct closure){.kind = PLAIN_UNLINK, .path = path});
}
static bool plain_mkdir(struct io *io, struct io_op *op, const char *path, unsigned mode) {
    return begin(io, op, &(struct closure){.kind = PLAIN_MKDIR, .path = path, .mode = mode});
}
static bool plain_rmdir(struct io *io, struct io_op *op, const char *path) {
    return begin(io, op, &(struct closure){.kind = PLAIN_RMDIR, .path = path});
}
static bool plain_list(struct io *io, struct io_op *op, const char *path, struct io_listing *ret) {
    return begin(io, op, &(struct closure){.kind = PLAIN_LIST, .path = path, .pointer = ret});
}
static bool plain_steps(struct io *io, struct io_op *op, struct io_step *steps, uint32_t count) {
    return begin(io, op, &(struct closure){.kind = PLAIN_STEPS, .pointer = steps, .len = count});
}
static bool plain_stat(struct io *io, struct io_op *op, const char *path, struct io_stat *ret) {
    return begin(io, op, &(struct closure){.kind = PLAIN_STAT, .path = path, .pointer = ret});
}
static bool plain_statfs(struct io *io, struct io_op *op, const char *path, struct io_statfs *ret) {
    return begin(io, op, &(struct closure){.kind = PLAIN_STATFS, .path = path, .pointer = ret});
}
static bool plain_lock(struct io *io, struct io_op *op, int fd) {
    return begin(io, op, &(struct closure){.kind = PLAIN_LOCK, .fd = fd});
}
static bool plain_dir_sync(struct io *io, struct io_op *op, const char *path) {
    return begin(io, op, &(struct closure){.kind = PLAIN_DIR_SYNC, .path = path});
}
static bool plain_close(struct io *io, struct io_op *op, int fd) {
    return begin(io, op, &(struct closure){.kind = PLAIN_CLOSE, .fd = fd});
}
static bool plain_work(struct io *io, struct io_op *op, int64_t (*fn)(void *), void *argument) {
    return begin(io, op, &(struct closure){.kind = PLAIN_WORK, .fn = fn, .pointer = argument});
}
static void plain_cancel(struct io *io, struct io_op *op) {}
static void plain_random(struct io *io, void *out, size_t len) {
    prng_fill(&plain_of(io)->prng, out, len);
}
static void plain_post(struct io *io, unsigned shard, struct io_message *message) {
    struct io_message **last = &plain_of(io)->messages;
    while (*last != NULL) last = &(*last)->next;
    message->next = NULL;
    *last = message;
}
static void plain_later(struct io *io, struct io_later *later) {
    if (!list_is_linked(&later->link)) list_push_back(&plain_of(io)->laters, &later->link);
}

static const struct io_ops plain_ops = {
    .open = plain_open,
    .read = plain_read,
    .write = plain_write,
    .sync = plain_sync,
    .sync_fs = plain_sync_fs,
    .forget = plain_forget,
    .truncate = plain_truncate,
    .allocate = plain_allocate,
    .rename = plain_rename,
    .unlink = plain_unlink,
    .mkdir = plain_mkdir,
    .rmdir = plain_rmdir,
    .list = plain_list,
    .steps = plain_steps,
    .stat = plain_stat,
    .statfs = plain_statfs,
    .lock = plain_lock,
    .dir_sync = plain_dir_sync,
    .close = plain_close,
    .cancel = plain_cancel,
    .random = plain_random,
    .work = plain_work,
    .post = plain_post,
    .later = plain_later,
};

void plain_io_init(struct plain_io *plain) {
    *plain = (struct plain_io){.io = {.ops = &plain_ops, .mem = &plain->mem, .shard_count = 1}};
    plain->io.now = (struct now){.mono_us = 1, .wall_ms = 1700000000000};
    timers_init(&plain->io.timers, &plain->mem);
    list_init(&plain->waiting);
    list_init(&plain->laters);
    prng_seed(&plain->prng, 1);
    jobs_init(&plain->jobs, &plain->io, 64);
}

void plain_io_release(struct plain_io *plain) {
    ASSERT(list_is_empty(&plain->waiting));
    jobs_release(&plain->jobs);
    timers_release(&plain->io.timers);
    ASSERT(plain->mem.used_bytes == 0);
}

bool plain_io_turn(struct plain_io *plain) {
    bool active = timers_run(&plain->io.timers, plain->io.now.mono_us) > 0;
    /* Only what waits now: what these start waits for the next turn. */
    struct list batch;
    list_init(&batch);
    for (struct list *node; (node = list_pop_front(&plain->waiting)) != NULL;)
        list_push_back(&batch, node);
    for (struct list *node; (node = list_pop_front(&batch)) != NULL;) {
        struct io_op *op = CONTAINER_OF(node, struct io_op, link);
        struct closure c;
        memcpy(&c, op->impl, sizeof c);
        op->result = perform(plain, &c);
        op->done(op);
        active = true;
    }
    while (plain->messages != NULL) {
        struct io_message *message = plain->messages;
        plain->messages = message->next;
        message->deliver(message, &plain->io);
        active = true;
    }
    for (struct list *node; (node = list_pop_front(&plain->laters)) != NULL;) {
        struct io_later *later = CONTAINER_OF(node, struct io_later, link);
        later->run(later);
        active = true;
    }
    plain->io.stats.turns++;
    return active;
}

void plain_io_settle(struct plain_io *plain) {
    while (plain_io_turn(plain)) {
    }
}

struct run {
    job_fn *fn;
    void *argument;
    bool ended;
};

static void run_job(struct job *job, void *argument) {
    struct run *run = argument;
    run->fn(job, run->argument);
    run->ended = true;
}

void plain_io_run(struct plain_io *plain, job_fn *fn, void *argument) {
    struct run run = {.fn = fn, .argument = argument};
    job_start(&plain->jobs, run_job, &run);
    while (!run.ended) {
        if (plain_io_turn(plain)) continue;
        uint64_t next_us = timers_next_us(&plain->io.timers);
        ASSERT(next_us != UINT64_MAX);
        plain->io.now.wall_ms += (int64_t)((next_us - plain->io.now.mono_us) / 1000);
        plain->io.now.mono_us = next_us;
    }
}
