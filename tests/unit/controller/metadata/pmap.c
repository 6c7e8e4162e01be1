/* tests/unit/controller/metadata/pmap.c - the persistent map against plain sorted arrays, one per
 * version. */
#include "controller/metadata/pmap.h"
#include "base/bytes.h"
#include "base/prng.h"
#include <criterion/criterion.h>

struct number {
    struct pmap_value head;
    int32_t key;
    int32_t payload;
};

static int number_compare(const void *key, const struct pmap_value *value) {
    int32_t wanted = *(const int32_t *)key, held = CONTAINER_OF(value, struct number, head)->key;
    return (wanted > held) - (wanted < held);
}
static int number_order(const struct pmap_value *a, const struct pmap_value *b) {
    return number_compare(&CONTAINER_OF(a, struct number, head)->key, b);
}
static void number_free(struct mem *mem, struct pmap_value *value) {
    MEM_FREE(mem, CONTAINER_OF(value, struct number, head));
}
static const struct pmap_type number_type = {.compare = number_compare, .free = number_free};

static void put(struct pmap *map, int32_t key, int32_t payload) {
    struct number *number = MEM_NEW(map->mem, struct number);
    *number = (struct number){.head.refs = 1, .key = key, .payload = payload};
    pmap_put(map, &key, &number->head);
}

#define KEYS 200
struct version {
    struct pmap map;
    int32_t payload[KEYS]; /* 0: not there */
};

static void expect_equal(const struct version *version, const char *when, int step) {
    struct pmap_iter iter;
    cr_assert(pmap_is_valid(&version->map, number_order), "%s, step %d", when, step);
    pmap_iter_init(&version->map, &iter);
    for (int32_t key = 0; key < KEYS; key++) {
        struct pmap_value *found = pmap_get(&version->map, &key);
        if (version->payload[key] == 0) {
            cr_assert_null(found, "%s, step %d: key %d is there", when, step, key);
            continue;
        }
        cr_assert_not_null(found, "%s, step %d: key %d is missing", when, step, key);
        cr_assert_eq(CONTAINER_OF(found, struct number, head)->payload, version->payload[key],
                     "%s, step %d: key %d", when, step, key);
        cr_assert_eq(pmap_iter_next(&iter), found, "%s, step %d: the walk at key %d", when, step,
                     key);
    }
    cr_assert_null(pmap_iter_next(&iter), "%s, step %d: the walk goes on", when, step);
}

Test(pmap, behaves_as_an_array_and_old_versions_stay_as_they_were) {
    enum { VERSIONS = 16, STEPS = 6000 };
    struct mem mem = {0};
    struct prng prng;
    prng_seed(&prng, 17);
    static struct version versions[VERSIONS];
    for (int i = 0; i < VERSIONS; i++) pmap_init(&versions[i].map, &mem, &number_type);
    for (int step = 1; step <= STEPS; step++) {
        struct version *v = &versions[prng_below(&prng, VERSIONS)];
        int32_t key = (int32_t)prng_below(&prng, KEYS);
        switch (prng_below(&prng, 10)) {
        case 0: { /* a version is replaced by a copy of another */
            struct version *from = &versions[prng_below(&prng, VERSIONS)];
            if (from == v) break;
            pmap_release(&v->map);
            *v = *from;
            pmap_copy(&v->map, &from->map);
            break;
        }
        case 1:
        case 2:
        case 3:
        case 4: {
            bool was = v->payload[key] != 0;
            cr_assert_eq(pmap_remove(&v->map, &key), was, "step %d", step);
            v->payload[key] = 0;
            break;
        }
        default: put(&v->map, key, step); v->payload[key] = step;
        }
        expect_equal(v, "the one changed", step);
        if (step % 100 == 0) {
            for (int i = 0; i < VERSIONS; i++) expect_equal(&versions[i], "every version", step);
        }
    }
    for (int i = 0; i < VERSIONS; i++) pmap_release(&versions[i].map);
    cr_expect_eq(mem.used_bytes, 0, "%zu octets are left", mem.used_bytes);
}

Test(pmap, stays_balanced_however_keys_come) {
    static const struct {
        const char *name;
        int32_t first, step;
    } rows[] = {{"ascending", 0, 1}, {"descending", 1 << 16, -1}, {"far apart", 0, 7919}};
    for (size_t r = 0; r < COUNT(rows); r++) {
        struct mem mem = {0};
        struct pmap map;
        pmap_init(&map, &mem, &number_type);
        for (int32_t i = 0; i < 20000; i++) put(&map, rows[r].first + i * rows[r].step, i);
        cr_expect(pmap_is_valid(&map, number_order), "%s: filled", rows[r].name);
        for (int32_t i = 0; i < 20000; i += 1 + i % 3) {
            int32_t key = rows[r].first + i * rows[r].step;
            cr_assert(pmap_remove(&map, &key), "%s: %d", rows[r].name, key);
        }
        cr_expect(pmap_is_valid(&map, number_order), "%s: thinned", rows[r].name);
        pmap_release(&map);
        cr_expect_eq(mem.used_bytes, 0, "%s", rows[r].name);
    }
}

Test(pmap, a_change_copies_only_the_path_to_it) {
    struct mem mem = {0};
    struct pmap map, next;
    pmap_init(&map, &mem, &number_type);
    for (int32_t i = 0; i < 4096; i++) put(&map, i, i);
    size_t before = mem.used_bytes;
    pmap_copy(&next, &map);
    cr_expect_eq(mem.used_bytes, before, "a copy takes no memory");
    put(&next, 100, -1);
    size_t node_bytes = (before - 4096 * sizeof(struct number)) / 4096;
    cr_expect_leq(mem.used_bytes - before, 14 * node_bytes + sizeof(struct number), "got %zu",
                  mem.used_bytes - before);
    uint64_t allocations = mem.alloc_count;
    put(&next, 100, -2);
    cr_expect_eq(mem.alloc_count - allocations, 1,
                 "a path that is its own already is not copied again");
    int32_t key = 100;
    cr_expect_eq(CONTAINER_OF(pmap_get(&map, &key), struct number, head)->payload, 100,
                 "the old version stands");
    pmap_release(&next);
    cr_expect_eq(mem.used_bytes, before);
    pmap_release(&map);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(pmap, a_walk_may_start_at_a_key) {
    struct mem mem = {0};
    struct pmap map;
    pmap_init(&map, &mem, &number_type);
    for (int32_t i = 0; i < 1000; i += 2) put(&map, i, i);
    for (int32_t from = -1; from <= 1000; from++) {
        struct pmap_iter iter;
        pmap_iter_seek(&map, &iter, &from);
        for (int32_t expected = from < 0 ? 0 : from + from % 2; expected < 1000; expected += 2) {
            struct pmap_value *value = pmap_iter_next(&iter);
            cr_assert_not_null(value, "from %d: %d is missing", from, expected);
            cr_assert_eq(CONTAINER_OF(value, struct number, head)->key, expected, "from %d", from);
        }
        cr_assert_null(pmap_iter_next(&iter), "from %d: the walk goes on", from);
    }
    pmap_release(&map);
    cr_expect_eq(mem.used_bytes, 0);
}
