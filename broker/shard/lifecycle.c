/* broker/shard/lifecycle.c - the start and the stop of a broker, as two jobs on shard 0 that read
 * from top to bottom. Start: directories (found, formatted, locked, read) -> metadata log loaded ->
 * shards made, their logs opened -> lead and register -> listeners. Until the listeners are open
 * nothing outside sees the broker. Stop: connections -> decisions under way -> logs -> metadata log
 * -> checkpoints -> clean markers -> locks. */
#include "base/assert.h"
#include "base/limits.h"
#include "base/logging.h"
#include "broker/group/service.h"
#include "broker/metadata/apply.h"
#include "broker/metadata/publisher.h"
#include "broker/net/admission.h"
#include "broker/net/api_table.h"
#include "broker/net/listener.h"
#include "broker/replication/partition.h"
#include "broker/shard/checkpoints.h"
#include "broker/shard/cleaners.h"
#include "broker/shard/disk_watch.h"
#include "broker/shard/live.h"
#include "broker/shard/log_starts.h"
#include "broker/shard/moves.h"
#include "broker/shard/opening.h"
#include "broker/shard/places.h"
#include "broker/shard/housekeeping.h"
#include "broker/shard/scrubbers.h"
#include "controller/format.h"

/* One step that every shard takes, in a job of its own; shard 0 waits for all. */
struct step {
    struct io_message go, back;
    struct broker *broker;
    uint32_t shard;
    void (*run)(struct job *job, struct shard *shard, struct step *step);
    enum status status;
    struct str message; /* broker->arena, or static */
};

struct lifecycle {
    struct broker *broker;
    struct jobs jobs; /* shard 0's, before there is a shard */
    struct step steps[LIMIT_SHARDS];
    uint32_t step_count; /* steps not back yet */
    struct job *job;
    struct opening_report report;
    enum status stop_status;
    bool is_starting; /* a failure meanwhile makes the start fail: one job at a time uses steps */
    bool is_stopping;
};

/* --- steps of all shards --- */

static void step_back(struct io_message *message, struct io *at) {
    (void)at;
    struct step *step = CONTAINER_OF(message, struct step, back);
    struct lifecycle *life = step->broker->lifecycle;
    if (--life->step_count == 0) job_wake(life->job);
}

static void run_step(struct job *job, void *argument) {
    struct step *step = argument;
    struct shard *shard = step->broker->shards[step->shard];
    step->run(job, shard, step);
    step->back.deliver = step_back;
    io_post(shard->io, 0, &step->back);
}

static void step_arrived(struct io_message *message, struct io *at) {
    struct step *step = CONTAINER_OF(message, struct step, go);
    struct broker *broker = step->broker;
    if (broker->shards[at->shard] == NULL) broker->shards[at->shard] = shard_new(broker, at);
    job_start(&broker->shards[at->shard]->jobs, run_step, step);
}

/* Runs one step on every shard from `first` on; the first failure is the result. */
static enum status all_shards(struct job *job, struct lifecycle *life, uint32_t first,
                              void (*run)(struct job *, struct shard *, struct step *),
                              struct str *ret_message) {
    struct broker *broker = life->broker;
    if (first >= broker->shard_count) return ST_OK;
    life->job = job;
    life->step_count = broker->shard_count - first;
    for (uint32_t i = first; i < broker->shard_count; i++) {
        struct step *step = &life->steps[i];
        *step = (struct step){.broker = broker, .shard = i, .run = run};
        step->go.deliver = step_arrived;
        io_post(broker->setup.ios[0], i, &step->go);
    }
    job_suspend(job);
    for (uint32_t i = first; i < broker->shard_count; i++) {
        if (life->steps[i].status == ST_OK) continue;
        *ret_message = life->steps[i].message;
        return life->steps[i].status;
    }
    return ST_OK;
}

/* --- the start --- */

