/* broker/replication/partition.c - a leader without followers: its log, its high watermark, its
 * waiters. */
#include "broker/replication/partition.h"
#include "base/assert.h"
#include "base/logging.h"
#include "broker/config/topic_config.h"
#include "broker/handlers/cluster.h"
#include "broker/shard/checkpoints.h"
#include "broker/shard/sweep.h"
#include "log/cleaner.h"
#include "log/look.h"
#include "log/rounds.h"
#include "protocol/errors.h"

static uint64_t partition_hash(struct uuid topic_id, int32_t index) {
    return hash_bytes(topic_id.b, 16, (uint64_t)(uint32_t)index + 1);
}

static bool partition_has_key(const struct map_node *node, const void *key) {
    const struct partition *p = CONTAINER_OF(node, struct partition, node);
    const struct partition_key *k = key;
    return p->index == k->index && uuid_eq(p->topic_id, k->topic_id);
}

struct partition *shard_partition(const struct shard *shard, struct uuid topic_id, int32_t index) {
    struct partition_key key = {topic_id, index};
    struct map_node *node =
        map_find(&shard->partitions, partition_hash(topic_id, index), partition_has_key, &key);
    return node != NULL ? CONTAINER_OF(node, struct partition, node) : NULL;
}

static void wake_up_to(struct list *waits, int64_t end, enum status st) {
    for (;;) {
        struct list *first = waits->next;
        if (first == waits) return;
        struct watermark_wait *wait = CONTAINER_OF(first, struct watermark_wait, link);
        if (wait->offset > end) return;
        list_remove(&wait->link);
        wait->over(wait, st);
    }
}

/* The partition is over. */
static void wake_all(struct partition *p, enum status why) {
    wake_up_to(&p->waits, INT64_MAX, why);
    wake_up_to(&p->committed_waits, INT64_MAX, why);
}

void partition_start_moved(struct partition *p) {
    p->last_stable_offset = log_stable_offset(p->log, p->high_watermark);
    wake_up_to(&p->committed_waits, p->last_stable_offset, ST_OK);
}

void partition_update_watermark(struct partition *p) {
    int64_t end = p->flush_before_ack ? log_durable_end(p->log) : log_end(p->log);
    if (end <= p->high_watermark) return;
    p->high_watermark = end;
    p->last_stable_offset = log_stable_offset(p->log, end);
    wake_up_to(&p->waits, end, ST_OK);
    wake_up_to(&p->committed_waits, p->last_stable_offset, ST_OK);
}

static void on_end(struct log_owner *owner) {
    partition_update_watermark(CONTAINER_OF(owner, struct partition, log_owner));
}
static void on_durable(struct log_owner *owner) {
    struct partition *p = CONTAINER_OF(owner, struct partition, log_owner);
    p->durable_at_us = p->shard->io->now.mono_us;
    partition_update_watermark(p);
}

static void on_offline(struct log_owner *owner) {
    struct partition *p = CONTAINER_OF(owner, struct partition, log_owner);
    p->state = PARTITION_OFFLINE;
    metrics_add(&p->shard->metrics, METRIC_PARTITIONS_OFFLINE, 1);
    LOG_ERROR("partition", "event=offline topic=%s partition=%d", LOG_TEXT(p->topic), p->index);
    wake_all(p, ST_IO);
}

static void fill_open(struct log_open *open, struct partition *p, uint32_t dir_index,
                      bool was_there) {
    const struct broker_dir *dir = &p->shard->broker->dirs[dir_index];
    bool is_new = !was_there; /* what was read at the start may tell of another topic */
    p->has_saved_start = !is_new && checkpoint_find(&dir->log_starts, p->topic, p->index, 0) > 0;
    p->has_saved_recovery_point =
        checkpoint_find(&dir->recovery_points, p->topic, p->index, -1) >= 0;
    *open = (struct log_open){
        .dir = &p->shard->dirs[dir_index],
        .topic = p->topic,
        .partition = p->index,
        .topic_id = p->topic_id,
        .config = &p->config,
        .owner = &p->log_owner,
        .create = true,
        .waits_for_room = topic_is_internal(p->topic),
        .clean = dir->clean && !is_new,
        .recovery_point =
            is_new ? 0 : checkpoint_find(&dir->recovery_points, p->topic, p->index, 0),
        .log_start = is_new ? 0 : checkpoint_find(&dir->log_starts, p->topic, p->index, 0),
    };
}

