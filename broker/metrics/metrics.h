/* broker/metrics/metrics.h - the one table of what this broker counts. A shard counts for itself
 * without locks; whoever shows them sums over the shards. One row per metric gives name, type and
 * help for the exposition and the docs. */
#pragma once
#include <stdint.h>
#include "base/strbuf.h"

#define METRIC_API_KEYS 128 /* request counts are kept for keys below this */

enum metric_id {
    METRIC_CONNECTIONS,
    METRIC_CONNECTIONS_OPENED,
    METRIC_CONNECTIONS_REFUSED,
    METRIC_REQUESTS_REFUSED,
    METRIC_BYTES_IN,
    METRIC_BYTES_OUT,
    METRIC_PARTITIONS,
    METRIC_PARTITIONS_OFFLINE,
    METRIC_PRODUCE_BYTES,
    METRIC_PRODUCE_RECORDS,
    METRIC_PRODUCE_FAILED,
    METRIC_FETCH_BYTES,
    METRIC_FETCH_FAILED,
    METRIC_COUNT
};

struct metrics {
    int64_t values[METRIC_COUNT];
    uint64_t requests[METRIC_API_KEYS];
};

struct metric_row {
    const char *name; /* Prometheus: unit last, _total for counters */
    const char *help;
    bool is_counter;
};
extern const struct metric_row metric_table[METRIC_COUNT];

static inline void metrics_add(struct metrics *metrics, enum metric_id id, uint64_t amount) {
    __atomic_store_n(&metrics->values[id], metrics->values[id] + (int64_t)amount, __ATOMIC_RELAXED);
}
static inline void metrics_set(struct metrics *metrics, enum metric_id id, int64_t value) {
    __atomic_store_n(&metrics->values[id], value, __ATOMIC_RELAXED);
}
static inline void metrics_count_request(struct metrics *metrics, int16_t api_key) {
    if (api_key >= 0 && api_key < METRIC_API_KEYS) {
        __atomic_store_n(&metrics->requests[api_key], metrics->requests[api_key] + 1,
                         __ATOMIC_RELAXED);
    }
}
/** Appends the exposition text (version 0.0.4) of the sums over `shards`; may run on any thread. */
void metrics_print(const struct metrics *const *shards, uint32_t shard_count, struct strbuf *out);
