/* controller/metadata_replay.c - batches into the image: data records by groups, control records
 * into the voter set. */
#include "controller/metadata_replay.h"
#include "protocol/messages.h"

#define FLUSH_BYTES ((size_t)4 << 20) /* of values: fewer and larger steps copy less */
#define ARENA_CHUNK_BYTES ((size_t)64 << 10)
#define BATCH_PLAIN_BYTES_MAX ((size_t)256 << 20)

void control_key_put(uint8_t key[CONTROL_KEY_BYTES], enum control_type type) {
    put_u16(key, 0); /* version */
    put_u16(key + 2, (uint16_t)type);
}

void metadata_replay_init(struct metadata_replay *replay, struct mem *mem) {
    *replay = (struct metadata_replay){.mem = mem, .last_offset = -1, .last_epoch = -1};
    replay->image = image_new(mem);
    record_group_init(&replay->group, mem);
    record_iter_init(&replay->iter, mem);
    arena_init(&replay->arena, mem, ARENA_CHUNK_BYTES, 0);
}

static void free_voters(struct metadata_replay *replay) {
    mem_free(replay->mem, (void *)(uintptr_t)replay->voters_record.ptr, replay->voters_record.len);
    replay->voters_record = BYTES_NULL;
}

void metadata_replay_release(struct metadata_replay *replay) {
    free_voters(replay);
    image_free(replay->image);
    mem_free(replay->mem, replay->removed, replay->removed_capacity * sizeof *replay->removed);
    record_group_release(&replay->group);
    record_iter_release(&replay->iter);
    arena_release(&replay->arena);
}

static enum status note_removed(struct metadata_replay *replay, const struct image_delta *delta) {
    size_t count = replay->removed_count + delta->topics_removed_count;
    if (count > replay->removed_capacity) {
        size_t capacity = MAX(count, replay->removed_capacity * 2);
        struct uuid *more = mem_alloc(replay->mem, capacity * sizeof *more);
        if (more == NULL) return ST_NOMEM;
        if (replay->removed_count > 0)
            memcpy(more, replay->removed, replay->removed_count * sizeof *more);
        mem_free(replay->mem, replay->removed,
                 replay->removed_capacity * sizeof *replay->removed);
        replay->removed = more;
        replay->removed_capacity = capacity;
    }
    for (uint32_t i = 0; i < delta->topics_removed_count; i++)
        replay->removed[replay->removed_count++] = delta->topics_removed[i];
    return ST_OK;
}

enum status metadata_replay_flush(struct metadata_replay *replay, struct arena *arena,
                                  struct str *ret_problem) {
    uint32_t ready = record_group_ready(&replay->group);
    struct image *next;
    struct image_delta delta;
    enum status st = image_apply(replay->image, replay->group.values, ready, replay->last_offset,
                                 replay->last_epoch, &replay->arena, &next, &delta);
    if (st == ST_OK) {
        image_free(replay->image);
        replay->image = next;
        record_group_applied(&replay->group);
        st = note_removed(replay, &delta);
    } else {
        *ret_problem = arena_str(arena, delta.problem);
    }
    arena_reset(&replay->arena);
    return st;
}

/* --- control records --- */

static enum status decode_control(struct metadata_replay *replay, const struct schema *schema,
                                  struct bytes value, void *out, struct arena *arena,
                                  struct str *ret_problem) {
    size_t used;
    int16_t version = value.len >= 2 ? (int16_t)get_u16(value.ptr) : 0;
    if (version > schema->max_version) {
        *ret_problem = arena_printf(arena, "%s version %d; up to %d are supported", schema->name,
                                    version, schema->max_version);
        return ST_UNSUPPORTED;
    }
    enum status st = codec_decode(schema, version, value, &replay->arena, out, &used);
    if (st == ST_OK && used == value.len) return ST_OK;
    *ret_problem = arena_printf(arena, "a malformed %s", schema->name);
    return st == ST_NOMEM ? ST_NOMEM : ST_CORRUPT;
}

static enum status take_kraft_version(struct metadata_replay *replay, struct bytes value,
                                      struct arena *arena, struct str *ret_problem) {
    struct kraft_version_record record;
    enum status st =
        decode_control(replay, &kraft_version_record_schema, value, &record, arena, ret_problem);
    if (st != ST_OK) return st;
    if (record.kraft_version < 0 || record.kraft_version > KRAFT_VERSION_MAX) {
        *ret_problem = arena_printf(arena, "kraft.version is %d; up to %d are supported",
                                    record.kraft_version, KRAFT_VERSION_MAX);
        return ST_UNSUPPORTED;
    }
    replay->kraft_version = record.kraft_version;
    return ST_OK;
}

