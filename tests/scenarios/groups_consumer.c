/* tests/scenarios/groups_consumer.c - consumer groups (KIP-848) on the coordinator's stage. */
#include <inttypes.h>
#include <stdio.h>
#include "base/assert.h"
#include "controller/metadata/metadata_record.h"
#include "protocol/errors.h"
#include "tests/scenarios/groups_stage.h"

/* --- topics --- */

/* An id that tells the name, so that ids sort as names do. */
static struct uuid topic_id(struct str name) {
    struct uuid id = {{0}};
    memcpy(id.b, name.ptr, MIN(name.len, sizeof id.b));
    return id;
}

static void apply(struct group_stage *s, const struct bytes *values, uint32_t count,
                  struct answer *a) {
    struct image *image = NULL;
    struct image_delta delta = {0};
    enum status st = image_apply(s->image, values, count, image_offset(s->image) + 1, 0, &s->arena,
                                 &image, &delta);
    if (st != ST_OK) {
        say(a, "%s: %.*s\n", status_name(st), STR_ARG(delta.problem));
        return;
    }
    image_free(s->image);
    s->image = image;
    if (s->core != NULL) s->core->image = image;
    say(a, "ok\n");
}

void verb_topic(struct group_stage *s, const char *line, struct answer *a) {
    struct str name = kept_word(s, line, "name");
    const struct topic_image *known = image_topic_by_name(s->image, name);
    int32_t first = known != NULL ? known->partition_count : 0;
    int32_t count = (int32_t)word(line, "partitions", 1);
    struct topic_record topic;
    struct bytes *values = arena_array(&s->arena, (size_t)count + 1, sizeof *values);
    uint32_t value_count = 0;
    topic_record_defaults(&topic);
    topic.name = name;
    topic.topic_id = topic_id(name);
    if (known == NULL)
        ASSERT(metadata_record_encode(&topic_record_schema, 0, &topic, &s->arena,
                                      &values[value_count++]) == ST_OK);
    for (int32_t i = first; i < count; i++) {
        struct partition_record partition;
        int32_t *replicas = arena_array(&s->arena, 1, sizeof *replicas);
        replicas[0] = 1;
        partition_record_defaults(&partition);
        partition.partition_id = i;
        partition.topic_id = topic.topic_id;
        partition.replicas = partition.isr = replicas;
        partition.replicas_count = partition.isr_count = 1;
        partition.leader = 1;
        ASSERT(metadata_record_encode(&partition_record_schema, 0, &partition, &s->arena,
                                      &values[value_count++]) == ST_OK);
    }
    apply(s, values, value_count, a);
}

/* Out of the image, that is; topic-deleted is what the coordinator hears of it behind that. */
void verb_topic_gone(struct group_stage *s, const char *line, struct answer *a) {
    struct remove_topic_record record;
    struct bytes value;
    remove_topic_record_defaults(&record);
    record.topic_id = topic_id(kept_word(s, line, "name"));
    ASSERT(metadata_record_encode(&remove_topic_record_schema, 0, &record, &s->arena, &value) ==
           ST_OK);
    apply(s, &value, 1, a);
}

/* A setting of the group's own. */
void verb_setting(struct group_stage *s, const char *line, struct answer *a) {
    struct config_record record;
    struct bytes value;
    config_record_defaults(&record);
    record.resource_type = CONFIG_GROUP;
    record.resource_name = STR("g");
    record.name = kept_word(s, line, "key");
    record.value = kept_word(s, line, "value");
    ASSERT(metadata_record_encode(&config_record_schema, 0, &record, &s->arena, &value) == ST_OK);
    apply(s, &value, 1, a);
}

/* --- heartbeats --- */

static void say_topic(struct answer *a, struct uuid id, const int32_t *partitions, int32_t count) {
    say(a, " %.16s:", (const char *)id.b);
    for (int32_t i = 0; i < count; i++) say(a, "%s%d", i > 0 ? "+" : "", partitions[i]);
}

