/* tests/sim/client_onlooker.c - somebody who asks for committed offsets over and over, as no
 * member: what a coordinator shows, it must show again after the next power cut. */
#include <stdio.h>
#include "tests/sim/client_seat.h"

#define LOOK_EVERY_US 20000

static void onlooker_main(struct actor *actor) {
    struct seat *seat = MEM_NEW(job_mem(actor->job), struct seat);
    *seat = (struct seat){.actor = actor, .book = actor->clients->book, .number = actor->number};
    while (!seat_is_ending(seat) && !actor->clients->world->stopped) {
        seat->group = actor_draw(actor, BOOK_GROUPS);
        (void)snprintf(seat->group_id, sizeof seat->group_id, "group-%u", seat->group);
        (void)seat_fetch(seat, actor_draw(actor, BOOK_PARTITIONS)); /* an error is asked again */
        actor_sleep(actor, LOOK_EVERY_US);
    }
    MEM_FREE(job_mem(actor->job), seat);
}

void client_start_onlooker(struct clients *clients) {
    actor_start(clients, "onlooker", onlooker_main, true, BOOK_MEMBERS);
}
