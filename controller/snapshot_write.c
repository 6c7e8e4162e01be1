/* controller/snapshot_write.c - making the batches of a snapshot. */
#include "controller/snapshot_write.h"
#include "protocol/messages.h"

void snapshot_write_init(struct snapshot_write *w, struct mem *mem, struct arena *arena,
                         int32_t epoch, int64_t now_ms) {
    *w = (struct snapshot_write){.arena = arena, .epoch = epoch, .now_ms = now_ms};
    octets_init(&w->out, mem);
    batch_builder_init(&w->builder, mem);
}

void snapshot_write_release(struct snapshot_write *w) {
    octets_release(&w->out);
    batch_builder_release(&w->builder);
}

static enum status begin(struct snapshot_write *w, bool control) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = w->next_offset;
    options.leader_epoch = w->epoch;
    options.control = control;
    return batch_builder_start(&w->builder, &options);
}

static enum status end(struct snapshot_write *w) {
    struct bytes batch;
    w->next_offset += w->builder.record_count;
    enum status st = batch_builder_finish(&w->builder, &batch);
    return st == ST_OK ? octets_add(&w->out, batch.ptr, batch.len) : st;
}

static enum status add_control(struct snapshot_write *w, enum control_type type,
                               struct bytes value) {
    uint8_t key[CONTROL_KEY_BYTES];
    control_key_put(key, type);
    return batch_builder_add(&w->builder, w->now_ms, (struct bytes){key, sizeof key}, value, NULL,
                             0);
}

static enum status add_message(struct snapshot_write *w, enum control_type type,
                               const struct schema *schema, const void *message) {
    struct bytes value;
    enum status st = codec_encode_arena(schema, 0, message, w->arena, &value);
    return st == ST_OK ? add_control(w, type, value) : st;
}

enum status snapshot_write_header(struct snapshot_write *w, int64_t last_record_ms,
                                  int16_t kraft_version, struct bytes voters) {
    struct snapshot_header_record header;
    snapshot_header_record_defaults(&header);
    header.last_contained_log_timestamp = last_record_ms;
    struct kraft_version_record version;
    kraft_version_record_defaults(&version);
    version.kraft_version = kraft_version;
    enum status st = begin(w, true);
    if (st == ST_OK) {
        st = add_message(w, CONTROL_SNAPSHOT_HEADER, &snapshot_header_record_schema, &header);
    }
    if (st == ST_OK && voters.ptr != NULL) {
        st = add_message(w, CONTROL_KRAFT_VERSION, &kraft_version_record_schema, &version);
        if (st == ST_OK) st = add_control(w, CONTROL_KRAFT_VOTERS, voters);
    }
    return st == ST_OK ? end(w) : st;
}

enum status snapshot_write_records(struct snapshot_write *w, const struct bytes *values,
                                   uint32_t count) {
    enum status st = begin(w, false);
    for (uint32_t i = 0; i < count && st == ST_OK; i++) {
        st = batch_builder_add(&w->builder, w->now_ms, BYTES_NULL, values[i], NULL, 0);
    }
    return st == ST_OK ? end(w) : st;
}

enum status snapshot_write_footer(struct snapshot_write *w) {
    struct snapshot_footer_record footer;
    snapshot_footer_record_defaults(&footer);
    enum status st = begin(w, true);
    if (st == ST_OK) {
        st = add_message(w, CONTROL_SNAPSHOT_FOOTER, &snapshot_footer_record_schema, &footer);
    }
    return st == ST_OK ? end(w) : st;
}
