/* broker/group/consumer_target.c - what a group is subscribed to, when its epoch rises, and the
 * target of an epoch. */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/pattern.h"
#include "broker/group/consumer.h"
#include "protocol/errors.h"

#define WHY_BYTES 200
/* Of one expression over all topics: some 200 ms in the worst case. */
#define REGEX_STEPS_MAX 10000000
#define REGEX_STEPS_OF_TOPIC_MIN 2000

/* --- regular expressions --- */

static uint64_t text_hash(struct str text) { return hash_bytes(text.ptr, text.len, 9); }

static bool has_text(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct consumer_regex, node)->text, *(const struct str *)key);
}

struct consumer_regex *consumer_find_regex(const struct consumer *g, struct str text) {
    struct map_node *node = map_find(&g->regexes, text_hash(text), has_text, &text);
    return node != NULL ? CONTAINER_OF(node, struct consumer_regex, node) : NULL;
}

struct consumer_regex *consumer_add_regex(struct consumer *g, struct str text) {
    struct consumer_regex *regex = consumer_find_regex(g, text);
    if (regex != NULL) return regex;
    regex = mem_alloc(g->coordinator->mem, sizeof *regex);
    if (regex == NULL) return NULL;
    *regex = (struct consumer_regex){.version = -1};
    if (!group_text_copy(g->coordinator->mem, text, &regex->text)) {
        MEM_FREE(g->coordinator->mem, regex);
        return NULL;
    }
    map_insert(&g->regexes, text_hash(text), &regex->node);
    return regex;
}

void consumer_forget_regex(struct consumer *g, struct consumer_regex *regex) {
    struct mem *mem = g->coordinator->mem;
    map_remove(&g->regexes, &regex->node);
    group_text_free(mem, &regex->text);
    names_free(mem, &regex->topics);
    MEM_FREE(mem, regex);
}

void consumer_drop_regex(struct consumer *g, struct str text) {
    struct consumer_regex *regex = text.ptr != NULL ? consumer_find_regex(g, text) : NULL;
    if (regex == NULL) return;
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;) {
        if (str_eq(CONTAINER_OF(n, struct consumer_member, node)->regex, text)) return;
    }
    group_effects_unit(g->coordinator->fx);
    consumer_emitted(g, consumer_bury_regex(g, regex->text));
    consumer_forget_regex(g, regex);
}

/* The topics that it fits, in the newest image. ST_INVALID: it is no regular expression, why[] says
 * so. */
static enum status resolve(struct consumer *g, struct consumer_regex *regex, char *why) {
    struct coordinator *c = g->coordinator;
    struct str *found = arena_array(&c->fx->arena, image_topic_count(c->image), sizeof *found);
    struct pattern *pattern = pattern_new(c->mem, regex->text, why, WHY_BYTES);
    int32_t count = 0;
    bool changed = regex->version < 0;
    if (pattern == NULL) return ST_INVALID;
    uint32_t topic_count = (uint32_t)image_topic_count(c->image);
    pattern_limit(pattern, MAX(REGEX_STEPS_MAX / (topic_count + 1), REGEX_STEPS_OF_TOPIC_MIN));
    struct image_iter iter;
    image_iter_topics(c->image, &iter);
    for (const struct topic_image *t; found != NULL && (t = image_next_topic(&iter)) != NULL;) {
        if (pattern_matches(pattern, t->name)) found[count++] = t->name;
        if (pattern_gave_up(pattern)) break;
    }
    bool gave_up = pattern_gave_up(pattern);
    pattern_free(pattern);
    if (gave_up) {
        (void)snprintf(why, WHY_BYTES, "it takes too long on a topic's name"); /* fits */
        return ST_INVALID;
    }
    if (found == NULL || !names_keep(c->mem, &regex->topics, found, count, &changed))
        return ST_NOMEM;
    regex->version = image_offset(c->image);
    if (!changed) return ST_OK;
    regex->timestamp_ms = c->now.wall_ms;
    group_effects_unit(c->fx);
    consumer_emitted(g, consumer_write_regex(g, regex));
    return ST_OK;
}

