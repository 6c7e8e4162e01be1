/* broker/http/http.h - /metrics, /livez and /readyz over HTTP, for whoever watches the broker.
 *
 * libmicrohttpd on one thread of its own, so that it answers also when a shard hangs: it asks the
 * shards by a message (broker/metrics/gather.h) and waits HTTP_WAIT_MS at most. Like the reactor it
 * is outside banned.h and no part of libbroker: only broker/main.c uses it; simulations and tests
 * of the broker run without it.
 *
 *   /metrics  200 always; what shards that do not answer would have said is missing, and
 *             klamm_scrape_complete is 0
 *   /livez    200 when every shard's loop turns, 503 otherwise
 *   /readyz   200 when everything is served, 503 while starting, stopping or hanging
 *   /         200, the list above
 *
 * GET and HEAD only (405), nothing else is there (404). No request has a body that matters, no
 * answer depends on a header. Bounds: HTTP_CONNECTIONS connections, HTTP_IDLE_S seconds of silence,
 * HTTP_CONNECTION_BYTES of request line and headers.
 *
 * Life: http_open (binds: a port in use is an error before anything runs) -> http_start, which
 * takes some milliseconds (broker/http/library.h), before or after the loops -> http_stop: the
 * thread is gone -> the loops end, the broker is freed -> http_free. */
#pragma once
#include "base/io.h"
#include "base/status.h"
#include "broker/broker.h"
#include "broker/reactor/reactor.h"

#define HTTP_WAIT_MS 2000
#define HTTP_CONNECTIONS 16
#define HTTP_IDLE_S 15
#define HTTP_CONNECTION_BYTES (8 * 1024)

struct http;

struct http_setup {
    struct mem *mem; /* borrowed: of the thread that opens and frees */
    struct io_address address;
    struct reactor_group *reactors;
    struct broker *const *broker; /* set by shard 0 before it delivers messages */
    uint32_t shard_count;
    uint64_t memory_limit_bytes;
    uint32_t cpu_count;
};

/** On failure `error` is one line that names the address and what is wrong with it. */
MUST_CHECK enum status http_open(const struct http_setup *setup, struct http **ret_http,
                                 char *error, size_t error_bytes);
MUST_CHECK enum status http_start(struct http *http, char *error, size_t error_bytes);
/** NULL is allowed here and below. */
void http_stop(struct http *http);
void http_free(struct http *http);
