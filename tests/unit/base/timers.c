/* tests/unit/base/timers.c - what is due fires, in order, whatever sets itself again. */
#include "base/timers.h"
#include <criterion/criterion.h>
#include <signal.h>
#include "base/bytes.h"
#include "base/clock.h"

static struct {
    struct mem mem;
    struct timers timers;
    struct io_timer again, once;
    int again_count, once_count;
} t;

static void setup(void) { timers_init(&t.timers, &t.mem); }

static void teardown(void) {
    timers_release(&t.timers);
    cr_expect_eq(t.mem.used_bytes, 0);
}

TestSuite(timers, .init = setup, .fini = teardown);

/* As a job does that yields. */
static void fire_again(struct io_timer *timer) {
    t.again_count++;
    timers_set(&t.timers, timer, 0);
}

static void fire_once(struct io_timer *timer) {
    (void)timer;
    t.once_count++;
}

Test(timers, one_that_is_set_for_the_past_by_itself_holds_up_no_other) {
    t.again.fire = fire_again;
    t.once.fire = fire_once;
    timers_set(&t.timers, &t.again, 0);
    timers_set(&t.timers, &t.once, 20);
    static const struct {
        uint64_t now_us;
        int again, once;
    } rows[] = {{10, 1, 0}, {19, 2, 0}, {20, 3, 1}, {21, 4, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)timers_run(&t.timers, rows[i].now_us);
        cr_expect_eq(t.again_count, rows[i].again, "at %zu: %d", i, t.again_count);
        cr_expect_eq(t.once_count, rows[i].once, "at %zu: %d", i, t.once_count);
    }
}

Test(timers, what_is_to_wait_for_ever_is_never_due) {
    static const struct {
        int64_t ms;
        uint64_t us;
    } rows[] = {
        {-1, 0},
        {0, 0},
        {250, 250000},
        {CLOCK_MS_MAX - 1, (CLOCK_MS_MAX - 1) * 1000},
        {INT64_MAX / 500 + 1, CLOCK_MS_MAX * 1000}, /* wraps around to less than 1 s */
        {INT64_MAX, CLOCK_MS_MAX * 1000},           /* to a time that has passed */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(us_of_ms(rows[i].ms), rows[i].us, "row %zu", i);
}
