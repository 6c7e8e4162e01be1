/* tools/remote_log_text.c - see remote_log_text.h. */
#include "tools/remote_log_text.h"
#include <inttypes.h>
#include "base/assert.h"
#include "protocol/wire.h"

#define FRAME_VERSION 1

enum { SEGMENT = 0, SEGMENT_UPDATE = 1, PARTITION_DELETE = 2, SEGMENT_SNAPSHOT = 3 };

static const char *const segment_states[] = {"COPY_SEGMENT_STARTED", "COPY_SEGMENT_FINISHED",
                                             "DELETE_SEGMENT_STARTED", "DELETE_SEGMENT_FINISHED"};
static const char *const partition_states[] = {
    "DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED"};

/* --- parts --- */

static void add_uuid(struct strbuf *out, struct uuid id) {
    char text[UUID_TEXT_BYTES + 1];
    uuid_format(id, text);
    strbuf_add_str(out, str_of(text));
}

static void add_partition(struct strbuf *out, struct str topic, struct uuid id, int32_t partition) {
    add_uuid(out, id);
    strbuf_add_char(out, ':');
    strbuf_add_str(out, topic);
    strbuf_printf(out, "-%" PRId32, partition);
}

static void begin_segment(struct strbuf *out, const char *class_name, struct str topic,
                          struct uuid topic_id, int32_t partition, struct uuid id) {
    strbuf_printf(out, "%s{remoteLogSegmentId=RemoteLogSegmentId{topicIdPartition=", class_name);
    add_partition(out, topic, topic_id, partition);
    strbuf_add_str(out, STR(", id="));
    add_uuid(out, id);
    strbuf_add_char(out, '}');
}

static void add_custom(struct strbuf *out, struct bytes custom) {
    if (custom.ptr == NULL) {
        strbuf_add_str(out, STR(", customMetadata=Optional.empty"));
    } else {
        strbuf_printf(out, ", customMetadata=Optional[CustomMetadata{%zu bytes}]", custom.len);
    }
}

/* One entry of a map by epoch. */
static void add_epoch(struct strbuf *out, bool is_first, int32_t epoch, int64_t offset) {
    strbuf_printf(out, "%s%" PRId32 "=%" PRId64, is_first ? "" : ", ", epoch, offset);
}

/* Behind the epochs. */
static void end_segment(struct strbuf *out, int32_t bytes, struct bytes custom, int8_t state,
                        bool is_txn_index_empty) {
    strbuf_printf(out, "}, segmentSizeInBytes=%" PRId32, bytes);
    add_custom(out, custom);
    strbuf_printf(out, ", state=%s, txnIdxEmpty=%s}", segment_states[state],
                  is_txn_index_empty ? "true" : "false");
}

/* --- records --- */

static void add_segment(const struct remote_log_segment_metadata_record *r, struct strbuf *out) {
    begin_segment(out, "RemoteLogSegmentMetadata", r->remote_log_segment_id.topic_id_partition.name,
                  r->remote_log_segment_id.topic_id_partition.id,
                  r->remote_log_segment_id.topic_id_partition.partition,
                  r->remote_log_segment_id.id);
    strbuf_printf(
        out,
        ", startOffset=%" PRId64 ", endOffset=%" PRId64 ", brokerId=%" PRId32
        ", maxTimestampMs=%" PRId64 ", eventTimestampMs=%" PRId64 ", segmentLeaderEpochs={",
        r->start_offset, r->end_offset, r->broker_id, r->max_timestamp_ms, r->event_timestamp_ms);
    for (int32_t i = 0; i < r->segment_leader_epochs_count; i++)
        add_epoch(out, i == 0, r->segment_leader_epochs[i].leader_epoch,
                  r->segment_leader_epochs[i].offset);
    end_segment(out, r->segment_size_in_bytes, r->custom_metadata, r->remote_log_segment_state,
                r->txn_index_empty);
}

static void add_update(const struct remote_log_segment_metadata_update_record *r,
                       struct strbuf *out) {
    begin_segment(
        out, "RemoteLogSegmentMetadataUpdate", r->remote_log_segment_id.topic_id_partition.name,
        r->remote_log_segment_id.topic_id_partition.id,
        r->remote_log_segment_id.topic_id_partition.partition, r->remote_log_segment_id.id);
    add_custom(out, r->custom_metadata);
    strbuf_printf(out, ", state=%s, eventTimestampMs=%" PRId64 ", brokerId=%" PRId32 "}",
                  segment_states[r->remote_log_segment_state], r->event_timestamp_ms, r->broker_id);
}

