/* broker/group/consumer_topics.c - lists of topics, and which of them members are subscribed to. In
 * a large group most members are subscribed to the same: they share one list, and what the group as
 * a whole is subscribed to is found without looking at its members. */
#include <stdlib.h>
#include "base/assert.h"
#include "broker/group/consumer.h"

/* --- names --- */

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted, each once, borrowed; NULL without memory. */
static struct str *order_names(struct mem *mem, const struct str *items, int32_t count,
                               uint32_t *ret_kept) {
    struct str *sorted = mem_alloc(mem, ((size_t)count + 1) * sizeof *sorted);
    uint32_t kept = 0;
    if (sorted == NULL) return NULL;
    if (count > 0) memcpy(sorted, items, (size_t)count * sizeof *sorted);
    if (count > 1) qsort(sorted, (size_t)count, sizeof *sorted, by_text);
    for (int32_t i = 0; i < count; i++) {
        if (kept == 0 || !str_eq(sorted[kept - 1], sorted[i])) sorted[kept++] = sorted[i];
    }
    *ret_kept = kept;
    return sorted;
}

static bool copy_names(struct mem *mem, const struct str *items, uint32_t count,
                       struct names *ret_names) {
    size_t bytes = count * sizeof *items + 1;
    for (uint32_t i = 0; i < count; i++) bytes += items[i].len;
    struct str *copy = mem_alloc(mem, bytes);
    if (copy == NULL) return false;
    char *at = (char *)&copy[count];
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].len > 0) memcpy(at, items[i].ptr, items[i].len);
        copy[i] = (struct str){at, items[i].len};
        at += items[i].len;
    }
    *ret_names = (struct names){copy, count, bytes};
    return true;
}

static bool same_names(const struct names *own, const struct str *sorted, uint32_t count) {
    if (own->count != count) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!str_eq(own->items[i], sorted[i])) return false;
    }
    return true;
}

bool names_keep(struct mem *mem, struct names *own, const struct str *items, int32_t count,
                bool *ret_changed) {
    uint32_t kept = 0;
    count = MAX(count, 0);
    struct str *sorted = order_names(mem, items, count, &kept);
    struct names copy = {0};
    if (sorted == NULL) return false;
    bool is_same = same_names(own, sorted, kept);
    bool done = is_same || copy_names(mem, sorted, kept, &copy);
    mem_free(mem, sorted, ((size_t)count + 1) * sizeof *sorted);
    if (is_same || !done) return done;
    *ret_changed = true;
    names_free(mem, own);
    *own = copy;
    return true;
}

void names_free(struct mem *mem, struct names *own) {
    if (own->items != NULL) mem_free(mem, own->items, own->block_bytes);
    *own = (struct names){0};
}

bool names_have(const struct names *own, struct str name) {
    return own->count > 0 && bsearch(&name, own->items, own->count, sizeof name, by_text) != NULL;
}

/* --- subscriptions --- */

struct wanted {
    const struct str *sorted;
    uint32_t count;
};

static bool has_names(const struct map_node *node, const void *key) {
    const struct wanted *wanted = key;
    return same_names(&CONTAINER_OF(node, struct subscription, node)->names, wanted->sorted,
                      wanted->count);
}

static uint64_t names_hash(const struct str *sorted, uint32_t count) {
    uint64_t hash = count;
    for (uint32_t i = 0; i < count; i++) hash = hash_bytes(sorted[i].ptr, sorted[i].len, hash);
    return hash;
}

static struct subscription *find_or_make(struct consumer *g, const struct str *sorted,
                                         uint32_t count) {
    struct wanted wanted = {sorted, count};
    uint64_t hash = names_hash(sorted, count);
    struct map_node *node = map_find(&g->subscriptions, hash, has_names, &wanted);
    if (node != NULL) return CONTAINER_OF(node, struct subscription, node);
    struct mem *mem = g->coordinator->mem;
    struct subscription *new = mem_alloc(mem, sizeof *new);
    if (new == NULL) return NULL;
    *new = (struct subscription){0};
    if (!copy_names(mem, sorted, count, &new->names)) {
        MEM_FREE(mem, new);
        return NULL;
    }
    map_insert(&g->subscriptions, hash, &new->node);
    return new;
}

const struct names *consumer_topics(const struct consumer_member *m) {
    static const struct names none;
    return m->subscription != NULL ? &m->subscription->names : &none;
}

void consumer_unsubscribe(struct consumer *g, struct consumer_member *m) {
    struct mem *mem = g->coordinator->mem;
    struct subscription *old = m->subscription;
    m->subscription = NULL;
    if (old == NULL || --old->member_count > 0) return;
    map_remove(&g->subscriptions, &old->node);
    names_free(mem, &old->names);
    MEM_FREE(mem, old);
}

bool consumer_subscribe(struct consumer *g, struct consumer_member *m, const struct str *items,
                        int32_t count, bool *ret_changed) {
    struct mem *mem = g->coordinator->mem;
    uint32_t kept = 0;
    count = MAX(count, 0);
    struct str *sorted = order_names(mem, items, count, &kept);
    if (sorted == NULL) return false;
    bool is_same = same_names(consumer_topics(m), sorted, kept);
    struct subscription *new = kept > 0 && !is_same ? find_or_make(g, sorted, kept) : NULL;
    mem_free(mem, sorted, ((size_t)count + 1) * sizeof *sorted);
    if (is_same) return true;
    if (kept > 0 && new == NULL) return false;
    if (new != NULL) new->member_count++;
    consumer_unsubscribe(g, m);
    m->subscription = new;
    *ret_changed = true;
    return true;
}
