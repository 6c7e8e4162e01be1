/* tests/unit/sim/wal_runs.c - whole runs of the small server under every fault: what was answered
 * survives, the same seed gives the same run, and each planted mistake is found. */
#include "tests/unit/sim/wal.h"
#include <criterion/criterion.h>
#include "base/bytes.h"
#include "tests/sim/disk.h"

enum { NUMBERS = 4000, CLIENTS = 3, RUN_US = 6000000, HEALED_US = 30000000 };

struct client {
    struct run *run;
    struct io *io;
    struct io_op connect, send, close;
    struct io_timer timer;
    struct io_receiver receiver;
    struct io_address address;
    struct iovec iov;
    uint8_t out[8], in[8];
    size_t in_len;
    uint64_t number;
    int fd;
    bool is_sending, is_ended, is_open, is_answered;
};

struct run {
    struct world *world;
    struct node *server;
    struct wal_options options;
    struct event plan;
    uint64_t recovered[NUMBERS];
    bool sent[NUMBERS], answered[NUMBERS];
    bool owed[NUMBERS]; /* answered before the last crash */
    uint64_t next_number;
    uint64_t answered_count, crashes;
};

/* --- clients: one number at a time, again on a new connection when it fails --- */

static void client_connect(struct io_timer *timer);
static void client_send(struct client *c);

static void client_again(struct client *c) {
    c->timer.fire = client_connect;
    io_timer_set(c->io, &c->timer, io_now(c->io).mono_us + 20000);
}

static void client_closed(struct io_op *op) {
    client_again(CONTAINER_OF(op, struct client, close));
}

static void client_end(struct client *c) {
    if (!c->is_ended || c->is_sending || !c->is_open) return;
    c->is_open = false;
    c->close.done = client_closed;
    if (io_close(c->io, &c->close, c->fd)) client_again(c);
}

static void client_sent(struct io_op *op) {
    struct client *c = CONTAINER_OF(op, struct client, send);
    c->is_sending = false;
    client_end(c);
    if (c->is_answered) client_send(c);
}

static void client_send(struct client *c) {
    if (c->run->next_number == NUMBERS || c->is_ended) return;
    c->number = c->run->next_number++;
    c->run->sent[c->number] = true;
    put_u64(c->out, c->number);
    c->iov = (struct iovec){.iov_base = c->out, .iov_len = 8};
    c->is_sending = true;
    c->is_answered = false;
    c->in_len = 0;
    c->send.done = client_sent;
    if (io_send(c->io, &c->send, c->fd, &c->iov, 1)) client_sent(&c->send);
}

static void client_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct client *c = CONTAINER_OF(receiver, struct client, receiver);
    if (c->in_len + len > 8) {
        world_fail(c->run->world, "more octets than were asked for");
        return;
    }
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    if (c->in_len < 8) return;
    if (get_u64(c->in) != c->number)
        world_fail(c->run->world, "answer %llu to %llu", (unsigned long long)get_u64(c->in),
                   (unsigned long long)c->number);
    c->run->answered[c->number] = true;
    c->run->answered_count++;
    c->is_answered = true;
    if (!c->is_sending) client_send(c); /* else once the send is told to have ended */
}

static void client_received_end(struct io_receiver *receiver, int64_t result) {
    struct client *c = CONTAINER_OF(receiver, struct client, receiver);
    (void)result; /* whatever the reason */
    io_timer_clear(c->io, &c->timer);
    c->is_ended = true;
    client_end(c);
}

/* Silence or a missed turn: start over. */
static void client_patience(struct io_timer *timer) {
    struct client *c = CONTAINER_OF(timer, struct client, timer);
    if (c->is_open) io_recv_stop(c->io, &c->receiver);
}

