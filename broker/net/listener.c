/* broker/net/listener.c - listen, accept, and let the idle go. */
#include "broker/net/listener.h"
#include "base/logging.h"
#include "broker/net/connection.h"

#define IDLE_CHECK_US 1000000u

static void on_accept(struct io_acceptor *acceptor, int fd, const struct io_address *peer) {
    struct listening *listening = CONTAINER_OF(acceptor, struct listening, acceptor);
    struct shard *shard = listening->shard;
    uint32_t swallowed = 0;
    if (fd < 0) {
        if (log_limit_pass(&shard->log_bad_frame, shard->io->now.mono_us, &swallowed)) {
            LOG_WARN("net", "event=accept-failed errno=%d swallowed=%u", -fd, swallowed);
        }
        return;
    }
    if (shard->stopping) {
        (void)io_close(shard->io, NULL, fd); /* nobody waits */
        return;
    }
    admission_ask(shard, fd, peer, listening->index);
}

static int listen_on(struct shard *shard, const struct io_address *address, uint16_t port,
                     struct io_address *ret_bound) {
    struct io_address at = *address;
    at.port = port;
    return io_listen(shard->io, &at, (int)shard->broker->config->socket_listen_backlog_size,
                     ret_bound);
}

static enum status open_one(struct shard *shard, uint32_t index, uint16_t *port,
                            struct arena *arena, struct str *ret_message) {
    const struct listener *listener = &shard->broker->setup.listeners->items[index];
    struct io_address bound, any4;
    int fd = listen_on(shard, &shard->broker->addresses[index], *port, &bound);
    if (fd < 0 && listener->host.len == 0 && io_address_parse("0.0.0.0", 0, &any4)) {
        fd = listen_on(shard, &any4, *port, &bound); /* a machine without IPv6 */
    }
    if (fd < 0) {
        *ret_message =
            arena_printf(arena, "listener %.*s: cannot listen on %.*s:%u: %s",
                         STR_ARG(listener->name), STR_ARG(listener->host), *port, strerror(-fd));
        return ST_IO;
    }
    struct listening *listening = MEM_NEW(shard->mem, struct listening);
    *listening = (struct listening){
        .shard = shard, .index = index, .fd = fd, .acceptor = {.on_accept = on_accept}};
    list_push_back(&shard->listening, &listening->link);
    if (*port == 0) *port = bound.port; /* shard 0's, before the others read it */
    return ST_OK;
}

static enum status resolve_one(struct job *job, const struct listener *listener,
                               struct io_address *ret_address) {
    char host[256];
    struct str text = listener->host.len > 0 ? listener->host : STR("::");
    if (text.len >= sizeof host) return ST_TOO_LARGE;
    memcpy(host, text.ptr, text.len);
    host[text.len] = '\0';
    if (io_address_parse(host, 0, ret_address)) return ST_OK;
    struct io *io = job_io(job);
    int64_t count = job_wait(job, io_resolve(io, job_op(job), host, 0, ret_address, 1));
    return count > 0 ? ST_OK : ST_NOT_FOUND;
}

enum status listeners_resolve(struct job *job, struct broker *broker, struct str *ret_message) {
    const struct listeners *listeners = broker->setup.listeners;
    for (uint32_t i = 0; i < listeners->client_count; i++) {
        if (resolve_one(job, &listeners->items[i], &broker->addresses[i]) == ST_OK) continue;
        *ret_message =
            arena_printf(&broker->arena, "listener %.*s: the host name '%.*s' is not known",
                         STR_ARG(listeners->items[i].name), STR_ARG(listeners->items[i].host));
        return ST_NOT_FOUND;
    }
    return ST_OK;
}

enum status listeners_open(struct shard *shard, uint16_t *ports, struct arena *arena,
                           struct str *ret_message) {
    const struct listeners *listeners = shard->broker->setup.listeners;
    for (uint32_t i = 0; i < listeners->client_count; i++) {
        enum status st = open_one(shard, i, &ports[i], arena, ret_message);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

void listeners_accept(struct shard *shard) {
    LIST_EACH(&shard->listening, node) {
        struct listening *listening = CONTAINER_OF(node, struct listening, link);
        listening->is_accepting = true;
        io_accept_start(shard->io, &listening->acceptor, listening->fd);
    }
}

void listeners_close(struct job *job, struct shard *shard) {
    io_timer_clear(shard->io, &shard->idle_timer);
    for (struct list *node; (node = list_pop_front(&shard->listening)) != NULL;) {
        struct listening *listening = CONTAINER_OF(node, struct listening, link);
        if (listening->is_accepting) io_accept_stop(shard->io, &listening->acceptor);
        job_close(job, listening->fd);
        MEM_FREE(shard->mem, listening);
    }
}

static void on_idle_check(struct io_timer *timer) {
    struct shard *shard = CONTAINER_OF(timer, struct shard, idle_timer);
    uint64_t now_us = shard->io->now.mono_us;
    uint64_t idle_us = us_of_ms(shard->broker->config->connections_max_idle_ms);
    LIST_EACH(&shard->connection_list, node) {
        struct connection *c = CONTAINER_OF(node, struct connection, link);
        if (now_us - c->active_us < idle_us) break;
        if (c->request_count > 0) continue;
        metrics_add(&shard->metrics, METRIC_CONNECTIONS_EXPIRED, 1);
        connection_close(c);
    }
    io_timer_set(shard->io, timer, now_us + IDLE_CHECK_US);
}

void listeners_watch_idle(struct shard *shard) {
    if (shard->broker->config->connections_max_idle_ms < 0) return;
    shard->idle_timer.fire = on_idle_check;
    io_timer_set(shard->io, &shard->idle_timer, shard->io->now.mono_us + IDLE_CHECK_US);
}
