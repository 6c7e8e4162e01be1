/* broker/group/consumer_convert.c - a group changes its kind with members in it. What it was is
 * taken back with tombstones and what it is now is written, in one unit; offsets stay as they are.
 * Source: GroupMetadataManager.convertToConsumerGroup, convertToClassicGroup,
 * ConsumerGroup.fromClassicGroup, ClassicGroup.fromConsumerGroup. */
#include "base/assert.h"
#include "broker/group/classic.h"
#include "broker/group/consumer.h"
#include "broker/group/consumer_protocol.h"
#include "protocol/errors.h"

/* --- classic to consumer --- */

static bool may_be_consumer(const struct classic *g) {
    const struct group_settings *settings = g->coordinator->settings;
    return settings->may_upgrade && classic_is_of_consumers(g) &&
           g->members.count <= (size_t)settings->consumer_group_size_max;
}

static struct join_group_request_protocol *
request_protocols(const struct classic_protocol *protocols, int32_t count, struct arena *arena) {
    struct join_group_request_protocol *out = join_group_request_protocol_array(arena, count);
    for (int32_t i = 0; out != NULL && i < count; i++) {
        out[i].name = protocols[i].name;
        out[i].metadata = protocols[i].metadata;
    }
    return out;
}

/* ST_CORRUPT: what it says of itself cannot be read. */
static enum status take_member(struct consumer *g, const struct classic *from,
                               const struct classic_member *old) {
    struct coordinator *c = g->coordinator;
    struct arena *arena = &c->fx->arena;
    struct consumer_protocol_subscription s;
    struct partition_set owned;
    const struct partition_set none = {0};
    bool changed = false;
    struct bytes metadata = classic_metadata(old, from->protocol);
    if (metadata.ptr == NULL && old->protocol_count > 0) metadata = old->protocols[0].metadata;
    enum status st = consumer_subscription_read(metadata, arena, &s);
    if (st == ST_OK) st = consumer_assignment_read(old->assignment, c->image, arena, &owned);
    if (st != ST_OK) return st;
    struct join_group_request_protocol *protocols =
        request_protocols(old->protocols, old->protocol_count, arena);
    struct consumer_member *m = consumer_add(g, old->id);
    if (m == NULL || protocols == NULL) return ST_NOMEM;
    m->epoch = m->previous_epoch = g->epoch;
    m->rebalance_timeout_ms = old->rebalance_timeout_ms;
    m->session_timeout_ms = old->session_timeout_ms;
    bool done = consumer_set_instance(g, m, old->instance_id) &&
                consumer_set_text(g, &m->client_id, old->client_id, &changed) &&
                consumer_set_text(g, &m->client_host, old->client_host, &changed) &&
                consumer_set_text(g, &m->rack_id, s.rack_id, &changed) &&
                consumer_subscribe(g, m, s.topics, s.topics_count, &changed) &&
                consumer_set_protocols(g, m, protocols, old->protocol_count, &changed) &&
                partition_set_keep(c->mem, &m->target, &owned) &&
                consumer_set_owned(g, m, &owned, &none);
    partition_set_stamp(&m->assigned, g->epoch);
    return done ? ST_OK : ST_NOMEM;
}

static enum status write_all(struct consumer *g) {
    struct consumer_member **members = consumer_members_sorted(g, &g->coordinator->fx->arena);
    enum status st = members != NULL ? ST_OK : ST_NOMEM;
    for (size_t i = 0; st == ST_OK && i < g->members.count; i++)
        st = consumer_write_member(g, members[i]);
    if (st == ST_OK) st = consumer_write_epoch(g);
    for (size_t i = 0; st == ST_OK && i < g->members.count; i++)
        st = consumer_write_target(g, members[i]);
    if (st == ST_OK) st = consumer_write_target_epoch(g);
    for (size_t i = 0; st == ST_OK && i < g->members.count; i++)
        st = consumer_write_current(g, members[i]);
    return st;
}

