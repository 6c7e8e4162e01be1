/* tests/bench/flow.c - the event loop of a load. */
#include "flow.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "protocol/frame.h"

#define RECEIVE_BYTES_MIN (256 << 10)
#define EVENTS_MAX 64
#define ARENA_CHUNK_BYTES (64 << 10)

struct connection {
    int fd;
    bool wants_out;    /* EPOLLOUT is asked for */
    uint8_t *out;      /* depth frames */
    int64_t *since_ns; /* by slot: what its latency counts from */
    /* Requests of this connection so far; modulo depth: slots. answered <= started. */
    uint64_t started, answered;
    uint64_t sent_bytes; /* of the stream, <= started * request_bytes */
    uint8_t *in;
    size_t in_len, in_capacity;
};

struct loop {
    struct flow *flow;
    struct mem *mem;
    struct arena arena;
    struct connection *connections;
    int epoll;
    int64_t begin_ns;
    int64_t now_ns;
    uint64_t started; /* over all connections */
};

union flow_response {
    struct produce_response produce;
    struct fetch_response fetch;
    struct offset_commit_response offset_commit;
    struct consumer_group_heartbeat_response heartbeat;
    struct join_group_response join;
    struct sync_group_response sync;
};

static void loop_open(struct loop *loop) {
    struct flow *flow = loop->flow;
    loop->connections =
        mem_need(loop->mem, (size_t)flow->connection_count * sizeof *loop->connections);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) die("epoll: %s", strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1); /* a paced request leaves when it is due */
    for (int i = 0; i < flow->connection_count; i++) {
        struct connection *c = &loop->connections[i];
        c->fd = client_connect(flow->address);
        if (c->fd < 0) die("%s: %s", flow->address, strerror(errno));
        fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
        c->out = mem_need(loop->mem, (size_t)flow->depth * flow->request_bytes);
        c->since_ns = mem_need(loop->mem, (size_t)flow->depth * sizeof *c->since_ns);
        c->in = mem_need(loop->mem, RECEIVE_BYTES_MIN);
        c->in_capacity = RECEIVE_BYTES_MIN;
        for (int s = 0; s < flow->depth; s++)
            flow->fill(flow, i * flow->depth + s, c->out + (size_t)s * flow->request_bytes);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            die("epoll_ctl: %s", strerror(errno));
    }
}

static void loop_close(struct loop *loop) {
    struct flow *flow = loop->flow;
    for (int i = 0; i < flow->connection_count; i++) {
        struct connection *c = &loop->connections[i];
        close(c->fd);
        mem_free(loop->mem, c->out, (size_t)flow->depth * flow->request_bytes);
        mem_free(loop->mem, c->since_ns, (size_t)flow->depth * sizeof *c->since_ns);
        mem_free(loop->mem, c->in, c->in_capacity);
    }
    close(loop->epoll);
    mem_free(loop->mem, loop->connections,
             (size_t)flow->connection_count * sizeof *loop->connections);
    arena_release(&loop->arena);
}

/* When the next request is due; INT64_MAX: none will be. */
static int64_t next_due_ns(const struct loop *loop) {
    const struct flow *flow = loop->flow;
    if (flow->stop) return INT64_MAX;
    if (flow->request_limit != 0 && loop->started >= flow->request_limit) return INT64_MAX;
    int64_t due = flow->interval_ns == 0
                      ? loop->now_ns
                      : loop->begin_ns + (int64_t)loop->started * flow->interval_ns;
    bool over = flow->duration_ns != 0 && due - loop->begin_ns >= flow->duration_ns;
    return over ? INT64_MAX : due;
}

static void start_request(struct loop *loop, struct connection *c, int64_t due_ns) {
    struct flow *flow = loop->flow;
    size_t slot = c->started % (uint64_t)flow->depth;
    uint8_t *frame = c->out + slot * flow->request_bytes;
    if (flow->refill) {
        int first = (int)(c - loop->connections) * flow->depth;
        flow->fill(flow, first + (int)slot, frame);
    }
    put_u32(frame + CLIENT_CORRELATION_AT, (uint32_t)c->started & INT32_MAX);
    c->since_ns[slot] = due_ns;
    c->started++;
    loop->started++;
}

/* Sends what was started, up to the ring's end with each call, and asks to be woken when the socket
 * is full. */
