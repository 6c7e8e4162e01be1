/* broker/group/classic_join.c - JoinGroup and what it starts: a rebalance gathers its members,
 * waits no longer than the longest rebalance time-out, elects, and answers all at once.
 *
 * Traps that stand here as code: KIP-394 (an id is given first, so that a client that lost its
 * answer does not leave a ghost), KIP-345 (a static member keeps its place under a new id), KIP-134
 * (the first rebalance of a group waits for more members). */
#include "base/assert.h"
#include "broker/group/classic.h"
#include "broker/group/consumer.h"
#include "protocol/errors.h"

#define NEW_MEMBER_TIMEOUT_MS (5 * 60 * 1000) /* as in Kafka: a first join that nobody retries */
#define PROTOCOLS_MAX 256 /* of one member; Kafka has no bound, real ones have one to four */

/* An id that was given out (KIP-394) and has not joined yet. */
struct classic_pending {
    struct map_node node; /* in classic->pending */
    struct classic *owner;
    struct str id; /* own copy */
    struct io_timer timer;
};

static uint64_t after_ms(const struct classic *g, int32_t ms) {
    return g->coordinator->now.mono_us + (uint64_t)MAX(ms, 0) * 1000;
}

/* --- answers --- */

static void answer_error(struct coordinator *c, struct group_ticket *ticket, struct str member_id,
                         int16_t error) {
    struct join_group_response *out = ticket->response;
    group_ticket_fail(ticket, error);
    out->member_id = member_id;
    group_effects_reply(c->fx, ticket);
}

static bool put_members(const struct classic *g, struct join_group_response *out,
                        struct arena *arena) {
    out->members = join_group_response_member_array(arena, (int32_t)g->members.count);
    if (out->members == NULL) return false;
    LIST_EACH(&g->order, node) {
        const struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        struct join_group_response_member *member = &out->members[out->members_count++];
        struct bytes metadata = classic_metadata(m, g->protocol);
        member->member_id = arena_str(arena, m->id);
        member->group_instance_id = arena_str(arena, m->instance_id);
        member->metadata = metadata.ptr != NULL ? arena_bytes(arena, metadata)
                                                : (struct bytes){(const uint8_t *)"", 0};
        if (member->member_id.ptr == NULL || member->metadata.ptr == NULL ||
            (m->instance_id.ptr != NULL && member->group_instance_id.ptr == NULL))
            return false;
    }
    return true;
}

/* The current generation, as a member sees it. leader: who it is told leads; tells_members: the
 * leader needs them to assign. */