static void partition_free(struct partition *p) {
    struct mem *mem = p->shard->mem;
    mem_free(mem, (void *)(uintptr_t)p->topic.ptr, p->topic.len + 1);
    MEM_FREE(mem, p);
}

/* What was made of a topic's own settings: most topics have none, and so the same. */
struct settled {
    bool is_made;
    const struct config_image *own;
    struct log_config config;
};

static void settle(struct partition *p, struct settled *last) {
    const struct shard *shard = p->shard;
    const struct config_image *own = image_config(shard->image, CONFIG_TOPIC, p->topic);
    if (!last->is_made || last->own != own) {
        struct broker_settings settings =
            broker_settings_of(shard->broker->setup.config, shard->image, shard->broker->node_id);
        topic_config_build(&settings, own, &last->config);
        last->own = own;
        last->is_made = true;
    }
    p->config = last->config;
    flushing_note(p);
}

void partition_settle(struct partition *p) {
    settle(p, &(struct settled){0});
    log_set_config(p->log, &p->config);
    if (p->state != PARTITION_ONLINE) return;
    if (p->flush_before_ack) log_sync(p->log); /* it may not have been so far */
    partition_update_watermark(p);
}

static struct partition *partition_new(struct shard *shard, const struct partition_place *place,
                                       struct settled *last) {
    const struct topic_image *topic = place->topic;
    struct partition *p = MEM_NEW(shard->mem, struct partition);
    char *name = mem_need(shard->mem, topic->name.len + 1);
    memcpy(name, topic->name.ptr, topic->name.len);
    *p = (struct partition){
        .shard = shard,
        .topic_id = topic->id,
        .topic = {name, topic->name.len},
        .index = place->index,
        .leader_epoch = topic->partitions[place->index].leader_epoch,
        .log_owner = {.on_end = on_end, .on_durable = on_durable, .on_offline = on_offline},
    };
    list_init(&p->line);
    list_init(&p->waits);
    list_init(&p->committed_waits);
    settle(p, last);
    return p;
}

/* With the log open. */
static void enter(struct partition *p, uint32_t dir_index, bool was_there) {
    struct shard *shard = p->shard;
    if (was_there) {
        const struct checkpoint *ends = &shard->broker->dirs[dir_index].clean_ends;
        log_set_clean_end(p->log, checkpoint_find(ends, p->topic, p->index, -1));
    }
    /* What recovery kept is what this only replica has; it counts once it is on stable storage. */
    p->high_watermark = p->last_stable_offset = log_start_offset(p->log);
    log_sync(p->log);
    partition_update_watermark(p);
    map_insert(&shard->partitions, partition_hash(p->topic_id, p->index), &p->node);
    metrics_set(&shard->metrics, METRIC_PARTITIONS, (int64_t)shard->partitions.count);
}

/* seen: what logs_look said. */
static enum status open_one(struct job *job, struct partition *p, uint32_t dir_index,
                            bool was_there, const struct log_open *open, enum status seen) {
    enum status st = seen == ST_OK ? log_open(job, open, &p->log) : seen;
    if (st == ST_OK) st = log_begin_epoch(p->log, p->leader_epoch);
    if (st == ST_OK) {
        enter(p, dir_index, was_there);
        return ST_OK;
    }
    bool is_start = !p->shard->has_opened;
    bool is_stranger = is_start && st == ST_STALE; /* shard_open_strangers makes it anew */
    if (!is_stranger) {
        LOG_ERROR("partition", "event=open-failed topic=%s partition=%d status=\"%s\"",
                  LOG_TEXT(p->topic), p->index, status_name(st));
    }
    if (!is_stranger && is_start && !open->clean) p->shard->dirs[dir_index].is_unverified = true;
    if (p->log != NULL) log_abandon(p->log);
    partition_free(p);
    return st;
}

void partitions_open(struct job *job, struct shard *shard, uint32_t dir_index,
                     const struct partition_place *places, uint32_t count,
                     enum status *ret_statuses) {
    struct mem *mem = shard->mem;
    struct partition **made = mem_need(mem, count * sizeof *made);
    struct log_open *opens = mem_need(mem, count * sizeof *opens);
    struct log_look *looks = mem_need(mem, count * sizeof *looks);
    struct settled last = {0};
    for (uint32_t i = 0; i < count; i++) {
        made[i] = partition_new(shard, &places[i], &last);
        fill_open(&opens[i], made[i], dir_index, places[i].was_there);
    }
    enum status seen =
        shard->dirs[dir_index].offline ? ST_IO : logs_look(job, opens, looks, count);
    for (uint32_t i = 0; i < count; i++) {
        opens[i].look = &looks[i];
        ret_statuses[i] =
            open_one(job, made[i], dir_index, places[i].was_there, &opens[i], seen);
        if (seen == ST_OK) log_look_release(&looks[i], mem);
    }
    mem_free(mem, looks, count * sizeof *looks);
    mem_free(mem, opens, count * sizeof *opens);
    mem_free(mem, made, count * sizeof *made);
}

