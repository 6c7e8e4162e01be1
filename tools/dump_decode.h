/* tools/dump_decode.h - what kafka-dump-log shows of a record's key and value: text, numbers, or
 * the messages that Kafka keeps in its own logs, mostly as JSON. */
#pragma once
#include "base/strbuf.h"
#include "protocol/messages.h"
#include "protocol/record.h"

enum dump_content {
    DUMP_TEXT,         /* key and value by their classes */
    DUMP_GROUPS,       /* __consumer_offsets */
    DUMP_TRANSACTIONS, /* __transaction_state */
    DUMP_SHARE_STATE,  /* __share_group_state */
    DUMP_METADATA,     /* __cluster_metadata and its snapshots */
    DUMP_REMOTE_LOG,   /* __remote_log_metadata; not JSON, as Kafka's */
};

enum dump_class { DUMP_STRING, DUMP_INT32, DUMP_INT64 };

/* Both texts stay null when there is nothing to show. */
struct dump_shown {
    bool has_key, has_payload;
    struct strbuf key, payload; /* cleared and filled */
};

struct dump_decoder {
    enum dump_content content;
    enum dump_class key, value;
    struct arena *arena; /* borrowed; reset for each record */
};

/** ST_INVALID: the log is not of that kind (a key is missing), ST_SHORT: too few octets for the
 * class. */
MUST_CHECK enum status dump_decode(const struct dump_decoder *decoder, const struct record *record,
                                   struct dump_shown *shown);

/** Adds what stands behind a control record: " endTxnMarker: COMMIT coordinatorEpoch: 0", "
 * LeaderChange: {...}" and so on. ST_CORRUPT: key or value cannot be read. */
MUST_CHECK enum status dump_control(const struct record *record, struct arena *arena,
                                    struct strbuf *out);

/** "FEATURE_LEVEL_RECORD" for "FeatureLevelRecord". */
void dump_record_type_name(const char *schema_name, struct strbuf *out);
