/* log/partition_metadata.h - `partition.metadata`: "version: 0\ntopic_id: <uuid>", no line end
 * after it. Source: org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile. */
#pragma once
#include "base/bytes.h"
#include "base/job.h"

/** ST_NOT_FOUND: no such file; ST_CORRUPT: not readable as one. `dir` is terminated. */
MUST_CHECK enum status partition_metadata_read(struct job *job, const char *dir,
                                               struct uuid *ret_topic_id);
/** Writes the file when topic_id is not zero and there is none. ST_INVALID: the directory belongs
 * to another topic id. */
MUST_CHECK enum status partition_metadata_check(struct job *job, const char *dir,
                                                struct uuid topic_id);
