/* broker/handlers/fetch.c - API 1, without sessions yet (every request is a full fetch, session id
 * 0). One visit per shard reads what is there; when all are home and there is too little, the
 * visits that found nothing stay armed on their partitions and call home when a high watermark
 * moves, until min_bytes are there or max_wait_ms is over. The answer's records are ranges of
 * segment files, held until it has left.
 *
 * A visit is, at any time, away (a message or work on the owner is under way) or home; armed means
 * that its waits are linked on the owner while it is home. Nothing of a request is freed before all
 * its visits are home and disarmed. Source: kafka.server.ReplicaManager.fetchMessages,
 * DelayedFetch. */
#include "base/assert.h"
#include "broker/handlers/handlers.h"
#include "broker/net/connection.h"
#include "broker/replication/partition.h"
#include "broker/shard/visit.h"
#include "protocol/errors.h"

struct fetch;
struct fetch_visit;

/* One partition of the request, in the request's order. */
struct fetch_part {
    struct list link;          /* in visit->parts */
    struct fetch_visit *visit; /* NULL: its error was known at once */
    const struct fetch_request_partition *in;
    struct fetch_response_partition_data *out;
    struct uuid topic_id;
    struct partition *partition; /* used from the start of the read until no segment is held */
    struct log_read read;
    struct watermark_wait wait;
    struct file_range range;
    bool is_using, has_segment;
};

/* The partitions of one request that live on one shard. */
struct fetch_visit {
    struct visit visit;
    struct fetch *fetch;
    struct shard *at; /* the owner */
    struct list parts;
    uint32_t reading_count; /* parts whose read is under way */
    struct io_message
        call;        /* a high watermark moved; never under way while the visit is asked to read */
    bool was_called; /* home's: to be asked again */
};

enum fetch_phase { FETCH_READING, FETCH_WAITING, FETCH_DISARMING, FETCH_RELEASING };

struct fetch {
    struct request *rq;
    struct fetch_part *parts;
    uint32_t part_count;
    struct fetch_visit *visits; /* one per shard; those without parts are never sent */
    uint32_t away_count;        /* visits away, and one while they are being sent */
    enum fetch_phase phase;
    bool is_expired;
    struct io_timer timer;
};

/* --- on the owner's shard --- */

static void stop_using(struct fetch_part *part) {
    if (part->has_segment) log_read_release(&part->read);
    part->has_segment = false;
    if (part->is_using) partition_unuse(part->partition);
    part->is_using = false;
}

static void disarm(struct fetch_visit *v) {
    LIST_EACH(&v->parts, node) list_remove(&CONTAINER_OF(node, struct fetch_part, link)->wait.link);
}

static void called_home(struct io_message *message, struct io *at);

static void call_home(struct fetch_visit *v) {
    if (v->at == v->visit.home) {
        called_home(&v->call, v->at->io);
        return;
    }
    v->call.deliver = called_home;
    io_post(v->at->io, v->visit.home->index, &v->call);
}

static void on_watermark(struct watermark_wait *wait, enum status st) {
    struct fetch_visit *v = CONTAINER_OF(wait, struct fetch_part, wait)->visit;
    (void)st; /* whatever happened, reading again finds out */
    disarm(v);
    call_home(v);
}

/* Waits for the next record of every partition; false when one is there by now. */
static bool arm(struct fetch_visit *v) {
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        part->wait =
            (struct watermark_wait){.offset = part->out->high_watermark + 1, .over = on_watermark};
        if (partition_wait(part->partition, &part->wait)) continue;
        disarm(v);
        return false;
    }
    return true;
}

/* All reads are done. A visit that found nothing stays armed when it goes home. */
static void reads_done(struct fetch_visit *v) {
    bool has_news = false;
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        if (part->is_using && part->partition->state != PARTITION_ONLINE && !part->has_segment) {
            part->out->error_code = partition_problem(part->partition, -1);
        }
        has_news = has_news || part->has_segment || part->out->error_code != KAFKA_NONE;
    }
    bool moved = !has_news && !arm(v);
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        if (!part->has_segment) stop_using(part);
    }
    if (moved) call_home(v); /* arrives before the visit does */
    visit_return(&v->visit);
}

