/* broker/group/consumer_member.c - members, what they own, and who owns a partition. */
#include "base/assert.h"
#include "broker/group/classic.h"
#include "broker/group/consumer.h"

/* --- texts --- */

static bool same_text(struct str a, struct str b) {
    return (a.ptr == NULL) == (b.ptr == NULL) && str_eq(a, b);
}

bool consumer_set_text(struct consumer *g, struct str *own, struct str text, bool *ret_changed) {
    struct str copy;
    if (same_text(*own, text)) return true;
    if (!group_text_copy(g->coordinator->mem, text, &copy)) return false;
    group_text_free(g->coordinator->mem, own);
    *own = copy;
    *ret_changed = true;
    return true;
}

/* --- members --- */

static uint64_t text_hash(struct str text) { return hash_bytes(text.ptr, text.len, 8); }

static bool has_id(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct consumer_member, node)->id, *(const struct str *)key);
}

static bool has_instance(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct consumer_member, static_node)->instance_id,
                  *(const struct str *)key);
}

struct consumer_member *consumer_find(const struct consumer *g, struct str id) {
    struct map_node *node = map_find(&g->members, text_hash(id), has_id, &id);
    return node != NULL ? CONTAINER_OF(node, struct consumer_member, node) : NULL;
}

struct consumer_member *consumer_find_static(const struct consumer *g, struct str instance_id) {
    struct map_node *node =
        map_find(&g->statics, text_hash(instance_id), has_instance, &instance_id);
    return node != NULL ? CONTAINER_OF(node, struct consumer_member, static_node) : NULL;
}

struct consumer_member *consumer_add(struct consumer *g, struct str id) {
    struct mem *mem = g->coordinator->mem;
    struct consumer_member *m = mem_alloc(mem, sizeof *m);
    if (m == NULL) return NULL;
    *m = (struct consumer_member){.owner = g, .rebalance_timeout_ms = -1};
    if (!group_text_copy(mem, id, &m->id) || !group_text_copy(mem, STR(""), &m->client_id) ||
        !group_text_copy(mem, STR(""), &m->client_host)) {
        group_text_free(mem, &m->id);
        group_text_free(mem, &m->client_id);
        MEM_FREE(mem, m);
        return NULL;
    }
    consumer_timers_init(m);
    consumer_classic_init(m);
    map_insert(&g->members, text_hash(m->id), &m->node);
    return m;
}

bool consumer_set_instance(struct consumer *g, struct consumer_member *m, struct str instance_id) {
    struct str copy;
    if (same_text(m->instance_id, instance_id)) return true;
    if (!group_text_copy(g->coordinator->mem, instance_id, &copy)) return false;
    if (m->instance_id.ptr != NULL && consumer_find_static(g, m->instance_id) == m)
        map_remove(&g->statics, &m->static_node);
    group_text_free(g->coordinator->mem, &m->instance_id);
    m->instance_id = copy;
    if (copy.ptr == NULL) return true;
    struct consumer_member *before = consumer_find_static(g, copy);
    if (before != NULL) map_remove(&g->statics, &before->static_node);
    map_insert(&g->statics, text_hash(copy), &m->static_node);
    return true;
}

void consumer_remove(struct consumer *g, struct consumer_member *m) {
    struct mem *mem = g->coordinator->mem;
    const struct partition_set none = {0};
    bool freed = consumer_set_owned(g, m, &none, &none);
    ASSERT(freed); /* owning less takes no memory */
    timers_clear(&g->coordinator->timers, &m->session);
    timers_clear(&g->coordinator->timers, &m->rebalance);
    timers_clear(&g->coordinator->timers, &m->phase);
    map_remove(&g->members, &m->node);
    if (m->instance_id.ptr != NULL && consumer_find_static(g, m->instance_id) == m)
        map_remove(&g->statics, &m->static_node);
    group_text_free(mem, &m->id);
    group_text_free(mem, &m->instance_id);
    group_text_free(mem, &m->rack_id);
    group_text_free(mem, &m->client_id);
    group_text_free(mem, &m->client_host);
    group_text_free(mem, &m->assignor);
    group_text_free(mem, &m->regex);
    consumer_unsubscribe(g, m);
    if (m->protocols != NULL) mem_free(mem, m->protocols, m->protocols_bytes);
    partition_set_free(mem, &m->target);
    MEM_FREE(mem, m);
}

static bool same_protocols(const struct consumer_member *m,
                           const struct classic_protocol *protocols, int32_t count) {
    if (m->protocols == NULL || m->protocol_count != count) return false;
    for (int32_t i = 0; i < count; i++) {
        if (!str_eq(m->protocols[i].name, protocols[i].name) ||
            !bytes_eq(m->protocols[i].metadata, protocols[i].metadata))
            return false;
    }
    return true;
}

bool consumer_set_protocols(struct consumer *g, struct consumer_member *m,
                            const struct join_group_request_protocol *protocols, int32_t count,
                            bool *ret_changed) {
    struct mem *mem = g->coordinator->mem;
    struct classic_protocol *copy = NULL;
    size_t bytes = classic_protocols_bytes(protocols, count);
    int32_t kept = 0;
    if (count == 0 && m->protocols == NULL) return true;
    if (count > 0) {
        copy = classic_copy_protocols(mem, protocols, count, &kept);
        if (copy == NULL) return false;
        if (same_protocols(m, copy, kept)) {
            mem_free(mem, copy, bytes);
            return true;
        }
    }
    if (m->protocols != NULL) mem_free(mem, m->protocols, m->protocols_bytes);
    m->protocols = copy;
    m->protocol_count = kept;
    m->protocols_bytes = bytes;
    *ret_changed = true;
    return true;
}

