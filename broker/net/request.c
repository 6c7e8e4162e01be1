/* broker/net/request.c - decode, handle, encode: the same few steps for every API. */
#include "broker/net/request.h"
#include "base/assert.h"
#include "base/job.h"
#include "base/logging.h"
#include "broker/net/api_table.h"
#include "broker/net/connection.h"

static void log_refused(struct request *rq, const char *why) {
    struct shard *shard = rq->shard;
    uint32_t swallowed = 0;
    if (!log_limit_pass(&shard->log_bad_request, rq->started.mono_us, &swallowed)) return;
    char peer[IO_ADDRESS_TEXT_BYTES];
    io_address_format(&rq->connection->peer, peer);
    LOG_WARN("net",
             "event=request-refused peer=%s key=%d version=%d client=%s why=\"%s\" swallowed=%u",
             peer, rq->header.request_api_key, rq->header.request_api_version,
             LOG_TEXT(rq->header.client_id), why, swallowed);
}

static void let_go(struct request *rq) {
    struct request_hold *hold = rq->hold;
    rq->hold = NULL;
    if (hold != NULL) hold->let_go(hold);
}

static void end_without_answer(struct request *rq, bool close_connection) {
    ASSERT(rq->state == REQUEST_RUNNING);
    let_go(rq);
    rq->no_answer = true;
    rq->close_after = close_connection;
    rq->state = REQUEST_DONE;
    connection_request_done(rq->connection, rq);
}

static void refuse(struct request *rq, const char *why) {
    log_refused(rq, why);
    metrics_add(&rq->shard->metrics, METRIC_REQUESTS_REFUSED, 1);
    end_without_answer(rq, true);
}

/* An ApiVersions of a version we do not know is answered in version 0, with an error, and the
 * connection goes on. */
static bool is_unknown_api_versions(const struct request *rq) {
    return rq->header.request_api_key == API_API_VERSIONS &&
           rq->header.request_api_version > rq->api->max_version;
}

/* The advertised range may begin below the codec's (Produce says 0, for old clients that look for
 * it). */
static bool is_served_version(const struct request *rq) {
    int16_t version = rq->header.request_api_version;
    return schema_has(rq->api->request, version) && version >= rq->api->min_version &&
           version <= rq->api->max_version;
}

static void on_pause_over(struct io_timer *timer) {
    struct request *rq = CONTAINER_OF(timer, struct request, pause);
    served_find(rq->header.request_api_key)->handle(rq);
}

/* Behind the header, into rq->in. */
static enum status decode(struct request *rq, size_t header_bytes) {
    size_t used = 0;
    struct bytes body = {rq->frame.ptr + header_bytes, rq->frame.len - header_bytes};
    if (is_unknown_api_versions(rq)) {
        codec_defaults(rq->api->request, rq->in);
        return ST_OK;
    }
    return codec_decode(rq->api->request, rq->header.request_api_version, body, &rq->arena, rq->in,
                        &used);
}

/* job: NULL, or the one that does so in turns. */
static void begin(struct request *rq, struct job *job) {
    struct bytes frame = rq->frame;
    size_t used = 0;
    enum status st = frame_decode_request_header(frame, &rq->arena, &rq->header, &used);
    if (st != ST_OK) return refuse(rq, "the request header cannot be read");
    const struct served_api *served = served_find(rq->header.request_api_key);
    if (served == NULL) return refuse(rq, "the API key is not served");
    rq->api = served->api;
    if (!is_unknown_api_versions(rq) && !is_served_version(rq))
        return refuse(rq, "the version is not served");
    rq->in = arena_alloc(&rq->arena, rq->api->request->layout->bytes);
    rq->out = arena_alloc(&rq->arena, rq->api->response->layout->bytes);
    if (rq->in == NULL || rq->out == NULL) return refuse(rq, "no memory");
    codec_defaults(rq->api->response, rq->out);
    if (job != NULL) job_breathe(job);
    st = decode(rq, used);
    if (job != NULL) job_hold_breath(job);
    if (st != ST_OK) return refuse(rq, status_name(st));
    metrics_count_request(&rq->shard->metrics, rq->header.request_api_key);
    if (job != NULL) { /* not on the job's stack */
        rq->pause.fire = on_pause_over;
        io_timer_set(rq->shard->io, &rq->pause, 0);
    } else {
        served->handle(rq);
    }
}

static void begin_job(struct job *job, void *argument) { begin(argument, job); }

static bool has_large_frame(const struct request *rq) {
    uint32_t bytes = rq->shard->broker->setup.large_frame_bytes;
    return rq->frame.len >= (bytes != 0 ? bytes : REQUEST_LARGE_FRAME_BYTES);
}

void request_start(struct request *rq) {
    rq->state = REQUEST_RUNNING;
    rq->started = rq->shard->io->now;
    const struct served_api *served =
        has_large_frame(rq) && rq->frame.len >= 2 ? served_find((int16_t)get_u16(rq->frame.ptr))
                                                   : NULL;
    if (served != NULL && !served->overlaps) { /* what overlaps is handled in its order */
        job_start(&rq->shard->large_jobs, begin_job, rq);
    } else {
        begin(rq, NULL);
    }
}

