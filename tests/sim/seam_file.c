/* tests/sim/seam_file.c - the seam's file operations: when the disk does what it is asked, and what
 * fails. */
#include <errno.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk.h"
#include "tests/sim/seam.h"

static struct disk *disk_of(struct sim_op *op) {
    struct disk *disk = op->io->node->disk;
    ASSERT(disk != NULL); /* a client has none */
    disk->wall_ms = node_wall_ms(op->io->node);
    return disk;
}

/* Its top directory is a device that is gone. */
static bool is_dead(struct sim_op *op) {
    uint64_t dead = op->io->node->disk->dead_volume;
    if (dead == 0) return false;
    uint64_t volume = op->file != NULL ? op->file->volume : disk_volume(op->path);
    if (volume == dead) world_count(op->io->world, FAULT_DIR_DEAD);
    return volume == dead;
}

/* As file systems that copy on write have it, which need room to write over what is there. */
static bool is_full(struct sim_op *op) {
    bool full = op->file->volume == op->io->node->disk->full_volume;
    if (full) world_count(op->io->world, FAULT_DISK_FULL);
    return full;
}

static const struct disk_faults *faults_of(struct sim_op *op) {
    return &op->io->world->faults.disk;
}

static bool fault(struct sim_op *op, enum fault_kind kind, uint32_t rate) {
    return world_fault(op->io->world, kind, rate);
}

/* How long the device takes; UINT64_MAX never. */
static uint64_t device_delay(struct sim_op *op, uint64_t most_us) {
    struct world *world = op->io->world;
    struct disk *disk = disk_of(op);
    const struct disk_faults *faults = faults_of(op);
    uint64_t delay_us = world_delay(world, most_us);
    if (fault(op, FAULT_DISK_SLOW, faults->slow)) delay_us += world_delay(world, faults->slow_us);
    if (fault(op, FAULT_DISK_HUNG, faults->hung)) {
        disk->hung_until_us = world->now_us + world_delay(world, faults->hung_us);
    }
    if (world->now_us + delay_us < disk->hung_until_us) {
        delay_us += disk->hung_until_us - world->now_us;
    }
    return delay_us;
}

static bool device_start(struct sim_op *op) {
    bool syncs = op->sync != NULL || (op->kind == OP_WRITE && (op->flags & IO_DURABLE) != 0);
    return op_start(op, device_delay(op, syncs ? faults_of(op)->sync_us : faults_of(op)->op_us));
}

static int64_t bad_descriptor(struct sim_op *op) {
    (void)op; /* whatever it was */
    return -EBADF;
}

/* A new operation on an open file; its execute is set when the descriptor is none. */
static struct sim_op *file_op(struct sim_io *io, struct io_op *op, enum op_kind kind, int fd) {
    struct sim_op *new = op_new(io, op, kind, fd);
    struct descriptor *at = fd_find(io, fd);
    if (at == NULL || at->file == NULL) {
        new->execute = bad_descriptor;
        return new;
    }
    new->file = at->file;
    new->file_fd = fd;
    new->file->busy_count++;
    return new;
}

static bool ends_with(const char *path, const char *suffix) {
    size_t len = strlen(path), end = strlen(suffix);
    return len > end && strcmp(path + len - end, suffix) == 0;
}

/* --- open and close --- */

static int64_t open_execute(struct sim_op *op) {
    struct node *node = op->io->node;
    if (fault(op, FAULT_DISK_NO_FILE, faults_of(op)->no_file)) return -EMFILE;
    if (is_dead(op)) return -EIO;
    bool is_direct = (op->flags & IO_DIRECT) != 0;
    if (is_direct && fault(op, FAULT_DISK_NO_DIRECT, faults_of(op)->no_direct)) return -EINVAL;
    int fd = fd_new(node);
    if (fd < 0) return fd;
    struct disk_file *file = NULL;
    int64_t result = disk_open(disk_of(op), op->path, op->flags, op->mode, node->process, &file);
    if (result == -ENOSPC) world_count(op->io->world, FAULT_DISK_FULL);
    if (result < 0) return result;
    file->is_set_aside = ends_with(op->path, ".deleted");
    node->fds[fd] = (struct descriptor){.file = file};
    return fd;
}

