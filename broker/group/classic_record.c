/* broker/group/classic_record.c - a classic group as GroupMetadata records have it. */
#include <inttypes.h>
#include "broker/group/classic.h"
#include "protocol/crc32c.h"

#define GROUP_VERSION 3 /* of GroupMetadataValue */

/* Everything but what is volatile; strings are borrowed from the group. */
static bool value_of(const struct classic *g, struct arena *arena,
                     struct group_metadata_value *out) {
    const struct bytes nothing = {(const uint8_t *)"", 0};
    group_metadata_value_defaults(out);
    out->protocol_type = g->protocol_type.ptr != NULL ? g->protocol_type : STR("");
    out->generation = g->generation;
    out->protocol = g->protocol;
    out->leader = g->leader != NULL ? g->leader->id : STR_NULL;
    out->current_state_timestamp = g->state_since_ms;
    out->members = group_metadata_value_member_array(arena, (int32_t)g->members.count);
    if (out->members == NULL) return false;
    LIST_EACH(&g->order, node) {
        const struct classic_member *m = CONTAINER_OF(node, struct classic_member, link);
        struct group_metadata_value_member *member = &out->members[out->members_count++];
        struct bytes metadata = classic_metadata(m, g->protocol);
        member->member_id = m->id;
        member->group_instance_id = m->instance_id;
        member->client_id = m->client_id;
        member->client_host = m->client_host;
        member->rebalance_timeout = m->rebalance_timeout_ms;
        member->session_timeout = m->session_timeout_ms;
        member->subscription = metadata.ptr != NULL ? metadata : nothing;
        member->assignment = m->assignment.ptr != NULL ? m->assignment : nothing;
    }
    return true;
}

/* Of what the value says, whichever version it is written in. */
static enum status checksum(const struct group_metadata_value *value, struct arena *arena,
                            uint32_t *ret_crc) {
    struct bytes encoded;
    enum status st = codec_encode_arena(&group_metadata_value_schema, GROUP_VERSION, value, arena,
                                        &encoded);
    if (st == ST_OK) *ret_crc = crc32c(0, encoded.ptr, encoded.len);
    return st;
}

enum status classic_write(struct classic *g) {
    struct group_effects *fx = g->coordinator->fx;
    struct group_metadata_key key = {.group = g->body.group->id};
    struct group_metadata_value value;
    uint32_t crc = 0;
    if (!value_of(g, &fx->arena, &value)) return ST_NOMEM;
    enum status st = group_effects_record(fx, &group_metadata_key_schema, &key,
                                          &group_metadata_value_schema, GROUP_VERSION, &value);
    if (st == ST_OK) st = checksum(&value, &fx->arena, &crc);
    if (st != ST_OK) return st;
    g->is_written = true;
    g->written_crc = crc;
    g->coordinator->next_position++;
    return ST_OK;
}

enum status classic_bury(struct group *group) {
    struct group_metadata_key key = {.group = group->id};
    return group_effects_record(group->coordinator->fx, &group_metadata_key_schema, &key,
                                &group_metadata_value_schema, GROUP_VERSION, NULL);
}

/* --- replay --- */

static enum status replay_member(struct classic *g, const struct group_metadata_value *value,
                                 const struct group_metadata_value_member *member) {
    struct join_group_request_protocol protocol = {
        .name = value->protocol.ptr != NULL ? value->protocol : STR(""),
        .metadata = member->subscription};
    struct classic_newcomer newcomer = {
        .id = member->member_id,
        .instance_id = member->group_instance_id,
        .client_id = member->client_id,
        .client_host = member->client_host,
        .session_timeout_ms = member->session_timeout,
        .rebalance_timeout_ms = member->rebalance_timeout != -1 ? member->rebalance_timeout
                                                                : member->session_timeout,
        .protocols = &protocol,
        .protocol_count = 1,
    };
    if (classic_find(g, member->member_id) != NULL) return ST_OK; /* said twice: once is enough */
    struct classic_member *m = classic_add(g, &newcomer);
    if (m == NULL || !classic_set_assignment(g, m, member->assignment)) return ST_NOMEM;
    return ST_OK;
}

static enum status replay_body(struct classic *g, const struct group_metadata_value *value,
                               struct arena *scratch) {
    struct mem *mem = g->coordinator->mem;
    struct str type = value->protocol_type.len > 0 ? value->protocol_type : STR_NULL;
    if (!group_text_copy(mem, type, &g->protocol_type) ||
        !group_text_copy(mem, value->protocol, &g->protocol))
        return ST_NOMEM;
    g->generation = value->generation;
    g->state_since_ms = value->current_state_timestamp;
    g->state = value->members_count > 0 ? CLASSIC_STABLE : CLASSIC_EMPTY;
    g->previous_state = g->state;
    for (int32_t i = 0; i < value->members_count; i++) {
        enum status st = replay_member(g, value, &value->members[i]);
        if (st != ST_OK) return st;
    }
    g->leader = value->leader.ptr != NULL ? classic_find(g, value->leader) : NULL;
    g->is_written = true;
    classic_learn_topics(g);
    struct group_metadata_value kept; /* an old version says less than ours writes */
    if (!value_of(g, scratch, &kept)) return ST_NOMEM;
    return checksum(&kept, scratch, &g->written_crc);
}

enum status classic_replay(struct coordinator *c, struct str id,
                           const struct group_metadata_value *value, struct arena *scratch) {
    struct group *group = group_find(c, id);
    if (value == NULL) { /* perhaps of a group that never was: compaction kept only this */
        if (group == NULL) return ST_OK;
        if (group->topics.count == 0 && group->pending_count == 0) {
            group_remove(group);
            return ST_OK;
        }
    } else if (group == NULL) {
        group = group_create(c, id);
        if (group == NULL) return ST_NOMEM;
    }
    if (!group_reset(group)) return ST_NOMEM; /* offsets stay */
    return value != NULL ? replay_body(classic_of(group), value, scratch) : ST_OK;
}

/* --- dump --- */

void classic_dump(const struct group *group, struct strbuf *out) {
    const struct classic *g = classic_of(group);
    if (!g->is_written) return; /* it is its offsets and nothing else */
    uint32_t crc = g->written_crc;
    if (g->state == CLASSIC_EMPTY || g->state == CLASSIC_STABLE) { /* not in flux: as it stands */
        struct arena arena;
        struct group_metadata_value value;
        arena_init(&arena, g->coordinator->mem, 4096, 0);
        if (!value_of(g, &arena, &value) || checksum(&value, &arena, &crc) != ST_OK)
            out->failed = true;
        arena_release(&arena);
    }
    strbuf_printf(out, "classic ");
    strbuf_add_json(out, group->id);
    strbuf_printf(out, " crc=%08x\n", crc);
}
