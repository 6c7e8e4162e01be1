/* controller/controller.c - what all decisions share, and the smallest of them. */
#include "controller/controller.h"
#include "base/assert.h"
#include "controller/metadata/metadata_record.h"
#include "controller/records.h"

void controller_records_init(struct controller_records *records, struct arena *arena) {
    *records = (struct controller_records){.arena = arena, .status = ST_OK};
}

void controller_records_add_value(struct controller_records *records, struct bytes value) {
    if (records->status != ST_OK) return;
    if (records->count == records->capacity) {
        uint32_t capacity = MAX(records->capacity * 2, 16u);
        struct bytes *values = arena_array(records->arena, capacity, sizeof *values);
        if (values == NULL) {
            records->status = ST_NOMEM;
            return;
        }
        if (records->count > 0) memcpy(values, records->values, records->count * sizeof *values);
        records->values = values;
        records->capacity = capacity;
    }
    records->values[records->count++] = value;
}

void controller_records_add(struct controller_records *records, const struct schema *schema,
                            int16_t version, const void *message) {
    if (records->status != ST_OK) return;
    struct bytes value;
    records->status = metadata_record_encode(schema, version, message, records->arena, &value);
    controller_records_add_value(records, value);
}

int16_t partition_change_version(const struct image *image) {
    int16_t metadata_version = image_feature(image, STR(METADATA_VERSION));
    if (metadata_version >= METADATA_VERSION_4_0_IV1) return 2;
    return metadata_version >= METADATA_VERSION_3_7_IV2 ? 1 : 0;
}

struct partition_change_record partition_change_begin(const struct topic_image *topic,
                                                      int32_t partition) {
    struct partition_change_record record;
    partition_change_record_defaults(&record);
    record.topic_id = topic->id;
    record.partition_id = partition;
    return record;
}

void controller_allocate_producer_ids(const struct controller_context *ctx, int32_t broker_id,
                                      int64_t broker_epoch, int64_t *ret_first_id,
                                      struct controller_records *records) {
    int64_t first = image_next_producer_id(ctx->image);
    *ret_first_id = -1;
    if (first > INT64_MAX - PRODUCER_ID_BLOCK) return;
    struct producer_ids_record record;
    producer_ids_record_defaults(&record);
    record.broker_id = broker_id;
    record.broker_epoch = broker_epoch;
    record.next_producer_id = first + PRODUCER_ID_BLOCK;
    controller_records_add(records, &producer_ids_record_schema, 0, &record);
    *ret_first_id = first;
}
