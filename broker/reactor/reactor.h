/* broker/reactor/reactor.h - the io_uring implementation of base/io.h: one thread and one ring a
 * shard.
 *
 * Life: reactor_group_new makes rings, buffers and mailboxes (so that a refusal is one clear error
 * before anything runs), reactor_group_start starts the threads, reactor_group_stop ends them,
 * reactor_group_free gives everything back. Only broker/main.c and tests call these; everybody else
 * holds a `struct io *`.
 *
 * Threads: a shard's `struct io` is used on that shard's thread only, from on_start to the end of
 * its loop. reactor_group_post is the one way in from a thread without a ring. Worker threads (for
 * what has no opcode, and for io_work) start when they are first needed.
 *
 * Kernel floor: Linux 6.1 (single issuer, deferred task work, provided buffer rings, MSG_RING).
 * What is newer is probed when the group is made; uring_level 601 leaves it unused. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/io.h"
#include "base/limits.h"
#include "base/status.h"

struct reactor_group;

#define REACTOR_ERROR_BYTES 512

/* Kernel threads that a shard's ring may have for file operations; they start when they are needed.
 * A disk that hangs keeps one for each operation it holds, so whoever starts many at once on one
 * directory (rounds of syncs, appends) stays well below, and all jobs of the shard may wait beside
 * them: then the other directories go on. */
#define REACTOR_DISK_WORKERS (LIMIT_JOBS + 64)

/* 0 means the default named beside it. */
struct reactor_options {
    uint32_t shard_count;        /* 1 .. LIMIT_SHARDS; default 1 */
    uint32_t worker_count;       /* threads for io_work, of the whole group; default 1 */
    uint32_t lane_count;         /* threads for writes, each for one directory (struct io_disk) */
    uint32_t ring_entries;       /* submission entries a shard, a power of two; default 256 */
    uint32_t buffer_bytes;       /* of one provided receive buffer; default 4,096 */
    uint32_t buffer_count;       /* provided receive buffers a shard, a power of two; default 64 */
    uint64_t memory_limit_bytes; /* of io->mem, over all shards in equal parts; default: no limit */
    /* Of every accepted socket; 0: the kernel sizes them, which is best but for rare networks. */
    int32_t send_buffer_bytes, receive_buffer_bytes;
    uint32_t
        uring_level; /* 601: use nothing newer than Linux 6.1; default: whatever the kernel has */
};

/** Makes everything, starts nothing. On failure `error` is one line that says what was refused and
 * what to do about it: ST_UNSUPPORTED no (or too old an) io_uring, ST_BUSY io_uring is forbidden to
 * this process, ST_NOMEM memory or descriptors ran out, ST_INVALID an option out of bounds. */
MUST_CHECK enum status reactor_group_new(const struct reactor_options *options,
                                         struct reactor_group **ret_group, char *error,
                                         size_t error_bytes);

/** Of one shard; before reactor_group_start only to be stored. */
struct io *reactor_group_io(struct reactor_group *group, unsigned shard);

/** Starts one thread a shard; each calls on_start(io, argument) first, on itself, and then loops.
 * Signals are blocked in all of them. On failure nothing runs. */
MUST_CHECK enum status reactor_group_start(struct reactor_group *group,
                                           void (*on_start)(struct io *io, void *argument),
                                           void *argument, char *error, size_t error_bytes);

/** From any thread without a ring: a message for shard 0. false when LIMIT_MAILBOX_MESSAGES of them
 * wait already: the caller keeps it. */
MUST_CHECK bool reactor_group_post(struct reactor_group *group, struct io_message *message);

/** Ends every loop as soon as nothing of it is under way, and joins the threads. What is still
 * under way after grace_ms is cancelled and completes before the loop ends; only a worker or a disk
 * that hangs is waited for without bound. Messages and timers that are left are not delivered. */
void reactor_group_stop(struct reactor_group *group, uint32_t grace_ms);

/** After reactor_group_stop, or when it was never started. */
void reactor_group_free(struct reactor_group *group);
