/* log/partition_metadata.h - `partition.metadata`: "version: 0\ntopic_id: <uuid>", no line end
 * after it. Source: org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile. */
#pragma once
#include "base/arena.h"
#include "base/job.h"

/** ST_NOT_FOUND: no such file; ST_CORRUPT: not readable as one. `dir` is terminated. */
MUST_CHECK enum status partition_metadata_read(struct job *job, const char *dir,
                                               struct uuid *ret_topic_id);
/** Writes the file when topic_id is not zero and there is none. ST_STALE: the directory belongs to
 * another topic id. */
MUST_CHECK enum status partition_metadata_check(struct job *job, const char *dir,
                                                struct uuid topic_id);
/** What the file says; {NULL, 0} without memory. */
struct str partition_metadata_text(struct uuid topic_id, struct arena *arena);
/** Whether a text is one of this topic id. */
bool partition_metadata_is_of(struct str text, struct uuid topic_id);
