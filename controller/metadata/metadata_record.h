/* controller/metadata/metadata_record.h - the value of one record of `__cluster_metadata-0`:
 * unsigned varints frame version (1), record type and version, then the body as its schema says;
 * nothing follows it. Source: org.apache.kafka.server.common.serialization.AbstractApiMessageSerde.
 */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"
#include "protocol/messages.h"

struct metadata_record {
    const struct schema *schema; /* NULL: a type that we do not know */
    uint32_t type;               /* enum metadata_type */
    int16_t version;
    struct bytes body; /* borrowed */
};

/** ST_CORRUPT: no such frame; ST_UNSUPPORTED: a frame version above ours. A type or version that is
 * unknown is not an error here: schema is NULL, or schema_has says so. */
MUST_CHECK enum status metadata_record_open(struct bytes value, struct metadata_record *ret_record);
/** Decodes the whole body into the schema's struct; ST_CORRUPT when octets are left. */
MUST_CHECK enum status metadata_record_decode(const struct metadata_record *record,
                                              struct arena *arena, void *out);
MUST_CHECK enum status metadata_record_encode(const struct schema *schema, int16_t version,
                                              const void *message, struct arena *arena,
                                              struct bytes *ret_value);

struct broker_image;
struct controller_image;
struct partition_image;

/* The records that describe a whole broker, controller or partition, in the version that a
 * metadata.version asks for. Value: arena. */
MUST_CHECK enum status broker_record_encode(const struct broker_image *broker,
                                            int16_t metadata_version, struct arena *arena,
                                            struct bytes *ret_value);
MUST_CHECK enum status controller_record_encode(const struct controller_image *controller,
                                                struct arena *arena, struct bytes *ret_value);
MUST_CHECK enum status partition_record_encode(struct uuid topic_id, int32_t index,
                                               const struct partition_image *partition,
                                               int16_t metadata_version, struct arena *arena,
                                               struct bytes *ret_value);
