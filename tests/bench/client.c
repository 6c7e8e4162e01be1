/* tests/bench/client.c - connections, calls, frames. */
#include "client.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "protocol/frame.h"

#define ARENA_CHUNK_BYTES (64 << 10)

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "failed: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    exit(1);
}

int64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int client_connect(const char *address) {
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || (size_t)(colon - address) >= sizeof host)
        die("'%s' is not HOST:PORT", address);
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0) die("%s: %s", address, gai_strerror(error));

    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int refused = connect(fd, found->ai_addr, found->ai_addrlen);
    int why = errno;
    freeaddrinfo(found);
    if (refused == 0) return fd;
    close(fd);
    errno = why;
    return -1;
}

struct bytes client_frame(struct arena *arena, int16_t api_key, int16_t version,
                          const void *request) {
    const struct schema *schema = api_find(api_key)->request;
    int16_t header_version = frame_request_header_version(api_key, version);
    struct request_header header;
    request_header_defaults(&header);
    header.request_api_key = api_key;
    header.request_api_version = version;
    header.client_id = STR("klamm-bench");

    size_t header_bytes = codec_size(&request_header_schema, header_version, &header);
    size_t message_bytes = codec_size(schema, version, request);
    uint8_t *out = arena_alloc(arena, FRAME_LENGTH_BYTES + header_bytes + message_bytes);
    if (out == NULL) die("no memory for a request");
    put_u32(out, (uint32_t)(header_bytes + message_bytes));
    enum status st = codec_encode(&request_header_schema, header_version, &header,
                                  out + FRAME_LENGTH_BYTES, header_bytes, NULL);
    if (st == ST_OK)
        st = codec_encode(schema, version, request, out + FRAME_LENGTH_BYTES + header_bytes,
                          message_bytes, NULL);
    if (st != ST_OK) die("%s cannot be encoded: %s", schema->name, status_name(st));
    return (struct bytes){out, FRAME_LENGTH_BYTES + header_bytes + message_bytes};
}

void client_answer(struct bytes frame, int16_t api_key, int16_t version, int32_t correlation_id,
                   struct arena *arena, void *response) {
    const struct schema *schema = api_find(api_key)->response;
    struct response_header header;
    size_t used;
    enum status st =
        codec_decode(&response_header_schema, frame_response_header_version(api_key, version),
                     frame, arena, &header, &used);
    if (st != ST_OK) die("a response header is %s", status_name(st));
    if (header.correlation_id != correlation_id)
        die("the answer to %d came where that to %d was due", header.correlation_id,
            correlation_id);
    struct bytes message = {frame.ptr + used, frame.len - used};
    st = codec_decode(schema, version, message, arena, response, &used);
    if (st != ST_OK) die("a %s is %s", schema->name, status_name(st));
    if (used != message.len) die("%zu octets stand behind a %s", message.len - used, schema->name);
}

static bool send_all(int fd, struct bytes b) {
    while (b.len > 0) {
        ssize_t n = send(fd, b.ptr, b.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) die("a request was not taken within %d s", CLIENT_TIMEOUT_S);
        if (n <= 0) return false;
        b.ptr += n;
        b.len -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *out, size_t len) {
    while (len > 0) {
        ssize_t n = recv(fd, out, len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) die("no answer within %d s", CLIENT_TIMEOUT_S);
        if (n <= 0) return false;
        out += n;
        len -= (size_t)n;
    }
    return true;
}

bool client_try(struct client *client, int16_t api_key, const void *request, void *response) {
    int16_t version = client->versions[api_key];
    if (version < 0) die("the broker does not serve %s", api_find(api_key)->name);
    int32_t correlation_id = ++client->correlation_id;
    struct bytes frame = client_frame(&client->arena, api_key, version, request);
    put_u32((uint8_t *)frame.ptr + CLIENT_CORRELATION_AT, (uint32_t)correlation_id);
    bool sent = send_all(client->fd, frame);
    arena_reset(&client->arena);

    uint8_t length[FRAME_LENGTH_BYTES];
    if (!sent || !receive_all(client->fd, length, sizeof length)) return false;
    size_t len = get_u32(length);
    if (len > CLIENT_FRAME_BYTES_MAX) die("an answer of %zu octets", len);
    if (len > client->in_capacity) {
        mem_free(client->mem, client->in, client->in_capacity);
        client->in = mem_need(client->mem, len);
        client->in_capacity = len;
    }
    if (!receive_all(client->fd, client->in, len)) return false;
    client_answer((struct bytes){client->in, len}, api_key, version, correlation_id, &client->arena,
                  response);
    return true;
}

void client_call(struct client *client, int16_t api_key, const void *request, void *response) {
    if (!client_try(client, api_key, request, response))
        die("the broker closed the connection instead of answering %s", api_find(api_key)->name);
}

static bool agree_on_versions(struct client *client) {
    struct api_versions_request request;
    codec_defaults(&api_versions_request_schema, &request);
    request.client_software_name = STR("klamm-bench");
    request.client_software_version = STR(KLAMM_VERSION);
    struct api_versions_response response;
    client->versions[API_API_VERSIONS] = 3; /* any broker of this decade */
    if (!client_try(client, API_API_VERSIONS, &request, &response)) return false;
    if (response.error_code != 0) die("ApiVersions: error %d", response.error_code);
    for (int32_t i = 0; i < response.api_keys_count; i++) {
        const struct api_versions_response_version *theirs = &response.api_keys[i];
        const struct api *ours = api_find(theirs->api_key);
        if (ours == NULL) continue;
        int16_t highest = MIN(theirs->max_version, ours->request->max_version);
        if (highest < MAX(theirs->min_version, ours->request->min_version)) continue;
        client->versions[theirs->api_key] = highest;
    }
    return true;
}

bool client_open(struct client *client, struct mem *mem, const char *address) {
    *client = (struct client){.mem = mem, .fd = client_connect(address)};
    if (client->fd < 0) return false;
    struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    arena_init(&client->arena, mem, ARENA_CHUNK_BYTES, 0);
    for (size_t i = 0; i < COUNT(client->versions); i++) client->versions[i] = -1;
    if (agree_on_versions(client)) return true;
    client_close(client);
    return false;
}

void client_close(struct client *client) {
    close(client->fd);
    arena_release(&client->arena);
    mem_free(client->mem, client->in, client->in_capacity);
    client->fd = -1;
}
