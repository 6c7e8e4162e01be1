/* tests/sim/lost_calls.h - the calls to a group coordinator that the scenario `lost` makes, each as
 * a function that asks once and returns the wire's error. What they are about (a group, its
 * members, an offset) stands in struct caller. Internal to the scenario. */
#pragma once
#include "protocol/errors.h"
#include "tests/sim/lost.h"

enum { CALLER_MEMBERS = 2 };

/* `count` versions of an API from `first` on; none: every one that the call has. */
struct call_versions {
    int16_t first, count;
};

/* Whose request waits for its answer, on a connection of its own. */
struct caller {
    struct actor *actor;
    struct lost *lost;
    struct wire other;         /* what happens beside the call */
    char group_id[32], beside_id[32]; /* two groups of one coordinator */
    char members[CALLER_MEMBERS][64];
    uint32_t member_count;
    int32_t generation; /* or member epoch */
    int64_t offset;     /* last one that was to be committed; -1: there is to be none */
    uint32_t attempts;
    bool is_static;     /* member 0 names an instance */
    struct call_versions versions; /* of the call under test */
    struct uuid topic_id;
};

/** Asks in one of the versions least to most, or of those that the test wants; false: no answer. */
bool caller_call(struct caller *c, int16_t api_key, int16_t least, int16_t most,
                 const void *request, void *ret_response);
/** Sleeps for so long, and not up to it as actor_sleep does. */
void caller_wait(struct caller *c, uint64_t us);
/** Fails the world for a call without an answer. */
int16_t caller_failed(struct caller *c, int16_t api_key);

/** A call; KAFKA_NETWORK_EXCEPTION without an answer, which fails the world: the network is whole.
 */
typedef int16_t caller_ask(struct caller *c);

/* The classic protocol. Members are numbered; those with an instance ask in versions that know it.
 */
caller_ask caller_join;        /* one member, alone; a static one again and again */
caller_ask caller_ask_id;      /* KIP-394: an id, and nothing more */
caller_ask caller_join_as;     /* the member that has one */
caller_ask caller_sync;        /* of the leader, member 0, for all */
caller_ask caller_join_both;   /* two members */
caller_ask caller_sync_both;   /* of member 1, which waits for member 0 */
caller_ask caller_beat;
caller_ask caller_leave;
caller_ask caller_leave_old;   /* versions 0 to 2 */
/* Offsets, of member 0 or of nobody where there is none. */
caller_ask caller_commit, caller_fetch, caller_forget;
caller_ask caller_fetch_old;   /* versions 1 to 7 */
caller_ask caller_commit_passing; /* one that expires with the next check */
caller_ask caller_see_expired;    /* waits for that, and fetches */
/* Groups. Of those that show something: UNKNOWN_SERVER_ERROR where it is not what there is. */
caller_ask caller_describe, caller_describe_consumer, caller_delete, caller_configure, caller_find;
/** NOT_COORDINATOR when the group is not in it: of a coordinator that is lost nothing is listed. */
caller_ask caller_list;
/* The consumer protocol. */
caller_ask caller_consumer_join, caller_consumer_beat, caller_consumer_leave;
caller_ask caller_consumer_subscribe; /* to one topic more */
caller_ask caller_consumer_lapse;     /* waits until its session is over, and describes the group */
/* Of a static member: away for a while, and back under another id. */
caller_ask caller_consumer_pause, caller_consumer_return;

/** Sends a commit for the group beside, whose answer takes as long as its record. */
void caller_begin_beside(struct caller *c);
int16_t caller_end_beside(struct caller *c);
caller_ask caller_commit_beside; /* both */
