/* tests/sim/scenario_broker.c - the broker of one seed, what happens to it, and the verdict. */
#include "tests/sim/scenario.h"
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "base/logging.h"
#include "broker/group/coordinator.h"
#include "broker/replication/partition.h"
#include "broker/shard/shard.h"
#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/lag_asker.h"
#include "tests/sim/loss.h"
#include "tests/sim/net.h"
#include "tests/sim/setup.h"

enum {
    PORT = 9092,
    SECOND_US = 1000000,
    ASK_EVERY_US = 150000,
    ONLOOKERS = 3,
    RIVALS = 2,
    CUT_US = 100000,       /* after a load, long enough for somebody to fetch what it shows, */
    START_CUT_US = 600000, /* after a start, that clients connect and fetch, too, */
    LONG_SYNCS = 5,        /* and so much shorter than a sync may take then */
    OFFSETS_OLD_MS = 20000000, /* of offsets.retention.minutes of 60: several times that */
    SLOW_US = 400000,      /* before a kill, that much is written and not synced */
    PATIENCE_US = 90 * SECOND_US, /* of the healed phase, for each of its steps */
};

/* What one seed draws beside its faults. */
struct plan {
    unsigned shards;
    bool flush;
    bool device_fails; /* reads, writes and syncs, at times */
    bool fills;        /* there is no room on the disk, at times */
    bool refuses;      /* and then produce is refused before the file system does */
    bool is_inline;    /* shards append by themselves */
    uint32_t topics, producers, consumers;
    uint64_t chaos_us;
    uint64_t stop_every_us;                     /* clean stops; 0: none */
    uint32_t index_bytes, index_interval_bytes; /* small: segments roll often */
    uint32_t move_after;                        /* points before a connection moves */
    uint32_t room_from;                         /* which segments get room in advance */
    uint32_t removal_step_bytes;                /* larger ones get shorter before they go */
    uint32_t frame_direct_bytes;                /* of which a frame is received directly */
    uint32_t syncfs_from;
    uint32_t checkpoint_ms, flush_messages, flush_ms; /* 0: never by these */
    uint32_t members;  /* of groups; 0: producers and consumers instead */
    uint32_t beaters;  /* of these, members of the consumer protocol */
    bool has_gardener; /* topics come and go */
    bool retains;      /* offsets expire */
    bool compacts;     /* __consumer_offsets */
    uint32_t patience_ms, offsets_codec;
    uint32_t offsets_partitions, initial_delay_ms, linger_ms;
    uint64_t lose_every_us; /* a coordinator; 0: never */
    bool cuts_after_load;   /* syncs take long then, and the power goes when it was loaded again */
    bool cuts_after_start;  /* likewise, before a kill and when what it left was recovered */
    uint32_t sync_us;       /* at other times */
    uint32_t large_frame_bytes; /* requests from there on are large; 0: none is */
    uint32_t long_batch_bytes; /* batches beyond it are walked by workers; 0: hardly any */
    uint32_t dirs;
    uint64_t dir_dies_every_us; /* about so often one alone breaks; 0: never */
    const char *compression; /* compression.type */
    bool preallocate;
    const char *policy; /* log.cleanup.policy */
    int64_t retention_bytes, retention_ms;
    bool cuts_logs; /* somebody deletes records */
    bool tunes;     /* somebody alters settings */
};

enum phase { STARTING, SERVING, STOPPING, GONE };

struct scenario {
    struct world *world;
    struct plan plan;
    struct node *node;
    struct history history;
    struct clients clients;
    struct group_book book;
    struct event kill, power, stop, step, lose, restart, reap, lost, full, die, ask, cut;
    struct task stop_task, lose_task, ask_task;
    struct loss loss;
    struct lag_asker asker;
    enum phase phase;
    bool is_last_stop, is_healed;
    bool began_healed; /* the process that runs or starts */
    bool cut_is_due; /* by the next load */
    bool was_killed; /* the last process was: the page cache is still there */
    /* of the process that runs: in its own memory */
    struct arena *arena;
    struct broker *broker;
    uint64_t crashes, clean_stops, device_errors;
    uint64_t forgiven; /* failures of devices that the history knows of */
};

