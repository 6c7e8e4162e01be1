/* broker/group/group.h - a group as its coordinator holds it: an id, offsets, and a body that knows
 * about members. There are two kinds of body, the classic one and KIP-848's consumer group, behind
 * one interface; turning one into the other exchanges the body and keeps the offsets. Internal to
 * broker/group: the shell uses coordinator.h. */
#pragma once
#include "broker/group/coordinator.h"

struct group;
struct group_body;

/* What a commit, a fetch or a deletion of offsets says about who asks. */
struct commit_identity {
    struct str member_id, instance_id; /* instance_id may be null */
    int32_t generation;
    bool is_transactional;
    int16_t version;
    const struct commit_item *items; /* what of; those with an error already do not count */
    int32_t count;
};

/* From when on an offset's retention runs. */
enum expiry_base {
    EXPIRE_NEVER,       /* members are there, or the group is in flux */
    EXPIRE_FROM_COMMIT, /* since it was committed */
    EXPIRE_FROM_STATE,  /* since the group became empty */
};

/* The interface of a kind of group. All run on the coordinator's shard, within a step. */
struct group_kind {
    const char *type; /* "classic", as ListGroups has it */
    const char *(*state_name)(const struct group *group);
    struct str (*protocol_type)(const struct group *group);
    /** For DescribeGroups; NULL: an API of its own describes this kind. false: no memory. */
    bool (*describe)(const struct group *group,
                     struct describe_groups_response_described_group *out, struct arena *arena);
    /** KAFKA_NONE when these offsets may be committed, else none of them is; may count as a sign of
     * life. */
    int16_t (*check_commit)(struct group *group, const struct commit_identity *who);
    int16_t (*check_fetch)(struct group *group, const struct fetch_call *call);
    int16_t (*check_offset_delete)(struct group *group);
    int16_t (*check_delete)(struct group *group);
    bool (*is_empty)(const struct group *group);
    uint32_t (*member_count)(const struct group *group);
    bool (*is_subscribed)(const struct group *group, struct str topic);
    enum expiry_base (*expiry_base)(const struct group *group, int64_t *ret_state_since_ms);
    /** Tombstones for everything that the body wrote, into the open unit. */
    enum status (*bury)(struct group *group);
    /** What the body keeps through a replay; whole lines. */
    void (*dump)(const struct group *group, struct strbuf *out);
    /** After the replay: deadlines begin. */
    void (*loaded)(struct group *group);
    /** Fails what waits. */
    void (*unload)(struct group *group, int16_t error);
    void (*free)(struct group_body *body);
};

struct group_body {
    const struct group_kind *kind;
    struct group *group;
};

struct group {
    struct map_node node; /* in coordinator->groups */
    struct coordinator *coordinator;
    struct str id; /* own copy */
    struct group_body *body;
    struct map topics; /* struct topic_offsets, by name */
    uint32_t pending_count; /* offsets of transactions that are not decided */
    uint64_t commits; /* offsets committed since the coordinator was loaded; volatile */
};

/** NULL when there is none. */
struct group *group_find(const struct coordinator *c, struct str id);
/** A group with an empty classic body; NULL without memory. */
struct group *group_create(struct coordinator *c, struct str id);
/** With its offsets; without a record. */
void group_remove(struct group *group);
/** Takes its body's records back with tombstones, and the group with them unless offsets keep it.
 * false: not now, nothing was written. */
bool group_bury(struct group *group);
/** Another body (taken) instead of the one it has. */
void group_set_body(struct group *group, struct group_body *body);
/** An empty classic body instead of the one it has; false without memory. */
bool group_reset(struct group *group);
/** Sorted by id: for dumps and everything whose order must not come from hashes. Arena; NULL
 * without memory. */
struct group **groups_sorted(const struct coordinator *c, struct arena *arena);

/** Copies into the coordinator's memory; a null str stays null. false: no memory. */
bool group_text_copy(struct mem *mem, struct str text, struct str *ret_copy);
void group_text_free(struct mem *mem, struct str *text);
bool group_bytes_copy(struct mem *mem, struct bytes bytes, struct bytes *ret_copy);
void group_bytes_free(struct mem *mem, struct bytes *bytes);
