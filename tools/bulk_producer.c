/* tools/bulk_producer.c - see bulk_producer.h. */
#include "tools/bulk_producer.h"
#include <inttypes.h>
#include "tools/client_metrics.h"
#include "tools/clock.h"
#include "tools/interrupt.h"

#define POLL_MS 100

int64_t clock_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static const char *const defaults[][2] = {
    {"acks", "all"},
    {"compression.type", "none"},
    {"linger.ms", "5"},
    {"batch.size", "16384"},
    {"buffer.memory", "33554432"},
    {"max.block.ms", "60000"},
    {"request.timeout.ms", "30000"},
    {"delivery.timeout.ms", "120000"},
    {"partitioner", "murmur2_random"}, /* as in Java: a key's partition is the same */
};

static void default_idempotence(struct settings *settings) {
    struct str acks = settings_get(settings, "acks"), retries = settings_get(settings, "retries");
    bool all = str_eq(acks, STR("all")) || str_eq(acks, STR("-1"));
    if (settings_get(settings, "enable.idempotence").ptr == NULL)
        settings_set(settings, STR("enable.idempotence"),
                     all && !str_eq(retries, STR("0")) ? STR("true") : STR("false"));
    if (settings_get(settings, "max.in.flight.requests.per.connection").ptr == NULL)
        settings_set(settings, STR("max.in.flight.requests.per.connection"), STR("5"));
}

/* librdkafka gives up no transaction for one record: it waits for none longer than the transaction
 * may last. */
static void default_delivery_timeout(struct settings *settings) {
    struct str transaction_ms = settings_get_or(settings, "transaction.timeout.ms", "60000");
    if (settings_get(settings, "transactional.id").ptr != NULL &&
        settings_get(settings, "delivery.timeout.ms").ptr == NULL)
        settings_set(settings, STR("delivery.timeout.ms"), transaction_ms);
}

static void learn_topic(struct bulk_producer *p, const struct settings *settings,
                        int64_t patience_ms) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(p->rk, p->topic, NULL);
    if (topic == NULL) cli_exit("Topic %s: %s", p->topic, rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_resp_err_t err =
        rd_kafka_metadata(p->rk, 0, topic, &metadata, (int)MIN(patience_ms, INT32_MAX));
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        cli_exit("No broker of %s answered within %" PRId64 " ms: %s",
                 settings_get(settings, "bootstrap.servers").ptr, patience_ms,
                 rd_kafka_err2str(err));
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
}

static void must_succeed(const char *what, rd_kafka_error_t *error) {
    if (error != NULL) cli_exit("Cannot %s: %s", what, rd_kafka_error_string(error));
}

void bulk_begin(struct bulk_producer *p) {
    must_succeed("begin a transaction", rd_kafka_begin_transaction(p->rk));
}

void bulk_commit(struct bulk_producer *p) {
    bulk_flush(p); /* heard of before the time of the commit */
    must_succeed("commit a transaction", rd_kafka_commit_transaction(p->rk, -1));
}

void bulk_start(struct bulk_producer *p, struct settings *settings, bulk_heard *heard,
                void *opaque) {
    int64_t patience_ms;
    default_delivery_timeout(settings);
    for (size_t i = 0; i < COUNT(defaults); i++)
        if (settings_get(settings, defaults[i][0]).ptr == NULL)
            settings_set(settings, str_of(defaults[i][0]), str_of(defaults[i][1]));
    default_idempotence(settings);
    if (!str_to_int64(settings_get(settings, "max.block.ms"), &patience_ms) || patience_ms < 0)
        cli_exit("max.block.ms=%s: not a number of milliseconds",
                 settings_get(settings, "max.block.ms").ptr);
    rd_kafka_conf_t *conf = rdkafka_conf_of(settings);
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_dr_msg_cb(conf, heard);
    if (p->statistics != NULL) {
        rdkafka_must_set(conf, "statistics.interval.ms", CLIENT_METRICS_INTERVAL_MS);
        rd_kafka_conf_set_stats_cb(conf, p->statistics);
    }
    p->rk = rdkafka_start(RD_KAFKA_PRODUCER, conf);
    learn_topic(p, settings, patience_ms);
    if (settings_get(settings, "transactional.id").ptr != NULL)
        must_succeed("begin with transactions",
                     rd_kafka_init_transactions(p->rk, (int)MIN(patience_ms, INT32_MAX)));
    p->sent_count = 0;
    p->started_us = clock_us();
}

/* Until the rate allows the next record. */
static bool wait_for_turn(struct bulk_producer *p) {
    (void)rd_kafka_poll(p->rk, 0);
    while (p->per_second > 0 && !interrupt_seen()) {
        double due_us = (double)p->sent_count * 1e6 / p->per_second;
        int64_t left_us = (int64_t)due_us - (clock_us() - p->started_us);
        if (left_us <= 0) break;
        (void)rd_kafka_poll(p->rk, (int)MIN((left_us + 999) / 1000, POLL_MS));
    }
    return !interrupt_seen();
}

bool bulk_send(struct bulk_producer *p, struct str key, struct bytes value, int64_t timestamp_ms,
               void *opaque, rd_kafka_resp_err_t *ret_error) {
    *ret_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!wait_for_turn(p)) return false;
    p->sent_count++;
    for (;;) {
        *ret_error = rd_kafka_producev(
            p->rk, RD_KAFKA_V_TOPIC(p->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY((void *)(uintptr_t)key.ptr, key.len),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
            RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
        if (*ret_error != RD_KAFKA_RESP_ERR__QUEUE_FULL || interrupt_seen()) break;
        (void)rd_kafka_poll(p->rk, POLL_MS);
    }
    return *ret_error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void bulk_flush(struct bulk_producer *p) {
    (void)rd_kafka_flush(p->rk, -1); /* ends: delivery.timeout.ms bounds every record */
}

void bulk_stop(struct bulk_producer *p) {
    bulk_flush(p);
    rd_kafka_destroy(p->rk);
}
