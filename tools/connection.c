/* tools/connection.c - see connection.h. */
#include "tools/connection.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/assert.h"
#include "protocol/errors.h"
#include "tools/clock.h"
#include "tools/interrupt.h"

#define CLIENT_ID "klamm-tools"
#define LOOK_MS 500 /* for an interrupt that came right before a wait */

void connection_init(struct connection *c) { *c = (struct connection){.fd = -1}; }

void connection_close(struct connection *c) {
    if (c->fd >= 0) (void)close(c->fd); /* a socket that is given up */
    c->fd = -1;
}

static enum status fail(struct connection *c, enum status st, const char *why) {
    (void)snprintf(c->why, sizeof c->why, "%s", why);
    connection_close(c);
    return st;
}

static enum status fail_errno(struct connection *c, int code) {
    enum status st = code == ETIMEDOUT ? ST_TIMEOUT : status_from_errno(-code);
    return fail(c, st, strerror(code));
}

/* Until the socket is ready for `events`; 0 or an errno. */
static int wait_ready(const struct connection *c, short events, int64_t deadline_ms) {
    for (;;) {
        int64_t left_ms = interrupt_cut(c->began_ms, deadline_ms) - clock_ms();
        if (left_ms <= 0) return ETIMEDOUT;
        struct pollfd what = {.fd = c->fd, .events = events};
        int ready = poll(&what, 1, (int)MIN(left_ms, LOOK_MS));
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return errno;
    }
}

/* 0 or an errno. */
static int connect_one(struct connection *c, const struct addrinfo *address, int64_t deadline_ms) {
    int flags = address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC;
    c->fd = socket(address->ai_family, flags, address->ai_protocol);
    if (c->fd < 0) return errno;
    if (connect(c->fd, address->ai_addr, address->ai_addrlen) < 0) {
        if (errno != EINPROGRESS) return errno;
        int code = wait_ready(c, POLLOUT, deadline_ms);
        socklen_t len = sizeof code;
        if (code == 0 && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0) code = errno;
        if (code != 0) return code;
    }
    int on = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on); /* only speed depends on it */
    return 0;
}

enum status connection_open(struct connection *c, struct str host, uint16_t port,
                            int64_t deadline_ms) {
    if (host.len >= sizeof c->host) return fail(c, ST_INVALID, "the host name is too long");
    memcpy(c->host, host.ptr, host.len);
    c->host[host.len] = '\0';
    c->port = port;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *found;
    int code = getaddrinfo(c->host, service, &hints, &found);
    if (code != 0) return fail(c, ST_NOT_FOUND, gai_strerror(code));
    int why = ENOENT;
    for (const struct addrinfo *a = found; a != NULL && why != 0; a = a->ai_next) {
        connection_close(c);
        why = connect_one(c, a, deadline_ms);
    }
    freeaddrinfo(found);
    return why == 0 ? ST_OK : fail_errno(c, why);
}

static enum status send_all(struct connection *c, struct bytes out, int64_t deadline_ms) {
    while (out.len > 0) {
        ssize_t sent = send(c->fd, out.ptr, out.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            int code = wait_ready(c, POLLOUT, deadline_ms);
            if (code != 0) return fail_errno(c, code);
            continue;
        }
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return fail_errno(c, errno);
        out = (struct bytes){out.ptr + sent, out.len - (size_t)sent};
    }
    return ST_OK;
}

static enum status recv_all(struct connection *c, uint8_t *in, size_t len, int64_t deadline_ms) {
    while (len > 0) {
        int code = wait_ready(c, POLLIN, deadline_ms);
        if (code != 0) return fail_errno(c, code);
        ssize_t got = recv(c->fd, in, len, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got < 0) return fail_errno(c, errno);
        if (got == 0) return fail(c, ST_CLOSED, "the broker closed the connection");
        in += got;
        len -= (size_t)got;
    }
    return ST_OK;
}

