/* base/breathe.c - see breathe.h. */
#include "base/breathe.h"

_Thread_local struct breather *breather_now;

void breathe_pause(struct breather *breather) {
    breather->steps = 0;
    breather_now = NULL; /* what runs meanwhile has not been asked */
    breather->pause(breather);
    breather_now = breather;
}
