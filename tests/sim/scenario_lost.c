/* tests/sim/scenario_lost.c - the broker of the scenario `lost`, and the verdict. */
#include <stdio.h>
#include "base/assert.h"
#include "broker/shard/shard.h"
#include "tests/sim/disk.h"
#include "tests/sim/lost.h"
#include "tests/sim/scenario.h"
#include "tests/sim/setup.h"

enum { PORT = 9092, SECOND_US = 1000000, PATIENCE_S = 6000 };
/* Topics get a directory of their own: one that fails must not take the metadata along. */
#define METADATA_DIR "/meta"
#define TOPICS_DIR "/data"

static void on_started(void *owner, enum status st, struct str message) {
    struct lost *lost = owner;
    if (st != ST_OK) {
        world_fail(lost->world, "the broker does not start: %s: %.*s", status_name(st),
                   STR_ARG(message));
        return;
    }
    lost->is_serving = true;
    lost->clients.port = broker_port(lost->broker, 0);
}

static void on_stopped(void *owner, enum status st) {
    struct lost *lost = owner;
    if (st != ST_OK) world_fail(lost->world, "the broker stopped: %s", status_name(st));
    event_set(&lost->reap, 1); /* not from within its own callback */
}

static void on_group_loaded(void *owner, int32_t partition, int64_t end, struct str dump) {
    struct lost *lost = owner;
    loss_compare(lost->node, partition, end, dump);
    if (end > 0) world_count(lost->world, FAULT_REPLAYED);
    if (partition == lost->loss.index) lost->loads++;
}

static struct str settings_text(const struct lost *lost) {
    return arena_printf(
        lost->arena,
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@%s:9093\n"
        "listeners=PLAINTEXT://:%u,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n"
        "advertised.listeners=PLAINTEXT://%s:%u\nlog.dirs=" METADATA_DIR "," TOPICS_DIR "\n"
        "cordoned.log.dirs=" METADATA_DIR "\nklamm.auto.format=true\n"
        "num.partitions=2\noffsets.topic.num.partitions=%d\noffsets.topic.replication.factor=1\n"
        "offsets.commit.timeout.ms=%d\ngroup.initial.rebalance.delay.ms=%d\n"
        "group.coordinator.append.linger.ms=%d\noffsets.retention.check.interval.ms=%d\n",
        lost->node->name, PORT, lost->node->name, PORT, lost->partitions, LOST_PATIENCE_MS,
        LOST_DELAY_MS, lost->linger_ms, LOST_CHECK_MS);
}

static void boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
                 void *argument) {
    struct lost *lost = argument;
    lost->arena = MEM_NEW(mem, struct arena);
    arena_init(lost->arena, mem, 16384, 0);
    struct broker_setup *setup = setup_read(node, lost->arena, settings_text(lost), ios, io_count);
    if (setup == NULL) return;
    setup->on_started = on_started;
    setup->on_stopped = on_stopped;
    setup->owner = lost;
    setup->verify_groups = true;
    setup->on_group_loaded = on_group_loaded;
    lost->broker = broker_start(setup);
}

/* --- what happens to it --- */

static void lose_run(struct task *task) {
    struct lost *lost = CONTAINER_OF(task, struct lost, lose_task);
    loss_inflict(&lost->loss, lost->broker);
}

static void lose_due(struct event *event) {
    struct lost *lost = CONTAINER_OF(event, struct lost, lose);
    lost->world->faults.disk.sync_us = LOST_SYNC_US; /* what waits began to wait before */
    lost->lose_task.run = lose_run;
    node_call(lost->node, &lost->lose_task);
}

void lost_lose(struct lost *lost, int32_t index, uint64_t delay_us) {
    lost->loss.index = index;
    event_set(&lost->lose, delay_us);
}

void lost_set_disk(struct lost *lost, enum lost_disk state) {
    struct disk *disk = lost->node->disk;
    uint64_t volume = disk_volume(TOPICS_DIR);
    disk->full_volume = state == LOST_DISK_FULL ? volume : 0;
    disk->dead_volume = state == LOST_DISK_BROKEN ? volume : 0;
}

static void on_crash(struct node *node, enum crash_kind kind) {
    struct lost *lost = node->context;
    (void)kind; /* restart_due's */
    lost->broker = NULL;
    lost->lose_task = (struct task){0};
}

static void restart_due(struct event *event) {
    struct lost *lost = CONTAINER_OF(event, struct lost, restart);
    node_power_cut(lost->node);
    node_start(lost->node, lost->shards, boot, lost);
}

