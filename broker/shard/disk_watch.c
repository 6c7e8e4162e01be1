/* broker/shard/disk_watch.c - looking, climbing, telling the shards, the reserve. */
#include "broker/shard/disk_watch.h"
#include <stdio.h>
#include "base/assert.h"
#include "base/limits.h"
#include "base/logging.h"
#include "broker/config/settings.h"

#define RESERVE_FILE ".klamm-reserve"
#define RESERVE_BYTES_MAX ((uint64_t)64 << 20)
#define RESERVE_STEPS 8u /* it is given back in so many parts */
#define LOOK_US 1000000
#define LOOK_CLOSELY_US 250000
#define WARN_EVERY_US (UINT64_C(60) * 1000000)

/* A limit as it is written. */
struct limit {
    double share; /* of the file system; 0: `bytes` alone */
    uint64_t bytes;
};

struct watched {
    struct limit limits[DISK_REJECT + 1]; /* by rung; [DISK_ROOM] is unused */
    struct io_statfs fs;
    enum disk_rung rung;
    uint32_t throttle_ms;
    int reserve_fd; /* -1: none */
    uint64_t reserve_bytes, reserve_whole_bytes;
    uint64_t warned_us;
    bool must_give; /* something found no room */
};

struct disk_note {
    struct io_message message;
    struct disk_watch *watch;
    uint32_t dir_index;
    enum disk_rung rung;
    uint32_t throttle_ms;
    bool is_away, is_stale;
};

struct disk_watch {
    struct broker *broker;
    struct watched *dirs;
    struct disk_note *notes; /* by shard and directory */
    struct io_timer timer;
    struct jobs jobs;
    struct job *stopper;
    bool is_looking, is_stopped, again;
};

static const struct {
    const char *name, *what;
    enum log_level level;
} rungs[] = {
    [DISK_ROOM] = {"room", "enough room", LOG_LEVEL_INFO},
    [DISK_WARN] = {"scarce", "room gets scarce", LOG_LEVEL_WARN},
    [DISK_THROTTLE] = {"throttle", "producers are slowed down", LOG_LEVEL_ERROR},
    [DISK_REJECT] = {"reject", "produce requests are refused until there is room",
                     LOG_LEVEL_ERROR},
};

/* --- limits --- */

static struct limit limit_of(const struct broker_settings *settings, const char *name,
                             uint64_t most_bytes) {
    struct str text = str_trim(setting_get(settings, config_key_find(str_of(name))).value);
    struct limit limit = {0};
    int64_t bytes = 0;
    if (config_value_share(text, &limit.share)) {
        limit.bytes = most_bytes;
    } else if (str_to_int64(text, &bytes)) {
        limit.bytes = (uint64_t)bytes;
    }
    return limit;
}

static uint64_t limit_bytes(const struct limit *limit, uint64_t total_bytes) {
    if (limit->share == 0) return limit->bytes;
    return MIN((uint64_t)(limit->share * (double)total_bytes), limit->bytes);
}

void disk_watch_settle(struct broker *broker, const struct broker_settings *settings) {
    const uint64_t gib = (uint64_t)1 << 30;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        struct limit *limits = broker->disk_watch->dirs[i].limits;
        limits[DISK_WARN] = limit_of(settings, "klamm.disk.free.warn", 20 * gib);
        limits[DISK_THROTTLE] = limit_of(settings, "klamm.disk.free.throttle", 10 * gib);
        limits[DISK_REJECT] = limit_of(settings, "klamm.disk.free.reject", 2 * gib);
    }
}

/* --- telling the shards --- */

static void tell(struct disk_note *note);

static void come_back(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    struct disk_note *note = CONTAINER_OF(message, struct disk_note, message);
    note->is_away = false;
    if (note->is_stale) tell(note);
}

static void arrive(struct io_message *message, struct io *at) {
    struct disk_note *note = CONTAINER_OF(message, struct disk_note, message);
    struct shard *shard = note->watch->broker->shards[at->shard];
    shard->disks[note->dir_index] =
        (struct disk_state){.rung = note->rung, .throttle_ms = note->throttle_ms};
    shard->dirs[note->dir_index].is_short = note->rung != DISK_ROOM;
    note->message.deliver = come_back;
    io_post(at, 0, &note->message);
}

static void tell(struct disk_note *note) {
    struct disk_watch *watch = note->watch;
    const struct watched *dir = &watch->dirs[note->dir_index];
    note->is_stale = note->is_away;
    if (note->is_away) return;
    note->is_away = true;
    note->rung = dir->rung;
    note->throttle_ms = dir->throttle_ms;
    note->message.deliver = arrive;
    uint32_t shard = (uint32_t)(note - watch->notes) / watch->broker->dir_count;
    io_post(watch->broker->setup.ios[0], shard, &note->message);
}

/* --- the reserve --- */

