/* broker/handlers/alter_replica_log_dirs.c - API 34: partitions move to other log directories. The
 * answer says that they are on their way (broker/shard/moves.h); DescribeLogDirs shows how far.
 * Source: KIP-113, kafka.server.ReplicaManager.alterReplicaLogDirs. */
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"
#include "broker/shard/moves.h"
#include "broker/shard/places.h"
#include "protocol/errors.h"

struct move_part {
    struct scatter_part part;
    uint32_t dir_index;
    struct alter_replica_log_dirs_response_dir_partition_result *out;
};

/* Where log.dirs has the path; dir_count: nowhere. */
static uint32_t find_dir(const struct broker *broker, struct str path) {
    uint32_t d = 0;
    while (d < broker->dir_count &&
           (broker->dirs[d].is_for_metadata || !str_eq(broker->dirs[d].path, path)))
        d++;
    return d;
}

static int16_t path_problem(const struct shard *shard, uint32_t dir_index) {
    if (dir_index == shard->broker->dir_count) return KAFKA_LOG_DIR_NOT_FOUND;
    if (shard->dirs[dir_index].offline) return KAFKA_KAFKA_STORAGE_ERROR;
    return broker_dir_is_cordoned(shard->broker, shard->image, dir_index)
               ? KAFKA_INVALID_REPLICA_ASSIGNMENT
               : KAFKA_NONE;
}

/* Kafka begins no copy while it does not see all directories: one may hold another copy. */
static bool any_offline(const struct shard *shard) {
    for (uint32_t d = 0; d < shard->broker->dir_count; d++) {
        if (shard->dirs[d].offline) return true;
    }
    return false;
}

static void work(struct job *job, struct scatter_part *scatter_part, struct partition *p) {
    struct move_part *part = CONTAINER_OF(scatter_part, struct move_part, part);
    int16_t problem = partition_problem(p, NO_LEADER_EPOCH);
    if (problem == KAFKA_NOT_LEADER_OR_FOLLOWER) problem = KAFKA_REPLICA_NOT_AVAILABLE;
    bool is_new = problem == KAFKA_NONE && p->move == NULL &&
                  log_directory(p->log) != &p->shard->dirs[part->dir_index];
    if (is_new && any_offline(p->shard)) problem = KAFKA_KAFKA_STORAGE_ERROR;
    if (problem == KAFKA_NONE) move_partition(job, p, part->dir_index);
    part->out->error_code = problem;
}

static bool add_topic(struct request *rq, struct scatter *scatter, uint32_t dir_index,
                      const struct alter_replica_log_dirs_request_dir_topic *in,
                      struct alter_replica_log_dirs_response_dir_topic_result *result) {
    struct topic_known topic = topic_known(rq, in->name);
    int32_t count = MAX(in->partitions_count, 0);
    struct move_part *parts = arena_array(&rq->arena, (size_t)count, sizeof *parts);
    result->topic_name = in->name;
    result->partitions =
        alter_replica_log_dirs_response_dir_partition_result_array(&rq->arena, count);
    if (parts == NULL || (result->partitions == NULL && count > 0)) return false;
    for (int32_t i = 0; i < count; i++) {
        int32_t index = in->partitions[i];
        breathe();
        struct alter_replica_log_dirs_response_dir_partition_result *answer =
            &result->partitions[result->partitions_count++];
        answer->partition_index = index;
        answer->error_code = path_problem(rq->shard, dir_index);
        if (answer->error_code != KAFKA_NONE) continue;
        if (index < 0 || index >= topic.partition_count) {
            answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        parts[i] = (struct move_part){.part = {.topic_id = topic.id, .index = index},
                                      .dir_index = dir_index,
                                      .out = answer};
        scatter_add(scatter, &parts[i].part);
    }
    return true;
}

/* One result for each topic of each directory. */
static bool prepare(struct request *rq) {
    const struct alter_replica_log_dirs_request *in = rq->in;
    struct alter_replica_log_dirs_response *out = rq->out;
    struct scatter *scatter = scatter_new(rq, work, request_respond);
    int32_t count = 0;
    for (int32_t d = 0; d < in->dirs_count; d++) count += MAX(in->dirs[d].topics_count, 0);
    out->results = alter_replica_log_dirs_response_dir_topic_result_array(&rq->arena, count);
    bool has_memory = scatter != NULL && (out->results != NULL || count == 0);
    for (int32_t d = 0; has_memory && d < in->dirs_count; d++) {
        breathe();
        uint32_t dir_index = find_dir(rq->shard->broker, in->dirs[d].path);
        for (int32_t t = 0; has_memory && t < in->dirs[d].topics_count; t++) {
            breathe();
            if (in->dirs[d].topics[t].partitions_count <= 0) continue; /* nor does Kafka answer */
            has_memory = add_topic(rq, scatter, dir_index, &in->dirs[d].topics[t],
                                   &out->results[out->results_count++]);
        }
    }
    rq->state_of_handler = scatter;
    return has_memory;
}

static void go(struct request *rq) { scatter_go(rq->state_of_handler); }

void handle_alter_replica_log_dirs(struct request *rq) { request_in_turns(rq, prepare, go); }