bool file_open(struct io *base, struct io_op *op, const char *path, unsigned flags, unsigned mode) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_OPEN, -1);
    new->path = path;
    new->flags = flags;
    new->mode = mode;
    new->execute = open_execute;
    return device_start(new);
}

static int64_t close_execute(struct sim_op *op) {
    struct node *node = op->io->node;
    disk_close(disk_of(op), node->fds[op->fd].file);
    fd_free(node, op->fd);
    return 0;
}

bool file_close(struct sim_op *close, struct descriptor *at) {
    close->execute = close_execute;
    if (at->file->busy_count == 0) return device_start(close);
    at->closing = close;
    return false;
}

void file_op_done(struct sim_op *op) {
    struct disk_file *file = op->file;
    op->file = NULL;
    ASSERT(file->busy_count > 0);
    if (--file->busy_count > 0) return;
    struct descriptor *at = &op->io->node->fds[op->file_fd];
    if (at->closing == NULL) return;
    event_set(&at->closing->event, device_delay(at->closing, faults_of(op)->op_us));
    at->closing = NULL;
}

/* --- read and write --- */

static int64_t read_execute(struct sim_op *op) {
    if (is_dead(op) || fault(op, FAULT_DISK_READ_ERROR, faults_of(op)->read_error)) return -EIO;
    uint64_t unaligned = (uintptr_t)op->buf | op->len | op->offset;
    bool is_direct = (op->file->flags & IO_DIRECT) != 0;
    ASSERT(is_direct == ((op->flags & IO_ALIGNED) != 0));
    if (is_direct && unaligned % IO_DIRECT_BYTES != 0) return -EINVAL;
    return disk_read(disk_of(op), op->file, op->buf, op->len, op->offset);
}

bool file_read(struct io *base, struct io_op *op, int fd, void *buf, size_t len, uint64_t offset,
               unsigned flags) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_READ, fd);
    new->buf = buf;
    new->len = len;
    new->offset = offset;
    new->flags = flags; /* IO_INLINE asks for what may happen to any operation here */
    if (new->file == NULL) return op_start(new, 1);
    new->execute = read_execute;
    if (len > 0) memset(buf, 0xa5, MIN(len, 64)); /* nobody may rely on it before it has finished */
    return device_start(new);
}

static uint64_t iov_hash(const struct sim_op *op) {
    uint64_t hash = 0;
    for (int i = 0; i < op->iov_count; i++)
        hash = hash_bytes(op->iov[i].iov_base, op->iov[i].iov_len, hash);
    return hash;
}

/* The first len octets of what is to be written. */
static int64_t write_part(struct sim_op *op, size_t len) {
    size_t done = 0;
    for (int i = 0; i < op->iov_count && done < len; i++) {
        size_t n = MIN(op->iov[i].iov_len, len - done);
        int64_t result =
            disk_write(disk_of(op), op->file, op->iov[i].iov_base, n, op->offset + done);
        if (result < 0) return result;
        done += n;
    }
    return (int64_t)done;
}

static size_t some_of(struct sim_op *op) {
    return op->len == 0 ? 0 : (size_t)prng_below(&op->io->world->prng, op->len);
}

static int64_t write_apply(struct sim_op *op) {
    ASSERT(iov_hash(op) == op->buffer_hash); /* else what is written was changed while under way */
    world_mix(op->io->world, op->buffer_hash);
    if (is_dead(op)) return -EIO;
    if (is_full(op)) return -ENOSPC;
    if (fault(op, FAULT_DISK_WRITE_ERROR, faults_of(op)->write_error)) {
        (void)write_part(op, some_of(op)); /* any part may have been written */
        return -EIO;
    }
    int64_t result = write_part(op, op->len);
    if (result == -ENOSPC) world_count(op->io->world, FAULT_DISK_FULL);
    if (fault(op, FAULT_DISK_WRITEBACK, faults_of(op)->writeback)) {
        (void)disk_write_back(disk_of(op), op->file); /* nothing dirty is fine */
    }
    return result;
}

static int64_t write_execute(struct sim_op *op) {
    int64_t result = op->done_len != 0 ? (int64_t)op->len : write_apply(op);
    if (result < 0 || (op->flags & IO_DURABLE) == 0) return result;
    if (is_dead(op) || fault(op, FAULT_DISK_SYNC_ERROR, faults_of(op)->sync_error)) return -EIO;
    disk_make_stable(disk_of(op), op->file, op->offset, op->len);
    return result;
}

