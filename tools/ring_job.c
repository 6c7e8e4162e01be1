/* tools/ring_job.c - a reactor for one job. */
#include "tools/ring_job.h"
#include <semaphore.h>
#include "broker/reactor/reactor.h"
#include "tools/cli.h"

#define STOP_GRACE_MS 1000

struct ring_job {
    job_fn *fn;
    void *argument;
    struct jobs jobs;
    sem_t done;
};

static void run(struct job *job, void *argument) {
    struct ring_job *ring = argument;
    ring->fn(job, ring->argument);
    (void)sem_post(&ring->done); /* a valid semaphore below its maximum */
}

static void on_start(struct io *io, void *argument) {
    struct ring_job *ring = argument;
    jobs_init(&ring->jobs, io, 1);
    job_start(&ring->jobs, run, ring);
}

void ring_job_run(job_fn *fn, void *argument) {
    struct ring_job ring = {.fn = fn, .argument = argument};
    char error[REACTOR_ERROR_BYTES] = "";
    struct reactor_group *group;
    const struct reactor_options options = {.shard_count = 1};
    if (sem_init(&ring.done, 0, 0) < 0) cli_exit("no semaphore");
    if (reactor_group_new(&options, &group, error, sizeof error) != ST_OK) cli_exit("%s", error);
    if (reactor_group_start(group, on_start, &ring, error, sizeof error) != ST_OK)
        cli_exit("%s", error);
    while (sem_wait(&ring.done) < 0) {
    } /* a signal came in between */
    reactor_group_stop(group, STOP_GRACE_MS);
    jobs_release(&ring.jobs);
    reactor_group_free(group);
    (void)sem_destroy(&ring.done); /* nobody waits on it */
}