static enum status take_voters(struct metadata_replay *replay, struct bytes value, bool is_snapshot,
                               struct arena *arena, struct str *ret_problem) {
    struct voters_record record;
    enum status st =
        decode_control(replay, &voters_record_schema, value, &record, arena, ret_problem);
    if (st != ST_OK) return st;
    if (record.voters_count < 0 || record.voters_count > VOTERS_MAX) {
        *ret_problem = arena_printf(arena, "a quorum of %d voters", record.voters_count);
        return ST_UNSUPPORTED;
    }
    uint8_t *copy = mem_alloc(replay->mem, value.len);
    if (copy == NULL) return ST_NOMEM;
    memcpy(copy, value.ptr, value.len);
    free_voters(replay);
    replay->voters_record = (struct bytes){copy, value.len};
    replay->voters_in_log = !is_snapshot;
    replay->voter_count = (uint32_t)record.voters_count;
    for (int32_t i = 0; i < record.voters_count; i++) {
        replay->voters[i] =
            (struct raft_voter){record.voters[i].voter_id, record.voters[i].voter_directory_id};
    }
    return ST_OK;
}

static enum status take_control(struct metadata_replay *replay, const struct record *record,
                                bool is_snapshot, struct arena *arena, struct str *ret_problem) {
    if (record->key.len < CONTROL_KEY_BYTES || record->value.ptr == NULL) {
        *ret_problem = STR("a control record without type or value");
        return ST_CORRUPT;
    }
    switch (get_u16(record->key.ptr + 2)) {
    case CONTROL_SNAPSHOT_HEADER: replay->saw_header = true; return ST_OK;
    case CONTROL_SNAPSHOT_FOOTER: replay->saw_footer = true; return ST_OK;
    case CONTROL_KRAFT_VERSION:
        return take_kraft_version(replay, record->value, arena, ret_problem);
    case CONTROL_KRAFT_VOTERS:
        return take_voters(replay, record->value, is_snapshot, arena, ret_problem);
    default: return ST_OK; /* the leader's change, and what later versions may add */
    }
}

/* --- batches --- */

static enum status take_record(struct metadata_replay *replay, const struct record *record,
                               bool is_control, bool is_snapshot, struct arena *arena,
                               struct str *ret_problem) {
    if (is_control) return take_control(replay, record, is_snapshot, arena, ret_problem);
    const char *problem = "";
    enum status st = record->value.ptr != NULL
                         ? record_group_add(&replay->group, record->value, &problem)
                         : ST_CORRUPT;
    if (st != ST_OK) *ret_problem = arena_printf(arena, "%s", problem);
    return st;
}

enum status metadata_replay_batch(struct metadata_replay *replay, struct bytes batch,
                                  bool is_snapshot, struct arena *arena, struct str *ret_problem) {
    struct batch_view view;
    enum status st = batch_open(batch, &view);
    if (st == ST_SHORT || (st == ST_OK && !batch_crc_matches(batch))) st = ST_CORRUPT;
    if (st != ST_OK) {
        *ret_problem = STR("a damaged batch");
        return st;
    }
    record_iter_open(&replay->iter, &view, BATCH_PLAIN_BYTES_MAX);
    struct record record;
    bool is_control = batch_is_control(&view);
    while (st == ST_OK && record_iter_next(&replay->iter, &record)) {
        st = take_record(replay, &record, is_control, is_snapshot, arena, ret_problem);
        if (st == ST_OK) continue;
        *ret_problem = arena_printf(arena, "offset %lld: %.*s", (long long)record.offset,
                                    STR_ARG(*ret_problem));
    }
    record_iter_close(&replay->iter);
    if (st == ST_OK && replay->iter.status != ST_OK) {
        st = replay->iter.status;
        *ret_problem =
            arena_printf(arena, "offset %lld: damaged records", (long long)view.base_offset);
    }
    arena_reset(&replay->arena);
    if (st != ST_OK) return st;
    if (!is_snapshot) {
        replay->last_offset = batch_last_offset(&view);
        replay->last_epoch = view.partition_leader_epoch;
    }
    bool is_due = replay->group.bytes >= FLUSH_BYTES && record_group_ready(&replay->group) > 0;
    return is_due ? metadata_replay_flush(replay, arena, ret_problem) : ST_OK;
}
