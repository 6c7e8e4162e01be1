/* tests/unit/reactor/network.c - listening, accepting, connecting, sending and closing. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/unit/reactor/echo.h"

static void sleep_us(struct job *job, uint64_t us) {
    job_sleep_until(job, io_now(job_io(job)).mono_us + us);
}

static struct io_address loopback(uint16_t port) {
    struct io_address a;
    cr_assert(io_address_parse("127.0.0.1", port, &a));
    return a;
}

/* One accepted connection, its events counted in order. */
struct server {
    struct io_acceptor acceptor;
    struct io_receiver receiver;
    struct io_address bound, peer;
    int listener, fd, accepted_count;
    int64_t accept_error;
    int64_t end_result;
    int end_order, send_order, close_order, order;
    size_t received_bytes;
    struct io_op send_op, close_op;
    struct job *waiting;
};

static void server_accepted(struct io_acceptor *acceptor, int fd, const struct io_address *peer) {
    struct server *s = CONTAINER_OF(acceptor, struct server, acceptor);
    if (fd < 0) {
        s->accept_error = fd;
        return;
    }
    s->accepted_count++;
    s->fd = fd;
    s->peer = *peer;
}
static void server_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    (void)data;
    CONTAINER_OF(receiver, struct server, receiver)->received_bytes += len;
}
static void server_direct(struct io_receiver *receiver) { (void)receiver; }
static void server_end(struct io_receiver *receiver, int64_t result) {
    struct server *s = CONTAINER_OF(receiver, struct server, receiver);
    s->end_result = result;
    s->end_order = ++s->order;
}
static void server_sent(struct io_op *op) {
    struct server *s = CONTAINER_OF(op, struct server, send_op);
    s->send_order = ++s->order;
}
static void server_closed(struct io_op *op) {
    struct server *s = CONTAINER_OF(op, struct server, close_op);
    s->close_order = ++s->order;
}

static void server_listen(struct server *s, struct io *io, int backlog) {
    *s = (struct server){
        .fd = -1,
        .acceptor.on_accept = server_accepted,
        .receiver = {.on_data = server_data, .on_direct = server_direct, .on_end = server_end},
        .send_op.done = server_sent,
        .close_op.done = server_closed};
    struct io_address any = loopback(0);
    s->listener = io_listen(io, &any, backlog, &s->bound);
    cr_assert_geq(s->listener, 0);
}

static int server_connect(struct server *s, struct job *job) {
    int fd = client_connect(s->bound.port);
    for (int i = 0; i < 5000 && s->fd < 0; i++) sleep_us(job, 1000);
    cr_assert_geq(s->fd, 0);
    return fd;
}

static bool at_end(int fd) { /* of the stream, within a second */
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, 1000) == 1 && recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void closing(struct job *job, void *argument) {
    struct io *io = job_io(job);
    const char *how = argument;
    struct server s;
    server_listen(&s, io, 16);
    io_accept_start(io, &s.acceptor, s.listener);
    int client = server_connect(&s, job);
    io_recv_start(io, &s.receiver, s.fd);
    static uint8_t huge[32 << 20];
    struct iovec iov = {huge, sizeof huge};
    cr_expect(!io_send(io, &s.send_op, s.fd, &iov, 1), "more than a socket takes");
    sleep_us(job, 5000);
    if (strstr(how, "stop") != NULL) io_recv_stop(io, &s.receiver);
    if (strstr(how, "pause") != NULL) io_recv_pause(io, &s.receiver);
    if (strstr(how, "turn") != NULL) sleep_us(job, 1000);
    cr_expect(!io_close(io, &s.close_op, s.fd), "%s: something is outstanding", how);
    cr_expect_eq(s.end_order + s.send_order, strstr(how, "stop and a turn") != NULL ? 1 : 0,
                 "%s: not at once", how);
    for (int i = 0; i < 5000 && s.close_order == 0; i++) sleep_us(job, 1000);
    cr_expect_eq(s.close_order, 3, "%s: the close completes last", how);
    cr_expect_eq(s.close_op.result, 0);
    cr_expect(s.end_order > 0 && s.end_order < 3, "%s", how);
    cr_expect_eq(s.end_result, -ECANCELED, "%s: %lld", how, (long long)s.end_result);
    cr_expect(s.send_op.result == -ECANCELED || s.send_op.result == -EPIPE, "%s: %lld", how,
              (long long)s.send_op.result);
    static uint8_t sink[1 << 20];
    ssize_t n;
    while ((n = recv(client, sink, sizeof sink, 0)) > 0) {
    }
    cr_expect_eq(n, 0, "%s: the peer sees the end of the stream", how);
    close(client);
    (void)io_close(io, NULL, s.listener);
    sleep_us(job, 5000); /* the acceptor lives until then */
}