static void list_dirs(struct broker *broker) {
    const struct config *config = broker->config;
    const struct str_list *dirs = config_log_dirs(config);
    broker->dirs = arena_array(&broker->arena, dirs->count + 1, sizeof *broker->dirs);
    ASSERT(broker->dirs != NULL && dirs->count > 0);
    for (uint32_t i = 0; i < dirs->count; i++) {
        broker->dirs[broker->dir_count++] =
            (struct broker_dir){.path = arena_str(&broker->arena, dirs->items[i]),
                                .lock_fd = -1,
                                .fs_fd = -1};
    }
    if (config->metadata_log_dir.ptr == NULL) return;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (!str_eq(broker->dirs[i].path, config->metadata_log_dir)) continue;
        broker->metadata_dir = i;
        return;
    }
    broker->metadata_dir = broker->dir_count;
    broker->dirs[broker->dir_count++] =
        (struct broker_dir){.path = arena_str(&broker->arena, config->metadata_log_dir),
                            .lock_fd = -1,
                            .fs_fd = -1,
                            .is_for_metadata = true};
}

/* A directory that cannot be used is left out, as Kafka leaves it out, unless nothing can be done
 * without it. */
static enum status give_up_dir(struct broker *broker, uint32_t index, const char *why,
                               struct str *ret_message) {
    struct broker_dir *dir = &broker->dirs[index];
    dir->failed = dir->is_missing = true;
    bool any_left = false;
    for (uint32_t i = 0; i < broker->dir_count; i++)
        any_left = any_left || (!broker->dirs[i].failed && !broker->dirs[i].is_for_metadata);
    LOG_ERROR("log", "event=directory-offline dir=%s why=\"%s\"", LOG_TEXT(dir->path), why);
    if (any_left && index != broker->metadata_dir) return ST_OK;
    *ret_message = arena_printf(&broker->arena, "%.*s: %s; %s", STR_ARG(dir->path), why,
                                any_left ? "the metadata log is there"
                                         : "no log directory is left");
    return ST_IO;
}

static enum status make_dir(struct job *job, struct broker *broker, uint32_t index,
                            struct str *ret_message) {
    struct str dir = broker->dirs[index].path;
    struct io_listing listing = {0};
    enum status st = format_make_dir(job, dir);
    if (st == ST_TOO_LARGE) return st;
    if (st == ST_EXISTS) return give_up_dir(broker, index, "not a directory", ret_message);
    char path[LIMIT_PATH_BYTES];
    memcpy(path, dir.ptr, dir.len);
    path[dir.len] = '\0';
    if (st == ST_OK) st = job_list(job, path, &listing);
    io_listing_free(job_mem(job), &listing);
    return st == ST_OK ? ST_OK : give_up_dir(broker, index, status_name(st), ret_message);
}

static enum status make_dirs(struct job *job, struct broker *broker, struct str *ret_message) {
    enum status st = ST_OK;
    for (uint32_t i = 0; i < broker->dir_count && st == ST_OK; i++)
        st = make_dir(job, broker, i, ret_message);
    return st;
}

/* The directories that can be used. */
struct usable {
    struct str *paths;
    uint32_t *indexes; /* in broker->dirs */
    uint32_t count, metadata_dir;
};

static struct usable find_usable(struct broker *broker) {
    struct usable usable = {
        .paths = arena_array(&broker->arena, broker->dir_count, sizeof *usable.paths),
        .indexes = arena_array(&broker->arena, broker->dir_count, sizeof *usable.indexes)};
    ASSERT(usable.paths != NULL && usable.indexes != NULL);
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (broker->dirs[i].is_missing) continue;
        if (i == broker->metadata_dir) usable.metadata_dir = usable.count;
        usable.paths[usable.count] = broker->dirs[i].path;
        usable.indexes[usable.count++] = i;
    }
    return usable;
}

/* A start that formatted did not come to its end: the metadata directory, its last, is not
 * formatted, and no other one holds a partition. */
