/* base/breathe.h - long loops over what a request names, deep in code that knows of no shard: where
 * they may be interrupted, others have a turn now and then. Whoever calls into them says so
 * (job_breathe); for everybody else a step costs a look at one variable.
 * A loop that breathes holds nothing that another callback of the shard may free or change. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define BREATHE_STEPS 2048u /* between turns: a millisecond or two, by what is done in a step */

struct breather {
    void (*pause)(struct breather *breather);
    uint32_t steps;
};

/* Who is to be asked; NULL: the loop is not to be interrupted. */
extern _Thread_local struct breather *breather_now;

void breathe_pause(struct breather *breather);

/** Not now: what follows holds what may change. Gives what breathe_again takes. */
static inline struct breather *breathe_not(void) {
    struct breather *breather = breather_now;
    breather_now = NULL;
    return breather;
}
static inline void breathe_again(struct breather *breather) { breather_now = breather; }

/** So many steps of a loop are done; each is about a microsecond. */
static inline void breathe_by(uint32_t steps) {
    struct breather *breather = breather_now;
    if (breather == NULL) return;
    breather->steps += steps;
    if (breather->steps >= BREATHE_STEPS) breathe_pause(breather);
}
/** One step is done. */
static inline void breathe(void) { breathe_by(1); }
