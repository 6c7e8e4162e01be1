/* controller/registration.c - a process comes and goes: bootstrap of a new cluster, registration,
 * leadership. Source: ActivationRecordsGenerator, ClusterControlManager, ReplicationControlManager,
 * PartitionChangeBuilder. */
#include "controller/controller.h"
#include "controller/metadata/metadata_record.h"
#include "controller/records.h"

#define METADATA_VERSION_3_6_IV1 13 /* transactions of metadata */
#define METADATA_VERSION_3_7_IV0 15 /* registration of controllers */
#define ELR_FEATURE "eligible.leader.replicas.version"
#define KRAFT_VERSION_MAX 1
enum { FENCE = 1, UNFENCE = -1, ENTER_SHUTDOWN = 1, RECOVERING = 1 };

/* --- the first records of a cluster --- */

struct levels {
    int16_t metadata_version, elr;
};

static void levels_note(struct levels *levels, struct str name, int16_t level) {
    if (str_eq(name, STR(METADATA_VERSION))) levels->metadata_version = level;
    if (str_eq(name, STR(ELR_FEATURE))) levels->elr = level;
}

/* The levels that the bootstrap records finalize. Anything else in them is not ours to judge:
 * image_apply will. */
static void levels_read(const struct broker_registration *registration, struct arena *arena,
                        struct levels *levels) {
    for (uint32_t i = 0; i < registration->bootstrap_count; i++) {
        struct metadata_record record;
        struct feature_level_record feature;
        if (metadata_record_open(registration->bootstrap[i], &record) == ST_OK &&
            record.type == FEATURE_LEVEL_RECORD &&
            metadata_record_decode(&record, arena, &feature) == ST_OK) {
            levels_note(levels, feature.name, feature.feature_level);
        }
    }
}

static void add_feature(struct controller_records *records, const struct known_feature *feature) {
    struct feature_level_record record;
    feature_level_record_defaults(&record);
    record.name = feature->name;
    record.feature_level = feature->max_level;
    controller_records_add(records, &feature_level_record_schema, 0, &record);
}

void controller_add_default_features(struct controller_records *records) {
    uint32_t count;
    const struct known_feature *features = known_features(&count);
    for (int first = 1; first >= 0; first--) {
        for (uint32_t i = 0; i < count; i++) {
            if (str_eq(features[i].name, STR(METADATA_VERSION)) == first)
                add_feature(records, &features[i]);
        }
    }
}

static void default_levels(struct levels *levels) {
    uint32_t count;
    const struct known_feature *features = known_features(&count);
    for (uint32_t i = 0; i < count; i++)
        levels_note(levels, features[i].name, features[i].max_level);
}

/* With eligible leader replicas the cluster's default of min.insync.replicas is a record from the
 * first moment. */
static void add_min_insync_replicas(const struct controller_context *ctx,
                                    struct controller_records *records) {
    struct config_record record;
    config_record_defaults(&record);
    record.resource_type = CONFIG_BROKER;
    record.resource_name = STR("");
    record.name = STR("min.insync.replicas");
    record.value = arena_printf(ctx->arena, "%d", ctx->min_insync_replicas);
    if (record.value.ptr == NULL) records->status = ST_NOMEM;
    controller_records_add(records, &config_record_schema, 0, &record);
}

static struct levels bootstrap(const struct controller_context *ctx,
                               const struct broker_registration *registration,
                               struct controller_records *records) {
    struct levels levels = {0};
    if (registration->bootstrap_count > 0) {
        levels_read(registration, ctx->arena, &levels);
    } else {
        default_levels(&levels);
    }
    bool in_transaction = levels.metadata_version >= METADATA_VERSION_3_6_IV1;
    struct begin_transaction_record begin;
    begin_transaction_record_defaults(&begin);
    begin.name = STR("Bootstrap records");
    if (in_transaction)
        controller_records_add(records, &begin_transaction_record_schema, 0, &begin);
    for (uint32_t i = 0; i < registration->bootstrap_count; i++) {
        controller_records_add_value(records, registration->bootstrap[i]);
    }
    if (registration->bootstrap_count == 0) controller_add_default_features(records);
    if (levels.elr > 0) add_min_insync_replicas(ctx, records);
    struct end_transaction_record end;
    end_transaction_record_defaults(&end);
    if (in_transaction) controller_records_add(records, &end_transaction_record_schema, 0, &end);
    return levels;
}

/* --- registration --- */