static int16_t read_error(enum status st) {
    switch (st) {
    case ST_RANGE: return KAFKA_OFFSET_OUT_OF_RANGE;
    case ST_CORRUPT: return KAFKA_CORRUPT_MESSAGE;
    default: return KAFKA_KAFKA_STORAGE_ERROR;
    }
}

static void take_read(struct fetch_part *part) {
    struct log_read *read = &part->read;
    if (read->status != ST_OK) {
        part->out->error_code = read_error(read->status);
    } else if (read->bytes > 0) {
        part->has_segment = true;
        part->range = (struct file_range){
            .file = read->file, .position = read->position, .bytes = read->bytes};
    }
}

static void on_read(struct log_read *read) {
    struct fetch_part *part = CONTAINER_OF(read, struct fetch_part, read);
    take_read(part);
    if (--part->visit->reading_count == 0) reads_done(part->visit);
}

static void read_part(struct fetch_part *part, struct shard *at) {
    struct fetch_response_partition_data *out = part->out;
    struct partition *p = shard_partition(at, part->topic_id, part->in->partition);
    stop_using(part);
    out->error_code = partition_problem(p, part->in->current_leader_epoch);
    if (out->error_code != KAFKA_NONE) return;
    out->high_watermark = p->high_watermark;
    out->last_stable_offset = p->high_watermark;
    out->log_start_offset = log_start_offset(p->log);
    part->partition = p;
    part->is_using = true;
    partition_use(p);
    part->read = (struct log_read){
        .done = on_read,
        .offset = part->in->fetch_offset,
        .upper_offset = p->high_watermark,
        .max_bytes = (uint32_t)MAX(part->in->partition_max_bytes, 0),
        .whole_first = true,
    };
    part->visit->reading_count++;
    if (!log_read_start(p->log, &part->read)) return;
    take_read(part);
    part->visit->reading_count--;
}

static void visit_read(struct visit *visit, struct shard *at) {
    struct fetch_visit *v = CONTAINER_OF(visit, struct fetch_visit, visit);
    v->at = at;
    disarm(v);
    v->reading_count = 1;
    LIST_EACH(&v->parts, node) read_part(CONTAINER_OF(node, struct fetch_part, link), at);
    if (--v->reading_count == 0) reads_done(v);
}

static void visit_disarm(struct visit *visit, struct shard *at) {
    (void)at;
    disarm(CONTAINER_OF(visit, struct fetch_visit, visit));
    visit_return(visit);
}

static void visit_release(struct visit *visit, struct shard *at) {
    (void)at;
    struct fetch_visit *v = CONTAINER_OF(visit, struct fetch_visit, visit);
    LIST_EACH(&v->parts, node) stop_using(CONTAINER_OF(node, struct fetch_part, link));
    visit_return(visit);
}

/* --- on the connection's shard --- */

static void all_home(struct fetch *fetch);

static void visit_returned(struct visit *visit) {
    struct fetch *fetch = CONTAINER_OF(visit, struct fetch_visit, visit)->fetch;
    if (--fetch->away_count == 0) all_home(fetch);
}

/* Sends the visits that have parts (only those that called, when asked so); all_home runs when they
 * are back. */
static void send_visits(struct fetch *fetch, void (*work)(struct visit *, struct shard *),
                        bool only_called) {
    uint32_t shard_count = fetch->rq->shard->broker->shard_count;
    fetch->away_count = 1;
    for (uint32_t i = 0; i < shard_count; i++) {
        struct fetch_visit *v = &fetch->visits[i];
        if (v->fetch == NULL || (only_called && !v->was_called)) continue;
        v->was_called = false;
        v->visit.work = work;
        fetch->away_count++;
        visit_go(&v->visit);
    }
    if (--fetch->away_count == 0) all_home(fetch);
}

