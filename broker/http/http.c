/* broker/http/http.c - the listener, the routes, and the waiting for shards. */
#include "broker/http/http.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>
#include "base/logging.h"
#include "broker/http/library.h"
#include "broker/http/process.h"
#include "broker/metrics/gather.h"

#define THREAD_STACK_BYTES ((size_t)64 * 1024)
#define PAGE_BYTES_MAX ((size_t)64 << 20)
#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct http {
    struct http_setup setup;
    struct mem mem; /* the HTTP thread's, while it runs */
    struct io_address bound;
    int fd; /* listening; -1 once it is the daemon's */
    struct MHD_Daemon *daemon;
    const struct broker *served; /* once it was ready: its counters may be read */
    /* One question at a time. While it is under way the gather belongs to the shards. */
    struct gather *gather;
    struct io_message question;
    bool with_lists;
    bool is_asked; /* the HTTP thread's */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool has_answer; /* guarded by lock */
};

/* --- asking the shards --- */

/* On shard 0. */
static void on_gathered(struct gather *gather) {
    struct http *http = gather->owner;
    (void)pthread_mutex_lock(&http->lock); /* ours, like the condition: cannot fail */
    http->has_answer = true;
    (void)pthread_cond_signal(&http->answered);
    (void)pthread_mutex_unlock(&http->lock);
}

/* On shard 0. */
static void on_question(struct io_message *message, struct io *at) {
    (void)at;
    struct http *http = CONTAINER_OF(message, struct http, question);
    gather_start(http->gather, *http->setup.broker, http->with_lists);
}

static bool wait_for_answer(struct http *http, uint32_t wait_ms) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail */
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&http->lock);
    int result = 0;
    while (!http->has_answer && result == 0)
        result = pthread_cond_timedwait(&http->answered, &http->lock, &until);
    bool answered = http->has_answer;
    (void)pthread_mutex_unlock(&http->lock);
    return answered;
}

/* true: every shard answered, the gather holds. A question that was not answered in time stays the
 * only one; until its answer comes the shards count as hanging. */
static bool ask(struct http *http, bool with_lists) {
    if (http->is_asked && !wait_for_answer(http, 0)) return false;
    http->has_answer = false;
    http->is_asked = true;
    http->with_lists = with_lists;
    http->question.deliver = on_question;
    if (!reactor_group_post(http->setup.reactors, &http->question)) {
        http->is_asked = false;
        return false;
    }
    if (!wait_for_answer(http, HTTP_WAIT_MS)) return false;
    http->is_asked = false;
    if (http->gather->is_ready) http->served = http->gather->broker;
    return true;
}

/* --- answers --- */

/* A text that its answer holds until it has left. */
struct page {
    struct mem mem;
    struct strbuf text;
};

static void free_page(void *argument) {
    struct page *page = argument;
    struct mem mem = page->mem;
    strbuf_release(&page->text);
    mem_free(&mem, page, sizeof *page);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     const char *type, struct MHD_Response *response) {
    if (response == NULL) return MHD_NO; /* no memory: the connection is closed */
    enum MHD_Result result = mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (result == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        result = mhd.add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (result == MHD_YES) result = mhd.queue_response(connection, status, response);
    mhd.destroy_response(response);
    return result;
}

/* text: static. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const char *text) {
    return send_response(connection, status, TEXT_PLAIN,
                         mhd.create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                         MHD_RESPMEM_PERSISTENT));
}

static void collect(struct http *http, struct arena *arena, struct metrics_sample *sample) {
    bool complete = ask(http, true);
    complete = complete && gather_sample(http->gather, arena, sample);
    if (http->served != NULL) gather_counters(http->served, sample);
    metrics_sample_set(sample, METRIC_SCRAPE_COMPLETE, complete);
    metrics_sample_set(sample, METRIC_CPUS, http->setup.cpu_count);
    metrics_sample_set(sample, METRIC_MEMORY_LIMIT, (double)http->setup.memory_limit_bytes);
    process_sample(sample);
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection) {
    struct mem page_mem = {.limit_bytes = PAGE_BYTES_MAX};
    struct page *page = MEM_NEW(&page_mem, struct page);
    page->mem = page_mem;
    strbuf_init(&page->text, &page->mem);
    struct arena arena;
    arena_init(&arena, &http->mem, 16 * 1024, 0);
    struct metrics_sample *sample = ARENA_NEW(&arena, struct metrics_sample);
    if (sample != NULL) {
        collect(http, &arena, sample);
        metrics_print(sample, &page->text);
    }
    bool failed = sample == NULL || page->text.failed;
    arena_release(&arena);
    if (!http->is_asked) gather_clear(http->gather);
    if (failed) {
        free_page(page);
        return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
    }
    struct MHD_Response *response = mhd.create_response_from_buffer_with_free_callback_cls(
        page->text.len, page->text.data, free_page, page);
    if (response == NULL) free_page(page);
    return send_response(connection, MHD_HTTP_OK, TEXT_METRICS, response);
}

static enum MHD_Result answer_live(struct http *http, struct MHD_Connection *connection) {
    if (ask(http, false)) return answer(connection, MHD_HTTP_OK, "alive\n");
    return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "a shard does not answer\n");
}

static enum MHD_Result answer_ready(struct http *http, struct MHD_Connection *connection) {
    if (!ask(http, false))
        return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "a shard does not answer\n");
    if (http->gather->is_ready) return answer(connection, MHD_HTTP_OK, "ready\n");
    if (http->served != NULL)
        return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
    char text[128];
    const struct log_recovery *left = &http->gather->left;
    int len = snprintf(text, sizeof text,
                       "starting logs_left=%" PRIu64 " recovering_segments=%" PRIu64
                       " recovering_bytes=%" PRIu64 "\n",
                       left->logs, left->segments, left->bytes);
    return send_response(
        connection, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT_PLAIN,
        mhd.create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *body, size_t *body_bytes, void **state) {
    static char seen;
    struct http *http = argument;
    (void)version;
    (void)body;
    (void)body_bytes;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (*state == NULL) { /* answered at the second call, so that the connection may stay open */
        *state = &seen;
        return MHD_YES;
    }
    if (strcmp(url, "/metrics") == 0) return answer_metrics(http, connection);
    if (strcmp(url, "/livez") == 0) return answer_live(http, connection);
    if (strcmp(url, "/readyz") == 0) return answer_ready(http, connection);
    if (strcmp(url, "/") == 0) {
        return answer(connection, MHD_HTTP_OK,
                      "klamm " KLAMM_VERSION "\n"
                      "/metrics  figures for Prometheus\n"
                      "/livez    200 while every shard's loop turns\n"
                      "/readyz   200 while everything is served\n");
    }
    return answer(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics, /livez and /readyz\n");
}

