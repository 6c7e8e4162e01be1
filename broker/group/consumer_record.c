/* broker/group/consumer_record.c - a consumer group as records 3, 5 to 8 and 16 have it. A member
 * is there from its first record of type 5 to that one's tombstone; the others may stand before or
 * behind, as compaction leaves them. Record 4 (partition counts, Kafka before 4.1) is passed
 * over. */
#include <inttypes.h>
#include "broker/group/classic.h"
#include "broker/group/consumer.h"
#include "protocol/codec.h"

#define EMIT(g, kind, key, value)                                                                  \
    group_effects_record((g)->coordinator->fx, &kind##_key_schema, (key), &kind##_value_schema, 0, \
                         (value))

static struct str group_id(const struct consumer *g) { return g->body.group->id; }

/* --- to the log --- */

enum status consumer_write_epoch(struct consumer *g) {
    struct consumer_group_metadata_key key = {.group_id = group_id(g)};
    struct consumer_group_metadata_value value;
    consumer_group_metadata_value_defaults(&value);
    value.epoch = g->epoch;
    value.metadata_hash = g->metadata_hash;
    return EMIT(g, consumer_group_metadata, &key, &value);
}

static bool put_classic(struct consumer *g, const struct consumer_member *m,
                        struct consumer_group_member_metadata_value *value) {
    struct arena *arena = &g->coordinator->fx->arena;
    struct consumer_group_member_metadata_value_classic *classic =
        consumer_group_member_metadata_value_classic_array(arena, 1);
    if (classic == NULL) return false;
    classic->session_timeout_ms = m->session_timeout_ms;
    classic->supported_protocols =
        consumer_group_member_metadata_value_classic_protocol_array(arena, m->protocol_count);
    if (classic->supported_protocols == NULL) return false;
    classic->supported_protocols_count = m->protocol_count;
    for (int32_t i = 0; i < m->protocol_count; i++) {
        classic->supported_protocols[i].name = m->protocols[i].name;
        classic->supported_protocols[i].metadata = m->protocols[i].metadata;
    }
    value->classic_member_metadata = classic;
    return true;
}

enum status consumer_write_member(struct consumer *g, const struct consumer_member *m) {
    struct consumer_group_member_metadata_key key = {group_id(g), m->id};
    struct consumer_group_member_metadata_value value;
    consumer_group_member_metadata_value_defaults(&value);
    value.instance_id = m->instance_id;
    value.rack_id = m->rack_id;
    value.client_id = m->client_id;
    value.client_host = m->client_host;
    value.subscribed_topic_names = consumer_topics(m)->items;
    value.subscribed_topic_names_count = (int32_t)consumer_topics(m)->count;
    value.subscribed_topic_regex = consumer_regex_text(m);
    value.rebalance_timeout_ms = m->rebalance_timeout_ms;
    value.server_assignor = m->assignor;
    if (m->protocols != NULL && !put_classic(g, m, &value)) return ST_NOMEM;
    return EMIT(g, consumer_group_member_metadata, &key, &value);
}

enum status consumer_write_target_epoch(struct consumer *g) {
    struct consumer_group_target_assignment_metadata_key key = {.group_id = group_id(g)};
    struct consumer_group_target_assignment_metadata_value value;
    consumer_group_target_assignment_metadata_value_defaults(&value);
    value.assignment_epoch = g->target_epoch;
    value.assignment_timestamp = g->target_timestamp_ms;
    return EMIT(g, consumer_group_target_assignment_metadata, &key, &value);
}

enum status consumer_write_target(struct consumer *g, const struct consumer_member *m) {
    struct arena *arena = &g->coordinator->fx->arena;
    struct consumer_group_target_assignment_member_key key = {group_id(g), m->id};
    struct consumer_group_target_assignment_member_value value;
    struct topic_run *runs;
    int32_t count = 0;
    consumer_group_target_assignment_member_value_defaults(&value);
    if (!partition_set_runs(&m->target, arena, &runs, &count)) return ST_NOMEM;
    value.topic_partitions =
        consumer_group_target_assignment_member_value_topic_partition_array(arena, count);
    if (value.topic_partitions == NULL) return ST_NOMEM;
    value.topic_partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        value.topic_partitions[i].topic_id = runs[i].topic_id;
        value.topic_partitions[i].partitions = runs[i].partitions;
        value.topic_partitions[i].partitions_count = runs[i].count;
    }
    return EMIT(g, consumer_group_target_assignment_member, &key, &value);
}

