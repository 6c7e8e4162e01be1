/* tests/sim/scenario_log.c - one partition's log alone, under every fault: what it said is in the
 * file survives a kill, what it said is durable survives a power cut, recovery finds all of it, and
 * nothing else appears. Some seeds compact it (tests/sim/log_keys.h says what must be there then),
 * some let retention delete from it, by size, or by age while the wall clock jumps by ten years.
 * In the others producers have transactions: what the log says of them after each start and before
 * each stop is held against a naive model of what is read. */
#include <stdio.h>
#include "base/assert.h"
#include "log/cleaner.h"
#include "log/retention.h"
#include "tests/sim/disk.h"
#include "tests/sim/log_process.h"
#include "tests/sim/scenario.h"

enum {
    SECOND_US = 1000000,
    BATCHES = 700,      /* of one seed, about */
    RECOVERY_US = 5000, /* about as long as one takes */
};
#define DIR "/data"
#define TEN_YEARS_MS (INT64_C(3653) * 86400 * 1000)

static void on_end(struct log_owner *owner) { (void)owner; }

static void process_lost(struct log_process *p) {
    if (!p->is_offline) world_count(p->scenario->world, FAULT_DIRECTORY_LOST);
    p->is_offline = true;
    if (!p->scenario->may_fail) failed(p->scenario, "the log went offline", ST_IO);
    /* After an error of the device nothing is known of what is not durable: the machine restarts.
     */
    event_set(&p->scenario->power, 1);
}

static void on_offline(struct log_owner *owner) {
    process_lost(CONTAINER_OF(owner, struct log_process, owner));
}

static void on_failure(struct log_dir *dir, enum status why) {
    (void)why;
    process_lost(CONTAINER_OF(dir, struct log_process, dir));
}

/* --- a process --- */

static enum status read_offset(struct job *job, struct log_process *p, const char *file,
                               int64_t absent, int64_t *ret_offset) {
    struct checkpoint checkpoint;
    uint32_t line = 0;
    enum status st = checkpoint_read(job, STR(DIR), file, &p->arena, &checkpoint, &line);
    if (st == ST_OK) *ret_offset = checkpoint_find(&checkpoint, STR("topic"), 0, absent);
    return st;
}

static enum status write_offset(struct job *job, const char *file, int64_t offset) {
    struct checkpoint_entry entry = {.topic = STR("topic"), .offset = offset};
    struct checkpoint checkpoint = {.entries = &entry, .count = 1};
    return checkpoint_write(job, STR(DIR), file, &checkpoint);
}

static enum status open_log(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    enum status st = job_mkdir(job, DIR, 0700);
    if (st == ST_OK || st == ST_EXISTS) st = job_dir_sync(job, "/"); /* by one that was killed? */
    if (st != ST_OK) return st;
    int64_t broker_epoch = 0;
    st = log_dir_take_clean_marker(job, STR(DIR), &broker_epoch);
    if (st != ST_OK && st != ST_NOT_FOUND) return st;
    bool clean = st == ST_OK;
    if (clean && !s->may_be_clean)
        world_fail(s->world, "a marker of a clean stop outlived the start after it");
    s->may_be_clean = false;
    int64_t recovery_point = 0, clean_end = -1;
    st = read_offset(job, p, RECOVERY_POINT_FILE, 0, &recovery_point);
    if (st == ST_OK) st = read_offset(job, p, CLEANER_CHECKPOINT_FILE, -1, &clean_end);
    if (st != ST_OK) return st;
    struct log_open open = {.dir = &p->dir,
                            .topic = STR("topic"),
                            .config = &s->config,
                            .owner = &p->owner,
                            .create = true,
                            .clean = clean,
                            .recovery_point = recovery_point};
    world_trace(s->world, "open clean=%d recovery-point=%lld", clean,
                (long long)open.recovery_point);
    st = log_open(job, &open, &p->log);
    if (st == ST_OK) log_set_clean_end(p->log, clean_end);
    if (st == ST_OK) st = log_begin_epoch(p->log, ++s->epoch);
    return st;
}

