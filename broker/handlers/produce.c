/* broker/handlers/produce.c - API 0. Each partition's batch goes to the shard that owns it: walked,
 * stamped, queued on the log; it is answered when it is in the file (acks=1) or below the high
 * watermark (acks=all). A batch that is long to walk is walked by a worker (batch_work.h); it and
 * what comes for the partition meanwhile stand in the partition's line, so that batches are
 * appended, and their sequences checked, in the order in which they came.
 * Source: kafka.server.ReplicaManager.appendRecords, KafkaApis.handleProduceRequest. */
#include "base/assert.h"
#include "broker/handlers/batch_work.h"
#include "broker/handlers/cluster.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/produce_once.h"
#include "broker/net/connection.h"
#include "broker/replication/partition.h"
#include "broker/shard/visit.h"
#include "protocol/errors.h"

struct produce_visit;

/* One partition of the request. */
struct produce_part {
    struct list link; /* in visit->parts */
    struct produce_visit *visit;
    const struct produce_request_partition_data *in;
    struct produce_response_partition *out;
    struct uuid topic_id;
    struct str topic;
    struct bytes batch;
    int32_t pack_codec, pack_level; /* -1: the batch stays as it is */
    size_t pack_bytes_max;
    enum status pack_status;
    struct batch_packer *packer; /* NULL: not packed yet */
    uint8_t *packed; /* the batch in the topic's codec; the partition's shard's, until appended */
    size_t packed_bytes;
    struct partition *partition; /* used until the append is done */
    struct log_append append;
    struct watermark_wait wait;
    struct batch_rules
        rules; /* as they were: the home shard walks a refused batch again for the error texts */
    enum batch_fault fault;
    bool is_waiting;
    /* A long batch, and what waits for one; at home again for the error texts. */
    struct list place; /* in partition->line */
    struct batch_work work;
    struct batch_report report;
    bool is_walking, is_walked;
    bool is_full; /* refused for lack of room */
};

/* The partitions of one request that live on one shard. */
struct produce_visit {
    struct visit visit;
    struct produce *produce;
    struct list parts;
    uint32_t open_count; /* parts that have no result yet */
    struct shard *at;
    struct io_timer timer; /* timeout_ms of acks=all */
    bool is_late;          /* it has fired */
    uint32_t throttle_ms;  /* by which the file systems written to ask to slow down */
};

struct produce {
    struct request *rq;
    int16_t acks;
    int32_t timeout_ms;
    bool is_stray_transaction;
    uint32_t open_count; /* visits and explanations under way, and one while they are being sent */
    uint32_t throttle_ms;
    struct produce_visit *visits; /* one per shard */
};

#define FULL_MESSAGE                                                                               \
    "The file system of the partition's log directory is full: free some room there, delete "      \
    "topics or records, or lower klamm.disk.free.reject; the request can be sent again."

/* --- on the partition's shard --- */

static void free_packed(struct produce_part *part) {
    if (part->packed != NULL) mem_free(part->visit->at->mem, part->packed, part->packed_bytes);
    part->packed = NULL;
}

static void part_finish(struct produce_part *part, int16_t error) {
    struct produce_visit *v = part->visit;
    part->out->error_code = error;
    free_packed(part);
    metrics_add(&v->at->metrics, METRIC_PRODUCE_FAILED, error != KAFKA_NONE);
    if (--v->open_count > 0) return;
    io_timer_clear(v->at->io, &v->timer);
    visit_return(&v->visit);
}

static void on_watermark(struct watermark_wait *wait, enum status st) {
    struct produce_part *part = CONTAINER_OF(wait, struct produce_part, wait);
    part->is_waiting = false;
    part_finish(part, st == ST_OK   ? KAFKA_NONE
                      : st == ST_IO ? KAFKA_KAFKA_STORAGE_ERROR
                                    : KAFKA_NOT_LEADER_OR_FOLLOWER);
}

