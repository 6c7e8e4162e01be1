/* broker/shard/checkpoints.c - one file of each kind per directory, sorted by topic and partition.
 */
#include "broker/shard/checkpoints.h"
#include <stdlib.h>
#include "base/assert.h"
#include "base/limits.h"
#include "base/logging.h"
#include "broker/replication/partition.h"
#include "broker/shard/log_starts.h"

enum kind { RECOVERY_POINTS, HIGH_WATERMARKS, LOG_STARTS, KIND_COUNT };

static const char *const files[KIND_COUNT] = {
    [RECOVERY_POINTS] = RECOVERY_POINT_FILE,
    [HIGH_WATERMARKS] = "replication-offset-checkpoint", /* LOG_STARTS: log_starts.h */
};

/* Where one partition is at. */
struct noted {
    struct str topic; /* slot->arena */
    int32_t partition;
    uint32_t dir_index;
    int64_t recovery_point, high_watermark, log_start, first_base_offset;
};

/* What one shard wrote down. It and its memory pass from thread to thread with the message. */
struct slot {
    struct io_message message;
    struct checkpoints *checkpoints;
    struct mem mem; /* of the arena alone */
    struct arena arena;
    struct noted *noted;
    uint32_t count;
    bool failed; /* no memory */
};

/* A directory's files are wanted. */
struct want {
    bool kinds[KIND_COUNT];
    uint64_t written[KIND_COUNT]; /* hash of what the file says */
    struct list waiting;          /* struct forget: not yet in a file */
};

struct timed {
    struct io_timer timer;
    struct checkpoints *checkpoints;
    enum kind kind;
    int64_t interval_ms; /* <= 0: only at the stop */
};

struct checkpoints {
    struct broker *broker;
    struct want *wants; /* by directory */
    struct slot *slots; /* by shard */
    struct timed timed[KIND_COUNT];
    struct jobs jobs; /* the writer's own: jobs of the shard wait for it */
    struct job *gathering;
    uint32_t away_count; /* slots under way */
    bool is_writing;
    struct job *stopping; /* waits for the writer */
};

/* --- what the files say --- */

static int by_topic_and_partition(const void *a, const void *b) {
    const struct checkpoint_entry *x = a, *y = b;
    int order = str_cmp(x->topic, y->topic);
    if (order != 0) return order;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

static void add(struct checkpoint *checkpoint, struct str topic, int32_t partition,
                int64_t offset) {
    checkpoint->entries[checkpoint->count++] =
        (struct checkpoint_entry){.topic = topic, .partition = partition, .offset = offset};
}

static uint64_t hash_of(const struct checkpoint *checkpoint) {
    uint64_t hash = checkpoint->count + 1;
    for (uint32_t i = 0; i < checkpoint->count; i++) {
        const struct checkpoint_entry *entry = &checkpoint->entries[i];
        hash = hash_bytes(entry->topic.ptr, entry->topic.len, hash);
        hash = hash_bytes(&entry->partition, sizeof entry->partition, hash);
        hash = hash_bytes(&entry->offset, sizeof entry->offset, hash);
    }
    return hash;
}

static enum status write_kind(struct job *job, const struct broker_dir *dir, enum kind kind,
                              struct checkpoint *checkpoint) {
    qsort(checkpoint->entries, checkpoint->count, sizeof *checkpoint->entries,
          by_topic_and_partition);
    enum status st = checkpoint_write(job, dir->path, files[kind], checkpoint);
    if (st != ST_OK) {
        LOG_ERROR("log", "event=checkpoint-failed dir=%s file=%s status=\"%s\"",
                  LOG_TEXT(dir->path), files[kind], status_name(st));
    }
    return st;
}

/* --- on each shard --- */

static void note(struct slot *slot, const struct shard *shard, struct partition *p) {
    struct noted *noted = &slot->noted[slot->count++];
    *noted = (struct noted){
        .topic = arena_str(&slot->arena, p->topic),
        .partition = p->index,
        .dir_index = (uint32_t)(log_directory(p->log) - shard->dirs),
        .recovery_point = log_recovery_point(p->log),
        .high_watermark = p->high_watermark,
        .log_start = log_start_offset(p->log),
        .first_base_offset = log_first_base_offset(p->log),
    };
    slot->failed = slot->failed || noted->topic.ptr == NULL;
    p->has_saved_recovery_point = true;
}

static void come_back(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    struct checkpoints *checkpoints = CONTAINER_OF(message, struct slot, message)->checkpoints;
    if (--checkpoints->away_count == 0) job_wake(checkpoints->gathering);
}

static void visit(struct io_message *message, struct io *at) {
    struct slot *slot = CONTAINER_OF(message, struct slot, message);
    struct shard *shard = slot->checkpoints->broker->shards[at->shard];
    slot->noted = arena_array(&slot->arena, shard->partitions.count, sizeof *slot->noted);
    slot->failed = slot->noted == NULL;
    for (struct map_node *node = NULL;
         !slot->failed && (node = map_next(&shard->partitions, node)) != NULL;) {
        struct partition *p = CONTAINER_OF(node, struct partition, node);
        if (p->state != PARTITION_ONLINE) continue;
        log_finish_segments(p->log);
        note(slot, shard, p);
    }
    slot->message.deliver = come_back;
    io_post(at, 0, &slot->message);
}

/* --- on shard 0 --- */

static void gather(struct job *job, struct checkpoints *checkpoints) {
    struct broker *broker = checkpoints->broker;
    checkpoints->gathering = job;
    checkpoints->away_count = broker->shard_count;
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        struct slot *slot = &checkpoints->slots[i];
        slot->mem = (struct mem){.source = broker->setup.ios[0]->mem->source};
        arena_init(&slot->arena, &slot->mem, 4096, 0);
        slot->count = 0;
        slot->message.deliver = visit;
        io_post(job_io(job), i, &slot->message);
    }
    job_suspend(job);
}

