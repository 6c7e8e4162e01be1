/* controller/metadata/image_object.c - the objects of an image: one allocation each, laid out by
 * one function that runs twice, first to count, then to copy. */
#include "controller/metadata/image_impl.h"
#include "base/assert.h"

/* Where the next part goes; base == NULL: only counting. */
struct layout_cursor {
    uint8_t *base;
    size_t used;
};

static void *lay(struct layout_cursor *cursor, const void *from, size_t bytes) {
    size_t at = cursor->used;
    cursor->used += (bytes + 7) & ~(size_t)7;
    if (cursor->base == NULL || from == NULL) return NULL;
    if (bytes > 0) memcpy(cursor->base + at, from, bytes);
    return cursor->base + at;
}

static struct str lay_str(struct layout_cursor *cursor, struct str s) {
    if (s.ptr == NULL) return STR_NULL;
    return (struct str){lay(cursor, s.ptr, s.len), s.len};
}

static const int32_t *lay_ids(struct layout_cursor *cursor, const int32_t *ids, int32_t count) {
    return count > 0 ? lay(cursor, ids, (size_t)count * sizeof *ids) : NULL;
}

static const struct uuid *lay_uuids(struct layout_cursor *cursor, const struct uuid *ids,
                                    int32_t count) {
    return count > 0 ? lay(cursor, ids, (size_t)count * sizeof *ids) : NULL;
}

static const struct broker_endpoint *
lay_endpoints(struct layout_cursor *cursor, const struct broker_endpoint *from, int32_t count) {
    struct broker_endpoint *to = lay(cursor, from, (size_t)count * sizeof *from);
    for (int32_t i = 0; i < count; i++) {
        struct str name = lay_str(cursor, from[i].name), host = lay_str(cursor, from[i].host);
        if (to == NULL) continue;
        to[i].name = name;
        to[i].host = host;
    }
    return to;
}

static const struct feature_range *lay_features(struct layout_cursor *cursor,
                                                const struct feature_range *from, int32_t count) {
    struct feature_range *to = lay(cursor, from, (size_t)count * sizeof *from);
    for (int32_t i = 0; i < count; i++) {
        struct str name = lay_str(cursor, from[i].name);
        if (to != NULL) to[i].name = name;
    }
    return to;
}

static void lay_topic(struct layout_cursor *cursor, const struct topic_image *from,
                      struct topic_image *to) {
    to->name = lay_str(cursor, from->name);
    struct partition_image *partitions =
        lay(cursor, from->partitions, (size_t)from->partition_count * sizeof *from->partitions);
    for (int32_t i = 0; i < from->partition_count; i++) {
        const struct partition_image *p = &from->partitions[i];
        struct partition_image laid = *p;
        laid.replicas = lay_ids(cursor, p->replicas, p->replica_count);
        laid.isr = lay_ids(cursor, p->isr, p->isr_count);
        laid.elr = lay_ids(cursor, p->elr, p->elr_count);
        laid.last_known_elr = lay_ids(cursor, p->last_known_elr, p->last_known_elr_count);
        laid.adding = lay_ids(cursor, p->adding, p->adding_count);
        laid.removing = lay_ids(cursor, p->removing, p->removing_count);
        laid.directories = lay_uuids(cursor, p->directories, p->replica_count);
        if (partitions != NULL) partitions[i] = laid;
    }
    to->partitions = partitions;
}

static void lay_broker(struct layout_cursor *cursor, const struct broker_image *from,
                       struct broker_image *to) {
    to->rack = lay_str(cursor, from->rack);
    to->endpoints = lay_endpoints(cursor, from->endpoints, from->endpoint_count);
    to->features = lay_features(cursor, from->features, from->feature_count);
    to->directories = lay_uuids(cursor, from->directories, from->directory_count);
    to->cordoned = lay_uuids(cursor, from->cordoned, from->cordoned_count);
}

static void lay_controller(struct layout_cursor *cursor, const struct controller_image *from,
                           struct controller_image *to) {
    to->endpoints = lay_endpoints(cursor, from->endpoints, from->endpoint_count);
    to->features = lay_features(cursor, from->features, from->feature_count);
}

static void lay_config(struct layout_cursor *cursor, const struct config_image *from,
                       struct config_image *to) {
    to->name = lay_str(cursor, from->name);
    struct config_entry *entries =
        lay(cursor, from->entries, (size_t)from->count * sizeof *from->entries);
    for (int32_t i = 0; i < from->count; i++) {
        struct str key = lay_str(cursor, from->entries[i].key),
                   value = lay_str(cursor, from->entries[i].value);
        if (entries != NULL) entries[i] = (struct config_entry){key, value};
    }
    to->entries = entries;
}

