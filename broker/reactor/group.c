/* broker/reactor/group.c - making, starting, stopping and freeing the shards of a process. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

/* For calls that may hang with a disk or a name server; made when they are needed. */
#define BLOCKING_THREADS 16
#define LEVEL_CACHESTAT 605
#define LEVEL_FTRUNCATE 609

/* --- why it is refused, in one line --- */

static int sysctl_io_uring_disabled(void) {
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    int value = 0;
    if (file == NULL) return 0;
    if (fscanf(file, "%d", &value) != 1) value = 0;
    fclose(file);
    return value;
}

static enum status explain_setup(int result, char *error, size_t error_bytes) {
    struct utsname kernel;
    const char *release = uname(&kernel) == 0 ? kernel.release : "unknown";
    struct rlimit limit;
    switch (-result) {
    case ENOSYS:
        (void)snprintf(error, error_bytes,
                       "io_uring is not in this kernel (%s), or a seccomp profile hides it: "
                       "klamm needs Linux 6.1 or newer with CONFIG_IO_URING",
                       release);
        return ST_UNSUPPORTED;
    case EINVAL:
        (void)snprintf(error, error_bytes,
                       "io_uring of this kernel (%s) is too old: klamm needs Linux 6.1 or newer",
                       release);
        return ST_UNSUPPORTED;
    case EPERM:
    case EACCES:
        if (sysctl_io_uring_disabled() != 0) {
            (void)snprintf(error, error_bytes,
                           "io_uring is forbidden by sysctl kernel.io_uring_disabled=%d: set it "
                           "to 0, or to 1 with this user in the group of kernel.io_uring_group",
                           sysctl_io_uring_disabled());
        } else {
            (void)snprintf(error, error_bytes,
                           "io_uring is forbidden to this process, most likely by a container's "
                           "seccomp profile: allow io_uring_setup, io_uring_enter and "
                           "io_uring_register in it");
        }
        return ST_BUSY;
    case ENOMEM:
        if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) limit.rlim_cur = 0;
        (void)snprintf(error, error_bytes,
                       "no memory for an io_uring: RLIMIT_MEMLOCK is %llu KiB; raise it "
                       "(LimitMEMLOCK= in systemd), or start fewer shards",
                       (unsigned long long)limit.rlim_cur / 1024);
        return ST_NOMEM;
    case EMFILE:
    case ENFILE:
        (void)snprintf(error, error_bytes,
                       "no file descriptor left for an io_uring: raise RLIMIT_NOFILE "
                       "(LimitNOFILE= in systemd)");
        return ST_NOMEM;
    default:
        (void)snprintf(error, error_bytes, "io_uring cannot be set up: %s", strerror(-result));
        return status_from_errno(result);
    }
}

static enum status refuse(char *error, size_t error_bytes, enum status st, const char *what) {
    (void)snprintf(error, error_bytes, "%s", what);
    return st;
}

/* --- options --- */

static bool is_power_of_two(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

static enum status check_options(struct reactor_options *o, char *error, size_t error_bytes) {
    if (o->shard_count == 0) o->shard_count = 1;
    if (o->worker_count == 0) o->worker_count = 1;
    if (o->ring_entries == 0) o->ring_entries = 256;
    if (o->buffer_bytes == 0) o->buffer_bytes = 4096;
    if (o->buffer_count == 0) o->buffer_count = 64;
    if (o->shard_count > LIMIT_SHARDS)
        return refuse(error, error_bytes, ST_INVALID, "more shards than LIMIT_SHARDS");
    if (o->worker_count > 1024 || o->lane_count > 1024)
        return refuse(error, error_bytes, ST_INVALID, "more than 1024 workers or lanes");
    if (!is_power_of_two(o->ring_entries) || o->ring_entries > 4096) {
        return refuse(error, error_bytes, ST_INVALID,
                      "ring entries must be a power of two, at most 4096");
    }
    if (!is_power_of_two(o->buffer_count) || o->buffer_count > 32768) {
        return refuse(error, error_bytes, ST_INVALID,
                      "receive buffers must be a power of two, at most 32768");
    }
    if (o->buffer_bytes < 64 || o->buffer_bytes > (1 << 20)) {
        return refuse(error, error_bytes, ST_INVALID,
                      "receive buffers must have 64 octets to 1 MiB");
    }
    return ST_OK;
}

/* --- one shard --- */

static int ring_make(struct reactor *r) {
    const struct reactor_options *options = &r->group->options;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED, /* enabled on its own thread */
        .cq_entries = options->ring_entries * 4,
    };
    int result = io_uring_queue_init_params(options->ring_entries, &r->ring, &params);
    if (result < 0) {
        r->ring.ring_fd = -1;
        return result;
    }
    unsigned need =
        IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP | IORING_FEAT_FAST_POLL;
    return (params.features & need) == need ? 0 : -EINVAL;
}