static enum status write_checkpoint(struct job *job, struct log_process *p) {
    return write_offset(job, RECOVERY_POINT_FILE, log_recovery_point(p->log));
}

/* --- tending: retention and compaction --- */

static bool may_go_on(const void *owner) {
    const struct log_process *p = owner;
    return !p->is_stopping && !p->is_offline;
}

static void clean_keys(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct cleanable cleanable;
    struct cleaned cleaned;
    int64_t now_ms = io_now(p->io).wall_ms;
    int64_t upper = log_stable_offset(p->log, log_durable_end(p->log));
    enum status st = log_cleanable(job, p->log, upper, &cleanable);
    if (st == ST_OK && cleanable.dirty_bytes == 0) return;
    if (st == ST_OK) {
        struct cleaner_limits limits = {.map_bytes = 24u << draw(s, 8),
                                        .load_factor = 0.9,
                                        .io_bytes = 1 + draw(s, 50000),
                                        .bytes_per_second = 1e300};
        struct cleaner_leave leave = {may_go_on, p};
        /* As early as any of it can be seen by a later process. */
        log_keys_cleaned(&s->keys, cleanable.first_uncleanable, now_ms,
                         s->config.delete_retention_ms);
        s->is_cleaning = true;
        st = log_clean(job, p->log, &cleanable, &limits, &leave, &cleaned);
        s->is_cleaning = false;
    }
    if (st == ST_OK) st = write_offset(job, CLEANER_CHECKPOINT_FILE, cleaned.clean_end);
    bool is_ordinary = st == ST_CANCELLED || st == ST_STALE || log_uncleanable(p->log) != ST_OK;
    if (st == ST_OK) {
        s->cleanings++;
        world_trace(s->world, "clean up to %lld", (long long)cleaned.clean_end);
    } else if (!is_ordinary && !s->may_fail && st != ST_NO_SPACE) {
        failed(s, "compaction", st);
    }
}

static void retain(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct retained deleted = {0};
    enum status st = log_retain(job, p->log, log_durable_end(p->log), &deleted);
    if (st != ST_OK && !s->may_fail) failed(s, "retention", st);
    if (st != ST_OK || deleted.segments == 0) return;
    int64_t start = log_start_offset(p->log);
    s->deletions += deleted.segments;
    world_trace(s->world, "log start %lld", (long long)start);
    uint64_t left = log_size_bytes(p->log);
    if (s->tending == TEND_SIZE && left < (uint64_t)s->config.retention_bytes)
        world_fail(s->world, "retention left %llu octets", (unsigned long long)left);
    if (s->tending != TEND_AGE || (size_t)start > s->appended_capacity) return;
    uint64_t at_us = s->appended_us[start - 1];
    uint64_t age_us = s->world->now_us - at_us;
    /* Over a restart the wall clock is believed, and it may have been wrong before. */
    if (at_us > p->born_us && age_us <= (uint64_t)s->config.retention_ms * 1000)
        world_fail(s->world, "offset %lld went after %llu us", (long long)start - 1,
                   (unsigned long long)age_us);
}

static void tending_job(struct job *job, void *argument) {
    struct log_process *p = argument;
    struct log_scenario *s = p->scenario;
    while (!p->is_stopping && !p->is_offline) {
        job_sleep_until(job, io_now(p->io).mono_us + 1 + draw(s, 200000));
        if (p->is_stopping || p->is_offline) break;
        if (s->tending == TEND_KEYS) clean_keys(job, p);
        if ((s->config.cleanup_policy & CLEANUP_DELETE) != 0) retain(job, p);
        if (s->tending == TEND_AGE && draw(s, 4) == 0) {
            s->node->skew_ms = (int64_t)draw(s, 3) * TEN_YEARS_MS - TEN_YEARS_MS;
            (void)world_fault(s->world, FAULT_CLOCK_STEP, 1000000); /* counted */
        }
    }
    p->readers--;
}