static void on_timeout(struct io_timer *timer) {
    struct produce_visit *v = CONTAINER_OF(timer, struct produce_visit, timer);
    uint32_t waiting = 0;
    v->is_late = true;
    LIST_EACH(&v->parts, node) waiting += CONTAINER_OF(node, struct produce_part, link)->is_waiting;
    LIST_EACH(&v->parts, node) {
        struct produce_part *part = CONTAINER_OF(node, struct produce_part, link);
        if (!part->is_waiting) continue;
        part->is_waiting = false;
        list_remove(&part->wait.link);
        part_finish(part, KAFKA_REQUEST_TIMED_OUT);
        if (--waiting == 0) return; /* the visit may be home already */
    }
}

/* Waits for the high watermark; false: *ret_error is the answer now. */
static bool await_watermark(struct produce_part *part, struct partition *p, int64_t offset,
                            int16_t *ret_error) {
    part->wait = (struct watermark_wait){.offset = offset, .over = on_watermark};
    *ret_error = KAFKA_NONE;
    if (!partition_wait(p, &part->wait)) return false;
    part->is_waiting = !part->visit->is_late;
    if (part->is_waiting) return true;
    list_remove(&part->wait.link);
    *ret_error = KAFKA_REQUEST_TIMED_OUT;
    return false;
}

static void on_appended(struct log_append *append) {
    struct produce_part *part = CONTAINER_OF(append, struct produce_part, append);
    struct produce_visit *v = part->visit;
    struct partition *p = part->partition;
    free_packed(part);
    if (append->status != ST_OK) {
        part->is_full = append->status == ST_NO_SPACE;
        partition_unuse(p);
        part_finish(part, KAFKA_KAFKA_STORAGE_ERROR);
        return;
    }
    part->out->base_offset = append->base_offset;
    part->out->log_start_offset = log_start_offset(p->log);
    p->produce_bytes += append->batch_bytes;
    p->produce_records += (uint64_t)append->record_count;
    metrics_add(&v->at->metrics, METRIC_PRODUCE_BYTES, append->batch_bytes);
    metrics_add(&v->at->metrics, METRIC_PRODUCE_RECORDS, (uint64_t)append->record_count);
    bool must_flush = p->flush_before_ack;
    if (must_flush && v->produce->acks == -1) log_sync(p->log);
    if (must_flush && v->produce->acks != -1) partition_sync_soon(p);
    int16_t error = KAFKA_NONE;
    bool must_wait = false;
    if (v->produce->acks == -1) {
        if (p->state == PARTITION_ONLINE) {
            must_wait = await_watermark(part, p, append->last_offset + 1, &error);
        } else if (p->state == PARTITION_LEAVING) {
            error = KAFKA_NOT_LEADER_OR_FOLLOWER;
        }
    }
    partition_unuse(p);
    if (!must_wait) part_finish(part, error);
}

/* The answer to a batch that was appended before: where it is, once it counts. true: *ret_error
 * is the answer now. */
static bool answer_duplicate(struct produce_part *part, struct partition *p,
                             const struct producer_batch *duplicate, int16_t *ret_error) {
    part->out->base_offset = duplicate->last_offset - duplicate->offset_delta;
    part->out->log_start_offset = log_start_offset(p->log);
    part->out->log_append_time_ms = duplicate->timestamp_ms; /* even where that is CreateTime */
    bool is_written = duplicate->last_offset < log_end(p->log);
    if (part->visit->produce->acks != -1 && is_written) return true;
    return !await_watermark(part, p, duplicate->last_offset + 1, ret_error);
}

static struct batch_rules rules_of(const struct partition *p, struct now now) {
    const struct log_config *config = log_get_config(p->log);
    return (struct batch_rules){
        .from_client = true,
        .compacted = (config->cleanup_policy & CLEANUP_COMPACT) != 0,
        .log_append_time = config->message_timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
        .now_ms = now.wall_ms,
        .timestamp_before_max_ms = config->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = config->message_timestamp_after_max_ms,
        .batch_bytes_max = (size_t)config->max_message_bytes,
        .plain_bytes_max = MAX((size_t)config->max_message_bytes * 64, (size_t)64 << 20),
    };
}

