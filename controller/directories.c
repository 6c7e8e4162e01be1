/* controller/directories.c - the records follow where replicas lie, and which directories take no
 * more. Source: ReplicationControlManager.handleAssignReplicasToDirs, handleDirectoriesCordoned. */
#include "controller/records.h"

/* Of one replica; without arena memory the records are lost, too. */
static void assign(const struct controller_context *ctx, const struct topic_image *topic,
                   int32_t index, int32_t replica, struct uuid directory,
                   struct controller_records *records) {
    const struct partition_image *partition = &topic->partitions[index];
    struct partition_change_record change = partition_change_begin(topic, index);
    size_t count = (size_t)partition->replica_count;
    change.directories = arena_array(ctx->arena, count, sizeof *change.directories);
    if (change.directories == NULL) {
        records->status = ST_NOMEM;
        return;
    }
    memcpy(change.directories, partition->directories, count * sizeof *change.directories);
    change.directories[replica] = directory;
    change.directories_count = partition->replica_count;
    controller_records_add(records, &partition_change_record_schema,
                           partition_change_version(ctx->image), &change);
}

void controller_assign_directories(const struct controller_context *ctx, int32_t broker_id,
                                   directory_of *where, void *where_context, uint32_t limit,
                                   struct controller_records *records) {
    struct image_iter iter;
    if (partition_change_version(ctx->image) == 0) return; /* it has no directories */
    image_iter_topics(ctx->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count && records->count < limit; i++) {
            const struct partition_image *partition = &topic->partitions[i];
            for (int32_t r = 0; r < partition->replica_count; r++) {
                if (partition->replicas[r] != broker_id) continue;
                struct uuid directory = where(where_context, topic, i);
                if (!uuid_is_zero(directory) && !uuid_eq(directory, partition->directories[r]))
                    assign(ctx, topic, i, r, directory, records);
            }
        }
    }
}

/* --- cordoned directories --- */

void controller_add_cordoned(int32_t broker_id, int64_t broker_epoch, const struct uuid *cordoned,
                             int32_t cordoned_count, struct controller_records *records) {
    struct broker_registration_change_record record;
    broker_registration_change_record_defaults(&record);
    record.broker_id = broker_id;
    record.broker_epoch = broker_epoch;
    record.cordoned_log_dirs = (struct uuid *)(uintptr_t)cordoned; /* the encoder only reads */
    record.cordoned_log_dirs_count = cordoned_count;
    controller_records_add(records, &broker_registration_change_record_schema, 3, &record);
}

static bool are_cordoned(const struct broker_image *broker, const struct uuid *directories,
                         int32_t count) {
    if (MAX(broker->cordoned_count, 0) != count) return false;
    for (int32_t i = 0; i < count; i++) {
        if (!broker_is_cordoned(broker, directories[i])) return false;
    }
    return true;
}

void controller_cordon_directories(const struct controller_context *ctx, int32_t broker_id,
                                   const struct uuid *cordoned, int32_t cordoned_count,
                                   struct controller_records *records) {
    const struct broker_image *broker = image_broker(ctx->image, broker_id);
    if (broker == NULL || are_cordoned(broker, cordoned, cordoned_count)) return;
    if (image_feature(ctx->image, STR(METADATA_VERSION)) < METADATA_VERSION_4_3_IV0) return;
    controller_add_cordoned(broker_id, broker->epoch, cordoned, cordoned_count, records);
}