/* One draw a statement: the order within an initialiser is the compiler's to choose. */
static struct plan plan_draw(struct prng *prng) {
    static const uint32_t intervals[] = {1, 100, 1000, 4096};
    static const char *const compressions[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    struct plan plan = {0};
    plan.shards = 1 + (unsigned)prng_below(prng, 4);
    plan.flush = !prng_chance(prng, 1, 4);
    plan.device_fails = prng_chance(prng, 1, 5);
    plan.fills = prng_chance(prng, 1, 3);
    plan.refuses = prng_chance(prng, 1, 2);
    plan.is_inline = prng_chance(prng, 1, 2);
    plan.topics = 1 + (uint32_t)prng_below(prng, 3);
    plan.producers = 1 + (uint32_t)prng_below(prng, 4);
    plan.consumers = 1 + (uint32_t)prng_below(prng, 3);
    plan.chaos_us = SECOND_US / 2 + prng_below(prng, 4 * SECOND_US);
    bool stops = prng_chance(prng, 1, 3);
    plan.stop_every_us = stops ? SECOND_US + prng_below(prng, 4 * SECOND_US) : 0;
    bool rolls = prng_chance(prng, 1, 2);
    plan.index_bytes = rolls ? 40 + 12 * (uint32_t)prng_below(prng, 20) : 1 << 16;
    plan.index_interval_bytes = intervals[prng_below(prng, COUNT(intervals))];
    plan.move_after = 1 + (uint32_t)prng_below(prng, 4);
    plan.syncfs_from = (uint32_t)prng_below(prng, 5);
    plan.checkpoint_ms = 1u << prng_below(prng, 12);
    bool flushes = prng_chance(prng, 1, 2);
    plan.flush_messages = flushes ? 1 + (uint32_t)prng_below(prng, 100) : 0;
    plan.flush_ms = flushes ? (uint32_t)prng_below(prng, 500) : 0;
    bool works = prng_chance(prng, 1, 2);
    plan.long_batch_bytes = works ? 1 + (uint32_t)prng_below(prng, 600) : 0;
    bool takes_turns = prng_chance(prng, 1, 3);
    plan.large_frame_bytes = takes_turns ? 1 + (uint32_t)prng_below(prng, 150) : 0;
    plan.dirs = 1 + (uint32_t)prng_below(prng, 3);
    bool packs = prng_chance(prng, 1, 3);
    plan.compression = packs ? compressions[prng_below(prng, COUNT(compressions))] : "producer";
    plan.preallocate = prng_chance(prng, 1, 4);
    static const char *const policies[] = {"delete", "compact", "compact,delete"};
    bool is_tended = prng_chance(prng, 1, 3);
    plan.policy = is_tended ? policies[prng_below(prng, COUNT(policies))] : "delete";
    bool by_bytes = prng_chance(prng, 1, 2);
    int64_t kept = (int64_t)prng_below(prng, 1 << (10 + prng_below(prng, 8)));
    bool deletes = is_tended && strstr(plan.policy, "delete") != NULL;
    plan.retention_bytes = deletes && by_bytes ? kept : -1;
    plan.retention_ms = deletes && !by_bytes ? 1 + kept % 3000 : -1;
    if (is_tended && plan.index_bytes > 400) plan.index_bytes = 40; /* many segments */
    bool dies = plan.dirs > 1 && prng_chance(prng, 1, 3);
    plan.dir_dies_every_us = dies ? SECOND_US / 2 + prng_below(prng, 2 * SECOND_US) : 0;
    plan.cuts_after_start = prng_chance(prng, 1, 3);
    if (plan.cuts_after_start) { /* what is recovered is promised, and settled by one syncfs */
        plan.flush = true;
        plan.syncfs_from = 1;
    }
    plan.room_from = prng_chance(prng, 1, 2) ? 1 + (uint32_t)prng_below(prng, 20000) : 0;
    plan.frame_direct_bytes = prng_chance(prng, 1, 2) ? 1 + (uint32_t)prng_below(prng, 600) : 0;
    uint64_t step = UINT64_C(1) << prng_below(prng, 15);
    step = 1 + prng_below(prng, step);
    plan.removal_step_bytes = prng_chance(prng, 1, 2) ? (uint32_t)step : 0;
    plan.cuts_logs = prng_chance(prng, 1, 4);
    plan.tunes = prng_chance(prng, 1, 3);
    return plan;
}

static bool cleans(const struct plan *plan) { return strstr(plan->policy, "compact") != NULL; }
static bool retains(const struct plan *plan) {
    return plan->retention_bytes >= 0 || plan->retention_ms >= 0;
}

/* The same world for members of groups. What is acknowledged to them is on stable storage always.
 * */
static void plan_groups(struct plan *plan, struct prng *prng) {
    plan->flush = true;
    plan->policy = "delete";
    plan->retention_bytes = plan->retention_ms = -1;
    plan->dir_dies_every_us = 0; /* the other scenario's subject */
    plan->cuts_after_start = false;
    plan->chaos_us /= 2;
    plan->checkpoint_ms = 60000; /* the other scenario's subject, and many events */
    plan->flush_messages = plan->flush_ms = 0;
    plan->preallocate = false;
    plan->members = 2 + (uint32_t)prng_below(prng, BOOK_MEMBERS - 1);
    plan->offsets_partitions = 1 + (uint32_t)prng_below(prng, 4);
    plan->initial_delay_ms = (uint32_t)prng_below(prng, 200);
    plan->linger_ms = prng_chance(prng, 1, 3) ? 1 + (uint32_t)prng_below(prng, 20) : 0;
    bool loses = prng_chance(prng, 2, 3);
    plan->lose_every_us = loses ? SECOND_US / 10 + prng_below(prng, SECOND_US) : 0;
    plan->cuts_after_load = loses && prng_chance(prng, 1, 4);
    if (plan->cuts_after_load) plan->chaos_us += 2 * SECOND_US;
    /* A third of the seeds has no member of the consumer protocol, a third no classic one. */
    uint32_t mix = (uint32_t)prng_below(prng, 3);
    plan->beaters = mix == 0   ? 0
                    : mix == 1 ? plan->members
                               : 1 + (uint32_t)prng_below(prng, plan->members - 1);
    plan->has_gardener = plan->beaters > 0 && prng_chance(prng, 2, 3);
    plan->retains = prng_chance(prng, 1, 4);
    if (plan->retains) plan->members = 2; /* so that groups are empty at times */
    plan->compacts = prng_chance(prng, 1, 2);
    if (plan->compacts) { /* segments are full when their index is */
        plan->index_bytes = 40;
        plan->index_interval_bytes = 100;
    }
    plan->patience_ms = prng_chance(prng, 1, 4) ? 20 + (uint32_t)prng_below(prng, 500) : 5000;
    plan->offsets_codec = prng_chance(prng, 1, 3) ? (uint32_t)prng_below(prng, 5) : 0;
}

/* --- the broker's process --- */

/* Until then hardly a sync ends, so that what was shown meanwhile hangs on those before. */
static void cut_soon(struct scenario *s, uint32_t within_us) {
    s->world->faults.disk.sync_us = LONG_SYNCS * within_us;
    event_set(&s->cut, world_delay(s->world, within_us));
}

static void on_started(void *owner, enum status st, struct str message) {
    struct scenario *s = owner;
    if (s->node->is_doomed) return; /* crashed in this very turn */
    bool may_fail = s->plan.device_fails || (s->plan.fills && st == ST_NO_SPACE);
    if (st != ST_OK && may_fail && !s->began_healed) {
        event_set(&s->lost, 1);
        return;
    }
    if (st != ST_OK) {
        world_fail(s->world, "the broker does not start: %s: %.*s", status_name(st),
                   STR_ARG(message));
        return;
    }
    world_trace(s->world, "the broker serves");
    s->world->faults_off = s->is_healed;
    if (s->phase == STARTING) s->phase = SERVING; /* else told to stop before it was up */
    s->clients.port = broker_port(s->broker, 0);
    if (s->plan.cuts_after_start && s->was_killed && !s->is_healed) cut_soon(s, START_CUT_US);
    s->was_killed = false;
}

/* A device that failed may have dropped what no sync had made durable, as a power cut does. */
static void forgive_device(struct scenario *s) {
    static const enum fault_kind kinds[] = {FAULT_DISK_WRITE_ERROR, FAULT_DISK_SYNC_ERROR,
                                            FAULT_DIR_DEAD};
    uint64_t failures = 0;
    for (size_t i = 0; i < COUNT(kinds); i++) failures += s->world->counts.fired[kinds[i]];
    if (failures != s->forgiven) history_power_cut(&s->history);
    s->forgiven = failures;
}

static void on_stopped(void *owner, enum status st) {
    struct scenario *s = owner;
    forgive_device(s);
    if (s->node->is_doomed) return;
    if (st != ST_OK && s->plan.device_fails) {
        event_set(&s->lost, 1);
        return;
    }
    bool is_full = st == ST_NO_SPACE && s->plan.fills; /* the next start recovers */
    if ((st != ST_OK && !is_full) || s->phase != STOPPING) {
        world_fail(s->world, "the broker stopped: %s", status_name(st));
    }
    event_set(&s->reap, 1); /* not from within its own callback */
}

static void note_loading(struct scenario *s, int32_t partition, bool is_loading) {
    for (uint32_t g = 0; g < BOOK_GROUPS; g++) {
        char id[16];
        int len = snprintf(id, sizeof id, "group-%u", g);
        struct str group = {id, (size_t)len};
        if (group_partition(group, (int32_t)s->plan.offsets_partitions) == partition)
            group_book_loads(&s->book, g, is_loading);
    }
}

static void on_group_loading(void *owner, int32_t partition) {
    note_loading(owner, partition, true);
}

static void on_group_loaded(void *owner, int32_t partition, int64_t end, struct str dump) {
    struct scenario *s = owner;
    note_loading(s, partition, false);
    if (s->node->is_doomed) return;
    loss_compare(s->node, partition, end, dump);
    if (end > 0) world_count(s->world, FAULT_REPLAYED);
    if (s->cut_is_due) cut_soon(s, CUT_US);
    s->cut_is_due = false;
}

static void boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
                 void *argument) {
    struct scenario *s = argument;
    static const char *const dirs[] = {"/data", "/data,/data1", "/data,/data1,/data2"};
    s->arena = MEM_NEW(mem, struct arena);
    arena_init(s->arena, mem, 16384, 0);
    struct str text = arena_printf(
        s->arena,
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@%s:9093\n"
        "listeners=PLAINTEXT://:%u,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n"
        "advertised.listeners=PLAINTEXT://%s:%u\n"
        "log.dirs=%s\nlog.retention.ms=%lld\nlog.retention.bytes=%lld\nklamm.auto.format=true\n"
        "log.cleanup.policy=%s\nlog.retention.check.interval.ms=100\n"
        "log.segment.delete.delay.ms=200\n"
        "compression.type=%s\nlog.preallocate=%s\nlog.segment.bytes=1048576\n"
        "klamm.flush.before.ack=%s\nlog.index.size.max.bytes=%u\nlog.index.interval.bytes=%u\n"
        "message.max.bytes=1000000\nlog.flush.offset.checkpoint.interval.ms=%u\n"
        "replica.high.watermark.checkpoint.interval.ms=%u\n"
        "log.flush.start.offset.checkpoint.interval.ms=%u\nklamm.syncfs.from.logs=%u\n"
        "klamm.disk.free.reject=%s\nklamm.inline.writes=%s\n",
        node->name, PORT, node->name, PORT, dirs[s->plan.dirs - 1],
        (long long)s->plan.retention_ms, (long long)s->plan.retention_bytes, s->plan.policy,
        s->plan.compression,
        s->plan.preallocate ? "true" : "false", s->plan.flush ? "all" : "none", s->plan.index_bytes,
        s->plan.index_interval_bytes, s->plan.checkpoint_ms, s->plan.checkpoint_ms,
        s->plan.checkpoint_ms, s->plan.syncfs_from, s->plan.refuses ? "2%" : "0",
        s->plan.is_inline ? "true" : "false");
    if (s->plan.flush_messages > 0) {
        text = arena_printf(s->arena,
                            "%.*slog.flush.interval.messages=%u\nlog.flush.interval.ms=%u\n"
                            "log.flush.scheduler.interval.ms=100\n",
                            STR_ARG(text), s->plan.flush_messages, s->plan.flush_ms);
    }
    if (cleans(&s->plan)) {
        text = arena_printf(s->arena,
                            "%.*slog.cleaner.backoff.ms=20\nlog.cleaner.min.cleanable.ratio=0\n"
                            "log.cleaner.dedupe.buffer.size=1048577\n"
                            "log.cleaner.io.buffer.load.factor=0.0035\n", /* 150 keys */
                            STR_ARG(text));
    }
    if (s->plan.members > 0) {
        text = arena_printf(s->arena,
                            "%.*snum.partitions=%d\noffsets.topic.num.partitions=%u\n"
                            "offsets.topic.replication.factor=1\ngroup.min.session.timeout.ms=1\n"
                            "group.initial.rebalance.delay.ms=%u\n"
                            "group.coordinator.append.linger.ms=%d\n"
                            "offsets.retention.minutes=%d\n"
                            "offsets.retention.check.interval.ms=%d\n"
                            "offsets.commit.timeout.ms=%u\noffsets.topic.compression.codec=%u\n"
                            "group.consumer.min.session.timeout.ms=1\n"
                            "group.consumer.session.timeout.ms=%u\n"
                            "group.consumer.min.heartbeat.interval.ms=1\n"
                            "group.consumer.heartbeat.interval.ms=100\n"
                            "group.consumer.assignment.interval.ms=%u\n",
                            STR_ARG(text), BOOK_PARTITIONS, s->plan.offsets_partitions,
                            s->plan.initial_delay_ms, (int)s->plan.linger_ms - 1,
                            s->plan.retains ? 60 : 9999999,
                            s->plan.retains ? 200 : 600000, s->plan.patience_ms,
                            s->plan.offsets_codec, 300 + 7 * s->plan.initial_delay_ms,
                            s->plan.initial_delay_ms);
    }
    if (s->plan.compacts) {
        text = arena_printf(s->arena,
                            "%.*slog.cleaner.backoff.ms=200\n"
                            "log.cleaner.min.cleanable.ratio=0.01\n"
                            "log.cleaner.dedupe.buffer.size=1048577\n"
                            "log.cleaner.io.buffer.size=16384\n"
                            "log.cleaner.delete.retention.ms=100\n",
                            STR_ARG(text));
    }
    struct broker_setup *setup = setup_read(node, s->arena, text, ios, io_count);
    if (setup == NULL) return;
    setup->on_started = on_started;
    setup->on_stopped = on_stopped;
    setup->owner = s;
    setup->verify_groups = true;
    setup->on_group_loading = on_group_loading;
    setup->on_group_loaded = on_group_loaded;
    setup->move_after = s->plan.move_after;
    setup->long_batch_bytes = s->plan.long_batch_bytes;
    setup->room_from = s->plan.room_from;
    setup->removal_step_bytes = s->plan.removal_step_bytes;
    setup->frame_direct_bytes = s->plan.frame_direct_bytes;
    setup->large_frame_bytes = s->plan.large_frame_bytes;
    s->phase = STARTING;
    s->asker.is_away = false; /* it went with the last process */
    s->broker = broker_start(setup);
}

