/* controller/metadata/image.c - making, sharing, freeing and reading images. */
#include "controller/metadata/image.h"
#include "base/assert.h"
#include "base/limits.h"
#include "controller/metadata/image_impl.h"

#define NAME(text)                                                                                 \
    { text, sizeof(text) - 1 }
static const struct known_feature features_known[] = {
    {NAME("eligible.leader.replicas.version"), 0, 1},
    {NAME("group.version"), 0, 1},
    {NAME(METADATA_VERSION), 7, 30},
    {NAME("share.version"), 0, 1},
    {NAME("streams.version"), 0, 1},
    {NAME("transaction.version"), 0, 2},
};

const struct known_feature *known_features(uint32_t *ret_count) {
    *ret_count = COUNT(features_known);
    return features_known;
}

struct image *image_new(struct mem *mem) {
    struct image *image = MEM_NEW(mem, struct image);
    *image = (struct image){.mem = mem, .offset = -1, .epoch = -1, .next_producer_id = -1};
    pmap_init(&image->topics_by_name, mem, &topic_by_name_type);
    pmap_init(&image->topics_by_metric, mem, &topic_by_metric_type);
    pmap_init(&image->topics_by_id, mem, &topic_by_id_type);
    pmap_init(&image->brokers, mem, &broker_type);
    pmap_init(&image->controllers, mem, &controller_type);
    pmap_init(&image->configs, mem, &config_type);
    pmap_init(&image->kept, mem, &kept_type);
    return image;
}

struct image *image_copy(const struct image *from) {
    struct image *image = MEM_NEW(from->mem, struct image);
    *image = *from;
    pmap_copy(&image->topics_by_name, &from->topics_by_name);
    pmap_copy(&image->topics_by_metric, &from->topics_by_metric);
    pmap_copy(&image->topics_by_id, &from->topics_by_id);
    pmap_copy(&image->brokers, &from->brokers);
    pmap_copy(&image->controllers, &from->controllers);
    pmap_copy(&image->configs, &from->configs);
    pmap_copy(&image->kept, &from->kept);
    if (image->features != NULL) image->features->head.refs++;
    return image;
}

void image_free(struct image *image) {
    if (image == NULL) return;
    pmap_release(&image->topics_by_name);
    pmap_release(&image->topics_by_metric);
    pmap_release(&image->topics_by_id);
    pmap_release(&image->brokers);
    pmap_release(&image->controllers);
    pmap_release(&image->configs);
    pmap_release(&image->kept);
    struct feature_object *features = image->features;
    if (features != NULL && --features->head.refs == 0)
        mem_free(image->mem, features, features->bytes);
    MEM_FREE(image->mem, image);
}

int64_t image_offset(const struct image *image) { return image->offset; }
int32_t image_epoch(const struct image *image) { return image->epoch; }
struct mem *image_mem(const struct image *image) {
    return image->mem;
}

static const struct topic_image *topic_of(const struct pmap_value *value) {
    return value != NULL ? &CONTAINER_OF(value, struct topic_object, head)->topic : NULL;
}
static const struct broker_image *broker_of(const struct pmap_value *value) {
    return value != NULL ? &CONTAINER_OF(value, struct broker_object, head)->broker : NULL;
}
static const struct controller_image *controller_of(const struct pmap_value *value) {
    return value != NULL ? &CONTAINER_OF(value, struct controller_object, head)->controller : NULL;
}
static const struct config_image *config_of(const struct pmap_value *value) {
    return value != NULL ? &CONTAINER_OF(value, struct config_object, head)->config : NULL;
}

const struct topic_image *image_topic_by_name(const struct image *image, struct str name) {
    return topic_of(pmap_get(&image->topics_by_name, &name));
}

const struct topic_image *image_topic_by_id(const struct image *image, struct uuid id) {
    return topic_of(pmap_get(&image->topics_by_id, &id));
}

const struct topic_image *image_topic_like(const struct image *image, struct str name) {
    char first[LIMIT_TOPIC_NAME_BYTES]; /* of all names that are one in a metric: all '.' */
    if (name.len > sizeof first) return NULL;
    for (size_t i = 0; i < name.len; i++) first[i] = name.ptr[i] == '_' ? '.' : name.ptr[i];
    struct str key = {first, name.len};
    struct pmap_iter iter;
    pmap_iter_seek(&image->topics_by_metric, &iter, &key);
    const struct topic_image *topic = topic_of(pmap_iter_next(&iter));
    if (topic == NULL || topic->name.len != name.len) return NULL;
    for (size_t i = 0; i < name.len; i++) {
        char c = topic->name.ptr[i];
        if ((c == '_' ? '.' : c) != first[i]) return NULL;
    }
    return topic;
}