static void checkpoint_job(struct job *job, void *argument) {
    struct log_process *p = argument;
    uint32_t most_us = p->scenario->checkpoint_us;
    while (!p->is_stopping && !p->is_offline) {
        job_sleep_until(job, io_now(p->io).mono_us + 1 + draw(p->scenario, most_us));
        if (p->is_stopping || p->is_offline) break;
        enum status st = write_checkpoint(job, p);
        if (st != ST_OK && !p->scenario->may_fail) failed(p->scenario, "checkpoint", st);
    }
    p->readers--;
}

static void close_down(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    while (p->readers > 0 || p->under_way > (p->is_offline ? APPENDS : 0)) {
        if (p->is_offline) return; /* the power goes */
        log_sync(p->log);
        job_sleep_until(job, io_now(p->io).mono_us + 1000);
    }
    if (!log_process_check(job, p) && p->is_offline) return;
    enum status st = write_checkpoint(job, p);
    if (st == ST_OK) st = log_close(job, p->log);
    if (st == ST_OK) p->log = NULL;
    s->may_be_clean = st == ST_OK && draw(s, 4) > 0;
    if (s->may_be_clean) st = log_dir_write_clean_marker(job, STR(DIR), 1);
    if (st != ST_OK) {
        if (!s->may_fail) failed(s, "clean stop", st);
        process_lost(p);
        return;
    }
    log_dir_release(job, &p->dir);
    event_set(&s->reap, 1);
}

static void main_job(struct job *job, void *argument) {
    struct log_process *p = argument;
    struct log_scenario *s = p->scenario;
    s->is_opening = true;
    enum status st = open_log(job, p);
    s->is_opening = false;
    if (st != ST_OK) {
        if (!s->may_fail) failed(s, "open", st);
        process_lost(p);
        return;
    }
    s->opened++;
    if (s->tending == TEND_KEYS) log_keys_opened(&s->keys, log_end(p->log));
    if (!log_process_check(job, p)) return;
    st = log_process_learn_producers(p);
    if (st != ST_OK) failed(s, "producers", st);
    if (s->is_ending) s->is_done = true;
    p->readers = 3;
    job_start(&p->jobs, log_process_reader, p);
    job_start(&p->jobs, tending_job, p);
    job_start(&p->jobs, checkpoint_job, p);
    while (!p->is_stopping && !p->is_offline && !s->is_ending) {
        if (p->under_way < APPENDS && s->batches++ < BATCHES) log_process_append(p);
        if (draw(s, 3) == 0 || s->batches >= BATCHES)
            job_sleep_until(job, io_now(p->io).mono_us + 1 + draw(s, (uint32_t)s->pause_us));
        if (p->under_way >= APPENDS) {
            log_sync(p->log); /* else nothing would ever make room */
            job_sleep_until(job, io_now(p->io).mono_us + 100);
        }
    }
    if (p->is_offline) return;
    p->is_stopping = true;
    close_down(job, p);
}

static void boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
                 void *argument) {
    (void)io_count; /* one */
    struct log_process *p = MEM_NEW(mem, struct log_process);
    p->scenario = argument;
    p->scenario->process = p;
    p->born_us = p->scenario->world->now_us;
    node->skew_ms = 0;
    p->io = ios[0];
    p->mem = mem;
    jobs_init(&p->jobs, p->io, 8);
    log_dir_init(&p->dir, p->io, &p->jobs, STR(DIR));
    if (p->scenario->room_from > 0) p->dir.room_from = p->scenario->room_from;
    if (p->scenario->removal_step > 0) p->dir.removal_step_bytes = p->scenario->removal_step;
    p->dir.on_failure = on_failure;
    p->owner = (struct log_owner){
        .on_end = on_end, .on_durable = log_process_durable, .on_offline = on_offline};
    arena_init(&p->arena, mem, 4096, 0);
    batch_builder_init(&p->builder, mem);
    record_iter_init(&p->iter, mem);
    list_init(&p->written);
    list_init(&p->spare);
    txn_book_init(&p->book, mem);
    job_start(&p->jobs, main_job, p);
}

