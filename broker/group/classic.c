/* broker/group/classic.c - the classic kind of group. */
#include "broker/group/classic.h"
#include "base/assert.h"
#include "broker/group/consumer.h"
#include "protocol/errors.h"

struct classic *classic_group(const struct coordinator *c, struct str id) {
    struct group *group = group_find(c, id);
    return group != NULL && !group_is_consumer(group) ? classic_of(group) : NULL;
}

const char *classic_state_name(enum classic_state state) {
    static const char *const names[] = {
        [CLASSIC_EMPTY] = "Empty",
        [CLASSIC_PREPARING] = "PreparingRebalance",
        [CLASSIC_COMPLETING] = "CompletingRebalance",
        [CLASSIC_STABLE] = "Stable",
    };
    return names[state];
}

void classic_transition(struct classic *g, enum classic_state state) {
    g->previous_state = g->state;
    g->state = state;
    g->state_since_ms = g->coordinator->now.wall_ms;
}

bool classic_is_of_consumers(const struct classic *g) {
    return str_eq(g->protocol_type, STR("consumer"));
}

void classic_learn_topics(struct classic *g) {
    g->subscriptions.is_known = false;
    if (!classic_is_of_consumers(g)) return;
    if (g->members.count > 0 && g->protocol.ptr == NULL) return;
    subscriptions_clear(&g->subscriptions);
    LIST_EACH(&g->order, node) {
        const struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (subscriptions_add(&g->subscriptions, classic_metadata(m, g->protocol)) != ST_OK) return;
    }
}

/* --- the kind --- */

int16_t classic_check_member(const struct classic *g, struct str member_id,
                             struct str instance_id) {
    if (instance_id.ptr != NULL) {
        const struct classic_member *m = classic_find_static(g, instance_id);
        if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
        if (!str_eq(m->id, member_id)) return KAFKA_FENCED_INSTANCE_ID;
    }
    return classic_find(g, member_id) != NULL ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}

