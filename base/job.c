/* base/job.c - fibers on ucontext, one stack each, and the awaited forms of the seam's
 * operations. */
#include "base/job.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SWITCH_START(save, bottom, size) __sanitizer_start_switch_fiber((save), (bottom), (size))
#define SWITCH_FINISH(save, bottom, size) __sanitizer_finish_switch_fiber((save), (bottom), (size))
#else
#define SWITCH_START(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define SWITCH_FINISH(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#endif

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define FIBER_CURRENT() __tsan_get_current_fiber()
#define FIBER_NEW() __tsan_create_fiber(0)
#define FIBER_FREE(fiber) __tsan_destroy_fiber(fiber)
#define FIBER_SWITCH(fiber) __tsan_switch_to_fiber((fiber), 0)
#else
#define FIBER_CURRENT() NULL
#define FIBER_NEW() NULL
#define FIBER_FREE(fiber) ((void)(fiber))
#define FIBER_SWITCH(fiber) ((void)(fiber))
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (4 * LIMIT_JOB_STACK_BYTES) /* red zones make frames larger */
#else
#define STACK_BYTES LIMIT_JOB_STACK_BYTES
#endif

#define DESCRIPTOR_TRIES 8u /* 1, 2, 4 ... ms apart */
#define ENDLESS UINT32_MAX
#define FIRST_READ_BYTES 1024

enum job_state { JOB_IDLE, JOB_WAITING, JOB_RUNNING, JOB_SUSPENDED };

struct job {
    struct list link; /* in jobs->waiting or jobs->idle */
    struct jobs *jobs;
    job_fn *fn;
    void *argument;
    struct io_op op;
    struct io_timer timer;
    struct breather breather;
    ucontext_t context;
    /* whoever resumed it last: the shard's loop, or another job that started it */
    ucontext_t caller;
    uint8_t *stack; /* STACK_BYTES; kept for the next job */
    enum job_state state;
    bool finished;
    bool has_lost_write; /* job_lost_write */
    /* For AddressSanitizer: the fake stacks of both while they are away, and the caller's stack. */
    void *fake_stack, *caller_fake_stack;
    const void *caller_bottom;
    size_t caller_bytes;
    void *fiber, *caller_fiber; /* for ThreadSanitizer */
};

void jobs_init(struct jobs *jobs, struct io *io, uint32_t limit_count) {
    *jobs = (struct jobs){.io = io, .limit_count = limit_count};
    list_init(&jobs->waiting);
    list_init(&jobs->idle);
}

static void job_free(struct job *job) {
    struct mem *mem = job->jobs->io->mem;
    mem_unmap_stack(mem, job->stack, STACK_BYTES);
    if (job->stack != NULL) FIBER_FREE(job->fiber);
    MEM_FREE(mem, job);
}

void jobs_release(struct jobs *jobs) {
    ASSERT(jobs->running_count == 0 && list_is_empty(&jobs->waiting));
    for (struct list *node; (node = list_pop_front(&jobs->idle)) != NULL;) {
        job_free(CONTAINER_OF(node, struct job, link));
    }
}

struct io *job_io(struct job *job) {
    return job->jobs->io;
}
struct mem *job_mem(struct job *job) {
    return job->jobs->io->mem;
}

static void switch_to_job(struct job *job) {
    job->state = JOB_RUNNING;
    SWITCH_START(&job->caller_fake_stack, job->stack, STACK_BYTES);
    job->caller_fiber = FIBER_CURRENT();
    FIBER_SWITCH(job->fiber);
    ASSERT(swapcontext(&job->caller, &job->context) == 0);
    SWITCH_FINISH(job->caller_fake_stack, NULL, NULL);
}

static void switch_to_caller(struct job *job) {
    SWITCH_START(job->finished ? NULL : &job->fake_stack, job->caller_bottom, job->caller_bytes);
    FIBER_SWITCH(job->caller_fiber);
    ASSERT(swapcontext(&job->context, &job->caller) == 0);
    SWITCH_FINISH(job->fake_stack, &job->caller_bottom, &job->caller_bytes);
}

