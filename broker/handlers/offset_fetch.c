/* broker/handlers/offset_fetch.c - API 9: committed offsets of one group (up to version 7) or of
 * several, each asked of its own coordinator. The core answers in the form of several groups; older
 * versions are made of that. Source: kafka.server.KafkaApis.handleOffsetFetchRequest. */
#include "broker/handlers/group_fan.h"
#include "broker/handlers/handlers.h"

struct fetching {
    struct group_fan fan;
    struct request *rq;
    struct fetch_call *calls;                   /* by group */
    struct offset_fetch_response_group *groups; /* the answers */
    int32_t count;
};

/* --- the answer --- */

static const struct topic_image *topic_of(const struct request *rq, struct str name) {
    return image_topic_by_name(rq->shard->image, name);
}

/* Of what lies in the request's arena the coordinator filled in its own texts. */
static bool keep_texts(struct fetching *f, struct offset_fetch_response_group *out) {
    for (int32_t t = 0; t < out->topics_count; t++) {
        struct offset_fetch_response_topics *topic = &out->topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct str *metadata = &topic->partitions[i].metadata;
            if (metadata->len == 0) *metadata = STR("");
            if (metadata->len > 0) *metadata = arena_str(&f->rq->arena, *metadata);
            if (metadata->ptr == NULL) return false;
        }
    }
    return true;
}

/* What the coordinator laid out dies with its call. */
static bool keep_topics(struct fetching *f, struct offset_fetch_response_group *out) {
    struct arena *arena = &f->rq->arena;
    struct offset_fetch_response_topics *topics =
        offset_fetch_response_topics_array(arena, out->topics_count);
    if (topics == NULL) return false;
    for (int32_t t = 0; t < out->topics_count; t++) {
        const struct offset_fetch_response_topics *from = &out->topics[t];
        topics[t].name = arena_str(arena, from->name);
        topics[t].topic_id = from->topic_id;
        topics[t].partitions =
            offset_fetch_response_partitions_array(arena, from->partitions_count);
        if (topics[t].partitions == NULL) return false;
        topics[t].partitions_count = from->partitions_count;
        for (int32_t i = 0; i < from->partitions_count; i++) {
            topics[t].partitions[i] = from->partitions[i];
            topics[t].partitions[i].metadata = arena_str(arena, from->partitions[i].metadata);
            if (topics[t].partitions[i].metadata.ptr == NULL) return false;
        }
    }
    out->topics = topics;
    return true;
}

/* Clients of version 10 know topics by id: those that are gone cannot be told of. */
static void put_ids(struct fetching *f, struct offset_fetch_response_group *out) {
    int32_t kept = 0;
    for (int32_t t = 0; t < out->topics_count; t++) {
        const struct topic_image *topic = topic_of(f->rq, out->topics[t].name);
        if (topic == NULL) continue;
        out->topics[kept] = out->topics[t];
        out->topics[kept++].topic_id = topic->id;
    }
    out->topics_count = kept;
}

/* Version 1 has no error of the whole: it stands at each partition. */
static bool fail_partitions(struct fetching *f, struct offset_fetch_response *out, int16_t error) {
    const struct offset_fetch_request *in = f->rq->in;
    int32_t count = MAX(in->topics_count, 0);
    out->topics = offset_fetch_response_topic_array(&f->rq->arena, count);
    if (out->topics == NULL) return false;
    for (int32_t t = 0; t < count; t++) {
        struct offset_fetch_response_topic *topic = &out->topics[out->topics_count++];
        int32_t partitions = MAX(in->topics[t].partition_indexes_count, 0);
        topic->name = in->topics[t].name;
        topic->partitions = offset_fetch_response_partition_array(&f->rq->arena, partitions);
        if (topic->partitions == NULL) return false;
        topic->partitions_count = partitions;
        for (int32_t i = 0; i < partitions; i++) {
            topic->partitions[i].partition_index = in->topics[t].partition_indexes[i];
            topic->partitions[i].committed_offset = -1;
            topic->partitions[i].metadata = STR("");
            topic->partitions[i].error_code = error;
        }
    }
    return true;
}

