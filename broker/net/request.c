/* broker/net/request.c - decode, handle, encode: the same few steps for every API. */
#include "broker/net/request.h"
#include "base/assert.h"
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

static void end_without_answer(struct request *rq, bool close_connection) {
    ASSERT(rq->state == REQUEST_RUNNING);
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

static enum status decode(struct request *rq, struct bytes body) {
    size_t used = 0;
    return codec_decode(rq->api->request, rq->header.request_api_version, body, &rq->arena, rq->in,
                        &used);
}

static void on_pause_over(struct io_timer *timer) {
    struct request *rq = CONTAINER_OF(timer, struct request, pause);
    served_find(rq->header.request_api_key)->handle(rq);
}

void request_start(struct request *rq) {
    struct bytes frame = rq->frame;
    size_t used = 0;
    rq->state = REQUEST_RUNNING;
    rq->started = rq->shard->io->now;
    enum status st = frame_decode_request_header(frame, &rq->arena, &rq->header, &used);
    if (st != ST_OK) return refuse(rq, "the request header cannot be read");
    const struct served_api *served = served_find(rq->header.request_api_key);
    if (served == NULL) return refuse(rq, "the API key is not served");
    rq->api = served->api;
    bool unknown_api_versions = is_unknown_api_versions(rq);
    if (!unknown_api_versions && !is_served_version(rq))
        return refuse(rq, "the version is not served");
    rq->in = arena_alloc(&rq->arena, rq->api->request->layout->bytes);
    rq->out = arena_alloc(&rq->arena, rq->api->response->layout->bytes);
    if (rq->in == NULL || rq->out == NULL) return refuse(rq, "no memory");
    codec_defaults(rq->api->response, rq->out);
    if (unknown_api_versions) {
        codec_defaults(rq->api->request, rq->in);
    } else {
        st = decode(rq, (struct bytes){frame.ptr + used, frame.len - used});
        if (st != ST_OK) return refuse(rq, status_name(st));
    }
    metrics_count_request(&rq->shard->metrics, rq->header.request_api_key);
    bool is_large = rq->arena.used_bytes > REQUEST_LARGE_BYTES;
    if (is_large && !served->overlaps) { /* what overlaps is handled in its order */
        rq->pause.fire = on_pause_over;
        io_timer_set(rq->shard->io, &rq->pause, 0);
    } else {
        served->handle(rq);
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

void request_respond(struct request *rq) {
    ASSERT(rq->state == REQUEST_RUNNING);
    error_paths_walk(&rq->shard->broker->error_paths[rq->api->key], rq->out, count_error, rq);
    count_latency(rq);
    enum status st = encode(rq);
    if (st != ST_OK) {
        log_refused(rq, "the answer cannot be encoded");
        metrics_add(&rq->shard->metrics, METRIC_REQUESTS_REFUSED, 1);
        rq->no_answer = rq->close_after = true;
    }
    rq->state = REQUEST_DONE;
    connection_request_done(rq->connection, rq);
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
    if (!pool_keeps(&shard->requests)) arena_release(&arena);
    *rq = (struct request){.arena = arena, .shard = shard};
    pool_put(&shard->requests, rq);
}