/* It stopped by itself: what it still holds is a leak. */
static void reap_due(struct event *event) {
    struct log_scenario *s = CONTAINER_OF(event, struct log_scenario, reap);
    if (!node_runs(s->node) || s->node->is_doomed) return;
    struct log_process *p = s->process;
    jobs_release(&p->jobs);
    arena_release(&p->arena);
    batch_builder_release(&p->builder);
    record_iter_release(&p->iter);
    for (struct list *node; (node = list_pop_front(&p->spare)) != NULL;) {
        struct log_batch *b = CONTAINER_OF(node, struct log_batch, link);
        MEM_FREE(p->mem, b);
    }
    MEM_FREE(p->mem, p);
    s->process = NULL; /* nobody is left to be told to stop */
    uint64_t leaked = node_exit(s->node);
    if (leaked > 0)
        world_fail(s->world, "%llu blocks of memory were not given back",
                   (unsigned long long)leaked);
    s->clean_stops++;
    event_set(&s->restart, 1000);
}

static void on_crash(struct node *node, enum crash_kind kind) {
    struct log_scenario *s = node->context;
    s->crashes++;
    if (s->is_opening) world_count(s->world, FAULT_CRASH_IN_RECOVERY);
    if (s->is_cleaning) world_count(s->world, FAULT_CRASH_IN_CLEANING);
    s->is_opening = s->is_cleaning = false;
    s->process = NULL;
    event_clear(&s->reap);
    if (kind == CRASH_POWER) history_power_cut(&s->history);
    event_set(&s->restart, world_delay(s->world, s->world->faults.process.down_us));
}

static void restart_due(struct event *event) {
    struct log_scenario *s = CONTAINER_OF(event, struct log_scenario, restart);
    if (node_runs(s->node)) return;
    node_start(s->node, 1, boot, s);
    bool is_killed = s->world->faults.process.kill_every_us > 0 && !s->is_ending;
    if (is_killed && draw(s, 4) == 0) event_set(&s->kill, 1 + draw(s, RECOVERY_US));
}

static void again(struct log_scenario *s, struct event *event, uint64_t every_us) {
    if (every_us != 0) event_set(event, every_us / 2 + prng_below(&s->world->prng, every_us));
}

static void crash_due(struct log_scenario *s, enum crash_kind kind) {
    struct world *world = s->world;
    if (!node_runs(s->node)) return;
    if (prng_chance(&world->prng, world->faults.process.within_turn, 1000000)) {
        node_crash_within_turn(s->node, kind);
    } else if (kind == CRASH_KILL) {
        node_kill(s->node);
    } else {
        node_power_cut(s->node);
    }
}

static void kill_due(struct event *event) {
    struct log_scenario *s = CONTAINER_OF(event, struct log_scenario, kill);
    bool is_lost = s->process != NULL && s->process->is_offline; /* its power goes instead */
    if (!is_lost) crash_due(s, CRASH_KILL);
    if (!s->is_ending) again(s, event, s->world->faults.process.kill_every_us);
}

static void power_due(struct event *event) {
    struct log_scenario *s = CONTAINER_OF(event, struct log_scenario, power);
    crash_due(s, CRASH_POWER);
    if (!s->is_ending) again(s, event, s->world->faults.process.power_every_us);
}

static void stop_due(struct event *event) {
    struct log_scenario *s = CONTAINER_OF(event, struct log_scenario, stop);
    if (s->process != NULL) s->process->is_stopping = true;
    if (!s->is_ending) again(s, event, s->stop_every_us);
}