static bool put_one_group(struct fetching *f, struct offset_fetch_response *out) {
    const struct offset_fetch_response_group *group = &f->groups[0];
    out->error_code = group->error_code;
    if (group->error_code != KAFKA_NONE) {
        return f->rq->header.request_api_version >= 2 || fail_partitions(f, out, group->error_code);
    }
    out->topics = offset_fetch_response_topic_array(&f->rq->arena, group->topics_count);
    if (out->topics == NULL) return false;
    for (int32_t t = 0; t < group->topics_count; t++) {
        struct offset_fetch_response_topic *topic = &out->topics[out->topics_count++];
        const struct offset_fetch_response_topics *from = &group->topics[t];
        topic->name = from->name;
        topic->partitions =
            offset_fetch_response_partition_array(&f->rq->arena, from->partitions_count);
        if (topic->partitions == NULL) return false;
        topic->partitions_count = from->partitions_count;
        for (int32_t i = 0; i < from->partitions_count; i++) {
            const struct offset_fetch_response_partitions *in = &from->partitions[i];
            topic->partitions[i].partition_index = in->partition_index;
            topic->partitions[i].committed_offset = in->committed_offset;
            topic->partitions[i].committed_leader_epoch = in->committed_leader_epoch;
            topic->partitions[i].metadata = in->metadata;
            topic->partitions[i].error_code = in->error_code;
        }
    }
    return true;
}

static void end(struct group_fan *fan) {
    struct fetching *f = CONTAINER_OF(fan, struct fetching, fan);
    struct offset_fetch_response *out = f->rq->out;
    bool has_memory = true;
    if (f->rq->header.request_api_version >= 8) {
        out->groups = f->groups;
        out->groups_count = f->count;
    } else {
        has_memory = put_one_group(f, out);
    }
    if (has_memory) {
        request_respond(f->rq);
    } else {
        request_abandon(f->rq, true);
    }
}

static void on_group(struct group_call *call) {
    struct fetching *f = CONTAINER_OF((struct group_fan *)call->owner, struct fetching, fan);
    struct offset_fetch_response_group *out = call->ticket.response;
    bool wants_all = f->calls[out - f->groups].wants_all, has_memory = true;
    if (f->rq->header.request_api_version >= 10 && out->error_code == KAFKA_NONE && wants_all)
        put_ids(f, out);
    if (out->error_code == KAFKA_NONE)
        has_memory = wants_all ? keep_topics(f, out) : keep_texts(f, out);
    if (!has_memory)
        group_ticket_fail(&call->ticket, KAFKA_COORDINATOR_NOT_AVAILABLE);
    group_fan_done(&f->fan);
}

/* --- the request --- */

static void put_unknown(struct offset_fetch_response_partitions *out, int16_t error) {
    out->committed_offset = -1;
    out->metadata = STR("");
    out->error_code = error;
}

/* Null: there is none. */
static struct str name_of_id(struct request *rq, struct uuid id) {
    const struct topic_image *topic = image_topic_by_id(rq->shard->image, id);
    return topic != NULL ? arena_str(&rq->arena, topic->name) : STR_NULL;
}

/* Lays out the answer's partitions of one topic; those of a topic that has no name are answered. */
static bool add_topic(struct request *rq, struct fetch_call *call,
                      struct offset_fetch_response_topics *out, const int32_t *indexes,
                      int32_t count, bool by_id) {
    count = MAX(count, 0);
    out->partitions = offset_fetch_response_partitions_array(&rq->arena, count);
    if (out->partitions == NULL) return false;
    out->partitions_count = count;
    struct str name = out->name;
    if (by_id) name = name_of_id(rq, out->topic_id);
    for (int32_t i = 0; i < count; i++) {
        breathe();
        out->partitions[i].partition_index = indexes[i];
        if (name.ptr == NULL) {
            put_unknown(&out->partitions[i], KAFKA_UNKNOWN_TOPIC_ID);
            continue;
        }
        call->items[call->count++] = (struct fetch_item){
            .topic = name, .topic_id = out->topic_id, .out = &out->partitions[i]};
    }
    if (by_id && name.ptr != NULL) out->name = name;
    return true;
}

