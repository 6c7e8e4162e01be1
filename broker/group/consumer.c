/* broker/group/consumer.c - the consumer kind of group. */
#include "broker/group/consumer.h"
#include <stdlib.h>
#include "base/assert.h"
#include "broker/config/settings.h"
#include "protocol/errors.h"

/* --- state --- */

const char *consumer_state_name(const struct consumer *g) {
    if (g->members.count == 0) return "Empty";
    if (g->epoch > g->target_epoch) return "Assigning";
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;) {
        const struct consumer_member *m = CONTAINER_OF(n, struct consumer_member, node);
        if (m->state != MEMBER_STABLE || m->epoch != g->target_epoch) return "Reconciling";
    }
    return "Stable";
}

static int by_id(const void *a, const void *b) {
    return str_cmp((*(struct consumer_member *const *)a)->id,
                   (*(struct consumer_member *const *)b)->id);
}

struct consumer_member **consumer_members_sorted(const struct consumer *g, struct arena *arena) {
    struct consumer_member **all = arena_array(arena, g->members.count, sizeof(void *));
    size_t count = 0;
    if (all == NULL) return NULL;
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;)
        all[count++] = CONTAINER_OF(n, struct consumer_member, node);
    if (count > 1) qsort(all, count, sizeof(void *), by_id);
    return all;
}

void consumer_emitted(struct consumer *g, enum status st) {
    struct group_effects *fx = g->coordinator->fx;
    g->coordinator->next_position++;
    if (st == ST_OK) return;
    group_effects_drop_unit(fx);
    fx->is_broken = true;
}

/* --- settings --- */

static const struct config_image *own_settings(const struct consumer *g) {
    return image_config(g->coordinator->image, CONFIG_GROUP, g->body.group->id);
}

static int32_t setting(const struct config_image *own, struct str key,
                       const struct bounded_setting *broker) {
    struct str text = config_image_find(own, key);
    int64_t value = 0;
    if (text.ptr == NULL || !str_to_int64(str_trim(text), &value)) return broker->value;
    return (int32_t)MIN(MAX(value, broker->min), broker->max);
}

struct liveness {
    int32_t session_timeout_ms, heartbeat_interval_ms;
};

static struct liveness liveness_of(const struct consumer *g) {
    const struct group_settings *broker = g->coordinator->settings;
    const struct config_image *own = own_settings(g);
    struct liveness l = {
        setting(own, STR("consumer.session.timeout.ms"), &broker->consumer_session_timeout_ms),
        setting(own, STR("consumer.heartbeat.interval.ms"),
                &broker->consumer_heartbeat_interval_ms)};
    if (l.session_timeout_ms > l.heartbeat_interval_ms) return l;
    return (struct liveness){broker->consumer_session_timeout_ms.value,
                             broker->consumer_heartbeat_interval_ms.value};
}

int32_t consumer_session_timeout_ms(const struct consumer *g) {
    return liveness_of(g).session_timeout_ms;
}

int32_t consumer_heartbeat_interval_ms(const struct consumer *g) {
    return liveness_of(g).heartbeat_interval_ms;
}

int32_t consumer_assignment_interval_ms(const struct consumer *g) {
    return setting(own_settings(g), STR("consumer.assignment.interval.ms"),
                   &g->coordinator->settings->consumer_assignment_interval_ms);
}

/* --- the kind --- */

bool group_is_consumer(const struct group *group) {
    return strcmp(group->body->kind->type, "consumer") == 0;
}

struct consumer *consumer_group(const struct coordinator *c, struct str id) {
    struct group *group = group_find(c, id);
    bool is_it = group != NULL && group_is_consumer(group) && !group->body->kind->is_empty(group);
    return is_it ? consumer_of(group) : NULL;
}

/* A commit that was on its way when the member's epoch was raised counts, if all that it is of was
 * given to the member at the commit's epoch or before (KIP-1251). */
static bool has_had_all(const struct consumer_member *m, const struct commit_identity *who) {
    for (int32_t i = 0; i < who->count; i++) {
        const struct commit_item *item = &who->items[i];
        const struct group_partition wanted = {.topic_id = item->topic_id,
                                               .index = item->partition};
        if (*item->error != KAFKA_NONE) continue;
        const struct group_partition *own = partition_set_find(&m->assigned, wanted);
        if (own == NULL) own = partition_set_find(&m->revoking, wanted);
        if (own == NULL || own->epoch > who->generation) return false;
    }
    return true;
}

