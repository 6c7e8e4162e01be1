/* tools/formatter.h - how the console consumer writes a record: which parts, what stands between
 * them; or, of an internal topic's record, JSON. Properties and output are those of Kafka's
 * DefaultMessageFormatter and of its formatters for __consumer_offsets, __transaction_state and
 * __share_group_state. */
#pragma once
#include <stdio.h>
#include "tools/coordinator_json.h"
#include "tools/settings.h"

struct console_header {
    struct str key;
    struct bytes value; /* may be null */
};

struct console_record {
    struct str topic;
    int32_t partition;
    int64_t offset;
    const char *timestamp_type; /* "CreateTime", "LogAppendTime"; NULL: the record has none */
    int64_t timestamp_ms;
    struct bytes key, value; /* may be null */
    const struct console_header *headers;
    uint32_t header_count;
};

/* How octets become text. */
enum decoding { DECODE_RAW, DECODE_INT16, DECODE_INT32, DECODE_INT64, DECODE_BOOLEAN, DECODE_UUID };

struct formatter {
    bool print_timestamp, print_partition, print_offset, print_delivery, print_epoch;
    bool print_headers, print_key, print_value, print_nothing;
    struct str key_separator, line_separator, headers_separator, null_literal;
    enum decoding key, value, header;
    const struct coordinator_types *types; /* NULL: not as JSON */
    struct arena scratch;                  /* of one record, for JSON */
    struct strbuf json;
};

/** The decoding of a Java deserializer's class name; false when it is none that we have. */
bool decoding_of_class(struct str class_name, enum decoding *ret_decoding);
/** The default one. Reads print.*, *.separator, null.literal and *.deserializer; the texts stay
 * borrowed from `settings`. Ends the process when a deserializer is not known. */
void formatter_init(struct formatter *formatter, const struct settings *settings);
void formatter_release(struct formatter *formatter);
/** Makes it the one that Kafka has by this class name; false when we have none of that name. */
MUST_CHECK bool formatter_choose(struct formatter *formatter, struct str class_name);
/** ST_CORRUPT: a key, value or header does not have the size that its deserializer needs, or is no
 * record of the topic whose formatter this is; *ret_reason says so; what precedes it has been
 * written. Errors of `out` are its own. */
MUST_CHECK enum status formatter_write(struct formatter *formatter,
                                       const struct console_record *record, FILE *out,
                                       const char **ret_reason);
