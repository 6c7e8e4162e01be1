/* controller/records.h - adding to the records of a decision; for the files of controller/ only. */
#pragma once
#include "controller/controller.h"

/** Encodes the message (of the metadata schema) behind the others; a failure sticks in
 * records->status. */
void controller_records_add(struct controller_records *records, const struct schema *schema,
                            int16_t version, const void *message);
/** Adds an encoded record. */
void controller_records_add_value(struct controller_records *records, struct bytes value);

/** PartitionChangeRecord's version for the image's metadata.version. */
int16_t partition_change_version(const struct image *image);
/** A PartitionChangeRecord that changes nothing yet. */
struct partition_change_record partition_change_begin(const struct topic_image *topic,
                                                      int32_t partition);

/** A BrokerRegistrationChangeRecord that names a broker's cordoned directories, all of them. */
void controller_add_cordoned(int32_t broker_id, int64_t broker_epoch, const struct uuid *cordoned,
                             int32_t cordoned_count, struct controller_records *records);

/** FeatureLevelRecords of a new cluster: every known feature at its highest level, metadata.version
 * first, as everything after it depends on it. */
void controller_add_default_features(struct controller_records *records);
