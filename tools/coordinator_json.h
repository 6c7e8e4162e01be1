/* tools/coordinator_json.h - the records of the coordinators' logs (__consumer_offsets,
 * __transaction_state, __share_group_state) as JSON: what kafka-dump-log and the console consumer's
 * formatters show of them. A key begins with an int16, the record's type; a value with one that is
 * its version. Source: org.apache.kafka.coordinator.common.runtime.CoordinatorRecordSerde and the
 * generated CoordinatorRecordJsonConverters. */
#pragma once
#include "base/strbuf.h"
#include "protocol/messages.h"

enum coordinator_log { COORDINATOR_GROUPS, COORDINATOR_TRANSACTIONS, COORDINATOR_SHARES };

/** Adds a message's fields as a JSON object; what it decodes to is memory of the arena. ST_CORRUPT
 * and its like when the octets are no such message, ST_UNSUPPORTED when it has no such version. */
MUST_CHECK enum status coordinator_json_message(const struct schema *schema, int16_t version,
                                                struct bytes in, struct arena *arena,
                                                struct strbuf *out);

/** A key's type and its schema. ST_SHORT: not even a type; ST_NOT_FOUND: the log has no such type,
 * *ret_type is set. */
MUST_CHECK enum status coordinator_json_key_type(enum coordinator_log log, struct bytes key,
                                                 int16_t *ret_type,
                                                 const struct schema **ret_schema);
/** Adds the object of a key whose schema is known. */
MUST_CHECK enum status coordinator_json_key(const struct schema *schema, struct bytes key,
                                            struct arena *arena, struct strbuf *out);

/** The schema of the value that belongs to a type of key, and its version. ST_SHORT: not even
 * that. */
MUST_CHECK enum status coordinator_json_value_version(enum coordinator_log log, int16_t type,
                                                      struct bytes value, int16_t *ret_version,
                                                      const struct schema **ret_schema);

/* The records that one of the console consumer's formatters shows: types from..to of a log. */
struct coordinator_types {
    enum coordinator_log log;
    int16_t from, to;
};

/** Adds {"key":{"type":..,"data":..},"value":{"version":..,"data":..}}, the value null for a
 * tombstone; nothing for a record of another type or without a key. ST_CORRUPT: the record cannot
 * be read, *ret_reason says why, and what `out` holds is worth nothing. */
MUST_CHECK enum status coordinator_json_record(const struct coordinator_types *types,
                                               struct bytes key, struct bytes value,
                                               struct arena *arena, struct strbuf *out,
                                               const char **ret_reason);