void say_consumer_beat(struct group_stage *s, const struct request_note *r, struct answer *a) {
    const struct consumer_group_heartbeat_response *out = &r->out.member;
    say(a, "member %s", error_word(out->error_code));
    if (out->error_code != KAFKA_NONE) {
        if (out->error_message.ptr != NULL) say(a, ": %.*s", STR_ARG(out->error_message));
        return;
    }
    say(a, " id=%s epoch=%d", shown_member(s, out->member_id), out->member_epoch);
    if (out->assignment == NULL) return;
    say(a, " owns");
    for (int32_t i = 0; i < out->assignment->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *t =
            &out->assignment->topic_partitions[i];
        say_topic(a, t->topic_id, t->partitions, t->partitions_count);
    }
    if (out->assignment->topic_partitions_count == 0) say(a, " nothing");
}

/* "a+b": names. */
static struct str *split(struct group_stage *s, struct str text, int32_t *ret_count) {
    struct str *out = arena_array(&s->arena, PARTS_MAX, sizeof *out);
    int32_t count = 0;
    while (text.len > 0 && count < PARTS_MAX) {
        const char *plus = memchr(text.ptr, '+', text.len);
        size_t len = plus != NULL ? (size_t)(plus - text.ptr) : text.len;
        out[count++] = (struct str){text.ptr, len};
        text = plus != NULL ? (struct str){plus + 1, text.len - len - 1} : STR_NULL;
    }
    *ret_count = count;
    return out;
}

static void put_owned(struct group_stage *s, struct str owns,
                      struct consumer_group_heartbeat_request *in) {
    struct str names[PARTS_MAX], values[PARTS_MAX];
    if (owns.ptr == NULL) return;
    uint32_t count = str_eq(owns, STR("-")) ? 0 : word_pairs(owns, names, values);
    in->topic_partitions =
        consumer_group_heartbeat_request_topic_partitions_array(&s->arena, (int32_t)count);
    in->topic_partitions_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        int32_t numbers = 0;
        struct str *texts = split(s, values[i], &numbers);
        int32_t *partitions = arena_array(&s->arena, PARTS_MAX, sizeof *partitions);
        for (int32_t n = 0; n < numbers; n++) {
            int64_t number = 0;
            ASSERT(str_to_int64(texts[n], &number));
            partitions[n] = (int32_t)number;
        }
        in->topic_partitions[i].topic_id = topic_id(names[i]);
        in->topic_partitions[i].partitions = partitions;
        in->topic_partitions[i].partitions_count = numbers;
    }
}

void verb_member(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_CONSUMER_HEARTBEAT, line, 1);
    struct consumer_group_heartbeat_request *in = &r->in.member;
    struct str topics = kept_word(s, line, "topics");
    bool joins = word(line, "epoch", 0) == 0;
    consumer_group_heartbeat_request_defaults(in);
    consumer_group_heartbeat_response_defaults(&r->out.member);
    in->group_id = group_word(s, line);
    in->member_id = meant_member(s, kept_word(s, line, "id"));
    in->member_epoch = (int32_t)word(line, "epoch", 0);
    in->instance_id = kept_word(s, line, "instance");
    in->rebalance_timeout_ms = (int32_t)word(line, "rebalance", joins ? 60000 : -1);
    in->subscribed_topic_regex = kept_word(s, line, "regex");
    in->server_assignor = kept_word(s, line, "assignor");
    if (str_eq(topics, STR("none")))
        in->subscribed_topic_names_count = 0;
    else if (topics.ptr != NULL)
        in->subscribed_topic_names = split(s, topics, &in->subscribed_topic_names_count);
    struct str owns = kept_word(s, line, "owns");
    put_owned(s, owns.ptr == NULL && joins ? STR("-") : owns, in);
    request_send(s, r, a);
}

/* --- description --- */

static void say_set(struct answer *a, const char *what,
                    const struct consumer_group_describe_response_assignment *set) {
    say(a, " %s", what);
    for (int32_t i = 0; i < set->topic_partitions_count; i++) {
        say_topic(a, set->topic_partitions[i].topic_id, set->topic_partitions[i].partitions,
                  set->topic_partitions[i].partitions_count);
    }
}

