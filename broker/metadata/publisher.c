/* broker/metadata/publisher.c - decisions in, images out. */
#include "broker/metadata/publisher.h"
#include "base/assert.h"
#include "base/logging.h"
#include "broker/metadata/image_notes.h"
#include "broker/shard/places.h"
#include "broker/metadata/rules.h"

struct publisher {
    struct broker *broker;
    struct shard *shard; /* 0 */
    struct metadata_log *log;
    struct list waiting; /* decisions not yet taken */
    struct decision *current;
    struct list committed;  /* decisions whose image is not applied everywhere yet */
    struct image_notes notes;
    uint32_t placement_start;
    struct rules_context rules; /* of the decision being made */
    int64_t broker_epoch;       /* of this process, -1 before its registration */
    bool is_deciding;
    struct decision *long_one; /* being decided in turns; the others wait */
};

static void random_octets(void *context, void *out, size_t len) {
    struct publisher *publisher = context;
    io_random(publisher->shard->io, out, len);
}

/* --- decisions --- */

struct decision *decision_new(struct publisher *publisher) {
    struct decision *d = MEM_NEW(publisher->shard->mem, struct decision);
    d->publisher = publisher;
    d->hold_count = 1;
    arena_init(&d->arena, publisher->shard->mem, 4096, 0);
    controller_records_init(&d->records, &d->arena);
    return d;
}

void decision_hold(struct decision *d) { d->hold_count++; }

void decision_free(struct decision *d) {
    if (--d->hold_count > 0) return;
    struct mem *mem = d->publisher->shard->mem;
    arena_release(&d->arena);
    MEM_FREE(mem, d);
}

static void decide_next(struct publisher *publisher);

/* How many partitions of the image are in each directory, and those of this decision. */
struct dir_placer {
    const struct broker *broker;
    const struct image *image;
    uint32_t *counts; /* by directory; arena */
    bool has_counted;
};

static uint32_t dir_of_id(const struct broker *broker, struct uuid id) {
    uint32_t d = 0;
    while (d < broker->dir_count && !uuid_eq(broker->dirs[d].id, id)) d++;
    return d;
}

static void count_partitions(struct dir_placer *placer) {
    struct image_iter iter;
    image_iter_topics(placer->image, &iter);
    for (const struct topic_image *topic; (topic = image_next_topic(&iter)) != NULL;) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct partition_image *partition = &topic->partitions[i];
            for (int32_t r = 0; r < partition->replica_count; r++) {
                uint32_t d = dir_of_id(placer->broker, partition->directories[r]);
                if (d < placer->broker->dir_count) placer->counts[d]++;
            }
        }
    }
}

/* The directory with the fewest partitions among those that are not cordoned, or of all when all
 * are (a broker can be named by hand), as LogManager.nextLogDirs; the first of equals. */
static struct uuid place_directory(void *context) {
    struct dir_placer *placer = context;
    const struct broker *broker = placer->broker;
    if (!placer->has_counted) count_partitions(placer);
    placer->has_counted = true;
    uint32_t best = broker->dir_count;
    bool best_is_cordoned = true;
    for (uint32_t d = 0; d < broker->dir_count; d++) {
        if (broker->dirs[d].failed || broker->dirs[d].is_for_metadata) continue;
        bool is_cordoned = broker_dir_is_cordoned(broker, placer->image, d);
        bool is_better = is_cordoned == best_is_cordoned
                             ? best == broker->dir_count || placer->counts[d] < placer->counts[best]
                             : !is_cordoned;
        if (!is_better) continue;
        best = d;
        best_is_cordoned = is_cordoned;
    }
    if (best == broker->dir_count) return DIRECTORY_UNASSIGNED;
    placer->counts[best]++;
    return broker->dirs[best].id;
}

static struct dir_placer *make_placer(const struct broker *broker, const struct image *image,
                                      struct arena *arena) {
    struct dir_placer *placer = ARENA_NEW(arena, struct dir_placer);
    uint32_t *counts = arena_array(arena, broker->dir_count, sizeof *counts);
    ASSERT(placer != NULL && counts != NULL);
    *placer = (struct dir_placer){.broker = broker, .image = image, .counts = counts};
    return placer;
}

