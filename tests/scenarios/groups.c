/* tests/scenarios/groups.c - a coordinator, its log in memory, and words in place of wire requests.
 * */
#include "tests/scenarios/groups_stage.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "broker/group/assignor.h"
#include "protocol/batch.h"
#include "protocol/errors.h"

struct group_stage *group_stage_new(void) {
    struct group_stage *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    arena_init(&s->arena, &s->mem, 65536, 0);
    group_effects_init(&s->fx, &s->mem);
    s->image = image_new(&s->mem);
    return s;
}

static void drop_core(struct group_stage *s) {
    if (s->core == NULL) return;
    coordinator_unload(s->core, KAFKA_NOT_COORDINATOR, &s->fx);
    list_init(&s->fx.replies);
    group_effects_clear(&s->fx);
    coordinator_free(s->core);
    s->core = NULL;
}

void group_stage_free(struct group_stage *s) {
    drop_core(s);
    group_effects_release(&s->fx);
    image_free(s->image);
    arena_release(&s->arena);
    ASSERT(s->mem.used_bytes == 0);
    free(s);
}

/* --- names of members --- */

/* A made id ends with a UUID. */
static bool is_made(struct str id) { return id.len > 37 && id.ptr[id.len - 37] == '-'; }

/* M1, M2 ...; others as they are. */
const char *shown_member(struct group_stage *s, struct str id) {
    if (!is_made(id)) {
        struct str copy = arena_str(&s->arena, id);
        return copy.ptr != NULL && copy.len > 0 ? copy.ptr : "-";
    }
    uint32_t at = 0;
    while (at < s->id_count && !str_eq(s->ids[at], id)) at++;
    if (at == s->id_count && at < IDS_MAX) s->ids[s->id_count++] = arena_str(&s->arena, id);
    return arena_printf(&s->arena, "M%u", at + 1).ptr;
}

struct str meant_member(const struct group_stage *s, struct str word) {
    int64_t number = 0;
    if (word.ptr == NULL) return STR("");
    bool is_name = word.len > 1 && word.ptr[0] == 'M' &&
                   str_to_int64((struct str){word.ptr + 1, word.len - 1}, &number);
    return is_name && number >= 1 && number <= s->id_count ? s->ids[number - 1] : word;
}

/* --- what comes out --- */

const char *error_word(int16_t error) {
    const char *name = kafka_error_name(error);
    return error == KAFKA_NONE ? "ok" : name;
}

static void say_joined(struct group_stage *s, const struct join_group_response *out,
                       struct answer *a) {
    say(a, "join %s member=%s", error_word(out->error_code), shown_member(s, out->member_id));
    if (out->error_code == KAFKA_NONE) {
        say(a, " generation=%d protocol=%.*s leader=%s", out->generation_id,
            STR_ARG(out->protocol_name), shown_member(s, out->leader));
        if (out->skip_assignment) say(a, " skip-assignment");
    }
    for (int32_t i = 0; i < out->members_count; i++) {
        say(a, "%s%s:%.*s", i == 0 ? " members=" : ",", shown_member(s, out->members[i].member_id),
            (int)out->members[i].metadata.len, (const char *)out->members[i].metadata.ptr);
    }
}

static void say_fetched(const struct request_note *r, struct answer *a) {
    const struct offset_fetch_response_group *out = &r->out.fetch;
    say(a, "fetch %s", error_word(out->error_code));
    if (!r->in.fetch.wants_all) {
        say(a, " offset=%" PRId64 " epoch=%d metadata=%.*s%s%s", r->fetched.committed_offset,
            r->fetched.committed_leader_epoch, STR_ARG(r->fetched.metadata),
            r->fetched.error_code != KAFKA_NONE ? " " : "",
            r->fetched.error_code != KAFKA_NONE ? error_word(r->fetched.error_code) : "");
    }
    for (int32_t t = 0; r->in.fetch.wants_all && t < out->topics_count; t++) {
        for (int32_t i = 0; i < out->topics[t].partitions_count; i++) {
            const struct offset_fetch_response_partitions *p = &out->topics[t].partitions[i];
            say(a, " %.*s-%d=%" PRId64, STR_ARG(out->topics[t].name), p->partition_index,
                p->committed_offset);
        }
    }
}

