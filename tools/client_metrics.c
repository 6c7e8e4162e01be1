/* tools/client_metrics.c - see client_metrics.h. */
#include "tools/client_metrics.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include "base/assert.h"

void client_metrics_init(struct client_metrics *m, struct mem *mem) {
    arena_init(&m->names, mem, 4096, 0);
    arena_init(&m->scratch, mem, 64 * 1024, 0);
}

void client_metrics_release(struct client_metrics *m) {
    arena_release(&m->names);
    arena_release(&m->scratch);
}

/* ---- reading ---- */

struct number {
    const char *name;
    size_t offset; /* of an int64_t */
};

/* The number of that name; false: it is another member. */
static bool read_number(struct json *json, struct str name, const struct number *numbers,
                        size_t count, void *object) {
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(name, str_of(numbers[i].name))) continue;
        (void)json_int64(json, (int64_t *)((char *)object + numbers[i].offset));
        return true;
    }
    return false;
}

static void read_window(struct json *json, struct client_window *window) {
    static const struct number numbers[] = {
        {"cnt", offsetof(struct client_window, count)},
        {"sum", offsetof(struct client_window, sum)},
        {"max", offsetof(struct client_window, max)},
    };
    struct client_window read = {0};
    struct str name;
    if (!json_enter(json, '{')) return;
    while (json_member(json, &name)) {
        if (!read_number(json, name, numbers, COUNT(numbers), &read)) json_skip(json);
    }
    window->count += read.count;
    window->sum += read.sum;
    window->max = MAX(window->max, read.max);
}

static struct metrics_node *node_of(struct client_metrics *m, struct str name) {
    static struct metrics_node none; /* what there is no room for is read into nothing */
    for (uint32_t i = 0; i < m->node_count; i++) {
        if (str_eq(m->nodes[i].name, name)) return &m->nodes[i];
    }
    if (m->node_count == CLIENT_NODES_MAX) return &none;
    struct metrics_node *node = &m->nodes[m->node_count++];
    node->name = arena_str(&m->names, name);
    return node;
}

static void read_requests(struct json *json, struct metrics_node *node) {
    static const struct number numbers[] = {
        {"Fetch", offsetof(struct metrics_node, fetch)},
        {"Heartbeat", offsetof(struct metrics_node, heartbeat)},
        {"JoinGroup", offsetof(struct metrics_node, join_group)},
        {"SyncGroup", offsetof(struct metrics_node, sync_group)},
        {"OffsetCommit", offsetof(struct metrics_node, offset_commit)},
    };
    struct str name;
    if (!json_enter(json, '{')) return;
    while (json_member(json, &name)) {
        if (!read_number(json, name, numbers, COUNT(numbers), node)) json_skip(json);
    }
}

static void read_node(struct json *json, struct metrics_node *node) {
    static const struct number numbers[] = {
        {"nodeid", offsetof(struct metrics_node, id)},
        {"tx", offsetof(struct metrics_node, tx)},
        {"txbytes", offsetof(struct metrics_node, txbytes)},
        {"rx", offsetof(struct metrics_node, rx)},
        {"rxbytes", offsetof(struct metrics_node, rxbytes)},
        {"connects", offsetof(struct metrics_node, connects)},
        {"disconnects", offsetof(struct metrics_node, disconnects)},
        {"waitresp_cnt", offsetof(struct metrics_node, waitresp_cnt)},
    };
    struct str name, source = STR("");
    if (!json_enter(json, '{')) return;
    while (json_member(json, &name)) {
        if (read_number(json, name, numbers, COUNT(numbers), node)) continue;
        if (str_eq(name, STR("source"))) {
            (void)json_string(json, &source);
        } else if (str_eq(name, STR("rtt"))) {
            read_window(json, &node->rtt_us);
        } else if (str_eq(name, STR("int_latency"))) {
            read_window(json, &node->queue_us);
        } else if (str_eq(name, STR("throttle"))) {
            read_window(json, &node->throttle_ms);
        } else if (str_eq(name, STR("req"))) {
            read_requests(json, node);
        } else {
            json_skip(json);
        }
    }
    if (str_eq(source, STR("logical")) && node->id >= 0) node->id = INT32_MAX - node->id;
}

