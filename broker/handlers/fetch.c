/* broker/handlers/fetch.c - Fetch: reading and waiting. One visit per shard reads what is there;
 * when all are home and there is too little, the visits that found less than is asked for stay
 * armed on their partitions and call home when a high watermark moves, until min_bytes are there or
 * max_wait_ms is over. The answer's records are ranges of segment files, held until it has left;
 * their partitions are not, and may go while a receiver takes its time.
 *
 * A visit is, at any time, away (a message or work on the owner is under way) or home; armed means
 * that its waits are linked on the owner while it is home. Nothing of a request is freed before all
 * its visits are home and disarmed. Source: kafka.server.ReplicaManager.fetchMessages,
 * DelayedFetch. */
#include "base/assert.h"
#include "broker/handlers/fetch.h"
#include "broker/net/connection.h"
#include "protocol/errors.h"

#define PARTS_A_SLICE 1000 /* a few milliseconds of a shard */

/* --- on the owner's shard --- */

static void give_back(struct fetch_part *part) {
    if (part->has_segment) {
        log_aborted_release(&part->aborted);
        log_read_release(&part->read);
    }
    part->has_segment = false;
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

/* An error, or a log that has parted from the client's: there is nothing to wait for. */
static bool is_final(const struct fetch_part *part) {
    return part->answer.error_code != KAFKA_NONE || part->answer.diverging_epoch.epoch >= 0;
}

static void on_watermark(struct watermark_wait *wait, enum status st) {
    struct fetch_visit *v = CONTAINER_OF(wait, struct fetch_part, wait)->visit;
    (void)st; /* whatever happened, reading again finds out */
    disarm(v);
    call_home(v);
}

/* As the answer tells it. */
static int64_t readable_end(const struct fetch_part *part) {
    return fetch_is_committed(part->visit->fetch) ? part->answer.last_stable_offset
                                                  : part->answer.high_watermark;
}

/* Waits for the next record of every partition; false when one is there by now, or when a partition
 * that gave some went meanwhile: reading again finds out. */
static bool arm(struct fetch_visit *v) {
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        if (part->partition->state != PARTITION_ONLINE) {
            disarm(v);
            return false;
        }
        part->wait = (struct watermark_wait){.offset = readable_end(part) + 1,
                                             .committed = fetch_is_committed(v->fetch),
                                             .over = on_watermark};
        if (partition_wait(part->partition, &part->wait)) continue;
        disarm(v);
        return false;
    }
    return true;
}

/* An error says nothing of the partition but that it is one. */
static void fail(struct fetch_part *part, int16_t error) {
    struct fetch_response_partition_data *answer = &part->answer;
    answer->error_code = error;
    answer->high_watermark = answer->last_stable_offset = answer->log_start_offset = -1;
    answer->aborted_transactions_count = -1;
}

/* All reads are done. A visit that found too little stays armed when it goes home. */
static void reads_done(struct fetch_visit *v) {
    const struct fetch_request *in = v->fetch->rq->in;
    bool has_error = false;
    uint64_t bytes = 0;
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        if (part->is_using && part->partition->state != PARTITION_ONLINE && !part->has_segment)
            fail(part, partition_problem(part->partition, NO_LEADER_EPOCH));
        has_error = has_error || is_final(part);
        if (part->has_segment) bytes += part->range.bytes;
    }
    bool is_enough = has_error || in->max_wait_ms <= 0 || bytes >= (uint64_t)MAX(in->min_bytes, 0);
    v->is_armed = !is_enough && arm(v);
    bool moved = !is_enough && !v->is_armed;
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        if (part->is_using) partition_unuse(part->partition);
        part->is_using = false;
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

static bool start_read(struct fetch_part *part);

/* true: the part is read. */
static bool take_aborted(struct fetch_part *part) {
    enum status st = part->aborted.status;
    if (st == ST_OK) {
        part->has_segment = true;
        part->range = (struct file_range){
            .file = part->read.file, .position = part->read.position, .bytes = part->read.bytes};
        uint64_t limit = (uint64_t)MAX(part->wish.max_bytes, 0);
        bool counts = limit >= part->read.first_batch_bytes; /* otherwise it may give nothing */
        part->visit->bytes += counts ? MIN(part->range.bytes, limit) : 0;
        return true;
    }
    log_read_release(&part->read);
    if (st == ST_CLOSED) return start_read(part);
    fail(part, read_error(st));
    return true;
}

