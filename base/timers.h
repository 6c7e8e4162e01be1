/* base/timers.h - deadlines of one shard in a binary heap; shared by every implementation of the
 * seam. A timer is embedded in its owner. Ties fire in the order in which they were set, so that a
 * run is repeatable. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

struct io_timer {
    /* once; the timer is clear by then and may be set again */
    void (*fire)(struct io_timer *timer);
    uint64_t at_us; /* monotonic deadline */
    uint64_t order; /* breaks ties */
    uint32_t index; /* place in the heap + 1; 0: not set */
};

struct timers {
    struct mem *mem; /* borrowed */
    struct io_timer **heap;
    uint32_t count, capacity;
    uint64_t next_order;
    uint64_t now_us; /* of the last run */
};

void timers_init(struct timers *timers, struct mem *mem);
void timers_release(struct timers *timers);
/** Sets or moves the deadline. One that has passed is due now: behind all that was due before, so
 * that what sets itself again and again (a job that yields) holds up no other. */
void timers_set(struct timers *timers, struct io_timer *timer, uint64_t at_us);
/** Does nothing to a timer that is not set. */
void timers_clear(struct timers *timers, struct io_timer *timer);
/** The earliest deadline, UINT64_MAX when there is none. */
uint64_t timers_next_us(const struct timers *timers);
/** Fires everything due at now_us, in order; returns how many. */
uint32_t timers_run(struct timers *timers, uint64_t now_us);
static inline bool io_timer_is_set(const struct io_timer *timer) { return timer->index != 0; }