static void note_lag(struct client_metrics *m, struct str topic, int64_t partition,
                     int64_t records) {
    if (partition < 0 || records < 0) return; /* the topic's unassigned records; not known */
    for (uint32_t i = 0; i < m->lag_count; i++) {
        if (m->lags[i].partition != partition || !str_eq(m->lags[i].topic, topic)) continue;
        m->lags[i].records = records;
        return;
    }
    if (m->lag_count == CLIENT_LAGS_MAX) return;
    m->lags[m->lag_count++] = (struct client_lag){topic, partition, records};
}

static void read_partitions(struct json *json, struct client_metrics *m,
                            struct client_topic *topic) {
    struct partition {
        int64_t number, lag, txmsgs, txbytes;
    };
    static const struct number numbers[] = {
        {"partition", offsetof(struct partition, number)},
        {"consumer_lag", offsetof(struct partition, lag)},
        {"txmsgs", offsetof(struct partition, txmsgs)},
        {"txbytes", offsetof(struct partition, txbytes)},
    };
    struct str name;
    topic->txmsgs = topic->txbytes = 0;
    if (!json_enter(json, '{')) return;
    while (json_member(json, &name)) {
        struct partition p = {.number = -1, .lag = -1};
        if (!json_enter(json, '{')) return;
        while (json_member(json, &name)) {
            if (!read_number(json, name, numbers, COUNT(numbers), &p)) json_skip(json);
        }
        topic->txmsgs += p.txmsgs;
        topic->txbytes += p.txbytes;
        note_lag(m, topic->name, p.number, p.lag);
    }
}

static struct client_topic *topic_of(struct client_metrics *m, struct str name) {
    for (uint32_t i = 0; i < m->topic_count; i++) {
        if (str_eq(m->topics[i].name, name)) return &m->topics[i];
    }
    if (m->topic_count == CLIENT_TOPICS_MAX) return NULL;
    struct client_topic *topic = &m->topics[m->topic_count++];
    topic->name = arena_str(&m->names, name);
    return topic;
}

static void read_topic(struct json *json, struct client_metrics *m, struct str topic_name) {
    struct client_topic *topic = topic_of(m, topic_name);
    struct str name;
    if (topic == NULL) {
        json_skip(json);
        return;
    }
    if (!json_enter(json, '{')) return;
    while (json_member(json, &name)) {
        if (str_eq(name, STR("metadata_age"))) {
            (void)json_int64(json, &topic->metadata_age_ms);
        } else if (str_eq(name, STR("batchsize"))) {
            read_window(json, &topic->batch_bytes);
        } else if (str_eq(name, STR("partitions"))) {
            read_partitions(json, m, topic);
        } else {
            json_skip(json);
        }
    }
}

static void read_group(struct json *json, struct client_metrics *m) {
    static const struct number numbers[] = {
        {"rebalance_cnt", offsetof(struct client_metrics, rebalances)},
        {"assignment_size", offsetof(struct client_metrics, assigned)},
    };
    struct str name;
    if (!json_enter(json, '{')) return;
    while (json_member(json, &name)) {
        if (!read_number(json, name, numbers, COUNT(numbers), m)) json_skip(json);
    }
}

bool client_metrics_note(struct client_metrics *m, struct str text) {
    static const struct number numbers[] = {
        {"msg_size", offsetof(struct client_metrics, msg_size)},
        {"msg_size_max", offsetof(struct client_metrics, msg_size_max)},
        {"rxmsgs", offsetof(struct client_metrics, rxmsgs)},
        {"rxmsg_bytes", offsetof(struct client_metrics, rxmsg_bytes)},
    };
    struct json json;
    struct str name, inner;
    arena_reset(&m->scratch);
    json_init(&json, &m->scratch, text);
    if (!json_enter(&json, '{')) return false;
    while (json_member(&json, &name)) {
        if (read_number(&json, name, numbers, COUNT(numbers), m)) continue;
        bool brokers = str_eq(name, STR("brokers")), topics = str_eq(name, STR("topics"));
        if (str_eq(name, STR("cgrp"))) {
            read_group(&json, m);
        } else if (!brokers && !topics) {
            json_skip(&json);
        } else if (json_enter(&json, '{')) {
            while (json_member(&json, &inner)) {
                if (brokers) {
                    read_node(&json, node_of(m, inner));
                } else {
                    read_topic(&json, m, inner);
                }
            }
        }
    }
    m->noted_count++;
    return json_done(&json);
}

/* ---- printing ---- */

struct line {
    const char *name, *value; /* arena */
};

