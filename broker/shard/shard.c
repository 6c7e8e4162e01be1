/* broker/shard/shard.c - making and unmaking a shard. */
#include "broker/shard/shard.h"
#include "base/assert.h"
#include "base/limits.h"
#include "broker/group/service.h"
#include "broker/metadata/unopened.h"
#include "broker/net/connection.h"
#include "broker/net/listener.h"
#include "broker/replication/partition.h"
#include "broker/shard/disk_watch.h"
#include "broker/shard/housekeeping.h"
#include "broker/shard/moves.h"
#include "broker/shard/scrubbers.h"

#define KEPT_REQUESTS 128 /* free ones that a shard keeps, with the first chunk of their arenas */
#define KEPT_CONNECTIONS 32
#define LARGE_AT_ONCE 4 /* large requests that are decoded, handled or encoded turn by turn */
#define FETCH_SESSIONS_BYTES_MAX ((uint64_t)64 << 20) /* of their partitions, on one shard */

static void tell_failure(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    struct dir_failure *failure = CONTAINER_OF(message, struct dir_failure, message);
    broker_dir_failed(failure->broker, failure->dir_index, failure->why);
}

/* What one shard met, the others would meet: their logs of the directory go offline, too. */
static void take_failure(struct io_message *message, struct io *at) {
    struct dir_failure *failure = CONTAINER_OF(message, struct dir_failure, spread);
    struct shard *shard = failure->broker->shards[at->shard];
    struct log_dir *dir = &shard->dirs[failure->dir_index];
    dir->on_failure = NULL; /* it is known */
    dir->offline = true;
    for (struct map_node *node = map_next(&shard->partitions, NULL); node != NULL;
         node = map_next(&shard->partitions, node)) {
        struct partition *p = CONTAINER_OF(node, struct partition, node);
        if (log_directory(p->log) == dir) log_go_offline(p->log);
    }
}

void shards_spread_failure(struct broker *broker, uint32_t dir_index) {
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        if (broker->shards[i] == NULL) continue;
        struct io_message *message = &broker->shards[i]->dir_failures[dir_index].spread;
        message->deliver = take_failure;
        io_post(broker->shards[0]->io, i, message);
    }
}

static void on_no_descriptor(struct jobs *jobs) {
    struct shard *shard = CONTAINER_OF(jobs, struct shard, jobs);
    for (uint32_t i = 0; i < shard->broker->dir_count; i++) log_dir_spare_files(&shard->dirs[i]);
}

static void on_dir_failure(struct log_dir *dir, enum status why) {
    struct shard *shard = dir->owner;
    uint32_t index = (uint32_t)(dir - shard->dirs);
    LOG_ERROR("log", "event=directory-offline dir=%s status=\"%s\"", LOG_TEXT(dir->path),
              status_name(why));
    struct dir_failure *failure = &shard->dir_failures[index];
    failure->why = why;
    failure->message.deliver = tell_failure;
    io_post(shard->io, 0, &failure->message);
}

/* num.replica.alter.log.dirs.threads, shared by the shards. */
static uint32_t moves_at_once(const struct broker *broker) {
    int64_t threads = broker->config->num_replica_alter_log_dirs_threads;
    if (threads <= 0) threads = broker->dir_count;
    int64_t own = (threads + broker->shard_count - 1) / (int64_t)broker->shard_count;
    return (uint32_t)MIN(own, (int64_t)LIMIT_JOBS / 4);
}

/* An eighth of the process's descriptors at most may stay open unused. */
static uint32_t idle_file_limit(const struct broker *broker) {
    uint64_t limit = broker->setup.descriptor_limit;
    if (limit == 0) return LOG_DIR_IDLE_FILES;
    limit = limit / 8 / ((uint64_t)broker->shard_count * broker->dir_count);
    return (uint32_t)MAX(MIN(limit, LOG_DIR_IDLE_FILES), 4u);
}