static bool
put_current(const struct partition_set *set, struct arena *arena,
            struct consumer_group_current_member_assignment_value_topic_partitions **ret_topics,
            int32_t *ret_count) {
    struct topic_run *runs;
    int32_t *epochs = arena_array(arena, set->count, sizeof *epochs);
    if (epochs == NULL || !partition_set_runs(set, arena, &runs, ret_count)) return false;
    for (uint32_t i = 0; i < set->count; i++) epochs[i] = set->items[i].epoch;
    *ret_topics =
        consumer_group_current_member_assignment_value_topic_partitions_array(arena, *ret_count);
    for (int32_t i = 0; *ret_topics != NULL && i < *ret_count; i++) {
        (*ret_topics)[i].topic_id = runs[i].topic_id;
        (*ret_topics)[i].partitions = runs[i].partitions;
        (*ret_topics)[i].partitions_count = runs[i].count;
        (*ret_topics)[i].assignment_epochs = epochs;
        (*ret_topics)[i].assignment_epochs_count = runs[i].count;
        epochs += runs[i].count;
    }
    return *ret_topics != NULL;
}

enum status consumer_write_current(struct consumer *g, const struct consumer_member *m) {
    struct arena *arena = &g->coordinator->fx->arena;
    struct consumer_group_current_member_assignment_key key = {group_id(g), m->id};
    struct consumer_group_current_member_assignment_value value;
    consumer_group_current_member_assignment_value_defaults(&value);
    value.member_epoch = m->epoch;
    value.previous_member_epoch = m->previous_epoch;
    value.state = (int8_t)m->state;
    if (!put_current(&m->assigned, arena, &value.assigned_partitions,
                     &value.assigned_partitions_count) ||
        !put_current(&m->revoking, arena, &value.partitions_pending_revocation,
                     &value.partitions_pending_revocation_count))
        return ST_NOMEM;
    return EMIT(g, consumer_group_current_member_assignment, &key, &value);
}

enum status consumer_write_regex(struct consumer *g, const struct consumer_regex *regex) {
    struct consumer_group_regular_expression_key key = {group_id(g), regex->text};
    struct consumer_group_regular_expression_value value;
    consumer_group_regular_expression_value_defaults(&value);
    value.topics = regex->topics.items;
    value.topics_count = (int32_t)regex->topics.count;
    value.version = regex->version;
    value.timestamp = regex->timestamp_ms;
    return EMIT(g, consumer_group_regular_expression, &key, &value);
}

enum status consumer_bury_regex(struct consumer *g, struct str text) {
    struct consumer_group_regular_expression_key key = {group_id(g), text};
    return EMIT(g, consumer_group_regular_expression, &key, NULL);
}

enum status consumer_bury_member(struct consumer *g, struct str member_id) {
    struct consumer_group_current_member_assignment_key current = {group_id(g), member_id};
    struct consumer_group_target_assignment_member_key target = {group_id(g), member_id};
    struct consumer_group_member_metadata_key member = {group_id(g), member_id};
    enum status st = EMIT(g, consumer_group_current_member_assignment, &current, NULL);
    if (st == ST_OK) st = EMIT(g, consumer_group_target_assignment_member, &target, NULL);
    return st == ST_OK ? EMIT(g, consumer_group_member_metadata, &member, NULL) : st;
}

enum status consumer_bury(struct group *group) {
    struct consumer *g = consumer_of(group);
    struct arena *arena = &g->coordinator->fx->arena;
    struct consumer_group_target_assignment_metadata_key target = {.group_id = group->id};
    struct consumer_group_metadata_key epoch = {.group_id = group->id};
    struct consumer_member **members = consumer_members_sorted(g, arena);
    enum status st = members != NULL ? ST_OK : ST_NOMEM;
    for (size_t i = 0; st == ST_OK && i < g->members.count; i++)
        st = consumer_bury_member(g, members[i]->id);
    for (struct map_node *n = NULL; st == ST_OK && (n = map_next(&g->regexes, n)) != NULL;)
        st = consumer_bury_regex(g, CONTAINER_OF(n, struct consumer_regex, node)->text);
    if (st == ST_OK) st = EMIT(g, consumer_group_target_assignment_metadata, &target, NULL);
    return st == ST_OK ? EMIT(g, consumer_group_metadata, &epoch, NULL) : st;
}

/* --- and back --- */

bool consumer_record_is(uint16_t type) {
    return type == CONSUMER_GROUP_METADATA_KEY || type == CONSUMER_GROUP_MEMBER_METADATA_KEY ||
           type == CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY ||
           type == CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY ||
           type == CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY ||
           type == CONSUMER_GROUP_REGULAR_EXPRESSION_KEY;
}