static void client_connected(struct io_op *op) {
    struct client *c = CONTAINER_OF(op, struct client, connect);
    if (op->result < 0) {
        client_again(c);
        return;
    }
    c->fd = (int)op->result;
    c->is_open = true;
    c->is_ended = c->is_sending = false;
    c->receiver.on_data = client_data;
    c->receiver.on_end = client_received_end;
    io_recv_start(c->io, &c->receiver, c->fd);
    c->timer.fire = client_patience;
    io_timer_set(c->io, &c->timer, io_now(c->io).mono_us + 1000000);
    client_send(c);
}

static void client_connect(struct io_timer *timer) {
    struct client *c = CONTAINER_OF(timer, struct client, timer);
    c->connect.done = client_connected;
    c->address = c->run->server->address;
    c->address.port = WAL_PORT;
    if (io_connect(c->io, &c->connect, &c->address)) client_connected(&c->connect);
}

static void client_boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
                        void *argument) {
    (void)node;
    (void)io_count;
    struct client *c = MEM_NEW(mem, struct client);
    c->run = argument;
    c->io = ios[0];
    client_connect(&c->timer);
}

/* --- crashes --- */

static void recovered_check(struct run *run) {
    static _Thread_local bool is_there[NUMBERS];
    memset(is_there, 0, sizeof is_there);
    for (size_t i = 0; i < run->options.recovered_count; i++) {
        uint64_t number = run->recovered[i];
        if (number >= NUMBERS || !run->sent[number]) {
            world_fail(run->world, "found %llu, which nobody sent", (unsigned long long)number);
            return;
        }
        is_there[number] = true;
    }
    for (uint64_t i = 0; i < NUMBERS; i++) {
        if (run->owed[i] && !is_there[i])
            world_fail(run->world, "lost %llu, which was answered", (unsigned long long)i);
    }
}

static void plan_due(struct event *event) {
    struct run *run = CONTAINER_OF(event, struct run, plan);
    struct world *world = run->world;
    if (!node_runs(run->server)) {
        run->options.serves = false;
        run->options.recovered_count = 0;
        node_start(run->server, 1 + (unsigned)prng_below(&world->prng, 3), wal_boot, &run->options);
    } else {
        if (run->options.serves) recovered_check(run);
        enum crash_kind kind = prng_chance(&world->prng, 1, 2) ? CRASH_KILL : CRASH_POWER;
        if (prng_chance(&world->prng, 1, 3)) {
            node_crash_within_turn(run->server, kind);
        } else if (kind == CRASH_POWER) {
            node_power_cut(run->server);
        } else {
            node_kill(run->server);
        }
    }
    event_set(event, world_delay(world, prng_chance(&world->prng, 1, 3) ? 2000 : 1000000));
}

static void on_crash(struct node *node, enum crash_kind kind) {
    struct run *run = node->context;
    (void)kind; /* both */
    run->crashes++;
    memcpy(run->owed, run->answered, sizeof run->owed);
}

static bool run_once(uint64_t seed, enum wal_mistake mistake, struct run *run, uint64_t *ret_hash) {
    struct prng prng;
    prng_seed(&prng, seed);
    struct sim_faults faults = faults_swarm(&prng);
    faults.disk.hung_us = MIN(faults.disk.hung_us, 100000u);
    *run = (struct run){
        .options = {.mistake = mistake, .recovered = run->recovered, .capacity = NUMBERS}};
    run->world = world_new(seed, &faults);
    run->server = node_add(run->world, "server", true);
    run->server->context = run;
    run->server->on_crash = on_crash;
    for (int i = 0; i < CLIENTS; i++)
        node_start(node_add(run->world, "client", false), 1, client_boot, run);
    event_init(&run->plan, run->world, EVENT_PLAN, 0, plan_due);
    event_set(&run->plan, 1);
    world_run(run->world, RUN_US);
    run->world->faults_off = true;
    event_clear(&run->plan);
    if (node_runs(run->server)) node_power_cut(run->server);
    if (!run->world->stopped) {
        run->options.serves = false;
        node_start(run->server, 2, wal_boot, &run->options);
        uint64_t before = run->answered_count, until_us = run->world->now_us + HEALED_US;
        run->next_number = MIN(run->next_number, (uint64_t)NUMBERS - 10);
        while (run->world->now_us < until_us && !run->options.serves && !run->world->stopped) {
            world_run(run->world, run->world->now_us + 100000);
        }
        recovered_check(run);
        while (run->world->now_us < until_us && run->answered_count < before + 5 &&
               !run->world->stopped) {
            world_run(run->world, run->world->now_us + 100000);
        }
        if (run->answered_count < before + 5) world_fail(run->world, "no answers after healing");
    }
    bool good = run->world->failure[0] == '\0';
    if (!good && mistake == WAL_RIGHT)
        cr_log_error("seed %llu: %s", (unsigned long long)seed, run->world->failure);
    *ret_hash = run->world->hash ^ run->world->event_count;
    return good;
}