struct table {
    struct arena *arena;
    const struct client_metrics *metrics;
    double seconds;
    struct line *lines;
    uint32_t count, capacity;
    const char *group; /* behind the client's kind: "-metrics" */
    const char *tags;  /* behind the client's id; "" or ", topic=t" */
};

static const char *text_of(struct str text) {
    ASSERT(text.ptr != NULL); /* a few kilobytes */
    return text.ptr;
}

static void add_text(struct table *t, const char *group, const char *metric, struct str value) {
    if (t->count == t->capacity) return;
    t->lines[t->count++] = (struct line){
        .name = text_of(arena_printf(t->arena, "%s:%s:{client-id=%s%s}", group, metric,
                                     t->metrics->client_id, t->tags)),
        .value = text_of(value),
    };
}

static void add(struct table *t, const char *metric, double value) {
    struct str group = arena_printf(t->arena, "%s%s", t->metrics->kind, t->group);
    /* Java's way to write what is no number. */
    struct str text = isnan(value) ? STR("NaN") : arena_printf(t->arena, "%.3f", value);
    add_text(t, text_of(group), metric, text);
}

/* "request" as request-total and request-rate. */
static void add_total(struct table *t, const char *metric, int64_t total) {
    add(t, text_of(arena_printf(t->arena, "%s-total", metric)), (double)total);
    add(t, text_of(arena_printf(t->arena, "%s-rate", metric)),
        t->seconds > 0 ? (double)total / t->seconds : 0);
}

/* scale: what one of Kafka's unit is in librdkafka's. */
static void add_window(struct table *t, const char *metric, const struct client_window *w,
                       double scale) {
    double count = (double)w->count;
    add(t, text_of(arena_printf(t->arena, "%s-avg", metric)),
        w->count > 0 ? (double)w->sum / count / scale : NAN);
    add(t, text_of(arena_printf(t->arena, "%s-max", metric)),
        w->count > 0 ? (double)w->max / scale : NAN);
}

static void add_up(struct client_window *sum, const struct client_window *w) {
    sum->count += w->count;
    sum->sum += w->sum;
    sum->max = MAX(sum->max, w->max);
}

static struct metrics_node sum_of_nodes(const struct client_metrics *m) {
    struct metrics_node sum = {0};
    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct metrics_node *n = &m->nodes[i];
        sum.tx += n->tx;
        sum.txbytes += n->txbytes;
        sum.rx += n->rx;
        sum.rxbytes += n->rxbytes;
        sum.connects += n->connects;
        sum.disconnects += n->disconnects;
        sum.waitresp_cnt += n->waitresp_cnt;
        sum.fetch += n->fetch;
        sum.heartbeat += n->heartbeat;
        sum.join_group += n->join_group;
        sum.sync_group += n->sync_group;
        sum.offset_commit += n->offset_commit;
        add_up(&sum.rtt_us, &n->rtt_us);
        add_up(&sum.queue_us, &n->queue_us);
        add_up(&sum.throttle_ms, &n->throttle_ms);
    }
    return sum;
}

static void add_traffic(struct table *t, const struct metrics_node *n) {
    add_total(t, "incoming-byte", n->rxbytes);
    add_total(t, "outgoing-byte", n->txbytes);
    add_total(t, "request", n->tx);
    add_total(t, "response", n->rx);
    add(t, "request-size-avg", n->tx > 0 ? (double)n->txbytes / (double)n->tx : NAN);
}

static void add_client(struct table *t, const struct metrics_node *sum) {
    t->group = "-metrics";
    add_traffic(t, sum);
    add_total(t, "network-io", sum->tx + sum->rx);
    add_total(t, "connection-creation", sum->connects);
    add_total(t, "connection-close", sum->disconnects);
    add(t, "connection-count", (double)(sum->connects - sum->disconnects));
}

static void add_nodes(struct table *t) {
    t->group = "-node-metrics";
    for (uint32_t i = 0; i < t->metrics->node_count; i++) {
        const struct metrics_node *n = &t->metrics->nodes[i];
        if (n->connects == 0) continue; /* known, and never talked to */
        t->tags = text_of(arena_printf(t->arena, ", node-id=node-%" PRId64, n->id));
        add_traffic(t, n);
        add_window(t, "request-latency", &n->rtt_us, 1000);
    }
    t->tags = "";
}

