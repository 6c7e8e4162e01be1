/* protocol/batch_walk.h - may this batch be appended? Answered as Kafka's leader answers it, in one
 * pass over the records. Values are stepped over, never copied; compressed batches are decompressed
 * run by run, with an upper bound.
 *
 * A Produce partition goes through batch_single, then batch_walk, then (passed) batch_stamp; and
 * then, when the topic has LogAppendTime, batch_set_log_append_time; when it has not, and
 * report.rewrite_max_timestamp, batch_set_max_timestamp. Producer state (epochs, sequences,
 * transactions) is checked by log/, after this.
 *
 * docs/formats/produce-validation.md has the whole table, measured on Apache Kafka 4.3.1, and says
 * where we differ. Source: LogValidator, UnifiedLog.analyzeAndValidateRecords,
 * ProduceRequest.validateRecords. */
#pragma once
#include "base/strbuf.h"
#include "protocol/batch.h"
#include "protocol/batch_pack.h"

/* Why a batch is refused, roughly in the order in which Kafka looks -> the wire error it answers.
 */
enum batch_fault {
    BATCH_OK = 0,
    /* batch_single */
    BATCH_NONE,          /* no whole batch at all -> INVALID_RECORD 87 */
    BATCH_LENGTH,        /* a length that cannot be -> CORRUPT_MESSAGE 2 */
    BATCH_MAGIC_UNKNOWN, /* magic below 0 or above 2 -> CORRUPT_MESSAGE 2 */
    BATCH_MAGIC_OLD,     /* magic 0 or 1 -> INVALID_RECORD 87 */
    BATCH_SEVERAL,       /* more than one batch -> INVALID_RECORD 87 */
    /* batch_walk: the header */
    BATCH_BASE_OFFSET,  /* a client's base offset is not 0 -> INVALID_RECORD 87 */
    BATCH_TOO_LARGE,    /* beyond max.message.bytes -> MESSAGE_TOO_LARGE 10 */
    BATCH_CRC,          /* checksum -> CORRUPT_MESSAGE 2 */
    BATCH_CODEC,        /* codec 5 to 7 -> UNKNOWN_SERVER_ERROR -1 */
    BATCH_COUNT,        /* no records, or fewer than none -> INVALID_RECORD 87 */
    BATCH_OFFSET_RANGE, /* last offset delta is not count - 1 -> INVALID_RECORD 87 */
    BATCH_CONTROL,      /* a control batch from a client -> INVALID_RECORD 87 */
    BATCH_SEQUENCE,     /* a producer id without a sequence -> INVALID_RECORD 87 */
    BATCH_NO_PRODUCER,  /* transactional without a producer id -> INVALID_RECORD 87 */
    /* batch_walk: the records as a whole */
    BATCH_STREAM,          /* the codec cannot read them -> UNKNOWN_SERVER_ERROR -1 */
    BATCH_PLAIN_TOO_LARGE, /* decompressed beyond plain_bytes_max -> MESSAGE_TOO_LARGE 10 */
    BATCH_RECORD_SHAPE,    /* a record contradicts its own sizes -> INVALID_RECORD 87 */
    BATCH_RECORDS_SHORT,   /* fewer records than the header says -> INVALID_RECORD 87 */
    BATCH_RECORDS_LEFT,    /* octets behind the last record -> INVALID_RECORD 87 */
    BATCH_OFFSET_DELTA,    /* a record's offset delta is not its index -> INVALID_RECORD 87 */
    BATCH_NOMEM,           /* a budget refused; nothing said of it -> UNKNOWN_SERVER_ERROR -1 */
    /* batch_walk: single records, listed in the report */
    BATCH_RECORD_KEY,       /* compacted topic, null key -> INVALID_RECORD 87 */
    BATCH_RECORD_TIMESTAMP, /* out of bounds, or not the producer's -> INVALID_TIMESTAMP 32 */
    BATCH_FAULT_COUNT
};