static struct run the_run;

Test(wal, loses_nothing_it_answered_under_any_fault, .timeout = 60) {
    struct fault_counts counts = {0};
    uint64_t answered = 0, crashes = 0, events = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t hash;
        cr_assert(run_once(seed, WAL_RIGHT, &the_run, &hash), "seed %llu",
                  (unsigned long long)seed);
        fault_counts_add(&counts, &the_run.world->counts);
        answered += the_run.answered_count;
        crashes += the_run.crashes;
        events += the_run.world->event_count;
        world_free(the_run.world);
    }
    cr_log_info("answered %llu crashes %llu events %llu", (unsigned long long)answered,
                (unsigned long long)crashes, (unsigned long long)events);
    cr_expect_gt(crashes, 300);
    cr_expect_gt(answered, 1000);
    for (int kind = 0; kind < FAULT_COUNT; kind++) {
        cr_log_info("%-20s enabled in %4llu seeds, fired %8llu times", fault_name(kind),
                    (unsigned long long)counts.enabled[kind],
                    (unsigned long long)counts.fired[kind]);
        /* These ask for more than eight octets at a time, a clock, names that change, or reads past
         * the page cache. */
        bool needs_more = kind == FAULT_NET_FULL_PIPE || kind == FAULT_CLOCK_STEP ||
                          kind == FAULT_CRASH_LOST_NAME || kind == FAULT_DISK_NO_DIRECT;
        if (counts.enabled[kind] == 0 || needs_more) continue;
        cr_expect_gt(counts.fired[kind], 0, "%s never fired", fault_name(kind));
    }
}

Test(wal, gives_the_same_run_for_the_same_seed, .timeout = 60) {
    uint64_t different = 0, last = 0;
    for (uint64_t seed = 1000; seed < 1020; seed++) {
        uint64_t first, second;
        (void)run_once(seed, WAL_RIGHT, &the_run,
                       &first); /* the other test asks whether it is good */
        world_free(the_run.world);
        (void)run_once(seed, WAL_RIGHT, &the_run, &second);
        world_free(the_run.world);
        cr_expect_eq(first, second, "seed %llu", (unsigned long long)seed);
        different += first != last;
        last = first;
    }
    cr_expect_eq(different, 20); /* and another one for another seed */
}

Test(wal, finds_each_planted_mistake, .timeout = 60) {
    static const struct {
        const char *name;
        enum wal_mistake mistake;
    } rows[] = {{"answers without a sync", WAL_NO_SYNC},
                {"does not sync the directory", WAL_NO_DIR_SYNC},
                {"the sync begins before the write", WAL_SYNC_TOO_EARLY}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t found = 0, hash;
        for (uint64_t seed = 1; seed <= 50; seed++) {
            found += !run_once(seed, rows[i].mistake, &the_run, &hash);
            world_free(the_run.world);
        }
        cr_log_info("%s: found in %llu of 50 seeds", rows[i].name, (unsigned long long)found);
        cr_expect_gt(found, 0, "%s", rows[i].name);
    }
}