static enum status reactor_make(struct reactor *r, char *error, size_t error_bytes) {
    uint32_t shard_count = r->group->options.shard_count;
    r->spill_head = mem_need(&r->mem, shard_count * sizeof *r->spill_head);
    r->spill_tail = mem_need(&r->mem, shard_count * sizeof *r->spill_tail);
    int result = ring_make(r);
    if (result == 0) result = receive_buffers_make(r);
    if (result < 0) return explain_setup(result, error, error_bytes);
    r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->event_fd < 0) return explain_setup(-errno, error, error_bytes);
    return ST_OK;
}

static struct reactor *reactor_new(struct reactor_group *group, uint16_t shard) {
    void *block =
        aligned_alloc(64, (sizeof(struct reactor) + 63) / 64 * 64); /* mem_need aligns to 16 only */
    ASSERT(block != NULL);
    memset(block, 0, sizeof(struct reactor));
    struct reactor *r = block;
    r->group = group;
    r->event_fd = r->ring.ring_fd = -1;
    r->mem.limit_bytes = (size_t)(group->options.memory_limit_bytes / group->options.shard_count);
    r->io.ops = &reactor_ops;
    r->io.mem = &r->mem;
    r->io.shard = shard;
    r->io.shard_count = (uint16_t)group->options.shard_count;
    timers_init(&r->io.timers, &r->mem);
    list_init(&r->laters);
    return r;
}

static void reactor_free(struct reactor *r) {
    if (r->ring.ring_fd >= 0) io_uring_queue_exit(&r->ring);
    if (r->event_fd >= 0) close(r->event_fd);
    receive_buffers_release(r);
    descriptors_release(r);
    send_file_release(r);
    timers_release(&r->io.timers);
    mem_free(&r->mem, r->spill_head, r->io.shard_count * sizeof *r->spill_head);
    mem_free(&r->mem, r->spill_tail, r->io.shard_count * sizeof *r->spill_tail);
    free(r);
}

/* --- the group --- */

static void probe_newer(struct reactor_group *group) {
    enum { OP_FTRUNCATE = 55 };
    uint32_t level = group->options.uring_level != 0 ? group->options.uring_level : UINT32_MAX;
    group->has_cachestat = level >= LEVEL_CACHESTAT && send_file_has_cachestat();
    if (level < LEVEL_FTRUNCATE) return;
    struct io_uring_probe *probe = io_uring_get_probe_ring(&group->reactors[0]->ring);
    if (probe == NULL) return;
    group->has_ftruncate = probe->last_op >= OP_FTRUNCATE &&
                           (probe->ops[OP_FTRUNCATE].flags & IO_URING_OP_SUPPORTED) != 0;
    io_uring_free_probe(probe);
}

