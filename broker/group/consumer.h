/* broker/group/consumer.h - the consumer group of KIP-848: the coordinator assigns, and each member
 * is brought from what it owns to what it shall own by its heartbeats alone. Internal to
 * broker/group. Files: consumer.c (the group and its kind), consumer_member.c,
 * consumer_heartbeat.c (join, beat, leave), consumer_target.c (epochs, subscriptions, targets),
 * consumer_reconcile.c (one member towards its target), consumer_record.c (to the log and back),
 * consumer_describe.c; assignor.h decides who gets what. consumer_classic.c: members that speak the
 * classic protocol in such a group; consumer_convert.c: a classic group becomes one when the first
 * member of the new protocol joins, and classic again when the last has left
 * (group.consumer.migration.policy).
 *
 * Epochs. The group's is raised by whatever asks for a new assignment: a member comes, goes or
 * subscribes to something else, a topic of theirs changes. The target's follows when the assignor
 * has run for it, a member's when it has given back what it must. Invariant: member epochs <=
 * target epoch <= group epoch, and a partition is assigned to (or being revoked from) one member at
 * most. Each partition keeps the epoch at which its member was given it (struct group_partition):
 * the member commits at any epoch from there to its own (KIP-1251).
 *
 * Everything but deadlines is in the log, in Kafka's records 3 and 5 to 8 and 16; live state ==
 * replay. The metadata hash is our own function of names, ids and partition counts: Kafka finds
 * another and raises the epoch once when it takes a group over, and so do we.
 *
 * Source: KIP-848; GroupMetadataManager, ConsumerGroup, CurrentAssignmentBuilder of
 * org.apache.kafka.coordinator.group. */
#pragma once
#include "broker/group/assignor.h"
#include "broker/group/group.h"

/* As records have it. */
enum consumer_member_state {
    MEMBER_STABLE = 0,
    MEMBER_UNREVOKED = 1,  /* has to give partitions back before its epoch moves on */
    MEMBER_UNRELEASED = 2, /* waits for partitions that others have to give back */
};

/* What a classic member has to do next, lest it be expelled. */
enum consumer_phase { MUST_NOTHING, MUST_JOIN, MUST_SYNC };

#define MEMBER_EPOCH_LEAVE (-1)
#define MEMBER_EPOCH_LEAVE_STATIC (-2) /* for a while: its instance id keeps its place */

/* A list of names, sorted, each once, in one block. */
struct names {
    struct str *items;
    uint32_t count;
    size_t block_bytes;
};

/* What members are subscribed to by name; those who are to the same share it. */
struct subscription {
    struct map_node node; /* in consumer->subscriptions, by its names; without any there is none */
    uint32_t member_count;
    struct names names;
};

struct consumer_member {
    struct map_node node;        /* in consumer->members, by id */
    struct map_node static_node; /* in consumer->statics, by instance id, when it has one */
    struct consumer *owner;
    struct str id, instance_id, rack_id, client_id, client_host; /* own copies; may be null: 2, 3 */
    struct str assignor, regex;                                  /* own copies; may be null */
    struct subscription *subscription; /* to topics by name: shared; NULL: to none */
    /* of a member that speaks the classic protocol; NULL: it does not */
    struct classic_protocol *protocols; /* one block with all its octets */
    int32_t protocol_count;
    size_t protocols_bytes;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    int32_t epoch, previous_epoch;
    enum consumer_member_state state;
    struct partition_set assigned, revoking, target;
    /* volatile */
    struct io_timer session, rebalance;
    struct io_timer phase; /* classic: until it has joined again, or synced */
    enum consumer_phase must;
    uint64_t deadline_us; /* of the session; may be later than the timer's */
};

/* Who owns a partition: it is in that member's `assigned` or `revoking`. */
struct partition_owner {
    struct map_node node; /* in consumer->owners */
    struct group_partition partition;
    const struct consumer_member *member;
};

/* A regular expression that a member is subscribed to, and the topics that it fits. */
struct consumer_regex {
    struct map_node node; /* in consumer->regexes */
    struct str text;      /* own copy */
    struct names topics;
    int64_t version;      /* offset of the image that was looked at */
    int64_t timestamp_ms; /* when */
};

struct consumer {
    struct group_body body;
    struct coordinator *coordinator;
    int32_t epoch, target_epoch;
    int64_t metadata_hash;
    int64_t target_timestamp_ms; /* when the assignor ran last; 0: the record does not say */
    struct map members, statics, owners, regexes, subscriptions;
    /* volatile */
    int64_t image_offset;   /* of the image that metadata_hash was worked out on; -1: none */
    uint64_t assigned_us;   /* monotonic, when the assignor ran last; 0: long ago */
    struct io_timer assign; /* an assignment that had to wait for its interval */
};

