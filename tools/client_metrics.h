/* tools/client_metrics.h - what librdkafka counted, under the names that Kafka's Java clients have
 * for the same, in the table that --print-metrics of Kafka's tools prints. Names without an equal
 * in librdkafka are left out. Rates are over the client's whole life (Java: over the last half
 * minute). Source: librdkafka's STATISTICS.md; org.apache.kafka.tools.ToolsUtils.printMetrics. */
#pragma once
#include <stdio.h>
#include "tools/json.h"

#define CLIENT_METRICS_INTERVAL_MS "100" /* for statistics.interval.ms */

/* Values of a stretch of time; the stretches are added up. */
struct client_window {
    int64_t count, sum, max;
};

/* A connection to a broker. Names are librdkafka's, as in its statistics. */
struct metrics_node {
    struct str name;
    int64_t id; /* a coordinator has a connection of its own: INT32_MAX less its id, as in Java */
    int64_t tx, txbytes, rx, rxbytes, connects, disconnects, waitresp_cnt;
    int64_t fetch, heartbeat, join_group, sync_group, offset_commit; /* requests */
    struct client_window rtt_us, queue_us, throttle_ms;
};

struct client_topic {
    struct str name;
    int64_t txmsgs, txbytes;
    int64_t metadata_age_ms;
    struct client_window batch_bytes;
};

struct client_lag {
    struct str topic;
    int64_t partition, records;
};

#define CLIENT_NODES_MAX 64
#define CLIENT_TOPICS_MAX 64
#define CLIENT_LAGS_MAX 512

struct client_metrics {
    const char *kind, *client_id; /* "producer" or "consumer"; borrowed */
    int64_t error_count;          /* of records, set by the tool */
    uint32_t noted_count;         /* statistics that were read */
    /* private */
    struct arena names, scratch;
    int64_t msg_size, msg_size_max, rxmsgs, rxmsg_bytes, rebalances, assigned;
    struct metrics_node nodes[CLIENT_NODES_MAX];
    struct client_topic topics[CLIENT_TOPICS_MAX];
    struct client_lag lags[CLIENT_LAGS_MAX];
    uint32_t node_count, topic_count, lag_count;
};

void client_metrics_init(struct client_metrics *metrics, struct mem *mem);
void client_metrics_release(struct client_metrics *metrics);
/** Reads statistics as librdkafka gives them. More brokers, topics or partitions than there is room
 * for are left out. False: they are no such JSON. */
bool client_metrics_note(struct client_metrics *metrics, struct str json);
/** seconds: how long the client has lived. */
void client_metrics_print(const struct client_metrics *metrics, double seconds, FILE *out);