/* Group and member (or text) of any of these keys: two strings, or one. */
struct record_key {
    struct str group_id, second;
};

static enum status decode(const struct schema *schema, struct bytes in, struct arena *arena,
                          void *out) {
    size_t used = 0;
    if (in.len < 2) return ST_CORRUPT;
    return codec_decode(schema, 0, (struct bytes){in.ptr + 2, in.len - 2}, arena, out, &used);
}

static enum status decode_key(uint16_t type, struct bytes in, struct arena *arena,
                              struct record_key *ret_key) {
    bool has_one = type == CONSUMER_GROUP_METADATA_KEY ||
                   type == CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY;
    struct consumer_group_metadata_key one;
    struct consumer_group_member_metadata_key two; /* the others with two have the same form */
    enum status st = has_one ? decode(&consumer_group_metadata_key_schema, in, arena, &one)
                             : decode(&consumer_group_member_metadata_key_schema, in, arena, &two);
    if (st != ST_OK) return st;
    *ret_key = has_one ? (struct record_key){one.group_id, STR("")}
                       : (struct record_key){two.group_id, two.member_id};
    return ST_OK;
}

/* The group as a consumer group, made when there is none. NULL without memory. */
static struct consumer *group_of(struct coordinator *c, struct str id) {
    struct group *group = group_find(c, id);
    if (group == NULL) group = group_create(c, id);
    if (group == NULL) return NULL;
    if (!group_is_consumer(group)) {
        struct group_body *body = consumer_new(group);
        if (body == NULL) return NULL;
        group_set_body(group, body);
    }
    return consumer_of(group);
}

static enum status replay_epoch(struct consumer *g, struct bytes value, struct arena *arena) {
    struct consumer_group_metadata_value v;
    enum status st = decode(&consumer_group_metadata_value_schema, value, arena, &v);
    if (st != ST_OK) return st;
    g->epoch = v.epoch;
    g->metadata_hash = v.metadata_hash;
    return ST_OK;
}

static enum status replay_target_epoch(struct consumer *g, struct bytes value,
                                       struct arena *arena) {
    struct consumer_group_target_assignment_metadata_value v;
    enum status st =
        decode(&consumer_group_target_assignment_metadata_value_schema, value, arena, &v);
    if (st != ST_OK) return st;
    g->target_epoch = v.assignment_epoch;
    g->target_timestamp_ms = v.assignment_timestamp;
    return ST_OK;
}

static struct consumer_member *member_of(struct consumer *g, struct str id) {
    struct consumer_member *m = consumer_find(g, id);
    return m != NULL ? m : consumer_add(g, id);
}

static bool take_classic(struct consumer *g, struct consumer_member *m,
                         const struct consumer_group_member_metadata_value_classic *classic,
                         struct arena *arena) {
    bool changed = false;
    int32_t count = classic != NULL ? MAX(classic->supported_protocols_count, 0) : 0;
    struct join_group_request_protocol *protocols = join_group_request_protocol_array(arena, count);
    if (protocols == NULL) return false;
    for (int32_t i = 0; i < count; i++) {
        protocols[i].name = classic->supported_protocols[i].name;
        protocols[i].metadata = classic->supported_protocols[i].metadata;
    }
    m->session_timeout_ms = classic != NULL ? classic->session_timeout_ms : 0;
    return consumer_set_protocols(g, m, protocols, count, &changed);
}

static enum status replay_member(struct consumer *g, struct str id, struct bytes value,
                                 struct arena *arena) {
    struct consumer_group_member_metadata_value v;
    enum status st = decode(&consumer_group_member_metadata_value_schema, value, arena, &v);
    if (st != ST_OK) return st;
    struct consumer_member *m = member_of(g, id);
    bool changed = false;
    if (m == NULL) return ST_NOMEM;
    m->rebalance_timeout_ms = v.rebalance_timeout_ms;
    if (!take_classic(g, m, v.classic_member_metadata, arena)) return ST_NOMEM;
    struct str regex = v.subscribed_topic_regex.len > 0 ? v.subscribed_topic_regex : STR_NULL;
    bool done = consumer_set_instance(g, m, v.instance_id) &&
                consumer_set_text(g, &m->rack_id, v.rack_id, &changed) &&
                consumer_set_text(g, &m->client_id, v.client_id, &changed) &&
                consumer_set_text(g, &m->client_host, v.client_host, &changed) &&
                consumer_set_text(g, &m->regex, regex, &changed) &&
                consumer_set_text(g, &m->assignor, v.server_assignor, &changed) &&
                consumer_subscribe(g, m, v.subscribed_topic_names, v.subscribed_topic_names_count,
                                   &changed);
    return done ? ST_OK : ST_NOMEM;
}

