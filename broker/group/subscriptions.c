/* broker/group/subscriptions.c - names out of members' metadata. */
#include "broker/group/subscriptions.h"
#include "protocol/cursor.h"

struct subscribed {
    struct map_node node;
    size_t name_bytes;
    char name[];
};

static uint64_t name_hash(struct str name) { return hash_bytes(name.ptr, name.len, 4); }

static bool has_name(const struct map_node *node, const void *key) {
    const struct subscribed *s = CONTAINER_OF(node, struct subscribed, node);
    return str_eq((struct str){s->name, s->name_bytes}, *(const struct str *)key);
}

void subscriptions_init(struct subscriptions *s, struct mem *mem) {
    *s = (struct subscriptions){0};
    map_init(&s->names, mem);
}

void subscriptions_release(struct subscriptions *s) {
    subscriptions_clear(s);
    map_release(&s->names);
    s->is_known = false;
}

void subscriptions_clear(struct subscriptions *s) {
    for (struct map_node *n; (n = map_next(&s->names, NULL)) != NULL;) {
        struct subscribed *subscribed = CONTAINER_OF(n, struct subscribed, node);
        map_remove(&s->names, n);
        mem_free(s->names.mem, subscribed, sizeof *subscribed + subscribed->name_bytes);
    }
    s->is_known = true;
}

bool subscriptions_has(const struct subscriptions *s, struct str topic) {
    return map_find(&s->names, name_hash(topic), has_name, &topic) != NULL;
}

static enum status add_name(struct subscriptions *s, struct str name) {
    if (subscriptions_has(s, name)) return ST_OK;
    struct subscribed *subscribed = mem_alloc(s->names.mem, sizeof *subscribed + name.len);
    if (subscribed == NULL) return ST_NOMEM;
    subscribed->name_bytes = name.len;
    memcpy(subscribed->name, name.ptr, name.len);
    map_insert(&s->names, name_hash(name), &subscribed->node);
    return ST_OK;
}

/* Version, then an array of strings; what follows depends on the version. */
static enum status add_names(struct subscriptions *s, struct bytes metadata) {
    struct cursor cursor = cursor_of(metadata);
    const uint8_t *head = cursor_take(&cursor, 6);
    if (head == NULL || (int16_t)get_u16(head) < 0) return ST_CORRUPT;
    int32_t count = (int32_t)get_u32(head + 2);
    if (count < 0) return ST_CORRUPT;
    for (int32_t i = 0; i < count; i++) {
        const uint8_t *length = cursor_take(&cursor, 2);
        int16_t bytes = length != NULL ? (int16_t)get_u16(length) : -1;
        const uint8_t *name = bytes >= 0 ? cursor_take(&cursor, (size_t)bytes) : NULL;
        if (name == NULL) return ST_CORRUPT;
        enum status st = add_name(s, (struct str){(const char *)name, (size_t)bytes});
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

enum status subscriptions_add(struct subscriptions *s, struct bytes metadata) {
    enum status st = add_names(s, metadata);
    if (st != ST_OK) {
        subscriptions_clear(s);
        s->is_known = false;
    }
    return st;
}
