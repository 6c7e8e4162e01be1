/* broker/handlers/delete_records.c - API 21: raises the starts of logs. The answer leaves when the
 * new starts are durable (broker/shard/log_starts.h says how Kafka differs). Source: KIP-107,
 * kafka.server.ReplicaManager.deleteRecords, kafka.cluster.Partition.deleteRecordsOnLeader. */
#include "broker/handlers/cluster.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"
#include "protocol/errors.h"

enum { UP_TO_HIGH_WATERMARK = -1, NO_LOW_WATERMARK = -1 };

struct deletion_part {
    struct scatter_part part;
    int64_t offset;
    struct delete_records_response_partition_result *out;
    struct log_start_save save;
    bool is_saving;
    struct job *waiter; /* for the save */
};

static void on_saved(struct log_start_save *save) {
    struct deletion_part *part = CONTAINER_OF(save, struct deletion_part, save);
    part->is_saving = false;
    if (part->waiter != NULL) job_wake(part->waiter);
}

static int16_t raise_start(struct job *job, struct deletion_part *part, struct partition *p) {
    int16_t problem = partition_problem(p, NO_LEADER_EPOCH);
    if (problem == KAFKA_NONE &&
        (part->offset == UP_TO_HIGH_WATERMARK || part->offset > p->high_watermark)) {
        partition_catch_up(job, p);
        problem = partition_problem(p, NO_LEADER_EPOCH);
    }
    if (problem != KAFKA_NONE) return problem;
    uint32_t policy = log_get_config(p->log)->cleanup_policy;
    if ((policy & CLEANUP_DELETE) == 0 && policy != 0) return KAFKA_POLICY_VIOLATION;
    int64_t offset = part->offset == UP_TO_HIGH_WATERMARK ? p->high_watermark : part->offset;
    if (offset < 0 || offset > p->high_watermark) return KAFKA_OFFSET_OUT_OF_RANGE;
    /* A start that another request raised may not be in the file yet, or its saving failed. */
    int64_t start = log_start_offset(p->log);
    if (offset > start || start > log_first_base_offset(p->log)) {
        part->is_saving = true; /* the save may be done before this returns */
        part->save.done = on_saved;
        enum status st = partition_raise_start(job, p, offset, &part->save);
        if (st != ST_OK) {
            part->is_saving = false;
            return st == ST_CLOSED ? KAFKA_NOT_LEADER_OR_FOLLOWER : KAFKA_KAFKA_STORAGE_ERROR;
        }
    }
    part->out->low_watermark = log_start_offset(p->log);
    return KAFKA_NONE;
}

static void work(struct job *job, struct scatter_part *scatter_part, struct partition *p) {
    struct deletion_part *part = CONTAINER_OF(scatter_part, struct deletion_part, part);
    part->out->error_code = raise_start(job, part, p);
}

static void settle(struct job *job, struct scatter_part *scatter_part) {
    struct deletion_part *part = CONTAINER_OF(scatter_part, struct deletion_part, part);
    if (part->is_saving) {
        part->waiter = job;
        job_suspend(job);
    }
    if (part->save.status == ST_OK) return;
    part->out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
    part->out->low_watermark = NO_LOW_WATERMARK;
}

static bool add_topic(struct request *rq, struct scatter *scatter,
                      const struct delete_records_request_topic *in,
                      struct delete_records_response_topic_result *out) {
    struct topic_known topic = topic_known(rq, in->name);
    int32_t count = MAX(in->partitions_count, 0);
    out->name = in->name;
    out->partitions = delete_records_response_partition_result_array(&rq->arena, count);
    struct deletion_part *parts = arena_array(&rq->arena, (size_t)count, sizeof *parts);
    if ((out->partitions == NULL && count > 0) || parts == NULL) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        breathe();
        int32_t index = in->partitions[i].partition_index;
        struct delete_records_response_partition_result *answer = &out->partitions[i];
        answer->partition_index = index;
        answer->low_watermark = NO_LOW_WATERMARK;
        if (index < 0 || index >= topic.partition_count) {
            answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        } else if (topic_is_internal(in->name)) {
            answer->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        } else {
            parts[i] = (struct deletion_part){
                .part = {.topic_id = topic.id, .index = index},
                .offset = in->partitions[i].offset,
                .out = answer,
            };
            scatter_add(scatter, &parts[i].part);
        }
    }
    return true;
}

static bool prepare(struct request *rq) {
    const struct delete_records_request *in = rq->in;
    struct delete_records_response *out = rq->out;
    int32_t count = 0;
    struct scatter *scatter = scatter_new(rq, work, request_respond);
    out->topics = delete_records_response_topic_result_array(&rq->arena, MAX(in->topics_count, 0));
    bool has_memory = scatter != NULL && (out->topics != NULL || in->topics_count <= 0);
    for (int32_t i = 0; has_memory && i < in->topics_count; i++) {
        breathe();
        if (in->topics[i].partitions_count <= 0) continue; /* Kafka does not answer these */
        has_memory = add_topic(rq, scatter, &in->topics[i], &out->topics[count++]);
    }
    out->topics_count = count;
    rq->state_of_handler = scatter;
    return has_memory;
}

static void go(struct request *rq) {
    scatter_settle(rq->state_of_handler, settle);
    scatter_go(rq->state_of_handler);
}

void handle_delete_records(struct request *rq) { request_in_turns(rq, prepare, go); }
