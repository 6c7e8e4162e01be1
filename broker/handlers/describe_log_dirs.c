/* broker/handlers/describe_log_dirs.c - API 35: what lies in each log directory. Every shard is
 * visited for the logs that it owns; then the file systems are asked how much room they have.
 * Source: KIP-113, KIP-827, kafka.server.ReplicaManager.describeLogDirs. */
#include <stdlib.h>
#include "broker/handlers/handlers.h"
#include "broker/handlers/scatter.h"
#include "broker/shard/moves.h"
#include "broker/shard/places.h"
#include "broker/shard/visit.h"
#include "protocol/errors.h"

/* One partition that was asked for, as it was found. */
struct dir_row {
    struct str topic; /* arena */
    struct uuid topic_id;
    int32_t index;
    uint32_t dir_index; /* NOWHERE: not found */
    uint64_t bytes;
    struct move_progress move; /* of its copy; dir_index NOWHERE: there is none */
};
#define NOWHERE UINT32_MAX
#define ROWS_A_TURN 4000u /* a millisecond of a shard */

struct description;

/* The rows of one shard. */
struct row_visit {
    struct visit visit;
    struct description *description;
    struct shard *at;
    struct dir_row **rows;
    uint32_t count, capacity;
};

struct description {
    struct request *rq;
    struct dir_row *rows;
    uint32_t row_count;
    struct row_visit *visits;
    uint32_t open_count;
};

/* --- on the logs' shards --- */

static void visit_job(struct job *job, void *argument) {
    struct row_visit *v = argument;
    struct shard *at = v->at;
    for (uint32_t i = 0; i < v->count; i++) {
        if (i % ROWS_A_TURN == ROWS_A_TURN - 1) job_yield(job);
        struct dir_row *row = v->rows[i];
        const struct partition *p = shard_partition(at, row->topic_id, row->index);
        if (p == NULL || p->state != PARTITION_ONLINE) continue;
        row->dir_index = (uint32_t)(log_directory(p->log) - at->dirs);
        row->bytes = log_size_bytes(p->log);
        if (!move_progress_of(p, &row->move)) row->move.dir_index = NOWHERE;
    }
    visit_return(&v->visit);
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct row_visit *v = CONTAINER_OF(visit, struct row_visit, visit);
    v->at = at;
    job_start(&at->jobs, visit_job, v);
}

/* --- the answer --- */

static int by_name(const void *a, const void *b) {
    const struct dir_row *x = a, *y = b;
    breathe();
    int order = str_cmp(x->topic, y->topic);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* One topic of one directory: the rows of it from `first` on; the next topic's first row, 0 without
 * memory. */
static uint32_t put_topic(struct description *d, uint32_t dir_index, uint32_t first,
                          struct describe_log_dirs_response_result *out) {
    struct str name = d->rows[first].topic;
    uint32_t end = first;
    int32_t count = 0;
    for (; end < d->row_count && str_eq(d->rows[end].topic, name); end++) {
        const struct dir_row *row = &d->rows[end];
        breathe();
        count += row->dir_index == dir_index || row->move.dir_index == dir_index;
    }
    if (count == 0) return end;
    struct describe_log_dirs_response_topic *topic = &out->topics[out->topics_count];
    topic->name = name;
    topic->partitions = describe_log_dirs_response_partition_array(&d->rq->arena, count);
    if (topic->partitions == NULL) return 0;
    for (uint32_t i = first; i < end; i++) {
        const struct dir_row *row = &d->rows[i];
        breathe();
        bool is_copy = row->move.dir_index == dir_index;
        bool is_double = i > first && row->index == d->rows[i - 1].index;
        if ((row->dir_index != dir_index && !is_copy) || is_double) continue;
        topic->partitions[topic->partitions_count++] =
            (struct describe_log_dirs_response_partition){
                .partition_index = row->index,
                .partition_size = (int64_t)(is_copy ? row->move.bytes : row->bytes),
                .offset_lag = is_copy ? row->move.lag : 0,
                .is_future_key = is_copy,
            };
    }
    out->topics_count++;
    return end;
}

static bool put_topics(struct description *d, uint32_t dir_index,
                       struct describe_log_dirs_response_result *out) {
    uint32_t topic_count = 0;
    for (uint32_t i = 0; i < d->row_count; i++) {
        topic_count += i == 0 || !str_eq(d->rows[i].topic, d->rows[i - 1].topic);
        breathe();
    }
    out->topics = describe_log_dirs_response_topic_array(&d->rq->arena, (int32_t)topic_count);
    if (out->topics == NULL && topic_count > 0) return false;
    for (uint32_t i = 0; i < d->row_count;) {
        i = put_topic(d, dir_index, i, out);
        if (i == 0) return false;
    }
    return true;
}

static void put_room(struct job *job, const struct broker_dir *dir,
                     struct describe_log_dirs_response_result *out) {
    struct io_statfs room = {0};
    struct io_op *op = job_op(job);
    bool finished = io_statfs(job_io(job), op, dir->path.ptr, &room);
    if (job_wait(job, finished) < 0) return; /* stays -1: unknown */
    out->total_bytes = (int64_t)room.total_bytes;
    out->usable_bytes = (int64_t)room.free_bytes;
}

static bool put_dirs(struct job *job, struct description *d) {
    const struct broker *broker = d->rq->shard->broker;
    struct describe_log_dirs_response *out = d->rq->out;
    job_breathe(job);
    qsort(d->rows, d->row_count, sizeof *d->rows, by_name);
    job_hold_breath(job);
    out->results =
        describe_log_dirs_response_result_array(&d->rq->arena, (int32_t)broker->dir_count);
    if (out->results == NULL) return false;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (broker->dirs[i].is_for_metadata) continue; /* Kafka knows it as no log directory */
        struct describe_log_dirs_response_result *result = &out->results[out->results_count++];
        result->log_dir = broker->dirs[i].path;
        result->is_cordoned = broker_dir_is_cordoned(broker, d->rq->shard->image, i);
        if (d->rq->shard->dirs[i].offline) {
            result->error_code = KAFKA_KAFKA_STORAGE_ERROR;
            continue;
        }
        put_room(job, &broker->dirs[i], result);
        job_breathe(job);
        bool has_memory = put_topics(d, i, result);
        job_hold_breath(job);
        if (!has_memory) return false;
    }
    return true;
}

