/* tools/connection.h - one blocking connection to a broker: a request out, its response in, by a
 * deadline. Tools are short programs that do one thing after the other, so plain sockets and poll
 * serve them; nothing of it is in the broker. Owner: the one thread of a tool. */
#pragma once
#include "base/arena.h"
#include "protocol/frame.h"

#define CONNECTION_RESPONSE_BYTES_MAX ((int32_t)256 << 20)
#define CONNECTION_WHY_BYTES 256

struct connection {
    int fd; /* -1: closed */
    char host[256];
    uint16_t port;
    int32_t correlation_id;
    /* The caller's: when what it does with the connection began. An interrupt since then cuts every
     * wait (tools/interrupt.h). */
    int64_t began_ms;
    char why[CONNECTION_WHY_BYTES]; /* after a failure: what happened, without the address */
};

void connection_init(struct connection *c);
/** Tries every address of the host. ST_TIMEOUT, ST_NOT_FOUND (the name), or the status of the
 * errno; c->why says it. */
MUST_CHECK enum status connection_open(struct connection *c, struct str host, uint16_t port,
                                       int64_t deadline_ms);
void connection_close(struct connection *c);

/** Sends a request and waits for its response, decoded into *response (the response's struct) in
 * the arena. ST_TIMEOUT, ST_CLOSED or ST_CORRUPT close the connection; ST_UNSUPPORTED: the version
 * cannot carry a field. */
MUST_CHECK enum status connection_call(struct connection *c, const struct api *api, int16_t version,
                                       const void *request, struct arena *arena, void *response,
                                       int64_t deadline_ms);
