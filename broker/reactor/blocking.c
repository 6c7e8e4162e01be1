/* broker/reactor/blocking.c - operations without an opcode on our kernel floor: each is a blocking
 * call that a worker makes, and (for some) a last step on the shard. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

static struct worker_op *begin(struct io *io, struct io_op *op, int fd,
                               int64_t (*run)(struct io_op *op)) {
    op_begin(reactor_of(io), op, fd, op_worker_done);
    worker_op(op)->run = run;
    return worker_op(op);
}

static bool submit(struct io *io, struct io_op *op) {
    struct reactor *r = reactor_of(io);
    return !worker_pool_submit(r->group->blocking, r, op);
}

static int64_t errno_of(int result) { return result == 0 ? 0 : -errno; }

/* --- computing --- */

union work_fn {
    const void *ptr;
    int64_t (*fn)(void *);
};

static int64_t run_work(struct io_op *op) {
    struct worker_op *w = worker_op(op);
    union work_fn fn = {.ptr = w->args[0].ptr};
    return fn.fn((void *)(uintptr_t)w->args[1].ptr);
}

bool reactor_work(struct io *io, struct io_op *op, int64_t (*fn)(void *), void *argument) {
    struct reactor *r = reactor_of(io);
    struct worker_op *w = begin(io, op, -1, run_work);
    w->args[0].ptr = ((union work_fn){.fn = fn}).ptr;
    w->args[1].ptr = argument;
    return !worker_pool_submit(r->group->computing, r, op);
}

/* --- file systems --- */

static int64_t run_sync_fs(struct io_op *op) {
    _Atomic uint32_t *syncs = &worker_op(op)->owner->group->syncs;
    atomic_fetch_add_explicit(syncs, 1, memory_order_relaxed);
    int64_t result = errno_of(syncfs(op_head(op)->fd));
    atomic_fetch_sub_explicit(syncs, 1, memory_order_relaxed);
    return result;
}

bool reactor_sync_fs(struct io *io, struct io_op *op, int fd) {
    begin(io, op, fd, run_sync_fs);
    return submit(io, op);
}

static int64_t run_forget(struct io_op *op) {
    return -posix_fadvise(op_head(op)->fd, 0, 0, POSIX_FADV_DONTNEED);
}

bool reactor_forget(struct io *io, struct io_op *op, int fd) {
    begin(io, op, fd, run_forget);
    return submit(io, op);
}

static int64_t run_truncate(struct io_op *op) {
    return errno_of(ftruncate(op_head(op)->fd, (off_t)worker_op(op)->args[0].number));
}

bool reactor_truncate(struct io *io, struct io_op *op, int fd, uint64_t size_bytes) {
    struct reactor *r = reactor_of(io);
    if (r->group->has_ftruncate) {
        enum { OP_FTRUNCATE = 55 }; /* not in the headers of liburing 2.3 */
        op_begin(r, op, fd, op_simple_cqe);
        io_uring_prep_rw(OP_FTRUNCATE, reactor_op_sqe(r, op), fd, NULL, 0, size_bytes);
        return false;
    }
    begin(io, op, fd, run_truncate)->args[0].number = size_bytes;
    return submit(io, op);
}

static int64_t run_stat(struct io_op *op) {
    struct worker_op *w = worker_op(op);
    struct stat s;
    if (stat(w->args[0].ptr, &s) != 0) return -errno;
    struct io_stat *ret = (struct io_stat *)(uintptr_t)w->args[1].ptr;
    *ret = (struct io_stat){
        .size_bytes = (uint64_t)s.st_size,
        .modified_ms = s.st_mtim.tv_sec * 1000 + s.st_mtim.tv_nsec / 1000000,
        .mode = s.st_mode & 07777,
        .link_count = (uint32_t)s.st_nlink,
        .kind = S_ISREG(s.st_mode)   ? IO_FILE
                : S_ISDIR(s.st_mode) ? IO_DIR
                                     : IO_OTHER,
    };
    return 0;
}

bool reactor_stat(struct io *io, struct io_op *op, const char *path, struct io_stat *ret_stat) {
    struct worker_op *w = begin(io, op, -1, run_stat);
    w->args[0].ptr = path;
    w->args[1].ptr = ret_stat;
    return submit(io, op);
}

static int64_t run_statfs(struct io_op *op) {
    struct worker_op *w = worker_op(op);
    struct statvfs fs;
    struct stat s;
    if (statvfs(w->args[0].ptr, &fs) != 0 || stat(w->args[0].ptr, &s) != 0) return -errno;
    struct io_statfs *ret = (struct io_statfs *)(uintptr_t)w->args[1].ptr;
    *ret = (struct io_statfs){
        .total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize,
        .free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
        .device = s.st_dev,
    };
    return 0;
}

bool reactor_statfs(struct io *io, struct io_op *op, const char *path,
                    struct io_statfs *ret_statfs) {
    struct worker_op *w = begin(io, op, -1, run_statfs);
    w->args[0].ptr = path;
    w->args[1].ptr = ret_statfs;
    return submit(io, op);
}