static void connection_send(struct loop *loop, struct connection *c) {
    const struct flow *flow = loop->flow;
    size_t ring_bytes = (size_t)flow->depth * flow->request_bytes;
    bool full = false;
    while (!full && c->sent_bytes < c->started * flow->request_bytes) {
        size_t at = c->sent_bytes % ring_bytes;
        size_t left = (size_t)(c->started * flow->request_bytes - c->sent_bytes);
        ssize_t n = send(c->fd, c->out + at, MIN(left, ring_bytes - at), MSG_NOSIGNAL);
        if (n >= 0) {
            c->sent_bytes += (uint64_t)n;
        } else if (errno == EAGAIN) {
            full = true;
        } else if (errno != EINTR) {
            die("send: %s", strerror(errno));
        }
    }
    if (full == c->wants_out) return;
    c->wants_out = full;
    struct epoll_event event = {.events = EPOLLIN | (full ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

/* Starts what is due and has a free slot. Paced requests take the connections in turn. */
static void loop_start_due(struct loop *loop) {
    struct flow *flow = loop->flow;
    uint64_t depth = (uint64_t)flow->depth;
    if (flow->interval_ns > 0) {
        for (;;) {
            int64_t due = next_due_ns(loop);
            uint64_t turn = loop->started % (uint64_t)flow->connection_count;
            struct connection *c = &loop->connections[turn];
            if (due > loop->now_ns || c->started - c->answered == depth) break;
            start_request(loop, c, due);
        }
    } else {
        for (int i = 0; i < flow->connection_count; i++) {
            struct connection *c = &loop->connections[i];
            while (c->started - c->answered < depth && next_due_ns(loop) <= loop->now_ns)
                start_request(loop, c, loop->now_ns);
        }
    }
    for (int i = 0; i < flow->connection_count; i++) connection_send(loop, &loop->connections[i]);
}

static void take_answer(struct loop *loop, struct connection *c, struct bytes frame) {
    struct flow *flow = loop->flow;
    if (c->answered == c->started) die("an answer came that nothing was asked for");
    size_t slot = c->answered % (uint64_t)flow->depth;
    if (c->sent_bytes < (c->answered + 1) * flow->request_bytes)
        die("an answer came before its request had been sent");
    union flow_response response;
    client_answer(frame, flow->api_key, flow->version, (int32_t)(c->answered & INT32_MAX),
                  &loop->arena, &response);
    latencies_add(&flow->latencies, loop->now_ns - c->since_ns[slot]);
    c->answered++;
    flow->answered++;
    flow->elapsed_ns = loop->now_ns - loop->begin_ns;
    flow->answer(flow, (int)(c - loop->connections) * flow->depth + (int)slot, &response);
    arena_reset(&loop->arena);
}

/* Takes the whole frames at the front of what was received, keeps the rest. */
static void take_answers(struct loop *loop, struct connection *c) {
    size_t at = 0;
    size_t wanted = FRAME_LENGTH_BYTES;
    while (c->in_len - at >= FRAME_LENGTH_BYTES) {
        size_t len = get_u32(c->in + at);
        if (len > CLIENT_FRAME_BYTES_MAX) die("an answer of %zu octets", len);
        wanted = FRAME_LENGTH_BYTES + len;
        if (c->in_len - at < wanted) break;
        take_answer(loop, c, (struct bytes){c->in + at + FRAME_LENGTH_BYTES, len});
        at += wanted;
        wanted = FRAME_LENGTH_BYTES;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    if (wanted > c->in_capacity) {
        c->in = mem_resize(loop->mem, c->in, c->in_capacity, wanted);
        if (c->in == NULL) die("no memory for an answer of %zu octets", wanted);
        c->in_capacity = wanted;
    }
}

static void connection_receive(struct loop *loop, struct connection *c) {
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_capacity - c->in_len, 0);
    if (n == 0) die("the broker closed a connection");
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        die("recv: %s", strerror(errno));
    }
    c->in_len += (size_t)n;
    loop->now_ns = clock_ns();
    take_answers(loop, c);
}

/* Waits for the sockets, or until a paced request is due (one that is overdue waits for a slot). */
static int loop_wait(struct loop *loop, struct epoll_event *events) {
    int64_t wait_ns = (int64_t)CLIENT_TIMEOUT_S * 1000000000;
    int64_t due = loop->flow->interval_ns > 0 ? next_due_ns(loop) : INT64_MAX;
    bool timed = due != INT64_MAX && due > loop->now_ns;
    if (timed) wait_ns = due - loop->now_ns;
    struct timespec timeout = {wait_ns / 1000000000, wait_ns % 1000000000};
    int n = epoll_pwait2(loop->epoll, events, EVENTS_MAX, &timeout, NULL);
    if (n < 0 && errno != EINTR) die("epoll_pwait2: %s", strerror(errno));
    loop->now_ns = clock_ns();
    if (n == 0 && !timed) die("no answer within %d s", CLIENT_TIMEOUT_S);
    return MAX(n, 0);
}

void flow_run(struct flow *flow, struct mem *mem) {
    struct loop loop = {.flow = flow, .mem = mem};
    struct epoll_event events[EVENTS_MAX];
    arena_init(&loop.arena, mem, ARENA_CHUNK_BYTES, 0);
    flow->stop = false;
    flow->answered = 0;
    memset(&flow->latencies, 0, sizeof flow->latencies);
    loop_open(&loop);
    loop.begin_ns = loop.now_ns = clock_ns();
    loop_start_due(&loop);
    while (flow->answered < loop.started || next_due_ns(&loop) != INT64_MAX) {
        int n = loop_wait(&loop, events);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & ~(uint32_t)EPOLLOUT) connection_receive(&loop, c);
        }
        loop_start_due(&loop);
    }
    loop_close(&loop);
}
