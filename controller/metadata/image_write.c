/* controller/metadata/image_write.c - an image as the records of a snapshot: features
 * (metadata.version first), brokers, controllers, topics each with its partitions, configurations,
 * client quotas, producer ids, SCRAM credentials, delegation tokens.
 * Source: org.apache.kafka.image.MetadataImage.write and its parts. */
#include "controller/metadata/image.h"
#include "controller/metadata/image_impl.h"
#include "controller/metadata/metadata_record.h"

struct writer {
    const struct image *image;
    struct arena *arena;
    enum status (*emit)(void *context, struct bytes value);
    void *context;
    int16_t metadata_version;
};

static enum status put(struct writer *w, const struct schema *schema, int16_t version,
                       const void *message) {
    struct bytes value;
    enum status st = metadata_record_encode(schema, version, message, w->arena, &value);
    return st == ST_OK ? w->emit(w->context, value) : st;
}

static enum status write_feature(struct writer *w, const struct feature_level *feature) {
    struct feature_level_record record;
    feature_level_record_defaults(&record);
    record.name = feature->name;
    record.feature_level = feature->level;
    return put(w, &feature_level_record_schema, 0, &record);
}

static enum status write_features(struct writer *w) {
    uint32_t count;
    const struct feature_level *features = image_features(w->image, &count);
    enum status st = ST_OK;
    for (int first = 1; first >= 0; first--) {
        for (uint32_t i = 0; i < count && st == ST_OK; i++) {
            if (str_eq(features[i].name, STR(METADATA_VERSION)) == first)
                st = write_feature(w, &features[i]);
        }
    }
    return st;
}

/* Endpoints and features of a registration; `prefix` names the record's structs. */
#define FILL_REGISTRATION(w, record, prefix, from, ret_status)                                     \
    do {                                                                                           \
        (record)->end_points = prefix##_endpoint_array((w)->arena, (from)->endpoint_count);        \
        (record)->features = prefix##_feature_array((w)->arena, (from)->feature_count);            \
        *(ret_status) =                                                                            \
            (record)->end_points != NULL && (record)->features != NULL ? ST_OK : ST_NOMEM;         \
        (record)->end_points_count = *(ret_status) == ST_OK ? (from)->endpoint_count : 0;          \
        (record)->features_count = *(ret_status) == ST_OK ? (from)->feature_count : 0;             \
        for (int32_t i = 0; i < (record)->end_points_count; i++) {                                 \
            (record)->end_points[i].name = (from)->endpoints[i].name;                              \
            (record)->end_points[i].host = (from)->endpoints[i].host;                              \
            (record)->end_points[i].port = (from)->endpoints[i].port;                              \
            (record)->end_points[i].security_protocol = (from)->endpoints[i].security_protocol;    \
        }                                                                                          \
        for (int32_t i = 0; i < (record)->features_count; i++) {                                   \
            (record)->features[i].name = (from)->features[i].name;                                 \
            (record)->features[i].min_supported_version = (from)->features[i].min_level;           \
            (record)->features[i].max_supported_version = (from)->features[i].max_level;           \
        }                                                                                          \
    } while (0)

enum status broker_record_encode(const struct broker_image *broker, int16_t metadata_version,
                                 struct arena *arena, struct bytes *ret_value) {
    struct writer w = {.arena = arena};
    struct register_broker_record record;
    register_broker_record_defaults(&record);
    enum status st;
    FILL_REGISTRATION(&w, &record, register_broker_record, broker, &st);
    if (st != ST_OK) return st;
    record.broker_id = broker->id;
    record.is_migrating_zk_broker = broker->is_migrating_zk_broker;
    record.incarnation_id = broker->incarnation_id;
    record.broker_epoch = broker->epoch;
    record.rack = broker->rack;
    record.fenced = broker->fenced;
    record.in_controlled_shutdown = broker->in_controlled_shutdown;
    int16_t version = 2;
    if (metadata_version >= METADATA_VERSION_3_7_IV2) {
        version = 3;
        record.log_dirs = (struct uuid *)(uintptr_t)broker->directories;
        record.log_dirs_count = broker->directory_count;
    }
    if (metadata_version >= METADATA_VERSION_4_3_IV0) {
        version = 4;
        record.cordoned_log_dirs = (struct uuid *)(uintptr_t)broker->cordoned;
        record.cordoned_log_dirs_count = broker->cordoned_count;
    }
    return metadata_record_encode(&register_broker_record_schema, version, &record, arena,
                                  ret_value);
}

enum status controller_record_encode(const struct controller_image *controller, struct arena *arena,
                                     struct bytes *ret_value) {
    struct writer w = {.arena = arena};
    struct register_controller_record record;
    register_controller_record_defaults(&record);
    enum status st;
    FILL_REGISTRATION(&w, &record, register_controller_record, controller, &st);
    if (st != ST_OK) return st;
    record.controller_id = controller->id;
    record.incarnation_id = controller->incarnation_id;
    record.zk_migration_ready = controller->zk_migration_ready;
    return metadata_record_encode(&register_controller_record_schema, 0, &record, arena, ret_value);
}

