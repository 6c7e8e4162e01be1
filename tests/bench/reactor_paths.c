/* tests/bench/reactor_paths.c - what the reactor itself costs: start, resident memory, a small
 * request, a large frame; each beside a plain loop of blocking calls.
 *
 *     bench-reactor-paths [SECONDS]          (default 1 for each row)
 *
 * The clients are another process, so CPU is the server's alone (loopback's softirq work falls to
 * whoever sends). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "broker/reactor/reactor.h"

enum { REQUEST_BYTES = 100, FRAME_BYTES = 64 * 1024, CONNECTIONS_MAX = 64 };

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long resident_kib(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    ASSERT(file != NULL && fscanf(file, "%ld %ld", &total, &resident) == 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* --- clients --- */

enum kind { ECHO, SINK };

static int dial(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_all(int fd, const void *data, size_t len) {
    for (const uint8_t *at = data; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) _exit(0);
        at += n;
        len -= (size_t)n;
    }
}

/* All connections are written to, then all are read: a batch of `count` requests under way at a
 * time. */
static void run_clients(enum kind kind, uint16_t port, int count) {
    static uint8_t data[FRAME_BYTES + 4];
    int fds[CONNECTIONS_MAX];
    for (int i = 0; i < count; i++) fds[i] = dial(port);
    put_u32(data, kind == ECHO ? REQUEST_BYTES - 4 : FRAME_BYTES);
    for (;;) {
        for (int i = 0; i < count; i++)
            send_all(fds[i], data, kind == ECHO ? REQUEST_BYTES : sizeof data);
        for (int i = 0; i < count && kind == ECHO; i++) {
            uint8_t answer[REQUEST_BYTES];
            if (recv(fds[i], answer, sizeof answer, MSG_WAITALL) != REQUEST_BYTES) _exit(0);
        }
    }
}

static pid_t start_clients(enum kind kind, uint16_t port, int count) {
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
        run_clients(kind, port, count);
        _exit(0);
    }
    return pid;
}

/* --- the server on the seam --- */

struct connection {
    struct io_receiver receiver;
    struct io_op send_op;
    struct iovec iov;
    uint8_t request[FRAME_BYTES + 4];
    size_t have;
};

static struct {
    struct io *io;
    struct io_acceptor acceptor;
    uint16_t port;
    enum kind kind;
    struct connection *connections[CONNECTIONS_MAX];
    int count;
    _Atomic uint64_t requests;
    _Atomic bool listening;
} server;

static void sent(struct io_op *op) { (void)op; }

static void request_complete(struct connection *c) {
    server.requests++;
    c->have = 0;
    if (server.kind == SINK) return;
    c->iov = (struct iovec){c->request, REQUEST_BYTES};
    (void)io_send(server.io, &c->send_op, c->receiver.fd, &c->iov, 1);
}

static void on_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    size_t whole = server.kind == ECHO ? REQUEST_BYTES : FRAME_BYTES + 4;
    while (len > 0) {
        size_t part = MIN(len, whole - c->have);
        memcpy(c->request + c->have, data, part);
        c->have += part;
        data += part;
        len -= part;
        if (c->have == whole) request_complete(c);
    }
    if (server.kind == SINK && c->have >= 4) {
        io_recv_direct(server.io, receiver, c->request + c->have, whole - c->have);
    }
}
static void on_direct(struct io_receiver *receiver) {
    request_complete(CONTAINER_OF(receiver, struct connection, receiver));
}
static void on_end(struct io_receiver *receiver, int64_t result) {
    (void)result;
    (void)io_close(server.io, NULL, receiver->fd);
}

static void on_accept(struct io_acceptor *acceptor, int fd, const struct io_address *peer) {
    (void)acceptor, (void)peer;
    ASSERT(fd >= 0 && server.count < CONNECTIONS_MAX);
    struct connection *c = calloc(1, sizeof *c);
    server.connections[server.count++] = c;
    c->send_op.done = sent;
    c->receiver =
        (struct io_receiver){.on_data = on_data, .on_direct = on_direct, .on_end = on_end};
    io_recv_start(server.io, &c->receiver, fd);
}

static void on_start(struct io *io, void *argument) {
    (void)argument;
    if (io->shard != 0) return;
    struct io_address any, bound;
    ASSERT(io_address_parse("127.0.0.1", 0, &any));
    server.io = io;
    server.acceptor.on_accept = on_accept;
    int fd = io_listen(io, &any, 128, &bound);
    ASSERT(fd >= 0);
    io_accept_start(io, &server.acceptor, fd);
    server.port = bound.port;
    server.listening = true;
}

static void report(const char *name, uint64_t requests, double cpu, double wall, enum kind kind) {
    if (kind == ECHO) {
        (void)printf("| %-42s | %7.2f us/request | %8.0f requests/s |\n", name,
                     cpu * 1e6 / (double)requests, (double)requests / wall);
    } else {
        (void)printf("| %-42s | %7.3f s/GB | %8.2f GB/s |\n", name,
                     cpu / ((double)requests * FRAME_BYTES / 1e9),
                     (double)requests * FRAME_BYTES / 1e9 / wall);
    }
    (void)fflush(stdout);
}

