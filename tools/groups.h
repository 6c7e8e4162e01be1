/* tools/groups.h - what the group tools know of groups: which there are, their members and what
 * those were given, what was committed. Asked of each group's coordinator; nothing is printed here
 * (tools/groups_print.h) or decided (tools/reset_plan.h). Everything is in the client's arena.
 * Source: ConsumerGroupCommand, the Admin client's handlers (FindCoordinator, ListGroups,
 * ConsumerGroupDescribe, DescribeGroups, OffsetFetch, OffsetCommit, OffsetDelete, DeleteGroups). */
#pragma once
#include "tools/client.h"

struct group_place {
    struct str topic;
    int32_t partition;
};

struct group_places {
    struct group_place *at; /* sorted by topic and partition */
    uint32_t count;
};

struct group_member {
    struct str id, instance_id /* ptr NULL: none */, client_id, host;
    struct group_places assigned;
    struct group_places target; /* of the consumer protocol; else empty */
    int32_t epoch;              /* of the consumer protocol; -1: a classic member */
};

struct group {
    struct str id, state, assignor;
    bool is_consumer;                /* the consumer protocol (KIP-848), else the classic one */
    int32_t epoch, assignment_epoch; /* of the consumer protocol */
    struct group_member *members;
    uint32_t member_count;
    int32_t coordinator_id, coordinator_port;
    struct str coordinator_host;
};

/* A group as ListGroups tells it. */
struct listed_group {
    struct str id, protocol, state, type;
};

struct listed_groups {
    struct listed_group *at; /* in the brokers' order */
    uint32_t count;
};

/* What a group has committed for a partition, or is to commit. */
struct group_offset {
    struct group_place place;
    int64_t offset;       /* -1: nothing */
    int32_t leader_epoch; /* -1: not known */
    struct str metadata;
};

struct group_offsets {
    struct group_offset *at; /* sorted by topic and partition */
    uint32_t count;
};

/** The groups of all brokers; `states` and `types`: only such ones (count 0: all). Groups of the
 * consumers only when only_consumers. */
MUST_CHECK enum status groups_list(struct client *c, bool only_consumers, const struct str *states,
                                   int32_t state_count, const struct str *types, int32_t type_count,
                                   struct listed_groups *ret_list);
/** True for a group of consumers: of the consumer type, or a classic one with their protocol or
 * none. */
bool listed_group_consumes(const struct listed_group *g);
/** Describes a group. *ret_error is the error within the answer, then c->message says it as Kafka's
 * clients do. */
MUST_CHECK enum status group_describe(struct client *c, struct str id, struct group *ret_group,
                                      int16_t *ret_error);
/** All that the group has committed. */
MUST_CHECK enum status group_committed(struct client *c, struct str id,
                                       struct group_offsets *ret_offsets, int16_t *ret_error);
/* Which member commits. */
struct group_committer {
    struct str member_id, instance_id; /* instance_id.ptr NULL: it is not static */
    int32_t epoch;                     /* or generation */
};
/** who NULL: no member. The errors of the partitions go to errors[]. */
MUST_CHECK enum status group_commit(struct client *c, struct str id,
                                    const struct group_committer *who,
                                    const struct group_offsets *offsets, int16_t *errors);
/** Deletes the group; *ret_error: of the answer. */
MUST_CHECK enum status group_delete(struct client *c, struct str id, int16_t *ret_error);
/** Deletes what the group committed for the places; errors[] of the partitions, *ret_error of all.
 */
MUST_CHECK enum status group_delete_offsets(struct client *c, struct str id,
                                            const struct group_places *places, int16_t *errors,
                                            int16_t *ret_error);

/** Asks the group's coordinator, and again while it is moving or loading, which `error_of` the
 * response tells. */
MUST_CHECK enum status group_ask(struct client *c, struct str id, int16_t api_key,
                                 int16_t max_version, const void *request, void *response,
                                 int16_t (*error_of)(const void *response));

/** The order of topic, then partition; for qsort over group_place and what begins with one. */
int group_place_compare(const void *a, const void *b);
/** Equal but for the case of ASCII letters, as the names of states and types are. */
bool str_eq_any_case(struct str a, struct str b);