static bool add_group(struct fetching *f, const struct offset_fetch_request_group *in) {
    struct request *rq = f->rq;
    bool by_id = rq->header.request_api_version >= 10;
    struct fetch_call *call = &f->calls[f->count];
    struct offset_fetch_response_group *out = &f->groups[f->count++];
    const struct offset_fetch_request *request = rq->in;
    *call = (struct fetch_call){.group_id = in->group_id,
                                .member_id = in->member_id,
                                .member_epoch = in->member_epoch,
                                .require_stable = request->require_stable,
                                .wants_all = in->topics_count < 0};
    out->group_id = in->group_id;
    size_t total = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        total += (size_t)MAX(in->topics[t].partition_indexes_count, 0);
    call->items = arena_array(&rq->arena, total, sizeof *call->items);
    out->topics = offset_fetch_response_topics_array(&rq->arena, MAX(in->topics_count, 0));
    if (call->items == NULL || out->topics == NULL) return false;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct offset_fetch_request_topics *topic = &in->topics[t];
        struct offset_fetch_response_topics *answer = &out->topics[out->topics_count++];
        answer->name = topic->name;
        answer->topic_id = topic->topic_id;
        breathe();
        if (!add_topic(rq, call, answer, topic->partition_indexes, topic->partition_indexes_count,
                       by_id))
            return false;
    }
    return true;
}

/* Up to version 7 a request is one group; topics null: all of them. */
static bool make_one_group(struct request *rq, struct offset_fetch_request_group *out) {
    const struct offset_fetch_request *in = rq->in;
    offset_fetch_request_group_defaults(out);
    out->group_id = in->group_id;
    out->topics_count = in->topics_count;
    if (in->topics_count < 0) return true;
    out->topics = offset_fetch_request_topics_array(&rq->arena, in->topics_count);
    if (out->topics == NULL) return false;
    for (int32_t t = 0; t < in->topics_count; t++) {
        out->topics[t].name = in->topics[t].name;
        out->topics[t].partition_indexes = in->topics[t].partition_indexes;
        out->topics[t].partition_indexes_count = in->topics[t].partition_indexes_count;
    }
    return true;
}

static bool prepare(struct request *rq) {
    const struct offset_fetch_request *in = rq->in;
    bool is_one = rq->header.request_api_version < 8;
    int32_t count = is_one ? 1 : MAX(in->groups_count, 0);
    struct fetching *f = ARENA_NEW(&rq->arena, struct fetching);
    struct offset_fetch_request_group one;
    if (f == NULL) return false;
    *f = (struct fetching){.rq = rq};
    rq->state_of_handler = f;
    f->calls = arena_array(&rq->arena, (size_t)count, sizeof *f->calls);
    f->groups = offset_fetch_response_group_array(&rq->arena, count);
    if (f->calls == NULL || f->groups == NULL || (is_one && !make_one_group(rq, &one)))
        return false;
    for (int32_t i = 0; i < count; i++) {
        if (!add_group(f, is_one ? &one : &in->groups[i])) return false;
    }
    return true;
}

static struct group_call *ask(struct group_fan *fan, int32_t i, struct str *ret_group_id) {
    struct fetching *f = CONTAINER_OF(fan, struct fetching, fan);
    struct group_call *call =
        group_call_new(f->rq, CALL_FETCH_OFFSETS, &f->calls[i], &f->groups[i], on_group);
    *ret_group_id = f->calls[i].group_id;
    if (call != NULL) return call;
    f->groups[i].topics_count = 0;
    f->groups[i].error_code = KAFKA_NOT_COORDINATOR; /* clients ask again on it */
    return NULL;
}

static void ask_all(struct request *rq) {
    struct fetching *f = rq->state_of_handler;
    f->fan = (struct group_fan){.rq = rq, .count = f->count, .ask = ask, .end = end};
    group_fan_start(&f->fan);
}

void handle_offset_fetch(struct request *rq) { request_in_turns(rq, prepare, ask_all); }