int16_t consumer_learn_regex(struct consumer *g, struct str text, struct arena *arena,
                             struct str *ret_why) {
    char why[WHY_BYTES] = "";
    struct consumer_regex *regex = consumer_add_regex(g, text);
    if (regex == NULL) return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (regex->version == image_offset(g->coordinator->image)) return KAFKA_NONE;
    bool is_new = regex->version < 0;
    enum status st = resolve(g, regex, why);
    if (st == ST_OK) return KAFKA_NONE;
    if (is_new) consumer_forget_regex(g, regex);
    *ret_why =
        arena_printf(arena, "The regular expression `%.*s` cannot be used: %s", STR_ARG(text), why);
    return st == ST_INVALID ? KAFKA_INVALID_REGULAR_EXPRESSION : KAFKA_COORDINATOR_NOT_AVAILABLE;
}

/* One that came with the log and cannot be compiled keeps the topics that it had. */
static void refresh_regexes(struct consumer *g) {
    char why[WHY_BYTES];
    int64_t offset = image_offset(g->coordinator->image);
    for (struct map_node *n = NULL; (n = map_next(&g->regexes, n)) != NULL;) {
        struct consumer_regex *regex = CONTAINER_OF(n, struct consumer_regex, node);
        if (regex->version >= offset) continue;
        enum status st = resolve(g, regex, why);
        if (st == ST_NOMEM) g->coordinator->fx->is_broken = true;
    }
}

static const struct names *regex_topics(const struct consumer *g, const struct consumer_member *m) {
    static const struct names none;
    const struct consumer_regex *regex =
        m->regex.ptr != NULL ? consumer_find_regex(g, m->regex) : NULL;
    return regex != NULL ? &regex->topics : &none;
}

bool consumer_wants(const struct consumer *g, const struct consumer_member *m, struct str topic) {
    return names_have(consumer_topics(m), topic) || names_have(regex_topics(g, m), topic);
}

bool consumer_is_subscribed(const struct group *group, struct str topic) {
    const struct consumer *g = consumer_of(group);
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;) {
        if (consumer_wants(g, CONTAINER_OF(n, struct consumer_member, node), topic)) return true;
    }
    return false;
}

/* --- the topics of all members --- */

/* What the assignor is told; arena of the step. */
struct view {
    struct consumer_member **members; /* by id, where who gets what is decided */
    uint32_t member_count;
    struct assign_topic *topics; /* by id */
    uint32_t topic_count;
    struct assign_member *assign; /* as members */
};

static int topic_by_id(const void *a, const void *b) {
    return memcmp(((const struct assign_topic *)a)->id.b, ((const struct assign_topic *)b)->id.b,
                  16);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool same_subscription(const struct consumer *g, const struct consumer_member *a,
                              const struct consumer_member *b) {
    return a->subscription == b->subscription && regex_topics(g, a) == regex_topics(g, b);
}

/* The topics that are there, of one list of names. */
static uint32_t add_topics(const struct consumer *g, const struct names *names,
                           struct assign_topic *topics, uint32_t count) {
    for (uint32_t i = 0; i < names->count; i++) {
        const struct topic_image *t = image_topic_by_name(g->coordinator->image, names->items[i]);
        if (t != NULL) topics[count++] = (struct assign_topic){t->id, t->partition_count};
    }
    return count;
}

/* All topics that any member is subscribed to. */
static bool gather_topics(const struct consumer *g, struct view *v) {
    size_t most = 0;
    uint32_t count = 0, kept = 0;
    for (struct map_node *n = NULL; (n = map_next(&g->subscriptions, n)) != NULL;)
        most += CONTAINER_OF(n, struct subscription, node)->names.count;
    for (struct map_node *n = NULL; (n = map_next(&g->regexes, n)) != NULL;)
        most += CONTAINER_OF(n, struct consumer_regex, node)->topics.count;
    *v = (struct view){.topics =
                           arena_array(&g->coordinator->fx->arena, most, sizeof *v->topics)};
    if (v->topics == NULL) return false;
    for (struct map_node *n = NULL; (n = map_next(&g->subscriptions, n)) != NULL;)
        count = add_topics(g, &CONTAINER_OF(n, struct subscription, node)->names, v->topics, count);
    for (struct map_node *n = NULL; (n = map_next(&g->regexes, n)) != NULL;) {
        count = add_topics(g, &CONTAINER_OF(n, struct consumer_regex, node)->topics, v->topics,
                           count);
    }
    if (count > 1) qsort(v->topics, count, sizeof *v->topics, topic_by_id);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || !uuid_eq(v->topics[kept - 1].id, v->topics[i].id))
            v->topics[kept++] = v->topics[i];
    }
    v->topic_count = kept;
    return true;
}