/* Everything that this program speaks, kraft.version among it; sorted by name. */
static const struct feature_range *supported_features(struct arena *arena, int32_t *ret_count) {
    uint32_t known_count;
    const struct known_feature *known = known_features(&known_count);
    const struct known_feature kraft = {
        .name = STR("kraft.version"), .min_level = 0, .max_level = KRAFT_VERSION_MAX};
    struct feature_range *features = arena_array(arena, known_count + 1, sizeof *features);
    int32_t count = 0;
    bool placed = false;
    for (uint32_t i = 0; features != NULL && i <= known_count; i++) {
        if (!placed && (i == known_count || str_cmp(kraft.name, known[i].name) < 0)) {
            features[count++] =
                (struct feature_range){kraft.name, kraft.min_level, kraft.max_level};
            placed = true;
        }
        if (i == known_count) break;
        features[count++] =
            (struct feature_range){known[i].name, known[i].min_level, known[i].max_level};
    }
    *ret_count = count;
    return features;
}

static void add_controller(const struct controller_context *ctx,
                           const struct broker_registration *registration,
                           struct controller_records *records) {
    struct controller_image controller = {
        .id = registration->id,
        .incarnation_id = registration->incarnation_id,
        .endpoint_count = registration->controller_endpoint_count,
        .endpoints = registration->controller_endpoints,
    };
    controller.features = supported_features(ctx->arena, &controller.feature_count);
    struct bytes value;
    enum status st = controller_record_encode(&controller, ctx->arena, &value);
    if (controller.features == NULL) st = ST_NOMEM;
    if (st != ST_OK) records->status = st;
    controller_records_add_value(records, value);
}

static void add_broker(const struct controller_context *ctx,
                       const struct broker_registration *registration, int16_t metadata_version,
                       int64_t epoch, struct controller_records *records) {
    struct broker_image broker = {
        .id = registration->id,
        .epoch = epoch,
        .incarnation_id = registration->incarnation_id,
        .rack = registration->rack,
        .fenced = true,
        .endpoint_count = registration->endpoint_count,
        .endpoints = registration->endpoints,
        .directory_count = registration->directory_count,
        .directories = registration->directories,
        .cordoned_count = -1,
    };
    broker.features = supported_features(ctx->arena, &broker.feature_count);
    struct bytes value;
    enum status st = broker_record_encode(&broker, metadata_version, ctx->arena, &value);
    if (broker.features == NULL) st = ST_NOMEM;
    if (st != ST_OK) records->status = st;
    controller_records_add_value(records, value);
}

static void add_broker_change(int32_t id, int64_t epoch, int8_t fenced, int8_t shutdown,
                              struct controller_records *records) {
    struct broker_registration_change_record record;
    broker_registration_change_record_defaults(&record);
    record.broker_id = id;
    record.broker_epoch = epoch;
    record.fenced = fenced;
    record.in_controlled_shutdown = shutdown;
    controller_records_add(records, &broker_registration_change_record_schema,
                           shutdown != 0 ? 1 : 0, &record);
}

/* --- leadership --- */

static bool holds(const int32_t *ids, int32_t count, int32_t id) {
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) return true;
    }
    return false;
}

static const int32_t nobody[1];

/* As DirectoryId.isOnline: a place that is not known counts as good. */
static bool lies_online(const struct partition_image *partition, int32_t id,
                        const struct uuid *online, int32_t online_count) {
    for (int32_t r = 0; r < partition->replica_count; r++) {
        if (partition->replicas[r] != id) continue;
        struct uuid directory = partition->directories[r];
        if (uuid_eq(directory, DIRECTORY_UNASSIGNED) || uuid_eq(directory, DIRECTORY_MIGRATING))
            return true;
        for (int32_t i = 0; i < online_count; i++) {
            if (uuid_eq(directory, online[i])) return true;
        }
    }
    return false;
}

/* The broker leads the partition no more, and nobody else can. */
static void resign(const struct controller_context *ctx, const struct topic_image *topic,
                   int32_t index, int32_t *id, struct controller_records *records) {
    if (topic->partitions[index].leader != *id) return;
    struct partition_change_record change = partition_change_begin(topic, index);
    change.leader = PARTITION_LEADER_NONE;
    if (image_feature(ctx->image, STR(ELR_FEATURE)) > 0) {
        /* out of the ISR, and known to hold everything */
        change.isr = (int32_t *)(uintptr_t)nobody;
        change.isr_count = 0;
        change.eligible_leader_replicas = change.last_known_elr = id;
        change.eligible_leader_replicas_count = change.last_known_elr_count = 1;
    }
    controller_records_add(records, &partition_change_record_schema,
                           partition_change_version(ctx->image), &change);
}