static void answer_generation(struct classic *g, struct classic_member *m,
                              struct group_ticket *ticket, struct str leader, bool tells_members,
                              bool skips_assignment) {
    struct join_group_response *out = ticket->response;
    struct arena *arena = ticket->arena;
    join_group_response_defaults(out);
    out->generation_id = g->generation;
    out->protocol_type = arena_str(arena, g->protocol_type);
    out->protocol_name = arena_str(arena, g->protocol);
    out->leader = arena_str(arena, leader);
    out->member_id = arena_str(arena, m->id);
    out->skip_assignment = skips_assignment;
    bool has_memory = out->protocol_type.ptr != NULL && out->protocol_name.ptr != NULL &&
                      out->leader.ptr != NULL && out->member_id.ptr != NULL;
    if (has_memory && tells_members) has_memory = put_members(g, out, arena);
    if (!has_memory) group_ticket_fail(ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    group_effects_reply(g->coordinator->fx, ticket);
}

static struct str leader_id(const struct classic *g) {
    return g->leader != NULL ? g->leader->id : STR("");
}

static struct group_ticket *take_join(struct classic *g, struct classic_member *m) {
    struct group_ticket *ticket = m->join;
    if (m->awaits_join) g->awaiting_join_count--;
    m->awaits_join = false;
    if (ticket != NULL) ticket->parked = NULL;
    m->join = NULL;
    return ticket;
}

static void fail_join(struct classic *g, struct classic_member *m, struct str member_id,
                      int16_t error) {
    struct group_ticket *ticket = take_join(g, m);
    if (ticket != NULL) answer_error(g->coordinator, ticket, member_id, error);
}

static void park_join(struct classic *g, struct classic_member *m, struct group_ticket *ticket) {
    if (m->join != NULL) { /* a client that asks again has given up the request before */
        const struct join_group_request *before = m->join->request;
        fail_join(g, m, before->member_id, KAFKA_REBALANCE_IN_PROGRESS);
    }
    if (!m->awaits_join) g->awaiting_join_count++;
    m->awaits_join = true;
    m->join = ticket;
    ticket->parked = &m->join;
}

/* --- sessions --- */

void classic_touch(struct classic *g, struct classic_member *m, int32_t timeout_ms) {
    m->deadline_us = after_ms(g, timeout_ms);
    /* A deadline that moves away is looked at when the old one fires: a heartbeat moves no heap. */
    if (!io_timer_is_set(&m->session) || m->session.at_us > m->deadline_us)
        timers_set(&g->coordinator->timers, &m->session, m->deadline_us);
}

void classic_expel(struct classic *g, struct classic_member *m) {
    fail_join(g, m, STR(""), KAFKA_UNKNOWN_MEMBER_ID);
    classic_answer_sync(g, m, KAFKA_UNKNOWN_MEMBER_ID);
    classic_settle_sync(g, m);
    classic_remove(g, m);
}

static void on_session(struct io_timer *timer) {
    struct classic_member *m = CONTAINER_OF(timer, struct classic_member, session);
    struct classic *g = m->owner;
    struct coordinator *c = g->coordinator;
    if (c->now.mono_us < m->deadline_us) {
        timers_set(&c->timers, timer, m->deadline_us);
        return;
    }
    /* Who waits for the others is alive, but for one that never was answered and may be gone. */
    if (!m->is_new && (m->awaits_join || m->awaits_sync)) return;
    classic_expel(g, m);
    classic_rebalance(g);
}

/* --- ids that were given out --- */

static uint64_t id_hash(struct str id) { return hash_bytes(id.ptr, id.len, 6); }

static bool has_id(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct classic_pending, node)->id, *(const struct str *)key);
}

static struct classic_pending *find_pending(const struct classic *g, struct str id) {
    struct map_node *node = map_find(&g->pending, id_hash(id), has_id, &id);
    return node != NULL ? CONTAINER_OF(node, struct classic_pending, node) : NULL;
}

bool classic_is_pending(const struct classic *g, struct str id) {
    return find_pending(g, id) != NULL;
}

static void free_pending(struct classic *g, struct classic_pending *pending) {
    timers_clear(&g->coordinator->timers, &pending->timer);
    map_remove(&g->pending, &pending->node);
    group_text_free(g->coordinator->mem, &pending->id);
    MEM_FREE(g->coordinator->mem, pending);
}

bool classic_drop_pending(struct classic *g, struct str id) {
    struct classic_pending *pending = find_pending(g, id);
    if (pending == NULL) return false;
    free_pending(g, pending);
    return true;
}

void classic_forget_pending(struct classic *g) {
    for (struct map_node *n; (n = map_next(&g->pending, NULL)) != NULL;)
        free_pending(g, CONTAINER_OF(n, struct classic_pending, node));
}

static void look_who_is_missing(struct classic *g);

static void on_pending_due(struct io_timer *timer) {
    struct classic_pending *pending = CONTAINER_OF(timer, struct classic_pending, timer);
    struct classic *g = pending->owner;
    free_pending(g, pending);
    if (g->state == CLASSIC_PREPARING) look_who_is_missing(g);
}

static bool add_pending(struct classic *g, struct str id, int32_t session_timeout_ms) {
    struct mem *mem = g->coordinator->mem;
    struct classic_pending *pending = mem_alloc(mem, sizeof *pending);
    if (pending == NULL) return false;
    *pending = (struct classic_pending){.owner = g, .timer = {.fire = on_pending_due}};
    if (!group_text_copy(mem, id, &pending->id)) {
        MEM_FREE(mem, pending);
        return false;
    }
    map_insert(&g->pending, id_hash(pending->id), &pending->node);
    timers_set(&g->coordinator->timers, &pending->timer, after_ms(g, session_timeout_ms));
    return true;
}

/* --- the end of the join phase --- */

