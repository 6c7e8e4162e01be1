/* tests/unit/broker/group/assignor.c - whatever members and topics there are, all that can be given
 * is given once, evenly, and stays where it was. */
#include "broker/group/assignor.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include "base/prng.h"

#define TOPICS 5
#define MEMBERS 12

struct world {
    struct mem mem;
    struct arena arena;
    struct prng prng;
    struct assign_topic topics[TOPICS];
    uint32_t subscribed[MEMBERS][TOPICS];
    char ids[MEMBERS][12];
    struct assign_member members[MEMBERS];
    struct assignment assignment;
};

static void world_make(struct world *w, uint64_t seed, bool alike) {
    *w = (struct world){0};
    arena_init(&w->arena, &w->mem, 65536, 0);
    prng_seed(&w->prng, seed);
    uint32_t topic_count = 1 + (uint32_t)prng_below(&w->prng, TOPICS);
    uint32_t member_count = 1 + (uint32_t)prng_below(&w->prng, MEMBERS);
    for (uint32_t t = 0; t < topic_count; t++) {
        w->topics[t].id.b[0] = (uint8_t)(t + 1);
        w->topics[t].partition_count = (int32_t)prng_below(&w->prng, 20);
    }
    for (uint32_t m = 0; m < member_count; m++) {
        struct assign_member *member = &w->members[m];
        (void)snprintf(w->ids[m], sizeof w->ids[m], "m%02u", m);
        *member = (struct assign_member){.id = str_of(w->ids[m]), .topics = w->subscribed[m]};
        for (uint32_t t = 0; t < topic_count; t++) {
            if (alike || prng_chance(&w->prng, 2, 3)) w->subscribed[m][member->topic_count++] = t;
        }
    }
    w->assignment = (struct assignment){.topics = w->topics,
                                        .topic_count = topic_count,
                                        .members = w->members,
                                        .member_count = member_count,
                                        .arena = &w->arena};
}

static void world_free(struct world *w) {
    arena_release(&w->arena);
    cr_expect_eq(w->mem.used_bytes, 0);
}

static bool subscribes(const struct assign_member *m, uint32_t topic) {
    for (uint32_t i = 0; i < m->topic_count; i++) {
        if (m->topics[i] == topic) return true;
    }
    return false;
}

static uint32_t subscribers(const struct assignment *a, uint32_t topic) {
    uint32_t count = 0;
    for (uint32_t m = 0; m < a->member_count; m++) count += subscribes(&a->members[m], topic);
    return count;
}

/* Every partition that somebody is subscribed to has one owner, who is. */
static void check_given(const struct assignment *a, const char *name, uint64_t seed) {
    for (uint32_t t = 0; t < a->topic_count; t++) {
        for (int32_t p = 0; p < a->topics[t].partition_count; p++) {
            uint32_t owners = 0;
            for (uint32_t m = 0; m < a->member_count; m++) {
                bool owns = partition_set_has(&a->members[m].after,
                                              (struct group_partition){.topic_id = a->topics[t].id,
                                                                       .index = p});
                owners += owns;
                cr_assert(!owns || subscribes(&a->members[m], t), "%s seed %llu", name,
                          (unsigned long long)seed);
            }
            cr_assert_eq(owners, subscribers(a, t) > 0, "%s seed %llu: topic %u-%d has %u owners",
                         name, (unsigned long long)seed, t, p, owners);
        }
    }
}

static uint32_t spread(const struct assignment *a) {
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t m = 0; m < a->member_count; m++) {
        least = MIN(least, a->members[m].after.count);
        most = MAX(most, a->members[m].after.count);
    }
    return most - least;
}

static uint32_t kept(const struct assignment *a) {
    uint32_t count = 0;
    for (uint32_t m = 0; m < a->member_count; m++) {
        for (uint32_t i = 0; i < a->members[m].before.count; i++)
            count += partition_set_has(&a->members[m].after, a->members[m].before.items[i]);
    }
    return count;
}

static void assign(struct world *w, const char *name) {
    cr_assert(assignor_find(str_of(name))->assign(&w->assignment));
}

