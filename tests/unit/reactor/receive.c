/* tests/unit/reactor/receive.c - receiving: no octet lost, doubled or moved, whatever the sizes,
 * the pieces and the way. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/unit/reactor/echo.h"

struct traffic {
    const char *name;
    uint64_t seed;
    size_t frame_count, frame_bytes_max;
    size_t piece_bytes_max; /* of one send call; 0: whole frames */
    size_t direct_over;
    bool random_direct, detaches;
    int client_count;
    uint32_t buffer_bytes, buffer_count;
};

struct client {
    const struct traffic *traffic;
    uint16_t port;
    int number, fd;
    uint8_t *out;
    size_t out_len;
    bool equal;
    pthread_t sender, thread;
};

/* All frames of one client, one after another. */
static void make_stream(struct client *c) {
    struct prng prng;
    prng_seed(&prng, c->traffic->seed * 1000 + (uint64_t)c->number);
    size_t capacity = 0;
    for (size_t i = 0; i < c->traffic->frame_count; i++) {
        size_t bound = prng_chance(&prng, 3, 4) ? MIN(c->traffic->frame_bytes_max, (size_t)300)
                                                : c->traffic->frame_bytes_max;
        size_t size = prng_below(&prng, bound + 1);
        if (c->out_len + size + 4 > capacity) {
            capacity = (c->out_len + size + 4) * 2;
            c->out = realloc(c->out, capacity);
        }
        put_u32(c->out + c->out_len, (uint32_t)size);
        prng_fill(&prng, c->out + c->out_len + 4, size);
        c->out_len += size + 4;
    }
}

static void *send_stream(void *argument) {
    struct client *c = argument;
    struct prng prng;
    prng_seed(&prng, c->traffic->seed + 77);
    for (size_t at = 0; at < c->out_len;) {
        size_t bound = c->traffic->piece_bytes_max != 0 ? c->traffic->piece_bytes_max : 1 << 20;
        size_t piece = 1 + prng_below(&prng, bound);
        if (piece > c->out_len - at) piece = c->out_len - at;
        client_send(c->fd, c->out + at, piece);
        at += piece;
        if (prng_chance(&prng, 1, 50)) usleep(200);
    }
    return NULL;
}

static void *run_client(void *argument) {
    struct client *c = argument;
    make_stream(c);
    c->fd = client_connect(c->port);
    pthread_create(&c->sender, NULL, send_stream, c);
    uint8_t *in = malloc(c->out_len);
    bool whole = client_recv(c->fd, in, c->out_len);
    c->equal = whole && memcmp(in, c->out, c->out_len) == 0;
    pthread_join(c->sender, NULL);
    close(c->fd);
    free(in);
    free(c->out);
    return NULL;
}

/* A plain thread for all clients; the job polls for its end so that the shard goes on. */
struct clients {
    struct client client[8];
    int count;
    _Atomic int finished;
};

static void *run_clients(void *argument) {
    struct clients *clients = argument;
    for (int i = 0; i < clients->count; i++) {
        pthread_create(&clients->client[i].thread, NULL, run_client, &clients->client[i]);
    }
    for (int i = 0; i < clients->count; i++) pthread_join(clients->client[i].thread, NULL);
    clients->finished = 1;
    return NULL;
}

static void listener_closed(struct io_op *op) { (void)op; }

static void sleep_us(struct job *job, uint64_t us) {
    job_sleep_until(job, io_now(job_io(job)).mono_us + us);
}

static void run_traffic(struct job *job, void *argument) {
    const struct traffic *t = argument;
    struct echo echo = {.direct_over = t->direct_over,
                        .by_data_too = t->random_direct,
                        .detaches = t->detaches};
    prng_seed(&echo.prng, t->seed);
    echo_start(&echo, job_io(job));
    struct clients clients = {.count = t->client_count};
    for (int i = 0; i < t->client_count; i++) {
        clients.client[i] = (struct client){.traffic = t, .port = echo.port, .number = i};
    }
    pthread_t thread;
    pthread_create(&thread, NULL, run_clients, &clients);
    while (!clients.finished || echo.live_count > 0) sleep_us(job, 1000);
    pthread_join(thread, NULL);
    for (int i = 0; i < t->client_count; i++) {
        cr_expect(clients.client[i].equal, "%s, seed %d: client %d got other octets", t->name,
                  (int)t->seed, i);
    }
    cr_expect_eq(echo.last_end, 0, "%s: the peer closed, not %lld", t->name,
                 (long long)echo.last_end);
    if (t->random_direct || t->frame_bytes_max > t->direct_over) {
        cr_expect_gt(echo.direct_count, 0, "%s: nothing was received directly", t->name);
    }
    cr_expect_eq(echo.detach_count > 0, t->detaches, "%s: started anew %d times", t->name,
                 (int)echo.detach_count);
    struct io_op close_op = {.done = listener_closed};
    echo_stop(&echo, &close_op);
    sleep_us(job, 2000);
}

static const struct traffic traffics[] = {
    {"tiny frames", 1, 4000, 100, 0, 1 << 30, false, false, 2, 0, 0},
    {"tiny frames in small pieces", 2, 2000, 100, 7, 1 << 30, false, false, 1, 0, 0},
    {"frames in single octets", 3, 100, 60, 1, 1 << 30, false, false, 1, 0, 0},
    {"large frames", 4, 60, 300000, 0, 4096, false, false, 3, 0, 0},
    {"frames of 8 MB", 5, 8, 8 << 20, 0, 4096, false, false, 1, 0, 0},
    {"large frames without direct reads", 6, 60, 300000, 0, 1 << 30, false, false, 2, 0, 0},
    {"large frames in odd pieces", 7, 60, 200000, 5000, 4096, false, false, 2, 0, 0},
    {"tiny frames, started anew", 10, 2000, 100, 0, 1 << 30, false, true, 2, 0, 0},
    {"large frames, started anew", 11, 60, 300000, 0, 4096, false, true, 2, 0, 0},
    {"four buffers of 64 octets", 8, 300, 20000, 0, 1 << 30, false, false, 3, 64, 4},
    {"four buffers of 64 octets, direct at 100", 9, 300, 20000, 3000, 100, false, false, 3, 64, 4},
};

Test(receive, frames_come_back_octet_for_octet, .timeout = 300) {
    for (size_t i = 0; i < COUNT(traffics); i++) {
        struct traffic t = traffics[i];
        harness_run(&(struct reactor_options){.buffer_bytes = t.buffer_bytes,
                                              .buffer_count = t.buffer_count},
                    run_traffic, &t);
    }
}

Test(receive, ways_change_at_random_places_without_losing_an_octet, .timeout = 300) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct traffic t = {"random direct reads",
                            seed,
                            300,
                            20000,
                            1 + (seed * 997) % 9000,
                            1 << 30,
                            true,
                            seed % 4 < 2,
                            2,
                            0,
                            0};
        struct reactor_options options = {.buffer_bytes = seed % 3 == 0 ? 256 : 4096,
                                          .buffer_count = 16,
                                          .uring_level = seed % 2 == 0 ? 601 : 0};
        harness_run(&options, run_traffic, &t);
    }
}