Test(network, close_gives_up_what_is_outstanding_and_completes_after_it, .timeout = 120) {
    static const char *const ways[] = {"plain", "after stop", "after stop and a turn",
                                       "after pause", "after pause and a turn"};
    for (size_t i = 0; i < COUNT(ways); i++)
        harness_run(&(struct reactor_options){0}, closing, (void *)(uintptr_t)ways[i]);
}

static void stopping(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    for (int paused = 0; paused < 2; paused++) {
        struct server s;
        server_listen(&s, io, 16);
        io_accept_start(io, &s.acceptor, s.listener);
        int client = server_connect(&s, job);
        io_recv_start(io, &s.receiver, s.fd);
        client_send(client, "hello", 5);
        for (int i = 0; i < 5000 && s.received_bytes < 5; i++) sleep_us(job, 1000);
        if (paused != 0) {
            io_recv_pause(io, &s.receiver);
            sleep_us(job, 5000);
            client_send(client, "unseen", 6);
            sleep_us(job, 20000);
            cr_expect_eq(s.received_bytes, 5, "nothing is read while it is paused");
            io_recv_resume(io, &s.receiver);
            for (int i = 0; i < 5000 && s.received_bytes < 11; i++) sleep_us(job, 1000);
            cr_expect_eq(s.received_bytes, 11, "and everything after");
            io_recv_pause(io, &s.receiver);
            io_recv_resume(io, &s.receiver); /* in one turn */
            client_send(client, "!", 1);
            for (int i = 0; i < 5000 && s.received_bytes < 12; i++) sleep_us(job, 1000);
            cr_expect_eq(s.received_bytes, 12);
            io_recv_pause(io, &s.receiver);
            sleep_us(job, 5000);
        }
        size_t received = s.received_bytes;
        io_recv_stop(io, &s.receiver);
        io_recv_stop(io, &s.receiver); /* twice is once */
        client_send(client, "late", 4);
        cr_expect_eq(s.end_order, 0, "never from within the call");
        for (int i = 0; i < 5000 && s.end_order == 0; i++) sleep_us(job, 1000);
        cr_expect_eq(s.end_result, -ECANCELED);
        cr_expect_eq(s.received_bytes, received, "nothing after stop");
        cr_expect(io_close(io, &s.close_op, s.fd), "nothing is outstanding: closed at once");
        cr_expect_eq(s.close_op.result, 0);
        close(client);
        (void)io_close(io, NULL, s.listener);
        sleep_us(job, 2000);
    }
}

Test(network, a_stopped_or_paused_receiver_reads_no_more, .timeout = 120) {
    harness_run(&(struct reactor_options){0}, stopping, NULL);
}