static enum status formatting_has_begun(struct job *job, struct broker *broker,
                                        const struct usable *usable,
                                        const struct found_dirs *found, bool *ret_is_so) {
    *ret_is_so = found->formatted_count > 0 && !found->formatted[usable->metadata_dir];
    enum status st = ST_OK;
    for (uint32_t i = 0; i < usable->count && *ret_is_so && st == ST_OK; i++) {
        struct found_partition *partitions = NULL;
        uint32_t count = 0;
        if (!found->formatted[i]) continue;
        st = log_dir_scan(job, usable->paths[i], &broker->arena, &partitions, &count);
        *ret_is_so = count == 0;
    }
    return st;
}

static enum status format_if_empty(struct job *job, struct broker *broker,
                                   const struct usable *usable, const struct found_dirs *found,
                                   struct str *ret_message) {
    const struct config *config = broker->config;
    const struct listeners *listeners = broker->setup.listeners;
    const struct str *paths = usable->paths;
    if (found->formatted_count == usable->count) return ST_OK;
    struct str missing = STR_NULL;
    for (uint32_t i = 0; i < usable->count; i++) {
        if (!found->formatted[i]) missing = paths[i];
    }
    bool is_whole = usable->count == broker->dir_count; /* the others may hold data */
    bool is_begun = false;
    enum status st = formatting_has_begun(job, broker, usable, found, &is_begun);
    if (st != ST_OK) return st;
    if ((found->formatted_count > 0 && !is_begun) || !config->klamm_auto_format || !is_whole) {
        *ret_message = arena_printf(
            &broker->arena,
            "%.*s holds no meta.properties: format it with 'kafka-storage format --standalone -t "
            "CLUSTER_ID -c SERVER.PROPERTIES' (a new CLUSTER_ID: 'kafka-storage random-uuid')%s",
            STR_ARG(missing),
            found->formatted_count > 0 ? "; other log.dirs are formatted already" : "");
        return ST_NOT_FOUND;
    }
    for (uint32_t i = 0; i < usable->count; i++) {
        struct str data;
        if (found->formatted[i]) continue;
        st = format_find_data(job, paths[i], &broker->arena, &data);
        if (st == ST_OK && data.ptr == NULL) continue;
        *ret_message =
            st != ST_OK
                ? arena_printf(&broker->arena, "%.*s: %s", STR_ARG(paths[i]), status_name(st))
                : arena_printf(&broker->arena,
                               "%.*s holds no meta.properties, but %.*s: only an empty directory "
                               "is formatted at a start",
                               STR_ARG(paths[i]), STR_ARG(data));
        return st != ST_OK ? st : ST_EXISTS;
    }
    struct format_plan plan = {.dirs = paths,
                               .dir_count = usable->count,
                               .metadata_dir = usable->metadata_dir,
                               .node_id = (int32_t)config->node_id,
                               .ignore_formatted = true};
    const struct listener *controller = listeners->count > listeners->client_count
                                            ? &listeners->items[listeners->client_count]
                                            : &listeners->items[0];
    plan.controller_listener = controller->name;
    plan.controller_host =
        controller->advertised_host.len > 0 ? controller->advertised_host : STR("localhost");
    plan.controller_port = controller->advertised_port;
    st = format_standalone(job, &plan, &broker->arena, ret_message);
    if (st == ST_OK)
        LOG_INFO("format", "event=formatted dirs=%u dir=%s", broker->dir_count, LOG_TEXT(paths[0]));
    return st;
}

/* A directory that Kafka formatted before 3.7 has no id: it gets one, as Kafka gives it one. */
static enum status take_id(struct job *job, struct broker_dir *dir, struct meta_properties *meta) {
    if (!uuid_is_zero(meta->directory_id)) {
        dir->id = meta->directory_id;
        return ST_OK;
    }
    io_random(job_io(job), &meta->directory_id, sizeof meta->directory_id);
    dir->id = meta->directory_id;
    return meta_properties_write(job, dir->path, meta);
}

/* Where meta.properties cannot be read. */
static enum status give_up_unread(struct job *job, struct broker *broker,
                                  struct str *ret_message) {
    enum status st = ST_OK;
    for (uint32_t i = 0; i < broker->dir_count && broker->dir_count > 1 && st == ST_OK; i++) {
        struct found_dirs found;
        const struct broker_dir *dir = &broker->dirs[i];
        if (dir->is_missing) continue;
        enum status read = format_inspect(job, &dir->path, 1, &broker->arena, &found, ret_message);
        if (read == ST_IO) st = give_up_dir(broker, i, "meta.properties: i/o error", ret_message);
    }
    return st;
}