static void broker_up(struct scenario *s) {
    if (node_runs(s->node)) return;
    event_clear(&s->restart);
    s->began_healed = s->world->faults_off;
    node_start(s->node, s->plan.shards, boot, s);
}

static void restart_due(struct event *event) {
    broker_up(CONTAINER_OF(event, struct scenario, restart));
}

/* It has stopped by itself: what it still holds is a leak. */
static void reap_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, reap);
    if (!node_runs(s->node) || s->node->is_doomed) return;
    broker_free(s->broker);
    arena_release(s->arena);
    mem_free(&s->node->mems[0], s->arena, sizeof *s->arena);
    s->broker = NULL;
    uint64_t leaked = node_exit(s->node);
    if (leaked > 0) {
        world_fail(s->world, "%llu blocks of memory were not given back",
                   (unsigned long long)leaked);
    }
    s->phase = GONE;
    s->clean_stops++;
    if (!s->is_last_stop)
        event_set(&s->restart, world_delay(s->world, s->world->faults.process.down_us));
}

static uint64_t metric_sum(const struct scenario *s, enum metric_id metric) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->broker->shard_count; i++)
        sum += s->broker->shards[i]->metrics.values[metric];
    return (uint64_t)sum;
}

/* That batches went to workers or were compacted away is no fault, but a run in which none did has
 * not tried it. */