static void called_home(struct io_message *message, struct io *at) {
    (void)at;
    struct fetch_visit *v = CONTAINER_OF(message, struct fetch_visit, call);
    v->was_called = true;
    if (v->fetch->phase != FETCH_WAITING) return; /* all_home looks again */
    v->fetch->phase = FETCH_READING;
    send_visits(v->fetch, visit_read, true);
}

static void give_up_waiting(struct fetch *fetch) {
    fetch->is_expired = true;
    if (fetch->phase != FETCH_WAITING) return;
    fetch->phase = FETCH_DISARMING;
    send_visits(fetch, visit_disarm, false);
}

static void on_expired(struct io_timer *timer) {
    give_up_waiting(CONTAINER_OF(timer, struct fetch, timer));
}
static void cancel(struct request *rq) { give_up_waiting(rq->state_of_handler); }

/* Enough to answer: an error, min_bytes, or no more time. */
static bool is_satisfied(const struct fetch *fetch) {
    const struct fetch_request *in = fetch->rq->in;
    uint64_t bytes = 0;
    if (fetch->is_expired || in->max_wait_ms <= 0 || fetch->part_count == 0) return true;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        if (fetch->parts[i].out->error_code != KAFKA_NONE) return true;
        if (fetch->parts[i].has_segment) bytes += fetch->parts[i].range.bytes;
    }
    return bytes >= (uint64_t)MAX(in->min_bytes, 0);
}

/* The size limits, in the order of the request: the first partition with records gives its first
 * batch whole. */
static void fill_records(struct fetch *fetch) {
    struct shard *shard = fetch->rq->shard;
    const struct fetch_request *in = fetch->rq->in;
    uint64_t left =
        (uint64_t)MIN((int64_t)MAX(in->max_bytes, 0), shard->broker->config->fetch_max_bytes);
    bool is_first = true;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        part->out->records = (struct records){.bytes = {(const uint8_t *)"", 0}};
        metrics_add(&shard->metrics, METRIC_FETCH_FAILED, part->out->error_code != KAFKA_NONE);
        if (!part->has_segment) continue;
        uint64_t at_least = is_first ? part->read.first_batch_bytes : 0;
        uint64_t limit = MIN((uint64_t)MAX(part->in->partition_max_bytes, 0), left);
        uint64_t take = MIN(part->range.bytes, MAX(limit, at_least));
        if (take == 0) continue;
        is_first = false;
        left -= MIN(left, take);
        part->range.bytes = take;
        part->out->records = (struct records){.external_bytes = take, .external = &part->range};
        metrics_add(&shard->metrics, METRIC_FETCH_BYTES, take);
    }
}

static void release(struct request *rq) {
    struct fetch *fetch = rq->state_of_handler;
    fetch->phase = FETCH_RELEASING;
    send_visits(fetch, visit_release, false);
}

static void start_waiting(struct fetch *fetch) {
    struct io *io = fetch->rq->shard->io;
    const struct fetch_request *in = fetch->rq->in;
    fetch->phase = FETCH_WAITING;
    if (!io_timer_is_set(&fetch->timer)) {
        fetch->timer.fire = on_expired;
        io_timer_set(io, &fetch->timer,
                     fetch->rq->started.mono_us + (uint64_t)in->max_wait_ms * 1000);
    }
    for (uint32_t i = 0; i < io->shard_count; i++) {
        if (!fetch->visits[i].was_called) continue;
        fetch->phase = FETCH_READING;
        send_visits(fetch, visit_read, true);
        return;
    }
}

static void all_home(struct fetch *fetch) {
    struct request *rq = fetch->rq;
    switch (fetch->phase) {
    case FETCH_READING:
        if (!is_satisfied(fetch)) {
            start_waiting(fetch);
            return;
        }
        fetch->phase = FETCH_DISARMING;
        send_visits(fetch, visit_disarm, false);
        return;
    case FETCH_DISARMING:
        io_timer_clear(rq->shard->io, &fetch->timer);
        fill_records(fetch);
        rq->cancel = NULL;
        rq->release = release;
        request_respond(rq);
        return;
    case FETCH_RELEASING: request_free(rq); return;
    case FETCH_WAITING: UNREACHABLE();
    }
}

