/* broker/handlers/describe_producers.c - API 61: the idempotent and transactional producers that
 * partitions remember. How many they are is known only on a partition's shard, and memory for the
 * answer is had only at home: so the partitions are visited for as long as their lists do not fit,
 * twice as a rule. Source: KIP-664, kafka.server.KafkaApis.handleDescribeProducersRequest,
 * ProducerStateManager.activeProducers. */
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"
#include "controller/controller.h"
#include "protocol/errors.h"

#define ROOM_LEFT 8 /* for producers that come between two visits */

struct producers_part {
    struct scatter_part part;
    struct describe_producers_response_partition *out;
    struct producer_summary *rows; /* arena */
    uint32_t capacity, count;  /* count > capacity: they did not fit */
};

/* The request's own, from round to round. */
struct producers {
    struct producers_part *parts; /* the ones that are on a shard */
    uint32_t count;
    struct scatter *scatter; /* of the first round */
};

static void work(struct job *job, struct scatter_part *scatter_part, struct partition *p) {
    struct producers_part *part = CONTAINER_OF(scatter_part, struct producers_part, part);
    part->out->error_code = partition_problem(p, NO_LEADER_EPOCH);
    part->count = 0;
    if (part->out->error_code != KAFKA_NONE) return;
    struct producer_list list;
    if (log_list_producers(p->log, &list) != ST_OK) {
        part->out->error_code = KAFKA_UNKNOWN_SERVER_ERROR; /* no memory */
        return;
    }
    part->count = (uint32_t)list.count;
    uint32_t fits = MIN(part->count, part->capacity);
    if (fits > 0) memcpy(part->rows, list.producers, fits * sizeof *part->rows);
    producer_list_release(&list, job_mem(job));
}

static bool put_rows(struct request *rq, struct producers_part *part) {
    if (part->out->error_code != KAFKA_NONE) return true;
    part->out->active_producers =
        describe_producers_response_producer_state_array(&rq->arena, (int32_t)part->count);
    if (part->out->active_producers == NULL && part->count > 0) return false;
    part->out->active_producers_count = (int32_t)part->count;
    for (uint32_t i = 0; i < part->count; i++) {
        const struct producer_summary *row = &part->rows[i];
        struct describe_producers_response_producer_state *state = &part->out->active_producers[i];
        state->producer_id = row->producer_id;
        state->producer_epoch = row->epoch;
        state->last_sequence = row->last_sequence;
        state->last_timestamp = row->last_timestamp_ms;
        state->coordinator_epoch = row->coordinator_epoch;
        state->current_txn_start_offset = row->txn_first_offset;
    }
    return true;
}

static void gathered(struct request *rq);

/* Visits the parts whose producers did not fit yet; false without memory. */
static bool visit_again(struct request *rq, struct producers *asked) {
    struct scatter *scatter = scatter_new(rq, work, gathered);
    if (scatter == NULL) return false;
    for (uint32_t i = 0; i < asked->count; i++) {
        struct producers_part *part = &asked->parts[i];
        if (part->count <= part->capacity) continue;
        part->capacity = part->count + ROOM_LEFT;
        part->rows = arena_array(&rq->arena, part->capacity, sizeof *part->rows);
        if (part->rows == NULL) return false;
        scatter_add(scatter, &part->part);
    }
    scatter_go(scatter);
    return true;
}

static bool put_all_rows(struct request *rq) {
    struct producers *asked = rq->state_of_handler;
    for (uint32_t i = 0; i < asked->count; i++) {
        breathe();
        if (!put_rows(rq, &asked->parts[i])) return false;
    }
    return true;
}

static void gathered(struct request *rq) {
    struct producers *asked = rq->state_of_handler;
    bool fits = true;
    for (uint32_t i = 0; i < asked->count; i++)
        fits = fits && asked->parts[i].count <= asked->parts[i].capacity;
    if (!fits) {
        if (!visit_again(rq, asked)) request_abandon(rq, true);
        return;
    }
    request_in_turns(rq, put_all_rows, request_respond);
}

/* As Kafka, which says why of a topic and not of a partition. */
static void tell_unknown(struct request *rq, struct str name, bool is_topic_known,
                         struct describe_producers_response_partition *out) {
    out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (is_topic_known) return;
    out->error_message = topic_name_problem(name, &rq->arena);
    if (out->error_message.ptr != NULL) {
        out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    } else {
        out->error_message = STR("This server does not host this topic-partition.");
    }
}

static bool add_topic(struct request *rq, struct scatter *scatter,
                      const struct describe_producers_request_topic *in,
                      struct describe_producers_response_topic *out) {
    struct producers *asked = rq->state_of_handler;
    struct topic_known topic = topic_known(rq, in->name);
    int32_t count = MAX(in->partition_indexes_count, 0);
    out->name = in->name;
    out->partitions = describe_producers_response_partition_array(&rq->arena, count);
    if (out->partitions == NULL && count > 0) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        int32_t index = in->partition_indexes[i];
        breathe();
        out->partitions[i].partition_index = index;
        if (index < 0 || index >= topic.partition_count) {
            tell_unknown(rq, in->name, topic.partition_count > 0, &out->partitions[i]);
            continue;
        }
        struct producers_part *part = &asked->parts[asked->count++];
        *part = (struct producers_part){
            .part = {.topic_id = topic.id, .index = index},
            .out = &out->partitions[i],
        };
        scatter_add(scatter, &part->part);
    }
    return true;
}

static bool prepare(struct request *rq) {
    const struct describe_producers_request *in = rq->in;
    struct describe_producers_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    size_t partition_count = 0;
    for (int32_t i = 0; i < count; i++)
        partition_count += (size_t)MAX(in->topics[i].partition_indexes_count, 0);
    struct scatter *scatter = scatter_new(rq, work, gathered);
    struct producers *asked = ARENA_NEW(&rq->arena, struct producers);
    out->topics = describe_producers_response_topic_array(&rq->arena, count);
    bool has_memory = scatter != NULL && asked != NULL && (out->topics != NULL || count == 0);
    if (has_memory) {
        *asked = (struct producers){
            .parts = arena_array(&rq->arena, partition_count, sizeof(struct producers_part))};
        rq->state_of_handler = asked;
        out->topics_count = count;
        has_memory = asked->parts != NULL;
    }
    for (int32_t i = 0; has_memory && i < count; i++) {
        breathe();
        has_memory = add_topic(rq, scatter, &in->topics[i], &out->topics[i]);
    }
    if (has_memory) asked->scatter = scatter;
    return has_memory;
}

static void go(struct request *rq) {
    struct producers *asked = rq->state_of_handler;
    scatter_go(asked->scatter);
}

void handle_describe_producers(struct request *rq) { request_in_turns(rq, prepare, go); }