static enum status read_metas(struct job *job, struct broker *broker, struct str *ret_message) {
    enum status st = give_up_unread(job, broker, ret_message);
    if (st != ST_OK) return st;
    struct usable usable = find_usable(broker);
    struct found_dirs found = {0};
    st = format_inspect(job, usable.paths, usable.count, &broker->arena, &found, ret_message);
    if (st == ST_OK) st = format_if_empty(job, broker, &usable, &found, ret_message);
    if (st == ST_OK && found.formatted_count < usable.count) { /* it is now */
        st = format_inspect(job, usable.paths, usable.count, &broker->arena, &found, ret_message);
    }
    for (uint32_t i = 0; i < usable.count && st == ST_OK; i++) {
        st = take_id(job, &broker->dirs[usable.indexes[i]], &found.metas[i]);
        if (st != ST_OK) *ret_message = arena_printf(&broker->arena, "%.*s/meta.properties: %s",
                                                     STR_ARG(usable.paths[i]), status_name(st));
    }
    if (st != ST_OK) return st;
    memcpy(broker->cluster_id, found.metas[0].cluster_id, sizeof broker->cluster_id);
    broker->node_id = found.metas[0].node_id;
    if (broker->node_id == broker->config->node_id) return ST_OK;
    *ret_message = arena_printf(
        &broker->arena, "%.*s/meta.properties says node.id=%d, the configuration says %lld",
        STR_ARG(usable.paths[0]), broker->node_id, (long long)broker->config->node_id);
    return ST_INVALID;
}

/* A metadata log that is not the configured one: by another, or an empty one, all that lies here
 * would be nobody's. */
static enum status refuse_other_metadata(struct job *job, struct broker *broker,
                                         struct str *ret_message) {
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        const struct broker_dir *dir = &broker->dirs[i];
        struct log_path path;
        struct io_stat stat;
        if (i == broker->metadata_dir || dir->failed) continue;
        log_path_of_name(&path, dir->path.ptr, "__cluster_metadata-0", "");
        /* What cannot be read is left out soon. */
        if (job_stat(job, path.text, &stat) != ST_OK) continue;
        *ret_message = arena_printf(
            &broker->arena,
            "Found unexpected metadata location in data directory `%s` (the configured metadata "
            "directory is %.*s).",
            path.text, STR_ARG(broker->dirs[broker->metadata_dir].path));
        return ST_EXISTS;
    }
    return ST_OK;
}

static enum status lock_dirs(struct job *job, struct broker *broker, struct str *ret_message) {
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (broker->dirs[i].failed) continue;
        enum status st = log_dir_lock(job, broker->dirs[i].path, &broker->dirs[i].lock_fd);
        if (st == ST_IO || st == ST_DENIED) { /* read-only by now, say */
            struct str why = arena_printf(&broker->arena, ".lock: %s", status_name(st));
            st = give_up_dir(broker, i, why.ptr, ret_message);
            if (st != ST_OK) return st;
        }
        if (st == ST_OK) continue;
        *ret_message = arena_printf(&broker->arena, "%.*s/.lock: %s", STR_ARG(broker->dirs[i].path),
                                    st == ST_BUSY ? "held by another process that is running"
                                                  : status_name(st));
        return st;
    }
    return ST_OK;
}

/* Failed writes are told of by syncfs from here on. */
static enum status watch_file_systems(struct job *job, struct broker *broker,
                                      struct str *ret_message) {
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        struct broker_dir *dir = &broker->dirs[i];
        enum status st = ST_OK;
        if (!dir->failed)
            st = job_open(job, dir->path.ptr, IO_READ | IO_DIRECTORY, 0, &dir->fs_fd);
        if (st == ST_IO) st = give_up_dir(broker, i, status_name(st), ret_message);
        if (st != ST_OK) {
            *ret_message = arena_printf(&broker->arena, "%.*s: cannot be opened: %s",
                                        STR_ARG(dir->path), status_name(st));
            return st;
        }
        fs_rounds_init(&dir->fs, broker->setup.ios[i % broker->shard_count], dir->fs_fd);
    }
    return ST_OK;
}