static void say_described(struct group_stage *s,
                          const struct describe_groups_response_described_group *out,
                          struct answer *a) {
    say(a, "describe %s state=%.*s type=%.*s protocol=%.*s", error_word(out->error_code),
        STR_ARG(out->group_state), STR_ARG(out->protocol_type), STR_ARG(out->protocol_data));
    for (int32_t i = 0; i < out->members_count; i++) {
        const struct describe_groups_response_described_group_member *m = &out->members[i];
        say(a, " %s(%.*s,%.*s)", shown_member(s, m->member_id), (int)m->member_metadata.len,
            (const char *)m->member_metadata.ptr, (int)m->member_assignment.len,
            (const char *)m->member_assignment.ptr);
    }
}

static void say_reply(struct group_stage *s, struct request_note *r, struct answer *a) {
    say(a, "#%d ", r->number);
    switch (r->ticket.kind) {
    case CALL_JOIN: say_joined(s, &r->out.join, a); break;
    case CALL_SYNC:
        say(a, "sync %s", error_word(r->out.sync.error_code));
        if (r->out.sync.error_code == KAFKA_NONE) {
            say(a, " assignment=%.*s", (int)r->out.sync.assignment.len,
                (const char *)r->out.sync.assignment.ptr);
        }
        break;
    case CALL_HEARTBEAT: say(a, "beat %s", error_word(r->out.beat.error_code)); break;
    case CALL_LEAVE:
        say(a, "leave %s", error_word(r->out.leave.error_code));
        for (int32_t i = 0; i < r->out.leave.members_count; i++)
            say(a, " %s", error_word(r->out.leave.members[i].error_code));
        break;
    case CALL_COMMIT_OFFSETS: say(a, "commit %s", error_word(r->error)); break;
    case CALL_FETCH_OFFSETS: say_fetched(r, a); break;
    case CALL_DELETE_OFFSETS:
        say(a, "forget %s",
            error_word(r->out.forget.error_code != 0 ? r->out.forget.error_code : r->error));
        break;
    case CALL_LIST_GROUPS:
        say(a, "list %s", error_word(r->out.list.error_code));
        for (int32_t i = 0; i < r->out.list.groups_count; i++) {
            const struct list_groups_response_listed_group *g = &r->out.list.groups[i];
            say(a, " %.*s(%.*s,%.*s,%.*s)", STR_ARG(g->group_id), STR_ARG(g->protocol_type),
                STR_ARG(g->group_state), STR_ARG(g->group_type));
        }
        break;
    case CALL_DESCRIBE_GROUP: say_described(s, &r->out.described, a); break;
    case CALL_CONSUMER_HEARTBEAT: say_consumer_beat(s, r, a); break;
    case CALL_DESCRIBE_CONSUMER: say_consumer_described(s, r, a); break;
    case CALL_DELETE_GROUP: say(a, "delete %s", error_word(r->out.deleted.error_code)); break;
    }
    say(a, "\n");
    r->is_open = false;
}

static void say_record(struct group_stage *s, const struct record_note *r, struct answer *a) {
    size_t used = 0;
    struct bytes key = {r->key.ptr + 2, r->key.len - 2};
    if (say_consumer_record(s, r, a)) return;
    if (get_u16(r->key.ptr) == OFFSET_COMMIT_KEY) {
        struct offset_commit_key k;
        struct offset_commit_value v;
        ASSERT(codec_decode(&offset_commit_key_schema, 0, key, &s->arena, &k, &used) == ST_OK);
        say(a, "record offset %.*s %.*s-%d", STR_ARG(k.group), STR_ARG(k.topic), k.partition);
        if (r->value.ptr == NULL) {
            say(a, " gone\n");
            return;
        }
        struct bytes value = {r->value.ptr + 2, r->value.len - 2};
        ASSERT(codec_decode(&offset_commit_value_schema, (int16_t)get_u16(r->value.ptr), value,
                            &s->arena, &v, &used) == ST_OK);
        say(a, " = %" PRId64 "\n", v.offset);
        return;
    }
    struct group_metadata_key k;
    struct group_metadata_value v;
    ASSERT(codec_decode(&group_metadata_key_schema, 0, key, &s->arena, &k, &used) == ST_OK);
    say(a, "record group %.*s", STR_ARG(k.group));
    if (r->value.ptr == NULL) {
        say(a, " gone\n");
        return;
    }
    struct bytes value = {r->value.ptr + 2, r->value.len - 2};
    ASSERT(codec_decode(&group_metadata_value_schema, (int16_t)get_u16(r->value.ptr), value,
                        &s->arena, &v, &used) == ST_OK);
    say(a, " generation=%d protocol=%.*s members=%d\n", v.generation, STR_ARG(v.protocol),
        v.members_count);
}

