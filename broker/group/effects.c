/* broker/group/effects.c - records encoded, tickets failed. */
#include "broker/group/effects.h"
#include "base/assert.h"
#include "protocol/errors.h"

#define RECORD_OVERHEAD_BYTES 32 /* length, attributes, deltas, key and value lengths, at most */

void group_effects_init(struct group_effects *fx, struct mem *mem) {
    *fx = (struct group_effects){.mem = mem, .unit_bytes_max = SIZE_MAX};
    arena_init(&fx->arena, mem, 4096, 0);
    list_init(&fx->replies);
}

void group_effects_release(struct group_effects *fx) {
    ASSERT(list_is_empty(&fx->replies));
    mem_free(fx->mem, fx->records, fx->record_capacity * sizeof *fx->records);
    arena_release(&fx->arena);
    fx->records = NULL;
    fx->record_count = fx->record_capacity = 0;
}

void group_effects_clear(struct group_effects *fx) {
    ASSERT(list_is_empty(&fx->replies));
    arena_reset(&fx->arena);
    fx->record_count = 0;
    fx->unit = 0;
    fx->unit_bytes = 0;
    fx->is_broken = false;
}

void group_effects_unit(struct group_effects *fx) {
    fx->unit++;
    fx->unit_bytes = 0;
}

void group_effects_drop_unit(struct group_effects *fx) {
    while (fx->record_count > 0 && fx->records[fx->record_count - 1].unit == fx->unit)
        fx->record_count--;
    fx->unit_bytes = 0;
}

static bool reserve(struct group_effects *fx) {
    if (fx->record_count < fx->record_capacity) return true;
    uint32_t capacity = MAX(fx->record_capacity * 2, 16u);
    struct group_record *records =
        mem_resize(fx->mem, fx->records, fx->record_capacity * sizeof *records,
                   capacity * sizeof *records);
    if (records == NULL) return false;
    fx->records = records;
    fx->record_capacity = capacity;
    return true;
}

/* The version, then the message: how keys and values stand in the log. */
static enum status encode(struct arena *arena, const struct schema *schema, int16_t version,
                          int16_t written_version, const void *message, struct bytes *ret_bytes) {
    size_t size = codec_size(schema, version, message);
    uint8_t *out = arena_alloc(arena, size + 2);
    if (out == NULL) return ST_NOMEM;
    put_u16(out, (uint16_t)written_version);
    enum status st = codec_encode(schema, version, message, out + 2, size, NULL);
    *ret_bytes = (struct bytes){out, size + 2};
    return st;
}

enum status group_effects_record(struct group_effects *fx, const struct schema *key_schema,
                                 const void *key, const struct schema *value_schema,
                                 int16_t value_version, const void *value) {
    struct group_record record = {.unit = fx->unit};
    if (!reserve(fx)) return ST_NOMEM;
    /* A key's version is its type; its own fields have only version 0. */
    enum status st = encode(&fx->arena, key_schema, 0, key_schema->key, key, &record.key);
    if (st == ST_OK && value != NULL)
        st = encode(&fx->arena, value_schema, value_version, value_version, value, &record.value);
    if (st != ST_OK) return st == ST_NOMEM ? ST_NOMEM : ST_TOO_LARGE;
    fx->unit_bytes += record.key.len + record.value.len + RECORD_OVERHEAD_BYTES;
    if (fx->unit_bytes > fx->unit_bytes_max) return ST_TOO_LARGE;
    fx->records[fx->record_count++] = record;
    return ST_OK;
}

int16_t group_effects_error(enum status st) {
    switch (st) {
    case ST_OK: return KAFKA_NONE;
    case ST_NOMEM: return KAFKA_COORDINATOR_NOT_AVAILABLE;
    default: return KAFKA_UNKNOWN_SERVER_ERROR;
    }
}

/* --- errors, by kind --- */

static void fail_commit(const struct commit_call *call, int16_t error) {
    for (int32_t i = 0; i < call->count; i++) *call->items[i].error = error;
}

/* Consumers before 3.9 fail on COORDINATOR_NOT_AVAILABLE here; on the other they look for their
 * coordinator and ask again. Source: GroupCoordinatorService.handleOffsetFetchException. */
static void fail_fetch(const struct fetch_call *call, struct offset_fetch_response_group *out,
                       int16_t error) {
    offset_fetch_response_group_defaults(out);
    out->group_id = call->group_id;
    out->error_code =
        error == KAFKA_COORDINATOR_NOT_AVAILABLE ? (int16_t)KAFKA_NOT_COORDINATOR : error;
}

static void fail_delete(struct offset_delete_response *out, int16_t error) {
    offset_delete_response_defaults(out);
    out->error_code = error;
}

static void fail_join(const struct join_group_request *in, struct join_group_response *out,
                      int16_t version, int16_t error) {
    join_group_response_defaults(out);
    out->member_id = in->member_id;
    out->error_code = error;
    if (version >= 7) out->protocol_name = STR_NULL;
}

static void fail_sync(struct sync_group_response *out, int16_t error) {
    sync_group_response_defaults(out);
    out->error_code = error;
}

static void fail_heartbeat(struct heartbeat_response *out, int16_t error) {
    out->error_code = error;
}

static void fail_leave(struct leave_group_response *out, int16_t error) {
    leave_group_response_defaults(out);
    out->error_code = error;
}

static void fail_list(struct list_groups_response *out, int16_t error) {
    list_groups_response_defaults(out);
    out->error_code = error;
}

static void fail_describe(const struct str *group_id,
                          struct describe_groups_response_described_group *out, int16_t error) {
    describe_groups_response_described_group_defaults(out);
    out->group_id = *group_id;
    out->error_code = error;
}

static void fail_consumer_heartbeat(struct consumer_group_heartbeat_response *out,
                                    int16_t error) {
    consumer_group_heartbeat_response_defaults(out);
    out->error_code = error;
}

static void fail_describe_consumer(const struct str *group_id,
                                   struct consumer_group_describe_response_described *out,
                                   int16_t error) {
    consumer_group_describe_response_described_defaults(out);
    out->group_id = *group_id;
    out->error_code = error;
}

static void fail_deletion(const struct str *group_id,
                          struct delete_groups_response_deletable_group_result *out,
                          int16_t error) {
    out->group_id = *group_id;
    out->error_code = error;
}

void group_ticket_fail(struct group_ticket *ticket, int16_t error) {
    switch (ticket->kind) {
    case CALL_COMMIT_OFFSETS: fail_commit(ticket->request, error); return;
    case CALL_FETCH_OFFSETS: fail_fetch(ticket->request, ticket->response, error); return;
    case CALL_DELETE_OFFSETS: fail_delete(ticket->response, error); return;
    case CALL_JOIN: fail_join(ticket->request, ticket->response, ticket->version, error); return;
    case CALL_SYNC: fail_sync(ticket->response, error); return;
    case CALL_HEARTBEAT: fail_heartbeat(ticket->response, error); return;
    case CALL_LEAVE: fail_leave(ticket->response, error); return;
    case CALL_LIST_GROUPS: fail_list(ticket->response, error); return;
    case CALL_DESCRIBE_GROUP: fail_describe(ticket->request, ticket->response, error); return;
    case CALL_CONSUMER_HEARTBEAT: fail_consumer_heartbeat(ticket->response, error); return;
    case CALL_DESCRIBE_CONSUMER:
        fail_describe_consumer(ticket->request, ticket->response, error);
        return;
    case CALL_DELETE_GROUP: fail_deletion(ticket->request, ticket->response, error); return;
    }
    ASSERT(false);
}
