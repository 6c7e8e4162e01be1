/* broker/handlers/group_fan.h - a request about many groups: a call for each, to the coordinators
 * of all. So many are under way at once, and other clients have turns in between, however many
 * groups a request names. Owner: the request's shard. */
#pragma once
#include "broker/handlers/groups.h"

struct group_fan {
    struct request *rq;
    int32_t count; /* of groups */
    /** The call about the i-th group, not sent yet, and the group's id; NULL: it is answered. */
    struct group_call *(*ask)(struct group_fan *fan, int32_t i, struct str *ret_group_id);
    /** All are answered: encodes and responds. */
    void (*end)(struct group_fan *fan);
    /* its own */
    struct io_timer pause;
    int32_t next;
    uint32_t open_count; /* calls under way */
    bool is_asking;
};

/** The four fields above are set, the rest is zero; `end` may have run when this returns. */
void group_fan_start(struct group_fan *fan);
/** The last step of each call's `done`; call->owner is the fan. `end` may have run. */
void group_fan_done(struct group_fan *fan);