static void add_record(struct group_stage *s, struct record_note record) {
    ASSERT(s->record_count < RECORDS_MAX);
    record.key = arena_bytes(&s->arena, record.key);
    record.value = arena_bytes(&s->arena, record.value);
    s->records[s->record_count++] = record;
}

static void take_effects(struct group_stage *s, struct answer *a) {
    for (uint32_t i = 0; i < s->fx.record_count; i++) {
        add_record(s, (struct record_note){.key = s->fx.records[i].key,
                                           .value = s->fx.records[i].value,
                                           .producer_id = NO_PRODUCER_ID});
        say_record(s, &s->records[s->record_count - 1], a);
    }
    for (struct list *node; (node = list_pop_front(&s->fx.replies)) != NULL;)
        say_reply(s, CONTAINER_OF(CONTAINER_OF(node, struct group_ticket, link),
                                  struct request_note, ticket), a);
    if (s->fx.is_broken) say(a, "broken\n");
    group_effects_clear(&s->fx);
}

/* --- requests --- */

struct request_note *request_new(struct group_stage *s, enum group_call_kind kind,
                                        const char *line, int16_t version) {
    ASSERT(s->request_count < REQUESTS_MAX);
    struct request_note *r = arena_alloc(&s->arena, sizeof *r);
    struct str client = arena_str(&s->arena, text_word(line, "client"));
    r->number = ++s->request_count;
    s->requests[s->request_count - 1] = r;
    r->is_open = true;
    r->ticket = (struct group_ticket){.kind = kind,
                                      .version = (int16_t)word(line, "v", version),
                                      .request = &r->in,
                                      .response = &r->out,
                                      .arena = &s->arena,
                                      .client_id = client.ptr != NULL ? client : STR("c"),
                                      .client_host = STR("/10.0.0.1")};
    return r;
}

struct str group_word(struct group_stage *s, const char *line) {
    struct str id = text_word(line, "group");
    return id.ptr != NULL ? arena_str(&s->arena, id) : STR("g");
}

struct str kept_word(struct group_stage *s, const char *line, const char *name) {
    return arena_str(&s->arena, text_word(line, name));
}

void request_send(struct group_stage *s, struct request_note *r, struct answer *a) {
    s->core->image = s->image;
    coordinator_request(s->core, s->now, &r->ticket, &s->fx);
    take_effects(s, a);
}

/* "a:x,b:y": pairs. */
uint32_t word_pairs(struct str text, struct str names[PARTS_MAX], struct str values[PARTS_MAX]) {
    uint32_t count = 0;
    while (text.len > 0 && count < PARTS_MAX) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        const char *colon = memchr(text.ptr, ':', len);
        size_t name_len = colon != NULL ? (size_t)(colon - text.ptr) : len;
        names[count] = (struct str){text.ptr, name_len};
        values[count++] = colon != NULL ? (struct str){colon + 1, len - name_len - 1} : STR("");
        text = comma != NULL ? (struct str){comma + 1, text.len - len - 1} : STR_NULL;
    }
    return count;
}

/* What a consumer says of itself when it subscribes to these topics ("+"-separated), as version 0.
 * */
static struct bytes subscription(struct group_stage *s, struct str topics) {
    uint8_t *out = arena_alloc(&s->arena, topics.len * 3 + 16);
    size_t at = 6;
    uint32_t count = 0;
    while (topics.len > 0) {
        const char *plus = memchr(topics.ptr, '+', topics.len);
        size_t len = plus != NULL ? (size_t)(plus - topics.ptr) : topics.len;
        put_u16(out + at, (uint16_t)len);
        memcpy(out + at + 2, topics.ptr, len);
        at += 2 + len;
        count++;
        topics = plus != NULL ? (struct str){plus + 1, topics.len - len - 1} : STR_NULL;
    }
    put_u32(out + 2, count);
    put_u32(out + at, 0xffffffff);
    return (struct bytes){out, at + 4};
}