/* What the leader writes into the batch before its offsets are known. */
static void stamp_time(struct produce_part *part, const struct batch_report *report) {
    struct log_append *append = &part->append;
    uint8_t *octets = append->batch; /* the frame is ours */
    append->max_timestamp_ms = report->max_timestamp;
    append->max_timestamp_offset_delta = MAX(report->max_timestamp_delta, 0);
    if (part->rules.log_append_time) {
        batch_set_log_append_time(octets, part->rules.now_ms);
        append->max_timestamp_ms = part->rules.now_ms;
        append->max_timestamp_offset_delta = report->view.last_offset_delta;
        part->out->log_append_time_ms = part->rules.now_ms;
    } else if (report->rewrite_max_timestamp) {
        batch_set_max_timestamp(octets, report->max_timestamp);
    }
}

/* --- compression.type: the batch in the topic's codec, in memory of its own --- */

#define PACK_HERE_BYTES 4096u /* longer ones are packed by a worker: gzip takes 20 ns an octet */

static void choose_codec(struct produce_part *part, const struct log_config *config) {
    struct batch_view view;
    bool wants = config->compression_type >= 0 && batch_peek(part->batch, &view) == ST_OK &&
                 batch_codec(&view) != (enum codec)config->compression_type;
    part->pack_codec = wants ? config->compression_type : -1;
    part->pack_level = config->compression_level;
    part->pack_bytes_max = (size_t)config->max_message_bytes;
}

static bool is_long_to_pack(const struct produce_part *part) {
    return part->pack_codec >= 0 && part->batch.len > PACK_HERE_BYTES;
}

/* Where there is a scratch: a worker, or the shard. */
static enum status pack(struct produce_part *part, struct batch_scratch *scratch) {
    part->packer = &scratch->packer;
    part->pack_status = batch_pack(part->packer, &scratch->decompressor, part->batch,
                                   (enum codec)part->pack_codec, part->pack_level);
    return part->pack_status;
}

/* On the shard, while the packer holds its result. */
static void take_packed(struct produce_part *part) {
    const struct octets *packed = &part->packer->packed;
    if (part->pack_status != ST_OK) return;
    part->packed_bytes = packed->len;
    part->packed = mem_alloc(part->visit->at->mem, packed->len);
    if (part->packed != NULL) memcpy(part->packed, packed->data, packed->len);
}

/* Packs what no worker has packed. */
static int16_t pack_here(struct produce_part *part) {
    if (part->pack_codec < 0) return KAFKA_NONE;
    if (part->packer == NULL) {
        (void)pack(part, &part->visit->at->scratch); /* part->pack_status has it, too */
        take_packed(part);
    }
    if (part->pack_status == ST_OK && part->packed_bytes > part->pack_bytes_max) {
        free_packed(part);
        return KAFKA_MESSAGE_TOO_LARGE; /* measured anew, as Kafka does */
    }
    return part->packed != NULL ? KAFKA_NONE : KAFKA_UNKNOWN_SERVER_ERROR;
}

static bool settle(int16_t *ret_error, int16_t error) {
    *ret_error = error;
    return true;
}

static int16_t producer_error(enum producer_verdict verdict) {
    switch (verdict) {
    case PRODUCER_OUT_OF_ORDER: return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case PRODUCER_FENCED: return KAFKA_INVALID_PRODUCER_EPOCH;
    case PRODUCER_IN_TRANSACTION: return KAFKA_INVALID_TXN_STATE;
    case PRODUCER_APPEND:
    case PRODUCER_DUPLICATE:
    case PRODUCER_COORDINATOR_FENCED: break; /* no errors, and of markers only */
    }
    UNREACHABLE();
}

/* Takes what the walk found, and queues the batch on the log. true: nothing is left to wait for,
 * *ret_error is the answer. */