static enum status read_checkpoint(struct job *job, struct broker *broker, struct broker_dir *dir,
                                   const char *file, struct checkpoint *checkpoint,
                                   struct str *ret_message) {
    uint32_t line = 0;
    enum status st = checkpoint_read(job, dir->path, file, &broker->arena, checkpoint, &line);
    if (st != ST_OK) {
        *ret_message = arena_printf(&broker->arena, "%.*s/%s:%u: %s", STR_ARG(dir->path), file,
                                    line, status_name(st));
    }
    return st;
}

static enum status read_dir(struct job *job, struct broker *broker, struct broker_dir *dir,
                            struct str *ret_message) {
    int64_t broker_epoch = -1;
    enum status st = log_dir_take_clean_marker(job, dir->path, &broker_epoch);
    dir->clean = st == ST_OK;
    if (st != ST_OK && st != ST_NOT_FOUND && st != ST_CORRUPT) {
        *ret_message = arena_printf(&broker->arena, "%.*s/.kafka_cleanshutdown: %s",
                                    STR_ARG(dir->path), status_name(st));
        return st;
    }
    st = read_checkpoint(job, broker, dir, RECOVERY_POINT_FILE, &dir->recovery_points,
                         ret_message);
    if (st != ST_OK) return st;
    st = read_checkpoint(job, broker, dir, LOG_START_FILE, &dir->log_starts, ret_message);
    if (st != ST_OK) return st;
    struct str cleaner_message;
    st = read_checkpoint(job, broker, dir, CLEANER_CHECKPOINT_FILE, &dir->clean_ends,
                         &cleaner_message);
    if (st != ST_OK) { /* it spares work, no more */
        LOG_WARN("log", "event=checkpoint-ignored why=\"%.*s\"", STR_ARG(cleaner_message));
        dir->clean_ends = (struct checkpoint){0};
    }
    st = log_dir_scan(job, dir->path, &broker->arena, &dir->found, &dir->found_count);
    if (st != ST_OK) {
        *ret_message = arena_printf(&broker->arena, "%.*s: cannot be read: %s", STR_ARG(dir->path),
                                    status_name(st));
        return st;
    }
    for (uint32_t i = 0; i < dir->found_count; i++) {
        if (dir->found[i].kind != FOUND_DELETED) continue;
        st = log_dir_remove_found(job, dir->path, dir->found[i].name);
        if (st == ST_OK) continue;
        LOG_WARN("log", "event=deleted-directory-stays dir=%s status=\"%s\"",
                 LOG_TEXT(dir->found[i].name), status_name(st));
    }
    return ST_OK;
}

static void step_open(struct job *job, struct shard *shard, struct step *step) {
    (void)step;
    shard->image = publisher_image(shard->broker->publisher);
    shard_take_settings(shard);
    shard_open_partitions(job, shard);
}

static void step_open_strangers(struct job *job, struct shard *shard, struct step *step) {
    (void)step;
    shard_open_strangers(job, shard);
}

static void step_listen(struct job *job, struct shard *shard, struct step *step) {
    (void)job;
    struct arena arena;
    arena_init(&arena, shard->mem, 512, 0);
    step->status = listeners_open(shard, shard->broker->ports, &arena, &step->message);
    if (step->status != ST_OK) {
        LOG_ERROR("net", "event=listen-failed why=\"%.*s\"", STR_ARG(step->message));
        step->message = STR("a listener cannot be opened, see the line before");
    }
    arena_release(&arena);
}

static void step_accept(struct job *job, struct shard *shard, struct step *step) {
    (void)job;
    (void)step;
    group_service_take_image(shard, NULL, 0); /* what no change of metadata has brought yet */
    listeners_accept(shard);
    listeners_watch_idle(shard);
    housekeeping_start(shard);
    scrubbers_start(shard);
    moves_resume(shard);
}

