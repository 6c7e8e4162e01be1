/* tests/unit/reactor/messages.c - shards reach each other: every message arrives, in order, and no
 * shard sleeps over one. */
#include <pthread.h>
#include <stdlib.h>
#include "tests/unit/reactor/harness.h"

static void start_group(struct reactor_group *group,
                        void (*on_start)(struct io *io, void *argument), void *argument) {
    char error[REACTOR_ERROR_BYTES] = "";
    cr_assert_eq(reactor_group_start(group, on_start, argument, error, sizeof error), ST_OK, "%s",
                 error);
}

/* --- one ball, so that every shard sleeps before it comes --- */

struct ball {
    struct io_message message;
    unsigned hops;
};

static struct {
    struct ball ball;
    unsigned limit;
    sem_t finished;
} game;

static void ball_arrived(struct io_message *message, struct io *at) {
    struct ball *ball = CONTAINER_OF(message, struct ball, message);
    if (++ball->hops >= game.limit) {
        sem_post(&game.finished);
        return;
    }
    io_post(at, (at->shard + 1u) % at->shard_count, &ball->message);
}

static void serve(struct io *io, void *argument) {
    (void)argument;
    if (io->shard != 0) return;
    game.ball.message.deliver = ball_arrived;
    io_post(io, 1 % io->shard_count, &game.ball.message);
}

static void play(uint32_t shard_count, unsigned hops) {
    memset(&game, 0, sizeof game);
    game.limit = hops;
    sem_init(&game.finished, 0, 0);
    struct reactor_group *group =
        harness_group(&(struct reactor_options){.shard_count = shard_count});
    start_group(group, serve, NULL);
    harness_wait(&game.finished);
    reactor_group_stop(group, 1000);
    uint64_t received = 0, sent = 0;
    for (unsigned i = 0; i < shard_count; i++) {
        received += reactor_group_io(group, i)->stats.messages_received;
        sent += reactor_group_io(group, i)->stats.messages_sent;
    }
    cr_expect_eq(received, hops);
    cr_expect_eq(sent, hops);
    reactor_group_free(group);
}

Test(messages, one_message_goes_round_a_hundred_thousand_times, .timeout = 120) {
    static const uint32_t counts[] = {1, 2, 3, 4};
    for (size_t i = 0; i < COUNT(counts); i++) play(counts[i], 100000);
}

/* --- floods from every shard to every other, far beyond a mailbox --- */

enum { SHARDS = 4, FLOOD = 3 * LIMIT_MAILBOX_MESSAGES + 7, ROUNDS = 64 };

struct drop {
    struct io_message message;
    uint16_t from;
    uint32_t number;
};

struct flooder {
    struct io *io;
    struct drop drops[SHARDS][FLOOD]; /* by target */
    uint32_t expected[SHARDS];        /* by sender: the number that comes next */
    uint32_t arrived_count;
    bool out_of_order;
};
static struct flooder *flooders[SHARDS];
static struct {
    _Atomic int rounds_left; /* of all shards */
    sem_t finished;
} flood;

static void drop_arrived(struct io_message *message, struct io *at) {
    struct drop *drop = CONTAINER_OF(message, struct drop, message);
    struct flooder *f = flooders[at->shard];
    if (drop->number != f->expected[drop->from]) f->out_of_order = true;
    f->expected[drop->from] = (drop->number + 1) % FLOOD;
    if (++f->arrived_count % ((SHARDS - 1) * FLOOD) == 0 &&
        atomic_fetch_sub(&flood.rounds_left, 1) == 1) {
        sem_post(&flood.finished);
    }
}

static void send_flood(struct flooder *f) {
    for (uint32_t i = 0; i < FLOOD; i++) {
        for (unsigned to = 0; to < SHARDS; to++) {
            if (to == f->io->shard) continue;
            struct drop *drop = &f->drops[to][i];
            *drop =
                (struct drop){.message.deliver = drop_arrived, .from = f->io->shard, .number = i};
            io_post(f->io, to, &drop->message);
        }
    }
}

/* With a barrier nobody takes anything before all have sent; without, the others take while one
 * still sends. */
static void start_flood(struct io *io, void *argument) {
    flooders[io->shard]->io = io;
    send_flood(flooders[io->shard]);
    if (argument != NULL) pthread_barrier_wait(argument);
}