static void count_work(struct scenario *s) {
    uint64_t *fired = s->world->counts.fired;
    if (s->plan.long_batch_bytes != 0)
        fired[FAULT_LONG_BATCH] += metric_sum(s, METRIC_LONG_BATCHES);
    if (s->plan.frame_direct_bytes != 0)
        fired[FAULT_TOGETHER] += metric_sum(s, METRIC_REQUESTS_TOGETHER);
    if (cleans(&s->plan))
        fired[FAULT_RECORDS_CLEANED] += metric_sum(s, METRIC_CLEANER_REMOVED_RECORDS);
    if (retains(&s->plan))
        fired[FAULT_SEGMENTS_RETAINED] += metric_sum(s, METRIC_RETENTION_SEGMENTS);
    if (s->plan.compacts)
        fired[FAULT_OFFSETS_CLEANED] += metric_sum(s, METRIC_CLEANER_REMOVED_RECORDS);
}

static void stop_run(struct task *task) {
    struct scenario *s = CONTAINER_OF(task, struct scenario, stop_task);
    if (s->phase != SERVING && s->phase != STARTING) return;
    if (s->phase == SERVING) count_work(s);
    if (s->phase == SERVING && s->plan.members > 0) world_count(s->world, FAULT_CLEAN_STOP);
    s->phase = STOPPING;
    world_trace(s->world, "the broker is told to stop");
    broker_stop(s->broker);
}