static uint32_t add_indexes(const struct consumer *g, const struct view *v,
                            const struct names *names, uint32_t *indexes, uint32_t count) {
    for (uint32_t i = 0; i < names->count; i++) {
        const struct topic_image *t = image_topic_by_name(g->coordinator->image, names->items[i]);
        if (t == NULL) continue;
        const struct assign_topic key = {.id = t->id};
        const struct assign_topic *found =
            bsearch(&key, v->topics, v->topic_count, sizeof key, topic_by_id);
        ASSERT(found != NULL);
        indexes[count++] = (uint32_t)(found - v->topics);
    }
    return count;
}

static bool subscribe(const struct consumer *g, const struct view *v,
                      const struct consumer_member *m, struct assign_member *out) {
    const struct names *own = consumer_topics(m), *more = regex_topics(g, m);
    uint32_t *indexes =
        arena_array(&g->coordinator->fx->arena, (size_t)own->count + more->count, 4);
    uint32_t kept = 0;
    if (indexes == NULL) return false;
    uint32_t count = add_indexes(g, v, own, indexes, 0);
    count = add_indexes(g, v, more, indexes, count);
    if (count > 1) qsort(indexes, count, sizeof *indexes, by_number);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || indexes[kept - 1] != indexes[i]) indexes[kept++] = indexes[i];
    }
    out->topics = indexes;
    out->topic_count = kept;
    return true;
}

static bool view_members(const struct consumer *g, struct view *v) {
    struct arena *arena = &g->coordinator->fx->arena;
    v->members = consumer_members_sorted(g, arena);
    v->member_count = (uint32_t)g->members.count;
    v->assign = arena_array(arena, v->member_count, sizeof *v->assign);
    if (v->members == NULL || v->assign == NULL) return false;
    for (uint32_t i = 0; i < v->member_count; i++) {
        const struct consumer_member *m = v->members[i];
        v->assign[i] =
            (struct assign_member){.id = m->id, .instance_id = m->instance_id, .before = m->target};
        if (i > 0 && same_subscription(g, v->members[i - 1], m)) {
            v->assign[i].topics = v->assign[i - 1].topics;
            v->assign[i].topic_count = v->assign[i - 1].topic_count;
        } else if (!subscribe(g, v, m, &v->assign[i])) {
            return false;
        }
    }
    return true;
}

/* --- the group's epoch --- */

static void raise_epoch(struct consumer *g) {
    g->epoch++;
    group_effects_unit(g->coordinator->fx);
    consumer_emitted(g, consumer_write_epoch(g));
}

/* 0: no topic. */
static int64_t metadata_hash(const struct view *v) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < v->topic_count; i++) {
        hash = hash_bytes(v->topics[i].id.b, 16, hash);
        hash = hash_bytes(&v->topics[i].partition_count, 4, hash);
    }
    return (int64_t)hash;
}