/* true: the part is read. */
static bool take_read(struct fetch_part *part) {
    struct log_read *read = &part->read;
    if (read->status != ST_OK) fail(part, read_error(read->status));
    if (read->status != ST_OK || read->bytes == 0) return true;
    part->aborted.status = ST_OK;
    if (fetch_is_committed(part->visit->fetch) &&
        !log_aborted_start(part->partition->log, read, &part->aborted))
        return false;
    return take_aborted(part);
}

static void part_done(struct fetch_part *part) {
    if (--part->visit->reading_count == 0) reads_done(part->visit);
}

static void on_read(struct log_read *read) {
    struct fetch_part *part = CONTAINER_OF(read, struct fetch_part, read);
    if (take_read(part)) part_done(part);
}

static void on_aborted(struct log_aborted *aborted) {
    struct fetch_part *part = CONTAINER_OF(aborted, struct fetch_part, aborted);
    if (take_aborted(part)) part_done(part);
}

/* What lies below the end that the answer tells; nothing when those before it fill the answer, only
 * whether its offset is in the log. true: the part is read. */
static bool start_read(struct fetch_part *part) {
    struct log *log = part->partition->log;
    uint64_t bytes = part->visit->bytes;
    bool is_full = bytes > 0 && bytes >= part->visit->fetch->max_bytes;
    part->aborted = (struct log_aborted){.done = on_aborted};
    part->read = (struct log_read){
        .done = on_read,
        .offset = part->wish.offset,
        .upper_offset = is_full ? part->wish.offset : readable_end(part),
        .max_bytes = (uint32_t)MAX(part->wish.max_bytes, 0),
        .whole_first = true,
    };
    return log_read_start(log, &part->read) && take_read(part);
}

/* KIP-595: the client says in which epoch it read last; where that ended here before its offset,
 * it is told so and gets no records. false: the part is done with. */
static bool check_divergence(struct fetch_part *part, const struct partition *p) {
    int32_t epoch = -1;
    int64_t end_offset = -1;
    if (part->wish.last_fetched_epoch < 0) return true;
    log_end_of_epoch(p->log, part->wish.last_fetched_epoch, &epoch, &end_offset);
    if (epoch < 0) {
        fail(part, KAFKA_OFFSET_OUT_OF_RANGE);
        return false;
    }
    if (epoch >= part->wish.last_fetched_epoch && end_offset >= part->wish.offset) return true;
    part->answer.diverging_epoch.epoch = epoch;
    part->answer.diverging_epoch.end_offset = end_offset;
    return false;
}

static void read_part(struct fetch_part *part, struct shard *at) {
    struct fetch_response_partition_data *answer = &part->answer;
    struct partition *p = shard_partition(at, part->topic_id, part->wish.index);
    give_back(part);
    int16_t problem = partition_problem(p, MAX(part->wish.leader_epoch, NO_LEADER_EPOCH));
    if (problem != KAFKA_NONE) {
        fail(part, problem);
        return;
    }
    answer->error_code = KAFKA_NONE;
    answer->high_watermark = p->high_watermark;
    answer->last_stable_offset = p->last_stable_offset;
    answer->log_start_offset = log_start_offset(p->log);
    if (!check_divergence(part, p)) return;
    answer->aborted_transactions_count = fetch_is_committed(part->visit->fetch) ? 0 : -1;
    part->partition = p;
    part->is_using = true;
    partition_use(p);
    part->visit->reading_count++;
    if (start_read(part)) part->visit->reading_count--;
}

/* From v->next on, a slice of the parts at a time: other clients' turns come in between. */
static void read_parts(struct fetch_visit *v) {
    for (uint32_t i = 0; v->next != &v->parts; i++) {
        if (i == PARTS_A_SLICE) {
            io_timer_set(v->at->io, &v->pause, 0);
            return;
        }
        struct fetch_part *part = CONTAINER_OF(v->next, struct fetch_part, link);
        v->next = v->next->next;
        read_part(part, v->at);
    }
    if (--v->reading_count == 0) reads_done(v);
}

static void on_pause_over(struct io_timer *timer) {
    read_parts(CONTAINER_OF(timer, struct fetch_visit, pause));
}

static void visit_read(struct visit *visit, struct shard *at) {
    struct fetch_visit *v = CONTAINER_OF(visit, struct fetch_visit, visit);
    v->at = at;
    disarm(v);
    v->bytes = 0;
    v->reading_count = 1;
    v->next = v->parts.next;
    v->pause.fire = on_pause_over;
    read_parts(v);
}