struct consumer *consumer_from_classic(struct group *group) {
    struct classic *from = classic_of(group);
    struct coordinator *c = from->coordinator;
    struct group_body *body = may_be_consumer(from) ? consumer_new(group) : NULL;
    if (body == NULL) return NULL;
    struct consumer *g = (struct consumer *)(void *)body;
    g->epoch = g->target_epoch = MAX(from->generation, 0);
    enum status st = ST_OK;
    LIST_EACH(&from->order, node) {
        if (st != ST_OK) break;
        st = take_member(g, from, CONTAINER_OF(node, struct classic_member, link));
    }
    if (st != ST_OK) {
        body->kind->free(body);
        return NULL;
    }
    /* Whoever waits in the classic group comes again, and finds the other kind. */
    classic_unload(group, KAFKA_REBALANCE_IN_PROGRESS);
    group_effects_unit(c->fx);
    st = classic_bury(group);
    group_set_body(group, body);
    if (st == ST_OK) st = write_all(g);
    consumer_emitted(g, st);
    consumer_loaded(group);
    return g;
}

/* --- consumer to classic --- */

bool consumer_may_be_classic(const struct consumer *g) {
    const struct group_settings *settings = g->coordinator->settings;
    if (g->members.count == 0 || !settings->may_downgrade ||
        g->members.count > (size_t)settings->group_size_max)
        return false;
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;) {
        if (CONTAINER_OF(n, struct consumer_member, node)->protocols == NULL) return false;
    }
    return true;
}

static enum status give_member(struct classic *to, const struct consumer_member *old) {
    struct coordinator *c = to->coordinator;
    struct arena *arena = &c->fx->arena;
    struct bytes metadata = old->protocols[0].metadata, assignment;
    int16_t version = metadata.len >= 2 ? (int16_t)get_u16(metadata.ptr) : 0;
    struct classic_newcomer newcomer = {
        .id = old->id,
        .instance_id = old->instance_id,
        .client_id = old->client_id,
        .client_host = old->client_host,
        .session_timeout_ms = old->session_timeout_ms,
        .rebalance_timeout_ms = old->rebalance_timeout_ms,
        .protocols = request_protocols(old->protocols, old->protocol_count, arena),
        .protocol_count = old->protocol_count,
    };
    enum status st =
        consumer_assignment_write(&old->assigned, c->image, version, arena, &assignment);
    if (st != ST_OK || newcomer.protocols == NULL) return ST_NOMEM;
    struct classic_member *m = classic_add(to, &newcomer);
    return m != NULL && classic_set_assignment(to, m, assignment) ? ST_OK : ST_NOMEM;
}

static enum status give_group(struct classic *to, const struct consumer *g) {
    struct coordinator *c = g->coordinator;
    struct consumer_member **members = consumer_members_sorted(g, &c->fx->arena);
    to->generation = g->epoch;
    enum status st = members != NULL && group_text_copy(c->mem, STR("consumer"), &to->protocol_type)
                         ? ST_OK
                         : ST_NOMEM;
    for (size_t i = 0; st == ST_OK && i < g->members.count; i++) st = give_member(to, members[i]);
    if (st == ST_OK && !group_text_copy(c->mem, classic_vote(to), &to->protocol)) st = ST_NOMEM;
    if (st != ST_OK) return st;
    classic_transition(to, CLASSIC_STABLE);
    classic_learn_topics(to);
    return ST_OK;
}

void consumer_to_classic(struct consumer *g, bool rebalances) {
    struct group *group = g->body.group;
    struct coordinator *c = g->coordinator;
    struct group_body *body = classic_new(group);
    struct classic *to = (struct classic *)(void *)body;
    if (body == NULL || give_group(to, g) != ST_OK) {
        if (body != NULL) body->kind->free(body);
        c->fx->is_broken = true; /* without memory it begins again from its log, and tries again */
        return;
    }
    group_effects_unit(c->fx);
    enum status st = consumer_bury(group);
    if (st == ST_OK) st = classic_write(to);
    c->next_position++;
    group_set_body(group, body);
    if (st != ST_OK) {
        group_effects_drop_unit(c->fx);
        c->fx->is_broken = true;
        return;
    }
    classic_loaded(group);
    if (rebalances) classic_rebalance(to);
}
