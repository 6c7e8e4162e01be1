/* base/clock.h - the two clocks, always handed in, never asked for by a core.
 * mono_us: for every time-out and interval; never steps back within a process.
 * wall_ms: for record timestamps, retention and expiry; may step either way. */
#pragma once
#include <stdint.h>

struct now {
    uint64_t mono_us; /* microseconds since some fixed point */
    int64_t wall_ms;  /* milliseconds since 1970-01-01 UTC */
};

/* 35,000 years: what is to take longer, as an operator says who means never, takes so long. */
#define CLOCK_MS_MAX (INT64_C(1) << 40)

static inline uint64_t us_of_ms(int64_t ms) {
    return ms <= 0 ? 0 : (uint64_t)(ms < CLOCK_MS_MAX ? ms : CLOCK_MS_MAX) * 1000;
}
