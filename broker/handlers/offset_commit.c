/* broker/handlers/offset_commit.c - API 8. Topics that are not there are answered here; the rest
 * goes to the group's coordinator. Source: kafka.server.KafkaApis.handleOffsetCommitRequest. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"

/* One entry of the answer for one of the request; false without memory. */
static bool lay_out(struct request *rq, int32_t *ret_count) {
    const struct offset_commit_request *in = rq->in;
    struct offset_commit_response *out = rq->out;
    out->topics = offset_commit_response_topic_array(&rq->arena, MAX(in->topics_count, 0));
    if (out->topics == NULL) return false;
    *ret_count = 0;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct offset_commit_request_topic *topic = &in->topics[t];
        struct offset_commit_response_topic *answer = &out->topics[out->topics_count++];
        int32_t count = MAX(topic->partitions_count, 0);
        answer->name = topic->name;
        answer->topic_id = topic->topic_id;
        answer->partitions = offset_commit_response_partition_array(&rq->arena, count);
        if (answer->partitions == NULL) return false;
        answer->partitions_count = count;
        breathe();
        for (int32_t i = 0; i < count; i++) {
            answer->partitions[i].partition_index = topic->partitions[i].partition_index;
            breathe();
        }
        *ret_count += count;
    }
    return true;
}

/* By its name, or from version 10 on by its id; name: null, or in the request's arena. */
static struct topic_known find_topic(struct request *rq,
                                     const struct offset_commit_request_topic *topic,
                                     struct str *ret_name) {
    const struct topic_image *found = rq->header.request_api_version >= 10
                                          ? image_topic_by_id(rq->shard->image, topic->topic_id)
                                          : image_topic_by_name(rq->shard->image, topic->name);
    *ret_name = found != NULL ? arena_str(&rq->arena, found->name) : STR_NULL;
    if (found == NULL) return (struct topic_known){0};
    return (struct topic_known){found->id, found->partition_count};
}

/* Answers what is not there and lists what is. */
static void sort_out(struct request *rq, struct commit_call *call) {
    const struct offset_commit_request *in = rq->in;
    struct offset_commit_response *out = rq->out;
    bool by_id = rq->header.request_api_version >= 10;
    for (int32_t t = 0; t < out->topics_count; t++) {
        const struct offset_commit_request_topic *topic = &in->topics[t];
        struct str name;
        struct topic_known known = find_topic(rq, topic, &name);
        breathe();
        for (int32_t i = 0; i < out->topics[t].partitions_count; i++) {
            const struct offset_commit_request_partition *partition = &topic->partitions[i];
            int16_t *error = &out->topics[t].partitions[i].error_code;
            bool is_there = name.ptr != NULL && partition->partition_index >= 0 &&
                            partition->partition_index < known.partition_count;
            breathe();
            if (!is_there) {
                *error = known.partition_count == 0 && by_id ? KAFKA_UNKNOWN_TOPIC_ID
                                                             : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
                continue;
            }
            call->items[call->count++] = (struct commit_item){
                .topic = name,
                .topic_id = known.id,
                .partition = partition->partition_index,
                .leader_epoch = partition->committed_leader_epoch,
                .offset = partition->committed_offset,
                .metadata = partition->committed_metadata,
                .error = error,
            };
        }
    }
}

static bool prepare(struct request *rq) {
    const struct offset_commit_request *in = rq->in;
    struct commit_call *call = ARENA_NEW(&rq->arena, struct commit_call);
    int32_t count = 0;
    bool has_memory = call != NULL && lay_out(rq, &count);
    if (has_memory) call->items = arena_array(&rq->arena, (size_t)count, sizeof *call->items);
    if (!has_memory || call->items == NULL) return false;
    call->group_id = in->group_id;
    call->member_id = in->member_id;
    call->instance_id = in->group_instance_id;
    call->generation = in->generation_id_or_member_epoch;
    call->retention_ms = in->retention_time_ms;
    sort_out(rq, call);
    rq->state_of_handler = call;
    return true;
}

static void ask(struct request *rq) {
    const struct commit_call *call = rq->state_of_handler;
    if (call->count == 0) {
        request_respond(rq);
    } else {
        group_ask(rq, CALL_COMMIT_OFFSETS, call, NULL, call->group_id, group_respond);
    }
}

void handle_offset_commit(struct request *rq) { request_in_turns(rq, prepare, ask); }
