/* tests/sim/node.h - a machine of the simulated world: an address, a disk, a wall clock, and at
 * most one process, which is S shards (struct io) and the memory they hold. A client is a node
 * without a disk.
 *
 * A process starts with node_start, which runs `boot` as if on shard 0, and ends in one of four
 * ways: node_kill (kill -9: outstanding operations vanish, no callback is called, all memory is
 * taken back, peers see an end or a reset; what was written stays written), node_power_cut (peers
 * see silence, the disk loses what it may), node_crash_within_turn (either of them, between two
 * operations of one turn of a shard), and node_exit (it stopped by itself; what it still holds is a
 * leak). */
#pragma once
#include "base/io.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

enum { NODE_SHARDS = 8, NODE_FDS = 8192 };

enum crash_kind { CRASH_KILL, CRASH_POWER };

struct disk;
struct disk_file;
struct socket;
struct listening;

/* What a descriptor is; at most one is not NULL. */
struct descriptor {
    struct disk_file *file;
    struct socket *socket;
    struct listening *listener;
    struct sim_op *closing; /* waits for what is outstanding */
    bool is_closing;
};

typedef void boot_fn(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
                     void *argument);

struct node {
    struct world *world;       /* borrowed */
    uint16_t id;               /* 0 .. */
    char name[16];             /* "node3": also its host name */
    struct io_address address; /* 10.0.0.id+1, port 0 */
    struct disk *disk;         /* NULL: a client */
    int64_t skew_ms;           /* its wall clock less the world's */
    uint64_t mono_offset_us;   /* its monotonic clock less the world's */
    uint32_t process;          /* number of the process; 0: none runs. Counts up over all nodes */
    uint32_t starts;           /* processes so far */
    unsigned io_count;
    struct sim_io *ios[NODE_SHARDS];
    struct mem mems[NODE_SHARDS];
    struct memory memory;
    struct descriptor fds[NODE_FDS];
    int fd_limit;            /* one more than the highest in use */
    int fd_hint;             /* none below it is free */
    bool is_dark;            /* its power went and no process has started since */
    bool is_booting;         /* its shards may be touched by each other: no thread of it runs yet */
    bool is_doomed;          /* crashed, but its turn has not ended: its operations do nothing */
    uint32_t doom_after_ops; /* 0: no crash is near */
    enum crash_kind doom;
    struct event crash;
    void (*on_crash)(struct node *node,
                     enum crash_kind kind); /* NULL: nobody asks; after it is all gone */
    void *context;                          /* the scenario's */
};

struct node *node_add(struct world *world, const char *name, bool has_disk);
void node_free(struct node *node);
/** No process may run. mem: shard 0's. */
void node_start(struct node *node, unsigned io_count, boot_fn *boot, void *argument);
static inline bool node_runs(const struct node *node) { return node->process != 0; }
void node_kill(struct node *node);
void node_power_cut(struct node *node);
/** The crash comes in the middle of one of its next turns; soon at the latest. */
void node_crash_within_turn(struct node *node, enum crash_kind kind);
/** Returns how many blocks of memory were still out: each is a leak. */
uint64_t node_exit(struct node *node);
/** Runs the task on shard 0 in a coming turn; forgotten when the process ends before. */
struct task;
void node_call(struct node *node, struct task *task);
int64_t node_wall_ms(const struct node *node);
struct io *node_io(struct node *node, unsigned shard);
/** NULL when nobody has it. */
struct node *node_by_address(struct world *world, const struct io_address *address);