static void finish(struct decision *d, enum status st) {
    io_timer_clear(d->publisher->shard->io, &d->timer);
    d->done(d, st);
}

static void finish_applied(struct publisher *publisher) {
    while (!list_is_empty(&publisher->committed)) {
        struct decision *d = CONTAINER_OF(publisher->committed.next, struct decision, link);
        if (d->applied_at > publisher->notes.applied_offset) return;
        list_remove(&d->link);
        finish(d, ST_OK);
    }
}

static void on_committed(struct metadata_append *append) {
    struct decision *d = CONTAINER_OF(append, struct decision, append);
    struct publisher *publisher = d->publisher;
    publisher->current = NULL;
    if (append->status == ST_OK && !d->is_done_at_commit) {
        d->applied_at = append->last_offset;
        list_push_back(&publisher->committed, &d->link);
        finish_applied(publisher);
    } else {
        finish(d, append->status);
    }
    decide_next(publisher);
}

static struct controller_context make_context(struct publisher *publisher, struct decision *d) {
    const struct config *config = publisher->broker->config;
    const struct image *image = metadata_log_image(publisher->log);
    publisher->rules = (struct rules_context){.set = publisher->broker->setup.config,
                                              .image = image,
                                              .node_id = publisher->broker->node_id};
    return (struct controller_context){
        .image = image,
        .arena = &d->arena,
        .next_offset = metadata_log_end(publisher->log),
        .node_id = publisher->broker->node_id,
        .default_partitions = (int32_t)config->num_partitions,
        .default_replication_factor = (int16_t)config->default_replication_factor,
        .min_insync_replicas = (int32_t)config->min_insync_replicas,
        .delete_topic_enable = config->delete_topic_enable,
        .rules = config_rules_of(&publisher->rules),
        .random = random_octets,
        .random_context = publisher,
        .placement_start = publisher->placement_start++,
        .place_directory = place_directory,
        .place_context = make_placer(publisher->broker, image, &d->arena),
    };
}

static void on_late(struct io_timer *timer) {
    struct decision *d = CONTAINER_OF(timer, struct decision, timer);
    d->late(d);
}

/* What was decided is appended, or done already. */
static void append(struct publisher *publisher, struct decision *d) {
    if (d->records.status != ST_OK || d->records.count == 0) {
        finish(d, d->records.status);
        return;
    }
    if (d->late_us != 0) {
        d->timer.fire = on_late;
        io_timer_set(publisher->shard->io, &d->timer, d->late_us);
    }
    publisher->current = d;
    d->append = (struct metadata_append){
        .done = on_committed, .values = d->records.values, .count = d->records.count};
    metadata_log_append(publisher->log, &d->append);
}

static void decide_long(struct job *job, void *argument) {
    struct publisher *publisher = argument;
    struct decision *d = publisher->long_one;
    job_yield(job); /* decide_next has returned */
    struct controller_context ctx = make_context(publisher, d);
    job_breathe(job);
    d->decide(d, &ctx);
    job_hold_breath(job);
    publisher->long_one = NULL;
    append(publisher, d);
    publisher->is_deciding = false;
    decide_next(publisher);
}

static void decide_next(struct publisher *publisher) {
    if (publisher->is_deciding) return; /* a decision that ends at once calls back here */
    publisher->is_deciding = true;
    while (publisher->current == NULL && !list_is_empty(&publisher->waiting)) {
        struct decision *d =
            CONTAINER_OF(list_pop_front(&publisher->waiting), struct decision, link);
        io_timer_clear(publisher->shard->io, &d->timer);
        if (d->is_long) {
            publisher->long_one = d;
            job_start(&publisher->shard->large_jobs, decide_long, publisher);
            return;
        }
        struct controller_context ctx = make_context(publisher, d);
        d->decide(d, &ctx);
        append(publisher, d);
    }
    publisher->is_deciding = false;
}

static void on_not_begun(struct io_timer *timer) {
    struct decision *d = CONTAINER_OF(timer, struct decision, timer);
    list_remove(&d->link);
    d->done(d, ST_TIMEOUT);
}

void publisher_submit(struct publisher *publisher, struct decision *d) {
    if (d->begin_by_us != 0) {
        d->timer.fire = on_not_begun;
        io_timer_set(publisher->shard->io, &d->timer, d->begin_by_us);
    }
    list_push_back(&publisher->waiting, &d->link);
    decide_next(publisher);
}