/* false: nobody has joined. Whoever leads and did not come is replaced. */
static bool elect_joined_leader(struct classic *g) {
    if (g->leader != NULL && g->leader->awaits_join) return true;
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (!m->awaits_join) continue;
        g->leader = m;
        return true;
    }
    return false;
}

static void set_protocol(struct classic *g, struct str name) {
    struct str copy;
    if (!group_text_copy(g->coordinator->mem, name, &copy)) g->coordinator->fx->is_broken = true;
    group_text_free(g->coordinator->mem, &g->protocol);
    g->protocol = copy;
}

static void begin_generation(struct classic *g) {
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    set_protocol(g, classic_vote(g));
    classic_learn_topics(g);
    classic_transition(g, g->members.count > 0 ? CLASSIC_COMPLETING : CLASSIC_EMPTY);
}

static void drop_missing(struct classic *g) {
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (!m->awaits_join && m->instance_id.ptr == NULL) classic_expel(g, m);
    }
}

static void write_empty(struct classic *g) {
    group_effects_unit(g->coordinator->fx);
    if (classic_write(g) == ST_OK) return;
    group_effects_drop_unit(g->coordinator->fx);
    g->coordinator->fx->is_broken = true;
}

static void complete_join(struct classic *g) {
    struct timers *timers = &g->coordinator->timers;
    timers_clear(timers, &g->join_timer);
    g->is_initial = false;
    drop_missing(g);
    if (!elect_joined_leader(g) && g->members.count > 0) { /* static members, all away */
        timers_set(timers, &g->join_timer, after_ms(g, classic_rebalance_timeout_ms(g)));
        return;
    }
    begin_generation(g);
    if (g->state == CLASSIC_EMPTY) {
        write_empty(g);
        return;
    }
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        struct group_ticket *ticket = take_join(g, m);
        if (ticket != NULL)
            answer_generation(g, m, ticket, leader_id(g), m == g->leader, false);
        classic_touch(g, m, m->session_timeout_ms);
        m->is_new = false;
        if (!m->owes_sync) g->owes_sync_count++;
        m->owes_sync = true;
    }
    timers_set(timers, &g->sync_timer, after_ms(g, classic_rebalance_timeout_ms(g)));
}

static bool all_have_joined(const struct classic *g) {
    return g->awaiting_join_count == g->members.count && g->pending.count == 0;
}

static void complete_or_wait(struct classic *g) {
    if (all_have_joined(g)) {
        complete_join(g);
    } else {
        timers_set(&g->coordinator->timers, &g->join_timer,
                   after_ms(g, classic_rebalance_timeout_ms(g)));
    }
}

/* The first rebalance of a group ends by its delay alone. */
static void look_who_is_missing(struct classic *g) {
    if (g->state != CLASSIC_PREPARING || g->is_initial) return;
    if (all_have_joined(g)) complete_join(g);
}

static void on_join_due(struct io_timer *timer) {
    struct classic *g = CONTAINER_OF(timer, struct classic, join_timer);
    if (!g->is_initial || !g->has_new_member || g->left_ms == 0) {
        complete_join(g);
        return;
    }
    int32_t delay_ms = MIN(g->coordinator->settings->initial_delay_ms, g->left_ms);
    g->has_new_member = false;
    g->left_ms = MAX(g->left_ms - g->delay_ms, 0);
    g->delay_ms = delay_ms;
    timers_set(&g->coordinator->timers, timer, after_ms(g, delay_ms));
}

/* --- the beginning --- */

static void cancel_syncs(struct classic *g) {
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        group_bytes_free(g->coordinator->mem, &m->assignment);
        classic_answer_sync(g, m, KAFKA_REBALANCE_IN_PROGRESS);
    }
}

static void prepare(struct classic *g) {
    if (g->state == CLASSIC_COMPLETING) cancel_syncs(g);
    timers_clear(&g->coordinator->timers, &g->sync_timer);
    g->is_initial = g->state == CLASSIC_EMPTY;
    classic_transition(g, CLASSIC_PREPARING);
    if (!g->is_initial) {
        complete_or_wait(g);
        return;
    }
    int32_t delay_ms = g->coordinator->settings->initial_delay_ms;
    g->has_new_member = false;
    g->delay_ms = delay_ms;
    g->left_ms = MAX(classic_rebalance_timeout_ms(g) - delay_ms, 0);
    timers_set(&g->coordinator->timers, &g->join_timer, after_ms(g, delay_ms));
}