bool file_write(struct io *base, struct io_op *op, int fd, const struct iovec *iov, int iov_count,
                uint64_t offset, unsigned flags, struct io_disk *disk) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    ASSERT((flags & IO_INLINE) == 0 || disk != NULL);
    struct sim_op *new = file_op(io, op, OP_WRITE, fd);
    if (new->file == NULL) return op_start(new, 1);
    new->iov = iov;
    new->iov_count = iov_count;
    for (int i = 0; i < iov_count; i++) new->len += iov[i].iov_len;
    new->offset = offset;
    new->flags = flags;
    new->buffer_hash = iov_hash(new);
    new->execute = write_execute;
    bool is_inline = device_start(new);
    if (disk != NULL) *(is_inline ? &disk->inline_writes : &disk->ring_writes) += 1;
    if (is_inline || !prng_chance(&io->world->prng, 1, 2)) return is_inline;
    int64_t result = write_apply(new); /* in the cache already, although its end is not told yet */
    new->done_len = result > 0 ? (uint64_t)result : 0;
    new->is_executed = result < 0 || (flags & IO_DURABLE) == 0;
    new->result = result;
    return false;
}

/* --- many small steps --- */

static int64_t load_step(struct sim_op *op, const struct io_step *step) {
    struct disk_file *file = NULL;
    int64_t result = disk_open(disk_of(op), step->path, IO_READ, 0, op->io->node->process, &file);
    if (result < 0) return result;
    result = disk_read(disk_of(op), file, step->buf, step->len, 0);
    disk_close(disk_of(op), file);
    return fault(op, FAULT_DISK_READ_ERROR, faults_of(op)->read_error) ? -EIO : result;
}

static int64_t create_step(struct sim_op *op, const struct io_step *step) {
    unsigned flags = IO_WRITE | IO_CREATE | IO_TRUNCATE;
    struct disk_file *file = NULL;
    int64_t result =
        disk_open(disk_of(op), step->path, flags, step->mode, op->io->node->process, &file);
    if (result < 0) return result;
    bool fails =
        step->len > 0 && fault(op, FAULT_DISK_WRITE_ERROR, faults_of(op)->write_error);
    size_t len = fails ? (size_t)prng_below(&op->io->world->prng, step->len) : step->len;
    if (len > 0) result = disk_write(disk_of(op), file, step->buf, len, 0);
    disk_close(disk_of(op), file);
    return fails ? -EIO : result;
}

static int64_t step_apply(struct sim_op *op, struct io_step *step) {
    struct disk *disk = disk_of(op);
    bool opens = step->kind == IO_STEP_LOAD || step->kind == IO_STEP_CREATE;
    op->path = step->path;
    if (is_dead(op)) return -EIO;
    if (opens && fault(op, FAULT_DISK_NO_FILE, faults_of(op)->no_file)) return -EMFILE;
    switch (step->kind) {
    case IO_STEP_LIST: return disk_list(disk, step->path, op->io->io.mem, &step->listing);
    case IO_STEP_LOAD: return load_step(op, step);
    case IO_STEP_MKDIR: return disk_mkdir(disk, step->path, step->mode);
    case IO_STEP_CREATE: return create_step(op, step);
    case IO_STEP_RENAME: return disk_rename(disk, step->path, step->path_to);
    }
    UNREACHABLE();
}

static void steps_apply(struct sim_op *op, size_t count) {
    struct io_step *steps = op->buf;
    for (size_t i = 0; i < count; i++) {
        bool is_off = i > 0 && steps[i].needs_last && steps[i - 1].result < 0;
        steps[i].result = is_off ? -ECANCELED : step_apply(op, &steps[i]);
        if (steps[i].result == -ENOSPC) world_count(op->io->world, FAULT_DISK_FULL);
        world_mix(op->io->world, (uint64_t)steps[i].result);
    }
    op->path = NULL;
}

static int64_t steps_execute(struct sim_op *op) {
    steps_apply(op, op->len);
    return 0;
}

bool file_steps(struct io *base, struct io_op *op, struct io_step *steps, uint32_t count) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_STEPS, -1);
    new->buf = steps;
    new->len = count;
    new->execute = steps_execute;
    return device_start(new);
}