static bool append_walked(struct produce_part *part, struct partition *p, int16_t *ret_error) {
    const struct batch_report *report = &part->report;
    *ret_error = KAFKA_NONE;
    if (part->fault != BATCH_OK) {
        if (batch_fault_tells_start(part->fault))
            part->out->log_start_offset = log_start_offset(p->log);
        return settle(ret_error, batch_fault_error(part->fault));
    }
    if (batch_is_transactional(&report->view))
        return settle(ret_error, KAFKA_INVALID_TXN_STATE); /* there is no coordinator yet */
    struct producer_batch duplicate = {0};
    enum producer_verdict verdict = log_check_producer(p->log, &report->view, &duplicate);
    if (verdict == PRODUCER_DUPLICATE) return answer_duplicate(part, p, &duplicate, ret_error);
    if (verdict != PRODUCER_APPEND) {
        part->out->log_start_offset = log_start_offset(p->log);
        return settle(ret_error, producer_error(verdict));
    }
    part->append = (struct log_append){
        .done = on_appended,
        .batch = (uint8_t *)(uintptr_t)part->batch.ptr,
        .batch_bytes = (uint32_t)part->batch.len,
        .record_count = report->view.last_offset_delta + 1,
        .leader_epoch = p->leader_epoch,
    };
    *ret_error = pack_here(part);
    if (*ret_error != KAFKA_NONE) return true;
    if (part->packed != NULL) {
        part->append.batch = part->packed;
        part->append.batch_bytes = (uint32_t)part->packed_bytes;
    }
    stamp_time(part, report);
    enum status st = log_append(p->log, &part->append);
    if (st != ST_OK) free_packed(part);
    if (st == ST_TOO_LARGE) return settle(ret_error, KAFKA_RECORD_LIST_TOO_LARGE);
    part->is_full = st == ST_NO_SPACE;
    if (st != ST_OK) return settle(ret_error, KAFKA_KAFKA_STORAGE_ERROR);
    part->partition = p;
    partition_use(p);
    return false;
}

/* --- the line of a partition, while a batch of it is with a worker --- */

static bool walk(struct batch_work *work, struct batch_scratch *scratch) {
    struct produce_part *part = CONTAINER_OF(work, struct produce_part, work);
    part->fault = batch_walk(part->batch, &part->rules, scratch, &part->report);
    if (part->fault == BATCH_OK && part->pack_codec >= 0) return pack(part, scratch) != ST_NOMEM;
    return part->fault != BATCH_NOMEM;
}

/* false: it is long, nothing is said of the batch. */
static bool walk_here(struct shard *at, struct produce_part *part) {
    return !is_long_to_pack(part) && batch_walk_briefly(&at->batch_workers, part->batch,
                                                        &part->rules, &part->report, &part->fault);
}

static void serve_line(struct shard *at, struct partition *p);

static void on_walked(struct batch_work *work) {
    struct produce_part *part = CONTAINER_OF(work, struct produce_part, work);
    part->is_walking = false;
    part->is_walked = true;
    if (part->packer != NULL) take_packed(part);
    serve_line(part->visit->at, part->partition);
}

static void walk_by_worker(struct shard *at, struct produce_part *part) {
    part->is_walking = true;
    metrics_add(&at->metrics, METRIC_LONG_BATCHES, 1);
    part->work = (struct batch_work){.run = walk, .done = on_walked};
    batch_work_start(&at->batch_workers, &part->work);
}

/* Appends from its front what has been walked, or is short. */
static void serve_line(struct shard *at, struct partition *p) {
    partition_use(p);
    while (!list_is_empty(&p->line)) {
        struct produce_part *part = CONTAINER_OF(p->line.next, struct produce_part, place);
        if (part->is_walking) break;
        if (!part->is_walked && !walk_here(at, part)) {
            walk_by_worker(at, part);
            break;
        }
        list_remove(&part->place);
        int16_t error = partition_problem(p, -1);
        bool is_settled = error != KAFKA_NONE || append_walked(part, p, &error);
        partition_unuse(p); /* of its place in the line */
        if (is_settled) part_finish(part, error);
    }
    partition_unuse(p);
}

static void stand_in_line(struct shard *at, struct produce_part *part, struct partition *p) {
    bool is_first = list_is_empty(&p->line); /* then it was tried */
    part->partition = p;
    partition_use(p);
    list_push_back(&p->line, &part->place);
    if (is_first || is_long_to_pack(part) || batch_is_long(&at->batch_workers, part->batch))
        walk_by_worker(at, part);
}

