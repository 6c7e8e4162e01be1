/* broker/handlers/list_offsets.c - API 2: earliest, latest, by timestamp, largest timestamp,
 * earliest local. One visit per shard; those that need the files run as a job there. Source:
 * kafka.server.ReplicaManager.fetchOffset, UnifiedLog.fetchOffsetByTimestamp. */
#include "broker/handlers/handlers.h"
#include "broker/replication/partition.h"
#include "broker/shard/visit.h"
#include "protocol/errors.h"

enum { /* ListOffsetsRequest's special timestamps */
       LATEST = -1,
       EARLIEST = -2,
       MAX_TIMESTAMP = -3,
       EARLIEST_LOCAL = -4,
       LATEST_TIERED = -5,
       EARLIEST_PENDING_UPLOAD = -6,
};

struct offsets_part {
    struct list link; /* in visit->parts */
    const struct list_offsets_request_partition *in;
    struct list_offsets_response_partition *out;
    struct uuid topic_id;
    bool tells_epoch; /* versions from 4 on */
};

struct offsets_visit {
    struct visit visit;
    struct offsets *offsets;
    struct shard *at;
    struct list parts;
};

struct offsets {
    struct request *rq;
    uint32_t open_count;
    struct offsets_visit *visits; /* one per shard */
};

static void answer_one(struct job *job, struct offsets_part *part, struct partition *p) {
    struct list_offsets_response_partition *out = part->out;
    struct log_found found = {.offset = -1, .timestamp_ms = -1, .leader_epoch = -1};
    enum status st = ST_OK;
    switch (part->in->timestamp) {
    case LATEST:
        out->offset = p->high_watermark;
        out->leader_epoch = p->leader_epoch;
        return;
    case EARLIEST:
    case EARLIEST_LOCAL:
        out->offset = log_start_offset(p->log);
        out->leader_epoch = log_epoch_at(p->log, out->offset);
        return;
    case LATEST_TIERED: /* nothing is tiered: Kafka answers "none" */
    case EARLIEST_PENDING_UPLOAD: return;
    case MAX_TIMESTAMP: st = log_find_max_timestamp(job, p->log, p->high_watermark, &found); break;
    default:
        st = log_find_timestamp(job, p->log, part->in->timestamp, p->high_watermark, &found);
        break;
    }
    if (st != ST_OK) {
        out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        return;
    }
    out->offset = found.offset;
    out->timestamp = found.timestamp_ms;
    out->leader_epoch = found.leader_epoch;
}

static void visit_job(struct job *job, void *argument) {
    struct offsets_visit *v = argument;
    LIST_EACH(&v->parts, node) {
        struct offsets_part *part = CONTAINER_OF(node, struct offsets_part, link);
        struct partition *p = shard_partition(v->at, part->topic_id, part->in->partition_index);
        part->out->error_code = partition_problem(p, part->in->current_leader_epoch);
        if (part->out->error_code != KAFKA_NONE) continue;
        partition_use(p);
        answer_one(job, part, p);
        if (!part->tells_epoch) part->out->leader_epoch = -1;
        partition_unuse(p);
    }
    visit_return(&v->visit);
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct offsets_visit *v = CONTAINER_OF(visit, struct offsets_visit, visit);
    v->at = at;
    job_start(&at->jobs, visit_job, v);
}

static void visit_returned(struct visit *visit) {
    struct offsets *offsets = CONTAINER_OF(visit, struct offsets_visit, visit)->offsets;
    if (--offsets->open_count == 0) request_respond(offsets->rq);
}

static bool add_topic(struct offsets *offsets, const struct list_offsets_request_topic *in,
                      struct list_offsets_response_topic *out) {
    struct request *rq = offsets->rq;
    const struct topic_image *topic = image_topic_by_name(rq->shard->image, in->name);
    int32_t count = MAX(in->partitions_count, 0);
    out->name = in->name;
    out->partitions = list_offsets_response_partition_array(&rq->arena, count);
    struct offsets_part *parts = arena_array(&rq->arena, (size_t)count, sizeof *parts);
    if ((out->partitions == NULL && count > 0) || parts == NULL) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct list_offsets_request_partition *asked = &in->partitions[i];
        struct list_offsets_response_partition *answer = &out->partitions[i];
        answer->partition_index = asked->partition_index;
        if (topic == NULL || asked->partition_index < 0 ||
            asked->partition_index >= topic->partition_count) {
            answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        parts[i] = (struct offsets_part){.in = asked,
                                         .out = answer,
                                         .topic_id = topic->id,
                                         .tells_epoch = rq->header.request_api_version >= 4};
        uint32_t shard = shard_of_partition(rq->shard->broker, topic->id, asked->partition_index);
        list_push_back(&offsets->visits[shard].parts, &parts[i].link);
    }
    return true;
}

void handle_list_offsets(struct request *rq) {
    const struct list_offsets_request *in = rq->in;
    struct list_offsets_response *out = rq->out;
    uint32_t shard_count = rq->shard->broker->shard_count;
    int32_t topic_count = MAX(in->topics_count, 0);
    struct offsets *offsets = ARENA_NEW(&rq->arena, struct offsets);
    struct offsets_visit *visits = arena_array(&rq->arena, shard_count, sizeof *visits);
    out->topics = list_offsets_response_topic_array(&rq->arena, topic_count);
    bool has_memory =
        offsets != NULL && visits != NULL && (out->topics != NULL || topic_count == 0);
    if (has_memory) {
        *offsets = (struct offsets){.rq = rq, .open_count = 1, .visits = visits};
        out->topics_count = topic_count;
        for (uint32_t i = 0; i < shard_count; i++) {
            visits[i] = (struct offsets_visit){
                .visit = {.home = rq->shard,
                          .target = i,
                          .work = visit_work,
                          .returned = visit_returned},
                .offsets = offsets,
            };
            list_init(&visits[i].parts);
        }
    }
    for (int32_t i = 0; has_memory && i < topic_count; i++) {
        has_memory = add_topic(offsets, &in->topics[i], &out->topics[i]);
    }
    if (!has_memory) {
        request_abandon(rq, true);
        return;
    }
    for (uint32_t i = 0; i < shard_count; i++) {
        if (list_is_empty(&visits[i].parts)) continue;
        offsets->open_count++;
        visit_go(&visits[i].visit);
    }
    if (--offsets->open_count == 0) request_respond(rq);
}
