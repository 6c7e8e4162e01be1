/* broker/group/assignor.h - who gets which partitions of what the members of a consumer group are
 * subscribed to. Pure: members, topics and the assignment before in, the new one out; the same
 * input gives the same output. Internal to broker/group.
 *
 * uniform  counts differ by one at most among members with the same subscription, and are as equal
 *          as subscriptions allow otherwise; a partition stays with its member where that holds.
 * range    per topic a contiguous range for each member, in the order of instance ids, then member
 *          ids; topics with the same number of partitions and subscribers are split alike.
 *
 * Source: KIP-848; org.apache.kafka.coordinator.group.assignor.{UniformAssignor, RangeAssignor}. */
#pragma once
#include "broker/group/partition_set.h"

struct assign_topic {
    struct uuid id;
    int32_t partition_count;
};

struct assign_member {
    struct str id, instance_id; /* instance_id may be null */
    const uint32_t *topics;     /* what it is subscribed to: indexes, ascending */
    uint32_t topic_count;
    struct partition_set before; /* borrowed; may hold what is gone or not subscribed to any more */
    struct partition_set after;  /* arena; the result */
};

struct assignment {
    const struct assign_topic *topics; /* by id, ascending */
    uint32_t topic_count;
    struct assign_member *members; /* by id, ascending */
    uint32_t member_count;
    struct arena *arena;
};

/** false: no memory. */
typedef bool assignor_fn(struct assignment *assignment);

struct assignor {
    const char *name;
    assignor_fn *assign;
};
#define ASSIGNOR_COUNT 2
extern const struct assignor assignors[ASSIGNOR_COUNT];
/** NULL when there is none of that name. */
const struct assignor *assignor_find(struct str name);