static void job_main(unsigned low, unsigned high) {
    struct job *job = (struct job *)((uintptr_t)high << 32 | low);
    SWITCH_FINISH(NULL, &job->caller_bottom, &job->caller_bytes);
    job->fn(job, job->argument);
    job->finished = true;
    switch_to_caller(job);
    UNREACHABLE();
}

static void prepare_stack(struct job *job) {
    if (job->stack == NULL) {
        job->stack = mem_map_stack(job->jobs->io->mem, STACK_BYTES);
        job->fiber = FIBER_NEW();
    }
    ASSERT(getcontext(&job->context) == 0);
    job->context.uc_stack.ss_sp = job->stack;
    job->context.uc_stack.ss_size = STACK_BYTES;
    job->context.uc_link = NULL;
    uintptr_t self = (uintptr_t)job;
    makecontext(&job->context, (void (*)(void))job_main, 2, (unsigned)self, (unsigned)(self >> 32));
}

/* Runs the job until it waits or ends; what ended makes room for the next in line. */
static void resume(struct job *job) {
    struct jobs *jobs = job->jobs;
    switch_to_job(job);
    while (job->finished) {
        jobs->running_count--;
        job->state = JOB_IDLE;
        list_push_back(&jobs->idle, &job->link);
        struct list *next = list_pop_front(&jobs->waiting);
        if (next == NULL) return;
        job = CONTAINER_OF(next, struct job, link);
        job->finished = false;
        jobs->running_count++;
        prepare_stack(job);
        switch_to_job(job);
    }
}

static void op_done(struct io_op *op) { resume(CONTAINER_OF(op, struct job, op)); }
static void timer_fired(struct io_timer *timer) { resume(CONTAINER_OF(timer, struct job, timer)); }

void job_start(struct jobs *jobs, job_fn *fn, void *argument) {
    struct list *node = list_pop_front(&jobs->idle);
    struct job *job =
        node != NULL ? CONTAINER_OF(node, struct job, link) : MEM_NEW(jobs->io->mem, struct job);
    job->jobs = jobs;
    job->fn = fn;
    job->argument = argument;
    job->finished = job->has_lost_write = false;
    job->op = (struct io_op){.done = op_done};
    job->timer = (struct io_timer){.fire = timer_fired};
    if (jobs->running_count >= jobs->limit_count) {
        job->state = JOB_WAITING;
        list_push_back(&jobs->waiting, &job->link);
        return;
    }
    jobs->running_count++;
    prepare_stack(job);
    resume(job);
}

void job_suspend(struct job *job) {
    job->state = JOB_SUSPENDED;
    switch_to_caller(job);
}

void job_wake(struct job *job) {
    ASSERT(job->state == JOB_SUSPENDED);
    resume(job);
}

struct io_op *job_op(struct job *job) {
    return &job->op;
}

int64_t job_wait(struct job *job, bool finished) {
    if (!finished) job_suspend(job);
    return job->op.result;
}

void job_sleep_until(struct job *job, uint64_t at_us) {
    io_timer_set(job_io(job), &job->timer, at_us);
    job_suspend(job);
}

void job_yield(struct job *job) { job_sleep_until(job, 0); }

static void take_breath(struct breather *breather) {
    job_yield(CONTAINER_OF(breather, struct job, breather));
}

void job_breathe(struct job *job) {
    job->breather.pause = take_breath;
    breather_now = &job->breather;
}

void job_hold_breath(struct job *job) {
    ASSERT(breather_now == &job->breather);
    breather_now = NULL;
}

/* After an operation that may have found no descriptor: whether it is to be tried again. */
static bool waits_for_descriptor(struct job *job, int64_t result, uint32_t *tries,
                                 uint32_t tries_max) {
    struct jobs *jobs = job->jobs;
    if (result != -EMFILE && result != -ENFILE) {
        jobs->is_out_of_descriptors = false;
        return false;
    }
    if (jobs->on_no_descriptor != NULL) jobs->on_no_descriptor(jobs);
    if (tries_max != ENDLESS && *tries >= (jobs->is_out_of_descriptors ? 1 : tries_max)) {
        jobs->is_out_of_descriptors = true;
        return false;
    }
    uint64_t pause_us = UINT64_C(1000) << MIN(*tries, DESCRIPTOR_TRIES);
    (*tries)++;
    job_sleep_until(job, job_io(job)->now.mono_us + pause_us);
    return true;
}

