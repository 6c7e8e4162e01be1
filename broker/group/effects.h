/* broker/group/effects.h - what a step of a coordinator asks of its shell: records to append and
 * answers to give. The core changes its state at once when it emits records, so an answer may leave
 * only when every record emitted before it, in this step or an earlier one, is committed; and when
 * an append fails, the whole coordinator goes and is loaded again from its log.
 *
 * A ticket stands for one request (or one group's part of one) until it is answered; the core keeps
 * pointers to tickets that wait (JoinGroup, SyncGroup) and gives each back exactly once. */
#pragma once
#include "base/arena.h"
#include "base/list.h"
#include "protocol/messages.h"

/* What a ticket asks. `request` and `response` are, by kind: */
enum group_call_kind {
    CALL_COMMIT_OFFSETS, /* struct commit_call; its items hold where the errors go */
    CALL_FETCH_OFFSETS,  /* struct fetch_call; offset_fetch_response_group */
    CALL_DELETE_OFFSETS, /* struct delete_call; offset_delete_response */
    CALL_JOIN,           /* join_group_request, _response */
    CALL_SYNC,           /* sync_group_request, _response */
    CALL_HEARTBEAT,      /* heartbeat_request, _response */
    CALL_LEAVE,          /* struct leave_call, leave_group_response */
    CALL_LIST_GROUPS,    /* list_groups_request, _response: of one coordinator */
    CALL_DESCRIBE_GROUP, /* struct str, describe_groups_response_described_group */
    CALL_CONSUMER_HEARTBEAT, /* consumer_group_heartbeat_request, _response */
    CALL_DESCRIBE_CONSUMER,  /* struct str, consumer_group_describe_response_described */
    CALL_DELETE_GROUP,   /* struct str, delete_groups_response_deletable_group_result */
};

/* One partition of an OffsetCommit. `error` is where its answer goes. */
struct commit_item {
    struct str topic;
    struct uuid topic_id; /* zero: not known */
    int32_t partition, leader_epoch;
    int64_t offset;
    struct str metadata; /* may be null */
    int16_t *error;
};
struct commit_call {
    struct str group_id, member_id, instance_id; /* instance_id may be null */
    int32_t generation;                          /* or member epoch; -1: none */
    int64_t retention_ms;                        /* -1: the broker's */
    struct commit_item *items;                   /* of topics that are there */
    int32_t count;
};

/* One partition of an OffsetFetch; `out` lies in the response. */
struct fetch_item {
    struct str topic;
    struct uuid topic_id;
    struct offset_fetch_response_partitions *out;
};
struct fetch_call {
    struct str group_id, member_id; /* member_id may be null */
    int32_t member_epoch;
    bool require_stable;
    bool wants_all; /* no items: the coordinator lays the response out */
    struct fetch_item *items;
    int32_t count;
};

struct delete_item {
    struct str topic;
    int32_t partition;
    int16_t *error;
};
struct delete_call {
    struct str group_id;
    struct delete_item *items;
    int32_t count;
};

struct leave_call {
    struct str group_id;
    const struct leave_group_request_member_identity *members;
    struct leave_group_response_member *answers; /* one each; their errors are the core's to fill */
    int32_t count;
};

struct group_ticket {
    struct list link; /* in effects.replies, afterwards the shell's */
    enum group_call_kind kind;
    int16_t version;                   /* of the API */
    const void *request;               /* borrowed until the ticket is answered, all it points to */
    void *response;                    /* filled by the core; it has its defaults before */
    struct arena *arena;               /* for what the core makes the response point to */
    struct str client_id, client_host; /* borrowed, as the request is */
    struct group_ticket **parked;      /* where the core keeps it while it waits; NULL: nowhere */
};

/** Fills the response with an error and nothing else. */
void group_ticket_fail(struct group_ticket *ticket, int16_t error);

/* One record of `__consumer_offsets`; octets are in the effects' arena. */
struct group_record {
    struct bytes key, value; /* value null: a tombstone */
    uint32_t unit;           /* records of one unit get into one batch, or none of them */
};

struct group_effects {
    struct arena arena; /* of this step */
    struct group_record *records;
    uint32_t record_count, record_capacity;
    uint32_t unit;
    size_t unit_bytes;     /* what the open unit takes in a batch, at most */
    size_t unit_bytes_max; /* max.message.bytes of the topic, less a batch's header */
    struct list replies;   /* tickets, in order; after the records of this step */
    bool is_broken; /* no memory for what was written: load again, as after a failed append */
    struct mem *mem;
};

void group_effects_init(struct group_effects *fx, struct mem *mem);
void group_effects_release(struct group_effects *fx);
/** Empty again, for the next step. The replies were taken. */
void group_effects_clear(struct group_effects *fx);

/** What follows belongs together. */
void group_effects_unit(struct group_effects *fx);
/** Takes back the records of the open unit. */
void group_effects_drop_unit(struct group_effects *fx);
/** Adds a record to the open unit. value NULL: a tombstone for the key.
 *  ST_TOO_LARGE: the unit is larger than a batch may be; ST_NOMEM. Then drop the unit. */
MUST_CHECK enum status group_effects_record(struct group_effects *fx,
                                            const struct schema *key_schema, const void *key,
                                            const struct schema *value_schema,
                                            int16_t value_version, const void *value);
static inline void group_effects_reply(struct group_effects *fx, struct group_ticket *ticket) {
    list_push_back(&fx->replies, &ticket->link);
}
/** The wire error for a unit that was refused: UNKNOWN_SERVER_ERROR for one that is too large, as
 * Kafka; COORDINATOR_NOT_AVAILABLE without memory, which clients try again on. */
int16_t group_effects_error(enum status st);