static int64_t offset_of(const struct noted *noted, enum kind kind) {
    return kind == RECOVERY_POINTS ? noted->recovery_point : noted->high_watermark;
}

static enum status write_gathered(struct job *job, struct checkpoints *checkpoints,
                                  uint32_t dir_index, enum kind kind) {
    struct broker *broker = checkpoints->broker;
    struct want *want = &checkpoints->wants[dir_index];
    struct arena arena;
    uint32_t total = 0;
    bool failed = false;
    if (broker->dirs[dir_index].failed) return ST_IO;
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        total += checkpoints->slots[i].count;
        failed = failed || checkpoints->slots[i].failed;
    }
    arena_init(&arena, job_mem(job), 4096, 0);
    struct checkpoint checkpoint = {
        .entries = arena_array(&arena, total, sizeof(struct checkpoint_entry))};
    enum status st = failed || checkpoint.entries == NULL ? ST_NOMEM : ST_OK;
    for (uint32_t i = 0; st == ST_OK && i < broker->shard_count; i++) {
        const struct slot *slot = &checkpoints->slots[i];
        for (uint32_t n = 0; n < slot->count; n++) {
            const struct noted *noted = &slot->noted[n];
            if (noted->dir_index == dir_index)
                add(&checkpoint, noted->topic, noted->partition, offset_of(noted, kind));
        }
    }
    uint64_t hash = hash_of(&checkpoint); /* in the order of maps that did not change */
    if (st == ST_OK && hash != want->written[kind]) {
        want->written[kind] = 0;
        st = write_kind(job, &broker->dirs[dir_index], kind, &checkpoint);
        if (st == ST_OK) want->written[kind] = hash;
    }
    arena_release(&arena);
    return st;
}

static void prune_log_starts(struct checkpoints *checkpoints, uint32_t dir_index) {
    for (uint32_t i = 0; i < checkpoints->broker->shard_count; i++) {
        const struct slot *slot = &checkpoints->slots[i];
        for (uint32_t n = 0; n < slot->count; n++) {
            const struct noted *noted = &slot->noted[n];
            if (noted->dir_index != dir_index || noted->log_start > noted->first_base_offset)
                continue;
            log_start_needless(checkpoints->broker, dir_index, noted->topic, noted->partition,
                               noted->first_base_offset);
        }
    }
}

/* --- what waits for a file --- */

/* A job that waits until its partition is in no recovery point file any more. */
struct forget {
    struct io_message message;
    struct list link; /* in want->waiting */
    struct shard *home;
    struct job *job; /* NULL: not waiting yet */
    uint32_t dir_index;
    enum status status;
    bool is_done;
};

static void come_home(struct io_message *message, struct io *at) {
    (void)at; /* the home shard */
    struct forget *forget = CONTAINER_OF(message, struct forget, message);
    forget->is_done = true;
    if (forget->job != NULL) job_wake(forget->job);
}

static void tell(struct broker *broker, struct list *waiting, enum status st) {
    for (struct list *node; (node = list_pop_front(waiting)) != NULL;) {
        struct forget *forget = CONTAINER_OF(node, struct forget, link);
        forget->status = st;
        forget->message.deliver = come_home;
        io_post(broker->setup.ios[0], forget->home->index, &forget->message);
    }
}

/* Deleting is what makes room, so it must not need any: without a file every log is verified whole
 * after a crash, which is slow and never wrong. */