static enum status settle_places(struct job *job, struct broker *broker,
                                 struct str *ret_message) {
    uint32_t index = 0;
    enum status st = ST_OK;
    do {
        st = places_settle(job, broker, publisher_image(broker->publisher), &index);
        if (st == ST_OK) return ST_OK;
        if (st == ST_NOMEM) break;
        st = give_up_dir(broker, index, status_name(st), ret_message);
        broker->dirs[index].found_count = 0;
        broker->shards[0]->dirs[index].offline = true;
    } while (st == ST_OK);
    return st;
}

static enum status start(struct job *job, struct lifecycle *life, struct str *ret_message) {
    struct broker *broker = life->broker;
    list_dirs(broker);
    enum status st = listeners_resolve(job, broker, ret_message);
    if (st != ST_OK) return st;
    st = make_dirs(job, broker, ret_message);
    if (st != ST_OK) return st;
    st = read_metas(job, broker, ret_message);
    if (st != ST_OK) return st;
    st = refuse_other_metadata(job, broker, ret_message);
    if (st != ST_OK) return st;
    st = lock_dirs(job, broker, ret_message);
    if (st != ST_OK) return st;
    st = watch_file_systems(job, broker, ret_message);
    if (st != ST_OK) return st;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        struct broker_dir *dir = &broker->dirs[i];
        if (dir->failed) continue;
        st = read_dir(job, broker, dir, ret_message);
        if (st == ST_IO) {
            st = give_up_dir(broker, i, ret_message->ptr, ret_message);
            dir->found_count = 0;
        }
        if (st != ST_OK) return st;
    }
    io_random(broker->setup.ios[0], &broker->incarnation_id, sizeof broker->incarnation_id);
    broker->shards[0] = shard_new(broker, broker->setup.ios[0]);
    broker->admission = admission_new(broker->shards[0]);
    log_starts_open(broker);
    checkpoints_open(broker);
    disk_watch_open(job, broker);
    st = publisher_open(job, broker, ret_message);
    if (st == ST_OK) st = settle_places(job, broker, ret_message);
    if (st != ST_OK) return st;
    opening_report_begin(&life->report, broker);
    st = all_shards(job, life, 0, step_open, ret_message);
    if (st == ST_OK) st = all_shards(job, life, 0, step_open_strangers, ret_message);
    opening_report_end(&life->report);
    if (st != ST_OK) return st;
    disk_watch_start(broker);
    /* Shard 0 binds first, so that a port 0 is one port for all. */
    struct step first = {.broker = broker};
    step_listen(job, broker->shards[0], &first);
    if (first.status != ST_OK) {
        *ret_message = first.message;
        return first.status;
    }
    st = publisher_lead(job, broker->publisher, ret_message);
    if (st == ST_OK) st = all_shards(job, life, 1, step_listen, ret_message);
    if (st != ST_OK) return st;
    st = all_shards(job, life, 0, step_accept, ret_message);
    if (st == ST_OK) checkpoints_start(broker);
    return st;
}

/* --- the stop --- */

static void step_close_connections(struct job *job, struct shard *shard, struct step *step) {
    (void)step;
    shard_close_connections(job, shard);
}

static void step_close_partitions(struct job *job, struct shard *shard, struct step *step) {
    (void)step;
    shard_close_partitions(job, shard);
}

static void step_release_dirs(struct job *job, struct shard *shard, struct step *step) {
    (void)step;
    for (uint32_t i = 0; i < shard->broker->dir_count; i++) log_dir_release(job, &shard->dirs[i]);
}

static void unlock_dirs(struct job *job, struct broker *broker) {
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (broker->dirs[i].fs_fd >= 0) job_close(job, broker->dirs[i].fs_fd);
        broker->dirs[i].fs_fd = -1;
        if (broker->dirs[i].lock_fd >= 0) job_close(job, broker->dirs[i].lock_fd);
        broker->dirs[i].lock_fd = -1;
    }
}