uint32_t image_topic_count(const struct image *image) { return image->topics_by_id.count; }
uint64_t image_partition_count(const struct image *image) { return image->partition_count; }

const struct broker_image *image_broker(const struct image *image, int32_t id) {
    return broker_of(pmap_get(&image->brokers, &id));
}

const struct controller_image *image_controller(const struct image *image, int32_t id) {
    return controller_of(pmap_get(&image->controllers, &id));
}

const struct config_image *image_config(const struct image *image, int8_t type, struct str name) {
    struct config_resource key = {.type = type, .name = name};
    return config_of(pmap_get(&image->configs, &key));
}

struct str image_config_value(const struct image *image, int8_t type, struct str name,
                              struct str key) {
    const struct config_image *config = image_config(image, type, name);
    int32_t low = 0, high = config != NULL ? config->count : 0;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = str_cmp(key, config->entries[middle].key);
        if (order == 0) return config->entries[middle].value;
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return STR_NULL;
}

int16_t image_feature(const struct image *image, struct str name) {
    for (uint32_t i = 0; image->features != NULL && i < image->features->count; i++) {
        if (str_eq(image->features->levels[i].name, name)) return image->features->levels[i].level;
    }
    return 0;
}

const struct feature_level *image_features(const struct image *image, uint32_t *ret_count) {
    *ret_count = image->features != NULL ? image->features->count : 0;
    return image->features != NULL ? image->features->levels : NULL;
}

int64_t image_next_producer_id(const struct image *image) {
    return MAX(image->next_producer_id, 0);
}

void image_iter_topics(const struct image *image, struct image_iter *iter) {
    pmap_iter_init(&image->topics_by_name, &iter->inner);
}
const struct topic_image *image_next_topic(struct image_iter *iter) {
    return topic_of(pmap_iter_next(&iter->inner));
}

void image_iter_brokers(const struct image *image, struct image_iter *iter) {
    pmap_iter_init(&image->brokers, &iter->inner);
}
const struct broker_image *image_next_broker(struct image_iter *iter) {
    return broker_of(pmap_iter_next(&iter->inner));
}

void image_iter_controllers(const struct image *image, struct image_iter *iter) {
    pmap_iter_init(&image->controllers, &iter->inner);
}
const struct controller_image *image_next_controller(struct image_iter *iter) {
    return controller_of(pmap_iter_next(&iter->inner));
}

void image_iter_configs(const struct image *image, struct image_iter *iter) {
    pmap_iter_init(&image->configs, &iter->inner);
}
const struct config_image *image_next_config(struct image_iter *iter) {
    return config_of(pmap_iter_next(&iter->inner));
}

void image_iter_kept(const struct image *image, struct image_iter *iter) {
    pmap_iter_init(&image->kept, &iter->inner);
}
const struct kept_image *image_next_kept(struct image_iter *iter) {
    const struct pmap_value *value = pmap_iter_next(&iter->inner);
    return value != NULL ? &CONTAINER_OF(value, struct kept_object, head)->kept : NULL;
}

struct str image_problem(const struct image *image, int32_t node_id, struct arena *arena) {
    bool is_used = image->topics_by_id.count > 0 || image->brokers.count > 0;
    if (image_feature(image, STR(METADATA_VERSION)) == 0 && is_used) {
        return arena_printf(arena, "the metadata log has no %s", METADATA_VERSION);
    }
    struct image_iter iter;
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t p = 0; p < topic->partition_count; p++) {
            const struct partition_image *partition = &topic->partitions[p];
            for (int32_t r = 0; r < partition->replica_count; r++) {
                if (partition->replicas[r] == node_id) continue;
                return arena_printf(
                    arena,
                    "partition %.*s-%d has a replica on node %d; this node is %d, and clusters of "
                    "several nodes are not supported yet",
                    STR_ARG(topic->name), p, partition->replicas[r], node_id);
            }
        }
    }
    image_iter_brokers(image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        if (!broker->is_migrating_zk_broker) continue;
        return arena_printf(arena, "broker %d is registered as migrating from ZooKeeper",
                            broker->id);
    }
    return STR_NULL;
}