bool publisher_is_idle(const struct publisher *publisher) {
    return publisher->current == NULL && publisher->long_one == NULL &&
           list_is_empty(&publisher->waiting) && image_notes_are_through(&publisher->notes);
}

/* --- cordoned directories --- */

/* The ids of those that are cordoned by the settings of this image; how many. */
static int32_t cordoned_dirs(const struct broker *broker, const struct image *image,
                             struct uuid *ids) {
    int32_t count = 0;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        if (!broker->dirs[i].failed && broker_dir_is_cordoned(broker, image, i))
            ids[count++] = broker->dirs[i].id;
    }
    return count;
}

static void decide_cordon(struct decision *d, const struct controller_context *ctx) {
    const struct broker *broker = d->publisher->broker;
    struct uuid *cordoned = arena_array(&d->arena, broker->dir_count, sizeof *cordoned);
    ASSERT(cordoned != NULL);
    controller_cordon_directories(ctx, broker->node_id, cordoned,
                                  cordoned_dirs(broker, ctx->image, cordoned), &d->records);
}

static void cordon_decided(struct decision *d, enum status st) {
    if (st != ST_OK)
        LOG_ERROR("metadata", "event=cordon-not-recorded status=\"%s\"", status_name(st));
    decision_free(d);
}

/* A broker's settings have changed: its registration follows them before anything else is decided,
 * so that a topic made after the answer finds them in force. */
static void follow_cordon(struct publisher *publisher) {
    if (publisher->broker_epoch < 0) return; /* the registration will say it */
    struct decision *d = decision_new(publisher);
    d->decide = decide_cordon;
    d->done = cordon_decided;
    list_push_front(&publisher->waiting, &d->link);
    decide_next(publisher);
}

static bool has_broker_settings(const struct image_delta *delta) {
    for (uint32_t i = 0; i < delta->configs_count; i++) {
        if (delta->configs[i].type == CONFIG_BROKER) return true;
    }
    return false;
}

/* --- images --- */

static void on_arrived(struct image_notes *notes, struct image *previous) {
    struct publisher *publisher = CONTAINER_OF(notes, struct publisher, notes);
    metadata_log_release(publisher->log, previous);
    finish_applied(publisher);
}

static void on_image(void *owner, struct image *next, struct image *previous,
                     const struct image_delta *delta) {
    struct publisher *publisher = owner;
    image_notes_send(&publisher->notes, next, previous, delta);
    if (has_broker_settings(delta)) follow_cordon(publisher);
}

static void on_failure(void *owner, enum status why) {
    struct publisher *publisher = owner;
    LOG_ERROR("metadata", "event=metadata-log-failed status=\"%s\"", status_name(why));
    broker_fail(publisher->broker, why);
}

/* --- start and stop --- */

/* controller.quorum.voters, "ID@HOST:PORT", is this node alone. */
static bool is_static_voter(const struct str_list *voters, int32_t node_id) {
    if (voters->count != 1) return false;
    struct str voter = voters->items[0];
    const char *at = memchr(voter.ptr, '@', voter.len);
    int64_t id;
    return at != NULL && str_to_int64((struct str){voter.ptr, (size_t)(at - voter.ptr)}, &id) &&
           id == node_id;
}

enum status publisher_open(struct job *job, struct broker *broker, struct str *ret_message) {
    struct shard *shard = broker->shards[0];
    struct publisher *publisher = MEM_NEW(shard->mem, struct publisher);
    *publisher = (struct publisher){.broker = broker, .shard = shard, .broker_epoch = -1};
    list_init(&publisher->waiting);
    list_init(&publisher->committed);
    image_notes_init(&publisher->notes, broker, on_arrived);
    struct metadata_log_open open = {
        .dir = &shard->dirs[broker->metadata_dir],
        .cluster_id = str_of(broker->cluster_id),
        .node_id = broker->node_id,
        .directory_id = broker->dirs[broker->metadata_dir].id,
        .is_clean = broker->dirs[broker->metadata_dir].clean,
        .is_static_voter =
            is_static_voter(&broker->config->controller_quorum_voters, broker->node_id),
        .mem = shard->mem,
        .on_image = on_image,
        .on_failure = on_failure,
        .owner = publisher,
    };
    enum status st = metadata_log_load(job, &open, &broker->arena, &publisher->log, ret_message);
    if (st != ST_OK) {
        MEM_FREE(shard->mem, publisher);
        return st;
    }
    publisher->notes.applied_offset = image_offset(metadata_log_image(publisher->log));
    broker->publisher = publisher;
    return ST_OK;
}