void partition_begin_epoch(struct partition *p, int32_t leader_epoch) {
    if (leader_epoch <= p->leader_epoch || p->state != PARTITION_ONLINE) return;
    enum status st = log_begin_epoch(p->log, leader_epoch);
    if (st == ST_OK) {
        p->leader_epoch = leader_epoch;
    } else {
        LOG_ERROR("partition", "event=epoch-failed topic=%s partition=%d epoch=%d status=\"%s\"",
                  LOG_TEXT(p->topic), p->index, leader_epoch, status_name(st));
    }
}

static uint32_t dir_index_of(const struct partition *p) {
    return (uint32_t)(log_directory(p->log) - p->shard->dirs);
}

static enum status save_start(struct job *job, struct partition *p, int64_t offset) {
    return log_start_save_wait(job, p->shard, dir_index_of(p), false, p->topic, p->index, offset);
}

static enum status save_clean_end(struct job *job, struct partition *p, int64_t offset) {
    return log_start_save_wait(job, p->shard, dir_index_of(p), true, p->topic, p->index, offset);
}

enum status partition_save_clean_end(struct job *job, struct partition *p) {
    return save_clean_end(job, p, log_clean_end(p->log));
}

enum status partition_raise_start(struct job *job, struct partition *p, int64_t offset,
                                  struct log_start_save *save) {
    while (p->state == PARTITION_ONLINE && log_durable_end(p->log) < offset) {
        log_sync(p->log); /* only with klamm.flush.before.ack=none */
        job_sleep_until(job, p->shard->io->now.mono_us + 1000);
    }
    if (p->state != PARTITION_ONLINE) return p->state == PARTITION_OFFLINE ? ST_IO : ST_CLOSED;
    if (offset > log_start_offset(p->log)) {
        enum status st = log_raise_start(job, p->log, offset);
        if (st != ST_OK) return st;
        partition_start_moved(p);
    }
    p->has_saved_start = true;
    save->home = p->shard;
    save->dir_index = dir_index_of(p);
    save->topic = p->topic;
    save->partition = p->index;
    save->offset = log_start_offset(p->log);
    log_start_save(save);
    return ST_OK;
}

/* Nobody finds it any more, nobody waits for it. true: it was offline. */
static bool withdraw(struct partition *p) {
    struct shard *shard = p->shard;
    bool was_offline = p->state == PARTITION_OFFLINE;
    if (was_offline) metrics_add(&shard->metrics, METRIC_PARTITIONS_OFFLINE, (uint64_t)-1);
    p->state = PARTITION_LEAVING;
    map_remove(&shard->partitions, &p->node);
    metrics_set(&shard->metrics, METRIC_PARTITIONS, (int64_t)shard->partitions.count);
    wake_all(p, ST_CLOSED);
    return was_offline;
}

/* Until nobody uses it. */
static void drain(struct job *job, struct partition *p) {
    if (p->use_count > 0) {
        p->drained = job;
        job_suspend(job);
    }
    io_timer_clear(p->shard->io, &p->sync_timer); /* its last users may have appended */
}

enum status partition_close(struct job *job, struct partition *p) {
    bool was_offline = withdraw(p);
    drain(job, p);
    enum status st = was_offline ? ST_OK : log_close(job, p->log);
    if (was_offline) log_abandon(p->log);
    partition_free(p);
    return st;
}

/* It is in no recovery point file by now, unless `st` says so. */
static enum status delete_withdrawn(struct job *job, struct partition *p, bool was_offline,
                                    enum status st) {
    if (st == ST_OK && p->has_saved_start) st = save_start(job, p, LOG_START_FORGET);
    if (st == ST_OK && log_clean_end(p->log) >= 0) st = save_clean_end(job, p, LOG_START_FORGET);
    if (st != ST_OK || was_offline) {
        log_abandon(p->log);
    } else {
        st = log_delete(job, p->log);
    }
    partition_free(p);
    return st;
}

