/* tools/clock.h - the monotonic clock, for the deadlines of tools, and that on the wall. */
#pragma once
#include <stdint.h>
#include <time.h>

/** Milliseconds since some fixed point; never steps back. */
static inline int64_t clock_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** Milliseconds since 1970. */
static inline int64_t clock_wall_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