static enum status set_reserve(struct job *job, struct watched *dir, uint64_t bytes) {
    struct io *io = job_io(job);
    enum status st = ST_OK;
    if (bytes > dir->reserve_bytes) {
        int64_t result =
            job_wait(job, io_allocate(io, job_op(job), dir->reserve_fd, 0, bytes, 0));
        st = status_from_errno(result);
        if (st != ST_OK) bytes = 0; /* all of it or nothing: what was taken goes back */
    }
    if (st != ST_OK || bytes < dir->reserve_bytes) {
        enum status cut = job_truncate(job, dir->reserve_fd, bytes);
        if (cut != ST_OK) return cut;
    }
    dir->reserve_bytes = bytes;
    return st;
}

static void make_reserve(struct job *job, struct disk_watch *watch, uint32_t dir_index) {
    struct watched *dir = &watch->dirs[dir_index];
    char path[LIMIT_PATH_BYTES];
    struct str root = watch->broker->dirs[dir_index].path;
    int n = snprintf(path, sizeof path, "%.*s/" RESERVE_FILE, STR_ARG(root));
    if (n <= 0 || (size_t)n >= sizeof path) return;
    enum status st = job_open(job, path, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, 0600,
                              &dir->reserve_fd);
    if (st == ST_OK) return;
    dir->reserve_fd = -1;
    LOG_WARN("disk", "event=no-reserve dir=%s status=\"%s\"", LOG_TEXT(root), status_name(st));
}

/* Gives a part back where there is no room, fills up where there is. */
static void keep_reserve(struct job *job, struct watched *dir, const char *path) {
    uint64_t reject = limit_bytes(&dir->limits[DISK_REJECT], dir->fs.total_bytes);
    uint64_t whole = MIN(reject / 4, RESERVE_BYTES_MAX) / 4096 * 4096;
    uint64_t step = MAX(whole / RESERVE_STEPS, (uint64_t)4096);
    if (dir->reserve_fd < 0) return;
    if (dir->reserve_bytes > 0 && (dir->must_give || dir->fs.free_bytes < step)) {
        uint64_t left = dir->reserve_bytes > step ? dir->reserve_bytes - step : 0;
        enum status st = set_reserve(job, dir, left);
        LOG_WARN("disk", "event=reserve-used dir=%s left_bytes=%llu status=\"%s\"", path,
                 (unsigned long long)dir->reserve_bytes, status_name(st));
    } else if (dir->reserve_bytes < whole && dir->fs.free_bytes > reject + whole) {
        (void)set_reserve(job, dir, whole); /* tried again at the next look */
    }
    dir->must_give = false;
}

/* --- looking --- */

static void climb(struct disk_watch *watch, uint32_t dir_index) {
    struct watched *dir = &watch->dirs[dir_index];
    const char *path = watch->broker->dirs[dir_index].path.ptr;
    uint64_t total = dir->fs.total_bytes, free_bytes = dir->fs.free_bytes;
    enum disk_rung rung = DISK_ROOM;
    for (int r = DISK_WARN; r <= DISK_REJECT; r++)
        if (free_bytes < limit_bytes(&dir->limits[r], total)) rung = (enum disk_rung)r;
    uint64_t low = limit_bytes(&dir->limits[DISK_REJECT], total);
    uint64_t high = limit_bytes(&dir->limits[DISK_THROTTLE], total);
    uint32_t throttle_ms = 0;
    if (rung == DISK_THROTTLE) /* from 1 ms at its limit to the most at the next one's */
        throttle_ms =
            1 + (uint32_t)((high - free_bytes) * (DISK_THROTTLE_MS_MAX - 1) / (high - low));
    bool changed = rung != dir->rung || throttle_ms != dir->throttle_ms;
    uint64_t now_us = watch->broker->setup.ios[0]->now.mono_us;
    if (rung != dir->rung || (rung != DISK_ROOM && now_us - dir->warned_us >= WARN_EVERY_US)) {
        dir->warned_us = now_us;
        LOG_AT(rungs[rung].level, "disk",
               "event=%s dir=%s free_bytes=%llu total_bytes=%llu what=\"%s\"", rungs[rung].name,
               path, (unsigned long long)free_bytes, (unsigned long long)total, rungs[rung].what);
    }
    dir->rung = rung;
    dir->throttle_ms = throttle_ms;
    for (uint32_t s = 0; changed && s < watch->broker->shard_count; s++)
        tell(&watch->notes[s * watch->broker->dir_count + dir_index]);
}

static void look(struct job *job, struct disk_watch *watch) {
    struct broker *broker = watch->broker;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (broker->dirs[i].failed) continue;
        struct watched *dir = &watch->dirs[i];
        const char *path = broker->dirs[i].path.ptr;
        struct io_statfs fs;
        if (job_wait(job, io_statfs(job_io(job), job_op(job), path, &fs)) < 0) continue;
        dir->fs = fs;
        climb(watch, i);
        keep_reserve(job, dir, path);
    }
}

static void set_next(struct disk_watch *watch) {
    bool closely = false;
    for (uint32_t i = 0; i < watch->broker->dir_count; i++)
        closely = closely || watch->dirs[i].rung != DISK_ROOM;
    struct io *io = watch->broker->setup.ios[0];
    io_timer_set(io, &watch->timer, io->now.mono_us + (closely ? LOOK_CLOSELY_US : LOOK_US));
}