static enum status send_request(struct connection *c, const struct api *api, int16_t version,
                                const void *request, struct arena *arena, int64_t deadline_ms) {
    struct request_header header;
    codec_defaults(&request_header_schema, &header);
    header.request_api_key = api->key;
    header.request_api_version = version;
    header.correlation_id = ++c->correlation_id;
    header.client_id = STR(CLIENT_ID);
    int16_t header_version = frame_request_header_version(api->key, version);
    size_t header_bytes = codec_size(&request_header_schema, header_version, &header);
    size_t body_bytes = codec_size(api->request, version, request);
    size_t frame_bytes = FRAME_LENGTH_BYTES + header_bytes + body_bytes;
    uint8_t *frame = arena_alloc(arena, frame_bytes);
    if (frame == NULL) return ST_NOMEM;
    put_u32(frame, (uint32_t)(header_bytes + body_bytes));
    uint8_t *at = frame + FRAME_LENGTH_BYTES;
    enum status st =
        codec_encode(&request_header_schema, header_version, &header, at, header_bytes, NULL);
    ASSERT(st == ST_OK); /* every field is ours */
    st = codec_encode(api->request, version, request, at + header_bytes, body_bytes, NULL);
    if (st != ST_OK) {
        (void)snprintf(c->why, sizeof c->why, "version %d of %s cannot carry this request", version,
                       api->name);
        return st;
    }
    return send_all(c, (struct bytes){frame, frame_bytes}, deadline_ms);
}

/* A broker that does not know our version of ApiVersions answers in version 0 (KIP-511). */
static enum status decode_response(const struct api *api, int16_t version, struct bytes body,
                                   struct arena *arena, void *response) {
    size_t used;
    bool refused = api->key == API_API_VERSIONS && body.len >= 2 &&
                   (int16_t)get_u16(body.ptr) == KAFKA_UNSUPPORTED_VERSION;
    return codec_decode(api->response, refused ? 0 : version, body, arena, response, &used);
}

static enum status recv_response(struct connection *c, const struct api *api, int16_t version,
                                 struct arena *arena, void *response, int64_t deadline_ms) {
    uint8_t length[FRAME_LENGTH_BYTES];
    enum status st = recv_all(c, length, sizeof length, deadline_ms);
    if (st != ST_OK) return st;
    int32_t frame_bytes = (int32_t)get_u32(length);
    if (frame_bytes < 4 || frame_bytes > CONNECTION_RESPONSE_BYTES_MAX)
        return fail(
            c, ST_CORRUPT,
            "what answered there is no Kafka broker, or it wants another security protocol");
    uint8_t *frame = arena_alloc(arena, (size_t)frame_bytes);
    if (frame == NULL) return fail(c, ST_NOMEM, "no memory for the response");
    st = recv_all(c, frame, (size_t)frame_bytes, deadline_ms);
    if (st != ST_OK) return st;
    struct bytes in = {frame, (size_t)frame_bytes};
    struct response_header header;
    size_t used;
    st = codec_decode(&response_header_schema, frame_response_header_version(api->key, version), in,
                      arena, &header, &used);
    if (st != ST_OK || header.correlation_id != c->correlation_id)
        return fail(c, ST_CORRUPT, "a response that belongs to no request");
    st = decode_response(api, version, (struct bytes){in.ptr + used, in.len - used}, arena,
                         response);
    if (st != ST_OK) return fail(c, ST_CORRUPT, "a response that cannot be read");
    return ST_OK;
}

enum status connection_call(struct connection *c, const struct api *api, int16_t version,
                            const void *request, struct arena *arena, void *response,
                            int64_t deadline_ms) {
    ASSERT(c->fd >= 0);
    enum status st = send_request(c, api, version, request, arena, deadline_ms);
    if (st != ST_OK) return st;
    return recv_response(c, api, version, arena, response, deadline_ms);
}