static void scenario_init(struct log_scenario *s, uint64_t seed, bool trace, struct mem *mem) {
    struct prng prng;
    prng_seed(&prng, seed ^ 0x6c6f67);
    struct sim_faults faults = faults_swarm(&prng);
    faults.net = faults_none().net; /* nobody connects */
    faults.process.step_every_us = 0;
    faults.process.kill_every_us /= 4; /* a log alone starts quickly */
    faults.process.power_every_us /= 4;
    s->may_fail = prng_chance(&prng, 1, 4);
    if (s->may_fail) {
        faults.disk.write_error = (uint32_t)prng_below(&prng, 2000);
        faults.disk.sync_error = (uint32_t)prng_below(&prng, 5000) + 1;
        faults.disk.read_error = (uint32_t)prng_below(&prng, 500);
    }
    /* One draw a statement: the order within an initialiser is the compiler's to choose. */
    uint64_t segment = UINT64_C(1) << (10 + prng_below(&prng, 10));
    segment = 1000 + prng_below(&prng, segment);
    uint64_t index = UINT64_C(1) << prng_below(&prng, 9);
    index = 24 + 12 * prng_below(&prng, index);
    uint64_t interval = UINT64_C(1) << prng_below(&prng, 13);
    interval = 1 + prng_below(&prng, interval);
    uint64_t delete_delay_ms = prng_below(&prng, 1000);
    s->config = (struct log_config){
        .segment_bytes = (int64_t)segment,
        .segment_ms = INT64_MAX,
        .segment_index_bytes = (int64_t)index,
        .index_interval_bytes = (int64_t)interval,
        .max_message_bytes = 1 << 20,
        .retention_bytes = -1,
        .retention_ms = -1,
        .file_delete_delay_ms = (int64_t)delete_delay_ms,
        .compression_type = -1,
        .cleanup_policy = CLEANUP_DELETE,
    };
    static const enum tending tendings[] = {TEND_NOTHING, TEND_NOTHING, TEND_SIZE,
                                            TEND_AGE,     TEND_KEYS,    TEND_KEYS};
    s->tending = tendings[prng_below(&prng, COUNT(tendings))];
    uint64_t kept = prng_below(&prng, UINT64_C(1) << (10 + prng_below(&prng, 10)));
    if (s->tending == TEND_SIZE) s->config.retention_bytes = (int64_t)kept;
    if (s->tending == TEND_AGE) {
        s->config.retention_ms = (int64_t)(kept % 1500);
        s->config.message_timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    }
    if (s->tending == TEND_KEYS) {
        s->config.cleanup_policy = CLEANUP_COMPACT;
        if (prng_chance(&prng, 1, 4)) {
            s->config.cleanup_policy |= CLEANUP_DELETE;
            s->config.retention_bytes = (int64_t)kept;
        }
        s->config.delete_retention_ms = (int64_t)(kept % 1500);
        s->config.max_compaction_lag_ms = INT64_MAX;
    }
    s->config.preallocate = prng_chance(&prng, 1, 4);
    if (s->config.segment_bytes < 16384) s->config.segment_bytes += 16384; /* holds any batch */
    s->room_from = prng_chance(&prng, 1, 2) ? 1 + prng_below(&prng, 20000) : 0;
    s->stop_every_us = prng_chance(&prng, 1, 2) ? 100000 + prng_below(&prng, 1000000) : 0;
    s->checkpoint_us = prng_chance(&prng, 1, 3) ? 1000 : 300000;
    s->pause_us = 1 + prng_below(&prng, 1 << prng_below(&prng, 18));
    s->removal_step = prng_chance(&prng, 1, 2) ? 1 + prng_below(&prng, 20000) : 0;
    if (s->removal_step > 0) s->config.file_delete_delay_ms %= 20; /* few live for longer */
    s->next_id = UINT64_C(1) << 40;
    s->world = world_new(seed, &faults);
    s->world->trace = trace;
    s->world->counts.enabled[FAULT_ROOM_AHEAD] = s->room_from > 0 && !s->config.preallocate;
    s->world->counts.enabled[FAULT_SHORTENED] =
        s->removal_step > 0 && (s->tending == TEND_SIZE || s->tending == TEND_AGE);
    s->world->counts.enabled[FAULT_CRASH_IN_RECOVERY] = faults.process.kill_every_us > 0;
    s->world->counts.enabled[FAULT_CRASH_IN_CLEANING] =
        s->tending == TEND_KEYS &&
        faults.process.kill_every_us + (uint64_t)faults.process.power_every_us > 0;
    s->node = node_add(s->world, "log", true);
    s->node->on_crash = on_crash;
    s->node->context = s;
    history_init(&s->history, mem);
    log_keys_init(&s->keys, mem);
    (void)history_partition_add(&s->history, "topic-0", true); /* PARTITION */
    event_init(&s->kill, s->world, EVENT_PLAN, 0, kill_due);
    event_init(&s->power, s->world, EVENT_PLAN, 0, power_due);
    event_init(&s->stop, s->world, EVENT_PLAN, 0, stop_due);
    event_init(&s->restart, s->world, EVENT_PLAN, 0, restart_due);
    event_init(&s->reap, s->world, EVENT_PLAN, 0, reap_due);
    again(s, &s->kill, faults.process.kill_every_us);
    again(s, &s->power, faults.process.power_every_us);
    again(s, &s->stop, s->stop_every_us);
}

