/* broker/group/consumer_heartbeat.c - ConsumerGroupHeartbeat: by it a member joins, says what it is
 * subscribed to and what it owns, learns what it shall own, and leaves.
 *
 * One step does all that a heartbeat asks for, in Kafka's order: the member's own record, the
 * group's epoch, the target, the member's next step towards it. Its answer waits for the records of
 * all four (broker/group/effects.h). */
#include "base/assert.h"
#include "broker/group/consumer.h"
#include "protocol/errors.h"

#define REBALANCE_TIMEOUT_MS_DEFAULT 300000

struct beat {
    struct coordinator *c;
    struct group_ticket *ticket;
    const struct consumer_group_heartbeat_request *in;
    struct consumer_group_heartbeat_response *out;
    struct consumer *g;
    struct partition_set owned; /* what it says it has, of what the group knows it has */
    bool says_owned, owns_other; /* other: than what is assigned to it */
    bool is_new; /* the member was made for this request */
};

/* --- answers --- */

static void answer(struct beat *b) { group_effects_reply(b->c->fx, b->ticket); }

__attribute__((format(printf, 3, 4))) static void refuse(struct beat *b, int16_t error,
                                                         const char *format, ...) {
    va_list args;
    group_ticket_fail(b->ticket, error);
    va_start(args, format);
    b->out->error_message = arena_vprintf(b->ticket->arena, format, &args);
    va_end(args);
    answer(b);
}

static bool put_assignment(struct beat *b, const struct partition_set *set) {
    struct arena *arena = b->ticket->arena;
    struct topic_run *runs;
    int32_t count = 0;
    struct consumer_group_heartbeat_response_assignment *out =
        consumer_group_heartbeat_response_assignment_array(arena, 1);
    if (out == NULL || !partition_set_runs(set, arena, &runs, &count)) return false;
    out->topic_partitions = consumer_group_heartbeat_response_topic_partitions_array(arena, count);
    if (out->topic_partitions == NULL) return false;
    out->topic_partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->topic_partitions[i].topic_id = runs[i].topic_id;
        out->topic_partitions[i].partitions = runs[i].partitions;
        out->topic_partitions[i].partitions_count = runs[i].count;
    }
    b->out->assignment = out;
    return true;
}

/* --- what cannot be asked --- */

static bool is_join(const struct consumer_group_heartbeat_request *in) {
    return in->member_epoch == 0;
}

static bool is_leave(const struct consumer_group_heartbeat_request *in) {
    return in->member_epoch == MEMBER_EPOCH_LEAVE || in->member_epoch == MEMBER_EPOCH_LEAVE_STATIC;
}

/* No names and an empty list of them are not the same: a client whose own pattern fits nothing yet
 * is a member that waits. */
static bool names_no_topic(const struct consumer_group_heartbeat_request *in) {
    return in->subscribed_topic_names_count < 0 && in->subscribed_topic_regex.ptr == NULL;
}

/* NULL: nothing is wrong. */
static const char *problem_of(const struct consumer_group_heartbeat_request *in, int16_t version) {
    bool is_static_leave = in->member_epoch == MEMBER_EPOCH_LEAVE_STATIC;
    bool needs_id = !is_join(in) || version >= 1; /* KIP-1082: clients make their ids themselves */
    if (in->group_id.len == 0) return "GroupId can't be empty.";
    if (in->instance_id.ptr != NULL && in->instance_id.len == 0)
        return "InstanceId can't be empty.";
    if (in->rack_id.ptr != NULL && in->rack_id.len == 0) return "RackId can't be empty.";
    if (needs_id && in->member_id.len == 0) return "MemberId can't be empty.";
    if (in->member_epoch < MEMBER_EPOCH_LEAVE_STATIC) return "MemberEpoch is invalid.";
    if (is_static_leave && in->instance_id.ptr == NULL) return "InstanceId can't be null.";
    if (!is_join(in)) return NULL;
    if (in->rebalance_timeout_ms == -1)
        return "RebalanceTimeoutMs must be provided in first request.";
    if (in->topic_partitions_count != 0) return "TopicPartitions must be empty when (re-)joining.";
    if (names_no_topic(in))
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.";
    return NULL;
}

/* --- the group --- */

