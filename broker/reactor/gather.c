/* broker/reactor/gather.c - a cursor over a borrowed list of runs, for writes and sends that end
 * early. */
#include <limits.h>
#include "broker/reactor/internal.h"

static void skip_empty(struct gather *g) {
    while (g->index < g->count && g->skip == g->iov[g->index].iov_len) {
        g->index++;
        g->skip = 0;
    }
}

void gather_init(struct gather *g, const struct iovec *iov, int count) {
    *g = (struct gather){.iov = iov, .count = count};
    skip_empty(g);
}

void gather_advance(struct gather *g, size_t octets) {
    while (octets > 0) {
        ASSERT(g->index < g->count); /* no more than there was */
        size_t take = MIN(octets, g->iov[g->index].iov_len - g->skip);
        g->skip += take;
        octets -= take;
        skip_empty(g);
    }
}

bool gather_single(const struct gather *g, struct iovec *ret_run) {
    const struct iovec *run = &g->iov[g->index];
    bool alone = g->skip > 0 || g->index == g->count - 1;
    if (!alone) return false;
    *ret_run = (struct iovec){(uint8_t *)run->iov_base + g->skip,
                              MIN(run->iov_len - g->skip, (size_t)1 << 30)};
    return true;
}

int gather_list_count(const struct gather *g) { return MIN(g->count - g->index, IOV_MAX); }
