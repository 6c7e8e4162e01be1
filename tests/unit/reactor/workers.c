/* tests/unit/reactor/workers.c - what runs in worker threads: computing, names of hosts, and many
 * of them at once. */
#include <pthread.h>
#include <time.h>
#include "tests/unit/reactor/harness.h"

static int64_t count_up(void *argument) {
    int64_t *number = argument;
    return ++*number;
}

static int64_t on_which_thread(void *argument) {
    *(pthread_t *)argument = pthread_self();
    return 0;
}

static void compute(struct job *job, void *argument) {
    (void)argument;
    int64_t number = 41;
    cr_expect_eq(job_work(job, count_up, &number), 42);
    cr_expect_eq(number, 42);
    pthread_t thread = pthread_self();
    cr_expect_eq(job_work(job, on_which_thread, &thread), 0);
    cr_expect(!pthread_equal(thread, pthread_self()));
}

Test(workers, a_function_runs_on_another_thread_and_gives_its_result) {
    harness_run(&(struct reactor_options){0}, compute, NULL);
}

enum { TASKS = 2000 };
static struct {
    struct io_op ops[TASKS];
    int64_t numbers[TASKS];
    int left;
    int wrong;
    struct job *job;
} tasks;

static void task_done(struct io_op *op) {
    if (op->result != op - tasks.ops + 1) tasks.wrong++;
    if (--tasks.left == 0) job_wake(tasks.job);
}

static void many(struct job *job, void *argument) {
    (void)argument;
    tasks.job = job;
    tasks.left = TASKS;
    for (int i = 0; i < TASKS; i++) {
        tasks.ops[i].done = task_done;
        tasks.numbers[i] = i;
        cr_expect(!io_work(job_io(job), &tasks.ops[i], count_up, &tasks.numbers[i]));
    }
    job_suspend(job);
    cr_expect_eq(tasks.wrong, 0);
}

Test(workers, thousands_of_functions_all_complete) {
    harness_run(&(struct reactor_options){.worker_count = 3}, many, NULL);
}

static void names(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct io_address found[4];
    int64_t count =
        job_wait(job, io_resolve(io, job_op(job), "localhost", 9092, found, COUNT(found)));
    cr_expect_geq(count, 1, "got %lld", (long long)count);
    for (int64_t i = 0; i < count; i++) {
        char text[IO_ADDRESS_TEXT_BYTES];
        io_address_format(&found[i], text);
        cr_expect(strcmp(text, "127.0.0.1:9092") == 0 || strcmp(text, "[::1]:9092") == 0, "got %s",
                  text);
    }
    cr_expect_eq(job_wait(job, io_resolve(io, job_op(job), "localhost", 1, found, 1)), 1,
                 "no more than fit");
    cr_expect_eq(job_wait(job, io_resolve(io, job_op(job), "192.0.2.7", 80, found, 4)), 1,
                 "numeric, at once");
    cr_expect_eq(found[0].bytes[3], 7);
    int64_t none = job_wait(job, io_resolve(io, job_op(job), "no such host.invalid", 80, found, 4));
    cr_expect_lt(none, 0, "got %lld", (long long)none);
}

Test(workers, names_of_hosts_are_resolved) {
    harness_run(&(struct reactor_options){0}, names, NULL);
}

static int64_t take_long(void *argument) {
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    *(_Atomic bool *)argument = true;
    return 0;
}
static _Atomic bool took_long;
static struct io_op forgotten;
static void forgotten_done(struct io_op *op) { (void)op; }

static void leave_one_behind(struct job *job, void *argument) {
    (void)argument;
    forgotten.done = forgotten_done;
    cr_expect(!io_work(job_io(job), &forgotten, take_long, &took_long));
}

Test(workers, stopping_waits_for_them) {
    harness_run(&(struct reactor_options){0}, leave_one_behind, NULL);
    cr_expect(took_long);
}

static void slow_name(struct job *job, void *argument) {
    (void)argument;
    /* Blocking calls have threads of their own: computing does not wait for them. */
    cr_expect(!io_work(job_io(job), &forgotten, take_long, &took_long));
    struct io_stat stat;
    cr_expect_eq(job_stat(job, "/", &stat), ST_OK);
    cr_expect(!took_long, "a file operation waited for the computing thread");
}

Test(workers, blocking_calls_and_computing_do_not_wait_for_each_other) {
    forgotten.done = forgotten_done;
    harness_run(&(struct reactor_options){.worker_count = 1}, slow_name, NULL);
}