static int16_t check_commit(struct group *group, const struct commit_identity *who) {
    const struct consumer *g = consumer_of(group);
    if (who->generation < 0 && g->members.count == 0) return KAFKA_NONE;
    if (who->is_transactional && who->generation < 0 && who->member_id.len == 0 &&
        who->instance_id.ptr == NULL)
        return KAFKA_NONE;
    const struct consumer_member *m = consumer_find(g, who->member_id);
    if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    bool is_classic = m->protocols != NULL;
    if (!who->is_transactional && !is_classic && who->version < 9) return KAFKA_UNSUPPORTED_VERSION;
    if (who->generation == m->epoch) return KAFKA_NONE;
    if (who->generation < m->epoch && has_had_all(m, who)) return KAFKA_NONE;
    return is_classic ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
}

static int16_t check_fetch(struct group *group, const struct fetch_call *call) {
    if (call->member_id.ptr == NULL && call->member_epoch < 0) return KAFKA_NONE;
    const struct consumer_member *m =
        consumer_find(consumer_of(group), call->member_id.ptr != NULL ? call->member_id : STR(""));
    if (m == NULL) return KAFKA_UNKNOWN_MEMBER_ID;
    return call->member_epoch == m->epoch ? KAFKA_NONE : KAFKA_STALE_MEMBER_EPOCH;
}

static int16_t check_offset_delete(struct group *group) {
    (void)group; /* but for topics that it is subscribed to */
    return KAFKA_NONE;
}

static bool is_empty(const struct group *group) { return consumer_of(group)->members.count == 0; }

static int16_t check_delete(struct group *group) {
    return is_empty(group) ? KAFKA_NONE : KAFKA_NON_EMPTY_GROUP;
}

static enum expiry_base expiry_base(const struct group *group, int64_t *ret_state_since_ms) {
    (void)group; /* what members are subscribed to does not expire */
    *ret_state_since_ms = -1;
    return EXPIRE_FROM_COMMIT;
}

static const char *state_name(const struct group *group) {
    return consumer_state_name(consumer_of(group));
}

static struct str protocol_type(const struct group *group) {
    (void)group;
    return STR("consumer");
}

static void unload(struct group *group, int16_t error) {
    (void)group; /* every heartbeat is answered in its own step: nobody waits */
    (void)error;
}

static uint32_t member_count(const struct group *group) {
    return (uint32_t)consumer_of(group)->members.count;
}

static void free_body(struct group_body *body) {
    struct consumer *g = (struct consumer *)(void *)body;
    struct mem *mem = g->coordinator->mem;
    for (struct map_node *n; (n = map_next(&g->members, NULL)) != NULL;)
        consumer_remove(g, CONTAINER_OF(n, struct consumer_member, node));
    for (struct map_node *n; (n = map_next(&g->regexes, NULL)) != NULL;)
        consumer_forget_regex(g, CONTAINER_OF(n, struct consumer_regex, node));
    ASSERT(g->owners.count == 0);
    timers_clear(&g->coordinator->timers, &g->assign);
    map_release(&g->members);
    map_release(&g->statics);
    map_release(&g->owners);
    map_release(&g->regexes);
    map_release(&g->subscriptions);
    MEM_FREE(mem, g);
}

static const struct group_kind consumer_kind = {
    .type = "consumer",
    .state_name = state_name,
    .protocol_type = protocol_type,
    .check_commit = check_commit,
    .check_fetch = check_fetch,
    .check_offset_delete = check_offset_delete,
    .check_delete = check_delete,
    .is_empty = is_empty,
    .member_count = member_count,
    .is_subscribed = consumer_is_subscribed,
    .expiry_base = expiry_base,
    .bury = consumer_bury,
    .dump = consumer_dump,
    .loaded = consumer_loaded,
    .unload = unload,
    .free = free_body,
};

struct group_body *consumer_new(struct group *group) {
    struct mem *mem = group->coordinator->mem;
    struct consumer *g = mem_alloc(mem, sizeof *g);
    if (g == NULL) return NULL;
    *g = (struct consumer){.body = {.kind = &consumer_kind, .group = group},
                           .coordinator = group->coordinator,
                           .image_offset = -1};
    map_init(&g->members, mem);
    map_init(&g->statics, mem);
    map_init(&g->owners, mem);
    map_init(&g->regexes, mem);
    map_init(&g->subscriptions, mem);
    consumer_assign_timer_init(g);
    return &g->body;
}
