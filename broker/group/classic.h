/* broker/group/classic.h - the classic group: members join, one of them assigns, all sync and beat.
 * Internal to broker/group. Files: classic.c (the group and its kind), classic_member.c,
 * classic_record.c (to the log and back), classic_join.c, classic_sync.c (SyncGroup, Heartbeat,
 * LeaveGroup), subscriptions.c.
 *
 * States: Empty -> PreparingRebalance (members join) -> CompletingRebalance (the leader assigns) ->
 * Stable. Written to the log: an empty group when it is made, a generation with its assignments
 * when the leader has synced, a group that became empty, a static member that was replaced. A
 * rebalance under way is volatile: after a loss the members of the last written generation join
 * again. Source: org.apache.kafka.coordinator.group.classic.ClassicGroup, GroupMetadataManager. */
#pragma once
#include "broker/group/group.h"
#include "broker/group/subscriptions.h"

enum classic_state {
    CLASSIC_EMPTY,
    CLASSIC_PREPARING,
    CLASSIC_COMPLETING,
    CLASSIC_STABLE,
};

struct classic_protocol {
    struct str name;
    struct bytes metadata;
};

struct classic_member {
    struct map_node node;        /* in classic->members, by id */
    struct map_node static_node; /* in classic->statics, by instance id, when it has one */
    struct list link;            /* in classic->order: as they joined */
    struct classic *owner;
    struct str id, instance_id, client_id, client_host; /* own copies; instance_id null: dynamic */
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct classic_protocol *protocols; /* one block with all its octets */
    int32_t protocol_count;
    size_t protocols_bytes;
    struct bytes assignment; /* own copy; null: empty */
    /* volatile */
    bool is_new; /* has not finished its first join */
    bool awaits_join, awaits_sync;
    bool owes_sync;                   /* joined this generation, has not synced */
    struct group_ticket *join, *sync; /* NULL though awaited: the client went away */
    struct io_timer session;
    uint64_t deadline_us; /* may be later than the timer's: a heartbeat moves only this */
};

/* How many members support a protocol. */
struct classic_support {
    struct map_node node; /* in classic->support, by name */
    struct str name;      /* own copy */
    uint32_t count;
};

struct classic {
    struct group_body body;
    struct coordinator *coordinator;
    enum classic_state state, previous_state;
    int64_t state_since_ms; /* wall clock; -1: an old record did not say */
    int32_t generation;
    struct str protocol_type; /* own copies; null: none */
    struct str protocol;
    struct map members, statics;
    struct list order;
    struct map support;
    struct classic_member *leader; /* NULL: nobody yet */
    struct subscriptions subscriptions;
    bool is_written;       /* a record of it stands in the log, and ... */
    uint32_t written_crc;  /* ... this is the checksum of its value */
    /* volatile */
    struct map pending; /* struct classic_pending of classic_join.c: ids that have not joined */
    uint32_t awaiting_join_count, owes_sync_count;
    bool is_initial;           /* the join phase of a group that was empty */
    bool has_new_member;       /* since the initial delay began */
    int32_t delay_ms, left_ms; /* of the initial delay: this round, and what may still follow */
    struct io_timer join_timer, sync_timer;
};

static inline struct classic *classic_of(const struct group *group) {
    return (struct classic *)(void *)group->body;
}
/** NULL when there is none of that id, or one of another kind. */
struct classic *classic_group(const struct coordinator *c, struct str id);
/** NULL without memory. */
struct group_body *classic_new(struct group *group);
const char *classic_state_name(enum classic_state state);
void classic_transition(struct classic *g, enum classic_state state);
/** The group speaks the consumer protocol: its members' metadata can be read. */
bool classic_is_of_consumers(const struct classic *g);
/** What the group is subscribed to, out of its members' metadata, anew. */
void classic_learn_topics(struct classic *g);
/** KAFKA_NONE, UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID: another took the static member's place. */
int16_t classic_check_member(const struct classic *g, struct str member_id,
                             struct str instance_id);

/* --- members (classic_member.c) --- */