/* --- life --- */

static enum status bind_error(const struct io_address *address, char *error, size_t error_bytes) {
    char text[IO_ADDRESS_TEXT_BYTES];
    int why = errno;
    io_address_format(address, text);
    (void)snprintf(error, error_bytes,
                   "klamm.http.listener=%s: %s; name another port, or none to do without", text,
                   strerror(why));
    return status_from_errno(-why);
}

static socklen_t fill_address(struct sockaddr_storage *to, const struct io_address *from) {
    *to = (struct sockaddr_storage){0};
    if (from->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(from->port);
        memcpy(&in6->sin6_addr, from->bytes, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    in->sin_family = AF_INET;
    in->sin_port = htons(from->port);
    memcpy(&in->sin_addr, from->bytes, 4);
    return sizeof *in;
}

/* The descriptor, and the port it got; -1 with errno. */
static int listen_on(const struct io_address *address, uint16_t *ret_port) {
    struct sockaddr_storage storage;
    socklen_t len = fill_address(&storage, address);
    int one = 1;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&storage, len) != 0 || listen(fd, HTTP_CONNECTIONS) != 0 ||
        getsockname(fd, (struct sockaddr *)&storage, &len) != 0) {
        int why = errno;
        (void)close(fd); /* nothing was done with it */
        errno = why;
        return -1;
    }
    *ret_port = ntohs(storage.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&storage)->sin6_port
                                                    : ((struct sockaddr_in *)&storage)->sin_port);
    return fd;
}

enum status http_open(const struct http_setup *setup, struct http **ret_http, char *error,
                      size_t error_bytes) {
    uint16_t port = 0;
    int fd = listen_on(&setup->address, &port);
    if (fd < 0) return bind_error(&setup->address, error, error_bytes);
    struct http *http = MEM_NEW(setup->mem, struct http);
    http->setup = *setup;
    http->bound = setup->address;
    http->bound.port = port;
    http->fd = fd;
    http->gather = gather_new(setup->mem, setup->shard_count);
    http->gather->done = on_gathered;
    http->gather->owner = http;
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&http->lock, NULL); /* nor these can fail */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&http->answered, &attributes);
    *ret_http = http;
    return ST_OK;
}

static void on_log(void *argument, const char *format, va_list args) {
    (void)argument;
    char text[LOG_TEXT_BYTES];
    if (vsnprintf(text, sizeof text, format, args) < 0) return;
    LOG_DEBUG("http", "event=library-says text=%s", LOG_TEXT(str_trim(str_of(text))));
}

enum status http_start(struct http *http, char *error, size_t error_bytes) {
    enum status st = http_library_load(error, error_bytes);
    if (st != ST_OK) return st;
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
    if (http->bound.family == 6) flags |= MHD_USE_IPv6;
    http->daemon = mhd.start_daemon(
        flags, 0, NULL, NULL, on_request, http,   /* */
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, /* first, so that it hears the rest */
        MHD_OPTION_LISTEN_SOCKET, http->fd,       /* taken */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,           /* */
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,              /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES, /* */
        MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK_BYTES, MHD_OPTION_END);
    http->fd = -1;
    if (http->daemon == NULL) {
        (void)snprintf(error, error_bytes, "klamm.http.listener: the thread cannot be started: %s",
                       strerror(errno));
        return ST_NOMEM;
    }
    char text[IO_ADDRESS_TEXT_BYTES];
    io_address_format(&http->bound, text);
    LOG_INFO("http", "event=listening address=%s", text);
    return ST_OK;
}

void http_stop(struct http *http) {
    if (http == NULL || http->daemon == NULL) return;
    mhd.stop_daemon(http->daemon);
    http->daemon = NULL;
}

void http_free(struct http *http) {
    if (http == NULL) return;
    if (http->fd >= 0) (void)close(http->fd); /* never served */
    gather_free(http->gather);
    MEM_FREE(http->setup.mem, http);
}