static void look_job(struct job *job, void *argument) {
    struct disk_watch *watch = argument;
    do {
        watch->again = false;
        look(job, watch);
    } while (watch->again && !watch->is_stopped);
    watch->is_looking = false;
    if (watch->stopper != NULL) {
        job_wake(watch->stopper);
    } else if (!watch->is_stopped) {
        set_next(watch);
    }
}

static void look_soon(struct disk_watch *watch) {
    watch->again = watch->is_looking;
    if (watch->is_looking || watch->is_stopped) return;
    watch->is_looking = true;
    io_timer_clear(watch->broker->setup.ios[0], &watch->timer);
    job_start(&watch->jobs, look_job, watch);
}

static void due(struct io_timer *timer) {
    look_soon(CONTAINER_OF(timer, struct disk_watch, timer));
}

/* --- a shard's cry for room --- */

static void is_heard(struct io_message *message, struct io *at) {
    (void)at; /* the shard that cried */
    CONTAINER_OF(message, struct disk_cry, message)->is_away = false;
}

static void hear(struct io_message *message, struct io *at) {
    struct disk_cry *cry = CONTAINER_OF(message, struct disk_cry, message);
    struct disk_watch *watch = cry->shard->broker->disk_watch;
    watch->dirs[cry->dir_index].must_give = true;
    look_soon(watch);
    cry->message.deliver = is_heard;
    io_post(at, cry->shard->index, &cry->message);
}

void disk_watch_full(struct log_dir *dir) {
    struct shard *shard = dir->owner;
    uint32_t index = (uint32_t)(dir - shard->dirs);
    struct disk_cry *cry = &shard->disk_cries[index];
    if (cry->is_away) return;
    cry->is_away = true;
    cry->shard = shard;
    cry->dir_index = index;
    cry->message.deliver = hear;
    io_post(shard->io, 0, &cry->message);
}

/* --- its life --- */

void disk_watch_open(struct job *job, struct broker *broker) {
    struct mem *mem = broker->setup.ios[0]->mem;
    struct disk_watch *watch = MEM_NEW(mem, struct disk_watch);
    uint32_t count = broker->shard_count * broker->dir_count;
    watch->broker = broker;
    watch->dirs = mem_need(mem, broker->dir_count * sizeof *watch->dirs);
    watch->notes = mem_need(mem, count * sizeof *watch->notes);
    watch->timer.fire = due;
    for (uint32_t i = 0; i < broker->dir_count; i++) watch->dirs[i].reserve_fd = -1;
    for (uint32_t i = 0; i < count; i++)
        watch->notes[i] = (struct disk_note){.watch = watch, .dir_index = i % broker->dir_count};
    jobs_init(&watch->jobs, broker->setup.ios[0], 1);
    watch->is_stopped = true; /* until it starts */
    broker->disk_watch = watch;
    for (uint32_t i = 0; i < broker->dir_count; i++) make_reserve(job, watch, i);
}

void disk_watch_start(struct broker *broker) {
    struct disk_watch *watch = broker->disk_watch;
    watch->is_stopped = false;
    look_soon(watch);
}

void disk_watch_stop(struct job *job, struct broker *broker) {
    struct disk_watch *watch = broker->disk_watch;
    watch->is_stopped = true;
    io_timer_clear(broker->setup.ios[0], &watch->timer);
    watch->stopper = job;
    while (watch->is_looking) job_suspend(job);
    watch->stopper = NULL;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        struct watched *dir = &watch->dirs[i];
        if (dir->reserve_fd < 0) continue;
        enum status st = job_truncate(job, dir->reserve_fd, 0);
        if (st != ST_OK)
            LOG_WARN("disk", "event=reserve-stays dir=%s status=\"%s\"",
                     LOG_TEXT(broker->dirs[i].path), status_name(st));
        job_close(job, dir->reserve_fd);
        dir->reserve_fd = -1;
        dir->reserve_bytes = 0;
    }
}

void disk_watch_free(struct broker *broker) {
    struct disk_watch *watch = broker->disk_watch;
    if (watch == NULL) return;
    ASSERT(!watch->is_looking);
    struct mem *mem = broker->setup.ios[0]->mem;
    jobs_release(&watch->jobs);
    mem_free(mem, watch->notes,
             broker->shard_count * broker->dir_count * sizeof *watch->notes);
    mem_free(mem, watch->dirs, broker->dir_count * sizeof *watch->dirs);
    MEM_FREE(mem, watch);
    broker->disk_watch = NULL;
}

void disk_watch_sample(const struct broker *broker, uint32_t dir_index, int64_t *ret_free_bytes,
                       int64_t *ret_total_bytes, int64_t *ret_reserve_bytes) {
    const struct watched *dir = &broker->disk_watch->dirs[dir_index];
    *ret_free_bytes = (int64_t)dir->fs.free_bytes;
    *ret_total_bytes = (int64_t)dir->fs.total_bytes;
    *ret_reserve_bytes = (int64_t)dir->reserve_bytes;
}