static enum status replay_target(struct consumer *g, struct str id, struct bytes value,
                                 struct arena *arena) {
    struct consumer_group_target_assignment_member_value v;
    enum status st =
        decode(&consumer_group_target_assignment_member_value_schema, value, arena, &v);
    if (st != ST_OK) return st;
    struct consumer_member *m = member_of(g, id);
    struct partition_set set = {0};
    uint32_t total = 0;
    for (int32_t i = 0; i < v.topic_partitions_count; i++)
        total += (uint32_t)MAX(v.topic_partitions[i].partitions_count, 0);
    set.items = arena_array(arena, total, sizeof *set.items);
    if (m == NULL || set.items == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < v.topic_partitions_count; i++) {
        for (int32_t p = 0; p < v.topic_partitions[i].partitions_count; p++) {
            set.items[set.count++] = (struct group_partition){
                .topic_id = v.topic_partitions[i].topic_id,
                .index = v.topic_partitions[i].partitions[p]};
        }
    }
    partition_set_order(&set);
    return partition_set_keep(g->coordinator->mem, &m->target, &set) ? ST_OK : ST_NOMEM;
}

/* Kafka before 4.3 did not write epochs: the member's stands for them then. */
static bool
take_current(const struct consumer_group_current_member_assignment_value_topic_partitions *topics,
             int32_t count, int32_t member_epoch, struct arena *arena,
             struct partition_set *ret_set) {
    uint32_t total = 0;
    for (int32_t i = 0; i < count; i++) total += (uint32_t)MAX(topics[i].partitions_count, 0);
    *ret_set = (struct partition_set){arena_array(arena, total, sizeof *ret_set->items), 0};
    if (ret_set->items == NULL) return false;
    for (int32_t i = 0; i < count; i++) {
        bool has_epochs = topics[i].assignment_epochs_count == topics[i].partitions_count;
        for (int32_t p = 0; p < topics[i].partitions_count; p++) {
            ret_set->items[ret_set->count++] = (struct group_partition){
                .topic_id = topics[i].topic_id,
                .index = topics[i].partitions[p],
                .epoch = has_epochs ? topics[i].assignment_epochs[p] : MAX(member_epoch, 0)};
        }
    }
    partition_set_order(ret_set);
    return true;
}

static enum status replay_current(struct consumer *g, struct str id, struct bytes value,
                                  struct arena *arena) {
    struct consumer_group_current_member_assignment_value v;
    enum status st =
        decode(&consumer_group_current_member_assignment_value_schema, value, arena, &v);
    if (st != ST_OK) return st;
    struct consumer_member *m = member_of(g, id);
    struct partition_set assigned, revoking;
    if (m == NULL ||
        !take_current(v.assigned_partitions, v.assigned_partitions_count, v.member_epoch, arena,
                      &assigned) ||
        !take_current(v.partitions_pending_revocation, v.partitions_pending_revocation_count,
                      v.member_epoch, arena, &revoking) ||
        !consumer_set_owned(g, m, &assigned, &revoking))
        return ST_NOMEM;
    m->epoch = v.member_epoch;
    m->previous_epoch = v.previous_member_epoch;
    m->state = v.state == MEMBER_UNREVOKED || v.state == MEMBER_UNRELEASED
                   ? (enum consumer_member_state)v.state
                   : MEMBER_STABLE;
    return ST_OK;
}

static enum status replay_regex(struct consumer *g, struct str text, struct bytes value,
                                struct arena *arena) {
    struct consumer_group_regular_expression_value v;
    bool changed = false;
    enum status st = decode(&consumer_group_regular_expression_value_schema, value, arena, &v);
    if (st != ST_OK) return st;
    struct consumer_regex *regex = consumer_add_regex(g, text);
    if (regex == NULL ||
        !names_keep(g->coordinator->mem, &regex->topics, v.topics, v.topics_count, &changed))
        return ST_NOMEM;
    regex->version = v.version;
    regex->timestamp_ms = v.timestamp;
    return ST_OK;
}