static int64_t run_dir_sync(struct io_op *op) {
    int fd = open(worker_op(op)->args[0].ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int64_t result = errno_of(fsync(fd));
    close(fd);
    return result;
}

bool reactor_dir_sync(struct io *io, struct io_op *op, const char *path) {
    begin(io, op, -1, run_dir_sync)->args[0].ptr = path;
    return submit(io, op);
}

bool reactor_lock(struct io *io, struct io_op *op, int fd) {
    (void)io; /* never waits, so it needs no worker */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &whole) == 0) return op_finished(op, 0);
    return op_finished(op, errno == EACCES ? -EAGAIN : -errno);
}

/* --- listing a directory --- */

/* What stands before each name while the directory is read. */
struct name_head {
    uint64_t size_bytes;
    enum io_entry_kind kind;
};

/* Names one after another, each with its head before it. */
struct names {
    struct mem mem; /* of the worker; the finished block is handed over */
    char *data;
    size_t len, capacity;
    uint32_t count;
};

static bool names_add(struct names *names, const struct name_head *head, const char *name) {
    size_t name_bytes = strlen(name) + 1, need = sizeof *head + name_bytes;
    if (names->capacity - names->len < need) {
        size_t capacity = MAX(names->capacity * 2, names->len + MAX(need, (size_t)4096));
        char *data = mem_resize(&names->mem, names->data, names->capacity, capacity);
        if (data == NULL) return false;
        names->data = data;
        names->capacity = capacity;
    }
    memcpy(names->data + names->len, head, sizeof *head);
    memcpy(names->data + names->len + sizeof *head, name, name_bytes);
    names->len += need;
    names->count++;
    return true;
}

static struct name_head look_at(DIR *dir, const struct dirent *entry) {
    struct name_head head = {.kind = entry->d_type == DT_DIR ? IO_DIR : IO_OTHER};
    if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) return head;
    struct stat s; /* unknown: a file system that does not say */
    if (fstatat(dirfd(dir), entry->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0) return head;
    if (S_ISDIR(s.st_mode)) head.kind = IO_DIR;
    if (!S_ISREG(s.st_mode)) return head;
    return (struct name_head){.size_bytes = (uint64_t)s.st_size, .kind = IO_FILE};
}

static int read_names(const char *path, struct names *names) {
    DIR *dir = opendir(path);
    if (dir == NULL) return -errno;
    int result = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        struct name_head head = look_at(dir, entry);
        if (!names_add(names, &head, entry->d_name)) {
            result = -ENOMEM;
            break;
        }
    }
    closedir(dir);
    return result;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct io_entry *)a)->name, ((const struct io_entry *)b)->name);
}

static int make_listing(struct names *names, struct io_listing *ret) {
    size_t bytes = names->count * sizeof(struct io_entry) + names->len;
    struct io_entry *entries = mem_alloc(&names->mem, bytes);
    if (entries == NULL) return -ENOMEM;
    char *text = (char *)(entries + names->count);
    if (names->len > 0) memcpy(text, names->data, names->len);
    for (uint32_t i = 0; i < names->count; i++) {
        struct name_head head;
        memcpy(&head, text, sizeof head);
        text += sizeof head;
        entries[i] =
            (struct io_entry){.name = text, .kind = head.kind, .size_bytes = head.size_bytes};
        text += strlen(text) + 1;
    }
    if (names->count > 1) qsort(entries, names->count, sizeof *entries, by_name);
    mem_uncharge(&names->mem, bytes); /* the shard charges it: see list_finished */
    *ret = (struct io_listing){.entries = entries, .count = names->count, .bytes = bytes};
    return 0;
}

static int64_t list_now(const char *path, struct io_listing *ret_listing) {
    struct names names = {0};
    int result = read_names(path, &names);
    if (result == 0) result = make_listing(&names, ret_listing);
    mem_free(&names.mem, names.data, names.capacity);
    return result;
}

/* The shard takes over the block that a worker made; what becomes of the result. */
static int64_t take_listing(struct reactor *r, struct io_listing *listing, int64_t result) {
    if (result != 0 || mem_charge(&r->mem, listing->bytes)) return result;
    struct mem nobody = {.used_bytes = listing->bytes};
    io_listing_free(&nobody, listing);
    return -ENOMEM;
}

static int64_t run_list(struct io_op *op) {
    struct worker_op *w = worker_op(op);
    return list_now(w->args[0].ptr, (struct io_listing *)(uintptr_t)w->args[1].ptr);
}

static void list_finished(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)result, (void)cqe_flags;
    struct io_listing *listing = (struct io_listing *)(uintptr_t)worker_op(op)->args[1].ptr;
    op_end(r, op, take_listing(r, listing, op->result));
}

bool reactor_list(struct io *io, struct io_op *op, const char *path,
                  struct io_listing *ret_listing) {
    struct worker_op *w = begin(io, op, -1, run_list);
    w->head.on_cqe = list_finished;
    w->args[0].ptr = path;
    w->args[1].ptr = ret_listing;
    return submit(io, op);
}

/* --- many small steps --- */

