/* broker/metrics/metrics.h - what this broker tells of itself: the one table of metrics, and the
 * counters that a shard keeps.
 *
 * The table: one row a metric gives name, type, unit, labels, help and what Kafka calls it; the
 * text of /metrics (broker/metrics/page.h) and docs/metrics.md are made of it. Rows are sorted by
 * name. Names are Prometheus': the unit last, _total for counters, base units.
 *
 * The counters: a shard counts for itself, without locks or allocations; who shows them sums over
 * the shards, from any thread, by relaxed loads. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the names. */
enum metric_id {
    METRIC_ACTIVE_CONTROLLERS,
    METRIC_ALLOCATOR_MAPPED,
    METRIC_ALLOCATOR_USED,
    METRIC_BROKERS_LIVE,
    METRIC_BUILD_INFO,
    METRIC_CLEANER_LAST_ROUND,
    METRIC_CLEANER_LOGS,
    METRIC_CLEANER_READ_BYTES,
    METRIC_CLEANER_REMOVED_RECORDS,
    METRIC_CLEANER_UNCLEANABLE,
    METRIC_CLEANER_WRITTEN_BYTES,
    METRIC_CLUSTER_PARTITIONS,
    METRIC_CLUSTER_PARTITIONS_OFFLINE,
    METRIC_CLUSTER_PARTITIONS_UNDER_REPLICATED,
    METRIC_CLUSTER_TOPICS,
    METRIC_CONNECTIONS,
    METRIC_CONNECTIONS_BROKEN,
    METRIC_CONNECTIONS_EXPIRED,
    METRIC_CONNECTIONS_MOVED,
    METRIC_CONNECTIONS_OPENED,
    METRIC_CONNECTIONS_REFUSED,
    METRIC_CPUS,
    METRIC_DIRECTORY_CORDONED,
    METRIC_DIRECTORY_CORRUPT_READS,
    METRIC_DIRECTORY_FREE,
    METRIC_DIRECTORY_FULL,
    METRIC_DIRECTORY_INLINE_STALLS,
    METRIC_DIRECTORY_INLINE_WRITES,
    METRIC_DIRECTORY_OFFLINE,
    METRIC_DIRECTORY_RESERVE,
    METRIC_DIRECTORY_RING_WRITES,
    METRIC_DIRECTORY_RUNG,
    METRIC_DIRECTORY_SIZE,
    METRIC_DIRECTORY_SYNCFS,
    METRIC_DIRECTORY_SYNCS,
    METRIC_DIRECTORY_VERIFIED_BYTES,
    METRIC_DIRECTORY_WAIT,
    METRIC_FETCH_FAILED,
    METRIC_FETCH_BYTES,
    METRIC_GROUP_COMMIT_AGE,
    METRIC_GROUP_COMMITS,
    METRIC_GROUP_COMMITTED_OFFSET,
    METRIC_GROUP_LAG_RECORDS,
    METRIC_GROUP_LAG_SECONDS,
    METRIC_GROUP_LAG_STABLE_RECORDS,
    METRIC_GROUP_MEMBERS,
    METRIC_GROUP_OFFSETS_UNLISTED,
    METRIC_GROUP_STATE,
    METRIC_GROUPS,
    METRIC_GROUPS_UNLISTED,
    METRIC_LONG_BATCHES,
    METRIC_MACHINE_MEMORY,
    METRIC_MEMORY_LIMIT,
    METRIC_MESSAGES_WAITING,
    METRIC_PARTITION_END_OFFSET,
    METRIC_PARTITION_HIGH_WATERMARK,
    METRIC_PARTITION_LOG_BYTES,
    METRIC_PARTITION_START_OFFSET,
    METRIC_PARTITIONS,
    METRIC_PARTITIONS_OFFLINE,
    METRIC_PARTITIONS_UNLISTED,
    METRIC_PRODUCE_FAILED,
    METRIC_PRODUCE_BYTES,
    METRIC_PRODUCE_RECORDS,
    METRIC_READY,
    METRIC_BYTES_IN,
    METRIC_RECOVERY_BYTES,
    METRIC_RECOVERY_LOGS,
    METRIC_RECOVERY_SEGMENTS,
    METRIC_REQUEST_DURATION,
    METRIC_REQUEST_ERRORS,
    METRIC_REQUESTS_REFUSED,
    METRIC_REQUESTS_TOGETHER,
    METRIC_REQUESTS,
    METRIC_RETENTION_BYTES,
    METRIC_RETENTION_SEGMENTS,
    METRIC_SCRAPE_COMPLETE,
    METRIC_SCRUB_BYTES,
    METRIC_SCRUB_FINDINGS,
    METRIC_SCRUB_PASSES,
    METRIC_BYTES_OUT,
    METRIC_SHARD_ALLOCATIONS,
    METRIC_SHARD_MEMORY,
    METRIC_SHARD_MEMORY_PEAK,
    METRIC_SHARD_MESSAGES_RECEIVED,
    METRIC_SHARD_MESSAGES_SENT,
    METRIC_SHARD_MESSAGES_SPILLED,
    METRIC_SHARD_OPERATIONS_IN_FLIGHT,
    METRIC_SHARD_OPERATIONS,
    METRIC_SHARD_BUFFERS_MISSING,
    METRIC_SHARD_RING_FULL,
    METRIC_SHARD_RING_OVERFLOWS,
    METRIC_SHARD_TIMERS,
    METRIC_SHARD_TURNS,
    METRIC_TOPIC_FETCH_BYTES,
    METRIC_TOPIC_LOG_BYTES,
    METRIC_TOPIC_PARTITIONS,
    METRIC_TOPIC_PRODUCE_BYTES,
    METRIC_TOPIC_PRODUCE_RECORDS,
    METRIC_PROCESS_CPU,
    METRIC_PROCESS_MAX_FDS,
    METRIC_PROCESS_OPEN_FDS,
    METRIC_PROCESS_RESIDENT,
    METRIC_PROCESS_START_TIME,
    METRIC_PROCESS_VIRTUAL,
    METRIC_COUNT
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Where a row's samples come from, and so which labels they carry. */
enum metric_source {
    FROM_SHARDS,    /* the sum of the shards' struct metrics; no label */
    FROM_PROCESS,   /* asked of the system; no label */
    FROM_GATHERED,  /* worked out when the shards were asked; no label */
    FROM_BUILD,     /* version, kafka, compiler */
    FROM_API,       /* api */
    FROM_LATENCY,   /* api, le */
    FROM_ERROR,     /* api, error */
    FROM_SHARD,     /* shard; field of struct shard_sample */
    FROM_DIRECTORY, /* directory; field of struct directory_sample */
    FROM_TOPIC,     /* topic; field of struct topic_sample */
    FROM_PARTITION, /* topic, partition; field of struct partition_sample */
    FROM_GROUP,     /* group; field of struct group_sample */
    FROM_GROUP_STATE,  /* group, protocol, state */
    FROM_GROUP_OFFSET, /* group, topic, partition; field of struct group_offset_sample */
};

struct metric_row {
    const char *name;
    enum metric_type type;
    enum metric_source source;
    uint16_t field; /* offset of an int64_t in the sample of its source; 0 where it has none */
    const char *unit;
    const char *help;
    const char *kafka; /* Kafka's MBean that it stands for; NULL: none */
};
extern const struct metric_row metric_table[METRIC_COUNT];
const char *metric_type_name(enum metric_type type);
/** "topic, partition"; "" for none. */
const char *metric_labels(enum metric_source source);

/* --- what a shard counts --- */

#define METRIC_API_KEYS 128   /* APIs with a key below this are counted */
#define METRIC_ERROR_SLOTS 64 /* different (API, error) pairs that a shard tells apart */
#define LATENCY_BUCKETS 13    /* the last one has no bound */

/* Upper bounds of the others, in microseconds. */
extern const uint32_t latency_bounds_us[LATENCY_BUCKETS - 1];

/* Of one API. */
struct api_metrics {
    uint64_t requests;
    uint64_t latency[LATENCY_BUCKETS]; /* finished requests; not cumulative */
    uint64_t latency_us;               /* their sum */
};

/* Filled from the front; a slot with count 0 is free and ends the list. */
struct error_metrics {
    int16_t api_key, error;
    uint64_t count;
};

struct metrics {
    int64_t values[METRIC_COUNT]; /* FROM_SHARDS only */
    struct api_metrics apis[METRIC_API_KEYS];
    struct error_metrics errors[METRIC_ERROR_SLOTS];
    uint64_t other_errors; /* that found no slot */
};

static inline void metrics_raise(uint64_t *counter, uint64_t amount) {
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}
static inline void metrics_add(struct metrics *metrics, enum metric_id id, uint64_t amount) {
    __atomic_store_n(&metrics->values[id], metrics->values[id] + (int64_t)amount, __ATOMIC_RELAXED);
}
static inline void metrics_set(struct metrics *metrics, enum metric_id id, int64_t value) {
    __atomic_store_n(&metrics->values[id], value, __ATOMIC_RELAXED);
}
static inline void metrics_count_request(struct metrics *metrics, int16_t api_key) {
    if (api_key >= 0 && api_key < METRIC_API_KEYS)
        metrics_raise(&metrics->apis[api_key].requests, 1);
}
/** A request has its answer, or ended without one, this long after its frame was read. */
void metrics_count_latency(struct metrics *metrics, int16_t api_key, uint64_t took_us);
/** An answer says `error` somewhere. */
void metrics_count_error(struct metrics *metrics, int16_t api_key, int16_t error);
/** Adds one shard's counters to *sum; from any thread, while the shard goes on counting. */
void metrics_sum(struct metrics *sum, const struct metrics *shard);
