/* broker/handlers/group_fan.c - see group_fan.h. */
#include "broker/handlers/group_fan.h"

#define CALLS_AT_ONCE 1000 /* whose records then share few syncs */
#define CALLS_A_TURN 1000  /* that need no wait: one or two milliseconds of a shard */

static void ask(struct group_fan *fan) {
    fan->is_asking = true; /* a call may come back before it is all the way out */
    for (int32_t i = 0; fan->next < fan->count && fan->open_count < CALLS_AT_ONCE; i++) {
        if (i == CALLS_A_TURN) {
            io_timer_set(fan->rq->shard->io, &fan->pause, 0);
            break;
        }
        struct str group_id;
        struct group_call *call = fan->ask(fan, fan->next++, &group_id);
        if (call == NULL) continue;
        call->owner = fan;
        fan->open_count++;
        group_call_go(call, group_id);
    }
    fan->is_asking = false;
    if (fan->next == fan->count && fan->open_count == 0) fan->end(fan);
}

static void on_pause_over(struct io_timer *timer) {
    ask(CONTAINER_OF(timer, struct group_fan, pause));
}

void group_fan_start(struct group_fan *fan) {
    fan->pause.fire = on_pause_over;
    ask(fan);
}

void group_fan_done(struct group_fan *fan) {
    fan->open_count--;
    if (!fan->is_asking && !io_timer_is_set(&fan->pause)) ask(fan);
}
