/* tools/bulk_producer.h - a producer of many records at a wanted rate, by librdkafka with the
 * defaults of Kafka's Java producer: under kafka-producer-perf-test and kafka-verifiable-producer.
 * Deliveries are heard inside bulk_send and bulk_stop, on the caller's thread. */
#pragma once
#include "tools/rdkafka_settings.h"

/* Statistics as JSON; 0: librdkafka frees them. */
typedef int bulk_statistics(rd_kafka_t *rk, char *json, size_t len, void *opaque);

struct bulk_producer {
    rd_kafka_t *rk;
    const char *topic;           /* borrowed */
    double per_second;           /* how many records to send; 0 or less: as many as can be */
    bulk_statistics *statistics; /* hears librdkafka's every CLIENT_METRICS_INTERVAL_MS; NULL */
    int64_t sent_count;          /* asked for, by bulk_send */
    int64_t started_us;
};

/* One delivery, or why there is none. */
typedef void bulk_heard(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque);

/** Starts; ends the process when no broker answers within max.block.ms, or none takes the
 * transactional.id among the settings. `settings` gets Java's defaults for what it does not have.
 */
void bulk_start(struct bulk_producer *p, struct settings *settings, bulk_heard *heard,
                void *opaque);
/** Takes a record (copied) when the rate and the buffer allow it; `opaque` is the message's
 * _private. timestamp_ms 0: now. False when an interrupt came first, or with ret_error. */
bool bulk_send(struct bulk_producer *p, struct str key, struct bytes value, int64_t timestamp_ms,
               void *opaque, rd_kafka_resp_err_t *ret_error);
/** A transaction around the records between the two; ends the process where that fails. */
void bulk_begin(struct bulk_producer *p);
void bulk_commit(struct bulk_producer *p);
/** Waits until every record was delivered or has failed. */
void bulk_flush(struct bulk_producer *p);
/** The same, and frees. */
void bulk_stop(struct bulk_producer *p);

/** Microseconds of a clock that never steps back. */
int64_t clock_us(void);
