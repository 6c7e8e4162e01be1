/* broker/metrics/metrics.c - counting. */
#include "broker/metrics/metrics.h"

const uint32_t latency_bounds_us[LATENCY_BUCKETS - 1] = {
    100, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 1000000, 5000000,
};

void metrics_count_latency(struct metrics *metrics, int16_t api_key, uint64_t took_us) {
    if (api_key < 0 || api_key >= METRIC_API_KEYS) return;
    struct api_metrics *api = &metrics->apis[api_key];
    uint32_t bucket = 0;
    while (bucket < LATENCY_BUCKETS - 1 && took_us > latency_bounds_us[bucket]) bucket++;
    metrics_raise(&api->latency[bucket], 1);
    metrics_raise(&api->latency_us, took_us);
}

/* Readers take a slot for filled when its count is not 0, so the count is written last. */
static void add_error(struct metrics *metrics, int16_t api_key, int16_t error, uint64_t amount) {
    for (uint32_t i = 0; i < METRIC_ERROR_SLOTS; i++) {
        struct error_metrics *slot = &metrics->errors[i];
        if (slot->count == 0) {
            slot->api_key = api_key;
            slot->error = error;
            __atomic_store_n(&slot->count, amount, __ATOMIC_RELEASE);
            return;
        }
        if (slot->api_key != api_key || slot->error != error) continue;
        metrics_raise(&slot->count, amount);
        return;
    }
    metrics_raise(&metrics->other_errors, amount);
}

void metrics_count_error(struct metrics *metrics, int16_t api_key, int16_t error) {
    add_error(metrics, api_key, error, 1);
}

static uint64_t load(const uint64_t *counter) { return __atomic_load_n(counter, __ATOMIC_RELAXED); }

void metrics_sum(struct metrics *sum, const struct metrics *shard) {
    for (unsigned id = 0; id < METRIC_COUNT; id++)
        sum->values[id] += __atomic_load_n(&shard->values[id], __ATOMIC_RELAXED);
    for (unsigned key = 0; key < METRIC_API_KEYS; key++) {
        const struct api_metrics *from = &shard->apis[key];
        struct api_metrics *to = &sum->apis[key];
        to->requests += load(&from->requests);
        to->latency_us += load(&from->latency_us);
        for (unsigned i = 0; i < LATENCY_BUCKETS; i++) to->latency[i] += load(&from->latency[i]);
    }
    for (unsigned i = 0; i < METRIC_ERROR_SLOTS; i++) {
        const struct error_metrics *slot = &shard->errors[i];
        uint64_t count = __atomic_load_n(&slot->count, __ATOMIC_ACQUIRE);
        if (count == 0) break;
        add_error(sum, slot->api_key, slot->error, count);
    }
    sum->other_errors += load(&shard->other_errors);
}
