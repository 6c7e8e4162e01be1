/* controller/partitions.c - CreatePartitions: more partitions for topics that there are. Codes,
 * texts and the order of the checks are Kafka's; a topic that fails does not keep others from
 * growing. Source: ControllerApis.createPartitions, ReplicationControlManager.createPartitions. */
#include <stdlib.h>
#include "base/breathe.h"
#include "controller/controller.h"
#include "controller/metadata/metadata_record.h"
#include "controller/placement.h"
#include "controller/records.h"
#include "protocol/errors.h"

#define RECORDS_PER_REQUEST_MAX 10000

struct growth {
    const struct controller_context *ctx;
    struct arena *arena;
    struct controller_records *records;
    struct placement placement;
    int16_t metadata_version;
};

/* One topic of the request. */
struct grown {
    const struct create_partitions_request_topic *request;
    struct create_partitions_response_topic_result *result;
    const struct topic_image *topic;
    int32_t additional;
    int32_t replica_count; /* of each partition: as many as the first one has */
};

static void refuse(struct grown *grown, enum kafka_error code, struct str message) {
    grown->result->error_code = (int16_t)code;
    grown->result->error_message = message;
}

static bool is_refused(const struct grown *grown) {
    return grown->result->error_code != KAFKA_NONE;
}

static void check_count(struct growth *g, struct grown *grown) {
    const struct create_partitions_request_topic *request = grown->request;
    const struct topic_image *topic = grown->topic;
    if (topic == NULL) {
        refuse(grown, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, STR_NULL);
    } else if (request->count == topic->partition_count) {
        refuse(grown, KAFKA_INVALID_PARTITIONS,
               arena_printf(g->arena, "Topic already has %d partition(s).",
                            topic->partition_count));
    } else if (request->count < topic->partition_count) {
        refuse(grown, KAFKA_INVALID_PARTITIONS,
               arena_printf(g->arena,
                            "The topic %.*s currently has %d partition(s); %d would not be an "
                            "increase.",
                            STR_ARG(topic->name), topic->partition_count, request->count));
    } else {
        grown->additional = request->count - topic->partition_count;
        grown->replica_count = topic->partitions[0].replica_count;
        bool is_manual = request->assignments_count >= 0;
        if (is_manual && request->assignments_count != grown->additional) {
            refuse(grown, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                   arena_printf(g->arena,
                                "Attempted to add %d additional partition(s), but only %d "
                                "assignment(s) were specified.",
                                grown->additional, request->assignments_count));
        } else if (grown->additional > RECORDS_PER_REQUEST_MAX - (int32_t)g->records->count) {
            refuse(grown, KAFKA_UNKNOWN_SERVER_ERROR, STR_NULL); /* as Kafka does, without a word */
        }
    }
}

/* The replicas of the i-th new partition, unless that is refused. */
static enum status choose_replicas(struct growth *g, struct grown *grown, int32_t i,
                                   struct partition_image *ret_partition) {
    int32_t count = grown->replica_count;
    int32_t index = grown->topic->partition_count + i;
    int32_t *replicas = NULL;
    if (grown->request->assignments_count >= 0) {
        const struct create_partitions_request_assignment *row =
            &grown->request->assignments[i];
        int32_t *sorted =
            arena_array(g->arena, (size_t)MAX(row->broker_ids_count, 0), sizeof *sorted);
        if (sorted == NULL) return ST_NOMEM;
        struct str problem = assignment_problem(g->ctx->image, row->broker_ids,
                                                row->broker_ids_count, count, sorted, g->arena);
        if (problem.ptr != NULL) {
            refuse(grown, KAFKA_INVALID_REPLICA_ASSIGNMENT, problem);
            return ST_OK;
        }
        replicas = row->broker_ids;
    } else {
        replicas = arena_array(g->arena, (size_t)count, sizeof *replicas);
        if (replicas == NULL) return ST_NOMEM;
        placement_next(&g->placement, index, (int16_t)count, replicas);
    }
    enum status st = partition_begin(g->ctx, replicas, count, ret_partition);
    if (st == ST_OK && ret_partition->isr_count == 0) {
        refuse(grown, KAFKA_INVALID_REPLICA_ASSIGNMENT,
               arena_printf(g->arena,
                            "All brokers specified in the manual partition assignment for "
                            "partition %d are fenced or in controlled shutdown.",
                            index));
    }
    return st;
}

