/* broker/group/classic_member.c - members of a classic group: in and out, and what they support. */
#include "base/assert.h"
#include "broker/group/classic.h"

static uint64_t text_hash(struct str text) { return hash_bytes(text.ptr, text.len, 5); }

/* --- support --- */

static bool has_protocol_name(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct classic_support, node)->name,
                  *(const struct str *)key);
}

static struct classic_support *find_support(const struct classic *g, struct str name) {
    struct map_node *node = map_find(&g->support, text_hash(name), has_protocol_name, &name);
    return node != NULL ? CONTAINER_OF(node, struct classic_support, node) : NULL;
}

static bool by_all(const struct classic *g, struct str name) {
    const struct classic_support *support = find_support(g, name);
    return support != NULL && support->count == g->members.count;
}

static void drop_support(struct classic *g, const struct classic_protocol *protocols,
                         int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        struct classic_support *support = find_support(g, protocols[i].name);
        if (--support->count > 0) continue;
        map_remove(&g->support, &support->node);
        group_text_free(g->coordinator->mem, &support->name);
        MEM_FREE(g->coordinator->mem, support);
    }
}

static bool add_support(struct classic *g, const struct classic_protocol *protocols,
                        int32_t count) {
    struct mem *mem = g->coordinator->mem;
    for (int32_t i = 0; i < count; i++) {
        struct classic_support *support = find_support(g, protocols[i].name);
        if (support == NULL) {
            support = mem_alloc(mem, sizeof *support);
            if (support != NULL) *support = (struct classic_support){0};
            if (support == NULL || !group_text_copy(mem, protocols[i].name, &support->name)) {
                if (support != NULL) MEM_FREE(mem, support);
                drop_support(g, protocols, i);
                return false;
            }
            map_insert(&g->support, text_hash(support->name), &support->node);
        }
        support->count++;
    }
    return true;
}

bool classic_supports(const struct classic *g, struct str protocol_type,
                      const struct join_group_request_protocol *protocols, int32_t count) {
    if (g->state == CLASSIC_EMPTY) return protocol_type.len > 0 && count > 0;
    if (!str_eq(g->protocol_type, protocol_type)) return false;
    for (int32_t i = 0; i < count; i++) {
        if (g->members.count == 0 || by_all(g, protocols[i].name)) return true;
    }
    return false;
}

/* --- protocols of a member --- */

/* A name that stands twice counts once, as in Kafka. */
static bool is_repeated(const struct join_group_request_protocol *protocols, int32_t index) {
    for (int32_t i = 0; i < index; i++) {
        if (str_eq(protocols[i].name, protocols[index].name)) return true;
    }
    return false;
}

size_t classic_protocols_bytes(const struct join_group_request_protocol *protocols, int32_t count) {
    size_t bytes = (size_t)count * sizeof(struct classic_protocol) + 1;
    for (int32_t i = 0; i < count; i++)
        bytes += protocols[i].name.len + protocols[i].metadata.len;
    return bytes;
}

struct classic_protocol *classic_copy_protocols(struct mem *mem,
                                                const struct join_group_request_protocol *in,
                                                int32_t count, int32_t *ret_count) {
    struct classic_protocol *out = mem_alloc(mem, classic_protocols_bytes(in, count));
    if (out == NULL) return NULL;
    uint8_t *at = (uint8_t *)&out[count];
    *ret_count = 0;
    for (int32_t i = 0; i < count; i++) {
        if (is_repeated(in, i)) continue;
        struct classic_protocol *protocol = &out[(*ret_count)++];
        protocol->name = (struct str){(char *)at, in[i].name.len};
        memcpy(at, in[i].name.ptr, in[i].name.len);
        at += in[i].name.len;
        protocol->metadata = (struct bytes){at, in[i].metadata.len};
        if (in[i].metadata.len > 0) memcpy(at, in[i].metadata.ptr, in[i].metadata.len);
        at += in[i].metadata.len;
    }
    return out;
}

bool classic_set_protocols(struct classic *g, struct classic_member *m,
                           const struct join_group_request_protocol *protocols, int32_t count) {
    struct mem *mem = g->coordinator->mem;
    int32_t kept = 0;
    struct classic_protocol *copy = classic_copy_protocols(mem, protocols, count, &kept);
    if (copy == NULL) return false;
    if (!add_support(g, copy, kept)) {
        mem_free(mem, copy, classic_protocols_bytes(protocols, count));
        return false;
    }
    if (m->protocols != NULL) {
        drop_support(g, m->protocols, m->protocol_count);
        mem_free(mem, m->protocols, m->protocols_bytes);
    }
    m->protocols = copy;
    m->protocol_count = kept;
    m->protocols_bytes = classic_protocols_bytes(protocols, count);
    return true;
}

bool classic_has_protocols(const struct classic_member *m,
                           const struct join_group_request_protocol *protocols, int32_t count) {
    int32_t at = 0;
    for (int32_t i = 0; i < count; i++) {
        if (is_repeated(protocols, i)) continue;
        if (at == m->protocol_count) return false;
        const struct classic_protocol *own = &m->protocols[at++];
        if (!str_eq(own->name, protocols[i].name) ||
            own->metadata.len != protocols[i].metadata.len ||
            memcmp(own->metadata.ptr, protocols[i].metadata.ptr, own->metadata.len) != 0)
            return false;
    }
    return at == m->protocol_count;
}