bool request_is_large(const struct request *rq) {
    return has_large_frame(rq) || rq->arena.used_bytes > REQUEST_LARGE_BYTES;
}

static void go_on(struct io_timer *timer) {
    struct request *rq = CONTAINER_OF(timer, struct request, pause);
    rq->go_on(rq);
}

static void prepare_job(struct job *job, void *argument) {
    struct request *rq = argument;
    job_breathe(job);
    bool has_memory = rq->prepare(rq);
    job_hold_breath(job);
    if (has_memory) { /* not on the job's stack */
        rq->pause.fire = go_on;
        io_timer_set(rq->shard->io, &rq->pause, 0);
    } else {
        request_abandon(rq, true);
    }
}

void request_in_turns(struct request *rq, bool (*prepare)(struct request *rq),
                      void (*and_go_on)(struct request *rq)) {
    if (request_is_large(rq)) {
        rq->prepare = prepare;
        rq->go_on = and_go_on;
        job_start(&rq->shard->large_jobs, prepare_job, rq);
    } else if (prepare(rq)) {
        and_go_on(rq);
    } else {
        request_abandon(rq, true);
    }
}

bool request_reserve_cuts(struct request *rq, uint32_t count) {
    rq->cuts = (struct codec_cuts){
        .cuts = arena_array(&rq->arena, count + 1, sizeof(struct codec_cut)), .capacity = count};
    return rq->cuts.cuts != NULL;
}

static enum status encode(struct request *rq) {
    int16_t key = rq->header.request_api_key;
    int16_t version = is_unknown_api_versions(rq) ? 0 : rq->header.request_api_version;
    const struct schema *response = rq->api->response;
    size_t prefix_bytes = frame_response_prefix_bytes(key, version);
    size_t body_bytes = codec_size(response, version, rq->out);
    rq->answer_bytes = prefix_bytes + body_bytes;
    rq->answer = arena_alloc(&rq->arena, rq->answer_bytes);
    if (rq->answer == NULL) return ST_NOMEM;
    enum status st =
        codec_encode(response, version, rq->out, rq->answer + prefix_bytes, body_bytes, &rq->cuts);
    if (st != ST_OK) return st;
    for (uint32_t i = 0; i < rq->cuts.count; i++) rq->cuts.cuts[i].position += prefix_bytes;
    return frame_encode_response_prefix(key, version, rq->header.correlation_id,
                                        body_bytes + rq->cuts.external_bytes, rq->answer);
}

static void count_error(void *context, int16_t error) {
    struct request *rq = context;
    metrics_count_error(&rq->shard->metrics, rq->header.request_api_key, error);
}

static void count_latency(struct request *rq) {
    struct shard *shard = rq->shard;
    metrics_count_latency(&shard->metrics, rq->header.request_api_key,
                          shard->io->now.mono_us - rq->started.mono_us);
}

/* job: NULL, or the one that does so in turns. */
static void answer(struct request *rq, struct job *job) {
    if (job != NULL) job_breathe(job);
    error_paths_walk(&rq->shard->broker->error_paths[rq->api->key], rq->out, count_error, rq);
    enum status st = encode(rq);
    if (job != NULL) job_hold_breath(job);
    let_go(rq);
    if (st != ST_OK) {
        log_refused(rq, "the answer cannot be encoded");
        metrics_add(&rq->shard->metrics, METRIC_REQUESTS_REFUSED, 1);
        rq->no_answer = rq->close_after = true;
    }
    rq->state = REQUEST_DONE;
    connection_request_done(rq->connection, rq);
}

static void answer_job(struct job *job, void *argument) { answer(argument, job); }

void request_respond(struct request *rq) {
    ASSERT(rq->state == REQUEST_RUNNING);
    rq->cancel = NULL;
    count_latency(rq);
    if (served_find(rq->header.request_api_key)->owns_answer && request_is_large(rq)) {
        job_start(&rq->shard->large_jobs, answer_job, rq);
    } else {
        answer(rq, NULL);
    }
}

void request_abandon(struct request *rq, bool close_connection) {
    count_latency(rq);
    bool is_over = rq->connection->is_closing || rq->shard->stopping; /* and nobody waits for it */
    if (close_connection && !is_over) return refuse(rq, "no answer can be given");
    end_without_answer(rq, close_connection);
}

void request_free(struct request *rq) {
    struct shard *shard = rq->shard;
    buffer_put(&shard->buffers, rq->buffer);
    arena_reset(&rq->arena);
    struct arena arena = rq->arena; /* its first chunk stays with the request */
    bool was_releasing = rq->is_releasing;
    if (!pool_keeps(&shard->requests)) arena_release(&arena);
    *rq = (struct request){.arena = arena, .shard = shard};
    pool_put(&shard->requests, rq);
    if (!was_releasing) return;
    shard->releasing_count--;
    shard_check_closed(shard);
}