static enum status replay_tombstone(struct coordinator *c, uint16_t type,
                                    const struct record_key *key) {
    const struct partition_set none = {0};
    struct group *group = group_find(c, key->group_id);
    if (group == NULL || !group_is_consumer(group)) return ST_OK;
    struct consumer *g = consumer_of(group);
    struct consumer_member *m = consumer_find(g, key->second);
    struct consumer_regex *regex;
    switch (type) {
    case CONSUMER_GROUP_METADATA_KEY: /* the last of them all */
        if (group->topics.count == 0 && group->pending_count == 0) {
            group_remove(group);
            return ST_OK;
        }
        return group_reset(group) ? ST_OK : ST_NOMEM;
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY: g->target_epoch = 0; return ST_OK;
    case CONSUMER_GROUP_MEMBER_METADATA_KEY:
        if (m != NULL) consumer_remove(g, m);
        return ST_OK;
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY:
        if (m != NULL) partition_set_free(c->mem, &m->target);
        return ST_OK;
    case CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY:
        if (m == NULL) return ST_OK;
        m->epoch = m->previous_epoch = 0;
        m->state = MEMBER_STABLE;
        return consumer_set_owned(g, m, &none, &none) ? ST_OK : ST_NOMEM;
    default:
        regex = consumer_find_regex(g, key->second);
        if (regex != NULL) consumer_forget_regex(g, regex);
        return ST_OK;
    }
}

enum status consumer_replay(struct coordinator *c, uint16_t type, struct bytes key,
                            struct bytes value, struct arena *scratch) {
    struct record_key k;
    enum status st = decode_key(type, key, scratch, &k);
    if (st != ST_OK) return st;
    if (value.ptr == NULL) return replay_tombstone(c, type, &k);
    struct consumer *g = group_of(c, k.group_id);
    if (g == NULL) return ST_NOMEM;
    switch (type) {
    case CONSUMER_GROUP_METADATA_KEY: return replay_epoch(g, value, scratch);
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY:
        return replay_target_epoch(g, value, scratch);
    case CONSUMER_GROUP_MEMBER_METADATA_KEY: return replay_member(g, k.second, value, scratch);
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY:
        return replay_target(g, k.second, value, scratch);
    case CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY:
        return replay_current(g, k.second, value, scratch);
    default: return replay_regex(g, k.second, value, scratch);
    }
}

/* --- dump --- */

static void dump_names(struct strbuf *out, const char *what, const struct names *names) {
    strbuf_printf(out, " %s=", what);
    for (uint32_t i = 0; i < names->count; i++) {
        if (i > 0) strbuf_add_char(out, ',');
        strbuf_add_json(out, names->items[i]);
    }
}

static void dump_set(struct strbuf *out, const char *what, const struct partition_set *set) {
    strbuf_printf(out, " %s=", what);
    for (uint32_t i = 0; i < set->count; i++) {
        char id[UUID_TEXT_BYTES + 1];
        uuid_format(set->items[i].topic_id, id);
        strbuf_printf(out, "%s%s-%d@%d", i > 0 ? "," : "", id, set->items[i].index,
                      set->items[i].epoch);
    }
}

static void dump_member(struct strbuf *out, const struct consumer_member *m) {
    strbuf_printf(out, "  member ");
    strbuf_add_json(out, m->id);
    strbuf_printf(out, " epoch=%d previous=%d state=%d instance=", m->epoch, m->previous_epoch,
                  m->state);
    strbuf_add_json(out, m->instance_id);
    strbuf_printf(out, " regex=");
    strbuf_add_json(out, m->regex);
    dump_names(out, "topics", consumer_topics(m));
    for (int32_t i = 0; i < m->protocol_count; i++)
        strbuf_printf(out, " %.*s:%zu", STR_ARG(m->protocols[i].name),
                      m->protocols[i].metadata.len);
    dump_set(out, "assigned", &m->assigned);
    dump_set(out, "revoking", &m->revoking);
    dump_set(out, "target", &m->target);
    strbuf_add_char(out, '\n');
}

void consumer_dump(const struct group *group, struct strbuf *out) {
    const struct consumer *g = consumer_of(group);
    struct arena arena;
    arena_init(&arena, g->coordinator->mem, 4096, 0);
    struct consumer_member **members = consumer_members_sorted(g, &arena);
    strbuf_printf(out, "consumer ");
    strbuf_add_json(out, group->id);
    strbuf_printf(out, " epoch=%d target=%d hash=%016" PRIx64 "\n", g->epoch, g->target_epoch,
                  (uint64_t)g->metadata_hash);
    for (size_t i = 0; members != NULL && i < g->members.count; i++) dump_member(out, members[i]);
    if (members == NULL) out->failed = true;
    arena_release(&arena);
}
