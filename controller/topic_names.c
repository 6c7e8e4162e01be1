/* controller/topic_names.c - which names a topic may have. */
#include "controller/topic_names.h"
#include "base/assert.h"
#include "base/limits.h"

static bool is_legal(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

struct str topic_name_problem(struct str name, struct arena *arena) {
    if (name.len == 0) return STR("Topic name is invalid: the empty string is not allowed");
    if (str_eq(name, STR("."))) return STR("Topic name is invalid: '.' is not allowed");
    if (str_eq(name, STR(".."))) return STR("Topic name is invalid: '..' is not allowed");
    if (name.len > LIMIT_TOPIC_NAME_BYTES) {
        return arena_printf(
            arena,
            "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d",
            STR_ARG(name), LIMIT_TOPIC_NAME_BYTES);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (is_legal(name.ptr[i])) continue;
        return arena_printf(
            arena,
            "Topic name is invalid: '%.*s' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'",
            STR_ARG(name));
    }
    return STR_NULL;
}

/* The name with '_' for '.', in `text`; false when it has neither. */
static bool unify(struct str name, char text[LIMIT_TOPIC_NAME_BYTES]) {
    bool any = false;
    ASSERT(name.len <= LIMIT_TOPIC_NAME_BYTES);
    for (size_t i = 0; i < name.len; i++) {
        any = any || name.ptr[i] == '.' || name.ptr[i] == '_';
        text[i] = name.ptr[i] == '.' ? '_' : name.ptr[i];
    }
    return any;
}

static bool is_same_unified(const struct map_node *node, const void *key) {
    const struct str *unified = key;
    struct str name = CONTAINER_OF(node, struct collision, node)->name;
    char text[LIMIT_TOPIC_NAME_BYTES];
    (void)unify(name, text); /* it has one of the two, or would not be in the map */
    return str_eq((struct str){text, name.len}, *unified);
}

void collisions_find(const struct controller_context *ctx, struct collision *collisions,
                     uint32_t count) {
    struct map map;
    uint64_t seed;
    char text[LIMIT_TOPIC_NAME_BYTES];
    ctx->random(ctx->random_context, &seed, sizeof seed);
    map_init(&map, image_mem(ctx->image));
    for (uint32_t i = 0; i < count; i++) {
        collisions[i].existing = STR_NULL;
        if (!unify(collisions[i].name, text)) continue;
        map_insert(&map, hash_bytes(text, collisions[i].name.len, seed), &collisions[i].node);
    }
    struct image_iter iter;
    image_iter_topics(ctx->image, &iter);
    for (const struct topic_image *topic;
         map.count > 0 && (topic = image_next_topic(&iter)) != NULL;) {
        if (!unify(topic->name, text)) continue;
        struct str unified = {text, topic->name.len};
        uint64_t hash = hash_bytes(text, unified.len, seed);
        struct map_node *node;
        while ((node = map_find(&map, hash, is_same_unified, &unified)) !=
               NULL) { /* several may be one unified */
            CONTAINER_OF(node, struct collision, node)->existing = topic->name;
            map_remove(&map, node);
        }
    }
    map_release(&map);
}
