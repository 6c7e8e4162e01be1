/* broker/shard/visit.c - there and back. */
#include "broker/shard/visit.h"

static void arrive(struct io_message *message, struct io *at) {
    struct visit *visit = CONTAINER_OF(message, struct visit, message);
    visit->work(visit, visit->home->broker->shards[at->shard]);
}

static void come_home(struct io_message *message, struct io *at) {
    (void)at; /* the home shard */
    struct visit *visit = CONTAINER_OF(message, struct visit, message);
    visit->returned(visit);
}

void visit_go(struct visit *visit) {
    struct shard *home = visit->home;
    if (visit->target == home->index) {
        visit->work(visit, home);
        return;
    }
    visit->message.deliver = arrive;
    io_post(home->io, visit->target, &visit->message);
}

void visit_return(struct visit *visit) {
    struct shard *home = visit->home;
    if (visit->target == home->index) {
        visit->returned(visit);
        return;
    }
    visit->message.deliver = come_home;
    io_post(home->broker->shards[visit->target]->io, home->index, &visit->message);
}