static int16_t check_identity(const struct classic *g, const struct commit_identity *who) {
    if (who->generation < 0 && g->state == CLASSIC_EMPTY) return KAFKA_NONE;
    if (who->generation >= 0 || who->member_id.len > 0 || who->instance_id.ptr != NULL) {
        int16_t error = classic_check_member(g, who->member_id, who->instance_id);
        if (error != KAFKA_NONE) return error;
        if (who->generation != g->generation) return KAFKA_ILLEGAL_GENERATION;
    } else if (!who->is_transactional && g->state != CLASSIC_EMPTY) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    /* It knows the generation from its JoinGroup, but who owns what is not decided yet. */
    bool is_early = !who->is_transactional && g->state == CLASSIC_COMPLETING;
    return is_early ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

static int16_t check_commit(struct group *group, const struct commit_identity *who) {
    struct classic *g = classic_of(group);
    int16_t error = check_identity(g, who);
    struct classic_member *m = error == KAFKA_NONE ? classic_find(g, who->member_id) : NULL;
    if (m != NULL && (g->state == CLASSIC_STABLE || g->state == CLASSIC_PREPARING))
        classic_touch(g, m, m->session_timeout_ms);
    return error;
}

static int16_t check_fetch(struct group *group, const struct fetch_call *call) {
    (void)group;
    (void)call; /* a classic member reads offsets whatever its generation */
    return KAFKA_NONE;
}

static int16_t check_offset_delete(struct group *group) {
    const struct classic *g = classic_of(group);
    bool is_refused = g->state != CLASSIC_EMPTY && !classic_is_of_consumers(g);
    return is_refused ? KAFKA_NON_EMPTY_GROUP : KAFKA_NONE;
}

static int16_t check_delete(struct group *group) {
    return classic_of(group)->state != CLASSIC_EMPTY ? KAFKA_NON_EMPTY_GROUP : KAFKA_NONE;
}

static bool is_empty(const struct group *group) {
    return classic_of(group)->state == CLASSIC_EMPTY;
}

/* Consumers whose topics are not known are taken to be subscribed to all. */
static bool is_subscribed(const struct group *group, struct str topic) {
    const struct classic *g = classic_of(group);
    return g->subscriptions.is_known ? subscriptions_has(&g->subscriptions, topic)
                                     : classic_is_of_consumers(g);
}

static enum expiry_base expiry_base(const struct group *group, int64_t *ret_state_since_ms) {
    const struct classic *g = classic_of(group);
    *ret_state_since_ms = g->state_since_ms;
    if (g->protocol_type.ptr == NULL) return EXPIRE_FROM_COMMIT;
    if (g->state == CLASSIC_EMPTY)
        return g->state_since_ms >= 0 ? EXPIRE_FROM_STATE : EXPIRE_FROM_COMMIT;
    bool knows = classic_is_of_consumers(g) && g->subscriptions.is_known;
    return knows && g->state == CLASSIC_STABLE ? EXPIRE_FROM_COMMIT : EXPIRE_NEVER;
}

static const char *state_name(const struct group *group) {
    return classic_state_name(classic_of(group)->state);
}

static struct str protocol_type(const struct group *group) {
    const struct classic *g = classic_of(group);
    return g->protocol_type.ptr != NULL ? g->protocol_type : STR("");
}

static bool describe_member(const struct classic *g, const struct classic_member *m,
                            struct describe_groups_response_described_group_member *out,
                            struct arena *arena) {
    bool is_stable = g->state == CLASSIC_STABLE;
    out->member_id = arena_str(arena, m->id);
    out->group_instance_id = arena_str(arena, m->instance_id);
    out->client_id = arena_str(arena, m->client_id);
    out->client_host = arena_str(arena, m->client_host);
    struct bytes metadata = is_stable ? classic_metadata(m, g->protocol) : BYTES_NULL;
    if (metadata.ptr != NULL) out->member_metadata = arena_bytes(arena, metadata);
    if (m->assignment.ptr != NULL) out->member_assignment = arena_bytes(arena, m->assignment);
    return out->member_id.ptr != NULL && out->client_id.ptr != NULL &&
           out->client_host.ptr != NULL && out->member_metadata.ptr != NULL &&
           out->member_assignment.ptr != NULL;
}

/* What members support is told only when one protocol is chosen. */
static bool describe(const struct group *group,
                     struct describe_groups_response_described_group *out, struct arena *arena) {
    const struct classic *g = classic_of(group);
    out->group_state = str_of(classic_state_name(g->state));
    out->protocol_type = arena_str(arena, protocol_type(group));
    if (g->state == CLASSIC_STABLE && g->protocol.ptr != NULL)
        out->protocol_data = arena_str(arena, g->protocol);
    out->members = describe_groups_response_described_group_member_array(
        arena, (int32_t)g->members.count);
    if (out->members == NULL || out->protocol_type.ptr == NULL || out->protocol_data.ptr == NULL)
        return false;
    LIST_EACH(&g->order, node) {
        const struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (!describe_member(g, m, &out->members[out->members_count++], arena)) return false;
    }
    return true;
}

static uint32_t member_count(const struct group *group) {
    return (uint32_t)classic_of(group)->members.count;
}

static void free_body(struct group_body *body) {
    struct classic *g = (struct classic *)(void *)body;
    struct mem *mem = g->coordinator->mem;
    while (!list_is_empty(&g->order))
        classic_remove(g, CONTAINER_OF(g->order.next, struct classic_member, link));
    classic_forget_pending(g);
    timers_clear(&g->coordinator->timers, &g->join_timer);
    timers_clear(&g->coordinator->timers, &g->sync_timer);
    map_release(&g->members);
    map_release(&g->statics);
    map_release(&g->support);
    map_release(&g->pending);
    subscriptions_release(&g->subscriptions);
    group_text_free(mem, &g->protocol_type);
    group_text_free(mem, &g->protocol);
    MEM_FREE(mem, g);
}

static const struct group_kind classic_kind = {
    .type = "classic",
    .state_name = state_name,
    .protocol_type = protocol_type,
    .describe = describe,
    .check_commit = check_commit,
    .check_fetch = check_fetch,
    .check_offset_delete = check_offset_delete,
    .check_delete = check_delete,
    .is_empty = is_empty,
    .member_count = member_count,
    .is_subscribed = is_subscribed,
    .expiry_base = expiry_base,
    .bury = classic_bury,
    .dump = classic_dump,
    .loaded = classic_loaded,
    .unload = classic_unload,
    .free = free_body,
};

struct group_body *classic_new(struct group *group) {
    struct mem *mem = group->coordinator->mem;
    struct classic *g = mem_alloc(mem, sizeof *g);
    if (g == NULL) return NULL;
    *g = (struct classic){
        .body = {.kind = &classic_kind, .group = group},
        .coordinator = group->coordinator,
        .state_since_ms = group->coordinator->now.wall_ms,
    };
    map_init(&g->members, mem);
    map_init(&g->statics, mem);
    map_init(&g->support, mem);
    map_init(&g->pending, mem);
    list_init(&g->order);
    subscriptions_init(&g->subscriptions, mem);
    classic_timers_init(g);
    return &g->body;
}