static struct bytes lay_bytes(struct layout_cursor *cursor, struct bytes from) {
    return (struct bytes){lay(cursor, from.ptr, from.len), from.len};
}

static void lay_kept(struct layout_cursor *cursor, const struct kept_image *from,
                     struct kept_image *to) {
    to->key = lay_bytes(cursor, from->key);
    to->value = lay_bytes(cursor, from->value);
}

/* Makes `type`_object_new, -_free: count with a copy that is thrown away, allocate, copy. */
#define OBJECT(type)                                                                               \
    struct type##_object *type##_object_new(struct mem *mem, const struct type##_image *from) {    \
        struct type##_image to = *from;                                                            \
        struct layout_cursor cursor = {.base = NULL, .used = sizeof(struct type##_object)};        \
        lay_##type(&cursor, from, &to);                                                            \
        struct type##_object *object = mem_alloc(mem, cursor.used);                                \
        if (object == NULL) return NULL;                                                           \
        *object = (struct type##_object){.head.refs = 1, .bytes = cursor.used, .type = *from};     \
        cursor = (struct layout_cursor){.base = (uint8_t *)object, .used = sizeof *object};        \
        lay_##type(&cursor, from, &object->type);                                                  \
        ASSERT(cursor.used == object->bytes);                                                      \
        return object;                                                                             \
    }                                                                                              \
    static void type##_object_free(struct mem *mem, struct pmap_value *value) {                    \
        struct type##_object *object = CONTAINER_OF(value, struct type##_object, head);            \
        mem_free(mem, object, object->bytes);                                                      \
    }

OBJECT(topic)
OBJECT(broker)
OBJECT(controller)
OBJECT(config)
OBJECT(kept)

static int compare_ids(int32_t a, int32_t b) { return (a > b) - (a < b); }

static int compare_topic_name(const void *key, const struct pmap_value *value) {
    return str_cmp(*(const struct str *)key,
                   CONTAINER_OF(value, struct topic_object, head)->topic.name);
}
bool topic_is_by_metric(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.' || name.ptr[i] == '_') return true;
    }
    return false;
}

static char as_in_metric(char c) { return c == '.' ? '_' : c; }

/* By the names as they would be in a metric; among those that are one there, by the names. */
static int compare_topic_metric(const void *key, const struct pmap_value *value) {
    struct str a = *(const struct str *)key;
    struct str b = CONTAINER_OF(value, struct topic_object, head)->topic.name;
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        uint8_t x = (uint8_t)as_in_metric(a.ptr[i]), y = (uint8_t)as_in_metric(b.ptr[i]);
        if (x != y) return x < y ? -1 : 1;
    }
    return a.len != b.len ? (a.len < b.len ? -1 : 1) : str_cmp(a, b);
}
static int compare_topic_id(const void *key, const struct pmap_value *value) {
    return memcmp(((const struct uuid *)key)->b,
                  CONTAINER_OF(value, struct topic_object, head)->topic.id.b, 16);
}
static int compare_broker(const void *key, const struct pmap_value *value) {
    return compare_ids(*(const int32_t *)key,
                       CONTAINER_OF(value, struct broker_object, head)->broker.id);
}
static int compare_controller(const void *key, const struct pmap_value *value) {
    return compare_ids(*(const int32_t *)key,
                       CONTAINER_OF(value, struct controller_object, head)->controller.id);
}
static int compare_config(const void *key, const struct pmap_value *value) {
    const struct config_resource *wanted = key;
    const struct config_image *held = &CONTAINER_OF(value, struct config_object, head)->config;
    if (wanted->type != held->type) return wanted->type < held->type ? -1 : 1;
    return str_cmp(wanted->name, held->name);
}

static int compare_kept(const void *key, const struct pmap_value *value) {
    const struct kept_image *wanted = key;
    const struct kept_image *held = &CONTAINER_OF(value, struct kept_object, head)->kept;
    if (wanted->type != held->type) return wanted->type < held->type ? -1 : 1;
    return str_cmp((struct str){(const char *)wanted->key.ptr, wanted->key.len},
                   (struct str){(const char *)held->key.ptr, held->key.len});
}

const struct pmap_type topic_by_name_type = {compare_topic_name, topic_object_free};
const struct pmap_type topic_by_id_type = {compare_topic_id, topic_object_free};
const struct pmap_type topic_by_metric_type = {compare_topic_metric, topic_object_free};
const struct pmap_type broker_type = {compare_broker, broker_object_free};
const struct pmap_type controller_type = {compare_controller, controller_object_free};
const struct pmap_type config_type = {compare_config, config_object_free};
const struct pmap_type kept_type = {compare_kept, kept_object_free};
