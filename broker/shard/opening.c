/* broker/shard/opening.c - a queue of logs for each directory, and some jobs at each. */
#include "broker/shard/opening.h"
#include <inttypes.h>
#include "base/limits.h"
#include "base/logging.h"
#include "broker/config/settings.h"
#include "broker/metadata/apply.h"
#include "broker/metadata/publisher.h"
#include "broker/metadata/unopened.h"
#include "broker/replication/partition.h"
#include "broker/shard/checkpoints.h"
#include "broker/shard/log_starts.h"
#include "broker/shard/places.h"
#include "log/partition_metadata.h"

#define REPORT_US UINT64_C(5000000)
#define PAUSE_US UINT64_C(100000)      /* before the first try again; each pause is longer, ... */
#define PAUSE_MAX_US UINT64_C(1000000) /* ... up to this */
#define LOOKED_AT_ONCE 64u /* directories in one trip of a worker */
#define CLEAN_JOBS 8u      /* at logs that need no recovery, in each directory */
/* Recovering jobs for each of num.recovery.threads.per.data.dir: a thread of Kafka's computes or
 * reads, a job of ours also waits for the ring and the workers, some twenty times a log. */
#define JOBS_PER_THREAD 4

/* The logs of one directory. */
struct queue {
    struct opening *opening;
    struct partition_place *items;
    uint32_t count, capacity, next;
    uint32_t dir_index;
    uint32_t job_count;
};

struct opening {
    struct shard *shard;
    struct queue *queues;   /* by directory */
    uint32_t job_count;     /* under way */
    struct job *waiter;     /* for them */
    uint64_t patient_until_us; /* 0: nothing has been scarce yet */
};

/* --- what there is --- */

/* Calls `each` for every partition of this shard that has a place. */
static void walk(struct opening *opening,
                 void (*each)(struct queue *queue, const struct topic_image *topic, int32_t index),
                 bool complains) {
    struct shard *shard = opening->shard;
    struct image_iter iter;
    image_iter_topics(shard->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            uint32_t dir_index = 0;
            if (!shard_has_replica(shard, topic, i)) continue;
            if (broker_dir_of(shard->broker, shard->image, topic, i, true, &dir_index)) {
                each(&opening->queues[dir_index], topic, i);
            } else if (complains) {
                LOG_ERROR("partition",
                          "event=not-opened topic=%s partition=%d why=\"its log directory is "
                          "not here, and it is not made anew elsewhere\"",
                          LOG_TEXT(topic->name), i);
            }
        }
    }
}

static void count(struct queue *queue, const struct topic_image *topic, int32_t index) {
    (void)topic;
    (void)index;
    queue->capacity++;
}

static void put(struct queue *queue, const struct topic_image *topic, int32_t index) {
    queue->items[queue->count++] = (struct partition_place){topic, index, .was_there = true};
}

static void fill(struct opening *opening) {
    struct broker *broker = opening->shard->broker;
    struct mem *mem = opening->shard->mem;
    opening->queues = mem_need(mem, broker->dir_count * sizeof *opening->queues);
    for (uint32_t d = 0; d < broker->dir_count; d++)
        opening->queues[d] = (struct queue){.opening = opening, .dir_index = d};
    walk(opening, count, true);
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        struct queue *queue = &opening->queues[d];
        queue->items = mem_need(mem, queue->capacity * sizeof *queue->items);
        log_recovery_add(&broker->dirs[d].recovery.logs, (int64_t)queue->capacity);
    }
    walk(opening, put, false);
}

static void empty(struct opening *opening) {
    struct mem *mem = opening->shard->mem;
    uint32_t dir_count = opening->shard->broker->dir_count;
    for (uint32_t d = 0; d < dir_count; d++) {
        struct queue *queue = &opening->queues[d];
        mem_free(mem, queue->items, queue->capacity * sizeof *queue->items);
    }
    mem_free(mem, opening->queues, dir_count * sizeof *opening->queues);
}

/* --- opening --- */

/* Once more, after it found no memory or no descriptor. */
static void try_again(struct job *job, struct queue *queue, const struct partition_place *place) {
    struct opening *opening = queue->opening;
    struct shard *shard = opening->shard;
    uint64_t pause_us = PAUSE_US;
    enum status st = ST_NOMEM;
    while (st == ST_NOMEM) {
        uint64_t now_us = shard->io->now.mono_us;
        if (opening->patient_until_us == 0)
            opening->patient_until_us = now_us + OPENING_PATIENCE_US;
        if (now_us >= opening->patient_until_us) break;
        job_sleep_until(job, now_us + pause_us);
        pause_us = MIN(pause_us * 2, PAUSE_MAX_US);
        partitions_open(job, shard, queue->dir_index, place, 1, &st);
    }
    if (unopened_is_worth_it(st)) unopened_add(shard, place, st);
}

