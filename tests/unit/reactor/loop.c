/* tests/unit/reactor/loop.c - the loop: timers, what runs at the end of a turn, the clocks. */
#include "tests/unit/reactor/harness.h"

static void timers(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    static const uint64_t waits_us[] = {1000, 20000, 1, 0, 100000};
    for (size_t i = 0; i < COUNT(waits_us); i++) {
        uint64_t start_us = io_now(io).mono_us;
        job_sleep_until(job, start_us + waits_us[i]);
        uint64_t slept_us = io_now(io).mono_us - start_us;
        cr_expect_geq(slept_us, waits_us[i]);
        cr_expect_leq(slept_us, waits_us[i] + 2000000, "slept %zu us", (size_t)slept_us);
    }
    uint64_t turns = io->stats.turns;
    job_sleep_until(job, io_now(io).mono_us + 50000);
    cr_expect_leq(io->stats.turns - turns, 3, "an idle shard sleeps: %zu turns",
                  (size_t)(io->stats.turns - turns));
    cr_expect_geq(io->stats.timers_fired, 5);
}

Test(loop, timers_fire_when_they_are_due_and_an_idle_shard_sleeps) {
    harness_run(&(struct reactor_options){0}, timers, NULL);
}

static struct {
    struct io *io;
    struct job *job;
    struct io_later later;
    int run_count;
} again;

static void later_run(struct io_later *later) {
    io_later(again.io, later); /* the next turn's */
    if (++again.run_count == 10) {
        list_remove(&later->link);
        job_wake(again.job);
    }
}

static void laters(struct job *job, void *argument) {
    (void)argument;
    again.io = job_io(job);
    again.job = job;
    again.later.run = later_run;
    for (int i = 0; i < 5; i++) io_later(again.io, &again.later);
    uint64_t turns = again.io->stats.turns;
    cr_expect_eq(again.run_count, 0, "not at once");
    job_suspend(job);
    cr_expect_eq(again.run_count, 10);
    cr_expect_geq(again.io->stats.turns - turns, 9, "once a turn");
}

Test(loop, what_is_asked_for_later_runs_once_a_turn) {
    harness_run(&(struct reactor_options){0}, laters, NULL);
}

static void randomness(struct job *job, void *argument) {
    (void)argument;
    uint8_t a[1000] = {0}, b[1000] = {0};
    io_random(job_io(job), a, sizeof a);
    io_random(job_io(job), b, sizeof b);
    cr_expect_neq(memcmp(a, b, sizeof a), 0);
    int zeros = 0;
    for (size_t i = 0; i < sizeof a; i++) zeros += a[i] == 0;
    cr_expect_lt(zeros, 50, "filled to its end");
}

Test(loop, random_octets_differ) { harness_run(&(struct reactor_options){0}, randomness, NULL); }

static int finished_jobs;
static void short_job(struct job *job, void *argument) {
    (void)argument;
    job_yield(job);
    struct io_stat stat;
    cr_expect_eq(job_stat(job, "/", &stat), ST_OK);
    finished_jobs++;
}

static void many_jobs(struct job *job, void *argument) {
    (void)argument;
    struct jobs jobs;
    jobs_init(&jobs, job_io(job), 5);
    for (int i = 0; i < 100; i++) job_start(&jobs, short_job, NULL);
    while (finished_jobs < 100) job_sleep_until(job, io_now(job_io(job)).mono_us + 1000);
    jobs_release(&jobs);
}

Test(loop, a_hundred_jobs_take_turns_on_five_stacks) {
    harness_run(&(struct reactor_options){0}, many_jobs, NULL);
}