static void verb_join(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_JOIN, line, 9);
    struct join_group_request *in = &r->in.join;
    struct str names[PARTS_MAX], values[PARTS_MAX];
    struct str protocols = kept_word(s, line, "protocols"), type = kept_word(s, line, "type");
    struct str topics = kept_word(s, line, "topics");
    join_group_request_defaults(in);
    in->group_id = group_word(s, line);
    in->session_timeout_ms = (int32_t)word(line, "session", 10000);
    in->rebalance_timeout_ms = (int32_t)word(line, "rebalance", 60000);
    in->member_id = meant_member(s, kept_word(s, line, "id"));
    in->group_instance_id = kept_word(s, line, "instance");
    in->protocol_type = type.ptr != NULL ? type : STR("consumer");
    uint32_t count = word_pairs(protocols.ptr != NULL ? protocols : STR("range:x"), names, values);
    in->protocols = join_group_request_protocol_array(&s->arena, (int32_t)count);
    in->protocols_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        in->protocols[i].name = names[i];
        in->protocols[i].metadata =
            topics.ptr != NULL ? subscription(s, topics)
                               : (struct bytes){(const uint8_t *)values[i].ptr, values[i].len};
    }
    request_send(s, r, a);
}

static void verb_sync(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_SYNC, line, 5);
    struct sync_group_request *in = &r->in.sync;
    struct str names[PARTS_MAX], values[PARTS_MAX];
    sync_group_request_defaults(in);
    in->group_id = group_word(s, line);
    in->generation_id = (int32_t)word(line, "generation", 1);
    in->member_id = meant_member(s, kept_word(s, line, "id"));
    in->group_instance_id = kept_word(s, line, "instance");
    in->protocol_type = kept_word(s, line, "type");
    in->protocol_name = kept_word(s, line, "protocol");
    uint32_t count = word_pairs(kept_word(s, line, "assign"), names, values);
    in->assignments = sync_group_request_assignment_array(&s->arena, (int32_t)count);
    in->assignments_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        in->assignments[i].member_id = meant_member(s, names[i]);
        in->assignments[i].assignment =
            (struct bytes){(const uint8_t *)values[i].ptr, values[i].len};
    }
    request_send(s, r, a);
}

static void verb_beat(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_HEARTBEAT, line, 4);
    heartbeat_request_defaults(&r->in.beat);
    r->in.beat.group_id = group_word(s, line);
    r->in.beat.generation_id = (int32_t)word(line, "generation", 1);
    r->in.beat.member_id = meant_member(s, kept_word(s, line, "id"));
    r->in.beat.group_instance_id = kept_word(s, line, "instance");
    request_send(s, r, a);
}

static void verb_leave(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_LEAVE, line, 5);
    struct leave_group_request_member_identity *one =
        leave_group_request_member_identity_array(&s->arena, 1);
    leave_group_response_defaults(&r->out.leave);
    one->member_id = meant_member(s, kept_word(s, line, "id"));
    one->group_instance_id = kept_word(s, line, "instance");
    r->in.leave =
        (struct leave_call){.group_id = group_word(s, line),
                            .members = one,
                            .answers = leave_group_response_member_array(&s->arena, 1),
                            .count = 1};
    request_send(s, r, a);
}

static void verb_abandon(struct group_stage *s, const char *line, struct answer *a) {
    int64_t number = word(line, "request", 1);
    ASSERT(number >= 1 && number <= s->request_count);
    bool waited = coordinator_abandon(&s->requests[number - 1]->ticket);
    say(a, "%s\n", waited ? "ok" : "it did not wait");
}

static struct str topic_word(struct group_stage *s, const char *line) {
    struct str topic = kept_word(s, line, "topic");
    return topic.ptr != NULL ? topic : STR("t");
}