struct consumer_member *consumer_replace(struct consumer *g, struct consumer_member *old,
                                         struct str id) {
    struct mem *mem = g->coordinator->mem;
    const struct partition_set none = {0};
    struct partition_set assigned = {0}, revoking = {0};
    bool changed = false;
    struct consumer_member *m = consumer_add(g, id);
    if (m == NULL) return NULL;
    bool done =
        partition_set_keep(mem, &m->target, &old->target) &&
        consumer_subscribe(g, m, consumer_topics(old)->items, (int32_t)consumer_topics(old)->count,
                           &changed) &&
        consumer_set_text(g, &m->rack_id, old->rack_id, &changed) &&
        consumer_set_text(g, &m->client_id, old->client_id, &changed) &&
        consumer_set_text(g, &m->client_host, old->client_host, &changed) &&
        consumer_set_text(g, &m->assignor, old->assignor, &changed) &&
        consumer_set_text(g, &m->regex, old->regex, &changed) &&
        partition_set_keep(mem, &assigned, &old->assigned) &&
        partition_set_keep(mem, &revoking, &old->revoking) &&
        consumer_set_owned(g, old, &none, &none) && consumer_set_owned(g, m, &assigned, &revoking);
    m->rebalance_timeout_ms = old->rebalance_timeout_ms;
    m->state = old->state;
    partition_set_free(mem, &assigned);
    partition_set_free(mem, &revoking);
    group_effects_unit(g->coordinator->fx);
    enum status st = done ? consumer_bury_member(g, old->id) : ST_NOMEM;
    if (st == ST_OK && !consumer_set_instance(g, m, old->instance_id)) st = ST_NOMEM;
    if (st == ST_OK) st = consumer_write_member(g, m);
    if (st == ST_OK) st = consumer_write_target(g, m);
    if (st == ST_OK) st = consumer_write_current(g, m);
    consumer_emitted(g, st);
    consumer_remove(g, old);
    return m;
}

/* --- owners --- */

static uint64_t partition_hash(struct group_partition p) {
    return hash_bytes(p.topic_id.b, 16, (uint64_t)(uint32_t)p.index + 1);
}

static bool is_of(const struct map_node *node, const void *key) {
    return group_partition_compare(&CONTAINER_OF(node, struct partition_owner, node)->partition,
                                   key) == 0;
}

static struct partition_owner *find_owner(const struct consumer *g, struct group_partition p) {
    struct map_node *node = map_find(&g->owners, partition_hash(p), is_of, &p);
    return node != NULL ? CONTAINER_OF(node, struct partition_owner, node) : NULL;
}

const struct consumer_member *consumer_owner(const struct consumer *g, struct group_partition p) {
    const struct partition_owner *owner = find_owner(g, p);
    return owner != NULL ? owner->member : NULL;
}

static bool own_all(struct consumer *g, const struct consumer_member *m,
                    const struct partition_set *set) {
    for (uint32_t i = 0; i < set->count; i++) {
        struct partition_owner *owner = find_owner(g, set->items[i]);
        if (owner == NULL) {
            owner = mem_alloc(g->coordinator->mem, sizeof *owner);
            if (owner == NULL) return false;
            owner->partition = set->items[i];
            map_insert(&g->owners, partition_hash(owner->partition), &owner->node);
        }
        owner->member = m;
    }
    return true;
}

static void disown(struct consumer *g, const struct consumer_member *m,
                   const struct partition_set *set) {
    for (uint32_t i = 0; i < set->count; i++) {
        struct partition_owner *owner = find_owner(g, set->items[i]);
        /* In a replay the next owner may stand in the log before the one that gave up. */
        if (owner == NULL || owner->member != m) continue;
        if (partition_set_has(&m->assigned, set->items[i]) ||
            partition_set_has(&m->revoking, set->items[i]))
            continue;
        map_remove(&g->owners, &owner->node);
        MEM_FREE(g->coordinator->mem, owner);
    }
}

bool consumer_set_owned(struct consumer *g, struct consumer_member *m,
                        const struct partition_set *assigned,
                        const struct partition_set *revoking) {
    struct mem *mem = g->coordinator->mem;
    struct partition_set old_assigned = m->assigned, old_revoking = m->revoking;
    struct partition_set new_assigned = {0}, new_revoking = {0};
    bool done = partition_set_keep(mem, &new_assigned, assigned) &&
                partition_set_keep(mem, &new_revoking, revoking);
    if (done) {
        m->assigned = new_assigned;
        m->revoking = new_revoking;
        done = own_all(g, m, assigned) && own_all(g, m, revoking);
    }
    if (!done) { /* what was owned in between is given up again */
        m->assigned = old_assigned;
        m->revoking = old_revoking;
        disown(g, m, &new_assigned);
        disown(g, m, &new_revoking);
        partition_set_free(mem, &new_assigned);
        partition_set_free(mem, &new_revoking);
        return false;
    }
    disown(g, m, &old_assigned);
    disown(g, m, &old_revoking);
    partition_set_free(mem, &old_assigned);
    partition_set_free(mem, &old_revoking);
    return true;
}
