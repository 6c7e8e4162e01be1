/* controller/metadata/record_group.c - collecting values until they may be applied. */
#include "controller/metadata/record_group.h"
#include "controller/metadata/metadata_record.h"

#define CHUNK_BYTES ((size_t)64 << 10)

void record_group_init(struct record_group *group, struct mem *mem) {
    *group = (struct record_group){.mem = mem, .open_at = GROUP_CLOSED};
    arena_init(&group->arena, mem, CHUNK_BYTES, 0);
}

void record_group_release(struct record_group *group) {
    mem_free(group->mem, group->values, group->capacity * sizeof *group->values);
    arena_release(&group->arena);
}

static enum status begin(struct record_group *group, const char **ret_problem) {
    *ret_problem = "a transaction begins within another";
    if (record_group_is_open(group)) return ST_CORRUPT;
    group->open_at = group->count;
    return ST_OK;
}

static enum status end(struct record_group *group, bool keep, const char **ret_problem) {
    *ret_problem = "a transaction ends that did not begin";
    if (!record_group_is_open(group)) return ST_CORRUPT;
    if (!keep) group->count = group->open_at;
    group->open_at = GROUP_CLOSED;
    return ST_OK;
}

static enum status copy(struct record_group *group, struct bytes value) {
    if (group->count == group->capacity) {
        uint32_t capacity = group->capacity > 0 ? group->capacity * 2 : 64;
        struct bytes *values = mem_resize(
            group->mem, group->values, group->capacity * sizeof *values, capacity * sizeof *values);
        if (values == NULL) return ST_NOMEM;
        group->values = values;
        group->capacity = capacity;
    }
    struct bytes kept = arena_bytes(&group->arena, value);
    if (kept.ptr == NULL) return ST_NOMEM;
    group->values[group->count++] = kept;
    group->bytes += value.len;
    return ST_OK;
}

enum status record_group_add(struct record_group *group, struct bytes value,
                             const char **ret_problem) {
    struct metadata_record record;
    bool is_record = metadata_record_open(value, &record) == ST_OK;
    uint32_t type = is_record ? record.type : NO_OP_RECORD; /* image_apply says what is wrong */
    *ret_problem = "too many records belong together";
    if (group->bytes + value.len > GROUP_BYTES_MAX) return ST_TOO_LARGE;
    switch (type) {
    case BEGIN_TRANSACTION_RECORD: return begin(group, ret_problem);
    case END_TRANSACTION_RECORD: return end(group, true, ret_problem);
    case ABORT_TRANSACTION_RECORD: return end(group, false, ret_problem);
    default: *ret_problem = ""; return copy(group, value);
    }
}

void record_group_applied(struct record_group *group) {
    uint32_t ready = record_group_ready(group);
    if (ready == 0) return;
    memmove(group->values, group->values + ready, (group->count - ready) * sizeof *group->values);
    group->count -= ready;
    if (record_group_is_open(group)) group->open_at = 0;
    if (group->count > 0) return;
    group->bytes = 0;
    arena_reset(&group->arena);
}