void say_consumer_described(struct group_stage *s, const struct request_note *r, struct answer *a) {
    const struct consumer_group_describe_response_described *out = &r->out.consumers;
    say(a, "describe %s state=%.*s epoch=%d target=%d assignor=%.*s", error_word(out->error_code),
        STR_ARG(out->group_state), out->group_epoch, out->assignment_epoch,
        STR_ARG(out->assignor_name));
    for (int32_t i = 0; i < out->members_count; i++) {
        const struct consumer_group_describe_response_member *m = &out->members[i];
        say(a, "\n  %s epoch=%d", shown_member(s, m->member_id), m->member_epoch);
        say_set(a, "has", &m->assignment);
        say_set(a, "shall have", &m->target_assignment);
    }
}

void verb_describe_consumer(struct group_stage *s, const char *line, struct answer *a) {
    struct request_note *r = request_new(s, CALL_DESCRIBE_CONSUMER, line, 1);
    consumer_group_describe_response_described_defaults(&r->out.consumers);
    r->in.id = group_word(s, line);
    request_send(s, r, a);
}

/* --- records --- */

static void drop_epochs_of(
    struct consumer_group_current_member_assignment_value_topic_partitions *topics, int32_t count) {
    for (int32_t i = 0; i < count; i++) topics[i].assignment_epochs_count = -1; /* null */
}

void drop_assignment_epochs(struct group_stage *s) {
    const struct schema *schema = &consumer_group_current_member_assignment_value_schema;
    struct consumer_group_current_member_assignment_value value;
    for (uint32_t i = 0; i < s->record_count; i++) {
        struct record_note *r = &s->records[i];
        struct bytes octets;
        size_t used = 0;
        if (r->is_marker || r->value.ptr == NULL ||
            get_u16(r->key.ptr) != CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY)
            continue;
        ASSERT(codec_decode(schema, 0, (struct bytes){r->value.ptr + 2, r->value.len - 2},
                            &s->arena, &value, &used) == ST_OK);
        drop_epochs_of(value.assigned_partitions, value.assigned_partitions_count);
        drop_epochs_of(value.partitions_pending_revocation,
                       value.partitions_pending_revocation_count);
        ASSERT(codec_encode_arena(schema, 0, &value, &s->arena, &octets) == ST_OK);
        uint8_t *copy = arena_alloc(&s->arena, octets.len + 2);
        memcpy(copy, r->value.ptr, 2); /* the version */
        memcpy(copy + 2, octets.ptr, octets.len);
        r->value = (struct bytes){copy, octets.len + 2};
    }
}

bool say_consumer_record(struct group_stage *s, const struct record_note *r, struct answer *a) {
    static const char *const names[] = {
        [CONSUMER_GROUP_METADATA_KEY] = "epoch",
        [CONSUMER_GROUP_MEMBER_METADATA_KEY] = "member",
        [CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY] = "target-epoch",
        [CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY] = "target",
        [CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY] = "current",
        [CONSUMER_GROUP_REGULAR_EXPRESSION_KEY] = "regex",
    };
    uint16_t type = get_u16(r->key.ptr);
    if (type >= COUNT(names) || names[type] == NULL) return false;
    bool is_of_group = type == CONSUMER_GROUP_METADATA_KEY ||
                       type == CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY;
    struct consumer_group_metadata_key one;
    struct consumer_group_member_metadata_key two;
    struct bytes key = {r->key.ptr + 2, r->key.len - 2};
    size_t used = 0;
    say(a, "record %s", names[type]);
    if (is_of_group) {
        ASSERT(codec_decode(&consumer_group_metadata_key_schema, 0, key, &s->arena, &one, &used) ==
               ST_OK);
    } else {
        ASSERT(codec_decode(&consumer_group_member_metadata_key_schema, 0, key, &s->arena, &two,
                            &used) == ST_OK);
        say(a, " %s", shown_member(s, two.member_id));
    }
    if (r->value.ptr == NULL) say(a, " gone");
    struct bytes value = {r->value.ptr + 2, r->value.len - 2};
    if (r->value.ptr != NULL && is_of_group) say(a, " %d", (int32_t)get_u32(value.ptr));
    say(a, "\n");
    return true;
}