static void add_producer(struct table *t, const struct metrics_node *sum) {
    const struct client_metrics *m = t->metrics;
    struct client_window batches = {0};
    int64_t sent = 0, age_ms = 0;
    for (uint32_t i = 0; i < m->topic_count; i++) {
        sent += m->topics[i].txmsgs;
        age_ms = MAX(age_ms, m->topics[i].metadata_age_ms);
        add_up(&batches, &m->topics[i].batch_bytes);
    }
    add_total(t, "record-send", sent);
    add_total(t, "record-error", m->error_count);
    add_window(t, "batch-size", &batches, 1);
    add_window(t, "record-queue-time", &sum->queue_us, 1000);
    add_window(t, "request-latency", &sum->rtt_us, 1000);
    add_window(t, "produce-throttle-time", &sum->throttle_ms, 1);
    add(t, "requests-in-flight", (double)sum->waitresp_cnt);
    add(t, "metadata-age", (double)age_ms / 1000);
    add(t, "buffer-total-bytes", (double)m->msg_size_max);
    add(t, "buffer-available-bytes", (double)(m->msg_size_max - m->msg_size));
    t->group = "-topic-metrics";
    for (uint32_t i = 0; i < m->topic_count; i++) {
        const struct client_topic *topic = &m->topics[i];
        t->tags = text_of(arena_printf(t->arena, ", topic=%.*s", STR_ARG(topic->name)));
        add_total(t, "record-send", topic->txmsgs);
        add_total(t, "byte", topic->txbytes);
    }
    t->tags = "";
}

static void add_consumer(struct table *t, const struct metrics_node *sum) {
    const struct client_metrics *m = t->metrics;
    int64_t lag_max = -1;
    t->group = "-coordinator-metrics";
    add(t, "assigned-partitions", (double)m->assigned);
    add(t, "rebalance-total", (double)m->rebalances);
    add_total(t, "heartbeat", sum->heartbeat);
    add_total(t, "join", sum->join_group);
    add_total(t, "sync", sum->sync_group);
    add_total(t, "commit", sum->offset_commit);
    t->group = "-fetch-manager-metrics";
    add_total(t, "records-consumed", m->rxmsgs);
    add_total(t, "bytes-consumed", m->rxmsg_bytes);
    add_total(t, "fetch", sum->fetch);
    add_window(t, "fetch-throttle-time", &sum->throttle_ms, 1);
    for (uint32_t i = 0; i < m->lag_count; i++) {
        const struct client_lag *lag = &m->lags[i];
        lag_max = MAX(lag_max, lag->records);
        t->tags = text_of(arena_printf(t->arena, ", topic=%.*s, partition=%" PRId64,
                                       STR_ARG(lag->topic), lag->partition));
        add(t, "records-lag", (double)lag->records);
    }
    t->tags = "";
    add(t, "records-lag-max", lag_max >= 0 ? (double)lag_max : NAN);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

void client_metrics_print(const struct client_metrics *m, double seconds, FILE *out) {
    struct arena arena;
    arena_init(&arena, m->names.mem, 64 * 1024, 0);
    struct table t = {.arena = &arena,
                      .metrics = m,
                      .seconds = seconds,
                      .tags = "",
                      .capacity =
                          64 + 12 * CLIENT_NODES_MAX + 4 * CLIENT_TOPICS_MAX + CLIENT_LAGS_MAX};
    t.lines = arena_array(&arena, t.capacity, sizeof *t.lines);
    if (t.lines == NULL) return;
    struct metrics_node sum = sum_of_nodes(m);
    bool is_producer = strcmp(m->kind, "producer") == 0;
    add_client(&t, &sum);
    if (is_producer) {
        add_producer(&t, &sum);
    } else {
        add_consumer(&t, &sum);
    }
    add_nodes(&t);
    add_text(&t, "kafka-metrics-count", "count", arena_printf(&arena, "%u.000", t.count + 1));
    qsort(t.lines, t.count, sizeof *t.lines, by_name);
    int width = 0;
    for (uint32_t i = 0; i < t.count; i++) width = MAX(width, (int)strlen(t.lines[i].name));
    fprintf(out, "\n%-*s   Value\n", width, "Metric Name");
    for (uint32_t i = 0; i < t.count; i++)
        fprintf(out, "%-*s : %s\n", width, t.lines[i].name, t.lines[i].value);
    arena_release(&arena);
}