/* true: nothing is left to wait for, *ret_error is the answer. */
static bool append_part(struct produce_part *part, struct shard *at, int16_t *ret_error) {
    struct partition *p = shard_partition(at, part->topic_id, part->in->index);
    *ret_error = partition_problem(p, -1);
    if (*ret_error != KAFKA_NONE) return true;
    if (!topic_is_internal(p->topic)) {
        const struct disk_state *disk = &at->disks[log_directory(p->log) - at->dirs];
        part->is_full = disk->rung == DISK_REJECT;
        if (part->is_full) return settle(ret_error, KAFKA_KAFKA_STORAGE_ERROR);
        part->visit->throttle_ms = MAX(part->visit->throttle_ms, disk->throttle_ms);
    }
    /* min.insync.replicas is at most the number of replicas, and the only one is in sync. */
    part->rules = rules_of(p, at->io->now);
    part->fault = batch_single(part->in->records.bytes, &part->batch);
    if (part->fault != BATCH_OK) return append_walked(part, p, ret_error);
    choose_codec(part, log_get_config(p->log));
    if (list_is_empty(&p->line) && walk_here(at, part)) return append_walked(part, p, ret_error);
    stand_in_line(at, part, p);
    return false;
}

static void visit_work(struct visit *visit, struct shard *at) {
    struct produce_visit *v = CONTAINER_OF(visit, struct produce_visit, visit);
    v->at = at;
    if (v->produce->acks == -1) {
        v->timer.fire = on_timeout;
        io_timer_set(at->io, &v->timer,
                     at->io->now.mono_us + (uint64_t)MAX(v->produce->timeout_ms, 0) * 1000);
    }
    /* log_append never completes from within, so only refusals finish here; the last one may end
     * the visit. */
    struct list *node = v->parts.next;
    for (uint32_t left = v->open_count; left > 0; left--) {
        struct produce_part *part = CONTAINER_OF(node, struct produce_part, link);
        node = node->next;
        int16_t error = KAFKA_NONE;
        if (append_part(part, at, &error)) part_finish(part, error);
    }
}

/* --- on the connection's shard --- */

/* The texts of a refused batch, by what walking it again found. */
static void explain(struct produce_part *part) {
    struct request *rq = part->visit->produce->rq;
    const struct batch_report *report = &part->report;
    if (!batch_fault_lists_records(part->fault)) return;
    struct strbuf text;
    strbuf_init(&text, rq->shard->mem);
    batch_errors_text(&text, part->fault, report, &part->rules, part->topic, part->in->index);
    part->out->error_message = arena_str(&rq->arena, strbuf_str(&text));
    int32_t count = MIN(report->error_count, BATCH_RECORD_ERRORS_MAX);
    part->out->record_errors =
        produce_response_batch_index_and_error_message_array(&rq->arena, count);
    if (part->out->record_errors == NULL) count = 0;
    part->out->record_errors_count = count;
    for (int32_t i = 0; i < count; i++) {
        strbuf_clear(&text);
        batch_record_error_text(&text, &report->errors[i], &part->rules, part->topic,
                                part->in->index);
        part->out->record_errors[i].batch_index = report->errors[i].index;
        part->out->record_errors[i].batch_index_error_message =
            arena_str(&rq->arena, strbuf_str(&text));
    }
    strbuf_release(&text);
}

/* KIP-951: who leads, for a client that asked the wrong node. */
static void tell_leader(struct produce *produce, const struct produce_part *part) {
    struct request *rq = produce->rq;
    struct produce_response *out = rq->out;
    if (rq->header.request_api_version < 10 ||
        part->out->error_code != KAFKA_NOT_LEADER_OR_FOLLOWER)
        return;
    const struct topic_image *topic = image_topic_by_id(rq->shard->image, part->topic_id);
    if (topic == NULL || part->in->index >= topic->partition_count) return;
    const struct partition_image *partition = &topic->partitions[part->in->index];
    part->out->current_leader.leader_id = partition->leader;
    part->out->current_leader.leader_epoch = partition->leader_epoch;
    struct leader_address address;
    if (out->node_endpoints_count > 0 || !leader_address_of(rq, partition->leader, &address))
        return;
    out->node_endpoints = produce_response_node_endpoint_array(&rq->arena, 1);
    if (out->node_endpoints == NULL) return; /* the client asks for metadata instead */
    out->node_endpoints_count = 1;
    out->node_endpoints[0].node_id = partition->leader;
    out->node_endpoints[0].host = address.host;
    out->node_endpoints[0].port = address.port;
    out->node_endpoints[0].rack = address.rack;
}