static void verb_commit(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_COMMIT_OFFSETS, line, 9);
    struct commit_item *item = arena_alloc(&s->arena, sizeof *item);
    const struct topic_image *known = image_topic_by_name(s->image, topic_word(s, line));
    *item = (struct commit_item){.topic = topic_word(s, line),
                                 .topic_id = known != NULL ? known->id : UUID_ZERO,
                                 .partition = (int32_t)word(line, "partition", 0),
                                 .leader_epoch = (int32_t)word(line, "epoch", -1),
                                 .offset = word(line, "offset", 0),
                                 .metadata = kept_word(s, line, "metadata"),
                                 .error = &r->error};
    r->in.commit = (struct commit_call){.group_id = group_word(s, line),
                                        .member_id = meant_member(s, kept_word(s, line, "id")),
                                        .instance_id = kept_word(s, line, "instance"),
                                        .generation = (int32_t)word(line, "generation", -1),
                                        .retention_ms = word(line, "retention", -1),
                                        .items = item,
                                        .count = 1};
    request_send(s, r, a);
}

static void verb_fetch(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_FETCH_OFFSETS, line, 9);
    struct fetch_item *item = arena_alloc(&s->arena, sizeof *item);
    offset_fetch_response_group_defaults(&r->out.fetch);
    r->fetched.partition_index = (int32_t)word(line, "partition", 0);
    *item = (struct fetch_item){.topic = topic_word(s, line), .out = &r->fetched};
    r->in.fetch = (struct fetch_call){.group_id = group_word(s, line),
                                      .member_epoch = -1,
                                      .require_stable = word(line, "stable", 0) != 0,
                                      .wants_all = word(line, "all", 0) != 0,
                                      .items = item,
                                      .count = 1};
    request_send(s, r, a);
}

static void verb_forget(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_DELETE_OFFSETS, line, 0);
    struct delete_item *item = arena_alloc(&s->arena, sizeof *item);
    offset_delete_response_defaults(&r->out.forget);
    *item = (struct delete_item){.topic = topic_word(s, line),
                                 .partition = (int32_t)word(line, "partition", 0),
                                 .error = &r->error};
    r->in.forget = (struct delete_call){.group_id = group_word(s, line), .items = item, .count = 1};
    request_send(s, r, a);
}

static void verb_list(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_LIST_GROUPS, line, 5);
    struct str *state = arena_alloc(&s->arena, sizeof *state);
    struct str *type = arena_alloc(&s->arena, sizeof *type);
    *state = kept_word(s, line, "state");
    *type = kept_word(s, line, "type");
    list_groups_request_defaults(&r->in.list);
    list_groups_response_defaults(&r->out.list);
    r->in.list.states_filter = state;
    r->in.list.states_filter_count = state->ptr != NULL;
    r->in.list.types_filter = type;
    r->in.list.types_filter_count = type->ptr != NULL;
    request_send(s, r, a);
}

static void verb_describe(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_DESCRIBE_GROUP, line, 6);
    describe_groups_response_described_group_defaults(&r->out.described);
    r->in.id = group_word(s, line);
    request_send(s, r, a);
}

static void verb_delete(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_DELETE_GROUP, line, 2);
    r->in.id = group_word(s, line);
    request_send(s, r, a);
}

static void verb_topic_deleted(struct group_stage *s, const char *line, struct answer *a) {
    coordinator_topic_deleted(s->core, s->now, s->image, topic_word(s, line), &s->fx);
    take_effects(s, a);
}

/* --- time --- */

static void verb_wait(struct group_stage *s, const char *line, struct answer *a) {
    uint64_t until_us = s->now.mono_us + (uint64_t)word(line, "ms", 0) * 1000;
    uint64_t began_us = s->now.mono_us;
    for (uint64_t wake; (wake = coordinator_wake_us(s->core)) <= until_us;) {
        uint64_t step_us = wake > s->now.mono_us ? wake - s->now.mono_us : 0;
        s->now.mono_us += step_us;
        s->now.wall_ms += (int64_t)(step_us / 1000);
        size_t before = a->bytes;
        struct answer step = {.bytes = 0};
        coordinator_tick(s->core, s->now, &s->fx);
        take_effects(s, &step);
        if (step.bytes > 0) {
            say(a, "after %" PRIu64 " ms\n%s", (s->now.mono_us - began_us) / 1000, step.text);
        }
        ASSERT(a->bytes >= before);
    }
    s->now.wall_ms += (int64_t)((until_us - s->now.mono_us) / 1000);
    s->now.mono_us = until_us;
}

/* --- loss --- */

static void replay_all(struct group_stage *s, struct coordinator *core) {
    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct record_note *r = &s->records[i];
        struct replay_context at = {.offset = i, .producer_id = r->producer_id};
        enum status st =
            r->is_marker ? coordinator_replay_marker(core, r->producer_id, r->is_commit)
                         : coordinator_replay(core, &at, r->key, r->value, &s->arena);
        ASSERT(st == ST_OK);
    }
}