enum record_fault {
    RECORD_KEY_MISSING = 1,
    RECORD_TIMESTAMP_RANGE,
    RECORD_TIMESTAMP_TYPE, /* log append time set by a producer */
};
struct record_error {
    int32_t index; /* in the batch */
    enum record_fault fault;
    int64_t timestamp;
    int32_t key_bytes, value_bytes; /* -1: null */
};
/* How many errors a report lists. Kafka lists all, and its answer can outgrow the request. */
#define BATCH_RECORD_ERRORS_MAX 1000

struct batch_rules {
    bool from_client;     /* false: a coordinator, which may write control batches and offsets */
    bool compacted;       /* cleanup.policy has "compact": keys are needed */
    bool log_append_time; /* message.timestamp.type: record timestamps are not looked at */
    int64_t now_ms;
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms; INT64_MAX: no bound */
    int64_t timestamp_after_max_ms;  /* message.timestamp.after.max.ms; INT64_MAX: no bound */
    size_t batch_bytes_max;          /* max.message.bytes; 0: no bound */
    size_t plain_bytes_max;          /* of decompressed records; 0: no bound */
};

/* Buffers and codec contexts that one walker (a shard, a worker) keeps from batch to batch: no
 * allocation per batch after warm-up. */
struct batch_scratch {
    struct decompressor decompressor;
    struct batch_packer packer;
    struct record_error *errors;
    size_t error_capacity;
};
void batch_scratch_init(struct batch_scratch *scratch, struct mem *mem);
void batch_scratch_release(struct batch_scratch *scratch);

struct batch_report {
    struct batch_view view;      /* set once the header could be read */
    int32_t record_index;        /* of the record that broke the walk; -1 when none did */
    int64_t max_timestamp;       /* of the records, at least NO_TIMESTAMP: what the time index of a
                                  * CreateTime topic wants, with the batch's last offset */
    int32_t max_timestamp_delta; /* offset delta of the first record that has it; -1: none has */
    bool rewrite_max_timestamp;  /* the header says otherwise, or has bit 3 set */
    size_t plain_bytes;          /* of the records, decompressed */
    struct record_error *errors; /* borrowed from the scratch until its next use */
    int32_t error_count;         /* found; at most BATCH_RECORD_ERRORS_MAX are listed */
};

/** The one batch in the records of a Produce partition. As in Kafka, an incomplete batch behind it
 * is cut off silently. Null records count as none. */
enum batch_fault batch_single(struct bytes records, struct bytes *ret_batch);

/** Walks `batch`, exactly one batch with magic 2 as batch_single gives it. Nothing is written into
 * it. The report is complete for BATCH_OK; for a fault: view (always), record_index or errors where
 * they apply. */
enum batch_fault batch_walk(struct bytes batch, const struct batch_rules *rules,
                            struct batch_scratch *scratch, struct batch_report *report);

/** The wire error code of the table above; 0 for BATCH_OK. */
int16_t batch_fault_error(enum batch_fault fault);
/** A word or two for a log line; never NULL. */
const char *batch_fault_name(enum batch_fault fault);
/** Whether Kafka answers this fault with its log start offset (else -1). */
static inline bool batch_fault_tells_start(enum batch_fault fault) {
    return fault == BATCH_BASE_OFFSET || fault > BATCH_CRC;
}
/** Whether it fills record_errors and error_message. */
static inline bool batch_fault_lists_records(enum batch_fault fault) {
    return fault >= BATCH_RECORD_KEY;
}
/** Kafka's text for record_errors[i].batch_index_error_message (Produce v8 and above). */
void batch_record_error_text(struct strbuf *out, const struct record_error *error,
                             const struct batch_rules *rules, struct str topic, int32_t partition);
/** Kafka's text for error_message when batch_fault_lists_records. */
void batch_errors_text(struct strbuf *out, enum batch_fault fault,
                       const struct batch_report *report, const struct batch_rules *rules,
                       struct str topic, int32_t partition);
