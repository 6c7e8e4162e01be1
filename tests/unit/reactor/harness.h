/* tests/unit/reactor/harness.h - runs a test's body as a job on shard 0 of a fresh group of shards,
 * with a time limit, and looks that nothing is left behind. Bodies use cr_expect: they are not on
 * the test's own thread. */
#pragma once
#ifdef PLAIN_TESTS
#include "tests/unit/reactor/plain.h"
#else
#include <criterion/criterion.h>
#endif
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include "base/limits.h"
#include "base/bytes.h"
#include "base/job.h"
#include "base/prng.h"
#include "broker/reactor/reactor.h"

#define HARNESS_SECONDS 60 /* sanitizers on a busy machine are slow */

struct harness {
    struct reactor_group *group;
    struct jobs jobs; /* of shard 0 */
    sem_t finished;
    job_fn *body;
    void *argument;
    char dir[64]; /* an empty directory, removed at the end */
};

/** Runs body(job, argument) on shard 0 and waits for it; then stops and frees everything.
 * job_harness() finds the harness again. */
void harness_run(const struct reactor_options *options, job_fn *body, void *argument);
/** Of the test that runs (each has its own process). */
struct harness *harness_now(void);
/** "<dir>/<name>", in one of a few rotating buffers. */
const char *harness_path(const char *name);
/** A group that is started and stopped by hand. */
struct reactor_group *harness_group(const struct reactor_options *options);
/** Waits for `semaphore` and fails the test when it does not come. */
void harness_wait(sem_t *semaphore);

/** Both levels: what the kernel has, and the floor. */
#define LEVELS ((const uint32_t[]){0, 601})