static void finish(struct produce *produce) {
    struct request *rq = produce->rq;
    struct produce_response *out = rq->out;
    bool failed = false;
    for (int32_t t = 0; t < out->responses_count; t++) {
        for (int32_t i = 0; i < out->responses[t].partition_responses_count; i++) {
            failed = failed || out->responses[t].partition_responses[i].error_code != KAFKA_NONE;
        }
    }
    if (produce->throttle_ms > 0) {
        out->throttle_time_ms = (int32_t)produce->throttle_ms;
        connection_mute(rq->connection, produce->throttle_ms);
    }
    if (produce->acks == 0) {
        request_abandon(rq, failed); /* the only way to tell a client that asked for no answer */
    } else {
        request_respond(rq);
    }
}

static void on_explained(struct batch_work *work) {
    struct produce_part *part = CONTAINER_OF(work, struct produce_part, work);
    struct produce *produce = part->visit->produce;
    explain(part);
    if (--produce->open_count == 0) finish(produce);
}

/* A batch that is refused for its records was not touched, so walking it again under the same rules
 * finds the same; what the first walk found stayed with the partition's shard. */
static void look_again(struct produce_part *part) {
    struct produce *produce = part->visit->produce;
    struct batch_workers *workers = &produce->rq->shard->batch_workers;
    if (!batch_fault_lists_records(part->fault)) return;
    if (batch_walk_briefly(workers, part->batch, &part->rules, &part->report, &part->fault)) {
        explain(part);
        return;
    }
    produce->open_count++;
    part->work = (struct batch_work){.run = walk, .done = on_explained};
    batch_work_start(workers, &part->work);
}

static void visit_returned(struct visit *visit) {
    struct produce_visit *v = CONTAINER_OF(visit, struct produce_visit, visit);
    struct produce *produce = v->produce;
    LIST_EACH(&v->parts, node) {
        struct produce_part *part = CONTAINER_OF(node, struct produce_part, link);
        look_again(part);
        if (part->is_full) part->out->error_message = STR(FULL_MESSAGE);
        tell_leader(produce, part);
    }
    produce->throttle_ms = MAX(produce->throttle_ms, v->throttle_ms);
    if (--produce->open_count == 0) finish(produce);
}

static const struct topic_image *find_topic(const struct request *rq,
                                            const struct produce_request_topic_data *topic) {
    const struct image *image = rq->shard->image;
    if (rq->header.request_api_version >= 13) return image_topic_by_id(image, topic->topic_id);
    return image_topic_by_name(image, topic->name);
}

/* Whether any batch is of a transaction, in a request that names none. */
static bool is_stray_transaction(const struct produce_request *in) {
    if (in->transactional_id.ptr != NULL) return false;
    for (int32_t t = 0; t < in->topic_data_count; t++) {
        const struct produce_request_topic_data *topic = &in->topic_data[t];
        for (int32_t i = 0; i < topic->partition_data_count; i++) {
            struct batch_view view;
            enum status st = batch_peek(topic->partition_data[i].records.bytes, &view);
            if (st == ST_OK && batch_is_transactional(&view)) return true;
        }
    }
    return false;
}

/* KIP-110: who speaks an older version cannot read zstd, so it may not write it either. */
static bool is_early_zstd(const struct request *rq,
                          const struct produce_request_partition_data *data) {
    struct batch_view view;
    return rq->header.request_api_version < 7 && batch_peek(data->records.bytes, &view) == ST_OK &&
           batch_codec(&view) == CODEC_ZSTD;
}

