/* broker/handlers/offset_delete.c - API 47. Source:
 * kafka.server.KafkaApis.handleOffsetDeleteRequest. */
#include "broker/handlers/groups.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"

/* Answers what is not there and lists what is. */
static bool lay_out(struct request *rq) {
    const struct offset_delete_request *in = rq->in;
    struct delete_call *call = rq->state_of_handler;
    struct offset_delete_response *out = rq->out;
    size_t total = 0;
    for (int32_t t = 0; t < in->topics_count; t++) {
        total += (size_t)MAX(in->topics[t].partitions_count, 0);
        breathe();
    }
    call->items = arena_array(&rq->arena, total, sizeof *call->items);
    out->topics = offset_delete_response_topic_array(&rq->arena, MAX(in->topics_count, 0));
    if (call->items == NULL || out->topics == NULL) return false;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct offset_delete_request_topic *topic = &in->topics[t];
        struct offset_delete_response_topic *answer = &out->topics[out->topics_count++];
        struct topic_known known = topic_known(rq, topic->name);
        int32_t count = MAX(topic->partitions_count, 0);
        answer->name = topic->name;
        answer->partitions = offset_delete_response_partition_array(&rq->arena, count);
        if (answer->partitions == NULL) return false;
        answer->partitions_count = count;
        breathe();
        for (int32_t i = 0; i < count; i++) {
            breathe();
            int32_t index = topic->partitions[i].partition_index;
            answer->partitions[i].partition_index = index;
            if (index < 0 || index >= known.partition_count) {
                answer->partitions[i].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
                continue;
            }
            call->items[call->count++] =
                (struct delete_item){.topic = topic->name,
                                     .partition = index,
                                     .error = &answer->partitions[i].error_code};
        }
    }
    return true;
}

/* Also without a partition: whether there is the group is said first. */
static void ask(struct request *rq) {
    const struct delete_call *call = rq->state_of_handler;
    group_ask(rq, CALL_DELETE_OFFSETS, call, rq->out, call->group_id, group_respond);
}

void handle_offset_delete(struct request *rq) {
    const struct offset_delete_request *in = rq->in;
    struct offset_delete_response *out = rq->out;
    struct delete_call *call = ARENA_NEW(&rq->arena, struct delete_call);
    if (call == NULL) {
        request_abandon(rq, true);
    } else if (in->group_id.len == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        request_respond(rq);
    } else {
        call->group_id = in->group_id;
        rq->state_of_handler = call;
        request_in_turns(rq, lay_out, ask);
    }
}