struct bytes classic_metadata(const struct classic_member *m, struct str protocol) {
    for (int32_t i = 0; i < m->protocol_count; i++) {
        if (str_eq(m->protocols[i].name, protocol)) return m->protocols[i].metadata;
    }
    return BYTES_NULL;
}

/* --- votes --- */

/* The first of a member's protocols that all support. */
static struct classic_support *vote_of(const struct classic *g, const struct classic_member *m) {
    for (int32_t i = 0; i < m->protocol_count; i++) {
        struct classic_support *support = find_support(g, m->protocols[i].name);
        if (support != NULL && support->count == g->members.count) return support;
    }
    return NULL;
}

struct str classic_vote(const struct classic *g) {
    struct str best = STR_NULL;
    uint32_t best_votes = 0;
    LIST_EACH(&g->order, node) {
        const struct classic_support *candidate =
            vote_of(g, CONTAINER_OF(node, struct classic_member, link));
        uint32_t votes = 0;
        if (candidate == NULL || str_eq(candidate->name, best)) continue;
        LIST_EACH(&g->order, other) {
            votes += vote_of(g, CONTAINER_OF(other, struct classic_member, link)) == candidate;
        }
        if (votes <= best_votes) continue; /* of equals, whoever joined first has its way */
        best = candidate->name;
        best_votes = votes;
        if (best_votes * 2 > g->members.count) break;
    }
    return best;
}

/* --- members --- */

static bool has_member_id(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct classic_member, node)->id, *(const struct str *)key);
}

static bool has_instance_id(const struct map_node *node, const void *key) {
    return str_eq(CONTAINER_OF(node, struct classic_member, static_node)->instance_id,
                  *(const struct str *)key);
}

struct classic_member *classic_find(const struct classic *g, struct str id) {
    struct map_node *node = map_find(&g->members, text_hash(id), has_member_id, &id);
    return node != NULL ? CONTAINER_OF(node, struct classic_member, node) : NULL;
}

struct classic_member *classic_find_static(const struct classic *g, struct str instance_id) {
    struct map_node *node =
        map_find(&g->statics, text_hash(instance_id), has_instance_id, &instance_id);
    return node != NULL ? CONTAINER_OF(node, struct classic_member, static_node) : NULL;
}

static void free_member(struct classic *g, struct classic_member *m) {
    struct mem *mem = g->coordinator->mem;
    group_text_free(mem, &m->id);
    group_text_free(mem, &m->instance_id);
    group_text_free(mem, &m->client_id);
    group_text_free(mem, &m->client_host);
    group_bytes_free(mem, &m->assignment);
    if (m->protocols != NULL) mem_free(mem, m->protocols, m->protocols_bytes);
    MEM_FREE(mem, m);
}

struct classic_member *classic_add(struct classic *g, const struct classic_newcomer *n) {
    struct mem *mem = g->coordinator->mem;
    struct classic_member *m = mem_alloc(mem, sizeof *m);
    if (m == NULL) return NULL;
    *m = (struct classic_member){.owner = g,
                                 .session_timeout_ms = n->session_timeout_ms,
                                 .rebalance_timeout_ms = n->rebalance_timeout_ms};
    bool done = group_text_copy(mem, n->id, &m->id) &&
                group_text_copy(mem, n->instance_id, &m->instance_id) &&
                group_text_copy(mem, n->client_id, &m->client_id) &&
                group_text_copy(mem, n->client_host, &m->client_host) &&
                classic_set_protocols(g, m, n->protocols, n->protocol_count);
    if (!done) {
        free_member(g, m);
        return NULL;
    }
    map_insert(&g->members, text_hash(m->id), &m->node);
    list_push_back(&g->order, &m->link);
    if (m->instance_id.ptr != NULL)
        map_insert(&g->statics, text_hash(m->instance_id), &m->static_node);
    if (g->leader == NULL) g->leader = m;
    return m;
}

void classic_remove(struct classic *g, struct classic_member *m) {
    ASSERT(m->join == NULL && m->sync == NULL);
    timers_clear(&g->coordinator->timers, &m->session);
    if (m->awaits_join) g->awaiting_join_count--;
    if (m->owes_sync) g->owes_sync_count--;
    drop_support(g, m->protocols, m->protocol_count);
    map_remove(&g->members, &m->node);
    list_remove(&m->link);
    if (m->instance_id.ptr != NULL) map_remove(&g->statics, &m->static_node);
    if (g->leader == m) {
        g->leader = list_is_empty(&g->order)
                        ? NULL
                        : CONTAINER_OF(g->order.next, struct classic_member, link);
    }
    free_member(g, m);
}

bool classic_rename(struct classic *g, struct classic_member *m, struct str id) {
    struct str copy;
    if (!group_text_copy(g->coordinator->mem, id, &copy)) return false;
    map_remove(&g->members, &m->node);
    group_text_free(g->coordinator->mem, &m->id);
    m->id = copy;
    map_insert(&g->members, text_hash(m->id), &m->node);
    return true;
}

bool classic_set_assignment(struct classic *g, struct classic_member *m, struct bytes assignment) {
    struct bytes copy;
    if (!group_bytes_copy(g->coordinator->mem, assignment, &copy)) return false;
    group_bytes_free(g->coordinator->mem, &m->assignment);
    m->assignment = copy;
    return true;
}

int32_t classic_rebalance_timeout_ms(const struct classic *g) {
    int32_t longest = 0;
    LIST_EACH(&g->order, node) {
        const struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        longest = MAX(longest, m->rebalance_timeout_ms);
    }
    return longest;
}
