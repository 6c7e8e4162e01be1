/* tests/sim/world.c - the scheduler, the hash, the dice. */
#include "tests/sim/world.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/node.h"

static const char *const kind_names[EVENT_KIND_COUNT] = {
    [EVENT_OP] = "op",           [EVENT_TURN] = "turn", [EVENT_MAIL] = "mail",
    [EVENT_ARRIVAL] = "arrival", [EVENT_ROOM] = "room", [EVENT_CRASH] = "crash",
    [EVENT_PLAN] = "plan",
};

struct world *world_new(uint64_t seed, const struct sim_faults *faults) {
    struct mem mem = {0};
    struct world *world = MEM_NEW(&mem, struct world);
    world->mem = mem;
    world->seed = seed;
    world->faults = *faults;
    world->now_us = 1000000;
    world->hash = 0x6b6c616d6d;
    world->next_port = 32768;
    prng_seed(&world->prng, seed);
    timers_init(&world->events, &world->mem);
    list_init(&world->listeners);
    faults_mark_enabled(faults, &world->counts);
    return world;
}

void world_free(struct world *world) {
    for (uint16_t i = 0; i < world->node_count; i++) node_free(world->nodes[i]);
    timers_release(&world->events);
    struct mem mem = world->mem;
    MEM_FREE(&mem, world);
    ASSERT(mem.used_bytes == 0); /* the simulator leaks nothing itself */
}

void world_run(struct world *world, uint64_t until_us) {
    while (!world->stopped) {
        uint64_t next_us = timers_next_us(&world->events);
        if (next_us > until_us) break;
        ASSERT(next_us >= world->now_us);
        world->now_us = next_us;
        (void)timers_run(&world->events, next_us); /* how many does not matter */
    }
    if (!world->stopped && until_us != UINT64_MAX && world->now_us < until_us)
        world->now_us = until_us;
}

static void fire(struct io_timer *timer) {
    struct event *event = CONTAINER_OF(timer, struct event, timer);
    struct world *world = event->world;
    world->event_count++;
    world_mix(world, world->now_us);
    world_mix(world, (uint64_t)event->kind << 16 | event->node);
    if (world->trace) world_trace(world, "%s node=%u", kind_names[event->kind], event->node);
    event->run(event);
}

void event_init(struct event *event, struct world *world, enum event_kind kind, uint16_t node,
                void (*run)(struct event *event)) {
    *event = (struct event){
        .run = run, .timer = {.fire = fire}, .world = world, .kind = (uint16_t)kind, .node = node};
}

void event_set(struct event *event, uint64_t delay_us) {
    timers_set(&event->world->events, &event->timer, event->world->now_us + delay_us);
}

void event_clear(struct event *event) {
    if (event->world != NULL) timers_clear(&event->world->events, &event->timer);
}

bool world_fault(struct world *world, enum fault_kind kind, uint32_t rate) {
    if (rate == 0 || world->faults_off || !prng_chance(&world->prng, rate, 1000000)) return false;
    world_count(world, kind);
    return true;
}

void world_count(struct world *world, enum fault_kind kind) {
    world->counts.fired[kind]++;
    world_trace(world, "fault %s", fault_name(kind));
}

uint64_t world_delay(struct world *world, uint64_t most) {
    return most < 2 ? 1 : prng_below(&world->prng, most) + 1;
}

void world_mix(struct world *world, uint64_t value) {
    uint64_t h = (world->hash ^ value) * 0x9e3779b97f4a7c15u;
    world->hash = h ^ h >> 29;
}

void world_mix_bytes(struct world *world, const void *data, size_t len) {
    world->hash = hash_bytes(data, len, world->hash);
}

void world_fail(struct world *world, const char *format, ...) {
    world->stopped = true;
    if (world->failure[0] != '\0') return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(world->failure, sizeof world->failure, format, args); /* cut when longer */
    va_end(args);
    world_trace(world, "FAILED %s", world->failure);
}

void world_trace(struct world *world, const char *format, ...) {
    if (!world->trace) return;
    va_list args;
    va_start(args, format);
    printf("%10llu.%06llu ", (unsigned long long)(world->now_us / 1000000),
           (unsigned long long)(world->now_us % 1000000));
    (void)vprintf(format, args); /* a trace that cannot be written is no failure of the run */
    (void)putchar('\n');
    va_end(args);
}