static void broker_down(struct scenario *s) {
    if (!node_runs(s->node) || list_is_linked(&s->stop_task.link)) return;
    s->stop_task.run = stop_run;
    node_call(s->node, &s->stop_task);
}

static void on_crash(struct node *node, enum crash_kind kind) {
    struct scenario *s = node->context;
    struct world *world = s->world;
    if (s->phase == STARTING) world_count(world, FAULT_CRASH_IN_RECOVERY);
    s->phase = GONE;
    s->broker = NULL;
    s->crashes++;
    s->stop_task = s->lose_task = s->ask_task = (struct task){0};
    event_clear(&s->reap);
    event_clear(&s->lost);
    event_clear(&s->cut);
    s->cut_is_due = false;
    world->faults.disk.sync_us = s->plan.sync_us;
    forgive_device(s);
    if (kind == CRASH_POWER) history_power_cut(&s->history);
    s->was_killed = kind == CRASH_KILL;
    if (world_fault(world, FAULT_DISK_FLIP, 0)) (void)disk_flip(node->disk); /* off: see docs */
    event_set(&s->restart, world_delay(world, world->faults.process.down_us));
}

/* --- what happens to it --- */

/* Again in about `every_us`. */
static void again(struct scenario *s, struct event *event, uint64_t every_us) {
    if (every_us != 0) event_set(event, every_us / 2 + prng_below(&s->world->prng, every_us));
}

/* Whether a log is being compacted. */
static bool is_cleaning(const struct scenario *s) {
    for (uint32_t i = 0; i < s->broker->shard_count; i++) {
        const struct shard *shard = s->broker->shards[i];
        for (struct map_node *node = map_next(&shard->partitions, NULL); node != NULL;
             node = map_next(&shard->partitions, node)) {
            if (CONTAINER_OF(node, struct partition, node)->is_cleaned_now) return true;
        }
    }
    return false;
}

static void crash_due(struct scenario *s, enum crash_kind kind) {
    struct world *world = s->world;
    if (!node_runs(s->node)) return;
    if (s->phase == SERVING) {
        count_work(s);
        if (is_cleaning(s)) world_count(world, FAULT_CRASH_IN_CLEANING);
    }
    if (prng_chance(&world->prng, world->faults.process.within_turn, 1000000)) {
        node_crash_within_turn(s->node, kind);
    } else if (kind == CRASH_KILL) {
        node_kill(s->node);
    } else {
        node_power_cut(s->node);
    }
}

/* Whether a shard has met a failed write or sync: only the device itself knows what it holds. */
static bool has_lost_writes(const struct scenario *s) {
    if (s->broker == NULL) return false;
    for (uint32_t i = 0; i < s->broker->shard_count; i++) {
        const struct shard *shard = s->broker->shards[i];
        for (uint32_t d = 0; shard != NULL && d < s->broker->dir_count; d++) {
            if (shard->dirs[d].offline) return true;
        }
    }
    return false;
}

static void kill_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, kill);
    bool is_slow = s->world->faults.disk.sync_us > s->plan.sync_us;
    if (s->plan.cuts_after_start && s->phase == SERVING && !is_slow) {
        s->world->faults.disk.sync_us = LONG_SYNCS * SLOW_US;
        event_set(event, world_delay(s->world, SLOW_US));
        return;
    }
    crash_due(s, has_lost_writes(s) ? CRASH_POWER : CRASH_KILL);
    again(s, event, s->world->faults.process.kill_every_us);
}

static void power_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, power);
    crash_due(s, CRASH_POWER);
    again(s, event, s->world->faults.process.power_every_us);
}