static void dump(struct group_stage *s, struct coordinator *core, struct strbuf *out) {
    strbuf_init(out, &s->mem);
    coordinator_dump(core, out);
}

/* Everything is thrown away but the log. */
static void reload(struct group_stage *s, struct answer *a) {
    coordinator_unload(s->core, KAFKA_NOT_COORDINATOR, &s->fx);
    take_effects(s, a);
    coordinator_free(s->core);
    s->core = coordinator_new(&s->mem, &s->settings, (uint64_t)s->record_count + 17);
    replay_all(s, s->core);
}

static void begin_again(struct group_stage *s, struct answer *a) {
    coordinator_loaded(s->core, s->now, s->image, s->record_count, &s->fx);
    take_effects(s, a);
}

/* What comes back must be what there was. */
static void lose(struct group_stage *s, struct answer *a) {
    struct strbuf before, after;
    dump(s, s->core, &before);
    reload(s, a);
    dump(s, s->core, &after);
    if (str_eq(strbuf_str(&before), strbuf_str(&after))) {
        say(a, "the same\n");
    } else {
        say(a, "live:\n%.*sreplay:\n%.*s", STR_ARG(strbuf_str(&before)),
            STR_ARG(strbuf_str(&after)));
    }
    strbuf_release(&before);
    strbuf_release(&after);
    begin_again(s, a);
}

/* The marker of the transaction that wrote record `index`; NULL: it is not decided. */
static const struct record_note *marker_of(const struct group_stage *s, uint32_t index) {
    for (uint32_t i = index + 1; i < s->record_count; i++)
        if (s->records[i].is_marker && s->records[i].producer_id == s->records[index].producer_id)
            return &s->records[i];
    return NULL;
}

/* Whether it is one of the records that a cleaner keeps the last of. */
static bool is_committed(const struct group_stage *s, uint32_t index) {
    const struct record_note *r = &s->records[index];
    if (r->is_marker) return false;
    if (r->producer_id == NO_PRODUCER_ID) return true;
    const struct record_note *marker = marker_of(s, index);
    return marker != NULL && marker->is_commit;
}

static bool is_overwritten(const struct group_stage *s, uint32_t index) {
    const struct record_note *r = &s->records[index];
    bool is_open = r->producer_id != NO_PRODUCER_ID && marker_of(s, index) == NULL;
    if (r->is_marker || is_open) return false;
    if (!is_committed(s, index)) return true; /* aborted */
    for (uint32_t i = index + 1; i < s->record_count; i++)
        if (is_committed(s, i) && bytes_eq(s->records[i].key, r->key)) return true;
    return false;
}

static void verb_compact(struct group_stage *s, const char *line, struct answer *a) {
    bool drops_tombstones = str_eq(text_word(line, "tombstones"), STR("gone"));
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < s->record_count; i++) {
        bool is_tombstone = !s->records[i].is_marker && s->records[i].value.ptr == NULL;
        bool goes = is_overwritten(s, i) || (drops_tombstones && is_tombstone);
        if (!goes) s->records[kept_count++] = s->records[i];
    }
    say(a, "records %u of %u\n", kept_count, s->record_count);
    s->record_count = kept_count;
    lose(s, a);
}

/* --- what others wrote into the log --- */

/* An offset, in a record of any version. */
static void write_offset(struct group_stage *s, const char *line, int64_t producer_id,
                         struct answer *a) {
    struct offset_commit_key key = {.group = group_word(s, line),
                                    .topic = topic_word(s, line),
                                    .partition = (int32_t)word(line, "partition", 0)};
    struct offset_commit_value value;
    offset_commit_value_defaults(&value);
    value.offset = word(line, "offset", 0);
    value.commit_timestamp = s->now.wall_ms;
    value.expire_timestamp = word(line, "expires", -1);
    group_effects_unit(&s->fx);
    ASSERT(group_effects_record(&s->fx, &offset_commit_key_schema, &key,
                                &offset_commit_value_schema, (int16_t)word(line, "version", 4),
                                &value) == ST_OK);
    add_record(s, (struct record_note){.key = s->fx.records[0].key,
                                       .value = s->fx.records[0].value,
                                       .producer_id = producer_id});
    group_effects_clear(&s->fx);
    reload(s, a);
    begin_again(s, a);
}