void partitions_delete(struct job *job, struct partition_deletion *deletions, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) /* at once: nobody else may take one of them away */
        deletions[i].was_offline = withdraw(deletions[i].partition);
    for (uint32_t i = 0; i < count; i++) {
        drain(job, deletions[i].partition);
        deletions[i].status = ST_OK;
        deletions[i].is_forgotten = !deletions[i].partition->has_saved_recovery_point;
    }
    for (uint32_t i = 0; i < count; i++) { /* one file for all of its directory */
        if (deletions[i].is_forgotten) continue;
        uint32_t dir_index = dir_index_of(deletions[i].partition);
        enum status st = checkpoints_forget(job, deletions[i].partition->shard, dir_index);
        for (uint32_t k = i; k < count; k++) {
            if (deletions[k].is_forgotten || dir_index_of(deletions[k].partition) != dir_index)
                continue;
            deletions[k].is_forgotten = true;
            deletions[k].status = st;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        deletions[i].status = delete_withdrawn(job, deletions[i].partition,
                                               deletions[i].was_offline, deletions[i].status);
}

int16_t partition_problem(const struct partition *p, int32_t current_leader_epoch) {
    if (p == NULL || p->state == PARTITION_LEAVING) return KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (p->state == PARTITION_OFFLINE) return KAFKA_KAFKA_STORAGE_ERROR;
    if (current_leader_epoch == NO_LEADER_EPOCH) return KAFKA_NONE;
    if (current_leader_epoch < p->leader_epoch) return KAFKA_FENCED_LEADER_EPOCH;
    if (current_leader_epoch > p->leader_epoch) return KAFKA_UNKNOWN_LEADER_EPOCH;
    return KAFKA_NONE;
}

static void sync_now(struct partition *p) {
    io_timer_clear(p->shard->io, &p->sync_timer);
    log_sync(p->log);
}

bool partition_wait(struct partition *p, struct watermark_wait *wait) {
    ASSERT(p->state == PARTITION_ONLINE);
    if (wait->offset <= partition_readable_end(p, wait->committed)) return false;
    struct list *waits = wait->committed ? &p->committed_waits : &p->waits;
    struct list *at = waits; /* most wait for more than those before them */
    while (at->prev != waits &&
           CONTAINER_OF(at->prev, struct watermark_wait, link)->offset > wait->offset) {
        at = at->prev;
    }
    list_insert_before(at, &wait->link);
    if (io_timer_is_set(&p->sync_timer)) sync_now(p); /* somebody waits for it now */
    return true;
}

static void on_sync_due(struct io_timer *timer) {
    log_sync_late(CONTAINER_OF(timer, struct partition, sync_timer)->log);
}

void partition_sync_soon(struct partition *p) {
    if (!list_is_empty(&p->waits) || !list_is_empty(&p->committed_waits)) {
        sync_now(p);
    } else if (!io_timer_is_set(&p->sync_timer)) {
        p->sync_timer.fire = on_sync_due;
        uint64_t now_us = p->shard->io->now.mono_us; /* together with the others, of all shards */
        io_timer_set(p->shard->io, &p->sync_timer,
                     (now_us / PARTITION_SYNC_US + 1) * PARTITION_SYNC_US);
    }
}

/* A job that waits for what is in the log. */
struct catch_up {
    struct watermark_wait wait;
    struct io_timer timer;
    struct job *job;
};

static void on_caught_up(struct watermark_wait *wait, enum status st) {
    (void)st; /* whoever goes on looks at the partition's state */
    job_wake(CONTAINER_OF(wait, struct catch_up, wait)->job);
}

static void on_too_late(struct io_timer *timer) {
    struct catch_up *late = CONTAINER_OF(timer, struct catch_up, timer);
    list_remove(&late->wait.link);
    job_wake(late->job);
}

void partition_catch_up(struct job *job, struct partition *p) {
    struct catch_up now = {
        .wait = {.offset = log_end(p->log), .over = on_caught_up},
        .timer = {.fire = on_too_late},
        .job = job,
    };
    if (!p->flush_before_ack || rounds_are_slow(log_directory(p->log))) return;
    if (!partition_wait(p, &now.wait)) return;
    struct io *io = p->shard->io;
    io_timer_set(io, &now.timer, io->now.mono_us + PARTITION_CATCH_UP_US);
    job_suspend(job);
    io_timer_clear(io, &now.timer);
}

void partition_use(struct partition *p) { p->use_count++; }

void partition_unuse(struct partition *p) {
    ASSERT(p->use_count > 0);
    if (--p->use_count > 0 || p->drained == NULL) return;
    struct job *drained = p->drained;
    p->drained = NULL;
    job_wake(drained);
}
