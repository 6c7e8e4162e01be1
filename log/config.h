/* log/config.h - the effective settings of one log: topic configuration over broker defaults. Names
 * are Kafka's topic configuration keys with '_' for '.'; -1 means what it means there. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum timestamp_type { TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME };
enum cleanup_policy { CLEANUP_DELETE = 1, CLEANUP_COMPACT = 2 }; /* bits */

struct log_config {
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    int64_t segment_index_bytes;
    int64_t index_interval_bytes;
    int64_t max_message_bytes;
    int64_t retention_bytes;
    int64_t retention_ms;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t file_delete_delay_ms;
    int64_t message_timestamp_before_max_ms;
    int64_t message_timestamp_after_max_ms;
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    double min_cleanable_dirty_ratio;
    int32_t min_insync_replicas;
    int32_t compression_type; /* enum compression_type of protocol/compress.h; -1: producer */
    int32_t compression_level;
    enum timestamp_type message_timestamp_type;
    uint32_t cleanup_policy; /* enum cleanup_policy bits; 0: none */
    bool preallocate;
    bool unclean_leader_election_enable;
};
