/* broker/handlers/describe_topic_partitions.c - API 75: topics in order of their names, at most so
 * many partitions an answer, and a cursor that says where to go on. Source: KIP-966,
 * kafka.server.handlers.DescribeTopicPartitionsRequestHandler,
 * KRaftMetadataCache.describeTopicResponse. */
#include <stdlib.h>
#include "base/breathe.h"
#include "broker/handlers/cluster.h"
#include "broker/handlers/handlers.h"
#include "controller/controller.h"
#include "protocol/errors.h"

struct description {
    struct request *rq;
    const struct describe_topic_partitions_request_cursor *cursor; /* NULL: from the beginning */
    struct describe_topic_partitions_response *out;
    int32_t left; /* partitions that may still be answered */
    bool is_full; /* next_cursor is set */
};

static int by_name(const void *a, const void *b) {
    const struct str *x = a, *y = b;
    breathe();
    return str_cmp(*x, *y);
}

static bool put_partition(struct request *rq, const struct partition_image *partition,
                          int32_t index, struct describe_topic_partitions_response_partition *out) {
    const struct {
        const int32_t *from;
        int32_t from_count;
        int32_t **to, *to_count;
    } lists[] = {
        {partition->replicas, partition->replica_count, &out->replica_nodes,
         &out->replica_nodes_count},
        {partition->isr, partition->isr_count, &out->isr_nodes, &out->isr_nodes_count},
        {partition->elr, partition->elr_count, &out->eligible_leader_replicas,
         &out->eligible_leader_replicas_count},
        {partition->last_known_elr, partition->last_known_elr_count, &out->last_known_elr,
         &out->last_known_elr_count},
    };
    for (size_t i = 0; i < COUNT(lists); i++) {
        *lists[i].to = request_copy_ids(rq, lists[i].from, lists[i].from_count);
        if (*lists[i].to == NULL) return false;
        *lists[i].to_count = lists[i].from_count;
    }
    out->partition_index = index;
    out->leader_id = partition->leader;
    out->leader_epoch = partition->leader_epoch;
    out->error_code = partition->leader < 0 ? KAFKA_LEADER_NOT_AVAILABLE : KAFKA_NONE;
    return true;
}

static bool set_cursor(struct description *d, struct str topic, int32_t index) {
    struct describe_topic_partitions_response_cursor *cursor =
        ARENA_NEW(&d->rq->arena, struct describe_topic_partitions_response_cursor);
    if (cursor == NULL) return false;
    cursor->topic_name = arena_str(&d->rq->arena, topic);
    cursor->partition_index = index;
    d->out->next_cursor = cursor;
    d->is_full = true;
    return true;
}

/* The partitions of one topic that still fit; false without memory. */
static bool put_topic(struct description *d, struct str name) {
    if (d->left == 0) return set_cursor(d, name, 0);
    struct arena *arena = &d->rq->arena;
    struct describe_topic_partitions_response_describe_topic_partitions_response_topic *answer =
        &d->out->topics[d->out->topics_count++];
    const struct topic_image *topic = image_topic_by_name(d->rq->shard->image, name);
    answer->name = arena_str(arena, name);
    answer->topic_authorized_operations = TOPIC_OPERATIONS;
    if (topic == NULL) {
        answer->error_code = topic_name_problem(name, arena).ptr != NULL
                                 ? KAFKA_INVALID_TOPIC_EXCEPTION
                                 : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    bool at_cursor = d->cursor != NULL && str_eq(d->cursor->topic_name, name);
    int32_t first = at_cursor ? MIN(d->cursor->partition_index, topic->partition_count) : 0;
    int32_t count = MIN(topic->partition_count - first, d->left);
    answer->topic_id = topic->id;
    answer->is_internal = topic_is_internal(name);
    answer->partitions = describe_topic_partitions_response_partition_array(arena, count);
    if (answer->partitions == NULL && count > 0) return false;
    answer->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        if (!put_partition(d->rq, &topic->partitions[first + i], first + i, &answer->partitions[i]))
            return false;
    }
    d->left -= count;
    return first + count == topic->partition_count || set_cursor(d, name, first + count);
}

/* The names asked for, sorted, each once; all of them when none was named. */
static struct str *names_of(struct request *rq, uint32_t *ret_count) {
    const struct describe_topic_partitions_request *in = rq->in;
    const struct image *image = rq->shard->image;
    uint32_t count = in->topics_count > 0 ? (uint32_t)in->topics_count : image_topic_count(image);
    struct str *names = arena_array(&rq->arena, count, sizeof *names);
    if (names == NULL) return NULL;
    *ret_count = 0;
    if (in->topics_count <= 0) {
        struct image_iter iter;
        image_iter_topics(image, &iter);
        for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;)
            names[(*ret_count)++] = topic->name;
        return names; /* a request that names none is not large */
    }
    for (uint32_t i = 0; i < count; i++) names[i] = in->topics[i].name;
    qsort(names, count, sizeof *names, by_name);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && str_eq(names[i], names[i - 1])) continue;
        names[(*ret_count)++] = names[i];
    }
    return names;
}

/* A cursor that cannot be: every topic of the request is told. */
static bool refuse(struct request *rq) {
    const struct describe_topic_partitions_request *in = rq->in;
    struct describe_topic_partitions_response *out = rq->out;
    int32_t count = MAX(in->topics_count, 0);
    out->topics = describe_topic_partitions_response_describe_topic_partitions_response_topic_array(
        &rq->arena, count);
    if (out->topics == NULL && count > 0) return false;
    out->topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->topics[i].name = in->topics[i].name;
        out->topics[i].error_code = KAFKA_INVALID_REQUEST;
    }
    return true;
}

/* A cursor points at a topic of the request; when all are asked for, that topic may have gone. */
static bool is_good_cursor(const struct describe_topic_partitions_request *in,
                           const struct str *names, uint32_t count) {
    if (in->cursor->partition_index < 0) return false;
    return in->topics_count <= 0 ||
           bsearch(&in->cursor->topic_name, names, count, sizeof *names, by_name) != NULL;
}

static bool describe(struct request *rq) {
    const struct describe_topic_partitions_request *in = rq->in;
    struct describe_topic_partitions_response *out = rq->out;
    uint32_t count = 0;
    struct str *names = names_of(rq, &count);
    if (names == NULL) return false;
    if (in->cursor != NULL && !is_good_cursor(in, names, count)) return refuse(rq);
    int64_t limit = MIN(rq->shard->broker->config->max_request_partition_size_limit,
                        (int64_t)in->response_partition_limit);
    struct description d = {
        .rq = rq, .cursor = in->cursor, .out = out, .left = (int32_t)MAX(limit, 1)};
    out->topics = describe_topic_partitions_response_describe_topic_partitions_response_topic_array(
        &rq->arena, (int32_t)count);
    if (out->topics == NULL && count > 0) return false;
    for (uint32_t i = 0; i < count && !d.is_full; i++) {
        breathe();
        if (d.cursor != NULL && str_cmp(names[i], d.cursor->topic_name) < 0) continue;
        struct breather *breather = breathe_not(); /* it is of one image */
        bool has_memory = put_topic(&d, names[i]);
        breathe_again(breather);
        if (!has_memory) return false;
    }
    return true;
}

void handle_describe_topic_partitions(struct request *rq) {
    request_in_turns(rq, describe, request_respond);
}
