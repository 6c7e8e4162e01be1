/* tests/sim/lost_calls.h - the calls to a group coordinator that the scenario `lost` makes, each as
 * a function that asks once and returns the wire's error. What they are about (a group, its
 * members, an offset) stands in struct caller. Internal to the scenario. */
#pragma once
#include "protocol/errors.h"
#include "tests/sim/lost.h"

enum { CALLER_MEMBERS = 2 };

/* Whose request waits for its answer, on a connection of its own. */
struct caller {
    struct actor *actor;
    struct lost *lost;
    struct wire other;         /* what happens beside the call */
    char group_id[32], beside_id[32]; /* two groups of one coordinator */
    char members[CALLER_MEMBERS][64];
    uint32_t member_count;
    int32_t generation; /* or member epoch */
    int64_t offset;     /* last one that was to be committed */
    uint32_t attempts;
};

/** A call; KAFKA_NETWORK_EXCEPTION without an answer, which fails the world: the network is whole.
 */
typedef int16_t caller_ask(struct caller *c);

/* The classic protocol. Members are numbered. */
caller_ask caller_join;        /* one member, alone */
caller_ask caller_sync;        /* of the leader, member 0, for all */
caller_ask caller_join_both;   /* two members */
caller_ask caller_sync_both;   /* of member 1, which waits for member 0 */
caller_ask caller_beat;
caller_ask caller_leave;
/* Offsets, of member 0 or of nobody where there is none. */
caller_ask caller_commit, caller_fetch, caller_forget;
/* Groups. Of those that show something: UNKNOWN_SERVER_ERROR where it is not what there is. */
caller_ask caller_describe, caller_describe_consumer, caller_delete, caller_configure, caller_find;
/** NOT_COORDINATOR when the group is not in it: of a coordinator that is lost nothing is listed. */
caller_ask caller_list;
/* The consumer protocol. */
caller_ask caller_consumer_join, caller_consumer_beat, caller_consumer_leave;

/** Sends a commit for the group beside, whose answer takes as long as its record. */
void caller_begin_beside(struct caller *c);
int16_t caller_end_beside(struct caller *c);
caller_ask caller_commit_beside; /* both */