Test(messages, floods_beyond_the_mailboxes_arrive_whole_and_in_order, .timeout = 120) {
    for (int round = 0; round < ROUNDS; round++) {
        sem_init(&flood.finished, 0, 0);
        flood.rounds_left = SHARDS;
        for (int i = 0; i < SHARDS; i++) flooders[i] = calloc(1, sizeof *flooders[i]);
        struct reactor_group *group =
            harness_group(&(struct reactor_options){.shard_count = SHARDS});
        pthread_barrier_t barrier;
        pthread_barrier_init(&barrier, NULL, SHARDS);
        bool together = round % 4 == 0;
        start_group(group, start_flood, together ? &barrier : NULL);
        harness_wait(&flood.finished);
        reactor_group_stop(group, 1000);
        for (unsigned i = 0; i < SHARDS; i++) {
            struct io *io = reactor_group_io(group, i);
            cr_expect_eq(io->stats.messages_received, (SHARDS - 1) * FLOOD);
            if (together)
                cr_expect_eq(io->stats.messages_spilled,
                             (SHARDS - 1) * (FLOOD - LIMIT_MAILBOX_MESSAGES));
            cr_expect(!flooders[i]->out_of_order);
        }
        reactor_group_free(group);
        pthread_barrier_destroy(&barrier);
        for (int i = 0; i < SHARDS; i++) free(flooders[i]);
    }
}

/* --- one that only sends: nothing but the spill itself can wake it --- */

static struct {
    struct drop drops[FLOOD];
    uint32_t arrived_count;
    _Atomic bool sent;
    sem_t finished;
} one_way;

static void one_way_arrived(struct io_message *message, struct io *at) {
    (void)message, (void)at;
    if (++one_way.arrived_count == FLOOD) sem_post(&one_way.finished);
}

static void start_one_way(struct io *io, void *argument) {
    (void)argument;
    if (io->shard == 0) {
        for (uint32_t i = 0; i < FLOOD; i++) {
            one_way.drops[i].message.deliver = one_way_arrived;
            io_post(io, 1, &one_way.drops[i].message);
        }
        one_way.sent = true;
    } else {
        while (!one_way.sent) sched_yield();
    }
}

Test(messages, a_shard_does_not_sleep_over_what_it_could_not_send) {
    for (int round = 0; round < 20; round++) {
        memset(&one_way, 0, sizeof one_way);
        sem_init(&one_way.finished, 0, 0);
        struct reactor_group *group = harness_group(&(struct reactor_options){.shard_count = 2});
        start_group(group, start_one_way, NULL);
        harness_wait(&one_way.finished);
        reactor_group_stop(group, 1000);
        reactor_group_free(group);
    }
}

/* --- threads without a ring --- */

enum { SENDERS = 3, LETTERS = 20000 };
static struct {
    struct reactor_group *group;
    struct drop letters[SENDERS][LETTERS];
    uint32_t expected[SENDERS];
    uint32_t arrived_count;
    bool out_of_order;
    _Atomic uint32_t refused_count;
    sem_t finished;
} post_office;

static void letter_arrived(struct io_message *message, struct io *at) {
    struct drop *drop = CONTAINER_OF(message, struct drop, message);
    cr_expect_eq(at->shard, 0);
    if (drop->number != post_office.expected[drop->from]++) post_office.out_of_order = true;
    if (++post_office.arrived_count == SENDERS * LETTERS) sem_post(&post_office.finished);
}

static void *send_letters(void *argument) {
    uint16_t from = (uint16_t)(uintptr_t)argument;
    for (uint32_t i = 0; i < LETTERS; i++) {
        struct drop *drop = &post_office.letters[from][i];
        *drop = (struct drop){.message.deliver = letter_arrived, .from = from, .number = i};
        while (!reactor_group_post(post_office.group, &drop->message)) {
            post_office.refused_count++;
            sched_yield();
        }
    }
    return NULL;
}

static void do_nothing(struct io *io, void *argument) { (void)io, (void)argument; }

Test(messages, threads_without_a_ring_reach_shard_0, .timeout = 120) {
    sem_init(&post_office.finished, 0, 0);
    post_office.group = harness_group(&(struct reactor_options){.shard_count = 2});
    start_group(post_office.group, do_nothing, NULL);
    pthread_t threads[SENDERS];
    for (uintptr_t i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_letters, (void *)i);
    harness_wait(&post_office.finished);
    for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
    reactor_group_stop(post_office.group, 1000);
    cr_expect(!post_office.out_of_order);
    reactor_group_free(post_office.group);
}

Test(messages, the_inbox_of_shard_0_is_bounded) {
    struct reactor_group *group =
        harness_group(&(struct reactor_options){0}); /* never started: nobody takes */
    static struct drop letters[LIMIT_MAILBOX_MESSAGES + 1];
    for (size_t i = 0; i < COUNT(letters); i++) {
        bool taken = reactor_group_post(group, &letters[i].message);
        cr_expect_eq(taken, i < LIMIT_MAILBOX_MESSAGES, "message %zu", i);
    }
    reactor_group_free(group);
}