static void cut_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, cut);
    if (!node_runs(s->node) || s->phase != SERVING) return;
    bool is_of_load = s->plan.members > 0;
    world_count(s->world, is_of_load ? FAULT_CUT_AFTER_LOAD : FAULT_CUT_AFTER_START);
    node_power_cut(s->node);
}

static void stop_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, stop);
    broker_down(s);
    again(s, event, s->plan.stop_every_us);
}

static void step_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, step);
    struct world *world = s->world;
    int64_t most = world->faults.process.step_ms;
    s->node->skew_ms = (int64_t)prng_below(&world->prng, (uint64_t)(2 * most + 1)) - most;
    world_count(world, FAULT_CLOCK_STEP);
    again(s, event, world->faults.process.step_every_us);
}

/* --- a coordinator is lost --- */

static void lose_run(struct task *task) {
    struct scenario *s = CONTAINER_OF(task, struct scenario, lose_task);
    if (s->phase != SERVING || !broker_is_ready(s->broker)) return;
    loss_inflict(&s->loss, s->broker);
}

static void lose_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, lose);
    if (node_runs(s->node) && s->phase == SERVING && !list_is_linked(&s->lose_task.link)) {
        s->lose_task.run = lose_run;
        node_call(s->node, &s->lose_task);
        s->cut_is_due = s->plan.cuts_after_load;
        if (s->cut_is_due) s->world->faults.disk.sync_us = LONG_SYNCS * CUT_US;
    }
    again(s, event, s->plan.lose_every_us);
}

/* --- how far readers are behind, which changes nothing --- */

static void ask_run(struct task *task) {
    struct scenario *s = CONTAINER_OF(task, struct scenario, ask_task);
    if (s->phase != SERVING || !broker_is_ready(s->broker) || s->asker.is_away) return;
    lag_asker_ask(&s->asker, s->world, s->broker->shards[0]);
}

static void ask_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, ask);
    if (node_runs(s->node) && s->phase == SERVING && !list_is_linked(&s->ask_task.link)) {
        s->ask_task.run = ask_run;
        node_call(s->node, &s->ask_task);
    }
    again(s, event, s->plan.members == 0 ? ASK_EVERY_US : 0);
}

/* From plenty of room to hardly any, and back. */
static void full_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, full);
    struct world *world = s->world;
    uint64_t *capacity = &world->faults.disk.capacity_bytes;
    uint64_t room = prng_below(&world->prng, 64 * DISK_PAGE_BYTES);
    bool fills = *capacity == 0 && s->phase != STARTING; /* formatting needs some */
    *capacity = fills ? s->node->disk->used_bytes + room : 0;
    world_trace(world, "room on the disk: %llu octets", (unsigned long long)*capacity);
    again(s, event, world->faults.disk.full_every_us);
}

/* One directory breaks alone, never that of the metadata. What is written there fails; the rest
 * must go on as if nothing was. Put back it is found by the next start. */
static void die_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, die);
    struct disk *disk = s->node->disk;
    bool is_back = disk->dead_volume != 0;
    uint32_t which = 1 + (uint32_t)prng_below(&s->world->prng, s->plan.dirs - 1);
    if (is_back) {
        disk->dead_volume = 0;
        if (has_lost_writes(s)) node_kill(s->node);
    } else if (s->phase == SERVING) {
        disk->dead_volume = disk_volume(which == 1 ? "/data1" : "/data2");
    }
    world_trace(s->world, "broken directory: %u", disk->dead_volume != 0 ? which : 0);
    again(s, event, s->plan.dir_dies_every_us);
}

/* After an error of the device nothing is known of what is not durable: the machine restarts. */
static void lost_due(struct event *event) {
    struct scenario *s = CONTAINER_OF(event, struct scenario, lost);
    s->device_errors++;
    world_count(s->world, FAULT_DIRECTORY_LOST);
    node_power_cut(s->node);
}

static void events_start(struct scenario *s) {
    const struct process_faults *faults = &s->world->faults.process;
    uint16_t id = s->node->id;
    event_init(&s->kill, s->world, EVENT_PLAN, id, kill_due);
    event_init(&s->power, s->world, EVENT_PLAN, id, power_due);
    event_init(&s->stop, s->world, EVENT_PLAN, id, stop_due);
    event_init(&s->step, s->world, EVENT_PLAN, id, step_due);
    event_init(&s->lose, s->world, EVENT_PLAN, id, lose_due);
    event_init(&s->restart, s->world, EVENT_PLAN, id, restart_due);
    event_init(&s->reap, s->world, EVENT_PLAN, id, reap_due);
    event_init(&s->lost, s->world, EVENT_PLAN, id, lost_due);
    event_init(&s->full, s->world, EVENT_PLAN, id, full_due);
    event_init(&s->die, s->world, EVENT_PLAN, id, die_due);
    event_init(&s->ask, s->world, EVENT_PLAN, id, ask_due);
    event_init(&s->cut, s->world, EVENT_PLAN, id, cut_due);
    again(s, &s->kill, faults->kill_every_us);
    again(s, &s->power, faults->power_every_us);
    again(s, &s->stop, s->plan.stop_every_us);
    again(s, &s->step, faults->step_every_us);
    again(s, &s->lose, s->plan.lose_every_us);
    again(s, &s->full, s->world->faults.disk.full_every_us);
    again(s, &s->die, s->plan.dir_dies_every_us);
    again(s, &s->ask, s->plan.members == 0 ? ASK_EVERY_US : 0);
}

