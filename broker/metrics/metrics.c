/* broker/metrics/metrics.c - the table and its text. */
#include "broker/metrics/metrics.h"
#include <inttypes.h>
#include "protocol/messages.h"

const struct metric_row metric_table[METRIC_COUNT] = {
    [METRIC_CONNECTIONS] = {"klamm_connections", "Client connections open.", false},
    [METRIC_CONNECTIONS_OPENED] = {"klamm_connections_opened_total", "Client connections accepted.",
                                   true},
    [METRIC_CONNECTIONS_REFUSED] = {"klamm_connections_refused_total",
                                    "Connections closed by a limit.", true},
    [METRIC_REQUESTS_REFUSED] = {"klamm_requests_refused_total",
                                 "Frames and requests that could not be read.", true},
    [METRIC_BYTES_IN] = {"klamm_received_bytes_total", "Octets of requests received.", true},
    [METRIC_BYTES_OUT] = {"klamm_sent_bytes_total", "Octets of answers sent.", true},
    [METRIC_PARTITIONS] = {"klamm_partitions", "Partitions on this broker.", false},
    [METRIC_PARTITIONS_OFFLINE] = {"klamm_partitions_offline",
                                   "Partitions whose log cannot be used.", false},
    [METRIC_PRODUCE_BYTES] = {"klamm_produced_bytes_total", "Octets of batches appended.", true},
    [METRIC_PRODUCE_RECORDS] = {"klamm_produced_records_total", "Records appended.", true},
    [METRIC_PRODUCE_FAILED] = {"klamm_produce_failed_total",
                               "Partitions of produce requests refused.", true},
    [METRIC_FETCH_BYTES] = {"klamm_fetched_bytes_total", "Octets of batches given to consumers.",
                            true},
    [METRIC_FETCH_FAILED] = {"klamm_fetch_failed_total", "Partitions of fetch requests refused.",
                             true},
};

static void print_head(struct strbuf *out, const char *name, const char *help, bool is_counter) {
    strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                  is_counter ? "counter" : "gauge");
}

void metrics_print(const struct metrics *const *shards, uint32_t shard_count, struct strbuf *out) {
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < shard_count; i++)
            sum += __atomic_load_n(&shards[i]->values[id], __ATOMIC_RELAXED);
        print_head(out, metric_table[id].name, metric_table[id].help, metric_table[id].is_counter);
        strbuf_printf(out, "%s %" PRId64 "\n", metric_table[id].name, sum);
    }
    print_head(out, "klamm_requests_total", "Requests by API.", true);
    for (int16_t key = 0; key < METRIC_API_KEYS; key++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < shard_count; i++) {
            sum += __atomic_load_n(&shards[i]->requests[key], __ATOMIC_RELAXED);
        }
        const struct api *api = api_find(key);
        if (sum > 0 && api != NULL) {
            strbuf_printf(out, "klamm_requests_total{api=\"%s\"} %" PRIu64 "\n", api->name, sum);
        }
    }
}
