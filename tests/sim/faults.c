/* tests/sim/faults.c - names of the faults, and how a seed draws its rates. */
#include "tests/sim/faults.h"

static const char *const names[FAULT_COUNT] = {
#define FAULT_NAME(name, text) [FAULT_##name] = text,
    FAULT_KINDS(FAULT_NAME)
#undef FAULT_NAME
};

const char *fault_name(enum fault_kind kind) { return names[kind]; }

struct sim_faults faults_none(void) {
    return (struct sim_faults){
        .disk = {.op_us = 50, .sync_us = 500, .lose_weight = 1, .keep_weight = 1, .tear_weight = 1},
        .net = {.latency_us = 100, .chunk_bytes = 65536, .chunk_us = 10, .pipe_bytes = 262144},
        .shard = {.turn_us = 5, .post_us = 5, .work_us = 100},
        .process = {.down_us = 100000},
    };
}

static bool coin(struct prng *prng) { return prng_chance(prng, 1, 2); }

/* A rate of 1 .. most in a million for every second seed, 0 for the others. */
static uint32_t some(struct prng *prng, uint32_t most) {
    return coin(prng) ? (uint32_t)prng_below(prng, most) + 1 : 0;
}

/* Spread over the orders of magnitude up to most: 1 .. most. */
static uint32_t spread(struct prng *prng, uint32_t most) {
    uint32_t bits = 32 - (uint32_t)__builtin_clz(most);
    uint32_t limit = 1u << prng_below(prng, bits);
    return (uint32_t)prng_below(prng, 2u * limit < most ? 2u * limit : most) + 1;
}

struct sim_faults faults_swarm(struct prng *prng) {
    struct sim_faults f = faults_none();
    f.disk.op_us = spread(prng, 2000);
    f.disk.sync_us = spread(prng, 20000);
    f.disk.no_file = some(prng, 100000);
    f.disk.slow = some(prng, 10000);
    f.disk.slow_us = spread(prng, 500000);
    f.disk.hung = some(prng, 200);
    f.disk.hung_us = spread(prng, 3000000);
    f.disk.writeback = some(prng, 500000);
    f.disk.lose_weight = (uint8_t)prng_below(prng, 4);
    f.disk.keep_weight = (uint8_t)prng_below(prng, 4);
    f.disk.tear_weight = (uint8_t)(prng_below(prng, 3) + 1);
    f.net.latency_us = spread(prng, 20000);
    f.net.chunk_bytes = spread(prng, 65536) + 64;
    f.net.chunk_us = spread(prng, 100);
    f.net.pipe_bytes = spread(prng, 262144) + 256;
    f.net.dribble = some(prng, 100000);
    f.net.slow = some(prng, 10000);
    f.net.slow_us = spread(prng, 200000);
    f.net.cut = some(prng, 2000);
    f.net.silence = some(prng, 500);
    f.net.refused = some(prng, 100000);
    f.net.accept_error = some(prng, 50000);
    f.shard.op_inline = some(prng, 1000000);
    f.shard.stall = some(prng, 5000);
    f.shard.stall_us = spread(prng, 50000);
    f.shard.part_turn = some(prng, 300000);
    f.shard.turn_us = spread(prng, 100);
    f.shard.post_us = spread(prng, 1000);
    f.shard.work_us = spread(prng, 5000);
    f.process.kill_every_us = coin(prng) ? 500000 + spread(prng, 8000000) : 0;
    f.process.power_every_us = coin(prng) ? 500000 + spread(prng, 8000000) : 0;
    f.process.within_turn = some(prng, 1000000);
    f.process.step_every_us = coin(prng) ? 200000 + spread(prng, 4000000) : 0;
    f.process.step_ms = (int64_t)spread(prng, 100000000);
    f.process.down_us = spread(prng, 1000000);
    f.disk.no_direct = some(prng, 1000000);
    return f;
}

void faults_mark_enabled(const struct sim_faults *f, struct fault_counts *counts) {
    bool kill = f->process.kill_every_us != 0, power = f->process.power_every_us != 0;
    bool lose = f->disk.lose_weight != 0, tear = f->disk.tear_weight != 0;
    bool on[FAULT_COUNT] = {
        [FAULT_PROCESS_KILL] = kill,
        [FAULT_POWER_CUT] = power,
        [FAULT_STOP_WITHIN_TURN] = (kill || power) && f->process.within_turn != 0,
        [FAULT_CRASH_LOST_PAGE] = power && lose,
        [FAULT_CRASH_KEPT_PAGE] = power && f->disk.keep_weight != 0,
        [FAULT_CRASH_TORN_PAGE] = power && tear,
        [FAULT_CRASH_SHORT_FILE] = power,
        [FAULT_CRASH_LOST_NAME] = power,
        [FAULT_CRASH_PART_WRITE] = kill || power,
        [FAULT_DISK_WRITEBACK] = f->disk.writeback != 0,
        [FAULT_DISK_READ_ERROR] = f->disk.read_error != 0,
        [FAULT_DISK_WRITE_ERROR] = f->disk.write_error != 0,
        [FAULT_DISK_SYNC_ERROR] = f->disk.sync_error != 0,
        [FAULT_DIRECTORY_LOST] = f->disk.write_error != 0 || f->disk.sync_error != 0,
        [FAULT_DISK_NO_FILE] = f->disk.no_file != 0,
        [FAULT_DISK_NO_DIRECT] = (kill || power) && f->disk.no_direct != 0,
        [FAULT_DISK_FULL] = f->disk.capacity_bytes != 0 || f->disk.full_every_us != 0,
        [FAULT_DISK_SLOW] = f->disk.slow != 0,
        [FAULT_DISK_HUNG] = f->disk.hung != 0,
        [FAULT_DISK_FLIP] = f->disk.flip != 0,
        [FAULT_NET_DRIBBLE] = f->net.dribble != 0,
        [FAULT_NET_FULL_PIPE] = f->net.pipe_bytes < 65536,
        [FAULT_NET_SLOW] = f->net.slow != 0,
        [FAULT_NET_CUT] = f->net.cut != 0,
        [FAULT_NET_SILENCE] = f->net.silence != 0,
        [FAULT_NET_REFUSED] = f->net.refused != 0,
        [FAULT_NET_ACCEPT_ERROR] = f->net.accept_error != 0,
        [FAULT_CLOCK_STEP] = f->process.step_every_us != 0,
        [FAULT_SHARD_STALL] = f->shard.stall != 0,
        [FAULT_SHARD_PART_TURN] = f->shard.part_turn != 0,
        [FAULT_OP_INLINE] = f->shard.op_inline != 0,
        [FAULT_OP_LATER] = f->shard.op_inline < 1000000,
    };
    for (int i = 0; i < FAULT_COUNT; i++) counts->enabled[i] += on[i];
}

void fault_counts_add(struct fault_counts *sum, const struct fault_counts *more) {
    for (int i = 0; i < FAULT_COUNT; i++) {
        sum->enabled[i] += more->enabled[i];
        sum->fired[i] += more->fired[i];
    }
}