void file_ops_part(struct sim_io *io) {
    LIST_EACH(&io->under_way, node) {
        struct sim_op *op = CONTAINER_OF(node, struct sim_op, link);
        if (op->execute == NULL || op->is_executed || !prng_chance(&io->world->prng, 1, 2))
            continue;
        switch (op->kind) {
        case OP_WRITE:
            if (op->file == NULL || op->done_len > 0) break;
            (void)write_part(op, some_of(op)); /* nobody will ask */
            world_count(io->world, FAULT_CRASH_PART_WRITE);
            break;
        case OP_STEPS:
            steps_apply(op, (size_t)prng_below(&io->world->prng, op->len + 1));
            op->execute = NULL;
            break;
        case OP_TRUNCATE:
        case OP_RENAME:
        case OP_UNLINK:
        case OP_MKDIR:
        case OP_RMDIR:
        case OP_SYNC:
        case OP_DIR_SYNC:
            (void)op->execute(op); /* done by the kernel, but nobody was told */
            op->execute = NULL;
            op->abandon = NULL;
            break;
        default: break;
        }
    }
}

/* --- sync --- */

static void sync_abandon(struct sim_op *op) {
    if (op->sync != NULL) disk_sync_drop(disk_of(op), op->sync);
    op->sync = NULL;
}

static int64_t sync_execute(struct sim_op *op) {
    if (is_dead(op)) {
        sync_abandon(op);
        return -EIO;
    }
    bool good = !fault(op, FAULT_DISK_SYNC_ERROR, faults_of(op)->sync_error);
    disk_sync_end(disk_of(op), op->sync, good);
    op->sync = NULL;
    bool was_lost = op->kind == OP_SYNC && disk_lost(op->file);
    return good && !was_lost ? 0 : -EIO;
}

static bool sync_start(struct sim_op *op, struct disk_sync *sync) {
    op->sync = sync;
    op->execute = sync_execute;
    op->abandon = sync_abandon;
    return device_start(op);
}

bool file_sync(struct io *base, struct io_op *op, int fd, unsigned flags) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_SYNC, fd);
    (void)flags; /* IO_ALL: the modification time too, which nothing relies on */
    if (new->file == NULL) return op_start(new, 1);
    return sync_start(new, disk_sync_begin(disk_of(new), new->file));
}

bool file_sync_fs(struct io *base, struct io_op *op, int fd) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_SYNC_FS, fd);
    if (new->file == NULL) return op_start(new, 1);
    return sync_start(new, disk_sync_begin_all(disk_of(new), new->file));
}

static int64_t known_result(struct sim_op *op) { return op->result; }

bool file_dir_sync(struct io *base, struct io_op *op, const char *path) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_DIR_SYNC, -1);
    new->path = path;
    struct disk_sync *sync = disk_sync_begin_path(disk_of(new), path, &new->result);
    if (sync != NULL) return sync_start(new, sync);
    new->execute = known_result;
    return device_start(new);
}

/* --- the others on an open file --- */

static int64_t forget_execute(struct sim_op *op) {
    disk_forget(disk_of(op), op->file);
    return 0;
}

bool file_forget(struct io *base, struct io_op *op, int fd) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_FORGET, fd);
    if (new->file == NULL) return op_start(new, 1);
    new->execute = forget_execute;
    return device_start(new);
}

static int64_t truncate_execute(struct sim_op *op) {
    if (is_dead(op) || fault(op, FAULT_DISK_WRITE_ERROR, faults_of(op)->write_error)) return -EIO;
    if (op->file->is_set_aside) world_count(op->io->world, FAULT_SHORTENED);
    return disk_truncate(disk_of(op), op->file, op->offset);
}

bool file_truncate(struct io *base, struct io_op *op, int fd, uint64_t size_bytes) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_TRUNCATE, fd);
    if (new->file == NULL) return op_start(new, 1);
    new->offset = size_bytes;
    new->execute = truncate_execute;
    return device_start(new);
}