static void visit_disarm(struct visit *visit, struct shard *at) {
    (void)at;
    struct fetch_visit *v = CONTAINER_OF(visit, struct fetch_visit, visit);
    disarm(v);
    v->is_armed = false;
    visit_return(visit);
}

static void visit_release(struct visit *visit, struct shard *at) {
    struct fetch_visit *v = CONTAINER_OF(visit, struct fetch_visit, visit);
    LIST_EACH(&v->parts, node) {
        struct fetch_part *part = CONTAINER_OF(node, struct fetch_part, link);
        give_back(part);
        if (part->given_bytes == 0) continue;
        struct partition *p = shard_partition(at, part->topic_id, part->wish.index);
        if (p != NULL) p->fetch_bytes += part->given_bytes;
    }
    visit_return(visit);
}

/* --- on the connection's shard --- */

static void all_home(struct fetch *fetch);

static void visit_returned(struct visit *visit) {
    struct fetch *fetch = CONTAINER_OF(visit, struct fetch_visit, visit)->fetch;
    if (--fetch->away_count == 0) all_home(fetch);
}

enum visits { VISIT_ALL, VISIT_CALLED, VISIT_ARMED };

/* Sends the visits that have parts, or fewer; all_home runs when they are back. */
static void send_visits(struct fetch *fetch, void (*work)(struct visit *, struct shard *),
                        enum visits which) {
    uint32_t shard_count = fetch->rq->shard->broker->shard_count;
    fetch->away_count = 1;
    for (uint32_t i = 0; i < shard_count; i++) {
        struct fetch_visit *v = &fetch->visits[i];
        if (v->fetch == NULL || (which == VISIT_CALLED && !v->was_called) ||
            (which == VISIT_ARMED && !v->is_armed))
            continue;
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
    send_visits(v->fetch, visit_read, VISIT_CALLED);
}

static void give_up_waiting(struct fetch *fetch) {
    fetch->is_expired = true;
    if (fetch->phase != FETCH_WAITING) return;
    fetch->phase = FETCH_DISARMING;
    send_visits(fetch, visit_disarm, VISIT_ARMED);
}

static void on_expired(struct io_timer *timer) {
    give_up_waiting(CONTAINER_OF(timer, struct fetch, timer));
}
static void cancel(struct request *rq) { give_up_waiting(rq->state_of_handler); }

/* Enough to answer: an error, min_bytes, or no more time. What is known to be missing does not
 * count: a client that waits for other partitions would ask for it without a pause. */
static bool is_satisfied(const struct fetch *fetch) {
    const struct fetch_request *in = fetch->rq->in;
    uint64_t bytes = 0;
    if (fetch->is_expired || in->max_wait_ms <= 0 || fetch->served_count == 0) return true;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        const struct fetch_part *part = &fetch->parts[i];
        if (part->visit != NULL && is_final(part)) return true;
        if (part->has_segment) bytes += part->range.bytes;
    }
    return bytes >= (uint64_t)MAX(in->min_bytes, 0);
}

static void release(struct request *rq) {
    struct fetch *fetch = rq->state_of_handler;
    fetch->phase = FETCH_RELEASING;
    send_visits(fetch, visit_release, VISIT_ALL);
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
        send_visits(fetch, visit_read, VISIT_CALLED);
        return;
    }
}

static bool put_answer(struct request *rq) {
    struct fetch *fetch = rq->state_of_handler;
    fetch->has_memory = fetch_put_answer(fetch);
    return true; /* without memory a session goes back first */
}

static void answer_put(struct request *rq) {
    struct fetch *fetch = rq->state_of_handler;
    fetch_finish(fetch, fetch->has_memory);
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
        send_visits(fetch, visit_disarm, VISIT_ARMED);
        return;
    case FETCH_DISARMING:
        io_timer_clear(rq->shard->io, &fetch->timer);
        rq->cancel = NULL;
        rq->release = release;
        request_in_turns(rq, put_answer, answer_put);
        return;
    case FETCH_RELEASING: request_free(rq); return;
    case FETCH_WAITING: UNREACHABLE();
    }
}

void fetch_start(struct fetch *fetch) {
    for (uint32_t i = 0; i < fetch->rq->shard->broker->shard_count; i++)
        fetch->visits[i].visit.returned = visit_returned;
    fetch->is_expired = fetch->rq->connection->is_closing; /* nobody waits for it */
    fetch->rq->cancel = cancel;
    send_visits(fetch, visit_read, VISIT_ALL);
}
