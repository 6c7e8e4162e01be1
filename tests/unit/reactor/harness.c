/* tests/unit/reactor/harness.c - one shard on the test's own thread, and files to test with. */
#include "tests/unit/reactor/harness.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct harness *current;

struct harness *harness_now(void) {
    return current;
}

const char *harness_path(const char *name) {
    static char buffers[8][256];
    static unsigned next;
    char *buffer = buffers[next++ % 8];
    (void)snprintf(buffer, sizeof buffers[0], "%s/%s", current->dir, name);
    return buffer;
}

void harness_wait(sem_t *semaphore) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HARNESS_SECONDS;
    int result;
    do result = sem_timedwait(semaphore, &until);
    while (result != 0 && errno == EINTR);
    cr_assert_eq(result, 0, "did not finish within %d s", HARNESS_SECONDS);
}

struct reactor_group *harness_group(const struct reactor_options *options) {
    char error[REACTOR_ERROR_BYTES] = "";
    struct reactor_group *group = NULL;
    cr_assert_eq(reactor_group_new(options, &group, error, sizeof error), ST_OK, "%s", error);
    return group;
}

static void remove_tree(const char *path) {
    char command[256]; /* one level of files and one of directories is all that tests make */
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    cr_assert_eq(system(command), 0);
}

static void body_job(struct job *job, void *argument) {
    struct harness *h = argument;
    h->body(job, h->argument);
    sem_post(&h->finished);
}

static void on_start(struct io *io, void *argument) {
    struct harness *h = argument;
    if (io->shard != 0) return;
    jobs_init(&h->jobs, io, LIMIT_JOBS);
    job_start(&h->jobs, body_job, h);
}

void harness_run(const struct reactor_options *options, job_fn *body, void *argument) {
    struct harness h = {.body = body, .argument = argument};
    (void)snprintf(h.dir, sizeof h.dir, "/tmp/klamm-reactor-XXXXXX");
    cr_assert_not_null(mkdtemp(h.dir));
    sem_init(&h.finished, 0, 0);
    current = &h;
    h.group = harness_group(options);
    char error[REACTOR_ERROR_BYTES] = "";
    cr_assert_eq(reactor_group_start(h.group, on_start, &h, error, sizeof error), ST_OK, "%s",
                 error);
    harness_wait(&h.finished);
    reactor_group_stop(h.group, 2000);
    jobs_release(&h.jobs);
    reactor_group_free(h.group);
    remove_tree(h.dir);
    current = NULL;
}
