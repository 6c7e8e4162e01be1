/* tests/lib/plain_io.h - the seam over plain system calls, for unit tests of what stands on files.
 * Two modes. Inline: every operation is done at once, in its start. Deferred: a start only notes
 * it, and plain_io_turn does them in order and calls `done`, so that a test sees every state in
 * between. No network. The clock stands still unless the test moves it; randomness is a fixed
 * sequence. Faults: `fault` may refuse any operation before it is done. */
#pragma once
#include "base/io.h"
#include "base/job.h"
#include "base/prng.h"

enum plain_kind {
    PLAIN_OPEN,
    PLAIN_READ,
    PLAIN_WRITE,
    PLAIN_SYNC,
    PLAIN_SYNC_FS,
    PLAIN_FORGET,
    PLAIN_TRUNCATE,
    PLAIN_ALLOCATE,
    PLAIN_RENAME,
    PLAIN_UNLINK,
    PLAIN_MKDIR,
    PLAIN_RMDIR,
    PLAIN_LIST,
    PLAIN_STAT,
    PLAIN_STATFS,
    PLAIN_LOCK,
    PLAIN_DIR_SYNC,
    PLAIN_CLOSE,
    PLAIN_WORK,
    PLAIN_STEPS, /* each counts, and may be refused, as the single calls that it stands for */
    PLAIN_KIND_COUNT
};

/* One operation as its start was called. */
struct plain_call {
    enum plain_kind kind;
    int fd;
    const char *path, *path2;
    uint64_t offset, len;
};

struct plain_io {
    struct io io;
    struct mem mem;
    struct jobs jobs;
    struct prng prng;
    bool deferred;
    bool syncs_are_free; /* they succeed and are not done: for many short runs */
    struct list waiting, laters;
    struct io_message *messages;
    uint64_t counts[PLAIN_KIND_COUNT]; /* operations done or refused */
    /** 0 lets it pass; a negative errno is its result, and nothing is done; a positive number is
     * how much a read gives at the most. NULL: all pass. */
    int (*fault)(struct plain_io *plain, const struct plain_call *call);
    void *fault_context;
};

void plain_io_init(struct plain_io *plain);
/** Nothing may be under way. */
void plain_io_release(struct plain_io *plain);
/** One turn: what waits is done, timers that are due fire, then what asked for the end of the turn.
 *  false: there was nothing to do. */
bool plain_io_turn(struct plain_io *plain);
/** Turns until there is nothing to do. */
void plain_io_settle(struct plain_io *plain);
/** Runs fn(job, argument) as a job and turns until it ended; while it sleeps the clock jumps to the
 *  next timer. */
void plain_io_run(struct plain_io *plain, job_fn *fn, void *argument);