static void measure_reactor(const char *name, enum kind kind, int count, double duration) {
    memset(&server, 0, sizeof server);
    server.kind = kind;
    char error[REACTOR_ERROR_BYTES] = "";
    struct reactor_group *group = NULL;
    ASSERT(reactor_group_new(&(struct reactor_options){.shard_count = 1}, &group, error,
                             sizeof error) == ST_OK);
    ASSERT(reactor_group_start(group, on_start, NULL, error, sizeof error) == ST_OK);
    while (!server.listening) usleep(100);
    pid_t clients = start_clients(kind, server.port, count);
    usleep(200000);
    uint64_t before = server.requests, turns = server.io->stats.turns;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    usleep((useconds_t)(duration * 1e6));
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    uint64_t requests = server.requests - before;
    turns = server.io->stats.turns - turns;
    kill(clients, SIGKILL);
    waitpid(clients, NULL, 0);
    reactor_group_stop(group, 100);
    reactor_group_free(group);
    for (int i = 0; i < server.count; i++) free(server.connections[i]);
    report(name, requests, cpu, wall, kind);
    (void)printf("|   requests a turn | %.2f | |\n", (double)requests / (double)turns);
}

/* --- the plain loop --- */

static struct {
    int listener;
    enum kind kind;
    _Atomic uint64_t requests;
} plain;

static void *plain_loop(void *argument) {
    (void)argument;
    static uint8_t data[FRAME_BYTES + 4];
    int fd = accept(plain.listener, NULL, NULL), on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (;;) {
        size_t body = plain.kind == ECHO ? REQUEST_BYTES : FRAME_BYTES;
        if (plain.kind == SINK && recv(fd, data, 4, MSG_WAITALL) != 4) break;
        ssize_t got = recv(fd, data, body, plain.kind == SINK ? MSG_WAITALL : 0);
        if (got != (ssize_t)body) break;
        if (plain.kind == ECHO && send(fd, data, body, MSG_NOSIGNAL) != got) break;
        plain.requests++;
    }
    close(fd);
    return NULL;
}

static void measure_plain(const char *name, enum kind kind, double duration) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof at;
    plain.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    plain.kind = kind;
    ASSERT(bind(plain.listener, (struct sockaddr *)&at, len) == 0 &&
           listen(plain.listener, 5) == 0);
    ASSERT(getsockname(plain.listener, (struct sockaddr *)&at, &len) == 0);
    pid_t clients = start_clients(kind, ntohs(at.sin_port), 1);
    pthread_t thread;
    ASSERT(pthread_create(&thread, NULL, plain_loop, NULL) == 0);
    usleep(200000);
    uint64_t before = plain.requests;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    usleep((useconds_t)(duration * 1e6));
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    uint64_t requests = plain.requests - before;
    kill(clients, SIGKILL);
    waitpid(clients, NULL, 0);
    pthread_join(thread, NULL);
    close(plain.listener);
    report(name, requests, cpu, wall, kind);
}

/* --- starting --- */

static void start_nothing(struct io *io, void *argument) { (void)io, (void)argument; }

static void measure_start(uint32_t shard_count) {
    long before_kib = resident_kib();
    char error[REACTOR_ERROR_BYTES] = "";
    struct reactor_group *group = NULL;
    double start = seconds(CLOCK_MONOTONIC);
    ASSERT(reactor_group_new(&(struct reactor_options){.shard_count = shard_count}, &group, error,
                             sizeof error) == ST_OK);
    double made = seconds(CLOCK_MONOTONIC);
    ASSERT(reactor_group_start(group, start_nothing, NULL, error, sizeof error) == ST_OK);
    double started = seconds(CLOCK_MONOTONIC);
    usleep(50000);
    long after_kib = resident_kib();
    reactor_group_stop(group, 100);
    double stopped = seconds(CLOCK_MONOTONIC);
    reactor_group_free(group);
    (void)printf("%u shards: made in %.2f ms, started in %.2f ms, stopped in %.2f ms; resident %ld "
                 "KiB, %ld KiB before\n",
                 shard_count, (made - start) * 1e3, (started - made) * 1e3,
                 (stopped - started) * 1e3 - 50, after_kib, before_kib);
}

int main(int argc, char **argv) {
    double duration = argc > 1 ? atof(argv[1]) : 1;
    measure_start(2);
    measure_start(2);
    measure_plain("small echo, blocking loop, 1 connection", ECHO, duration);
    measure_reactor("small echo, reactor, 1 connection", ECHO, 1, duration);
    measure_reactor("small echo, reactor, 64 connections", ECHO, 64, duration);
    measure_plain("64 KiB frames, blocking loop", SINK, duration);
    measure_reactor("64 KiB frames, reactor, 1 connection", SINK, 1, duration);
    measure_reactor("64 KiB frames, reactor, 8 connections", SINK, 8, duration);
    return 0;
}