/* A partition in whose place lies another topic's. */
struct stranger {
    struct list link; /* in shard->strangers */
    struct partition_place place;
    uint32_t dir_index;
    enum status status;
};

static void note_stranger(struct queue *queue, const struct partition_place *place) {
    struct shard *shard = queue->opening->shard;
    struct stranger *stranger = MEM_NEW(shard->mem, struct stranger);
    stranger->place = (struct partition_place){place->topic, place->index};
    stranger->dir_index = queue->dir_index;
    list_push_back(&shard->strangers, &stranger->link);
}

static void open_queue(struct job *job, void *argument) {
    struct queue *queue = argument;
    struct opening *opening = queue->opening;
    struct broker_dir *dir = &opening->shard->broker->dirs[queue->dir_index];
    while (queue->next < queue->count) {
        const struct partition_place *places = &queue->items[queue->next];
        enum status statuses[LOOKED_AT_ONCE];
        uint32_t share = (queue->count - queue->next) / (2 * queue->job_count);
        uint32_t count = MAX(1u, MIN(share, LOOKED_AT_ONCE));
        queue->next += count;
        partitions_open(job, opening->shard, queue->dir_index, places, count, statuses);
        for (uint32_t i = 0; i < count; i++) {
            if (statuses[i] == ST_NOMEM) try_again(job, queue, &places[i]);
            if (statuses[i] == ST_NO_SPACE) unopened_add(opening->shard, &places[i], ST_NO_SPACE);
            if (statuses[i] == ST_STALE) note_stranger(queue, &places[i]);
            log_recovery_add(&dir->recovery.logs, -1);
        }
    }
    if (--opening->job_count == 0 && opening->waiter != NULL) job_wake(opening->waiter);
}

/* In each directory that needs recovery. */
static uint32_t recoveries_at_once(const struct shard *shard) {
    const struct broker *broker = shard->broker;
    struct broker_settings settings =
        broker_settings_of(broker->setup.config, shard->image, broker->node_id);
    int64_t all = setting_number(&settings, STR("num.recovery.threads.per.data.dir"));
    int64_t own =
        (all * JOBS_PER_THREAD + broker->shard_count - 1) / (int64_t)broker->shard_count;
    int64_t most = (int64_t)LIMIT_JOBS / 2 / (int64_t)broker->dir_count;
    return (uint32_t)MAX((int64_t)1, MIN(own, most));
}

void shard_open_partitions(struct job *job, struct shard *shard) {
    struct opening opening = {.shard = shard};
    uint32_t recoveries = recoveries_at_once(shard);
    fill(&opening);
    opening.job_count = 1; /* this one */
    for (uint32_t d = 0; d < shard->broker->dir_count; d++) {
        struct queue *queue = &opening.queues[d];
        uint32_t most = (uint32_t)LIMIT_JOBS / 2 / shard->broker->dir_count;
        uint32_t jobs = shard->broker->dirs[d].clean ? MAX(1u, MIN(CLEAN_JOBS, most)) : recoveries;
        queue->job_count = MAX(1u, MIN(jobs, queue->count));
        struct log_dir *dir = &shard->dirs[d];
        dir->gathers_syncs = dir->fs_from > 0 && queue->count >= dir->fs_from;
        for (uint32_t i = 0; i < MIN(jobs, queue->count); i++) {
            opening.job_count++;
            job_start(&shard->jobs, open_queue, queue);
        }
    }
    opening.waiter = job;
    if (--opening.job_count > 0) job_suspend(job);
    for (uint32_t d = 0; d < shard->broker->dir_count; d++) log_dir_settle(job, &shard->dirs[d]);
    empty(&opening);
    shard->has_opened = true;
}

/* --- of topics that had the name before --- */

/* Whose it is, as its partition.metadata says, and the metadata log tells of that topic's end. Else
 * the file may be damaged, and the records those of the topic that is wanted. */
static bool is_of_deleted(struct job *job, const struct shard *shard,
                          const struct stranger *stranger) {
    const struct broker_dir *dir = &shard->broker->dirs[stranger->dir_index];
    struct log_path path;
    struct uuid id;
    places_path(&path, dir, stranger->place.topic->name, stranger->place.index);
    return partition_metadata_read(job, path.text, &id) == ST_OK &&
           publisher_saw_deletion(shard->broker->publisher, id);
}