/* Why a directory was not left in order, as any shard has it; ST_OK: it was. */
static enum status unclean_of(const struct broker *broker, uint32_t dir) {
    enum status why = ST_OK;
    for (uint32_t s = 0; s < broker->shard_count; s++) {
        if (broker->shards[s]->dirs[dir].unclean != ST_OK)
            why = broker->shards[s]->dirs[dir].unclean;
    }
    return why;
}

static bool is_unverified(const struct broker *broker, uint32_t dir) {
    for (uint32_t s = 0; s < broker->shard_count; s++) {
        if (broker->shards[s]->dirs[dir].is_unverified) return true;
    }
    return false;
}

static enum status stop(struct job *job, struct lifecycle *life) {
    struct broker *broker = life->broker;
    struct str message;
    (void)all_shards(job, life, 0, step_close_connections, &message); /* cannot fail */
    if (life->stop_status == ST_OK && publisher_shut_down(job, broker->publisher) != ST_OK) {
        LOG_WARN("metadata", "event=shutdown-record-failed");
    }
    while (!publisher_is_idle(broker->publisher))
        job_sleep_until(job, broker->setup.ios[0]->now.mono_us + 1000);
    int64_t broker_epoch = publisher_broker_epoch(broker->publisher);
    checkpoints_stop(job, broker);
    disk_watch_stop(job, broker);
    (void)all_shards(job, life, 0, step_close_partitions,
                     &message); /* failures are the logs' own */
    enum status st = publisher_close(job, broker->publisher);
    if (st == ST_OK) st = checkpoints_write(job, broker);
    for (uint32_t i = 0; i < broker->dir_count && st == ST_OK && life->stop_status == ST_OK; i++) {
        enum status unclean = unclean_of(broker, i);
        if (broker->dirs[i].failed || unclean == ST_IO || is_unverified(broker, i)) continue;
        st = unclean == ST_OK
                 ? log_dir_write_clean_marker(job, broker->dirs[i].path, broker_epoch)
                 : unclean;
        /* It alone was not left in order, and is recovered by the next start. */
        if (st == ST_IO && i != broker->metadata_dir) st = ST_OK;
    }
    (void)all_shards(job, life, 0, step_release_dirs, &message); /* cannot fail */
    unlock_dirs(job, broker);
    return life->stop_status != ST_OK ? life->stop_status : st;
}

static void stop_job(struct job *job, void *argument) {
    struct lifecycle *life = argument;
    struct broker *broker = life->broker;
    enum status st = stop(job, life);
    LOG_INFO("broker", "event=stopped status=\"%s\"", status_name(st));
    broker->setup.on_stopped(broker->setup.owner, st);
}

void broker_stop(struct broker *broker) {
    struct lifecycle *life = broker->lifecycle;
    if (life->is_stopping) return;
    life->is_stopping = true;
    LOG_INFO("broker", "event=stopping");
    if (!life->is_starting) job_start(&life->jobs, stop_job, life); /* else start_job does */
}

void broker_fail(struct broker *broker, enum status why) {
    struct lifecycle *life = broker->lifecycle;
    if (life->stop_status == ST_OK) life->stop_status = why;
    if (!life->is_starting) broker_stop(broker);
}

void broker_dir_failed(struct broker *broker, uint32_t dir_index, enum status why) {
    bool any_left = false;
    if (broker->dirs[dir_index].failed) return; /* another shard said so */
    broker->dirs[dir_index].failed = true;
    shards_spread_failure(broker, dir_index);
    for (uint32_t i = 0; i < broker->dir_count; i++)
        any_left = any_left || (!broker->dirs[i].failed && !broker->dirs[i].is_for_metadata);
    if (dir_index == broker->metadata_dir || !any_left) {
        broker_fail(broker, why);
    } else if (broker->publisher != NULL) {
        publisher_dirs_failed(broker->publisher);
    }
}

/* --- as seen from outside --- */