enum status job_open(struct job *job, const char *path, unsigned flags, unsigned mode,
                     int *ret_fd) {
    int64_t fd = -1;
    uint32_t tries = 0;
    do {
        fd = job_wait(job, io_open(job_io(job), &job->op, path, flags, mode));
    } while (waits_for_descriptor(job, fd, &tries, DESCRIPTOR_TRIES));
    if (fd < 0) return status_from_errno(fd);
    *ret_fd = (int)fd;
    return ST_OK;
}

enum status job_read_some(struct job *job, int fd, void *buf, size_t len, uint64_t offset,
                          size_t *ret_len) {
    int64_t got = job_wait(job, io_read(job_io(job), &job->op, fd, buf, len, offset, 0));
    if (got < 0) return status_from_errno(got);
    *ret_len = (size_t)got;
    return ST_OK;
}

enum status job_read(struct job *job, int fd, void *buf, size_t len, uint64_t offset) {
    size_t got = 0;
    enum status st = job_read_some(job, fd, buf, len, offset, &got);
    if (st != ST_OK) return st;
    return got == len ? ST_OK : ST_SHORT;
}

/* What became of an operation that changes what is stored. */
static enum status changed(struct job *job, int64_t result) {
    enum status st = status_from_errno(result);
    job->has_lost_write = job->has_lost_write || st == ST_IO;
    return st;
}

bool job_lost_write(struct job *job) {
    bool has_lost = job->has_lost_write;
    job->has_lost_write = false;
    return has_lost;
}

enum status job_write(struct job *job, int fd, const void *buf, size_t len, uint64_t offset) {
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    return changed(job, job_wait(job, io_write(job_io(job), &job->op, fd, &iov, 1, offset, 0,
                                               NULL)));
}

enum status job_sync(struct job *job, int fd, unsigned flags) {
    return changed(job, job_wait(job, io_sync(job_io(job), &job->op, fd, flags)));
}
enum status job_forget(struct job *job, int fd) {
    return status_from_errno(job_wait(job, io_forget(job_io(job), &job->op, fd)));
}
enum status job_truncate(struct job *job, int fd, uint64_t size_bytes) {
    return changed(job, job_wait(job, io_truncate(job_io(job), &job->op, fd, size_bytes)));
}
static enum status allocate(struct job *job, int fd, uint64_t offset, uint64_t len,
                            unsigned flags) {
    bool finished = io_allocate(job_io(job), &job->op, fd, offset, len, flags);
    return status_from_errno(job_wait(job, finished));
}
enum status job_allocate(struct job *job, int fd, uint64_t offset, uint64_t len) {
    return allocate(job, fd, offset, len, 0);
}
enum status job_reserve(struct job *job, int fd, uint64_t offset, uint64_t len) {
    return allocate(job, fd, offset, len, IO_KEEP_SIZE);
}
enum status job_rename(struct job *job, const char *from, const char *to) {
    return changed(job, job_wait(job, io_rename(job_io(job), &job->op, from, to)));
}
enum status job_unlink(struct job *job, const char *path) {
    return changed(job, job_wait(job, io_unlink(job_io(job), &job->op, path)));
}
enum status job_mkdir(struct job *job, const char *path, unsigned mode) {
    return changed(job, job_wait(job, io_mkdir(job_io(job), &job->op, path, mode)));
}
enum status job_rmdir(struct job *job, const char *path) {
    return changed(job, job_wait(job, io_rmdir(job_io(job), &job->op, path)));
}
enum status job_list(struct job *job, const char *path, struct io_listing *ret_listing) {
    int64_t result = 0;
    uint32_t tries = 0;
    do {
        result = job_wait(job, io_list(job_io(job), &job->op, path, ret_listing));
    } while (waits_for_descriptor(job, result, &tries, DESCRIPTOR_TRIES));
    return status_from_errno(result);
}