struct shard *shard_new(struct broker *broker, struct io *io) {
    struct mem *mem = io->mem;
    struct shard *shard = MEM_NEW(mem, struct shard);
    shard->broker = broker;
    shard->io = io;
    shard->mem = mem;
    shard->index = io->shard;
    jobs_init(&shard->jobs, io, LIMIT_JOBS);
    shard->jobs.on_no_descriptor = on_no_descriptor;
    jobs_init(&shard->move_jobs, io, moves_at_once(broker));
    jobs_init(&shard->large_jobs, io, LARGE_AT_ONCE);
    shard->dirs = mem_need(mem, broker->dir_count * sizeof *shard->dirs);
    shard->dir_failures = mem_need(mem, broker->dir_count * sizeof *shard->dir_failures);
    shard->disks = mem_need(mem, broker->dir_count * sizeof *shard->disks);
    shard->disk_cries = mem_need(mem, broker->dir_count * sizeof *shard->disk_cries);
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        log_dir_init(&shard->dirs[i], io, &shard->jobs, broker->dirs[i].path);
        shard->dirs[i].owner = shard;
        shard->dirs[i].fs = &broker->dirs[i].fs;
        shard->dirs[i].fs_from = (uint32_t)broker->config->klamm_syncfs_from_logs;
        if (broker->setup.room_from > 0) shard->dirs[i].room_from = broker->setup.room_from;
        if (broker->setup.removal_step_bytes > 0)
            shard->dirs[i].removal_step_bytes = broker->setup.removal_step_bytes;
        shard->dirs[i].disk.lane = config_writes_inline(broker->config) ? 0 : i + 1;
        shard->dirs[i].on_failure = on_dir_failure;
        shard->dirs[i].on_full = disk_watch_full;
        shard->dirs[i].idle_file_limit = idle_file_limit(broker);
        shard->dirs[i].offline = broker->dirs[i].is_missing;
        shard->dirs[i].recovery = &broker->dirs[i].recovery;
        shard->dir_failures[i] = (struct dir_failure){.broker = broker, .dir_index = i};
    }
    list_init(&shard->images);
    list_init(&shard->strangers);
    map_init(&shard->partitions, mem);
    buffers_init(&shard->buffers, mem);
    pool_init(&shard->requests, mem, sizeof(struct request), KEPT_REQUESTS);
    pool_init(&shard->connections, mem, sizeof(struct connection), KEPT_CONNECTIONS);
    uint64_t seed = 0;
    io_random(io, &seed, sizeof seed);
    fetch_sessions_init(&shard->fetch_sessions, mem, shard->index, broker->shard_count,
                        (uint32_t)broker->config->max_incremental_fetch_session_cache_slots,
                        FETCH_SESSIONS_BYTES_MAX, seed);
    list_init(&shard->connection_list);
    list_init(&shard->listening);
    list_init(&shard->producer_id_waiters);
    batch_scratch_init(&shard->scratch, mem);
    shard->groups = group_service_new(shard);
    batch_workers_init(&shard->batch_workers, io, &shard->scratch,
                       (uint32_t)MAX(broker->config->klamm_workers, 1),
                       broker->setup.long_batch_bytes);
    return shard;
}

/* Requests keep an arena chunk while they are free; the pool knows only their own size. */
static void release_requests(struct shard *shard) {
    struct list all;
    list_init(&all);
    for (size_t i = shard->requests.free_count; i > 0; i--) {
        struct request *rq = pool_get(&shard->requests);
        arena_release(&rq->arena);
        list_push_back(&all, &rq->link);
    }
    shard->requests.keep_count = 0;
    for (struct list *node; (node = list_pop_front(&all)) != NULL;) {
        pool_put(&shard->requests, CONTAINER_OF(node, struct request, link));
    }
    pool_release(&shard->requests);
}

static void forget_closed(struct shard *shard, const struct closed_partition *closed) {
    mem_free(shard->mem, (void *)(uintptr_t)closed->topic.ptr, closed->topic.len + 1);
}