static inline struct consumer *consumer_of(const struct group *group) {
    return (struct consumer *)(void *)group->body;
}
bool group_is_consumer(const struct group *group);
/** NULL when there is none of that id with members, or one of another kind. */
struct consumer *consumer_group(const struct coordinator *c, struct str id);
/** NULL without memory. */
struct group_body *consumer_new(struct group *group);

/* --- the group (consumer.c) --- */

const char *consumer_state_name(const struct consumer *g);
/** All members sorted by id: for everything whose order must not come from hashes. Arena; NULL
 * without memory. */
struct consumer_member **consumer_members_sorted(const struct consumer *g, struct arena *arena);
/** A failed emission leaves state that the log does not have: the coordinator is loaded again. */
void consumer_emitted(struct consumer *g, enum status st);
/** What the group's own settings say, else the broker's. Values that the broker's bounds do not
 * allow any more are drawn into them; where a session were not longer than the time between two
 * heartbeats, both are the broker's. */
int32_t consumer_session_timeout_ms(const struct consumer *g);
int32_t consumer_heartbeat_interval_ms(const struct consumer *g);
int32_t consumer_assignment_interval_ms(const struct consumer *g);

/* --- members (consumer_member.c) --- */

struct consumer_member *consumer_find(const struct consumer *g, struct str id);
struct consumer_member *consumer_find_static(const struct consumer *g, struct str instance_id);
/** A member without anything but its id; NULL without memory. */
struct consumer_member *consumer_add(struct consumer *g, struct str id);
/** Out of the group, with its partitions; no record. */
void consumer_remove(struct consumer *g, struct consumer_member *m);
/** Takes over the instance id (may be null) of a member; false without memory. */
bool consumer_set_instance(struct consumer *g, struct consumer_member *m, struct str instance_id);
/** What the member owns from now on; false without memory, and then nothing changed. */
bool consumer_set_owned(struct consumer *g, struct consumer_member *m,
                        const struct partition_set *assigned, const struct partition_set *revoking);
/** What a classic member supports; count 0: it speaks the other protocol now. false: no memory. */
bool consumer_set_protocols(struct consumer *g, struct consumer_member *m,
                            const struct join_group_request_protocol *protocols, int32_t count,
                            bool *ret_changed);
/** NULL: nobody owns it. */
const struct consumer_member *consumer_owner(const struct consumer *g,
                                             struct group_partition partition);
/** Replaces an own text; *ret_changed is set when it differs, left alone otherwise. */
bool consumer_set_text(struct consumer *g, struct str *own, struct str text, bool *ret_changed);

/* --- topics (consumer_topics.c) --- */

/** A sorted copy of a list replaces the own one; *ret_changed is set when it differs, left alone
 * otherwise. */
bool names_keep(struct mem *mem, struct names *own, const struct str *items, int32_t count,
                bool *ret_changed);
void names_free(struct mem *mem, struct names *own);
bool names_have(const struct names *own, struct str name);
/** Sorted, each once; of a member that is subscribed to none by name an empty list. */
const struct names *consumer_topics(const struct consumer_member *m);
/** Instead of what it was subscribed to by name; *ret_changed as names_keep. false: no memory, and
 * nothing has changed. */
bool consumer_subscribe(struct consumer *g, struct consumer_member *m, const struct str *items,
                        int32_t count, bool *ret_changed);
void consumer_unsubscribe(struct consumer *g, struct consumer_member *m);

/* --- heartbeats (consumer_heartbeat.c) --- */

void consumer_heartbeat(struct coordinator *c, struct group_ticket *ticket);
void consumer_loaded(struct group *group);
/** The member is out: records, the group's epoch raised; or, when only classic ones are left, the
 * group is a classic one afterwards, and g is gone. */
void consumer_expel(struct consumer *g, struct consumer_member *m);
void consumer_touch(struct consumer *g, struct consumer_member *m);
void consumer_timers_init(struct consumer_member *m);

/** The member, with all it owns but the epoch, under another id; NULL without memory. */
struct consumer_member *consumer_replace(struct consumer *g, struct consumer_member *old,
                                         struct str id);
/** Its tombstones, and it is gone; consumer_members_left follows when all have. */
void consumer_take_out(struct consumer *g, struct consumer_member *m);
void consumer_members_left(struct consumer *g);

