/* broker/metrics/page.h - the text of /metrics (Prometheus' exposition format 0.0.4) from a sample.
 * Pure: what the shards and the system said goes in, text comes out. Every row of the table has its
 * HELP and TYPE, also when it has no samples now; rows, and the samples of a row, are in a fixed
 * order. How many series there are is bounded: APIs that were asked, METRIC_ERROR_SLOTS errors,
 * shards, directories, topics and partitions up to the limits of broker/metrics/gather.h, groups
 * and their offsets up to klamm.metrics.groups.max and klamm.metrics.group.offsets.max. */
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
    int64_t free_bytes, total_bytes, reserve_bytes, rung, full, cordoned;
    int64_t wait_ms;
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

/* A group of consumers that this broker coordinates. */
struct group_sample {
    struct str id; /* fit to be shown: broker/metrics/group_samples.h */
    struct str protocol, state;
    int64_t members;
    int64_t commits; /* -1: of several groups, no counter */
};

/* What a group has committed for a partition; -1: not known, and then it has no sample. */
struct group_offset_sample {
    struct str group, topic;
    int32_t partition;
    int64_t committed, commit_age_ms, lag_records, lag_stable_records, lag_ms;
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
    const struct group_sample *groups;               /* by id */
    const struct group_offset_sample *group_offsets; /* by group, topic, partition */
    const struct group_sample *other_groups;         /* those that are not listed; NULL: none */
    int64_t other_lag_records, other_lag_stable_records; /* of those; -1: not known */
    uint32_t shard_count, directory_count, topic_count, partition_count;
    uint32_t group_count, group_offset_count;
    bool is_gathered; /* the arrays hold */
};

/* What no listed topic accounts for: topics beyond the limit, and deleted ones; and groups beyond
 * theirs. No topic can have this name, and no group of this name is listed. */
#define METRICS_OTHERS "(other)"

void metrics_sample_set(struct metrics_sample *sample, enum metric_id id, double value);
void metrics_print(const struct metrics_sample *sample, struct strbuf *out);