/* What a new member is made of; everything is copied. */
struct classic_newcomer {
    struct str id, instance_id, client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    const struct join_group_request_protocol *protocols;
    int32_t protocol_count;
};
struct classic_member *classic_find(const struct classic *g, struct str id);
struct classic_member *classic_find_static(const struct classic *g, struct str instance_id);
/** NULL without memory; otherwise it is in the group. The first one leads. */
struct classic_member *classic_add(struct classic *g, const struct classic_newcomer *newcomer);
/** Out of the group; what it waited for must have been answered. */
void classic_remove(struct classic *g, struct classic_member *m);
/** The id of a static member that came back. false: no memory. */
bool classic_rename(struct classic *g, struct classic_member *m, struct str id);
/** Replaces what it supports; false without memory, and then the old stands. */
bool classic_set_protocols(struct classic *g, struct classic_member *m,
                           const struct join_group_request_protocol *protocols, int32_t count);
/** A copy in one block of classic_protocols_bytes; *ret_count of them, as a name that stands twice
 * counts once. NULL without memory. */
struct classic_protocol *classic_copy_protocols(struct mem *mem,
                                                const struct join_group_request_protocol *in,
                                                int32_t count, int32_t *ret_count);
size_t classic_protocols_bytes(const struct join_group_request_protocol *in, int32_t count);
/** Same protocols, in the same order, with the same metadata. */
bool classic_has_protocols(const struct classic_member *m,
                           const struct join_group_request_protocol *protocols, int32_t count);
/** Null when it does not support it. */
struct bytes classic_metadata(const struct classic_member *m, struct str protocol);
bool classic_set_assignment(struct classic *g, struct classic_member *m, struct bytes assignment);
/** Whether a member with these protocols could join: all members support one of them. */
bool classic_supports(const struct classic *g, struct str protocol_type,
                      const struct join_group_request_protocol *protocols, int32_t count);
/** The protocol with the most votes among those that all members support; null in an empty group.
 * */
struct str classic_vote(const struct classic *g);
int32_t classic_rebalance_timeout_ms(const struct classic *g);

/* --- records (classic_record.c) --- */

/** The group as it stands, into the open unit. */
MUST_CHECK enum status classic_write(struct classic *g);
MUST_CHECK enum status classic_replay(struct coordinator *c, struct str id,
                                      const struct group_metadata_value *value,
                                      struct arena *scratch);
enum status classic_bury(struct group *group);
void classic_dump(const struct group *group, struct strbuf *out);

/* --- rebalances (classic_join.c) --- */

void classic_join(struct coordinator *c, struct group_ticket *ticket);
/** prefix-uuid, as Kafka's clients show it; arena of the ticket, null without memory. */
struct str classic_new_id(struct coordinator *c, const struct group_ticket *ticket);
void classic_loaded(struct group *group);
void classic_unload(struct group *group, int16_t error);
void classic_timers_init(struct classic *g);
/** A sign of life: the session runs anew. */
void classic_touch(struct classic *g, struct classic_member *m, int32_t timeout_ms);
/** Everybody has to join again, because somebody came, went or changed; does nothing more than look
 * who is still missing when that is so already. */
void classic_rebalance(struct classic *g);
/** Takes a member out, its waiting requests failed; the caller goes on with classic_rebalance. */
void classic_expel(struct classic *g, struct classic_member *m);
/** An id that was given out and has not joined. */
bool classic_is_pending(const struct classic *g, struct str id);
bool classic_drop_pending(struct classic *g, struct str id);
void classic_forget_pending(struct classic *g);

/* --- between rebalances (classic_sync.c) --- */

void classic_sync(struct coordinator *c, struct group_ticket *ticket);
void classic_heartbeat(struct coordinator *c, struct group_ticket *ticket);
void classic_leave(struct coordinator *c, struct group_ticket *ticket);
/** Answers a SyncGroup that waits; nothing when none does. */
void classic_answer_sync(struct classic *g, struct classic_member *m, int16_t error);
/** A member need not sync any more. */
void classic_settle_sync(struct classic *g, struct classic_member *m);