void consumer_refresh(struct consumer *g, bool changed) {
    int64_t offset = image_offset(g->coordinator->image);
    bool is_first = g->epoch == 0;
    if (!changed && !is_first && offset == g->image_offset) return;
    struct view view;
    refresh_regexes(g);
    if (!gather_topics(g, &view)) {
        g->coordinator->fx->is_broken = true;
        return;
    }
    g->image_offset = offset;
    int64_t hash = metadata_hash(&view);
    changed = changed || hash != g->metadata_hash;
    if (!changed && !is_first) return;
    g->metadata_hash = hash;
    /* Kafka's groups begin with 1; a first member that wants something makes it 2 at once. */
    if (is_first && changed) g->epoch = 1;
    raise_epoch(g);
}

/* --- the target --- */

/* The assignor that most members want; the first of the configured ones when none says. */
const struct assignor *consumer_assignor(const struct consumer *g) {
    uint32_t votes[ASSIGNOR_COUNT] = {0};
    size_t best = ASSIGNOR_COUNT;
    for (struct map_node *n = NULL; (n = map_next(&g->members, n)) != NULL;) {
        struct str name = CONTAINER_OF(n, struct consumer_member, node)->assignor;
        const struct assignor *assignor =
            name.ptr != NULL ? group_settings_assignor(g->coordinator->settings, name) : NULL;
        if (assignor != NULL) votes[assignor - assignors]++;
    }
    for (size_t i = 0; i < ASSIGNOR_COUNT; i++) {
        if (votes[i] > 0 && (best == ASSIGNOR_COUNT || votes[i] > votes[best])) best = i;
    }
    return best < ASSIGNOR_COUNT ? &assignors[best] : g->coordinator->settings->assignors[0];
}

/* A unit for each member: targets count only with the epoch's record behind them, so a part of them
 * in the log does no harm, and a large group's need not fit into one batch. */
static void take_targets(struct consumer *g, const struct view *v) {
    struct coordinator *c = g->coordinator;
    for (uint32_t i = 0; i < v->member_count; i++) {
        struct consumer_member *m = v->members[i];
        if (partition_set_eq(&m->target, &v->assign[i].after)) continue;
        if (!partition_set_keep(c->mem, &m->target, &v->assign[i].after)) {
            c->fx->is_broken = true;
            return;
        }
        group_effects_unit(c->fx);
        consumer_emitted(g, consumer_write_target(g, m));
    }
    g->target_epoch = g->epoch;
    /* A new group whose member wants nothing has no assignment that the next would wait for. */
    g->target_timestamp_ms = g->epoch > 1 ? c->now.wall_ms : 0;
    g->assigned_us = g->epoch > 1 ? c->now.mono_us : 0;
    group_effects_unit(c->fx);
    consumer_emitted(g, consumer_write_target_epoch(g));
}

static void assign_now(struct consumer *g) {
    struct view view;
    timers_clear(&g->coordinator->timers, &g->assign);
    bool done = gather_topics(g, &view) && view_members(g, &view);
    struct assignment assignment = {.topics = view.topics,
                                    .topic_count = view.topic_count,
                                    .members = view.assign,
                                    .member_count = view.member_count,
                                    .arena = &g->coordinator->fx->arena};
    if (!done || !consumer_assignor(g)->assign(&assignment)) {
        g->coordinator->fx->is_broken = true;
        return;
    }
    take_targets(g, &view);
}

static void on_assign(struct io_timer *timer) {
    struct consumer *g = CONTAINER_OF(timer, struct consumer, assign);
    if (g->epoch > g->target_epoch && g->members.count > 0) assign_now(g);
}

void consumer_assign_timer_init(struct consumer *g) { g->assign.fire = on_assign; }

void consumer_assign(struct consumer *g) {
    struct coordinator *c = g->coordinator;
    if (g->epoch <= g->target_epoch) return;
    uint64_t due_us = g->assigned_us + (uint64_t)consumer_assignment_interval_ms(g) * 1000;
    if (g->assigned_us == 0 || c->now.mono_us >= due_us) {
        assign_now(g);
    } else if (!io_timer_is_set(&g->assign)) {
        timers_set(&c->timers, &g->assign, due_us);
    }
}