/* An empty classic group makes way, with a tombstone for what it wrote. */
static struct group *group_for_join(struct beat *b) {
    struct group *group = group_find(b->c, b->in->group_id);
    bool is_new = group == NULL;
    if (is_new) group = group_create(b->c, b->in->group_id);
    if (group == NULL || group_is_consumer(group)) return group;
    if (!group->body->kind->is_empty(group)) {
        struct consumer *g = consumer_from_classic(group);
        return g != NULL ? group : NULL;
    }
    struct group_body *body = consumer_new(group);
    if (body == NULL) return NULL;
    enum status st = ST_OK;
    group_effects_unit(b->c->fx);
    if (!is_new) st = group->body->kind->bury(group);
    group_set_body(group, body);
    consumer_emitted(consumer_of(group), st);
    return group;
}

static bool find_group(struct beat *b) {
    struct group *group = is_join(b->in) ? group_for_join(b) : group_find(b->c, b->in->group_id);
    if (group == NULL || !group_is_consumer(group)) {
        refuse(b, KAFKA_GROUP_ID_NOT_FOUND,
               group == NULL && !is_join(b->in) ? "Consumer group %.*s not found."
                                                : "Group %.*s is not a consumer group.",
               STR_ARG(b->in->group_id));
        return false;
    }
    b->g = consumer_of(group);
    return true;
}

/* A group that came into being for a request that is refused leaves no trace. */
static void drop_if_new(struct beat *b) {
    struct group *group = b->g->body.group;
    if (b->g->epoch == 0 && b->g->members.count == 0 && group->topics.count == 0 &&
        group->pending_count == 0)
        group_remove(group);
}

/* --- the member --- */