static void take_over(struct world *w) {
    for (uint32_t m = 0; m < w->assignment.member_count; m++)
        w->members[m].before = w->members[m].after;
}

Test(assignor, everything_is_given_once_to_a_subscriber) {
    static const char *const names[] = {"uniform", "range"};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct world w;
        world_make(&w, seed, seed % 2 == 0);
        for (size_t i = 0; i < COUNT(names); i++) {
            assign(&w, names[i]);
            check_given(&w.assignment, names[i], seed);
        }
        world_free(&w);
    }
}

Test(assignor, uniform_is_even_among_members_alike) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct world w;
        world_make(&w, seed, true);
        assign(&w, "uniform");
        cr_assert_leq(spread(&w.assignment), 1, "seed %llu", (unsigned long long)seed);
        world_free(&w);
    }
}

/* The same again; then a member goes, or one comes: only what must move does. */
Test(assignor, uniform_leaves_partitions_where_they_are) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct world w;
        world_make(&w, seed, true);
        struct assignment *a = &w.assignment;
        assign(&w, "uniform");
        take_over(&w);
        assign(&w, "uniform");
        uint32_t total = 0;
        for (uint32_t m = 0; m < a->member_count; m++) total += a->members[m].before.count;
        cr_assert_eq(kept(a), total, "seed %llu: nothing changed", (unsigned long long)seed);
        if (a->member_count > 1) {
            uint32_t gone = a->members[--a->member_count].before.count;
            assign(&w, "uniform");
            check_given(a, "uniform", seed);
            cr_assert_leq(spread(a), 1, "seed %llu", (unsigned long long)seed);
            cr_assert_eq(kept(a), total - gone, "seed %llu: one left", (unsigned long long)seed);
            take_over(&w);
            a->members[a->member_count++].before = (struct partition_set){0};
            assign(&w, "uniform");
            uint32_t moved = total - kept(a);
            cr_assert_eq(moved, a->members[a->member_count - 1].after.count,
                         "seed %llu: one came, and %u moved", (unsigned long long)seed, moved);
        }
        world_free(&w);
    }
}

/* Nobody could give one to another subscriber and still have more than it. */
Test(assignor, uniform_is_as_even_as_subscriptions_allow) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct world w;
        world_make(&w, seed, false);
        const struct assignment *a = &w.assignment;
        assign(&w, "uniform");
        for (uint32_t m = 0; m < a->member_count; m++) {
            for (uint32_t i = 0; i < a->members[m].after.count; i++) {
                uint32_t topic = (uint32_t)a->members[m].after.items[i].topic_id.b[0] - 1;
                for (uint32_t o = 0; o < a->member_count; o++) {
                    if (!subscribes(&a->members[o], topic)) continue;
                    cr_assert_leq(a->members[m].after.count, a->members[o].after.count + 1,
                                  "seed %llu", (unsigned long long)seed);
                }
            }
        }
        world_free(&w);
    }
}

Test(assignor, range_splits_topics_of_the_same_size_alike) {
    struct world w;
    world_make(&w, 3, true);
    struct assignment *a = &w.assignment;
    a->topic_count = 2;
    a->member_count = 3;
    w.topics[0].partition_count = w.topics[1].partition_count = 7;
    for (uint32_t m = 0; m < 3; m++) {
        w.subscribed[m][0] = 0;
        w.subscribed[m][1] = 1;
        w.members[m].topic_count = 2;
    }
    w.members[2].instance_id = STR("first"); /* static members go before dynamic ones */
    assign(&w, "range");
    static const uint32_t counts[] = {4, 4, 6};
    for (uint32_t m = 0; m < 3; m++) {
        const struct partition_set *set = &w.members[m].after;
        cr_expect_eq(set->count, counts[m], "member %u has %u", m, set->count);
        for (uint32_t i = 0; i < set->count / 2; i++)
            cr_expect_eq(set->items[i].index, set->items[set->count / 2 + i].index);
    }
    cr_expect_eq(w.members[2].after.items[0].index, 0);
    world_free(&w);
}