static int64_t load_now(const struct io_step *step) {
    int fd = open(step->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    size_t done = 0;
    ssize_t got = 1;
    while (done < step->len && got != 0) {
        got = pread(fd, (uint8_t *)step->buf + done, step->len - done, (off_t)done);
        if (got < 0 && errno != EINTR) break;
        if (got > 0) done += (size_t)got;
    }
    int64_t result = got < 0 ? -errno : (int64_t)done;
    close(fd);
    return result;
}

/* What is left of an old file is cut off at the end: ext4 writes one that was emptied to the device
 * as it is closed. */
static int64_t create_now(const struct io_step *step) {
    int fd = open(step->path, O_WRONLY | O_CREAT | O_CLOEXEC, step->mode);
    if (fd < 0) return -errno;
    struct stat stat;
    size_t done = 0;
    int64_t result = 0;
    while (done < step->len && result == 0) {
        ssize_t wrote = pwrite(fd, (uint8_t *)step->buf + done, step->len - done, (off_t)done);
        if (wrote > 0) done += (size_t)wrote;
        if (wrote == 0) result = -EIO;
        if (wrote < 0 && errno != EINTR) result = -errno;
    }
    if (result == 0 && fstat(fd, &stat) != 0) result = -errno;
    if (result == 0 && stat.st_size > (off_t)done && ftruncate(fd, (off_t)done) != 0)
        result = -errno;
    close(fd);
    return result;
}

static int64_t step_now(struct io_step *step) {
    switch (step->kind) {
    case IO_STEP_LIST: return list_now(step->path, &step->listing);
    case IO_STEP_LOAD: return load_now(step);
    case IO_STEP_MKDIR: return errno_of(mkdir(step->path, step->mode));
    case IO_STEP_CREATE: return create_now(step);
    case IO_STEP_RENAME: return errno_of(rename(step->path, step->path_to));
    }
    return -EINVAL;
}

static int64_t run_steps(struct io_op *op) {
    struct io_step *steps = (struct io_step *)(uintptr_t)worker_op(op)->args[0].ptr;
    for (uint64_t i = 0; i < worker_op(op)->args[1].number; i++) {
        bool is_off = i > 0 && steps[i].needs_last && steps[i - 1].result < 0;
        steps[i].result = is_off ? -ECANCELED : step_now(&steps[i]);
    }
    return 0;
}

static void steps_finished(struct reactor *r, struct io_op *op, int32_t result,
                           uint32_t cqe_flags) {
    (void)result, (void)cqe_flags;
    struct io_step *steps = (struct io_step *)(uintptr_t)worker_op(op)->args[0].ptr;
    for (uint64_t i = 0; i < worker_op(op)->args[1].number; i++) {
        if (steps[i].kind != IO_STEP_LIST) continue;
        steps[i].result = take_listing(r, &steps[i].listing, steps[i].result);
    }
    op_end(r, op, op->result);
}

bool reactor_steps(struct io *io, struct io_op *op, struct io_step *steps, uint32_t count) {
    struct worker_op *w = begin(io, op, -1, run_steps);
    w->head.on_cqe = steps_finished;
    w->args[0].ptr = steps;
    w->args[1].number = count;
    return submit(io, op);
}

/* --- names of hosts --- */

static bool address_of(const struct sockaddr *from, uint16_t port, struct io_address *ret) {
    if (from->sa_family == AF_INET) {
        *ret = (struct io_address){.family = 4, .port = port};
        memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        *ret = (struct io_address){.family = 6, .port = port};
        memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    } else {
        return false;
    }
    return true;
}

static int64_t resolve_error(int code) {
    switch (code) {
    case EAI_AGAIN: return -EAGAIN;
    case EAI_MEMORY: return -ENOMEM;
    case EAI_SYSTEM: return errno != 0 ? -errno : -EIO;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY: return -ENOENT;
    default: return -EIO;
    }
}

static int64_t run_resolve(struct io_op *op) {
    struct worker_op *w = worker_op(op);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int code = getaddrinfo(w->args[0].ptr, NULL, &hints, &found);
    if (code != 0) return resolve_error(code);
    uint16_t port = (uint16_t)w->args[1].number;
    struct io_address *ret = (struct io_address *)(uintptr_t)w->args[2].ptr;
    uint64_t capacity = w->args[3].number, count = 0;
    for (const struct addrinfo *at = found; at != NULL && count < capacity; at = at->ai_next) {
        if (address_of(at->ai_addr, port, &ret[count])) count++;
    }
    freeaddrinfo(found);
    return count > 0 ? (int64_t)count : -ENOENT;
}

bool reactor_resolve(struct io *io, struct io_op *op, const char *host, uint16_t port,
                     struct io_address *ret_addresses, uint32_t capacity) {
    ASSERT(capacity > 0);
    if (io_address_parse(host, port, ret_addresses)) return op_finished(op, 1);
    struct worker_op *w = begin(io, op, -1, run_resolve);
    w->args[0].ptr = host;
    w->args[1].number = port;
    w->args[2].ptr = ret_addresses;
    w->args[3].number = capacity;
    return submit(io, op);
}
