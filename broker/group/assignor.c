/* broker/group/assignor.c - uniform and range. */
#include "broker/group/assignor.h"
#include <stdlib.h>
#include "base/assert.h"

#define NOBODY UINT32_MAX
#define MOVES_FACTOR 4 /* passes over all partitions while an uneven assignment is evened out */

/* Every partition has a place in one array: its topic's first, plus its index. */
struct table {
    struct assignment *a;
    uint32_t *first;  /* of each topic; topic_count + 1 of them */
    uint32_t *owners; /* member of each partition, or NOBODY */
    uint32_t *loads;  /* partitions of each member */
};

static bool table_make(struct assignment *a, struct table *t) {
    *t = (struct table){.a = a};
    t->first = arena_array(a->arena, (size_t)a->topic_count + 1, sizeof *t->first);
    t->loads = arena_array(a->arena, a->member_count, sizeof *t->loads);
    if (t->first == NULL || t->loads == NULL) return false;
    for (uint32_t i = 0; i < a->topic_count; i++)
        t->first[i + 1] = t->first[i] + (uint32_t)a->topics[i].partition_count;
    uint32_t total = t->first[a->topic_count];
    t->owners = arena_array(a->arena, total, sizeof *t->owners);
    if (t->owners == NULL) return false;
    for (uint32_t i = 0; i < total; i++) t->owners[i] = NOBODY;
    return true;
}

static void give(struct table *t, uint32_t place, uint32_t member) {
    if (t->owners[place] != NOBODY) t->loads[t->owners[place]]--;
    t->owners[place] = member;
    t->loads[member]++;
}

/* The table becomes the members' sets. Places rise with topic ids and indexes: sets come sorted. */
static bool table_take(struct table *t) {
    struct assignment *a = t->a;
    for (uint32_t m = 0; m < a->member_count; m++) {
        a->members[m].after.items =
            arena_array(a->arena, t->loads[m], sizeof(struct group_partition));
        a->members[m].after.count = 0;
        if (a->members[m].after.items == NULL) return false;
    }
    for (uint32_t i = 0; i < a->topic_count; i++) {
        for (uint32_t place = t->first[i]; place < t->first[i + 1]; place++) {
            if (t->owners[place] == NOBODY) continue;
            struct partition_set *set = &a->members[t->owners[place]].after;
            set->items[set->count++] =
                (struct group_partition){.topic_id = a->topics[i].id,
                                         .index = (int32_t)(place - t->first[i])};
        }
    }
    return true;
}