/* The node is back: does it lead this partition now? */
static void elect(const struct controller_context *ctx, const struct topic_image *topic,
                  int32_t index, int32_t *id, struct controller_records *records) {
    const struct partition_image *partition = &topic->partitions[index];
    struct partition_change_record change = partition_change_begin(topic, index);
    bool in_isr = holds(partition->isr, partition->isr_count, *id);
    if (partition->leader != *id && partition->leader != PARTITION_LEADER_NONE) return;
    change.leader =
        *id; /* its own partition too: what it writes now is told from what it wrote before */
    if (!in_isr) {
        bool eligible = holds(partition->elr, partition->elr_count, *id);
        bool last_known = partition->elr_count == 0 && partition->last_known_elr_count == 1 &&
                          partition->last_known_elr[0] == *id;
        if (partition->isr_count > 0 || (!eligible && !last_known)) return;
        if (!eligible) change.leader_recovery_state = RECOVERING;
        change.isr = id;
        change.isr_count = 1;
        if (partition->elr_count > 0) {
            change.eligible_leader_replicas = (int32_t *)(uintptr_t)nobody;
            change.eligible_leader_replicas_count = 0;
        }
        if (partition->last_known_elr_count > 0) {
            change.last_known_elr = (int32_t *)(uintptr_t)nobody;
            change.last_known_elr_count = 0;
        }
    }
    controller_records_add(records, &partition_change_record_schema,
                           partition_change_version(ctx->image), &change);
}

void controller_register(const struct controller_context *ctx,
                         const struct broker_registration *registration, int64_t *ret_broker_epoch,
                         struct controller_records *records) {
    int16_t metadata_version = image_feature(ctx->image, STR(METADATA_VERSION));
    if (metadata_version == 0)
        metadata_version = bootstrap(ctx, registration, records).metadata_version;
    if (registration->controller_endpoint_count > 0 &&
        metadata_version >= METADATA_VERSION_3_7_IV0) {
        add_controller(ctx, registration, records);
    }
    int64_t epoch = ctx->next_offset + records->count;
    add_broker(ctx, registration, metadata_version, epoch, records);
    if (metadata_version >= METADATA_VERSION_4_3_IV0) {
        controller_add_cordoned(registration->id, epoch, registration->cordoned,
                                registration->cordoned_count, records);
    }
    add_broker_change(registration->id, epoch, UNFENCE, 0, records);
    int32_t id = registration->id;
    struct image_iter iter;
    image_iter_topics(ctx->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            bool online = lies_online(&topic->partitions[i], id, registration->directories,
                                      registration->directory_count);
            (online ? elect : resign)(ctx, topic, i, &id, records);
        }
    }
    *ret_broker_epoch = epoch;
}

void controller_shut_down(const struct controller_context *ctx, int32_t broker_id,
                          struct controller_records *records) {
    const struct broker_image *broker = image_broker(ctx->image, broker_id);
    if (broker == NULL || broker->fenced) return;
    add_broker_change(broker_id, broker->epoch, 0, ENTER_SHUTDOWN, records);
    struct image_iter iter;
    image_iter_topics(ctx->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++)
            resign(ctx, topic, i, &broker_id, records);
    }
    add_broker_change(broker_id, broker->epoch, FENCE, 0, records);
}

void controller_directories_offline(const struct controller_context *ctx, int32_t broker_id,
                                    const struct uuid *online, int32_t online_count,
                                    struct controller_records *records) {
    const struct broker_image *broker = image_broker(ctx->image, broker_id);
    if (broker == NULL) return;
    if (image_feature(ctx->image, STR(METADATA_VERSION)) >= METADATA_VERSION_3_7_IV2) {
        struct broker_registration_change_record record;
        broker_registration_change_record_defaults(&record);
        record.broker_id = broker_id;
        record.broker_epoch = broker->epoch;
        record.log_dirs = (struct uuid *)(uintptr_t)online;
        record.log_dirs_count = online_count;
        controller_records_add(records, &broker_registration_change_record_schema, 2, &record);
    }
    struct image_iter iter;
    image_iter_topics(ctx->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (!lies_online(&topic->partitions[i], broker_id, online, online_count))
                resign(ctx, topic, i, &broker_id, records);
        }
    }
}