/* --- the run --- */

static bool clients_ended(const struct scenario *s) { return s->clients.running == 0; }
static bool is_judged(const struct scenario *s) { return s->clients.is_judged; }
static bool is_gone(const struct scenario *s) { return !node_runs(s->node); }

/* Runs until it is so; fails when that takes too long. */
static void run_until(struct scenario *s, bool (*is_so)(const struct scenario *),
                      const char *what) {
    struct world *world = s->world;
    uint64_t until_us = world->now_us + PATIENCE_US;
    while (!world->stopped && !is_so(s)) {
        if (world->now_us >= until_us) {
            world_fail(world, "healed for %d s, and %s", (int)(PATIENCE_US / SECOND_US), what);
            return;
        }
        world_run(world, world->now_us + SECOND_US / 50);
    }
}

static void heal(struct scenario *s) {
    struct world *world = s->world;
    world->faults_off = s->is_healed = true;
    world->faults.disk.sync_us = s->plan.sync_us; /* sessions are short */
    event_clear(&s->kill);
    event_clear(&s->power);
    event_clear(&s->stop);
    event_clear(&s->step);
    event_clear(&s->lose);
    event_clear(&s->full);
    event_clear(&s->die);
    event_clear(&s->ask);
    event_clear(&s->cut);
    s->cut_is_due = false;
    s->node->disk->dead_volume = 0;
    s->node->skew_ms = 0;
    world_trace(world, "healed");
    /* What could not be read when it was opened stays closed until the machine restarts. */
    if (s->plan.device_fails || s->plan.dir_dies_every_us > 0)
        node_power_cut(s->node);
    world_run(world, world->now_us + 2 * SECOND_US);
    s->clients.is_ending = true;
    run_until(s, clients_ended, "not every client has ended");
    if (world->stopped) return;
    world_run(world,
              world->now_us + SECOND_US); /* what was answered before its sync becomes visible */
    client_start_judge(&s->clients);
    run_until(s, is_judged, "not everything could be read");
    if (world->stopped) return;
    s->is_last_stop = true;
    broker_down(s);
    run_until(s, is_gone, "the broker has not stopped");
}

static void verdict(struct scenario *s, struct scenario_result *result) {
    struct world *world = s->world;
    result->is_good = world->failure[0] == '\0' && history_anomaly_count(&s->history) == 0;
    (void)snprintf(result->failure, sizeof result->failure, "%s%s%s", s->history.first,
                   s->history.first[0] != '\0' && world->failure[0] != '\0' ? "; " : "",
                   world->failure); /* cut when longer */
    result->hash = world->hash ^ world->event_count;
    result->event_count = world->event_count;
    result->virtual_us = world->now_us;
    result->sent = s->history.sent_count;
    result->acked = s->history.acked_count;
    result->read = s->history.read_count;
    if (s->plan.members > 0) { /* offsets are their records */
        result->sent = s->book.joined;
        result->acked = s->book.committed;
        result->read = s->book.fetched;
    }
    result->crashes = s->crashes;
    result->clean_stops = s->clean_stops;
    result->counts = world->counts;
}

static void start_clients(struct scenario *s) {
    for (uint32_t i = 0; i < s->plan.members; i++) {
        if (i < s->plan.beaters) {
            client_start_beater(&s->clients);
        } else {
            client_start_member(&s->clients);
        }
    }
    if (s->plan.members > 0) {
        client_start_gardener(&s->clients, s->plan.has_gardener);
        for (uint32_t i = 0; s->plan.cuts_after_load && i < ONLOOKERS; i++)
            client_start_onlooker(&s->clients);
        return;
    }
    client_start_creator(&s->clients, s->plan.topics);
    if (s->plan.cuts_logs) client_start_cutter(&s->clients);
    if (s->plan.tunes) client_start_tuner(&s->clients);
    for (uint32_t i = 0; i < RIVALS; i++) client_start_rival(&s->clients);
    for (uint32_t i = 0; i < s->plan.producers; i++) client_start_producer(&s->clients);
    for (uint32_t i = 0; i < s->plan.consumers; i++) client_start_consumer(&s->clients);
}

/* What the members of a seed may meet. */
static void mark_group_faults(struct scenario *s) {
    uint64_t *enabled = s->world->counts.enabled;
    const struct plan *plan = &s->plan;
    bool is_mixed = plan->beaters > 0 && plan->beaters < plan->members;
    enabled[FAULT_COORDINATOR_LOST] = plan->lose_every_us > 0;
    enabled[FAULT_CUT_AFTER_LOAD] = plan->cuts_after_load;
    enabled[FAULT_CUT_AFTER_START] =
        plan->cuts_after_start && s->world->faults.process.kill_every_us > 0;
    bool crashes = s->world->faults.process.kill_every_us > 0 ||
                   s->world->faults.process.power_every_us > 0;
    enabled[FAULT_RECORDS_CLEANED] = cleans(plan);
    enabled[FAULT_SEGMENTS_RETAINED] = retains(plan);
    enabled[FAULT_SHORTENED] = retains(plan) && plan->removal_step_bytes > 0;
    enabled[FAULT_CRASH_IN_CLEANING] = cleans(plan) && crashes;
    enabled[FAULT_CLEAN_STOP] = plan->members > 0;
    enabled[FAULT_REPLAYED] = plan->members > 0;
    enabled[FAULT_GROUP_UPGRADED] = enabled[FAULT_GROUP_DOWNGRADED] = is_mixed;
    enabled[FAULT_REGEX] = enabled[FAULT_STATIC_AWAY] = plan->beaters > 0;
    enabled[FAULT_COMMIT_OVERTAKEN] = plan->beaters > 0;
    enabled[FAULT_COMMIT_REFUSED] = plan->members > 0;
    enabled[FAULT_TOPIC_GROWN] = enabled[FAULT_TOPIC_DELETED] = plan->has_gardener;
    enabled[FAULT_OFFSET_EXPIRED] = plan->retains;
    enabled[FAULT_OFFSETS_CLEANED] = plan->compacts;
}