/* --- taking the request apart --- */

static const struct topic_image *find_topic(const struct request *rq,
                                            const struct fetch_request_topic *topic) {
    const struct image *image = rq->shard->image;
    if (rq->header.request_api_version >= 13) return image_topic_by_id(image, topic->topic_id);
    return image_topic_by_name(image, topic->topic);
}

static int16_t early_problem(const struct request *rq, const struct topic_image *topic,
                             int32_t index) {
    if (topic == NULL) {
        return rq->header.request_api_version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID
                                                    : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return index < 0 || index >= topic->partition_count ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                                        : KAFKA_NONE;
}

static bool add_topic(struct fetch *fetch, const struct fetch_request_topic *in,
                      struct fetch_response_fetchable_topic *out) {
    struct request *rq = fetch->rq;
    const struct topic_image *topic = find_topic(rq, in);
    int32_t count = MAX(in->partitions_count, 0);
    out->topic = in->topic;
    out->topic_id = in->topic_id;
    out->partitions = fetch_response_partition_data_array(&rq->arena, count);
    if (out->partitions == NULL && count > 0) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct fetch_part *part = &fetch->parts[fetch->part_count++];
        *part = (struct fetch_part){.in = &in->partitions[i], .out = &out->partitions[i]};
        part->out->partition_index = part->in->partition;
        part->out->high_watermark = -1;
        part->out->aborted_transactions_count = -1;
        part->out->error_code = early_problem(rq, topic, part->in->partition);
        if (part->out->error_code != KAFKA_NONE) continue;
        part->topic_id = topic->id;
        part->visit =
            &fetch->visits[shard_of_partition(rq->shard->broker, topic->id, part->in->partition)];
        part->visit->fetch = fetch;
        list_push_back(&part->visit->parts, &part->link);
    }
    return true;
}

static struct fetch *fetch_new(struct request *rq) {
    const struct fetch_request *in = rq->in;
    struct broker *broker = rq->shard->broker;
    size_t part_count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        part_count += (size_t)MAX(in->topics[i].partitions_count, 0);
    struct fetch *fetch = ARENA_NEW(&rq->arena, struct fetch);
    if (fetch == NULL) return NULL;
    fetch->rq = rq;
    fetch->parts = arena_array(&rq->arena, part_count, sizeof *fetch->parts);
    fetch->visits = arena_array(&rq->arena, broker->shard_count, sizeof *fetch->visits);
    if (fetch->parts == NULL || fetch->visits == NULL ||
        !request_reserve_cuts(rq, (uint32_t)part_count))
        return NULL;
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        fetch->visits[i].visit =
            (struct visit){.home = rq->shard, .target = i, .returned = visit_returned};
        list_init(&fetch->visits[i].parts);
    }
    return fetch;
}

void handle_fetch(struct request *rq) {
    const struct fetch_request *in = rq->in;
    struct fetch_response *out = rq->out;
    struct fetch *fetch = fetch_new(rq);
    int32_t topic_count = MAX(in->topics_count, 0);
    out->responses = fetch_response_fetchable_topic_array(&rq->arena, topic_count);
    bool has_memory = fetch != NULL && (out->responses != NULL || topic_count == 0);
    out->responses_count = has_memory ? topic_count : 0;
    for (int32_t i = 0; has_memory && i < topic_count; i++) {
        has_memory = add_topic(fetch, &in->topics[i], &out->responses[i]);
    }
    if (!has_memory) {
        request_abandon(rq, true);
        return;
    }
    rq->state_of_handler = fetch;
    rq->cancel = cancel;
    send_visits(fetch, visit_read, false);
}
