/* broker/metrics/page.h - the text of /metrics (Prometheus' exposition format 0.0.4) from a sample.
 * Pure: what the shards and the system said goes in, text comes out. Every row of the table has its
 * HELP and TYPE, also when it has no samples now; rows, and the samples of a row, are in a fixed
 * order. How many series there are is bounded: APIs that were asked, METRIC_ERROR_SLOTS errors,
 * shards, directories, and topics and partitions up to the limits of broker/metrics/gather.h. */
#pragma once
#include "base/bytes.h"
#include "base/io.h"
#include "base/strbuf.h"
#include "broker/metrics/metrics.h"

struct shard_sample {
    struct io_stats io;
    int64_t memory_bytes, memory_peak_bytes, allocations;
};

struct directory_sample {
    struct str path;
    int64_t corrupt_reads, verified_bytes;
    int64_t inline_writes, inline_stalls, ring_writes, syncs, syncfs, offline;
    int64_t free_bytes, total_bytes, reserve_bytes, rung, full;
};

/* Of the partitions on this broker. */
struct topic_sample {
    struct str name;
    int64_t partitions, log_bytes, produce_bytes, produce_records, fetch_bytes;
};

struct partition_sample {
    struct str topic;
    int32_t index;
    int64_t log_start, log_end, high_watermark, log_bytes;
};

/* Arrays are borrowed. */
struct metrics_sample {
    struct metrics totals;
    /* FROM_PROCESS and FROM_GATHERED, and FROM_SHARDS from `totals`; what is not known has no
     * sample. */
    double values[METRIC_COUNT];
    bool known[METRIC_COUNT];
    const struct shard_sample *shards;
    const struct directory_sample *directories;
    const struct topic_sample *topics;         /* by name */
    const struct partition_sample *partitions; /* by topic, then index */
    uint32_t shard_count, directory_count, topic_count, partition_count;
    bool is_gathered; /* the four arrays hold */
};

/* What no listed topic accounts for: topics beyond the limit, and deleted ones. No topic can have
 * this name. */
#define METRICS_OTHER_TOPICS "(other)"

void metrics_sample_set(struct metrics_sample *sample, enum metric_id id, double value);
void metrics_print(const struct metrics_sample *sample, struct strbuf *out);