static void run(uint64_t seed, bool trace, bool has_groups, struct scenario_result *ret_result) {
    *ret_result = (struct scenario_result){0};
    struct prng prng; /* draws the seed's faults and plan; what happens is drawn by the world */
    prng_seed(&prng, seed ^ 0x73696d);
    struct sim_faults faults = faults_swarm(&prng);
    struct mem mem = {0};
    struct scenario *s = MEM_NEW(&mem, struct scenario);
    s->plan = plan_draw(&prng);
    if (has_groups) plan_groups(&s->plan, &prng);
    if (s->plan.device_fails) {
        faults.disk.write_error = (uint32_t)prng_below(&prng, 4000);
        faults.disk.sync_error = (uint32_t)prng_below(&prng, 10000);
        faults.disk.read_error = (uint32_t)prng_below(&prng, 10000);
    }
    if (s->plan.fills) faults.disk.full_every_us = 50000 + (uint32_t)prng_below(&prng, 1000000);
    s->plan.sync_us = faults.disk.sync_us;
    if (s->plan.retains) { /* what makes offsets old */
        faults.process.step_every_us = 200000;
        faults.process.step_ms = MAX(faults.process.step_ms, OFFSETS_OLD_MS);
    }
    s->world = world_new(seed, &faults);
    s->world->trace = trace;
    s->loss = (struct loss){.world = s->world, .index = -1};
    s->world->counts.enabled[FAULT_NET_OTHER_SHARD] = s->plan.shards > 1 && !has_groups;
    s->world->counts.enabled[FAULT_ROOM_AHEAD] = s->plan.room_from != 0 && !s->plan.preallocate;
    s->world->counts.enabled[FAULT_TOGETHER] = s->plan.frame_direct_bytes != 0 && !has_groups;
    s->world->counts.enabled[FAULT_LONG_BATCH] = s->plan.long_batch_bytes != 0 && !has_groups;
    s->world->counts.enabled[FAULT_LAG_LOOKED_UP] = !has_groups;
    s->world->counts.enabled[FAULT_TOPIC_REMADE] = !has_groups;
    s->world->counts.enabled[FAULT_RECORDS_DELETED] = !has_groups && s->plan.cuts_logs;
    s->world->counts.enabled[FAULT_SETTING_ALTERED] = !has_groups && s->plan.tunes;
    s->node = node_add(s->world, "broker", true);
    s->world->counts.enabled[FAULT_DIR_DEAD] = s->plan.dir_dies_every_us > 0;
    s->world->counts.enabled[FAULT_DIR_MOVE] = s->plan.dirs > 1 && !has_groups;
    s->node->on_crash = on_crash;
    s->node->context = s;
    mark_group_faults(s);
    history_init(&s->history, &mem);
    s->history.compacts = cleans(&s->plan);
    s->history.deletes = retains(&s->plan);
    group_book_init(&s->book, s->world);
    s->book.may_expire = s->plan.retains;
    size_t value_max = 20 + (size_t)prng_below(&prng, 2000);
    s->clients = (struct clients){.world = s->world,
                                  .history = &s->history,
                                  .book = &s->book,
                                  .broker = s->node,
                                  .port = PORT,
                                  .flush = s->plan.flush,
                                  .dedupes = true,
                                  .device_fails =
                                      s->plan.device_fails || s->plan.dir_dies_every_us > 0,
                                  .dirs = s->plan.dirs,
                                  .value_max = value_max};
    s->world->faults_off = has_groups; /* formatting is the other scenario's subject */
    events_start(s);
    world_trace(s->world, "shards=%u flush=%d topics=%u producers=%u consumers=%u index=%u/%u",
                s->plan.shards, s->plan.flush, s->plan.topics, s->plan.producers, s->plan.consumers,
                s->plan.index_bytes, s->plan.index_interval_bytes);
    broker_up(s);
    start_clients(s);
    world_run(s->world, s->world->now_us + s->plan.chaos_us);
    if (!s->world->stopped) heal(s);
    verdict(s, ret_result);
    world_free(s->world);
    history_release(&s->history);
    MEM_FREE(&mem, s);
    ASSERT(mem.used_bytes == 0);
}

void broker_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result) {
    run(seed, trace, false, ret_result);
}

void group_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result) {
    run(seed, trace, true, ret_result);
}