/* A step that found no descriptor is made again, with those that were not tried because of it. */
static enum status repeat_step(struct job *job, struct io_step *steps, uint32_t count) {
    int64_t result = 0;
    uint32_t tries = 0, end = 1;
    while (end < count && steps[end].result == -ECANCELED) end++;
    while (result >= 0 && waits_for_descriptor(job, steps[0].result, &tries, DESCRIPTOR_TRIES))
        result = job_wait(job, io_steps(job_io(job), &job->op, steps, end));
    return status_from_errno(result);
}

enum status job_steps(struct job *job, struct io_step *steps, uint32_t count) {
    int64_t result = job_wait(job, io_steps(job_io(job), &job->op, steps, count));
    enum status st = status_from_errno(result);
    for (uint32_t i = 0; st == ST_OK && i < count; i++) {
        if (steps[i].result == -EMFILE || steps[i].result == -ENFILE)
            st = repeat_step(job, steps + i, count - i);
    }
    for (uint32_t i = 0; st == ST_OK && i < count; i++) {
        bool changes = steps[i].kind != IO_STEP_LIST && steps[i].kind != IO_STEP_LOAD;
        if (changes) (void)changed(job, steps[i].result); /* the caller looks at it, too */
    }
    return st;
}
enum status job_stat(struct job *job, const char *path, struct io_stat *ret_stat) {
    return status_from_errno(job_wait(job, io_stat(job_io(job), &job->op, path, ret_stat)));
}
enum status job_lock(struct job *job, int fd) {
    return status_from_errno(job_wait(job, io_lock(job_io(job), &job->op, fd)));
}
enum status job_dir_sync(struct job *job, const char *path) {
    int64_t result = 0;
    uint32_t tries = 0;
    do {
        result = job_wait(job, io_dir_sync(job_io(job), &job->op, path));
    } while (waits_for_descriptor(job, result, &tries, ENDLESS));
    return changed(job, result);
}
void job_close(struct job *job, int fd) {
    (void)job_wait(job, io_close(job_io(job), &job->op, fd));
}
int64_t job_work(struct job *job, int64_t (*fn)(void *), void *argument) {
    return job_wait(job, io_work(job_io(job), &job->op, fn, argument));
}

/* All of an open file into *data of *capacity octets (one more than its contents take), which grows
 * as needed: most files are small, and a stat is a trip to a worker. */
static enum status read_whole(struct job *job, int fd, size_t limit_bytes, char **data,
                              size_t *capacity, size_t *ret_len) {
    struct mem *mem = job_mem(job);
    size_t len = 0;
    for (;;) {
        size_t got = 0, room = *capacity - 1 - len;
        enum status st = job_read_some(job, fd, *data + len, room, len, &got);
        if (st != ST_OK) return st;
        len += got;
        if (len > limit_bytes) return ST_TOO_LARGE;
        if (got < room) break;
        size_t more = MIN(*capacity * 4, limit_bytes + 2);
        char *grown = mem_resize(mem, *data, *capacity, more);
        if (grown == NULL) return ST_NOMEM;
        *data = grown;
        *capacity = more;
    }
    *ret_len = len;
    return ST_OK;
}

enum status job_read_file(struct job *job, const char *path, size_t limit_bytes, char **ret_data,
                          size_t *ret_len) {
    int fd = -1;
    enum status st = job_open(job, path, IO_READ, 0, &fd);
    if (st != ST_OK) return st;
    struct mem *mem = job_mem(job);
    size_t capacity = MIN((size_t)FIRST_READ_BYTES, limit_bytes + 2), len = 0;
    char *data = mem_alloc(mem, capacity);
    st = data != NULL ? read_whole(job, fd, limit_bytes, &data, &capacity, &len) : ST_NOMEM;
    job_close(job, fd);
    char *fitting = st == ST_OK ? mem_resize(mem, data, capacity, len + 1) : NULL;
    if (fitting == NULL) {
        if (data != NULL) mem_free(mem, data, capacity);
        return st == ST_OK ? ST_NOMEM : st;
    }
    fitting[len] = '\0';
    *ret_data = fitting;
    *ret_len = len;
    return ST_OK;
}