void classic_rebalance(struct classic *g) {
    if (g->state != CLASSIC_PREPARING) {
        if (g->state != CLASSIC_EMPTY || g->members.count > 0) prepare(g);
    } else {
        look_who_is_missing(g);
    }
}

/* Members that joined and never synced would keep the others from their records. */
static void on_sync_due(struct io_timer *timer) {
    struct classic *g = CONTAINER_OF(timer, struct classic, sync_timer);
    if (g->state != CLASSIC_COMPLETING && g->state != CLASSIC_STABLE) return;
    if (g->owes_sync_count == 0) return;
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (m->owes_sync) classic_expel(g, m);
    }
    prepare(g);
}

void classic_timers_init(struct classic *g) {
    g->join_timer.fire = on_join_due;
    g->sync_timer.fire = on_sync_due;
}

/* --- JoinGroup --- */

struct joining {
    struct classic *g;
    struct group_ticket *ticket;
    const struct join_group_request *in;
    int32_t rebalance_timeout_ms;
};

static void refuse(struct joining *j, struct str member_id, int16_t error) {
    answer_error(j->g->coordinator, j->ticket, member_id, error);
}

struct str classic_new_id(struct coordinator *c, const struct group_ticket *ticket) {
    const struct join_group_request *in = ticket->request;
    bool is_static = in->group_instance_id.ptr != NULL;
    struct str prefix = is_static ? in->group_instance_id : ticket->client_id;
    uint64_t a = prng_next(&c->prng), b = prng_next(&c->prng);
    a = (a & ~UINT64_C(0xf000)) | 0x4000; /* a random UUID, RFC 4122 */
    b = (b & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    return arena_printf(ticket->arena, "%.*s-%08x-%04x-%04x-%04x-%012llx", STR_ARG(prefix),
                        (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff),
                        (unsigned)(b >> 48), (unsigned long long)(b & 0xffffffffffffu));
}

static bool learn_type(struct classic *g, struct str type) {
    struct str copy;
    if (g->members.count > 0) return true;
    if (!group_text_copy(g->coordinator->mem, type, &copy)) return false;
    group_text_free(g->coordinator->mem, &g->protocol_type);
    g->protocol_type = copy;
    return true;
}

static void add_member(struct joining *j, struct str id) {
    struct classic *g = j->g;
    struct classic_newcomer newcomer = {
        .id = id,
        .instance_id = j->in->group_instance_id,
        .client_id = j->ticket->client_id,
        .client_host = j->ticket->client_host,
        .session_timeout_ms = j->in->session_timeout_ms,
        .rebalance_timeout_ms = j->rebalance_timeout_ms,
        .protocols = j->in->protocols,
        .protocol_count = j->in->protocols_count,
    };
    struct classic_member *m =
        learn_type(g, j->in->protocol_type) ? classic_add(g, &newcomer) : NULL;
    if (m == NULL) {
        refuse(j, id, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    (void)classic_drop_pending(g, id); /* one that had its id may come now, or comes at once */
    m->session.fire = on_session;
    m->is_new = true;
    if (g->state == CLASSIC_PREPARING && g->is_initial) g->has_new_member = true;
    park_join(g, m, j->ticket);
    classic_touch(g, m, NEW_MEMBER_TIMEOUT_MS);
    classic_rebalance(g);
}

/* false: without memory nothing changed, and the request is answered. */
static bool update_member(struct joining *j, struct classic_member *m) {
    if (!classic_set_protocols(j->g, m, j->in->protocols, j->in->protocols_count)) {
        refuse(j, j->in->member_id, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return false;
    }
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    m->session_timeout_ms = j->in->session_timeout_ms;
    return true;
}

static void rejoin(struct joining *j, struct classic_member *m) {
    if (!update_member(j, m)) return;
    park_join(j->g, m, j->ticket);
    classic_rebalance(j->g);
}

/* KIP-345, KIP-814: a static member is back under a new id and its generation goes on. It is told
 * who leads so that it does not assign by mistake: before version 9 by the id that nobody has. */
static void keep_generation(struct joining *j, struct classic_member *m, struct str old_leader) {
    struct classic *g = j->g;
    group_effects_unit(g->coordinator->fx);
    enum status st = classic_write(g);
    if (st != ST_OK) {
        group_effects_drop_unit(g->coordinator->fx);
        g->coordinator->fx->is_broken = true; /* its old id is gone: only the log knows it */
        refuse(j, STR(""), group_effects_error(st));
        return;
    }
    bool can_skip = j->ticket->version >= 9;
    bool leads = m == g->leader && can_skip;
    answer_generation(g, m, j->ticket, can_skip ? leader_id(g) : old_leader, leads, leads);
}

static void replace_static(struct joining *j, struct classic_member *m, struct str new_id) {
    struct classic *g = j->g;
    struct arena *arena = j->ticket->arena;
    struct str old_leader = arena_str(arena, leader_id(g));
    struct str old_id = arena_str(arena, m->id);
    if (old_leader.ptr == NULL || old_id.ptr == NULL || !update_member(j, m)) {
        if (old_leader.ptr == NULL || old_id.ptr == NULL)
            refuse(j, STR(""), KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    /* Whoever still holds the old id learns that it was replaced. */
    fail_join(g, m, old_id, KAFKA_FENCED_INSTANCE_ID);
    classic_answer_sync(g, m, KAFKA_FENCED_INSTANCE_ID);
    if (!classic_rename(g, m, new_id)) {
        refuse(j, STR(""), KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    m->is_new = false;
    classic_touch(g, m, m->session_timeout_ms);
    if (g->state == CLASSIC_STABLE && str_eq(classic_vote(g), g->protocol)) {
        keep_generation(j, m, old_leader);
        return;
    }
    park_join(g, m, j->ticket);
    classic_rebalance(g);
}

static void join_unknown(struct joining *j) {
    struct classic *g = j->g;
    const struct join_group_request *in = j->in;
    struct str id = classic_new_id(g->coordinator, j->ticket);
    if (id.ptr == NULL) {
        refuse(j, STR(""), KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    if (in->group_instance_id.ptr != NULL) {
        struct classic_member *m = classic_find_static(g, in->group_instance_id);
        if (m != NULL) {
            replace_static(j, m, id);
        } else {
            add_member(j, id);
        }
    } else if (j->ticket->version >= 4) {
        bool done = add_pending(g, id, in->session_timeout_ms);
        refuse(j, id, done ? KAFKA_MEMBER_ID_REQUIRED : KAFKA_COORDINATOR_NOT_AVAILABLE);
    } else {
        add_member(j, id);
    }
}

static void join_known(struct joining *j) {
    struct classic *g = j->g;
    const struct join_group_request *in = j->in;
    if (classic_is_pending(g, in->member_id)) {
        if (in->group_instance_id.ptr != NULL) {
            refuse(j, in->member_id, KAFKA_UNKNOWN_MEMBER_ID); /* given to a dynamic member */
        } else {
            add_member(j, in->member_id);
        }
        return;
    }
    int16_t error = classic_check_member(g, in->member_id, in->group_instance_id);
    struct classic_member *m = error == KAFKA_NONE ? classic_find(g, in->member_id) : NULL;
    if (m == NULL || g->state == CLASSIC_EMPTY) {
        refuse(j, in->member_id, error != KAFKA_NONE ? error : KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    bool is_same = classic_has_protocols(m, in->protocols, in->protocols_count);
    bool leads = m == g->leader;
    /* A leader that joins again asks for a rebalance (its topics' partitions changed, say); one
     * whose answer was lost is told again. */
    bool tells_again = is_same && (g->state == CLASSIC_COMPLETING ||
                                   (g->state == CLASSIC_STABLE && !leads));
    if (tells_again) {
        answer_generation(g, m, j->ticket, leader_id(g), leads, false);
    } else {
        rejoin(j, m);
    }
}

static bool has_room(const struct classic *g, struct str member_id) {
    uint32_t most = (uint32_t)g->coordinator->settings->group_size_max;
    const struct classic_member *m = classic_find(g, member_id);
    switch (g->state) {
    case CLASSIC_EMPTY: return true;
    case CLASSIC_PREPARING: /* those who come first stay when the group was larger than it may be */
        return (m != NULL && m->awaits_join) || g->awaiting_join_count < most;
    case CLASSIC_COMPLETING:
    case CLASSIC_STABLE: return m != NULL || g->members.count < most;
    }
    return false;
}

/* A new group is in the log before anybody hears of it. */
static void write_new(struct classic *g) {
    struct group_effects *fx = g->coordinator->fx;
    group_effects_unit(fx);
    if (classic_write(g) == ST_OK) return;
    group_effects_drop_unit(fx);
    fx->is_broken = true;
}

static void join(struct joining *j, bool is_new_group) {
    struct classic *g = j->g;
    const struct join_group_request *in = j->in;
    bool is_unknown = in->member_id.len == 0;
    bool is_supported =
        in->protocols_count <= PROTOCOLS_MAX &&
        classic_supports(g, in->protocol_type, in->protocols, in->protocols_count);
    if (!has_room(g, in->member_id)) {
        struct classic_member *m = is_unknown ? NULL : classic_find(g, in->member_id);
        (void)classic_drop_pending(g, in->member_id); /* it may or may not be there */
        if (m != NULL) classic_expel(g, m);
        refuse(j, STR(""), KAFKA_GROUP_MAX_SIZE_REACHED);
    } else if (!is_supported) {
        refuse(j, in->member_id, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        if (is_new_group) group_remove(g->body.group);
    } else if (is_unknown) {
        if (is_new_group) write_new(g);
        join_unknown(j);
    } else {
        join_known(j);
    }
}

/* A consumer group without members becomes a classic one; false: answered. */
static bool make_way(struct coordinator *c, struct group_ticket *ticket, struct group *group) {
    const struct join_group_request *in = ticket->request;
    if (!group->body->kind->is_empty(group)) {
        consumer_classic_join(consumer_of(group), ticket);
        return false;
    }
    if (in->member_id.len > 0) {
        answer_error(c, ticket, in->member_id, KAFKA_UNKNOWN_MEMBER_ID);
        return false;
    }
    group_effects_unit(c->fx);
    enum status st = group->body->kind->bury(group);
    c->next_position++;
    if (st != ST_OK || !group_reset(group)) c->fx->is_broken = true;
    if (st != ST_OK) group_effects_drop_unit(c->fx);
    return true;
}

void classic_join(struct coordinator *c, struct group_ticket *ticket) {
    const struct join_group_request *in = ticket->request;
    const struct group_settings *settings = c->settings;
    if (in->session_timeout_ms < settings->session_timeout_ms_min ||
        in->session_timeout_ms > settings->session_timeout_ms_max) {
        answer_error(c, ticket, in->member_id, KAFKA_INVALID_SESSION_TIMEOUT);
        return;
    }
    struct group *group = group_find(c, in->group_id);
    bool is_new = group == NULL;
    if (is_new && in->member_id.len > 0) {
        answer_error(c, ticket, in->member_id, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    if (is_new) group = group_create(c, in->group_id);
    if (group == NULL) {
        answer_error(c, ticket, in->member_id, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    if (group_is_consumer(group) && !make_way(c, ticket, group)) return;
    struct joining joining = {
        .g = classic_of(group),
        .ticket = ticket,
        .in = in,
        .rebalance_timeout_ms =
            ticket->version >= 1 ? in->rebalance_timeout_ms : in->session_timeout_ms,
    };
    join(&joining, is_new);
}

/* --- a coordinator comes and goes --- */

void classic_loaded(struct group *group) {
    struct classic *g = classic_of(group);
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        m->session.fire = on_session;
        classic_touch(g, m, m->session_timeout_ms);
    }
    if (g->members.count > (size_t)g->coordinator->settings->group_size_max) prepare(g);
}

void classic_unload(struct group *group, int16_t error) {
    struct classic *g = classic_of(group);
    LIST_EACH(&g->order, node) {
        struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        if (m->join != NULL) fail_join(g, m, STR(""), error);
        classic_answer_sync(g, m, error);
    }
}
