/* broker/handlers/offset_for_leader_epoch.c - API 23: where a leader epoch ends in the log, so that
 * consumers and followers find out what was cut. Source: KIP-101, KIP-320,
 * kafka.server.ReplicaManager.lastOffsetForLeaderEpoch. */
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"
#include "protocol/errors.h"

struct epoch_part {
    struct scatter_part part;
    const struct offset_for_leader_epoch_request_partition *in;
    struct offset_for_leader_epoch_response_end *out;
};

static void work(struct job *job, struct scatter_part *scatter_part, struct partition *p) {
    (void)job;
    struct epoch_part *part = CONTAINER_OF(scatter_part, struct epoch_part, part);
    part->out->error_code = partition_problem(p, part->in->current_leader_epoch);
    if (part->out->error_code != KAFKA_NONE) return;
    log_end_of_epoch(p->log, part->in->leader_epoch, &part->out->leader_epoch,
                     &part->out->end_offset);
}

static bool add_topic(struct request *rq, struct scatter *scatter,
                      const struct offset_for_leader_epoch_request_topic *in,
                      struct offset_for_leader_epoch_response_topic_result *out) {
    struct topic_known topic = topic_known(rq, in->topic);
    int32_t count = MAX(in->partitions_count, 0);
    out->topic = in->topic;
    out->partitions = offset_for_leader_epoch_response_end_array(&rq->arena, count);
    struct epoch_part *parts = arena_array(&rq->arena, (size_t)count, sizeof *parts);
    if ((out->partitions == NULL && count > 0) || parts == NULL) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        int32_t index = in->partitions[i].partition;
        breathe();
        out->partitions[i].partition = index;
        if (index < 0 || index >= topic.partition_count) {
            out->partitions[i].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        parts[i] = (struct epoch_part){
            .part = {.topic_id = topic.id, .index = index},
            .in = &in->partitions[i],
            .out = &out->partitions[i],
        };
        scatter_add(scatter, &parts[i].part);
    }
    return true;
}

static bool prepare(struct request *rq) {
    const struct offset_for_leader_epoch_request *in = rq->in;
    struct offset_for_leader_epoch_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    struct scatter *scatter = scatter_new(rq, work, request_respond);
    out->topics = offset_for_leader_epoch_response_topic_result_array(&rq->arena, count);
    bool has_memory = scatter != NULL && (out->topics != NULL || count == 0);
    if (has_memory) out->topics_count = count;
    for (int32_t i = 0; has_memory && i < count; i++) {
        breathe();
        has_memory = add_topic(rq, scatter, &in->topics[i], &out->topics[i]);
    }
    rq->state_of_handler = scatter;
    return has_memory;
}

static void go(struct request *rq) { scatter_go(rq->state_of_handler); }

void handle_offset_for_leader_epoch(struct request *rq) { request_in_turns(rq, prepare, go); }