/* --- members that speak the classic protocol (consumer_classic.c) --- */

void consumer_classic_join(struct consumer *g, struct group_ticket *ticket);
void consumer_classic_sync(struct consumer *g, struct group_ticket *ticket);
int16_t consumer_classic_beat(struct consumer *g, const struct heartbeat_request *in);
int16_t consumer_classic_leave(struct consumer *g,
                               const struct leave_group_request_member_identity *who);
void consumer_classic_init(struct consumer_member *m);

/* --- one kind of group becomes the other (consumer_convert.c) --- */

/** A classic group with members as a consumer group, or NULL when that is not possible or not
 * allowed. */
struct consumer *consumer_from_classic(struct group *group);
/** Whether only members of the classic protocol are left, and the group may become one of them. */
bool consumer_may_be_classic(const struct consumer *g);
/** Makes it one; g is gone. rebalances: its members have to join again. */
void consumer_to_classic(struct consumer *g, bool rebalances);

/* --- subscriptions, epochs, targets (consumer_target.c) --- */

/** The regular expression of a member is known and up to date. KAFKA_NONE or
 *  INVALID_REGULAR_EXPRESSION with *ret_why (arena). */
int16_t consumer_learn_regex(struct consumer *g, struct str regex, struct arena *arena,
                             struct str *ret_why);
/** Looks at the topics again when the image is newer, or `changed` says that subscriptions are;
 * raises the group's epoch when that makes a difference. */
void consumer_refresh(struct consumer *g, bool changed);
/** NULL when there is none. */
struct consumer_regex *consumer_find_regex(const struct consumer *g, struct str text);
/** The one of that text, made when there is none; NULL without memory. */
struct consumer_regex *consumer_add_regex(struct consumer *g, struct str text);
/** A regular expression that no member has any more; no record. */
void consumer_forget_regex(struct consumer *g, struct consumer_regex *regex);
/** The same with its tombstone, for one that a member had, unless another still has it. */
void consumer_drop_regex(struct consumer *g, struct str text);
/** As Kafka writes and tells it: a member that has none has an empty one. */
static inline struct str consumer_regex_text(const struct consumer_member *m) {
    return m->regex.ptr != NULL ? m->regex : STR("");
}
/** The one that most members want; the first of group.consumer.assignors when none says. */
const struct assignor *consumer_assignor(const struct consumer *g);
/** Runs the assignor when the target's epoch is behind the group's and its interval is over;
 * otherwise a timer does it later. */
void consumer_assign(struct consumer *g);
void consumer_assign_timer_init(struct consumer *g);
/** Whether this member is subscribed to it, by name or by its regular expression. */
bool consumer_wants(const struct consumer *g, const struct consumer_member *m, struct str topic);
bool consumer_is_subscribed(const struct group *group, struct str topic);

/* --- one member (consumer_reconcile.c) --- */

/** owned: what the member says it owns; NULL: it does not say. subscribed: to something else than
 * before. Changes the member, with its record, when it can come nearer to its target or has to give
 * back what it is not subscribed to any more. */
void consumer_reconcile(struct consumer *g, struct consumer_member *m,
                        const struct partition_set *owned, bool subscribed);

/* --- records (consumer_record.c); each into the open unit --- */

MUST_CHECK enum status consumer_write_epoch(struct consumer *g);
MUST_CHECK enum status consumer_write_member(struct consumer *g, const struct consumer_member *m);
MUST_CHECK enum status consumer_write_target_epoch(struct consumer *g);
MUST_CHECK enum status consumer_write_target(struct consumer *g, const struct consumer_member *m);
MUST_CHECK enum status consumer_write_current(struct consumer *g, const struct consumer_member *m);
MUST_CHECK enum status consumer_write_regex(struct consumer *g, const struct consumer_regex *regex);
/** Tombstones of all that a member has. */
MUST_CHECK enum status consumer_bury_member(struct consumer *g, struct str member_id);
MUST_CHECK enum status consumer_bury_regex(struct consumer *g, struct str text);
enum status consumer_bury(struct group *group);
/** type: of the record's key; one of this kind's. */
MUST_CHECK enum status consumer_replay(struct coordinator *c, uint16_t type, struct bytes key,
                                       struct bytes value, struct arena *scratch);
bool consumer_record_is(uint16_t type);
void consumer_dump(const struct group *group, struct strbuf *out);

/* --- ConsumerGroupDescribe (consumer_describe.c) --- */

void consumer_describe(struct coordinator *c, struct group_ticket *ticket);