static void answer_job(struct job *job, void *argument) {
    struct description *d = argument;
    if (put_dirs(job, d)) {
        request_respond(d->rq);
    } else {
        request_abandon(d->rq, true);
    }
}

static void part_home(struct description *d) {
    if (--d->open_count == 0) job_start(&d->rq->shard->jobs, answer_job, d);
}

static void visit_returned(struct visit *visit) {
    part_home(CONTAINER_OF(visit, struct row_visit, visit)->description);
}

/* --- what is asked for --- */

static void add_row(struct description *d, struct topic_known topic, struct str name,
                    int32_t index) {
    if (index < 0 || index >= topic.partition_count) return; /* Kafka leaves them out */
    d->rows[d->row_count++] = (struct dir_row){
        .topic = name,
        .topic_id = topic.id,
        .index = index,
        .dir_index = NOWHERE,
        .move.dir_index = NOWHERE,
    };
}

static bool gather_all(struct description *d) {
    const struct image *image = d->rq->shard->image;
    struct image_iter iter;
    d->rows = arena_array(&d->rq->arena, image_partition_count(image), sizeof *d->rows);
    if (d->rows == NULL) return false;
    image_iter_topics(image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        struct str name = arena_str(&d->rq->arena, topic->name);
        if (name.ptr == NULL) return false;
        struct topic_known known = {topic->id, topic->partition_count};
        for (int32_t i = 0; i < topic->partition_count; i++) add_row(d, known, name, i);
    }
    return true;
}

static bool gather_asked(struct description *d) {
    const struct describe_log_dirs_request *in = d->rq->in;
    size_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += (size_t)MAX(in->topics[i].partitions_count, 0);
    d->rows = arena_array(&d->rq->arena, count, sizeof *d->rows);
    if (d->rows == NULL) return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct describe_log_dirs_request_describable_dir_topic *asked = &in->topics[i];
        struct topic_known topic = topic_known(d->rq, asked->topic);
        breathe();
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            add_row(d, topic, asked->topic, asked->partitions[p]);
            breathe();
        }
    }
    return true;
}

static bool share_out(struct description *d) {
    struct shard *shard = d->rq->shard;
    const struct broker *broker = shard->broker;
    d->visits = arena_array(&d->rq->arena, broker->shard_count, sizeof *d->visits);
    if (d->visits == NULL) return false;
    for (uint32_t i = 0; i < d->row_count; i++) {
        d->visits[shard_of_partition(broker, d->rows[i].topic_id, d->rows[i].index)].capacity++;
        breathe();
    }
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        struct row_visit *v = &d->visits[i];
        v->visit = (struct visit){
            .home = shard, .target = i, .work = visit_work, .returned = visit_returned};
        v->description = d;
        v->rows = arena_array(&d->rq->arena, v->capacity, sizeof(struct dir_row *));
        if (v->rows == NULL) return false;
    }
    for (uint32_t i = 0; i < d->row_count; i++) {
        struct row_visit *v =
            &d->visits[shard_of_partition(broker, d->rows[i].topic_id, d->rows[i].index)];
        v->rows[v->count++] = &d->rows[i];
        breathe();
    }
    return true;
}

static bool prepare(struct request *rq) {
    const struct describe_log_dirs_request *in = rq->in;
    struct description *d = ARENA_NEW(&rq->arena, struct description);
    if (d == NULL) return false;
    *d = (struct description){.rq = rq, .open_count = 1};
    rq->state_of_handler = d;
    /* A request for all is not large, and its topics are of one image. */
    return (in->topics_count < 0 ? gather_all(d) : gather_asked(d)) && share_out(d);
}

static void visit_all(struct request *rq) {
    struct description *d = rq->state_of_handler;
    uint32_t shard_count = rq->shard->broker->shard_count;
    for (uint32_t i = 0; i < shard_count; i++) {
        if (d->visits[i].count == 0) continue;
        d->open_count++;
        visit_go(&d->visits[i].visit);
    }
    part_home(d);
}

void handle_describe_log_dirs(struct request *rq) { request_in_turns(rq, prepare, visit_all); }
