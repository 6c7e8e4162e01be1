/* base/job.h - jobs: cold sequential work as straight code, on fibers of one shard.
 * A job runs on the shard's thread until it awaits an operation of the seam; meanwhile the shard
 * goes on. Jobs are for recovery, checkpoint replacement, deletion, moves; never for the path of an
 * ordinary request, only for what of a large one would take many turns (broker/net/request.h).
 * Bounded: at most LIMIT_JOBS at once, others wait their turn in order. Each has its own
 * stack of LIMIT_JOB_STACK_BYTES with a guard page below it; stacks are kept for the next job.
 * AddressSanitizer is told of every switch. A job never blocks, and never awaits while it holds a
 * pointer into something that another callback of the shard may free. */
#pragma once
#include "base/breathe.h"
#include "base/io.h"

struct job;

struct jobs {
    struct io *io;       /* borrowed */
    struct list waiting; /* not yet started, in order */
    struct list idle;    /* finished jobs with their stacks */
    uint32_t running_count;
    uint32_t limit_count; /* at once; LIMIT_JOBS, fewer where a key says so */
    /** A job found no free descriptor: the owner closes what it can spare. NULL: it has nothing. */
    void (*on_no_descriptor)(struct jobs *jobs);
    bool is_out_of_descriptors; /* jobs waited for one in vain: the next ones are told at once */
};

typedef void job_fn(struct job *job, void *argument);

void jobs_init(struct jobs *jobs, struct io *io, uint32_t limit_count);
/** No job may be running or waiting. */
void jobs_release(struct jobs *jobs);
/** Starts fn(job, argument), at once when there is room (it runs until its first wait before this
 *  returns), otherwise in its turn. `argument` is borrowed until fn returns. */
void job_start(struct jobs *jobs, job_fn *fn, void *argument);
struct io *job_io(struct job *job);
struct mem *job_mem(struct job *job);

/** The operation to start next: its done is set so that the job goes on. One at a time. */
struct io_op *job_op(struct job *job);
/** Waits for job_op unless `finished` says that it finished inline; the result. */
int64_t job_wait(struct job *job, bool finished);
/** Lets the shard do other things until monotonic at_us. */
void job_sleep_until(struct job *job, uint64_t at_us);
/** Gives up the shard for one turn: long loops without I/O call it. */
void job_yield(struct job *job);
/** From here on loops that breathe (base/breathe.h) yield now and then; until job_hold_breath. Only
 *  around code that lets itself be interrupted: in between the job awaits nothing else. */
void job_breathe(struct job *job);
void job_hold_breath(struct job *job);
/** Suspends until job_wake; for waiting on something that is not an operation. */
void job_suspend(struct job *job);
/** From outside the job, on its shard: it goes on before this returns. The job must be
 *  suspended. */
void job_wake(struct job *job);

/* The seam's operations, awaited. Same meaning and results; a status where there is no number to
 * give. Those that need a descriptor (open, list, steps, dir_sync) wait for one for a while;
 * dir_sync for as long as it takes, since nobody can go on without it. ST_NOMEM: there is still
 * none. */
MUST_CHECK enum status job_open(struct job *job, const char *path, unsigned flags, unsigned mode,
                                int *ret_fd);
/** Exactly len octets: ST_SHORT when the file ends before. */
MUST_CHECK enum status job_read(struct job *job, int fd, void *buf, size_t len, uint64_t offset);
/** Up to len octets. */
MUST_CHECK enum status job_read_some(struct job *job, int fd, void *buf, size_t len,
                                     uint64_t offset, size_t *ret_len);
MUST_CHECK enum status job_write(struct job *job, int fd, const void *buf, size_t len,
                                 uint64_t offset);
MUST_CHECK enum status job_sync(struct job *job, int fd, unsigned flags);
MUST_CHECK enum status job_forget(struct job *job, int fd);
MUST_CHECK enum status job_truncate(struct job *job, int fd, uint64_t size_bytes);
MUST_CHECK enum status job_allocate(struct job *job, int fd, uint64_t offset, uint64_t len);
/** With IO_KEEP_SIZE. */
MUST_CHECK enum status job_reserve(struct job *job, int fd, uint64_t offset, uint64_t len);
MUST_CHECK enum status job_rename(struct job *job, const char *from, const char *to);
MUST_CHECK enum status job_unlink(struct job *job, const char *path);
MUST_CHECK enum status job_mkdir(struct job *job, const char *path, unsigned mode);
MUST_CHECK enum status job_rmdir(struct job *job, const char *path);
MUST_CHECK enum status job_list(struct job *job, const char *path, struct io_listing *ret_listing);
/** Each step's result holds unless this fails. */
MUST_CHECK enum status job_steps(struct job *job, struct io_step *steps, uint32_t count);
MUST_CHECK enum status job_stat(struct job *job, const char *path, struct io_stat *ret_stat);
MUST_CHECK enum status job_lock(struct job *job, int fd);
MUST_CHECK enum status job_dir_sync(struct job *job, const char *path);
void job_close(struct job *job, int fd);
/** Whether a write, a sync or a change of size or names failed with ST_IO since this was asked
 *  last. The page cache may hold what the device never gets, and the next sync says nothing of it:
 *  what was under way may not be tried again in the hope that it is durable then. */
bool job_lost_write(struct job *job);
/** fn on a worker thread; what it returned. */
int64_t job_work(struct job *job, int64_t (*fn)(void *), void *argument);

/** Reads a whole file of at most limit_bytes into io->mem (caller frees *ret_data with *ret_len + 1
 *  octets; a NUL follows the contents). ST_TOO_LARGE beyond the limit, ST_NOT_FOUND when it is
 *  missing. */
MUST_CHECK enum status job_read_file(struct job *job, const char *path, size_t limit_bytes,
                                     char **ret_data, size_t *ret_len);
/* A file (by descriptor) or the names of a directory, to be synced. */
struct job_sync {
    const char *dir; /* NULL: fd */
    int fd;
};
#define JOB_SYNCS_MAX 8
/** Syncs up to JOB_SYNCS_MAX of them at the same time: they share what the file system does for
 *  each. The first failure. */
MUST_CHECK enum status job_sync_all(struct job *job, const struct job_sync *syncs, uint32_t count);

/* What a file is replaced by. */
struct job_replacement {
    const char *dir, *path; /* path lies in dir */
    const void *data;
    size_t len;
    unsigned mode;
};
/** Replaces a small file so that a crash leaves the old or the new one: `path`.tmp, sync, rename,
 *  sync of `dir`. */
MUST_CHECK enum status job_replace_file(struct job *job, const char *dir, const char *path,
                                        const void *data, size_t len, unsigned mode);
/** The same for up to JOB_SYNCS_MAX files, synced together; a crash may leave some of them old. */
MUST_CHECK enum status job_replace_files(struct job *job, const struct job_replacement *files,
                                         uint32_t count);