static void verb_pending(struct group_stage *s, const char *line, struct answer *a) {
    write_offset(s, line, word(line, "producer", 1), a);
}

static void verb_written(struct group_stage *s, const char *line, struct answer *a) {
    write_offset(s, line, NO_PRODUCER_ID, a);
}

static void verb_older(struct group_stage *s, const char *line, struct answer *a) {
    (void)line;
    drop_assignment_epochs(s);
    reload(s, a);
    begin_again(s, a);
}

static void verb_end(struct group_stage *s, const char *line, struct answer *a) {
    add_record(s, (struct record_note){.is_marker = true,
                                       .producer_id = word(line, "producer", 1),
                                       .is_commit = word(line, "commit", 1) != 0});
    reload(s, a);
    begin_again(s, a);
}

/* --- verbs --- */

static void verb_new(struct group_stage *s, const char *line, struct answer *a) {
    drop_core(s);
    s->record_count = 0;
    s->now = (struct now){.mono_us = 1000000, .wall_ms = 1000000};
    s->settings = (struct group_settings){
        .metadata_bytes_max = (int32_t)word(line, "metadata", 4096),
        .retention_ms = word(line, "retention", 600000),
        .retention_check_ms = word(line, "check", INT64_C(1) << 40),
        .session_timeout_ms_min = (int32_t)word(line, "min", 6000),
        .session_timeout_ms_max = (int32_t)word(line, "max", 1800000),
        .initial_delay_ms = (int32_t)word(line, "delay", 0),
        .group_size_max = (int32_t)word(line, "size", INT32_MAX),
        .consumer_session_timeout_ms = {(int32_t)word(line, "session", 45000), 1, 60000},
        .consumer_heartbeat_interval_ms = {5000, 1, 15000},
        .consumer_assignment_interval_ms = {(int32_t)word(line, "interval", 0), 0, 15000},
        .consumer_group_size_max = (int32_t)word(line, "size", INT32_MAX),
        .may_upgrade = word(line, "upgrade", 1) != 0,
        .may_downgrade = word(line, "downgrade", 1) != 0,
        .assignors = {&assignors[0], &assignors[1]},
        .assignor_count = (uint32_t)word(line, "assignors", ASSIGNOR_COUNT),
    };
    s->fx.unit_bytes_max = (size_t)word(line, "batch", 1 << 20);
    s->core = coordinator_new(&s->mem, &s->settings, (uint64_t)s->request_count);
    coordinator_loaded(s->core, s->now, s->image, 0, &s->fx);
    take_effects(s, a);
    say(a, "ok\n");
}

static void verb_clock(struct group_stage *s, const char *line, struct answer *a) {
    s->now.wall_ms += word(line, "ms", 0);
    say(a, "ok\n");
}

static void verb_lose(struct group_stage *s, const char *line, struct answer *a) {
    (void)line;
    lose(s, a);
}

bool group_stage_verb(struct group_stage *s, const char *verb, const char *line,
                      struct answer *answer) {
    static const struct {
        const char *name;
        void (*run)(struct group_stage *s, const char *line, struct answer *answer);
    } verbs[] = {
        {"new", verb_new},           {"join", verb_join},       {"sync", verb_sync},
        {"beat", verb_beat},         {"leave", verb_leave},     {"abandon", verb_abandon},
        {"commit", verb_commit},     {"fetch", verb_fetch},     {"forget", verb_forget},
        {"list", verb_list},         {"describe", verb_describe}, {"delete", verb_delete},
        {"topic-deleted", verb_topic_deleted}, {"wait", verb_wait}, {"clock", verb_clock},
        {"lose", verb_lose},         {"compact", verb_compact}, {"pending", verb_pending},
        {"written", verb_written},   {"older", verb_older},
        {"end", verb_end},           {"topic", verb_topic},     {"topic-gone", verb_topic_gone},
        {"member", verb_member},
        {"describe-consumer", verb_describe_consumer}, {"setting", verb_setting},
    };
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (strcmp(verbs[i].name, verb) != 0) continue;
        if (s->core == NULL && i > 0) return false;
        verbs[i].run(s, line, answer);
        return true;
    }
    return false;
}