static enum status do_without(struct job *job, struct checkpoints *checkpoints,
                              uint32_t dir_index) {
    const struct broker_dir *dir = &checkpoints->broker->dirs[dir_index];
    char path[LIMIT_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%.*s/%s", STR_ARG(dir->path), files[RECOVERY_POINTS]);
    if (n <= 0 || (size_t)n >= sizeof path) return ST_TOO_LARGE;
    enum status st = job_unlink(job, path);
    if (st == ST_OK || st == ST_NOT_FOUND) st = job_dir_sync(job, dir->path.ptr);
    return st;
}

static void write_dir(struct job *job, struct checkpoints *checkpoints, uint32_t dir_index,
                      const struct want *now, struct list *waiting) {
    enum status st = ST_OK;
    if (now->kinds[RECOVERY_POINTS]) {
        st = write_gathered(job, checkpoints, dir_index, RECOVERY_POINTS);
        if (st == ST_NO_SPACE && !list_is_empty(waiting))
            st = do_without(job, checkpoints, dir_index);
    }
    tell(checkpoints->broker, waiting, st);
    if (now->kinds[HIGH_WATERMARKS])
        (void)write_gathered(job, checkpoints, dir_index, HIGH_WATERMARKS); /* it was logged */
    if (now->kinds[LOG_STARTS]) prune_log_starts(checkpoints, dir_index);
}

static bool take_wants(struct checkpoints *checkpoints, struct want *now, struct list *waiting) {
    bool any = false;
    for (uint32_t d = 0; d < checkpoints->broker->dir_count; d++) {
        struct want *want = &checkpoints->wants[d];
        list_init(&waiting[d]);
        for (struct list *node; (node = list_pop_front(&want->waiting)) != NULL;)
            list_push_back(&waiting[d], node);
        for (int k = 0; k < KIND_COUNT; k++) {
            now[d].kinds[k] = want->kinds[k];
            any = any || want->kinds[k];
            want->kinds[k] = false;
        }
    }
    return any;
}

static void write_all(struct job *job, void *argument) {
    struct checkpoints *checkpoints = argument;
    uint32_t dir_count = checkpoints->broker->dir_count;
    size_t now_bytes = dir_count * sizeof(struct want),
           waiting_bytes = dir_count * sizeof(struct list);
    struct want *now = mem_need(job_mem(job), now_bytes);
    struct list *waiting = mem_need(job_mem(job), waiting_bytes);
    while (take_wants(checkpoints, now, waiting)) {
        gather(job, checkpoints);
        for (uint32_t d = 0; d < dir_count; d++)
            write_dir(job, checkpoints, d, &now[d], &waiting[d]);
        for (uint32_t i = 0; i < checkpoints->broker->shard_count; i++)
            arena_release(&checkpoints->slots[i].arena);
    }
    mem_free(job_mem(job), waiting, waiting_bytes);
    mem_free(job_mem(job), now, now_bytes);
    checkpoints->is_writing = false;
    if (checkpoints->stopping != NULL) job_wake(checkpoints->stopping);
}

static void write_soon(struct checkpoints *checkpoints) {
    if (checkpoints->is_writing) return;
    checkpoints->is_writing = true;
    job_start(&checkpoints->jobs, write_all, checkpoints);
}

static void enter(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    struct forget *forget = CONTAINER_OF(message, struct forget, message);
    struct checkpoints *checkpoints = forget->home->broker->checkpoints;
    struct want *want = &checkpoints->wants[forget->dir_index];
    want->kinds[RECOVERY_POINTS] = true;
    list_push_back(&want->waiting, &forget->link);
    write_soon(checkpoints);
}

enum status checkpoints_forget(struct job *job, struct shard *shard, uint32_t dir_index) {
    struct forget forget = {.home = shard, .dir_index = dir_index, .job = job};
    forget.message.deliver = enter;
    io_post(shard->io, 0, &forget.message);
    job_suspend(job);
    return forget.status;
}

/* --- from time to time --- */

static void set_next(struct timed *timed) {
    if (timed->interval_ms <= 0) return;
    struct io *io = timed->checkpoints->broker->setup.ios[0];
    io_timer_set(io, &timed->timer, io->now.mono_us + us_of_ms(timed->interval_ms));
}

static void due(struct io_timer *timer) {
    struct timed *timed = CONTAINER_OF(timer, struct timed, timer);
    struct checkpoints *checkpoints = timed->checkpoints;
    for (uint32_t d = 0; d < checkpoints->broker->dir_count; d++)
        checkpoints->wants[d].kinds[timed->kind] = true;
    set_next(timed);
    write_soon(checkpoints);
}

void checkpoints_open(struct broker *broker) {
    struct mem *mem = broker->setup.ios[0]->mem;
    struct checkpoints *checkpoints = MEM_NEW(mem, struct checkpoints);
    const struct config *config = broker->config;
    int64_t intervals_ms[KIND_COUNT] = {
        [RECOVERY_POINTS] = config->log_flush_offset_checkpoint_interval_ms,
        [HIGH_WATERMARKS] = config->replica_high_watermark_checkpoint_interval_ms,
        [LOG_STARTS] = config->log_flush_start_offset_checkpoint_interval_ms,
    };
    checkpoints->broker = broker;
    checkpoints->wants = mem_need(mem, broker->dir_count * sizeof *checkpoints->wants);
    checkpoints->slots = mem_need(mem, broker->shard_count * sizeof *checkpoints->slots);
    for (uint32_t d = 0; d < broker->dir_count; d++) list_init(&checkpoints->wants[d].waiting);
    for (uint32_t i = 0; i < broker->shard_count; i++)
        checkpoints->slots[i].checkpoints = checkpoints;
    for (int k = 0; k < KIND_COUNT; k++) {
        checkpoints->timed[k] = (struct timed){.timer.fire = due,
                                               .checkpoints = checkpoints,
                                               .kind = (enum kind)k,
                                               .interval_ms = intervals_ms[k]};
    }
    jobs_init(&checkpoints->jobs, broker->setup.ios[0], 1);
    broker->checkpoints = checkpoints;
}

void checkpoints_start(struct broker *broker) {
    for (int k = 0; k < KIND_COUNT; k++) set_next(&broker->checkpoints->timed[k]);
}

void checkpoints_stop(struct job *job, struct broker *broker) {
    struct checkpoints *checkpoints = broker->checkpoints;
    for (int k = 0; k < KIND_COUNT; k++)
        io_timer_clear(broker->setup.ios[0], &checkpoints->timed[k].timer);
    checkpoints->stopping = job;
    while (checkpoints->is_writing) job_suspend(job);
    checkpoints->stopping = NULL;
}

void checkpoints_free(struct broker *broker) {
    struct checkpoints *checkpoints = broker->checkpoints;
    if (checkpoints == NULL) return;
    ASSERT(!checkpoints->is_writing);
    struct mem *mem = broker->setup.ios[0]->mem;
    jobs_release(&checkpoints->jobs);
    mem_free(mem, checkpoints->slots, broker->shard_count * sizeof *checkpoints->slots);
    mem_free(mem, checkpoints->wants, broker->dir_count * sizeof *checkpoints->wants);
    MEM_FREE(mem, checkpoints);
    broker->checkpoints = NULL;
}

/* --- at the stop --- */

static enum status write_closed(struct job *job, struct broker *broker, uint32_t dir_index,
                                uint32_t total) {
    struct arena arena;
    arena_init(&arena, job_mem(job), 4096, 0);
    struct checkpoint ends = {
        .entries = arena_array(&arena, total, sizeof(struct checkpoint_entry))};
    enum status st = ends.entries == NULL ? ST_NOMEM : ST_OK;
    for (uint32_t s = 0; s < broker->shard_count && st == ST_OK; s++) {
        const struct shard *shard = broker->shards[s];
        for (uint32_t i = 0; i < shard->closed_count; i++) {
            const struct closed_partition *closed = &shard->closed[i];
            if (closed->dir_index != dir_index) continue;
            add(&ends, closed->topic, closed->partition, closed->end);
            log_start_closed(broker, dir_index, closed->topic, closed->partition,
                             closed->log_start, closed->first_base_offset);
        }
    }
    if (st == ST_OK) st = write_kind(job, &broker->dirs[dir_index], RECOVERY_POINTS, &ends);
    if (st == ST_OK) st = write_kind(job, &broker->dirs[dir_index], HIGH_WATERMARKS, &ends);
    if (st == ST_OK) st = log_starts_write(job, broker, dir_index);
    arena_release(&arena);
    return st;
}

enum status checkpoints_write(struct job *job, struct broker *broker) {
    uint32_t total = 0;
    enum status st = ST_OK;
    for (uint32_t s = 0; s < broker->shard_count; s++) total += broker->shards[s]->closed_count;
    for (uint32_t d = 0; d < broker->dir_count && st == ST_OK; d++) {
        if (broker->dirs[d].failed) continue;
        st = write_closed(job, broker, d, total);
        if (st != ST_IO || d == broker->metadata_dir) continue;
        broker->dirs[d].failed = true; /* it alone was not left in order */
        st = ST_OK;
    }
    return st;
}