static void add_delete(const struct remote_partition_delete_metadata_record *r,
                       struct strbuf *out) {
    strbuf_add_str(out, STR("RemotePartitionDeleteMetadata{topicPartition="));
    add_partition(out, r->topic_id_partition.name, r->topic_id_partition.id,
                  r->topic_id_partition.partition);
    strbuf_printf(out, ", state=%s, eventTimestampMs=%" PRId64 ", brokerId=%" PRId32 "}",
                  partition_states[r->remote_partition_delete_state], r->event_timestamp_ms,
                  r->broker_id);
}

static void add_snapshot(const struct remote_log_segment_metadata_snapshot_record *r,
                         struct strbuf *out) {
    strbuf_add_str(out, STR("RemoteLogSegmentMetadataSnapshot{segmentId="));
    add_uuid(out, r->segment_id);
    strbuf_printf(out,
                  ", startOffset=%" PRId64 ", endOffset=%" PRId64 ", maxTimestampMs=%" PRId64
                  ", segmentLeaderEpochs={",
                  r->start_offset, r->end_offset, r->max_timestamp_ms);
    for (int32_t i = 0; i < r->segment_leader_epochs_count; i++)
        add_epoch(out, i == 0, r->segment_leader_epochs[i].leader_epoch,
                  r->segment_leader_epochs[i].offset);
    end_segment(out, r->segment_size_in_bytes, r->custom_metadata, r->remote_log_segment_state,
                r->txn_index_empty);
}

static bool is_state(int8_t state, size_t count) { return state >= 0 && (size_t)state < count; }

/* false: its state is none. */
static bool add_record(uint32_t type, const void *record, struct strbuf *out) {
    switch (type) {
    case SEGMENT: {
        const struct remote_log_segment_metadata_record *r = record;
        if (!is_state(r->remote_log_segment_state, COUNT(segment_states))) return false;
        add_segment(r, out);
        return true;
    }
    case SEGMENT_UPDATE: {
        const struct remote_log_segment_metadata_update_record *r = record;
        if (!is_state(r->remote_log_segment_state, COUNT(segment_states))) return false;
        add_update(r, out);
        return true;
    }
    case PARTITION_DELETE: {
        const struct remote_partition_delete_metadata_record *r = record;
        if (!is_state(r->remote_partition_delete_state, COUNT(partition_states))) return false;
        add_delete(r, out);
        return true;
    }
    case SEGMENT_SNAPSHOT: {
        const struct remote_log_segment_metadata_snapshot_record *r = record;
        if (!is_state(r->remote_log_segment_state, COUNT(segment_states))) return false;
        add_snapshot(r, out);
        return true;
    }
    }
    UNREACHABLE();
}

/* --- the frame --- */

static bool refuse(struct strbuf *out, const char *why) {
    strbuf_add_str(out, str_of(why));
    return false;
}

static bool take_number(struct bytes *in, uint32_t *ret_number) {
    size_t used;
    if (wire_get_uvarint(*in, ret_number, &used) != ST_OK) return false;
    *in = (struct bytes){in->ptr + used, in->len - used};
    return true;
}

bool remote_log_text(struct bytes value, struct arena *arena, struct strbuf *out) {
    uint32_t frame = 0, type = 0, version = 0;
    if (value.ptr == NULL) return refuse(out, "The record has no value");
    if (!take_number(&value, &frame)) return refuse(out, "Error while reading frame version");
    if (frame != FRAME_VERSION) {
        strbuf_printf(out,
                      "Could not deserialize metadata record due to unknown frame version %" PRIu32
                      "(only frame version 1 is supported)",
                      frame);
        return false;
    }
    if (!take_number(&value, &type)) return refuse(out, "Error while reading type");
    if (!take_number(&value, &version)) return refuse(out, "Error while reading version");
    const struct schema *schema =
        type <= SEGMENT_SNAPSHOT ? schema_find(MESSAGE_REMOTE_LOG, (int16_t)type) : NULL;
    if (schema == NULL) {
        strbuf_printf(out,
                      "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown "
                      "metadata id %" PRIu32,
                      type);
        return false;
    }
    size_t used;
    void *record = arena_alloc(arena, schema->layout->bytes);
    bool is_read = record != NULL && version <= INT16_MAX && schema_has(schema, (int16_t)version) &&
                   codec_decode(schema, (int16_t)version, value, arena, record, &used) == ST_OK;
    if (!is_read) {
        strbuf_printf(out, "Failed to deserialize record with type %" PRIu32, type);
        return false;
    }
    return add_record(type, record, out) || refuse(out, "state can not be null");
}