static enum status choose_all(struct growth *g, struct grown *grown,
                              struct partition_image *partitions) {
    if (grown->request->assignments_count < 0) {
        struct str problem =
            placement_problem(&g->placement, (int16_t)grown->replica_count, g->arena);
        if (problem.ptr != NULL) {
            refuse(grown, KAFKA_INVALID_REPLICATION_FACTOR, problem);
            return ST_OK;
        }
    }
    enum status st = ST_OK;
    for (int32_t i = 0; i < grown->additional && st == ST_OK && !is_refused(grown); i++) {
        st = choose_replicas(g, grown, i, &partitions[i]);
        breathe();
    }
    return st;
}

static enum status grow(struct growth *g, struct grown *grown) {
    check_count(g, grown);
    if (is_refused(grown)) return ST_OK;
    struct partition_image *partitions =
        arena_array(g->arena, (size_t)grown->additional, sizeof *partitions);
    if (partitions == NULL) return ST_NOMEM;
    enum status st = choose_all(g, grown, partitions);
    if (st != ST_OK || is_refused(grown)) return st;
    for (int32_t i = 0; i < grown->additional && st == ST_OK; i++) {
        struct bytes value = BYTES_NULL;
        breathe();
        st = partition_record_encode(grown->topic->id, grown->topic->partition_count + i,
                                     &partitions[i], g->metadata_version, g->arena, &value);
        if (st == ST_OK) controller_records_add_value(g->records, value);
    }
    return st == ST_OK ? g->records->status : st;
}

static struct create_partitions_response_topic_result *
result_add(struct create_partitions_response *response, struct str name) {
    struct create_partitions_response_topic_result *result =
        &response->results[response->results_count++];
    result->name = name;
    return result;
}

/* A name and where it stands in the request. */
struct named {
    struct str name;
    int32_t index;
};

static int named_order(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    breathe();
    int order = str_cmp(x->name, y->name);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Names that stand there twice are answered first, once each; is_repeated marks them all. */
static enum status refuse_repeated(struct growth *g,
                                   const struct create_partitions_request *request,
                                   struct create_partitions_response *response,
                                   bool *is_repeated) {
    int32_t count = MAX(request->topics_count, 0);
    struct named *names = arena_array(g->arena, (size_t)count, sizeof *names);
    if (names == NULL) return ST_NOMEM;
    for (int32_t i = 0; i < count; i++) names[i] = (struct named){request->topics[i].name, i};
    qsort(names, (size_t)count, sizeof *names, named_order);
    for (int32_t i = 1; i < count; i++) {
        breathe();
        if (!str_eq(names[i].name, names[i - 1].name)) continue;
        is_repeated[names[i].index] = true;
        if (is_repeated[names[i - 1].index]) continue;
        is_repeated[names[i - 1].index] = true;
        struct create_partitions_response_topic_result *result =
            result_add(response, names[i].name);
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message = STR("Duplicate topic name.");
    }
    return ST_OK;
}

static enum status decide(struct growth *g, const struct create_partitions_request *request,
                          struct create_partitions_response *response) {
    int32_t count = MAX(request->topics_count, 0);
    bool *is_repeated = arena_array(g->arena, (size_t)count, sizeof *is_repeated);
    if (is_repeated == NULL) return ST_NOMEM;
    enum status st = refuse_repeated(g, request, response, is_repeated);
    if (st == ST_OK)
        st = placement_init(&g->placement, g->ctx->image, g->ctx->placement_start, g->arena);
    for (int32_t i = 0; i < count && st == ST_OK; i++) {
        struct str name = request->topics[i].name;
        breathe();
        if (is_repeated[i]) continue;
        struct grown grown = {
            .request = &request->topics[i],
            .result = result_add(response, name),
            .topic = image_topic_by_name(g->ctx->image, name),
        };
        st = grow(g, &grown);
    }
    return st;
}

void controller_create_partitions(const struct controller_context *ctx,
                                  const struct create_partitions_request *request,
                                  struct create_partitions_response *response,
                                  struct controller_records *records) {
    struct growth g = {
        .ctx = ctx,
        .arena = ctx->arena,
        .records = records,
        .metadata_version = image_feature(ctx->image, STR(METADATA_VERSION)),
    };
    controller_records_init(records, ctx->arena);
    create_partitions_response_defaults(response);
    response->results = create_partitions_response_topic_result_array(
        ctx->arena, MAX(request->topics_count, 0));
    enum status st = response->results != NULL ? decide(&g, request, response) : ST_NOMEM;
    if (records->status == ST_OK) records->status = st;
    if (request->validate_only && records->status == ST_OK)
        controller_records_init(records, ctx->arena);
}
