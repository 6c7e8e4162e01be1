/* broker/group/offsets.h - committed offsets of groups: by group, topic and partition; those of
 * undecided transactions beside them, by producer id. The one function that stores an offset serves
 * requests and replay alike. Internal to broker/group.
 * Source: org.apache.kafka.coordinator.group.OffsetMetadataManager. */
#pragma once
#include "broker/group/group.h"
#include "protocol/batch.h"

struct committed {
    int32_t partition;
    int32_t leader_epoch; /* -1: none */
    int64_t offset;
    int64_t commit_ms;   /* wall clock */
    int64_t expire_ms;   /* -1: by the broker's retention */
    int64_t position;    /* of its record in the log: the later one of two counts */
    struct uuid topic_id; /* zero: not known */
    struct str metadata;  /* own copy, never null */
};

struct topic_offsets {
    struct map_node node; /* in group->topics */
    struct str topic;     /* own copy */
    struct committed *committed; /* ascending by partition */
    uint32_t count, capacity;
};

/* An offset of a transaction that is not decided; in pending_transaction->offsets. */
struct pending_offset {
    struct list link;
    struct str group_id, topic; /* own copies */
    struct committed committed;
};
struct pending_transaction {
    struct map_node node; /* in coordinator->transactions */
    int64_t producer_id;
    struct list offsets;
};

const struct committed *offsets_find(const struct group *group, struct str topic,
                                     int32_t partition);
/** `offset` is copied, its metadata too. */
MUST_CHECK enum status offsets_put(struct group *group, struct str topic,
                                   const struct committed *offset);
void offsets_remove(struct group *group, struct str topic, int32_t partition);
/** With the pending ones. */
void offsets_free_all(struct group *group);
/** By name; arena, NULL without memory. */
struct topic_offsets **offsets_sorted_topics(const struct group *group, struct arena *arena);

/* --- of transactions that are not decided --- */
bool offsets_is_pending(const struct group *group, struct str topic, int32_t partition);
/** `offset` is copied, its metadata too; an earlier one of the transaction goes. */
MUST_CHECK enum status pending_put(struct group *group, int64_t producer_id, struct str topic,
                                   const struct committed *offset);
void pending_drop(struct group *group, struct str topic, int32_t partition);
void pending_drop_group(struct group *group);
/** One of the group's, of the topic (ptr NULL: of any); only_missing: whose topic is gone by its
 * id. NULL: none is left. */
const struct pending_offset *pending_next(const struct group *group, struct str topic,
                                          bool only_missing);

/* --- replay --- */
MUST_CHECK enum status offsets_replay(struct coordinator *c, const struct replay_context *at,
                                      const struct offset_commit_key *key,
                                      const struct offset_commit_value *value);
MUST_CHECK enum status offsets_replay_marker(struct coordinator *c, int64_t producer_id,
                                             bool is_commit);

/* --- requests --- */
void offsets_commit(struct coordinator *c, struct group_ticket *ticket);
void offsets_fetch(struct coordinator *c, struct group_ticket *ticket);
void offsets_delete(struct coordinator *c, struct group_ticket *ticket);
/** All offsets of the group go, the pending ones too. false: not all, for now. */
bool offsets_forget_all(struct group *group);
/** Expires what is due in every group and deletes groups that have nothing left. */
void offsets_expire(struct coordinator *c);
/** Offsets of a topic that is not there any more, in every group. by_id: only those that carry an
 * id and whose topic of that id is gone. */
void offsets_forget_topic(struct coordinator *c, struct str topic);
void offsets_forget_missing_topics(struct coordinator *c);
void offsets_dump(const struct group *group, struct strbuf *out);