enum status partition_record_encode(struct uuid topic_id, int32_t index,
                                    const struct partition_image *partition,
                                    int16_t metadata_version, struct arena *arena,
                                    struct bytes *ret_value) {
    struct partition_record record;
    partition_record_defaults(&record);
    record.partition_id = index;
    record.topic_id = topic_id;
    /* The encoder only reads. */
    record.replicas = (int32_t *)(uintptr_t)partition->replicas;
    record.replicas_count = partition->replica_count;
    record.isr = (int32_t *)(uintptr_t)partition->isr;
    record.isr_count = partition->isr_count;
    record.removing_replicas = (int32_t *)(uintptr_t)partition->removing;
    record.removing_replicas_count = partition->removing_count;
    record.adding_replicas = (int32_t *)(uintptr_t)partition->adding;
    record.adding_replicas_count = partition->adding_count;
    record.leader = partition->leader;
    record.leader_recovery_state = partition->leader_recovery_state;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    int16_t version = 0;
    if (metadata_version >= METADATA_VERSION_3_7_IV2) {
        version = 1;
        record.directories = (struct uuid *)(uintptr_t)partition->directories;
        record.directories_count = partition->replica_count;
    }
    if (metadata_version >= METADATA_VERSION_4_0_IV1) {
        version = 2;
        if (partition->elr_count > 0) {
            record.eligible_leader_replicas = (int32_t *)(uintptr_t)partition->elr;
            record.eligible_leader_replicas_count = partition->elr_count;
        }
        if (partition->last_known_elr_count > 0) {
            record.last_known_elr = (int32_t *)(uintptr_t)partition->last_known_elr;
            record.last_known_elr_count = partition->last_known_elr_count;
        }
    }
    return metadata_record_encode(&partition_record_schema, version, &record, arena, ret_value);
}

static enum status write_cluster(struct writer *w) {
    struct image_iter iter;
    struct bytes value;
    image_iter_brokers(w->image, &iter);
    for (const struct broker_image *broker; (broker = image_next_broker(&iter)) != NULL;) {
        enum status st = broker_record_encode(broker, w->metadata_version, w->arena, &value);
        if (st == ST_OK) st = w->emit(w->context, value);
        if (st != ST_OK) return st;
    }
    image_iter_controllers(w->image, &iter);
    for (const struct controller_image *controller;
         (controller = image_next_controller(&iter)) != NULL;) {
        enum status st = controller_record_encode(controller, w->arena, &value);
        if (st == ST_OK) st = w->emit(w->context, value);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static enum status write_topic(struct writer *w, const struct topic_image *topic) {
    struct topic_record record;
    topic_record_defaults(&record);
    record.name = topic->name;
    record.topic_id = topic->id;
    enum status st = put(w, &topic_record_schema, 0, &record);
    for (int32_t i = 0; i < topic->partition_count && st == ST_OK; i++) {
        struct bytes value;
        st = partition_record_encode(topic->id, i, &topic->partitions[i], w->metadata_version,
                                     w->arena, &value);
        if (st == ST_OK) st = w->emit(w->context, value);
    }
    return st;
}

static enum status write_config(struct writer *w, const struct config_image *config) {
    for (int32_t i = 0; i < config->count; i++) {
        struct config_record record;
        config_record_defaults(&record);
        record.resource_type = config->type;
        record.resource_name = config->name;
        record.name = config->entries[i].key;
        record.value = config->entries[i].value;
        enum status st = put(w, &config_record_schema, 0, &record);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static enum status write_producer_ids(struct writer *w) {
    if (w->image->next_producer_id < 0) return ST_OK;
    struct producer_ids_record record;
    producer_ids_record_defaults(&record);
    record.broker_id = -1;
    record.broker_epoch = -1;
    record.next_producer_id = w->image->next_producer_id;
    return put(w, &producer_ids_record_schema, 0, &record);
}

/* Those of one type, as they were. */
static enum status write_kept(struct writer *w, uint32_t type) {
    struct image_iter iter;
    image_iter_kept(w->image, &iter);
    for (const struct kept_image *kept; (kept = image_next_kept(&iter)) != NULL;) {
        enum status st = kept->type == type ? w->emit(w->context, kept->value) : ST_OK;
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

enum status image_write(const struct image *image, struct arena *arena,
                        enum status (*emit)(void *context, struct bytes value), void *context) {
    struct writer w = {
        .image = image,
        .arena = arena,
        .emit = emit,
        .context = context,
        .metadata_version = image_feature(image, STR(METADATA_VERSION)),
    };
    struct image_iter iter;
    enum status st = write_features(&w);
    if (st == ST_OK) st = write_cluster(&w);
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic;
         st == ST_OK && (topic = image_next_topic(&iter)) != NULL;) {
        st = write_topic(&w, topic);
    }
    image_iter_configs(image, &iter);
    for (const struct config_image *config;
         st == ST_OK && (config = image_next_config(&iter)) != NULL;) {
        st = write_config(&w, config);
    }
    if (st == ST_OK) st = write_kept(&w, CLIENT_QUOTA_RECORD);
    if (st == ST_OK) st = write_producer_ids(&w);
    if (st == ST_OK) st = write_kept(&w, USER_SCRAM_CREDENTIAL_RECORD);
    if (st == ST_OK) st = write_kept(&w, DELEGATION_TOKEN_RECORD);
    return st;
}