void lost_restart(struct lost *lost) {
    lost->is_serving = false;
    event_set(&lost->restart, 1);
}

static void stop_run(struct task *task) {
    broker_stop(CONTAINER_OF(task, struct lost, stop_task)->broker);
}

static void stop_due(struct event *event) {
    struct lost *lost = CONTAINER_OF(event, struct lost, stop);
    lost->stop_task.run = stop_run;
    node_call(lost->node, &lost->stop_task);
}

/* What it still holds is a leak. */
static void reap_due(struct event *event) {
    struct lost *lost = CONTAINER_OF(event, struct lost, reap);
    broker_free(lost->broker);
    arena_release(lost->arena);
    mem_free(&lost->node->mems[0], lost->arena, sizeof *lost->arena);
    lost->broker = NULL;
    uint64_t leaked = node_exit(lost->node);
    if (leaked > 0)
        world_fail(lost->world, "%llu blocks of memory were not given back",
                   (unsigned long long)leaked);
}

/* --- the run --- */

static bool serves(const struct lost *lost) { return lost->is_serving; }
static bool has_called(const struct lost *lost) { return lost->clients.running == 0; }
static bool is_gone(const struct lost *lost) { return lost->broker == NULL; }

static void run_until(struct lost *lost, bool (*is_so)(const struct lost *), const char *what) {
    struct world *world = lost->world;
    uint64_t until_us = world->now_us + (uint64_t)PATIENCE_S * SECOND_US;
    while (!world->stopped && !is_so(lost)) {
        world_run(world, world->now_us + SECOND_US / 50);
        if (world->now_us >= until_us) world_fail(world, "after %d s %s", PATIENCE_S, what);
    }
}

static struct sim_faults draw_times(struct prng *prng) {
    struct sim_faults faults = faults_none();
    faults.disk.op_us = 1 + (uint32_t)prng_below(prng, 300);
    faults.disk.sync_us = LOST_SYNC_US;
    faults.net.latency_us = 1 + (uint32_t)prng_below(prng, 3000);
    faults.shard.turn_us = 1 + (uint32_t)prng_below(prng, 50);
    faults.shard.post_us = 1 + (uint32_t)prng_below(prng, 500);
    return faults;
}

void lost_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result) {
    struct prng prng;
    struct mem mem = {0};
    struct lost *lost = MEM_NEW(&mem, struct lost);
    *ret_result = (struct scenario_result){0};
    prng_seed(&prng, seed ^ 0x6c6f7374);
    struct sim_faults faults = draw_times(&prng);
    lost->shards = 1 + (uint32_t)prng_below(&prng, 4);
    lost->partitions = 1 + (int32_t)prng_below(&prng, 3);
    lost->linger_ms = -1 + (int)prng_below(&prng, 15);
    struct world *world = lost->world = world_new(seed, &faults);
    world->trace = trace;
    world->counts.enabled[FAULT_COORDINATOR_LOST] = world->counts.enabled[FAULT_REPLAYED] = 1;
    world->counts.enabled[FAULT_DISK_FULL] = world->counts.enabled[FAULT_DIR_DEAD] = 1;
    lost->loss = (struct loss){.world = world, .index = -1};
    lost->node = node_add(world, "broker", true);
    lost->node->on_crash = on_crash;
    lost->node->context = lost;
    lost->clients = (struct clients){.world = world, .broker = lost->node, .port = PORT};
    event_init(&lost->lose, world, EVENT_PLAN, lost->node->id, lose_due);
    event_init(&lost->stop, world, EVENT_PLAN, lost->node->id, stop_due);
    event_init(&lost->reap, world, EVENT_PLAN, lost->node->id, reap_due);
    event_init(&lost->restart, world, EVENT_PLAN, lost->node->id, restart_due);
    node_start(lost->node, lost->shards, boot, lost);
    run_until(lost, serves, "the broker does not serve");
    if (!world->stopped) lost_start_caller(lost);
    run_until(lost, has_called, "the caller has not ended");
    if (!world->stopped) event_set(&lost->stop, 1);
    run_until(lost, is_gone, "the broker has not stopped");
    ret_result->is_good = world->failure[0] == '\0';
    (void)snprintf(ret_result->failure, sizeof ret_result->failure, "%s", world->failure);
    ret_result->hash = world->hash ^ world->event_count;
    ret_result->event_count = world->event_count;
    ret_result->virtual_us = world->now_us;
    ret_result->sent = lost->calls;
    ret_result->acked = lost->hits;
    ret_result->counts = world->counts;
    world_free(world);
    MEM_FREE(&mem, lost);
    ASSERT(mem.used_bytes == 0);
}