static enum status group_make(struct reactor_group *group, char *error, size_t error_bytes) {
    uint32_t shard_count = group->options.shard_count;
    group->mailboxes_bytes = (size_t)shard_count * shard_count * sizeof(struct mailbox);
    void *boxes = mmap(NULL, group->mailboxes_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (boxes == MAP_FAILED)
        return refuse(error, error_bytes, ST_NOMEM, "no memory for the shards' mailboxes");
    group->mailboxes = boxes;
    group->reactors = mem_need(&group->mem, shard_count * sizeof *group->reactors);
    for (uint16_t i = 0; i < shard_count; i++) {
        group->reactors[i] = reactor_new(group, i);
        enum status st = reactor_make(group->reactors[i], error, error_bytes);
        if (st != ST_OK) return st;
    }
    group->computing = worker_pool_new(&group->mem, group->options.worker_count);
    group->blocking = worker_pool_new(&group->mem, BLOCKING_THREADS);
    group->lanes = mem_need(&group->mem, group->options.lane_count * sizeof(struct worker_pool *));
    for (uint32_t i = 0; i < group->options.lane_count; i++)
        group->lanes[i] = worker_pool_new(&group->mem, 1);
    probe_newer(group);
    return ST_OK;
}

enum status reactor_group_new(const struct reactor_options *options,
                              struct reactor_group **ret_group, char *error, size_t error_bytes) {
    struct reactor_options checked = *options;
    enum status st = check_options(&checked, error, error_bytes);
    if (st != ST_OK) return st;
    struct mem mem = {0};
    struct reactor_group *group = MEM_NEW(&mem, struct reactor_group);
    group->mem = mem;
    group->options = checked;
    ASSERT(pthread_mutex_init(&group->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&group->started, NULL) == 0);
    st = group_make(group, error, error_bytes);
    if (st != ST_OK) {
        reactor_group_free(group);
        return st;
    }
    *ret_group = group;
    return ST_OK;
}

struct io *reactor_group_io(struct reactor_group *group, unsigned shard) {
    ASSERT(shard < group->options.shard_count);
    return &group->reactors[shard]->io;
}

static void join_all(struct reactor_group *group) {
    for (uint32_t i = 0; i < group->options.shard_count; i++) {
        struct reactor *r = group->reactors[i];
        if (r->thread_started) pthread_join(r->thread, NULL);
        r->thread_started = false;
    }
}

/* Starts the threads and waits until each has enabled its ring, or has failed to. */
static int start_threads(struct reactor_group *group) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    uint32_t started = 0;
    for (uint32_t i = 0; i < group->options.shard_count && result == 0; i++) {
        struct reactor *r = group->reactors[i];
        result = -pthread_create(&r->thread, NULL, reactor_main, r);
        if (result == 0) {
            r->thread_started = true;
            started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&group->lock);
    while (group->started_count < started) pthread_cond_wait(&group->started, &group->lock);
    for (uint32_t i = 0; i < started && result == 0; i++) result = group->reactors[i]->start_result;
    group->go = result == 0;
    group->give_up = !group->go;
    pthread_cond_broadcast(&group->started);
    pthread_mutex_unlock(&group->lock);
    return result;
}

enum status reactor_group_start(struct reactor_group *group,
                                void (*on_start)(struct io *io, void *argument), void *argument,
                                char *error, size_t error_bytes) {
    group->on_start = on_start;
    group->argument = argument;
    int result = start_threads(group);
    if (result == 0) return ST_OK;
    join_all(group);
    (void)snprintf(error, error_bytes, "the shards' threads cannot be started: %s",
                   strerror(-result));
    return status_from_errno(result);
}

void reactor_group_stop(struct reactor_group *group, uint32_t grace_ms) {
    group->stop_at_us = reactor_clock_us() + (uint64_t)grace_ms * 1000;
    atomic_store_explicit(&group->stopping, 1, memory_order_release);
    for (uint32_t i = 0; i < group->options.shard_count; i++)
        reactor_wake_from_outside(group->reactors[i]);
    join_all(group);
}

void reactor_group_free(struct reactor_group *group) {
    worker_pool_free(&group->mem, group->computing);
    worker_pool_free(&group->mem, group->blocking);
    for (uint32_t i = 0; group->lanes != NULL && i < group->options.lane_count; i++)
        worker_pool_free(&group->mem, group->lanes[i]);
    mem_free(&group->mem, group->lanes, group->options.lane_count * sizeof(struct worker_pool *));
    for (uint32_t i = 0; group->reactors != NULL && i < group->options.shard_count; i++) {
        if (group->reactors[i] != NULL) reactor_free(group->reactors[i]);
    }
    if (group->mailboxes != NULL) (void)munmap(group->mailboxes, group->mailboxes_bytes);
    mem_free(&group->mem, group->reactors, group->options.shard_count * sizeof *group->reactors);
    pthread_cond_destroy(&group->started);
    pthread_mutex_destroy(&group->lock);
    struct mem mem = group->mem;
    MEM_FREE(&mem, group);
}
