/* tests/sim/node.c - machines: processes start, crash and end. */
#include "tests/sim/node.h"
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/seam.h"

enum { DOOM_SOON_US = 20000, DOOM_OPS = 40 };

static void doom_due(struct event *event);

struct node *node_add(struct world *world, const char *name, bool has_disk) {
    ASSERT(world->node_count < WORLD_NODES);
    struct node *node = MEM_NEW(&world->mem, struct node);
    node->world = world;
    node->id = world->node_count;
    (void)snprintf(node->name, sizeof node->name, "%s", name); /* cut when longer */
    node->address = (struct io_address){.bytes = {10, 0, 0, (uint8_t)(node->id + 1)}, .family = 4};
    node->mono_offset_us = prng_below(&world->prng, 1000000000);
    if (has_disk) node->disk = disk_new(world);
    memory_init(&node->memory);
    event_init(&node->crash, world, EVENT_CRASH, node->id, doom_due);
    world->nodes[world->node_count++] = node;
    return node;
}

int64_t node_wall_ms(const struct node *node) {
    return 1700000000000 + (int64_t)(node->world->now_us / 1000) + node->skew_ms;
}

void node_call(struct node *node, struct task *task) {
    ASSERT(node_runs(node));
    seam_ready(node->ios[0], task);
}

struct io *node_io(struct node *node, unsigned shard) {
    ASSERT(shard < node->io_count);
    return &node->ios[shard]->io;
}

struct node *node_by_address(struct world *world, const struct io_address *address) {
    for (uint16_t i = 0; i < world->node_count; i++) {
        if (memcmp(world->nodes[i]->address.bytes, address->bytes, sizeof address->bytes) == 0)
            return world->nodes[i];
    }
    return NULL;
}

void node_start(struct node *node, unsigned io_count, boot_fn *boot, void *argument) {
    struct world *world = node->world;
    ASSERT(!node_runs(node) && io_count > 0 && io_count <= NODE_SHARDS);
    uint32_t number = 1; /* unlike every other process of the world so far */
    for (uint16_t i = 0; i < world->node_count; i++) number += world->nodes[i]->starts;
    node->process = number;
    node->starts++;
    node->io_count = io_count;
    node->is_dark = false;
    struct io *ios[NODE_SHARDS];
    for (unsigned i = 0; i < io_count; i++) {
        node->mems[i] = (struct mem){.source = &node->memory.source};
        node->ios[i] = seam_new(node, i, io_count, &node->mems[i]);
        ios[i] = &node->ios[i]->io;
    }
    world_mix(world, (uint64_t)node->id << 8 | io_count);
    world_trace(world, "start %s shards=%u process=%u", node->name, io_count, node->process);
    /* Before the threads of a process start, its first one may touch every shard. */
    struct sim_io *outer = world->running;
    world->running = NULL;
    for (unsigned i = 0; i < io_count; i++) seam_enter(node->ios[i]);
    world->running = node->ios[0];
    node->is_booting = true;
    boot(node, ios, io_count, &node->mems[0], argument);
    node->is_booting = false;
    for (unsigned i = 0; i < io_count; i++) seam_leave(node->ios[i]);
    world->running = outer;
}

/* Everything the process had, the disk's contents and its peers' view apart. */
static uint64_t process_gone(struct node *node, enum crash_kind kind) {
    ASSERT(node->world->running == NULL || node->world->running->node != node);
    event_clear(&node->crash);
    net_node_gone(node, kind == CRASH_POWER);
    for (unsigned i = 0; i < node->io_count; i++) seam_free(node->ios[i]);
    for (int fd = 0; fd < node->fd_limit; fd++) {
        if (node->fds[fd].file != NULL) disk_close(node->disk, node->fds[fd].file);
        node->fds[fd] = (struct descriptor){0};
    }
    node->fd_limit = node->fd_hint = 0;
    uint64_t leaked = node->memory.block_count;
    memory_release(&node->memory);
    node->io_count = 0;
    node->process = 0;
    node->is_doomed = false;
    node->doom_after_ops = 0;
    return leaked;
}

static void crash(struct node *node, enum crash_kind kind) {
    if (!node_runs(node)) return;
    struct world *world = node->world;
    world_trace(world, "crash %s %s", node->name, kind == CRASH_POWER ? "power cut" : "kill -9");
    for (unsigned i = 0; i < node->io_count; i++) file_ops_part(node->ios[i]);
    (void)process_gone(node, kind); /* a crash leaks nothing: it is all taken back */
    if (kind == CRASH_POWER) {
        if (node->disk != NULL) disk_power_cut(node->disk);
        node->mono_offset_us = prng_below(&world->prng, 1000000000);
        world_count(world, FAULT_POWER_CUT);
    } else {
        world_count(world, FAULT_PROCESS_KILL);
    }
    if (node->on_crash != NULL) node->on_crash(node, kind);
}

void node_kill(struct node *node) { crash(node, CRASH_KILL); }
void node_power_cut(struct node *node) { crash(node, CRASH_POWER); }

static void doom_due(struct event *event) {
    struct node *node = CONTAINER_OF(event, struct node, crash);
    crash(node, node->doom);
}

void node_crash_within_turn(struct node *node, enum crash_kind kind) {
    if (!node_runs(node) || node->is_doomed) return;
    node->doom = kind;
    node->doom_after_ops = (uint32_t)prng_below(&node->world->prng, DOOM_OPS) + 1;
    event_set(&node->crash, DOOM_SOON_US); /* for a process that does nothing */
}

uint64_t node_exit(struct node *node) {
    ASSERT(node_runs(node));
    world_trace(node->world, "exit %s", node->name);
    return process_gone(node, CRASH_KILL);
}

void node_free(struct node *node) {
    if (node_runs(node)) (void)process_gone(node, CRASH_KILL); /* the end of the world is no leak */
    if (node->disk != NULL) disk_free(node->disk);
    struct mem *mem = &node->world->mem;
    MEM_FREE(mem, node);
}
