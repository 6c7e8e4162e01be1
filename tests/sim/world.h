/* tests/sim/world.h - one simulated world: virtual time, one generator, one scheduler on one
 * thread. Everything that is not instantaneous is an event at a time drawn from the generator; the
 * next event is the earliest, ties in the order in which they were set. So a run is a function of
 * (seed, code): the hash over every event's time, kind, node and result says whether two runs were
 * the same. Nothing here or above may order or hash by address, by real time or by uninitialised
 * memory. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "base/mem.h"
#include "base/prng.h"
#include "base/timers.h"
#include "tests/sim/faults.h"

struct node;
struct sim_io;
struct world;

enum { WORLD_NODES = 32 };

enum event_kind {
    EVENT_OP = 1,  /* an operation of the seam finishes */
    EVENT_TURN,    /* a shard's loop runs once */
    EVENT_MAIL,    /* messages between two shards arrive */
    EVENT_ARRIVAL, /* octets or an end arrive at a socket */
    EVENT_ROOM,    /* a socket's send buffer has room again */
    EVENT_CRASH,
    EVENT_PLAN, /* what a scenario does by itself */
    EVENT_KIND_COUNT
};

/* Something that will happen; embedded in its owner, in at most one place of the schedule. */
struct event {
    void (*run)(struct event *event);
    struct io_timer timer; /* the scheduler's */
    struct world *world;
    uint16_t kind; /* enum event_kind */
    uint16_t node; /* id, for hash and trace */
};

struct world {
    struct mem mem; /* everything the simulator itself allocates */
    uint64_t seed;
    struct prng prng;
    uint64_t now_us; /* virtual, from 1 s on */
    uint64_t hash;
    uint64_t event_count;
    struct timers events;
    struct sim_faults faults;
    struct fault_counts counts;
    struct node *nodes[WORLD_NODES];
    uint16_t node_count;
    struct sim_io *running; /* whose code runs at the moment; NULL: the world's own */
    struct list listeners;  /* struct listening, of all nodes */
    bool blocked[WORLD_NODES][WORLD_NODES]; /* [from][to]: nothing arrives */
    uint32_t next_port;                     /* ephemeral */
    bool faults_off;                        /* the healed phase: no fault of chance fires */
    bool trace;                             /* print every event on standard output */
    bool stopped;                           /* world_run returns after this event */
    char failure[512];                      /* the first violated expectation; empty: none */
};

struct world *world_new(uint64_t seed, const struct sim_faults *faults);
/** Crashes what still runs and frees everything. */
void world_free(struct world *world);
/** Runs events until virtual time until_us, until nothing is left, or until world->stopped. */
void world_run(struct world *world, uint64_t until_us);

void event_init(struct event *event, struct world *world, enum event_kind kind, uint16_t node,
                void (*run)(struct event *event));
/** Sets or moves it to delay_us from now. */
void event_set(struct event *event, uint64_t delay_us);
void event_clear(struct event *event);
static inline bool event_is_set(const struct event *event) { return event->timer.index != 0; }

/** True with a chance of `rate` in a million; counts the fault when it is. Never in the healed
 * phase. */
bool world_fault(struct world *world, enum fault_kind kind, uint32_t rate);
void world_count(struct world *world, enum fault_kind kind);
/** 1 .. most; most 0 gives 1. */
uint64_t world_delay(struct world *world, uint64_t most);
/** Adds to the event hash. */
void world_mix(struct world *world, uint64_t value);
void world_mix_bytes(struct world *world, const void *data, size_t len);
/** Notes a violated expectation (the first one stays) and stops the run. */
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** One line of the trace; a no-op unless it is on. */
void world_trace(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