static void end(struct log_scenario *s) {
    struct world *world = s->world;
    world->faults_off = true;
    s->may_fail = s->may_fail && s->process != NULL && s->process->is_offline;
    event_clear(&s->kill);
    event_clear(&s->power);
    event_clear(&s->stop);
    s->is_ending = true;
    if (node_runs(s->node)) node_power_cut(s->node);
    s->may_fail = false;
    uint64_t until_us = world->now_us + 60 * SECOND_US;
    while (!world->stopped && !s->is_done && world->now_us < until_us) {
        world_run(world, world->now_us + SECOND_US / 50);
    }
    if (!s->is_done) world_fail(world, "not open a minute after healing");
}

void log_scenario_run(uint64_t seed, bool trace, struct scenario_result *ret_result) {
    *ret_result = (struct scenario_result){0};
    struct mem mem = {0};
    struct log_scenario *s = MEM_NEW(&mem, struct log_scenario);
    scenario_init(s, seed, trace, &mem);
    struct world *world = s->world;
    node_start(s->node, 1, boot, s);
    world_run(world, world->now_us + SECOND_US + prng_below(&world->prng, 2 * SECOND_US));
    if (!world->stopped) end(s);
    ret_result->is_good = world->failure[0] == '\0' && history_anomaly_count(&s->history) == 0;
    (void)snprintf(ret_result->failure, sizeof ret_result->failure, "%s; %s", s->history.first,
                   world->failure); /* fits */
    ret_result->hash = world->hash ^ world->event_count;
    ret_result->event_count = world->event_count;
    ret_result->virtual_us = world->now_us;
    ret_result->sent = s->history.sent_count;
    ret_result->acked = s->history.acked_count;
    ret_result->read = s->history.read_count;
    ret_result->crashes = s->crashes;
    ret_result->cleanings = s->cleanings;
    ret_result->deletions = s->deletions;
    ret_result->cleaned_aborted = s->keys.aborted_dropped;
    ret_result->cleaned_markers = s->keys.markers_dropped;
    ret_result->clean_stops = s->clean_stops;
    ret_result->counts = world->counts;
    world_free(world);
    history_release(&s->history);
    log_keys_release(&s->keys);
    mem_free(&mem, s->appended_us, s->appended_capacity * sizeof *s->appended_us);
    MEM_FREE(&mem, s);
    ASSERT(mem.used_bytes == 0);
}