static void put_endpoint(struct broker_endpoint *endpoint, const struct listener *listener,
                         uint16_t port) {
    *endpoint = (struct broker_endpoint){
        .name = listener->name,
        .host = listener->advertised_host.ptr != NULL ? listener->advertised_host : listener->host,
        .port = listener->advertised_port != 0 ? listener->advertised_port : port,
        .security_protocol = 0, /* PLAINTEXT */
    };
}

/* Their ids, of directories that hold partitions; how many. */
static int32_t online_dirs(const struct broker *broker, struct uuid *ids) {
    int32_t count = 0;
    for (uint32_t i = 0; i < broker->dir_count; i++) {
        const struct broker_dir *dir = &broker->dirs[i];
        if (!dir->failed && !dir->is_for_metadata) ids[count++] = dir->id;
    }
    return count;
}

static void decide_registration(struct decision *d, const struct controller_context *ctx) {
    struct broker *broker = d->publisher->broker;
    const struct listeners *listeners = broker->setup.listeners;
    struct broker_endpoint *endpoints = arena_array(&d->arena, listeners->count, sizeof *endpoints);
    struct uuid *directories = arena_array(&d->arena, broker->dir_count, sizeof *directories);
    struct uuid *cordoned = arena_array(&d->arena, broker->dir_count, sizeof *cordoned);
    ASSERT(endpoints != NULL && directories != NULL && cordoned != NULL);
    for (uint32_t i = 0; i < listeners->count; i++) {
        put_endpoint(&endpoints[i], &listeners->items[i],
                     i < listeners->client_count ? broker->ports[i] : 0);
    }
    int32_t directory_count = online_dirs(broker, directories);
    struct broker_registration registration = {
        .id = broker->node_id,
        .incarnation_id = broker->incarnation_id,
        .rack = broker->config->broker_rack,
        .endpoints = endpoints,
        .endpoint_count = (int32_t)listeners->client_count,
        .controller_endpoints = endpoints + listeners->client_count,
        .controller_endpoint_count = (int32_t)(listeners->count - listeners->client_count),
        .directories = directories,
        .directory_count = directory_count,
        .cordoned = cordoned,
        .cordoned_count = cordoned_dirs(broker, ctx->image, cordoned),
    };
    registration.bootstrap =
        metadata_log_bootstrap(d->publisher->log, &registration.bootstrap_count);
    controller_register(ctx, &registration, &d->publisher->broker_epoch, &d->records);
}

#define ASSIGNMENTS_AT_ONCE 1000u

/* Where it was found at the start; else where it is opened (broker/metadata/apply.c). */
static struct uuid where_it_lies(void *context, const struct topic_image *topic, int32_t index) {
    const struct broker *broker = context;
    uint32_t dir_index = 0;
    const struct image *image = publisher_image(broker->publisher);
    bool has_place = broker_dir_of(broker, image, topic, index, true, &dir_index);
    return has_place ? broker->dirs[dir_index].id : UUID_ZERO;
}

static void decide_directories(struct decision *d, const struct controller_context *ctx) {
    struct broker *broker = d->publisher->broker;
    controller_assign_directories(ctx, broker->node_id, where_it_lies, broker, ASSIGNMENTS_AT_ONCE,
                                  &d->records);
}

static void decide_offline(struct decision *d, const struct controller_context *ctx) {
    const struct broker *broker = d->publisher->broker;
    struct uuid *online = arena_array(&d->arena, broker->dir_count, sizeof *online);
    ASSERT(online != NULL);
    controller_directories_offline(ctx, broker->node_id, online, online_dirs(broker, online),
                                   &d->records);
}

