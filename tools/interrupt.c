/* tools/interrupt.c - see interrupt.h. */
#include "tools/interrupt.h"
#include <signal.h>
#include <unistd.h>
#include "base/bytes.h"
#include "tools/clock.h"

#define REPEAT_MS 500

static volatile sig_atomic_t seen;
static volatile int64_t seen_ms; /* written once, before any other signal can read it */

static void on_signal(int signal_number) {
    (void)signal_number;
    if (!seen) {
        seen_ms = clock_ms();
        seen = 1;
    } else if (clock_ms() - seen_ms >= REPEAT_MS) {
        _exit(INTERRUPT_STATUS);
    }
}

void interrupt_catch(void) {
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaddset(&action.sa_mask, SIGINT); /* one at a time */
    (void)sigaddset(&action.sa_mask, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void) { return seen; }

int64_t interrupt_cut(int64_t began_ms, int64_t deadline_ms) {
    if (!seen || seen_ms < began_ms) return deadline_ms;
    return MIN(deadline_ms, seen_ms + INTERRUPT_PATIENCE_MS);
}
