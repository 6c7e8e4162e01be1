/* protocol/batch_fault.c - faults of a batch as Kafka's error codes and texts. */
#include <inttypes.h>
#include "base/assert.h"
#include "protocol/batch_walk.h"
#include "protocol/errors.h"

#define SHOWN_ERRORS_MAX 3 /* in the error_message */

static const struct {
    const char *name;
    int16_t error;
} faults[BATCH_FAULT_COUNT] = {
    [BATCH_OK] = {"ok", KAFKA_NONE},
    [BATCH_NONE] = {"no batch", KAFKA_INVALID_RECORD},
    [BATCH_LENGTH] = {"impossible batch length", KAFKA_CORRUPT_MESSAGE},
    [BATCH_MAGIC_UNKNOWN] = {"unknown magic", KAFKA_CORRUPT_MESSAGE},
    [BATCH_MAGIC_OLD] = {"magic 0 or 1", KAFKA_INVALID_RECORD},
    [BATCH_SEVERAL] = {"more than one batch", KAFKA_INVALID_RECORD},
    [BATCH_BASE_OFFSET] = {"base offset not 0", KAFKA_INVALID_RECORD},
    [BATCH_TOO_LARGE] = {"batch too large", KAFKA_MESSAGE_TOO_LARGE},
    [BATCH_CRC] = {"checksum mismatch", KAFKA_CORRUPT_MESSAGE},
    [BATCH_CODEC] = {"unknown codec", KAFKA_UNKNOWN_SERVER_ERROR},
    [BATCH_COUNT] = {"record count not positive", KAFKA_INVALID_RECORD},
    [BATCH_OFFSET_RANGE] = {"offset range does not fit the record count", KAFKA_INVALID_RECORD},
    [BATCH_CONTROL] = {"control batch from a client", KAFKA_INVALID_RECORD},
    [BATCH_SEQUENCE] = {"producer id without sequence", KAFKA_INVALID_RECORD},
    [BATCH_NO_PRODUCER] = {"transactional without producer id", KAFKA_INVALID_RECORD},
    [BATCH_STREAM] = {"records cannot be decompressed", KAFKA_UNKNOWN_SERVER_ERROR},
    [BATCH_PLAIN_TOO_LARGE] = {"decompressed records too large", KAFKA_MESSAGE_TOO_LARGE},
    [BATCH_RECORD_SHAPE] = {"malformed record", KAFKA_INVALID_RECORD},
    [BATCH_RECORDS_SHORT] = {"fewer records than counted", KAFKA_INVALID_RECORD},
    [BATCH_RECORDS_LEFT] = {"octets behind the last record", KAFKA_INVALID_RECORD},
    [BATCH_OFFSET_DELTA] = {"offset deltas not consecutive", KAFKA_INVALID_RECORD},
    [BATCH_NOMEM] = {"no memory", KAFKA_UNKNOWN_SERVER_ERROR},
    [BATCH_RECORD_KEY] = {"null key in a compacted topic", KAFKA_INVALID_RECORD},
    [BATCH_RECORD_TIMESTAMP] = {"timestamp not allowed", KAFKA_INVALID_TIMESTAMP},
};

int16_t batch_fault_error(enum batch_fault fault) {
    ASSERT((unsigned)fault < BATCH_FAULT_COUNT);
    return faults[fault].error;
}

const char *batch_fault_name(enum batch_fault fault) {
    ASSERT((unsigned)fault < BATCH_FAULT_COUNT);
    return faults[fault].name;
}

/* Sums as Java's long arithmetic has them. */
static int64_t wrapping(int64_t a, uint64_t b) { return (int64_t)((uint64_t)a + b); }

void batch_record_error_text(struct strbuf *out, const struct record_error *error,
                             const struct batch_rules *rules, struct str topic, int32_t partition) {
    switch (error->fault) {
    case RECORD_KEY_MISSING:
        strbuf_printf(
            out,
            "Compacted topic cannot accept message without key in topic partition %.*s-%" PRId32,
            STR_ARG(topic), partition);
        return;
    case RECORD_TIMESTAMP_RANGE:
        strbuf_printf(out,
                      "Timestamp %" PRId64 " of message with offset %" PRId32
                      " is out of range. The timestamp should be within [%" PRId64 ", %" PRId64 "]",
                      error->timestamp, error->index,
                      wrapping(rules->now_ms, 0 - (uint64_t)rules->timestamp_before_max_ms),
                      wrapping(rules->now_ms, (uint64_t)rules->timestamp_after_max_ms));
        return;
    case RECORD_TIMESTAMP_TYPE:
        strbuf_printf(out,
                      "Invalid timestamp type in message DefaultRecord(offset=%" PRId32
                      ", timestamp=%" PRId64 ", key=%" PRId32 " bytes, value=%" PRId32
                      " bytes). Producer should not set timestamp type to LogAppendTime.",
                      error->index, error->timestamp, MAX(error->key_bytes, 0),
                      MAX(error->value_bytes, 0));
        return;
    }
    UNREACHABLE();
}

void batch_errors_text(struct strbuf *out, enum batch_fault fault,
                       const struct batch_report *report, const struct batch_rules *rules,
                       struct str topic, int32_t partition) {
    ASSERT(batch_fault_lists_records(fault) && report->error_count > 0);
    if (fault == BATCH_RECORD_TIMESTAMP) {
        strbuf_add_str(out, STR("One or more records have been rejected due to invalid timestamp"));
        return;
    }
    strbuf_printf(out,
                  "One or more records have been rejected due to %" PRId32
                  " record errors in total, and only showing the first three errors at most: [",
                  report->error_count);
    for (int32_t i = 0; i < MIN(report->error_count, SHOWN_ERRORS_MAX); i++) {
        strbuf_printf(out, "%sRecordError(batchIndex=%" PRId32 ", message='", i > 0 ? ", " : "",
                      report->errors[i].index);
        batch_record_error_text(out, &report->errors[i], rules, topic, partition);
        strbuf_add_str(out, STR("')"));
    }
    strbuf_add_char(out, ']');
}