void shard_free(struct shard *shard) {
    ASSERT(shard->partitions.count == 0 && shard->connection_count == 0);
    struct mem *mem = shard->mem;
    group_service_free(shard->groups);
    for (uint32_t i = 0; i < shard->closed_count; i++) forget_closed(shard, &shard->closed[i]);
    mem_free(mem, shard->closed, shard->closed_capacity * sizeof *shard->closed);
    flushing_release(shard);
    batch_workers_release(&shard->batch_workers);
    batch_scratch_release(&shard->scratch);
    release_requests(shard);
    fetch_sessions_release(&shard->fetch_sessions);
    pool_release(&shard->connections);
    buffers_release(&shard->buffers);
    map_release(&shard->partitions);
    mem_free(mem, shard->dirs, shard->broker->dir_count * sizeof *shard->dirs);
    mem_free(mem, shard->disks, shard->broker->dir_count * sizeof *shard->disks);
    mem_free(mem, shard->disk_cries, shard->broker->dir_count * sizeof *shard->disk_cries);
    mem_free(mem, shard->dir_failures, shard->broker->dir_count * sizeof *shard->dir_failures);
    jobs_release(&shard->large_jobs);
    jobs_release(&shard->move_jobs);
    jobs_release(&shard->jobs);
    MEM_FREE(mem, shard);
}

void shard_check_closed(struct shard *shard) {
    if (shard->closing == NULL || shard->connection_count > 0 || shard->releasing_count > 0) return;
    struct job *job = shard->closing;
    shard->closing = NULL;
    job_wake(job);
}

void shard_close_connections(struct job *job, struct shard *shard) {
    shard->stopping = true;
    housekeeping_stop(job, shard);
    moves_stop(job, shard);
    flushing_stop(shard);
    listeners_close(job, shard);
    group_service_stop(shard); /* what waits there belongs to connections */
    LIST_EACH(&shard->connection_list, node)
    connection_close(CONTAINER_OF(node, struct connection, link));
    if (shard->connection_count == 0 && shard->releasing_count == 0) return;
    shard->closing = job;
    job_suspend(job);
}

/* --- closing the logs --- */

/* Logs that a shard closes at once: their syncs share what the file system does for each. */
#define CLOSED_AT_ONCE 16u

struct closing {
    struct shard *shard;
    struct partition **partitions; /* all; nobody else takes one away by now */
    uint32_t count, next;
    uint32_t job_count; /* under way */
    struct job *waiter;
};

/* Where a log ends, for the checkpoint files. */
static struct closed_partition note_closed(struct shard *shard,
                                           const struct partition *partition) {
    char *topic = mem_need(shard->mem, partition->topic.len + 1);
    memcpy(topic, partition->topic.ptr, partition->topic.len);
    return (struct closed_partition){
        .topic = {topic, partition->topic.len},
        .partition = partition->index,
        .dir_index = (uint32_t)(log_directory(partition->log) - shard->dirs),
        .log_start = log_start_offset(partition->log),
        .first_base_offset = log_first_base_offset(partition->log),
        .end = log_end(partition->log),
    };
}

static void close_some(struct job *job, void *argument) {
    struct closing *closing = argument;
    struct shard *shard = closing->shard;
    while (closing->next < closing->count) {
        struct partition *partition = closing->partitions[closing->next++];
        bool usable = partition->state == PARTITION_ONLINE;
        struct closed_partition closed = note_closed(shard, partition);
        if (partition_close(job, partition) == ST_OK && usable) {
            shard->closed[shard->closed_count++] = closed;
        } else { /* the log says what failed; recovery looks at it from its old recovery point */
            forget_closed(shard, &closed);
        }
    }
    if (--closing->job_count == 0 && closing->waiter != NULL) job_wake(closing->waiter);
}

void shard_close_partitions(struct job *job, struct shard *shard) {
    scrubbers_wait(job, shard);
    while (shard->is_applying) job_sleep_until(job, shard->io->now.mono_us + 1000);
    unopened_release(shard);
    size_t count = shard->partitions.count;
    shard->closed_capacity = (uint32_t)count;
    shard->closed = mem_need(shard->mem, count * sizeof *shard->closed);
    struct closing closing = {.shard = shard, .job_count = CLOSED_AT_ONCE};
    closing.partitions = mem_need(shard->mem, count * sizeof *closing.partitions);
    for (struct map_node *node = NULL; (node = map_next(&shard->partitions, node)) != NULL;)
        closing.partitions[closing.count++] = CONTAINER_OF(node, struct partition, node);
    for (uint32_t i = 0; i < CLOSED_AT_ONCE; i++) job_start(&shard->jobs, close_some, &closing);
    closing.waiter = job;
    if (closing.job_count > 0) job_suspend(job);
    mem_free(shard->mem, closing.partitions, count * sizeof *closing.partitions);
}
