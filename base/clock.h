/* base/clock.h - the two clocks, always handed in, never asked for by a core.
 * mono_us: for every time-out and interval; never steps back within a process.
 * wall_ms: for record timestamps, retention and expiry; may step either way. */
#pragma once
#include <stdint.h>

struct now {
    uint64_t mono_us; /* microseconds since some fixed point */
    int64_t wall_ms;  /* milliseconds since 1970-01-01 UTC */
};
