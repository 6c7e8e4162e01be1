/* tests/unit/tools/interrupt.c - what an interrupt leaves to what is under way. */
#include "tools/interrupt.h"
#include <criterion/criterion.h>
#include <signal.h>
#include "tools/clock.h"

#define MINUTE_MS 60000

Test(interrupt, cuts_what_began_before_it_and_nothing_else) {
    int64_t began_ms = clock_ms(), late_ms = began_ms + MINUTE_MS;
    interrupt_catch();
    cr_expect_eq(interrupt_cut(began_ms, late_ms), late_ms, "there was none");
    cr_assert_eq(raise(SIGINT), 0);
    cr_assert(interrupt_seen());
    int64_t cut_ms = interrupt_cut(began_ms, late_ms);
    cr_expect_geq(cut_ms, began_ms + INTERRUPT_PATIENCE_MS);
    cr_expect_leq(cut_ms, clock_ms() + INTERRUPT_PATIENCE_MS);
    cr_expect_eq(interrupt_cut(began_ms, began_ms + 1), began_ms + 1, "a sooner deadline stays");
    cr_expect_eq(interrupt_cut(clock_ms() + 1, late_ms), late_ms, "what begins later");
}