/* The error that a partition gets without being visited. */
static int16_t early_problem(const struct produce *produce, const struct topic_image *topic,
                             const struct produce_request_partition_data *data) {
    const struct request *rq = produce->rq;
    if (produce->is_stray_transaction) return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (topic == NULL) {
        return rq->header.request_api_version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID
                                                    : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (data->index < 0 || data->index >= topic->partition_count)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    /* Kafka lets its own admin client write there, too. */
    if (topic_is_internal(topic->name) && !str_eq(rq->header.client_id, STR("__admin_client")))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (is_early_zstd(rq, data)) return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    return produce->acks < -1 || produce->acks > 1 ? KAFKA_INVALID_REQUIRED_ACKS : KAFKA_NONE;
}

static bool add_topic(struct produce *produce, const struct produce_request_topic_data *in,
                      struct produce_response_topic *out) {
    struct request *rq = produce->rq;
    const struct topic_image *topic = find_topic(rq, in);
    struct str name =
        topic != NULL ? arena_str(&rq->arena, topic->name) : in->name; /* outlives the image */
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partition_responses =
        produce_response_partition_array(&rq->arena, in->partition_data_count);
    struct produce_part *parts =
        arena_array(&rq->arena, (size_t)MAX(in->partition_data_count, 0), sizeof *parts);
    if ((out->partition_responses == NULL && in->partition_data_count > 0) || parts == NULL)
        return false;
    out->partition_responses_count = MAX(in->partition_data_count, 0);
    for (int32_t i = 0; i < in->partition_data_count; i++) {
        const struct produce_request_partition_data *data = &in->partition_data[i];
        struct produce_response_partition *answer = &out->partition_responses[i];
        answer->index = data->index;
        answer->base_offset = -1;
        answer->error_code = early_problem(produce, topic, data);
        if (answer->error_code != KAFKA_NONE) continue;
        uint32_t shard = shard_of_partition(rq->shard->broker, topic->id, data->index);
        struct produce_visit *v = &produce->visits[shard];
        parts[i] = (struct produce_part){
            .visit = v, .in = data, .out = answer, .topic_id = topic->id, .topic = name};
        list_push_back(&v->parts, &parts[i].link);
        v->open_count++;
        rq->shards |= (uint64_t)1 << shard;
    }
    return true;
}

void handle_produce(struct request *rq) {
    const struct produce_request *in = rq->in;
    struct produce_response *out = rq->out;
    struct broker *broker = rq->shard->broker;
    if (!produce_keep_last(rq)) {
        request_abandon(rq, true);
        return;
    }
    struct produce *produce = ARENA_NEW(&rq->arena, struct produce);
    struct produce_visit *visits = arena_array(&rq->arena, broker->shard_count, sizeof *visits);
    out->responses = produce_response_topic_array(&rq->arena, in->topic_data_count);
    if (produce == NULL || visits == NULL || (out->responses == NULL && in->topic_data_count > 0)) {
        request_abandon(rq, true);
        return;
    }
    *produce = (struct produce){.rq = rq,
                                .acks = in->acks,
                                .timeout_ms = in->timeout_ms,
                                .is_stray_transaction = is_stray_transaction(in),
                                .open_count = 1,
                                .visits = visits};
    for (uint32_t i = 0; i < broker->shard_count; i++) {
        visits[i] = (struct produce_visit){
            .visit = {.home = rq->shard,
                      .target = i,
                      .work = visit_work,
                      .returned = visit_returned},
            .produce = produce,
        };
        list_init(&visits[i].parts);
    }
    out->responses_count = MAX(in->topic_data_count, 0);
    for (int32_t i = 0; i < in->topic_data_count; i++) {
        if (!add_topic(produce, &in->topic_data[i], &out->responses[i])) {
            request_abandon(rq, true);
            return;
        }
    }
    uint32_t shard_count = broker->shard_count;
    for (uint32_t i = 0; i < shard_count; i++) produce->open_count += visits[i].open_count > 0;
    for (uint32_t i = 0; i < shard_count; i++) {
        if (visits[i].open_count > 0) visit_go(&visits[i].visit); /* may be back already */
    }
    if (--produce->open_count == 0) finish(produce);
}
