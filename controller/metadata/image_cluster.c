/* controller/metadata/image_cluster.c - records of brokers and controllers.
 * Source: org.apache.kafka.image.ClusterDelta. */
#include "controller/metadata/image_builder.h"

static enum status broker_put(struct image_builder *b, const struct broker_image *broker) {
    struct broker_object *object = broker_object_new(b->next->mem, broker);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&b->next->brokers, &broker->id, &object->head);
    b->delta->brokers_changed = true;
    return ST_OK;
}

static int feature_order(const void *a, const void *b) {
    return str_cmp(((const struct feature_range *)a)->name,
                   ((const struct feature_range *)b)->name);
}

/* Both records' endpoints and features have the same fields but not the same structs. Features are
 * a map in Kafka: their order means nothing, so they are kept sorted. */
#define COPY_REGISTRATION(b, record, image, ret_status)                                            \
    do {                                                                                           \
        int32_t endpoint_count = MAX((record)->end_points_count, 0);                               \
        int32_t feature_count = MAX((record)->features_count, 0);                                  \
        struct broker_endpoint *endpoints =                                                        \
            arena_array((b)->arena, (size_t)endpoint_count, sizeof *endpoints);                    \
        struct feature_range *features =                                                           \
            arena_array((b)->arena, (size_t)feature_count, sizeof *features);                      \
        *(ret_status) = endpoints != NULL && features != NULL ? ST_OK : ST_NOMEM;                  \
        for (int32_t i = 0; *(ret_status) == ST_OK && i < endpoint_count; i++) {                   \
            endpoints[i] = (struct broker_endpoint){                                               \
                .name = (record)->end_points[i].name,                                              \
                .host = (record)->end_points[i].host,                                              \
                .port = (record)->end_points[i].port,                                              \
                .security_protocol = (record)->end_points[i].security_protocol,                    \
            };                                                                                     \
        }                                                                                          \
        for (int32_t i = 0; *(ret_status) == ST_OK && i < feature_count; i++) {                    \
            features[i] = (struct feature_range){                                                  \
                .name = (record)->features[i].name,                                                \
                .min_level = (record)->features[i].min_supported_version,                          \
                .max_level = (record)->features[i].max_supported_version,                          \
            };                                                                                     \
        }                                                                                          \
        if (*(ret_status) == ST_OK)                                                                \
            qsort(features, (size_t)feature_count, sizeof *features, feature_order);               \
        (image)->endpoint_count = endpoint_count;                                                  \
        (image)->endpoints = endpoints;                                                            \
        (image)->feature_count = feature_count;                                                    \
        (image)->features = features;                                                              \
    } while (0)

enum status apply_register_broker(struct image_builder *b,
                                  const struct register_broker_record *record) {
    struct broker_image broker = {
        .id = record->broker_id,
        .epoch = record->broker_epoch,
        .incarnation_id = record->incarnation_id,
        .rack = record->rack,
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
        .is_migrating_zk_broker = record->is_migrating_zk_broker,
        .directory_count = MAX(record->log_dirs_count, 0),
        .directories = record->log_dirs,
        .cordoned_count = record->cordoned_log_dirs_count,
        .cordoned = record->cordoned_log_dirs,
    };
    enum status st;
    COPY_REGISTRATION(b, record, &broker, &st);
    return st == ST_OK ? broker_put(b, &broker) : st;
}

enum status apply_register_controller(struct image_builder *b,
                                      const struct register_controller_record *record) {
    struct controller_image controller = {
        .id = record->controller_id,
        .incarnation_id = record->incarnation_id,
        .zk_migration_ready = record->zk_migration_ready,
    };
    enum status st;
    COPY_REGISTRATION(b, record, &controller, &st);
    if (st != ST_OK) return st;
    struct controller_object *object = controller_object_new(b->next->mem, &controller);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&b->next->controllers, &controller.id, &object->head);
    return ST_OK;
}

/* The registration that a record means; its epoch must be that registration's. */
static enum status broker_find(struct image_builder *b, const char *what, int32_t id, int64_t epoch,
                               struct broker_image *ret_broker) {
    const struct broker_image *broker = image_broker(b->next, id);
    if (broker == NULL)
        return REFUSE(b, ST_CORRUPT, "%s of broker %d, which is not registered", what, id);
    if (broker->epoch != epoch) {
        return REFUSE(b, ST_CORRUPT,
                      "%s of broker %d with epoch %lld; it registered with epoch %lld", what, id,
                      (long long)epoch, (long long)broker->epoch);
    }
    *ret_broker = *broker;
    return ST_OK;
}

enum status apply_fencing(struct image_builder *b, const char *what, int32_t id, int64_t epoch,
                          bool fenced) {
    struct broker_image broker;
    enum status st = broker_find(b, what, id, epoch, &broker);
    if (st != ST_OK) return st;
    broker.fenced = fenced;
    return broker_put(b, &broker);
}

enum status apply_broker_change(struct image_builder *b,
                                const struct broker_registration_change_record *record) {
    struct broker_image broker;
    enum status st = broker_find(b, "a change", record->broker_id, record->broker_epoch, &broker);
    if (st != ST_OK) return st;
    if (record->fenced < -1 || record->fenced > 1 || record->in_controlled_shutdown < 0 ||
        record->in_controlled_shutdown > 1) {
        return REFUSE(b, ST_UNSUPPORTED,
                      "a change of broker %d with fenced %d, in controlled shutdown %d",
                      record->broker_id, record->fenced, record->in_controlled_shutdown);
    }
    if (record->fenced != 0) broker.fenced = record->fenced > 0;
    if (record->in_controlled_shutdown != 0) broker.in_controlled_shutdown = true;
    if (record->log_dirs_count > 0) {
        broker.directories = record->log_dirs;
        broker.directory_count = record->log_dirs_count;
    }
    if (record->cordoned_log_dirs_count >= 0) {
        broker.cordoned = record->cordoned_log_dirs;
        broker.cordoned_count = record->cordoned_log_dirs_count;
    }
    return broker_put(b, &broker);
}

enum status apply_unregister_broker(struct image_builder *b,
                                    const struct unregister_broker_record *record) {
    struct broker_image broker;
    enum status st =
        broker_find(b, "an unregistration", record->broker_id, record->broker_epoch, &broker);
    if (st != ST_OK) return st;
    (void)pmap_remove(&b->next->brokers, &record->broker_id); /* broker_find has seen it */
    b->delta->brokers_changed = true;
    return ST_OK;
}
