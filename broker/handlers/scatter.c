/* broker/handlers/scatter.c - out to the shards and back. */
#include "broker/handlers/scatter.h"
#include "broker/shard/visit.h"

#define PARTS_A_TURN 1000 /* a millisecond or two of a shard */

/* The partitions of one shard. */
struct scatter_visit {
    struct visit visit;
    struct scatter *scatter;
    struct shard *at;
    struct list parts;
};

struct scatter {
    struct request *rq;
    void (*work)(struct job *job, struct scatter_part *part, struct partition *p);
    void (*settle)(struct job *job, struct scatter_part *part); /* NULL: nothing to wait for */
    void (*gathered)(struct request *rq);
    uint32_t open_count;          /* visits under way, and one while they are being sent */
    struct scatter_visit *visits; /* one per shard */
};

struct topic_known topic_known(const struct request *rq, struct str name) {
    const struct topic_image *topic = image_topic_by_name(rq->shard->image, name);
    if (topic == NULL) return (struct topic_known){0};
    return (struct topic_known){topic->id, topic->partition_count};
}

static void visit_job(struct job *job, void *argument) {
    struct scatter_visit *v = argument;
    uint32_t done_count = 0;
    LIST_EACH(&v->parts, node) {
        struct scatter_part *part = CONTAINER_OF(node, struct scatter_part, link);
        struct partition *p = shard_partition(v->at, part->topic_id, part->index);
        if (p != NULL) partition_use(p);
        v->scatter->work(job, part, p);
        if (p != NULL) partition_unuse(p);
        if (++done_count % PARTS_A_TURN == 0) job_yield(job);
    }
    if (v->scatter->settle != NULL) {
        LIST_EACH(&v->parts, node)
        v->scatter->settle(job, CONTAINER_OF(node, struct scatter_part, link));
    }
    visit_return(&v->visit);
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct scatter_visit *v = CONTAINER_OF(visit, struct scatter_visit, visit);
    v->at = at;
    job_start(&at->jobs, visit_job, v);
}

static void part_home(struct scatter *scatter) {
    if (--scatter->open_count == 0) scatter->gathered(scatter->rq);
}

static void visit_returned(struct visit *visit) {
    part_home(CONTAINER_OF(visit, struct scatter_visit, visit)->scatter);
}

struct scatter *scatter_new(struct request *rq,
                            void (*work)(struct job *job, struct scatter_part *part,
                                         struct partition *p),
                            void (*gathered)(struct request *rq)) {
    uint32_t shard_count = rq->shard->broker->shard_count;
    struct scatter *scatter = ARENA_NEW(&rq->arena, struct scatter);
    struct scatter_visit *visits = arena_array(&rq->arena, shard_count, sizeof *visits);
    if (scatter == NULL || visits == NULL) return NULL;
    *scatter = (struct scatter){.rq = rq, .work = work, .gathered = gathered, .visits = visits};
    for (uint32_t i = 0; i < shard_count; i++) {
        visits[i] = (struct scatter_visit){
            .visit = {.home = rq->shard,
                      .target = i,
                      .work = visit_work,
                      .returned = visit_returned},
            .scatter = scatter,
        };
        list_init(&visits[i].parts);
    }
    return scatter;
}

void scatter_settle(struct scatter *scatter,
                    void (*settle)(struct job *job, struct scatter_part *part)) {
    scatter->settle = settle;
}

void scatter_add(struct scatter *scatter, struct scatter_part *part) {
    uint32_t shard = shard_of_partition(scatter->rq->shard->broker, part->topic_id, part->index);
    list_push_back(&scatter->visits[shard].parts, &part->link);
}

void scatter_go(struct scatter *scatter) {
    uint32_t shard_count = scatter->rq->shard->broker->shard_count;
    scatter->open_count = 1; /* nothing is answered, and its arena let go, before all are sent */
    for (uint32_t i = 0; i < shard_count; i++) {
        if (list_is_empty(&scatter->visits[i].parts)) continue;
        scatter->open_count++;
        visit_go(&scatter->visits[i].visit);
    }
    part_home(scatter);
}