static int64_t allocate_execute(struct sim_op *op) {
    if (is_dead(op) || fault(op, FAULT_DISK_WRITE_ERROR, faults_of(op)->write_error)) return -EIO;
    if (is_full(op)) return -ENOSPC;
    int64_t result = disk_allocate(disk_of(op), op->file, op->offset, op->len,
                                   (op->flags & IO_KEEP_SIZE) != 0);
    if (result == -ENOSPC) world_count(op->io->world, FAULT_DISK_FULL);
    if (result == 0 && (op->flags & IO_KEEP_SIZE) != 0)
        world_count(op->io->world, FAULT_ROOM_AHEAD);
    return result;
}

bool file_allocate(struct io *base, struct io_op *op, int fd, uint64_t offset, uint64_t len,
                   unsigned flags) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_ALLOCATE, fd);
    if (new->file == NULL) return op_start(new, 1);
    new->offset = offset;
    new->len = len;
    new->flags = flags;
    new->execute = allocate_execute;
    return device_start(new);
}

static int64_t lock_execute(struct sim_op *op) { return disk_lock(disk_of(op), op->file); }

bool file_lock(struct io *base, struct io_op *op, int fd) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = file_op(io, op, OP_LOCK, fd);
    if (new->file == NULL) return op_start(new, 1);
    new->execute = lock_execute;
    return device_start(new);
}

/* --- by path --- */

static int64_t path_result(struct sim_op *op) {
    struct disk *disk = disk_of(op);
    switch (op->kind) {
    case OP_RENAME: return disk_rename(disk, op->path, op->path_to);
    case OP_UNLINK: return disk_unlink(disk, op->path);
    case OP_MKDIR: return disk_mkdir(disk, op->path, op->mode);
    case OP_RMDIR: return disk_rmdir(disk, op->path);
    case OP_LIST: return disk_list(disk, op->path, op->io->io.mem, op->buf);
    case OP_STAT: return disk_stat(disk, op->path, op->buf);
    case OP_STATFS: return disk_statfs(disk, op->path, op->buf);
    default: UNREACHABLE();
    }
}

static int64_t path_execute(struct sim_op *op) {
    if (is_dead(op)) return -EIO;
    int64_t result = path_result(op);
    if (op->kind == OP_RENAME && result == 0 && ends_with(op->path, "-future"))
        world_count(op->io->world, FAULT_DIR_MOVE);
    if (result == -ENOSPC) world_count(op->io->world, FAULT_DISK_FULL);
    return result;
}

static struct sim_op *path_op(struct io *base, struct io_op *op, enum op_kind kind,
                              const char *path) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return NULL;
    struct sim_op *new = op_new(io, op, kind, -1);
    new->path = path;
    new->execute = path_execute;
    return new;
}

bool file_rename(struct io *base, struct io_op *op, const char *from, const char *to) {
    struct sim_op *new = path_op(base, op, OP_RENAME, from);
    if (new == NULL) return false;
    new->path_to = to;
    return device_start(new);
}

bool file_unlink(struct io *base, struct io_op *op, const char *path) {
    struct sim_op *new = path_op(base, op, OP_UNLINK, path);
    return new != NULL &&device_start(new);
}

bool file_mkdir(struct io *base, struct io_op *op, const char *path, unsigned mode) {
    struct sim_op *new = path_op(base, op, OP_MKDIR, path);
    if (new == NULL) return false;
    new->mode = mode;
    return device_start(new);
}

bool file_rmdir(struct io *base, struct io_op *op, const char *path) {
    struct sim_op *new = path_op(base, op, OP_RMDIR, path);
    return new != NULL &&device_start(new);
}

bool file_list(struct io *base, struct io_op *op, const char *path,
               struct io_listing *ret_listing) {
    struct sim_op *new = path_op(base, op, OP_LIST, path);
    if (new == NULL) return false;
    new->buf = ret_listing;
    return device_start(new);
}

bool file_stat(struct io *base, struct io_op *op, const char *path, struct io_stat *ret_stat) {
    struct sim_op *new = path_op(base, op, OP_STAT, path);
    if (new == NULL) return false;
    new->buf = ret_stat;
    return device_start(new);
}

bool file_statfs(struct io *base, struct io_op *op, const char *path,
                 struct io_statfs *ret_statfs) {
    struct sim_op *new = path_op(base, op, OP_STATFS, path);
    if (new == NULL) return false;
    new->buf = ret_statfs;
    return device_start(new);
}