/* After a failed start: what was opened is closed; nothing is marked clean. */
static void undo(struct job *job, struct lifecycle *life) {
    struct broker *broker = life->broker;
    struct str message;
    if (broker->shards[0] != NULL) {
        (void)all_shards(job, life, 0, step_close_connections, &message); /* cannot fail */
        checkpoints_stop(job, broker);
        disk_watch_stop(job, broker);
        (void)all_shards(job, life, 0, step_close_partitions, &message);
    }
    if (broker->publisher != NULL && publisher_close(job, broker->publisher) != ST_OK) {
        LOG_WARN("metadata", "event=close-failed");
    }
    if (broker->shards[0] != NULL) (void)all_shards(job, life, 0, step_release_dirs, &message);
    unlock_dirs(job, broker);
}

static void start_job(struct job *job, void *argument) {
    struct lifecycle *life = argument;
    struct broker *broker = life->broker;
    struct str message = STR("no memory");
    enum status st = start(job, life, &message);
    if (st == ST_OK && life->stop_status != ST_OK) {
        st = life->stop_status;
        message = STR("a log directory failed meanwhile, see the lines before");
    }
    if (st == ST_OK) life->is_starting = false;
    if (st != ST_OK) {
        undo(job, life);
    } else {
        message = STR("");
        LOG_INFO("broker", "event=started node=%d cluster=%s shards=%u dirs=%u port=%u",
                 broker->node_id, broker->cluster_id, broker->shard_count, broker->dir_count,
                 broker->ports[0]);
    }
    broker->setup.on_started(broker->setup.owner, st, message);
    if (st == ST_OK && life->is_stopping) job_start(&life->jobs, stop_job, life);
}

bool broker_is_ready(const struct broker *broker) {
    return !broker->lifecycle->is_starting && !broker->lifecycle->is_stopping;
}

static void find_error_codes(struct broker *broker) {
    struct error_paths *paths = arena_array(&broker->arena, API_KEY_COUNT, sizeof *paths);
    ASSERT(paths != NULL);
    for (uint32_t i = 0; i < served_count; i++) {
        const struct api *api = served_apis[i].api;
        paths[api->key] = error_paths_make(api->response, &broker->arena);
    }
    broker->error_paths = paths;
}

struct broker *broker_start(const struct broker_setup *setup) {
    struct io *io = setup->ios[0];
    struct broker *broker = MEM_NEW(io->mem, struct broker);
    arena_init(&broker->arena, io->mem, 8192, 0);
    broker->setup = *setup;
    broker->config = &setup->config->values;
    broker->shard_count = setup->io_count;
    broker->shards = mem_need(io->mem, setup->io_count * sizeof *broker->shards);
    broker->ports = arena_array(&broker->arena, setup->listeners->count, sizeof *broker->ports);
    broker->addresses =
        arena_array(&broker->arena, setup->listeners->count, sizeof *broker->addresses);
    ASSERT(broker->ports != NULL && broker->addresses != NULL);
    for (uint32_t i = 0; i < setup->listeners->count; i++)
        broker->ports[i] = setup->listeners->items[i].port;
    find_error_codes(broker);
    broker->lifecycle = MEM_NEW(io->mem, struct lifecycle);
    broker->lifecycle->broker = broker;
    broker->lifecycle->is_starting = true;
    jobs_init(&broker->lifecycle->jobs, io, 2);
    job_start(&broker->lifecycle->jobs, start_job, broker->lifecycle);
    return broker;
}

uint16_t broker_port(const struct broker *broker, uint32_t listener_index) {
    return broker->ports[listener_index];
}

void broker_free(struct broker *broker) {
    struct mem *mem = broker->setup.ios[0]->mem;
    publisher_free(broker->publisher);
    admission_free(broker->admission);
    cleaners_free(broker);
    log_starts_free(broker);
    checkpoints_free(broker);
    disk_watch_free(broker);
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        if (broker->shards[i] != NULL) shard_free(broker->shards[i]);
    }
    jobs_release(&broker->lifecycle->jobs);
    MEM_FREE(mem, broker->lifecycle);
    mem_free(mem, broker->shards, broker->shard_count * sizeof *broker->shards);
    arena_release(&broker->arena);
    MEM_FREE(mem, broker);
}