static int by_id(const void *key, const void *topic) {
    return memcmp(((const struct uuid *)key)->b, ((const struct assign_topic *)topic)->id.b, 16);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_subscribed(const struct assign_member *m, uint32_t topic) {
    return bsearch(&topic, m->topics, m->topic_count, sizeof topic, by_number) != NULL;
}

/* Where a partition that the member had stands in the table; NOBODY when it may not keep it. */
static uint32_t place_of(const struct table *t, const struct assign_member *m,
                         const struct group_partition *p) {
    const struct assign_topic *topic =
        bsearch(&p->topic_id, t->a->topics, t->a->topic_count, sizeof *topic, by_id);
    if (topic == NULL || p->index >= topic->partition_count) return NOBODY;
    uint32_t index = (uint32_t)(topic - t->a->topics);
    return is_subscribed(m, index) ? t->first[index] + (uint32_t)p->index : NOBODY;
}

/* --- uniform --- */

static bool all_alike(const struct assignment *a) {
    for (uint32_t m = 1; m < a->member_count; m++) {
        if (a->members[m].topic_count != a->members[0].topic_count ||
            (a->members[m].topic_count > 0 &&
             memcmp(a->members[m].topics, a->members[0].topics,
                    a->members[0].topic_count * sizeof *a->members[0].topics) != 0))
            return false;
    }
    return true;
}

/* A member keeps what it had, up to `most`. */
static void keep(struct table *t, uint32_t member, uint32_t most) {
    const struct assign_member *m = &t->a->members[member];
    for (uint32_t i = 0; i < m->before.count && t->loads[member] < most; i++) {
        uint32_t place = place_of(t, m, &m->before.items[i]);
        if (place != NOBODY && t->owners[place] == NOBODY) give(t, place, member);
    }
}

static uint32_t subscribed_total(const struct table *t) {
    const struct assign_member *m = &t->a->members[0];
    uint32_t total = 0;
    for (uint32_t i = 0; i < m->topic_count; i++)
        total += (uint32_t)t->a->topics[m->topics[i]].partition_count;
    return total;
}

/* The next member below `most`, from *next on; NOBODY when there is none. */
static uint32_t next_below(const struct table *t, uint32_t *next, uint32_t most) {
    while (*next < t->a->member_count && t->loads[*next] >= most) ++*next;
    return *next < t->a->member_count ? *next : NOBODY;
}

/* All subscribed to the same: everybody gets `least`, and `more` of them one on top. */
static void assign_alike(struct table *t) {
    struct assignment *a = t->a;
    uint32_t total = subscribed_total(t);
    uint32_t least = total / a->member_count, more = total % a->member_count;
    for (uint32_t m = 0; m < a->member_count; m++) keep(t, m, least);
    for (uint32_t m = 0; m < a->member_count && more > 0; m++) {
        keep(t, m, least + 1);
        more -= t->loads[m] > least;
    }
    uint32_t next = 0, most = least;
    for (uint32_t i = 0; i < a->members[0].topic_count; i++) {
        uint32_t topic = a->members[0].topics[i];
        for (uint32_t place = t->first[topic]; place < t->first[topic + 1]; place++) {
            if (t->owners[place] != NOBODY) continue;
            uint32_t member = next_below(t, &next, most);
            if (member == NOBODY) { /* all have the least: one each on top */
                next = 0;
                most = least + 1;
                member = next_below(t, &next, most);
            }
            give(t, place, member);
        }
    }
}

/* The subscriber of a topic with the fewest partitions, NOBODY without subscribers. */
static uint32_t least_loaded(const struct table *t, uint32_t topic) {
    uint32_t best = NOBODY;
    for (uint32_t m = 0; m < t->a->member_count; m++) {
        if ((best == NOBODY || t->loads[m] < t->loads[best]) &&
            is_subscribed(&t->a->members[m], topic))
            best = m;
    }
    return best;
}

/* Every partition to somebody, then moves from those who have two more than another could. Each
 * move makes the sum of squares smaller, so it ends; it is bounded all the same. */
static void assign_unlike(struct table *t) {
    struct assignment *a = t->a;
    for (uint32_t m = 0; m < a->member_count; m++) keep(t, m, UINT32_MAX);
    bool moved = true;
    for (unsigned pass = 0; pass < MOVES_FACTOR && moved; pass++) {
        moved = false;
        for (uint32_t topic = 0; topic < a->topic_count; topic++) {
            for (uint32_t place = t->first[topic]; place < t->first[topic + 1]; place++) {
                uint32_t owner = t->owners[place], best = least_loaded(t, topic);
                if (best == NOBODY) break;
                if (owner != NOBODY && t->loads[owner] <= t->loads[best] + 1) continue;
                give(t, place, best);
                moved = true;
            }
        }
    }
}

static bool assign_uniform(struct assignment *a) {
    struct table t;
    if (!table_make(a, &t)) return false;
    if (a->member_count > 0 && all_alike(a)) {
        assign_alike(&t);
    } else {
        assign_unlike(&t);
    }
    return table_take(&t);
}

/* --- range --- */

static int by_rank(const void *x, const void *y) {
    const struct assign_member *a = *(struct assign_member *const *)x;
    const struct assign_member *b = *(struct assign_member *const *)y;
    bool a_static = a->instance_id.ptr != NULL, b_static = b->instance_id.ptr != NULL;
    if (a_static && b_static) return str_cmp(a->instance_id, b->instance_id);
    if (a_static != b_static) return a_static ? -1 : 1;
    return str_cmp(a->id, b->id);
}

static void assign_topic_range(struct table *t, uint32_t topic, struct assign_member **ranked,
                               struct assign_member **subscribers) {
    struct assignment *a = t->a;
    uint32_t count = 0;
    for (uint32_t m = 0; m < a->member_count; m++) {
        if (is_subscribed(ranked[m], topic)) subscribers[count++] = ranked[m];
    }
    if (count == 0) return;
    uint32_t partitions = t->first[topic + 1] - t->first[topic], place = t->first[topic];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t share = partitions / count + (i < partitions % count);
        for (uint32_t n = 0; n < share; n++)
            give(t, place++, (uint32_t)(subscribers[i] - a->members));
    }
}

static bool assign_range(struct assignment *a) {
    struct table t;
    struct assign_member **ranked = arena_array(a->arena, a->member_count, sizeof(void *));
    struct assign_member **subscribers = arena_array(a->arena, a->member_count, sizeof(void *));
    if (ranked == NULL || subscribers == NULL || !table_make(a, &t)) return false;
    for (uint32_t m = 0; m < a->member_count; m++) ranked[m] = &a->members[m];
    if (a->member_count > 1) qsort(ranked, a->member_count, sizeof(void *), by_rank);
    for (uint32_t topic = 0; topic < a->topic_count; topic++)
        assign_topic_range(&t, topic, ranked, subscribers);
    return table_take(&t);
}

const struct assignor assignors[ASSIGNOR_COUNT] = {
    {"uniform", assign_uniform},
    {"range", assign_range},
};

const struct assignor *assignor_find(struct str name) {
    for (size_t i = 0; i < COUNT(assignors); i++) {
        if (str_eq(name, str_of(assignors[i].name))) return &assignors[i];
    }
    return NULL;
}
