/* tests/sim/lost.h - the scenario `lost`: a broker without faults of chance, and one client that
 * makes every call there is to a group coordinator, over and over, while the coordinator goes, or
 * the disk holds its records back, has no room for them, or fails. What the two share. */
#pragma once
#include "tests/sim/client.h"
#include "tests/sim/loss.h"
#include "tests/sim/seam.h"

enum {
    LOST_SYNC_US = 1000,       /* of the disk at rest, */
    LOST_SLOW_SYNC_US = 60000, /* until the coordinator is lost, */
    LOST_LATE_SYNC_US = 20000000, /* and while an answer is to be too late */
    LOST_PATIENCE_MS = 200,    /* offsets.commit.timeout.ms */
    LOST_DELAY_MS = 30,        /* group.initial.rebalance.delay.ms */
    LOST_CHECK_MS = 5000,      /* offsets.retention.check.interval.ms */
};

struct lost {
    struct world *world;
    struct node *node;
    struct broker *broker; /* NULL: it is gone */
    struct arena *arena;   /* of its process */
    struct clients clients;
    struct loss loss;
    struct event lose, stop, reap, restart;
    struct task lose_task, stop_task;
    uint32_t shards;
    int32_t partitions;    /* of `__consumer_offsets` */
    int linger_ms;         /* of records for others */
    uint32_t loads;        /* of the one that is lost, so far */
    bool is_serving;
    uint64_t calls, hits;
};

/** The coordinator of partition `index` goes in delay_us. */
void lost_lose(struct lost *lost, int32_t index, uint64_t delay_us);
/** Nothing more can be written where `__consumer_offsets` lies: there is no room (FULL), or the
 * device fails (BROKEN, which only a restart heals). */
enum lost_disk { LOST_DISK_WHOLE, LOST_DISK_FULL, LOST_DISK_BROKEN };
void lost_set_disk(struct lost *lost, enum lost_disk disk);
/** The machine loses its power and starts again; is_serving tells when it is back. */
void lost_restart(struct lost *lost);
/** Starts the client; clients.running is 0 again when it has met every call's loss. */
void lost_start_caller(struct lost *lost);
