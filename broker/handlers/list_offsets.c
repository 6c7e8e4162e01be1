/* broker/handlers/list_offsets.c - API 2: earliest, latest, by timestamp, largest timestamp,
 * earliest local. Source: kafka.server.KafkaApis.handleListOffsetRequest,
 * ReplicaManager.fetchOffset, UnifiedLog.fetchOffsetByTimestamp. */
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"
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
    struct scatter_part part;
    const struct list_offsets_request_partition *in;
    struct list_offsets_response_partition *out;
    bool tells_epoch; /* versions from 4 on */
    bool committed;
};

enum { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };

/* From which version on a timestamp below 0 means something. */
static bool is_served(int64_t timestamp, int16_t version) {
    static const int16_t since[] = {
        [-LATEST] = 1,         [-EARLIEST] = 1,      [-MAX_TIMESTAMP] = 7,
        [-EARLIEST_LOCAL] = 8, [-LATEST_TIERED] = 9, [-EARLIEST_PENDING_UPLOAD] = 11,
    };
    if (timestamp >= 0) return true;
    return timestamp > -(int64_t)COUNT(since) && version >= since[-timestamp];
}

static void find_offset(struct job *job, struct offsets_part *part, struct partition *p) {
    struct list_offsets_response_partition *out = part->out;
    struct log_found found = {.offset = -1, .timestamp_ms = -1, .leader_epoch = -1};
    int64_t end = partition_readable_end(p, part->committed);
    enum status st = ST_OK;
    switch (part->in->timestamp) {
    case LATEST:
        out->offset = end;
        out->leader_epoch = p->leader_epoch;
        return;
    case EARLIEST:
    case EARLIEST_LOCAL:
        out->offset = log_start_offset(p->log);
        out->leader_epoch = log_epoch_at(p->log, out->offset);
        return;
    case LATEST_TIERED: /* nothing is tiered: Kafka answers "none" */
    case EARLIEST_PENDING_UPLOAD: return;
    case MAX_TIMESTAMP: st = log_find_max_timestamp(job, p->log, end, &found); break;
    default: st = log_find_timestamp(job, p->log, part->in->timestamp, end, &found); break;
    }
    if (st != ST_OK) {
        out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        return;
    }
    out->offset = found.offset;
    out->timestamp = found.timestamp_ms;
    out->leader_epoch = found.leader_epoch;
}

static void work(struct job *job, struct scatter_part *scatter_part, struct partition *p) {
    struct offsets_part *part = CONTAINER_OF(scatter_part, struct offsets_part, part);
    part->out->error_code = partition_problem(p, part->in->current_leader_epoch);
    if (part->out->error_code != KAFKA_NONE) return;
    find_offset(job, part, p);
    if (!part->tells_epoch) part->out->leader_epoch = -1;
}

/* The error that a partition gets without being visited. */
static int16_t early_problem(const struct request *rq, const struct topic_image *topic,
                             const struct list_offsets_request_partition *asked) {
    const struct list_offsets_request *in = rq->in;
    if (in->isolation_level != READ_UNCOMMITTED && in->isolation_level != READ_COMMITTED)
        return KAFKA_UNKNOWN_SERVER_ERROR; /* Kafka's handler fails */
    if (topic == NULL || asked->partition_index < 0 ||
        asked->partition_index >= topic->partition_count)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return is_served(asked->timestamp, rq->header.request_api_version) ? KAFKA_NONE
                                                                       : KAFKA_UNSUPPORTED_VERSION;
}

static bool add_topic(struct request *rq, struct scatter *scatter,
                      const struct list_offsets_request_topic *in,
                      struct list_offsets_response_topic *out) {
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
        answer->error_code = early_problem(rq, topic, asked);
        if (answer->error_code != KAFKA_NONE) continue;
        parts[i] = (struct offsets_part){
            .part = {.topic_id = topic->id, .index = asked->partition_index},
            .in = asked,
            .out = answer,
            .tells_epoch = rq->header.request_api_version >= 4,
            .committed =
                ((const struct list_offsets_request *)rq->in)->isolation_level == READ_COMMITTED,
        };
        scatter_add(scatter, &parts[i].part);
    }
    return true;
}

void handle_list_offsets(struct request *rq) {
    const struct list_offsets_request *in = rq->in;
    struct list_offsets_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    struct scatter *scatter = scatter_new(rq, work, request_respond);
    out->topics = list_offsets_response_topic_array(&rq->arena, count);
    bool has_memory = scatter != NULL && (out->topics != NULL || count == 0);
    if (has_memory) out->topics_count = count;
    for (int32_t i = 0; has_memory && i < count; i++)
        has_memory = add_topic(rq, scatter, &in->topics[i], &out->topics[i]);
    if (!has_memory) {
        request_abandon(rq, true);
        return;
    }
    scatter_go(scatter);
}