static enum status set_aside(struct job *job, struct shard *shard,
                             const struct stranger *stranger) {
    const struct broker_dir *dir = &shard->broker->dirs[stranger->dir_index];
    if (!is_of_deleted(job, shard, stranger)) {
        if (!dir->clean) shard->dirs[stranger->dir_index].is_unverified = true;
        return ST_STALE;
    }
    struct str topic = stranger->place.topic->name;
    int32_t index = stranger->place.index;
    enum status st = places_set_aside(job, dir, topic, index, "it is that of another topic id");
    return st == ST_OK ? log_starts_forget(job, shard, stranger->dir_index, topic, index) : st;
}

/* One file says of all of them nothing any more. */
static void forget_points(struct job *job, struct shard *shard, uint32_t dir_index) {
    enum status st = ST_NOT_FOUND;
    LIST_EACH(&shard->strangers, node) {
        struct stranger *stranger = CONTAINER_OF(node, struct stranger, link);
        if (stranger->status != ST_OK || stranger->dir_index != dir_index) continue;
        if (st == ST_NOT_FOUND) st = checkpoints_forget(job, shard, dir_index);
        stranger->status = st;
    }
}

static void open_anew(struct job *job, struct shard *shard, struct stranger *stranger) {
    const struct topic_image *topic = stranger->place.topic;
    int32_t index = stranger->place.index;
    enum status st = stranger->status;
    uint32_t dir_index = 0;
    if (st == ST_OK &&
        !broker_dir_of(shard->broker, shard->image, topic, index, false, &dir_index))
        st = ST_NOT_FOUND;
    if (st == ST_OK) {
        partitions_open(job, shard, dir_index, &stranger->place, 1, &st); /* it says what fails */
        return;
    }
    LOG_ERROR("partition", "event=open-failed topic=%s partition=%d status=\"%s\"",
              LOG_TEXT(topic->name), index, status_name(st));
}

void shard_open_strangers(struct job *job, struct shard *shard) {
    LIST_EACH(&shard->strangers, node) {
        struct stranger *stranger = CONTAINER_OF(node, struct stranger, link);
        stranger->status = set_aside(job, shard, stranger);
    }
    for (uint32_t d = 0; d < shard->broker->dir_count; d++) forget_points(job, shard, d);
    for (struct list *node; (node = list_pop_front(&shard->strangers)) != NULL;) {
        struct stranger *stranger = CONTAINER_OF(node, struct stranger, link);
        open_anew(job, shard, stranger);
        MEM_FREE(shard->mem, stranger);
    }
}

/* --- how far it is --- */

static struct log_recovery left_in(const struct broker_dir *dir) {
    return (struct log_recovery){
        .logs = log_recovery_get(&dir->recovery.logs),
        .segments = log_recovery_get(&dir->recovery.segments),
        .bytes = log_recovery_get(&dir->recovery.bytes),
    };
}

struct log_recovery opening_left(const struct broker *broker) {
    struct log_recovery sum = {0};
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        struct log_recovery left = left_in(&broker->dirs[d]);
        sum.logs += left.logs;
        sum.segments += left.segments;
        sum.bytes += left.bytes;
    }
    return sum;
}

static void set_next(struct opening_report *report) {
    struct io *io = report->broker->setup.ios[0];
    io_timer_set(io, &report->timer, io->now.mono_us + REPORT_US);
}

static void report_due(struct io_timer *timer) {
    struct opening_report *report = CONTAINER_OF(timer, struct opening_report, timer);
    for (uint32_t d = 0; d < report->broker->dir_count; d++) {
        struct log_recovery left = left_in(&report->broker->dirs[d]);
        if (left.logs == 0) continue;
        LOG_INFO("log",
                 "event=opening dir=%s logs_left=%" PRIu64 " recovering_segments=%" PRIu64
                 " recovering_bytes=%" PRIu64,
                 LOG_TEXT(report->broker->dirs[d].path), left.logs, left.segments, left.bytes);
    }
    set_next(report);
}

void opening_report_begin(struct opening_report *report, const struct broker *broker) {
    *report = (struct opening_report){.timer.fire = report_due, .broker = broker};
    set_next(report);
}

void opening_report_end(struct opening_report *report) {
    io_timer_clear(report->broker->setup.ios[0], &report->timer);
}