/* --- several syncs at once --- */

struct sync_all {
    struct job *job;
    uint32_t open_count; /* under way, and one while they are being started */
    enum status status;
    struct one_sync {
        struct io_op op;
        struct sync_all *all;
    } each[JOB_SYNCS_MAX];
};

static void take_sync(struct sync_all *all, int64_t result) {
    if (result < 0 && all->status == ST_OK) all->status = status_from_errno(result);
}

static void on_synced(struct io_op *op) {
    struct sync_all *all = CONTAINER_OF(op, struct one_sync, op)->all;
    take_sync(all, op->result);
    if (--all->open_count == 0) job_wake(all->job);
}

enum status job_sync_all(struct job *job, const struct job_sync *syncs, uint32_t count) {
    ASSERT(count <= JOB_SYNCS_MAX);
    struct sync_all all = {.job = job, .open_count = 1, .status = ST_OK};
    struct io *io = job_io(job);
    for (uint32_t i = 0; i < count; i++) {
        struct one_sync *one = &all.each[i];
        *one = (struct one_sync){.op.done = on_synced, .all = &all};
        all.open_count++;
        bool finished = syncs[i].dir != NULL ? io_dir_sync(io, &one->op, syncs[i].dir)
                                             : io_sync(io, &one->op, syncs[i].fd, IO_ALL);
        if (!finished) continue;
        take_sync(&all, one->op.result);
        all.open_count--;
    }
    if (--all.open_count > 0) job_suspend(job);
    job->has_lost_write = job->has_lost_write || all.status == ST_IO;
    return all.status;
}

/* --- replacing files --- */

static enum status temporary_of(const char *path, char temporary[LIMIT_PATH_BYTES]) {
    int length = snprintf(temporary, LIMIT_PATH_BYTES, "%s.tmp", path);
    return length < 0 || length >= LIMIT_PATH_BYTES ? ST_TOO_LARGE : ST_OK;
}

static enum status write_temporary(struct job *job, const struct job_replacement *file,
                                   int *ret_fd) {
    char temporary[LIMIT_PATH_BYTES];
    enum status st = temporary_of(file->path, temporary);
    if (st != ST_OK) return st;
    st = job_open(job, temporary, IO_WRITE | IO_CREATE | IO_TRUNCATE, file->mode, ret_fd);
    return st == ST_OK ? job_write(job, *ret_fd, file->data, file->len, 0) : st;
}

static enum status rename_temporary(struct job *job, const struct job_replacement *file) {
    char temporary[LIMIT_PATH_BYTES];
    enum status st = temporary_of(file->path, temporary);
    return st == ST_OK ? job_rename(job, temporary, file->path) : st;
}

enum status job_replace_files(struct job *job, const struct job_replacement *files,
                              uint32_t count) {
    ASSERT(count <= JOB_SYNCS_MAX);
    struct job_sync contents[JOB_SYNCS_MAX] = {0}, names[JOB_SYNCS_MAX] = {0};
    enum status st = ST_OK;
    uint32_t open_count = 0, dir_count = 0;
    while (open_count < count && st == ST_OK) {
        int fd = -1;
        st = write_temporary(job, &files[open_count], &fd);
        if (fd >= 0) contents[open_count++] = (struct job_sync){.fd = fd};
    }
    if (st == ST_OK) st = job_sync_all(job, contents, open_count);
    for (uint32_t i = 0; i < open_count; i++) job_close(job, contents[i].fd);
    for (uint32_t i = 0; i < count && st == ST_OK; i++) {
        st = rename_temporary(job, &files[i]);
        bool is_listed = i > 0 && strcmp(files[i].dir, files[i - 1].dir) == 0;
        if (!is_listed) names[dir_count++] = (struct job_sync){.dir = files[i].dir};
    }
    return st == ST_OK ? job_sync_all(job, names, dir_count) : st;
}

enum status job_replace_file(struct job *job, const char *dir, const char *path, const void *data,
                             size_t len, unsigned mode) {
    struct job_replacement file = {dir, path, data, len, mode};
    return job_replace_files(job, &file, 1);
}
