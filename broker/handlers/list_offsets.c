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

/* From which version on a timestamp below 0 means something. */
static bool is_served(int64_t timestamp, int16_t version) {
    static const int16_t since[] = {
        [-LATEST] = 1,         [-EARLIEST] = 1,      [-MAX_TIMESTAMP] = 7,
        [-EARLIEST_LOCAL] = 8, [-LATEST_TIERED] = 9, [-EARLIEST_PENDING_UPLOAD] = 11,
    };
    if (timestamp >= 0) return true;
    return timestamp > -(int64_t)COUNT(since) && version >= since[-timestamp];
}

static bool needs_end(int64_t timestamp) {
    return timestamp >= 0 || timestamp == LATEST || timestamp == MAX_TIMESTAMP;
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
    if (needs_end(part->in->timestamp)) {
        partition_catch_up(job, p);
        part->out->error_code = partition_problem(p, part->in->current_leader_epoch);
        if (part->out->error_code != KAFKA_NONE) return;
    }
    find_offset(job, part, p);
    if (!part->tells_epoch) part->out->leader_epoch = -1;
}

/* The error that a partition gets without being visited. */
static int16_t early_problem(const struct request *rq, struct topic_known topic,
                             const struct list_offsets_request_partition *asked) {
    const struct list_offsets_request *in = rq->in;
    if (!isolation_is_known(in->isolation_level))
        return KAFKA_UNKNOWN_SERVER_ERROR; /* Kafka's handler fails */
    if (!is_served(asked->timestamp, rq->header.request_api_version))
        return KAFKA_UNSUPPORTED_VERSION;
    bool is_there = asked->partition_index >= 0 && asked->partition_index < topic.partition_count;
    return is_there ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

/* --- partitions that are asked for twice: refused, once each --- */

enum repetition { ONCE, FIRST_OF_SEVERAL, AGAIN };

/* A partition and where it stands in the request. */
struct named {
    struct str topic;
    int32_t index;
    size_t place;
};

static int compare_names(const struct named *a, const struct named *b) {
    int order = str_cmp(a->topic, b->topic);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static int by_name_and_place(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    breathe();
    int order = compare_names(x, y);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

/* One for each partition of the request, in its order; NULL: no memory. */
static enum repetition *find_repetitions(struct request *rq) {
    const struct list_offsets_request *in = rq->in;
    size_t count = 0, place = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)MAX(in->topics[t].partitions_count, 0);
    enum repetition *found = arena_array(&rq->arena, count, sizeof *found);
    if (found == NULL || count < 2) return found;
    struct named *names = arena_array(&rq->arena, count, sizeof *names);
    if (names == NULL) return NULL;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct list_offsets_request_topic *topic = &in->topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++, place++)
            names[place] =
                (struct named){topic->name, topic->partitions[i].partition_index, place};
    }
    qsort(names, count, sizeof *names, by_name_and_place);
    for (size_t i = 1; i < count; i++) {
        if (compare_names(&names[i], &names[i - 1]) != 0) continue;
        found[names[i].place] = AGAIN;
        if (found[names[i - 1].place] == ONCE) found[names[i - 1].place] = FIRST_OF_SEVERAL;
    }
    return found;
}

static bool add_topic(struct request *rq, struct scatter *scatter,
                      const struct list_offsets_request_topic *in,
                      const enum repetition *repetitions, struct list_offsets_response_topic *out) {
    struct topic_known topic = topic_known(rq, in->name);
    int32_t count = MAX(in->partitions_count, 0);
    out->name = in->name;
    out->partitions = list_offsets_response_partition_array(&rq->arena, count);
    struct offsets_part *parts = arena_array(&rq->arena, (size_t)count, sizeof *parts);
    if ((out->partitions == NULL && count > 0) || parts == NULL) return false;
    for (int32_t i = 0; i < count; i++) {
        breathe();
        if (repetitions[i] == AGAIN) continue;
        const struct list_offsets_request_partition *asked = &in->partitions[i];
        struct list_offsets_response_partition *answer = &out->partitions[out->partitions_count++];
        answer->partition_index = asked->partition_index;
        answer->error_code = repetitions[i] != ONCE ? KAFKA_INVALID_REQUEST
                                                    : early_problem(rq, topic, asked);
        if (answer->error_code != KAFKA_NONE) continue;
        parts[i] = (struct offsets_part){
            .part = {.topic_id = topic.id, .index = asked->partition_index},
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

static bool prepare(struct request *rq) {
    const struct list_offsets_request *in = rq->in;
    struct list_offsets_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    struct scatter *scatter = scatter_new(rq, work, request_respond);
    const enum repetition *repetitions = find_repetitions(rq);
    out->topics = list_offsets_response_topic_array(&rq->arena, count);
    bool has_memory =
        scatter != NULL && repetitions != NULL && (out->topics != NULL || count == 0);
    for (int32_t i = 0; has_memory && i < count; i++) {
        breathe();
        struct list_offsets_response_topic *answer = &out->topics[out->topics_count];
        has_memory = add_topic(rq, scatter, &in->topics[i], repetitions, answer);
        repetitions += MAX(in->topics[i].partitions_count, 0);
        if (answer->partitions_count > 0) out->topics_count++;
    }
    rq->state_of_handler = scatter;
    return has_memory;
}

static void go(struct request *rq) { scatter_go(rq->state_of_handler); }

void handle_list_offsets(struct request *rq) { request_in_turns(rq, prepare, go); }