static void offline_decided(struct decision *d, enum status st) {
    if (st != ST_OK)
        LOG_ERROR("metadata", "event=offline-not-recorded status=\"%s\"", status_name(st));
    decision_free(d);
}

void publisher_dirs_failed(struct publisher *publisher) {
    /* Before it the registration says it. */
    if (publisher->broker_epoch < 0 || publisher->log == NULL) return;
    struct decision *d = decision_new(publisher);
    d->decide = decide_offline;
    d->done = offline_decided;
    publisher_submit(publisher, d);
}

/* --- a replica that has moved --- */

static struct uuid where_it_went(void *context, const struct topic_image *topic, int32_t index) {
    const struct decision *d = context;
    const struct directory_assignment *assignment = d->owner;
    bool is_it = index == assignment->index && uuid_eq(topic->id, assignment->topic_id);
    return is_it ? d->publisher->broker->dirs[assignment->dir_index].id : UUID_ZERO;
}

static void decide_assignment(struct decision *d, const struct controller_context *ctx) {
    controller_assign_directories(ctx, d->publisher->broker->node_id, where_it_went, d, 1,
                                  &d->records);
}

static void assignment_decided(struct decision *d, enum status st) {
    struct directory_assignment *assignment = d->owner;
    struct publisher *publisher = d->publisher;
    /* It failed before its partition was known to be there. */
    if (publisher->broker->dirs[assignment->dir_index].failed) publisher_dirs_failed(publisher);
    decision_free(d);
    assignment->status = st;
    assignment->done(assignment);
}

void publisher_assign_directory(struct publisher *publisher,
                                struct directory_assignment *assignment) {
    struct decision *d = decision_new(publisher);
    d->decide = decide_assignment;
    d->is_done_at_commit = true;
    d->done = assignment_decided;
    d->owner = assignment;
    publisher_submit(publisher, d);
}

static void decide_shutdown(struct decision *d, const struct controller_context *ctx) {
    controller_shut_down(ctx, d->publisher->broker->node_id, &d->records);
}

static void wake_decider(struct decision *d, enum status st) {
    struct job *job = d->owner;
    d->status = st;
    if (job != NULL) job_wake(job);
}

/* One decision of our own, waited for. */
static enum status decide_and_wait(struct job *job, struct publisher *publisher,
                                   void (*decide)(struct decision *,
                                                  const struct controller_context *)) {
    struct decision *d = decision_new(publisher);
    d->decide = decide;
    d->done = wake_decider;
    d->status = ST_BUSY;
    publisher_submit(publisher, d);
    if (d->status == ST_BUSY) {
        d->owner = job;
        job_suspend(job);
    }
    enum status st = d->status;
    decision_free(d);
    return st;
}

enum status publisher_lead(struct job *job, struct publisher *publisher, struct str *ret_message) {
    enum status st = metadata_log_lead(job, publisher->log);
    if (st != ST_OK) {
        *ret_message = STR("the metadata log cannot be written");
        return st;
    }
    int64_t end_offset = -1; /* until a decision changes nothing */
    while (st == ST_OK && metadata_log_end(publisher->log) != end_offset) {
        end_offset = metadata_log_end(publisher->log);
        st = decide_and_wait(job, publisher, decide_directories);
    }
    if (st == ST_OK) st = decide_and_wait(job, publisher, decide_registration);
    if (st != ST_OK) *ret_message = STR("the registration cannot be written to the metadata log");
    return st;
}

enum status publisher_shut_down(struct job *job, struct publisher *publisher) {
    return decide_and_wait(job, publisher, decide_shutdown);
}

enum status publisher_close(struct job *job, struct publisher *publisher) {
    ASSERT(publisher_is_idle(publisher));
    enum status st = metadata_log_close(job, publisher->log);
    publisher->log = NULL;
    return st;
}

void publisher_free(struct publisher *publisher) {
    if (publisher != NULL) MEM_FREE(publisher->shard->mem, publisher);
}

bool publisher_saw_deletion(const struct publisher *publisher, struct uuid topic_id) {
    return metadata_log_deleted(publisher->log, topic_id);
}

const struct image *publisher_image(struct publisher *publisher) {
    return metadata_log_image(publisher->log);
}

int64_t publisher_broker_epoch(const struct publisher *publisher) {
    return publisher->broker_epoch;
}