/* However much it says: as large as what the group knows that it has. */
static bool take_owned(struct beat *b, const struct consumer_member *m) {
    const struct consumer_group_heartbeat_request *in = b->in;
    struct arena *arena = &b->c->fx->arena;
    struct partition_set *owned = &b->owned;
    b->says_owned = in->topic_partitions_count >= 0;
    if (!b->says_owned) return true; /* as most heartbeats */
    if (!partition_set_or(arena, &m->assigned, &m->revoking, owned)) return false;
    bool *is_said = arena_array(arena, owned->count, sizeof *is_said);
    if (is_said == NULL) return false;
    for (int32_t i = 0; i < in->topic_partitions_count; i++) {
        for (int32_t p = 0; p < in->topic_partitions[i].partitions_count; p++) {
            struct group_partition said = {.topic_id = in->topic_partitions[i].topic_id,
                                           .index = in->topic_partitions[i].partitions[p]};
            const struct group_partition *found = partition_set_find(owned, said);
            if (found != NULL) is_said[found - owned->items] = true;
            if (!b->owns_other) b->owns_other = !partition_set_has(&m->assigned, said);
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < owned->count; i++) {
        if (is_said[i]) owned->items[kept++] = owned->items[i];
    }
    owned->count = kept;
    return true;
}

/* Who joins may have been here before. The answer that told a new epoch may have been lost: who
 * owns no more than it was given may go on from the epoch before. */
static bool epoch_fits(const struct beat *b, const struct consumer_member *m) {
    int32_t epoch = b->in->member_epoch;
    if (is_join(b->in) || epoch == m->epoch) return true;
    return epoch == m->previous_epoch && epoch < m->epoch && b->says_owned && !b->owns_other;
}

static void refuse_epoch(struct beat *b, const struct consumer_member *m) {
    refuse(b, KAFKA_FENCED_MEMBER_EPOCH,
           "The consumer group member has a %s member epoch (%d) than the one known by the group "
           "coordinator (%d). The member must abandon all its partitions and rejoin.",
           b->in->member_epoch > m->epoch ? "greater" : "smaller", b->in->member_epoch, m->epoch);
}

static void refuse_unknown(struct beat *b) {
    refuse(b, KAFKA_UNKNOWN_MEMBER_ID, "Member %.*s is not a member of group %.*s.",
           STR_ARG(b->in->member_id), STR_ARG(b->in->group_id));
}

/* What clients are told to be called when they do not say: a UUID as Kafka prints it. */
static struct str member_id_of(struct beat *b) {
    if (b->in->member_id.len > 0) return b->in->member_id;
    struct uuid id;
    char text[UUID_TEXT_BYTES + 1];
    prng_fill(&b->c->prng, id.b, sizeof id.b);
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    uuid_format(id, text);
    return arena_str(b->ticket->arena, str_of(text));
}

static struct consumer_member *add(struct beat *b) {
    b->is_new = true;
    return consumer_add(b->g, member_id_of(b));
}

static struct consumer_member *join_static(struct beat *b) {
    struct consumer_member *m = consumer_find_static(b->g, b->in->instance_id);
    if (m == NULL) m = consumer_find(b->g, b->in->member_id);
    if (m == NULL) return add(b);
    bool is_in_use = m->epoch != MEMBER_EPOCH_LEAVE_STATIC && m->protocols == NULL;
    if (is_in_use && !str_eq(m->id, b->in->member_id)) {
        refuse(b, KAFKA_UNRELEASED_INSTANCE_ID,
               "Static member %.*s with instance id %.*s cannot join the group because the "
               "instance id is owned by %.*s member.",
               STR_ARG(b->in->member_id), STR_ARG(b->in->instance_id), STR_ARG(m->id));
        return NULL;
    }
    if (!str_eq(m->id, b->in->member_id)) return consumer_replace(b->g, m, member_id_of(b));
    if (m->epoch == MEMBER_EPOCH_LEAVE_STATIC) m->epoch = m->previous_epoch = 0;
    return m;
}

static struct consumer_member *join(struct beat *b) {
    struct consumer *g = b->g;
    struct consumer_member *m = consumer_find(g, b->in->member_id);
    uint32_t most = (uint32_t)b->c->settings->consumer_group_size_max;
    bool is_static = b->in->instance_id.ptr != NULL;
    if (m == NULL && g->members.count >= most &&
        !(is_static && consumer_find_static(g, b->in->instance_id) != NULL)) {
        refuse(b, KAFKA_GROUP_MAX_SIZE_REACHED,
               "The consumer group has reached its maximum capacity of %u members.", most);
        return NULL;
    }
    if (is_static) {
        m = join_static(b);
    } else if (m == NULL) {
        m = add(b);
    }
    if (m == NULL && b->out->error_code == KAFKA_NONE)
        refuse(b, KAFKA_COORDINATOR_NOT_AVAILABLE, "No memory for another member.");
    return m;
}

/* KAFKA_NONE: the member that beats; NULL: refused. */
static struct consumer_member *find_member(struct beat *b) {
    struct str instance_id = b->in->instance_id;
    struct consumer_member *m = instance_id.ptr != NULL ? consumer_find_static(b->g, instance_id)
                                                        : consumer_find(b->g, b->in->member_id);
    if (m == NULL) {
        refuse_unknown(b);
        return NULL;
    }
    if (!str_eq(m->id, b->in->member_id)) {
        refuse(b, KAFKA_FENCED_INSTANCE_ID,
               "Static member %.*s with instance id %.*s was fenced by member %.*s.",
               STR_ARG(b->in->member_id), STR_ARG(instance_id), STR_ARG(m->id));
        return NULL;
    }
    return m;
}

/* --- what it says of itself --- */

static bool update_topics(struct beat *b, struct consumer_member *m, bool *ret_changed) {
    if (b->in->subscribed_topic_names_count < 0) return true;
    return consumer_subscribe(b->g, m, b->in->subscribed_topic_names,
                              b->in->subscribed_topic_names_count, ret_changed);
}

/* An empty expression takes the old one back. */
static bool update_regex(struct beat *b, struct consumer_member *m, bool *ret_changed) {
    struct str text = b->in->subscribed_topic_regex;
    struct str old = STR_NULL;
    bool changed = false;
    if (text.ptr == NULL) return true;
    if (text.len == 0) text = STR_NULL;
    if (m->regex.ptr != NULL) old = arena_str(&b->c->fx->arena, m->regex);
    if (!consumer_set_text(b->g, &m->regex, text, &changed)) return false;
    if (changed) consumer_drop_regex(b->g, old);
    *ret_changed = *ret_changed || changed;
    return true;
}

/* *ret_changed: anything; *ret_subscribed: to something else than before. */
static bool update(struct beat *b, struct consumer_member *m, bool *ret_changed,
                   bool *ret_subscribed) {
    const struct consumer_group_heartbeat_request *in = b->in;
    struct consumer *g = b->g;
    if (in->rebalance_timeout_ms != -1 && in->rebalance_timeout_ms != m->rebalance_timeout_ms) {
        m->rebalance_timeout_ms = in->rebalance_timeout_ms;
        *ret_changed = true;
    }
    bool done =
        (in->rack_id.ptr == NULL || consumer_set_text(g, &m->rack_id, in->rack_id, ret_changed)) &&
        (in->server_assignor.ptr == NULL ||
         consumer_set_text(g, &m->assignor, in->server_assignor, ret_changed)) &&
        consumer_set_protocols(g, m, NULL, 0, ret_changed) &&
        consumer_set_text(g, &m->client_id, b->ticket->client_id, ret_changed) &&
        consumer_set_text(g, &m->client_host, b->ticket->client_host, ret_changed) &&
        update_topics(b, m, ret_subscribed) && update_regex(b, m, ret_subscribed);
    if (done && in->instance_id.ptr != NULL && m->instance_id.ptr == NULL) {
        done = consumer_set_instance(g, m, in->instance_id);
        *ret_changed = true;
    }
    *ret_changed = *ret_changed || *ret_subscribed;
    return done;
}

/* --- the beat --- */

static void beat(struct beat *b, struct consumer_member *m) {
    struct consumer *g = b->g;
    const struct consumer_group_heartbeat_request *in = b->in;
    bool changed = b->is_new, subscribed = false;
    struct partition_set before; /* what it knows that it has, of the step's arena */
    if (!partition_set_and(&b->c->fx->arena, &m->assigned, &m->assigned, &before) ||
        !update(b, m, &changed, &subscribed)) {
        b->c->fx->is_broken = true;
        refuse(b, KAFKA_COORDINATOR_NOT_AVAILABLE, "No memory for what the member says.");
        return;
    }
    if (changed) {
        group_effects_unit(b->c->fx);
        consumer_emitted(g, consumer_write_member(g, m));
    }
    m->must = MUST_NOTHING;
    timers_clear(&b->c->timers, &m->phase);
    consumer_refresh(g, subscribed);
    consumer_assign(g);
    consumer_reconcile(g, m, b->says_owned ? &b->owned : NULL, subscribed);
    consumer_touch(g, m);

    b->out->member_id = arena_str(b->ticket->arena, m->id);
    b->out->member_epoch = m->epoch;
    b->out->heartbeat_interval_ms = consumer_heartbeat_interval_ms(g);
    bool is_full = is_join(in) || (in->rebalance_timeout_ms != -1 &&
                                   in->subscribed_topic_names_count >= 0 && b->says_owned);
    bool tells = is_full || !partition_set_eq(&before, &m->assigned);
    if (tells && !put_assignment(b, &m->assigned)) b->c->fx->is_broken = true;
    answer(b);
}

static void heartbeat(struct beat *b) {
    if (!find_group(b)) return;
    struct consumer_member *m = is_join(b->in) ? join(b) : find_member(b);
    if (m == NULL) {
        drop_if_new(b);
        return;
    }
    if (!take_owned(b, m)) {
        if (b->is_new) consumer_remove(b->g, m);
        refuse(b, KAFKA_COORDINATOR_NOT_AVAILABLE, "No memory for what the member owns.");
        drop_if_new(b);
        return;
    }
    if (!epoch_fits(b, m)) {
        refuse_epoch(b, m);
        return;
    }
    struct str regex = b->in->subscribed_topic_regex;
    struct str why = STR_NULL;
    if (regex.ptr != NULL && regex.len > 0) {
        int16_t error = consumer_learn_regex(b->g, regex, b->ticket->arena, &why);
        if (error != KAFKA_NONE) {
            if (b->is_new) consumer_remove(b->g, m);
            refuse(b, error, "%.*s", STR_ARG(why));
            drop_if_new(b);
            return;
        }
    }
    beat(b, m);
}

/* --- leaving --- */

void consumer_take_out(struct consumer *g, struct consumer_member *m) {
    struct str regex = m->regex;
    struct group_effects *fx = g->coordinator->fx;
    if (regex.ptr != NULL) regex = arena_str(&fx->arena, regex);
    group_effects_unit(fx);
    consumer_emitted(g, consumer_bury_member(g, m->id));
    consumer_remove(g, m);
    consumer_drop_regex(g, regex);
}

void consumer_members_left(struct consumer *g) {
    if (consumer_may_be_classic(g)) {
        consumer_to_classic(g, true);
    } else {
        consumer_refresh(g, true);
    }
}

void consumer_expel(struct consumer *g, struct consumer_member *m) {
    consumer_take_out(g, m);
    consumer_members_left(g);
}

/* Its place stays until its session ends; what it owned nobody else gets meanwhile. Whoever takes
 * the place has had that from epoch 0 on. */
static void leave_for_a_while(struct beat *b, struct consumer_member *m) {
    const struct partition_set none = {0};
    timers_clear(&b->c->timers, &m->rebalance);
    m->epoch = MEMBER_EPOCH_LEAVE_STATIC;
    partition_set_stamp(&m->assigned, 0);
    if (!consumer_set_owned(b->g, m, &m->assigned, &none)) b->c->fx->is_broken = true;
    group_effects_unit(b->c->fx);
    consumer_emitted(b->g, consumer_write_current(b->g, m));
}

static void leave(struct beat *b) {
    if (!find_group(b)) return;
    struct consumer_member *m = find_member(b);
    if (m == NULL) return;
    b->out->member_id = b->in->member_id;
    b->out->member_epoch = b->in->member_epoch;
    if (b->in->member_epoch == MEMBER_EPOCH_LEAVE_STATIC) {
        leave_for_a_while(b, m);
    } else {
        consumer_expel(b->g, m);
    }
    answer(b);
}

/* --- time --- */

static int32_t session_timeout_ms(const struct consumer *g, const struct consumer_member *m) {
    if (m->protocols != NULL) return m->session_timeout_ms;
    return consumer_session_timeout_ms(g);
}

void consumer_touch(struct consumer *g, struct consumer_member *m) {
    struct coordinator *c = g->coordinator;
    m->deadline_us = c->now.mono_us + (uint64_t)session_timeout_ms(g, m) * 1000;
    /* A deadline that moves away is looked at when the old one fires: a heartbeat moves no heap. */
    if (!io_timer_is_set(&m->session) || m->session.at_us > m->deadline_us)
        timers_set(&c->timers, &m->session, m->deadline_us);
}

static void on_session(struct io_timer *timer) {
    struct consumer_member *m = CONTAINER_OF(timer, struct consumer_member, session);
    struct coordinator *c = m->owner->coordinator;
    if (c->now.mono_us < m->deadline_us) {
        timers_set(&c->timers, timer, m->deadline_us);
    } else {
        consumer_expel(m->owner, m);
    }
}

/* It did not give back in time what it was asked for. */
static void on_rebalance(struct io_timer *timer) {
    struct consumer_member *m = CONTAINER_OF(timer, struct consumer_member, rebalance);
    if (m->state == MEMBER_UNREVOKED) consumer_expel(m->owner, m);
}

void consumer_timers_init(struct consumer_member *m) {
    m->session.fire = on_session;
    m->rebalance.fire = on_rebalance;
}

/* The interval between assignments goes on where it was; not over a step of the clock, nor over a
 * start of the machine. */
static void resume_interval(struct consumer *g) {
    const struct coordinator *c = g->coordinator;
    int64_t since_ms = c->now.wall_ms - g->target_timestamp_ms;
    if (g->target_timestamp_ms > 0 && since_ms >= 0 && since_ms < (int64_t)(c->now.mono_us / 1000))
        g->assigned_us = c->now.mono_us - (uint64_t)since_ms * 1000;
}

void consumer_loaded(struct group *group) {
    struct consumer *g = consumer_of(group);
    struct coordinator *c = g->coordinator;
    resume_interval(g);
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;) {
        struct consumer_member *m = CONTAINER_OF(n, struct consumer_member, node);
        consumer_touch(g, m);
        if (m->state != MEMBER_UNREVOKED) continue;
        timers_set(&c->timers, &m->rebalance,
                   c->now.mono_us + (uint64_t)MAX(m->rebalance_timeout_ms, 0) * 1000);
    }
}

static void refuse_assignor(struct beat *b) {
    const struct group_settings *settings = b->c->settings;
    struct str offered = STR("");
    for (uint32_t i = 0; i < settings->assignor_count; i++)
        offered = arena_printf(b->ticket->arena, "%.*s%s%s", STR_ARG(offered), i > 0 ? ", " : "",
                               settings->assignors[i]->name);
    refuse(b, KAFKA_UNSUPPORTED_ASSIGNOR,
           "ServerAssignor %.*s is not supported. Supported assignors: %.*s.",
           STR_ARG(b->in->server_assignor), STR_ARG(offered));
}

void consumer_heartbeat(struct coordinator *c, struct group_ticket *ticket) {
    struct beat b = {.c = c, .ticket = ticket, .in = ticket->request, .out = ticket->response};
    const char *problem = problem_of(b.in, ticket->version);
    if (problem != NULL) {
        refuse(&b, KAFKA_INVALID_REQUEST, "%s", problem);
    } else if (b.in->server_assignor.ptr != NULL &&
               group_settings_assignor(c->settings, b.in->server_assignor) == NULL) {
        refuse_assignor(&b);
    } else if (is_leave(b.in)) {
        leave(&b);
    } else {
        heartbeat(&b);
    }
}