static int option(int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    cr_expect_eq(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void connecting(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct server s;
    server_listen(&s, io, 16);
    io_accept_start(io, &s.acceptor, s.listener);
    int64_t fd = job_wait(job, io_connect(io, job_op(job), &s.bound));
    cr_expect_geq(fd, 0);
    for (int i = 0; i < 5000 && s.fd < 0; i++) sleep_us(job, 1000);
    for (int side = 0; side < 2; side++) {
        int at = side == 0 ? (int)fd : s.fd;
        cr_expect_neq(option(at, IPPROTO_TCP, TCP_NODELAY), 0, "side %d", side);
        cr_expect_neq(option(at, SOL_SOCKET, SO_KEEPALIVE), 0, "side %d", side);
        cr_expect_eq(fcntl(at, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        cr_expect_eq(fcntl(at, F_GETFL) & O_NONBLOCK, 0);
    }
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    cr_expect_eq(getsockname((int)fd, (struct sockaddr *)&own, &len), 0);
    cr_expect_eq(s.peer.family, 4);
    cr_expect_eq(s.peer.port, ntohs(own.sin_port));
    cr_expect_eq(memcmp(s.peer.bytes, &own.sin_addr, 4), 0);
    cr_expect(io_close(io, job_op(job), (int)fd));
    cr_expect(at_end(s.fd));
    (void)io_close(io, NULL, s.fd);
    struct io_address nobody = s.bound;
    (void)io_close(io, NULL, s.listener);
    sleep_us(job, 5000);
    cr_expect_eq(job_wait(job, io_connect(io, job_op(job), &nobody)), -ECONNREFUSED);
}

Test(network, connections_are_made_and_refused) {
    harness_run(&(struct reactor_options){0}, connecting, NULL);
}

static bool connect_ended;
static void connect_done(struct io_op *op) {
    (void)op;
    connect_ended = true;
}

static void cancelling(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct server s;
    server_listen(&s, io, 1); /* nobody accepts: its queue fills, and then a connect waits */
    int fds_before = open("/dev/null", O_RDONLY);
    struct io_op ops[4];
    int waiting = 0;
    for (int i = 0; i < 4; i++) {
        connect_ended = false;
        ops[i] = (struct io_op){.done = connect_done};
        if (io_connect(io, &ops[i], &s.bound)) continue;
        sleep_us(job, 20000);
        if (connect_ended) {
            if (ops[i].result >= 0) close((int)ops[i].result);
            continue;
        }
        waiting++;
        io_cancel(io, &ops[i]);
        for (int k = 0; k < 5000 && !connect_ended; k++) sleep_us(job, 1000);
        cr_expect_eq(ops[i].result, -ECANCELED, "got %lld", (long long)ops[i].result);
    }
    cr_expect_gt(waiting, 0);
    close(fds_before);
    (void)io_close(io, NULL, s.listener);
}

Test(network, a_connect_that_hangs_can_be_cancelled) {
    harness_run(&(struct reactor_options){0}, cancelling, NULL);
}

static void out_of_descriptors(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct server s;
    server_listen(&s, io, 16);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before, tight;
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    int next = dup(0);
    close(next);
    tight.rlim_cur = (rlim_t)next; /* no descriptor can be made */
    setrlimit(RLIMIT_NOFILE, &tight);
    io_accept_start(io, &s.acceptor,
                    s.listener); /* the ring takes the limit as it is when it arms */
    sleep_us(job, 1000);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s.bound.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_expect_eq(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    for (int i = 0; i < 5000 && s.accept_error == 0; i++) sleep_us(job, 1000);
    cr_expect_eq(s.accept_error, -EMFILE);
    cr_expect_eq(s.accepted_count, 0);
    uint64_t turns = io->stats.turns;
    sleep_us(job, 50000);
    cr_expect_lt(io->stats.turns - turns, 10, "it does not try all the time");
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < 5000 && s.accepted_count == 0; i++) sleep_us(job, 1000);
    cr_expect_eq(s.accepted_count, 1, "accepting goes on");
    close(client);
    (void)io_close(io, NULL, s.fd);
    io_accept_stop(io, &s.acceptor);
    sleep_us(job, 2000);

    struct server paused; /* closed while it pauses */
    server_listen(&paused, io, 16);
    client = client_connect(paused.bound.port);
    setrlimit(RLIMIT_NOFILE, &tight);
    io_accept_start(io, &paused.acceptor, paused.listener);
    for (int i = 0; i < 5000 && paused.accept_error == 0; i++) sleep_us(job, 1000);
    setrlimit(RLIMIT_NOFILE, &before);
    cr_expect(!io_close(io, &paused.close_op, paused.listener));
    for (int i = 0; i < 5000 && paused.close_order == 0; i++) sleep_us(job, 1000);
    cr_expect_eq(paused.close_op.result, 0);
    cr_expect_eq(paused.accepted_count, 0);
    close(client);
    sleep_us(job, 150000); /* longer than the pause: nothing fires */
    if (!io_close(io, &s.close_op, s.listener)) {
        for (int i = 0; i < 5000 && s.close_order == 0; i++) sleep_us(job, 1000);
    }
    cr_expect_eq(s.close_op.result, 0);
}

Test(network, accepting_pauses_while_descriptors_are_out) {
    harness_run(&(struct reactor_options){0}, out_of_descriptors, NULL);
}

static void sharing(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    int pipes[2], leave[2];
    cr_assert_eq(pipe(pipes), 0);
    cr_assert_eq(pipe(leave), 0);
    pid_t child = fork();
    if (child == 0) { /* another process that would share its port with us */
        int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        struct sockaddr_in at = {.sin_family = AF_INET};
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t len = sizeof at;
        uint16_t port = 0;
        if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 5) == 0 &&
            getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
            port = ntohs(at.sin_port);
        }
        (void)!write(pipes[1], &port, sizeof port);
        close(leave[1]);
        (void)!read(leave[0], &port, 1);
        _exit(0);
    }
    uint16_t port = 0;
    cr_expect_eq(read(pipes[0], &port, sizeof port), (ssize_t)sizeof port);
    cr_assert_neq(port, 0);
    struct io_address address = loopback(port);
    cr_expect_eq(io_listen(io, &address, 5, NULL), -EADDRINUSE, "another process listens there");
    close(leave[1]);
    waitpid(child, NULL, 0);
    int first = io_listen(io, &address, 5, NULL);
    cr_expect_geq(first, 0, "now it is free: %d", first);
    int second = io_listen(io, &address, 5, NULL);
    cr_expect_geq(second, 0, "and shared among our own shards: %d", second);
    (void)io_close(io, NULL, first);
    (void)io_close(io, NULL, second);
    struct io_address six;
    cr_assert(io_address_parse("::", 0, &six));
    struct server s;
    server_listen(&s, io, 5);
    (void)io_close(io, NULL, s.listener);
    s.listener = io_listen(io, &six, 5, &s.bound);
    if (s.listener >= 0) { /* hosts without IPv6 exist */
        io_accept_start(io, &s.acceptor, s.listener);
        int client = server_connect(&s, job);
        cr_expect_eq(s.peer.family, 4, "an IPv4 peer is shown as one");
        cr_expect_eq(s.peer.bytes[0], 127);
        close(client);
        (void)io_close(io, NULL, s.fd);
        (void)io_close(io, NULL, s.listener);
        sleep_us(job, 5000);
    }
}

Test(network, a_port_is_shared_among_shards_but_not_with_another_process) {
    harness_run(&(struct reactor_options){0}, sharing, NULL);
}

static void accept_stopping(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct server s;
    server_listen(&s, io, 16);
    io_accept_start(io, &s.acceptor, s.listener);
    int client = server_connect(&s, job);
    int late = client_connect(s.bound.port); /* may be accepted by the kernel already */
    io_accept_stop(io, &s.acceptor);
    sleep_us(job, 20000);
    cr_expect_eq(s.accepted_count, 1, "none after stop");
    cr_expect(!io_close(io, &s.close_op, s.listener) || s.close_op.result == 0);
    sleep_us(job, 20000);
    char c;
    ssize_t got = recv(late, &c, 1, 0);
    cr_expect(got == 0 || (got < 0 && errno == ECONNRESET), "nobody serves it: it is closed");
    close(client);
    close(late);
    (void)io_close(io, NULL, s.fd);
}

Test(network, nothing_is_accepted_after_stop) {
    harness_run(&(struct reactor_options){0}, accept_stopping, NULL);
}
