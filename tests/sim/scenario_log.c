/* tests/sim/scenario_log.c - one partition's log alone, under every fault: what it said is in the
 * file survives a kill, what it said is durable survives a power cut, recovery finds all of it, and
 * nothing else appears. Some seeds compact it (tests/sim/log_keys.h says what must be there then),
 * some let retention delete from it, by size, or by age while the wall clock jumps by ten years.
 * In the others producers have transactions: what the log says of them after each start and before
 * each stop is held against a naive model of what is read. */
#include <stdio.h>
#include <string.h>
#include "base/assert.h"
#include "base/job.h"
#include "log/cleaner.h"
#include "log/log.h"
#include "log/retention.h"
#include "protocol/batch_builder.h"
#include "protocol/record_iter.h"
#include "tests/sim/disk.h"
#include "tests/sim/history.h"
#include "tests/sim/log_keys.h"
#include "tests/sim/node.h"
#include "tests/sim/scenario.h"
#include "tests/sim/txn_book.h"

enum {
    SECOND_US = 1000000,
    PARTITION = 0, /* in the history */
    APPENDS = 8,   /* under way at once */
    RECORDS = 12,
    BATCHES = 700, /* of one seed, about */
    READ_BYTES = 20000,
    VALUE_MAX = 900,
    RECOVERY_US = 5000, /* about as long as one takes */
    PRODUCERS = 4,      /* besides those without an id */
};
#define DIR "/data"
#define RECOVERY_POINT_FILE "recovery-point-offset-checkpoint"
#define CLEAN_END_FILE "cleaner-offset-checkpoint"
#define TEN_YEARS_MS (INT64_C(3653) * 86400 * 1000)

/* What happens to old segments. */
enum tending { TEND_NOTHING, TEND_SIZE, TEND_AGE, TEND_KEYS };

struct log_process;

/* One batch from its start to the answer. */
struct log_batch {
    struct log_append append;
    struct log_process *process;
    uint64_t first_id;
    uint32_t count;
    size_t bytes;
    int64_t txn_producer_id; /* -1: of no transaction */
    enum log_keys_kind kind;
    struct list link; /* in process->written until it is durable */
};

/* In the process's own memory. */
struct log_process {
    struct log_scenario *scenario;
    struct io *io;
    struct mem *mem;
    struct jobs jobs;
    struct log_dir dir;
    struct log *log;
    struct log_owner owner;
    struct arena arena;
    struct batch_builder builder;
    struct record_iter iter;
    struct list written; /* struct log_batch, in the order of their offsets */
    struct list spare;   /* ended */
    uint32_t under_way;
    uint32_t readers;
    uint64_t born_us;  /* of the world */
    struct producer_summary producers[PRODUCERS]; /* by id: where each of them is */
    struct txn_book book;
    bool is_booking; /* what is read goes into the book */
    bool is_stopping, is_offline;
};

struct log_scenario {
    struct world *world;
    struct node *node;
    struct history history;
    struct log_config config;
    enum tending tending;
    struct log_keys keys;
    uint64_t *appended_us; /* of the world, by offset */
    size_t appended_capacity;
    uint64_t deletions, cleanings;
    struct log_process *process;
    struct event kill, power, stop, restart, reap;
    uint64_t next_id, batches, opened, crashes, clean_stops;
    int32_t epoch;
    uint64_t stop_every_us, pause_us;
    bool is_ending, is_done;
    bool is_opening; /* the process recovers the log */
    bool is_cleaning; /* or compacts it */
    bool may_fail;   /* the device has errors */
};

static void failed(struct log_scenario *s, const char *what, enum status st) {
    if (!s->node->is_doomed) world_fail(s->world, "%s: %s", what, status_name(st));
}

static uint32_t draw(struct log_scenario *s, uint32_t below) {
    return (uint32_t)prng_below(&s->world->prng, below);
}

/* Retention takes away what the book would have to know. */
static bool has_transactions(const struct log_scenario *s) {
    bool deletes = (s->config.cleanup_policy & CLEANUP_DELETE) != 0;
    return s->tending == TEND_NOTHING || (s->tending == TEND_KEYS && !deletes);
}

static struct bytes value_of(uint64_t id, uint8_t value[VALUE_MAX]) {
    size_t len = history_value_bytes(id, VALUE_MAX);
    history_value(id, value, len);
    return (struct bytes){value, len};
}

/* --- reading --- */

static void batches_read(struct log_process *p, struct history_reader *reader, struct bytes octets,
                         int64_t upper) {
    struct log_scenario *s = p->scenario;
    while (octets.len > 0) {
        struct batch_view view;
        enum status st = batch_open(octets, &view);
        if (st == ST_SHORT) return;
        if (st != ST_OK) {
            failed(s, "a batch that was read", st);
            return;
        }
        if (!batch_crc_matches((struct bytes){octets.ptr, view.batch_bytes}))
            failed(s, "checksum", ST_CORRUPT);
        if (p->is_booking) txn_book_note(&p->book, &view);
        struct record record;
        record_iter_open(&p->iter, &view, 0);
        while (record_iter_next(&p->iter, &record)) {
            if (record.offset < reader->next_offset)
                continue; /* a range begins with a whole batch */
            if (s->tending == TEND_KEYS) {
                log_keys_read(&s->keys, &view, &record);
                reader->next_offset = record.offset + 1;
                continue;
            }
            uint8_t value[VALUE_MAX];
            if (batch_is_control(&view)) /* a marker stands for a record: its time is the id */
                record.value = value_of((uint64_t)record.timestamp, value);
            history_read(&s->history, reader, record.offset, record.value, upper);
        }
        record_iter_close(&p->iter);
        if (p->iter.status != ST_OK) failed(s, "records of a batch", p->iter.status);
        if (s->tending == TEND_KEYS) /* offsets have gaps */
            reader->next_offset = MAX(reader->next_offset, batch_next_offset(&view));
        octets = (struct bytes){octets.ptr + view.batch_bytes, octets.len - view.batch_bytes};
    }
}

struct job_read {
    struct log_read read; /* first */
    struct job *job;
    bool waits;
};

static void read_done(struct log_read *read) {
    struct job_read *r = (struct job_read *)(void *)read;
    if (r->waits) job_wake(r->job);
}

/* From the reader's place to `target` or a little beyond, nothing above `upper`, a batch's end.
 * False when it was refused. */
static bool read_up_to(struct log_process *p, struct job *job, struct history_reader *reader,
                       int64_t target, int64_t upper) {
    uint8_t *buffer = mem_need(p->mem, READ_BYTES);
    bool good = true;
    while (good && reader->next_offset < target && !p->scenario->world->stopped) {
        struct job_read r = {.job = job};
        r.read.done = read_done;
        r.read.offset = reader->next_offset;
        r.read.upper_offset = upper;
        r.read.max_bytes = 1 + draw(p->scenario, READ_BYTES);
        r.read.whole_first = true;
        if (!log_read_start(p->log, &r.read)) {
            r.waits = true;
            job_suspend(job);
        }
        int64_t before = reader->next_offset;
        enum status st = r.read.status;
        if (st == ST_OK && r.read.bytes > 0) {
            size_t len = MIN(r.read.bytes, (uint32_t)READ_BYTES);
            st = job_read(job, r.read.file, buffer, len, r.read.position);
            if (st == ST_OK) batches_read(p, reader, (struct bytes){buffer, len}, upper);
            log_read_release(&r.read);
        }
        if (st == ST_NOMEM) { /* no descriptor for the segment's file: a reader tries again */
            job_sleep_until(job, p->io->now.mono_us + 1000);
            continue;
        }
        bool is_gap = st == ST_OK && reader->next_offset == before;
        if (st == ST_RANGE && before < log_start_offset(p->log)) {
            good = false; /* it was deleted meanwhile */
        } else if (is_gap && p->scenario->tending == TEND_KEYS) {
            reader->next_offset = target; /* nothing is left behind it */
        } else if (st == ST_CORRUPT || is_gap) {
            history_damaged(&p->scenario->history, reader);
        } else if (st != ST_OK) {
            good = false;
            bool excused = p->is_offline || p->scenario->may_fail;
            if (!excused) {
                world_fail(p->scenario->world, "read at %lld of %lld..%lld: %s, %u octets",
                           (long long)before, (long long)log_start_offset(p->log), (long long)upper,
                           status_name(st), r.read.bytes);
            }
        }
    }
    mem_free(p->mem, buffer, READ_BYTES);
    return good;
}

static void reader_job(struct job *job, void *argument) {
    struct log_process *p = argument;
    struct log_scenario *s = p->scenario;
    while (!p->is_stopping && !p->is_offline) {
        job_sleep_until(job, io_now(p->io).mono_us + 1 + draw(s, 30000));
        if (p->is_stopping || p->is_offline) break;
        int64_t start = log_start_offset(p->log), end = log_end(p->log);
        if (end <= start) continue;
        struct history_reader reader = {.partition = PARTITION, .is_raw = true};
        reader.next_offset = start + (int64_t)prng_below(&s->world->prng, (uint64_t)(end - start));
        (void)read_up_to(p, job, &reader, MIN(end, reader.next_offset + 50),
                         end); /* a refusal was judged where it happened */
    }
    p->readers--;
}

/* --- appending --- */

static enum status add_keyed(struct log_process *p, uint64_t id, int64_t wall_ms,
                             struct bytes value) {
    char key[LOG_KEYS_KEY_BYTES];
    uint8_t octets[LOG_KEYS_ID_BYTES];
    log_keys_key(id, key);
    put_u64(octets, id);
    struct record_header header = {STR("id"), {octets, sizeof octets}};
    return batch_builder_add(&p->builder, wall_ms, (struct bytes){(uint8_t *)key, strlen(key)},
                             log_keys_is_tombstone(id) ? BYTES_NULL : value, &header, 1);
}

static void take_octets(struct log_batch *b, struct bytes octets) {
    b->bytes = octets.len;
    b->append.batch = mem_need(b->process->mem, octets.len);
    memcpy(b->append.batch, octets.ptr, octets.len);
    b->append.batch_bytes = (uint32_t)octets.len;
    b->append.record_count = (int32_t)b->count;
    b->append.leader_epoch = b->process->scenario->epoch;
}

/* `producer` may be NULL: without an id. */
static void data_make(struct log_process *p, struct log_batch *b,
                      struct producer_summary *producer) {
    struct log_scenario *s = p->scenario;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = (enum codec)draw(s, CODEC_COUNT);
    if (producer != NULL) {
        bool is_open = producer->txn_first_offset >= 0;
        options.transactional = is_open || draw(s, 2) == 0;
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->epoch;
        options.base_sequence = sequence_add(MAX(producer->last_sequence, -1) + 1, 0);
        producer->last_sequence = options.base_sequence + (int32_t)b->count - 1;
        if (options.transactional) {
            producer->txn_first_offset = 0;
            b->txn_producer_id = producer->producer_id;
        }
    }
    enum status st = batch_builder_start(&p->builder, &options);
    int64_t wall_ms = io_now(p->io).wall_ms;
    for (uint32_t i = 0; i < b->count && st == ST_OK; i++) {
        uint8_t value[VALUE_MAX];
        struct bytes content = value_of(b->first_id + i, value);
        st = s->tending == TEND_KEYS
                 ? add_keyed(p, b->first_id + i, wall_ms, content)
                 : batch_builder_add(&p->builder, wall_ms, BYTES_NULL, content, NULL, 0);
    }
    struct bytes batch = BYTES_NULL;
    if (st == ST_OK) st = batch_builder_finish(&p->builder, &batch);
    ASSERT(st == ST_OK);
    b->append.max_timestamp_ms = wall_ms;
    take_octets(b, batch);
}

static void marker_make(struct log_process *p, struct log_batch *b,
                        struct producer_summary *producer) {
    struct log_scenario *s = p->scenario;
    uint8_t octets[TXN_MARKER_BATCH_BYTES];
    struct txn_marker marker = {.is_commit = draw(s, 2) == 0, .timestamp = (int64_t)b->first_id};
    if (draw(s, 2) == 0) { /* as transaction.version 2 does */
        producer->epoch++;
        producer->last_sequence = NO_SEQUENCE;
    }
    producer->txn_first_offset = -1;
    b->txn_producer_id = producer->producer_id;
    b->kind = marker.is_commit ? LOG_KEYS_COMMIT : LOG_KEYS_ABORT;
    txn_marker_encode(octets, producer->producer_id, producer->epoch, &marker);
    b->append.max_timestamp_ms = marker.timestamp;
    take_octets(b, (struct bytes){octets, sizeof octets});
}

/* Where each producer is, as the log knows it: what was not appended is not counted. */
static enum status producers_learn(struct log_process *p) {
    struct producer_list list;
    for (int64_t id = 0; id < PRODUCERS; id++) {
        p->producers[id] = (struct producer_summary){
            .producer_id = id, .last_sequence = NO_SEQUENCE, .txn_first_offset = -1};
    }
    enum status st = log_list_producers(p->log, &list);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < list.count; i++)
        p->producers[list.producers[i].producer_id] = list.producers[i];
    producer_list_release(&list, p->mem);
    return ST_OK;
}

static void batch_end(struct log_batch *b) {
    list_remove(&b->link);
    mem_free(b->process->mem, b->append.batch, b->bytes);
    list_push_back(&b->process->spare, &b->link);
    b->process->under_way--;
}

static void note_time(struct log_scenario *s, int64_t first, int64_t last) {
    size_t end = (size_t)last + 1;
    if (end > s->appended_capacity) {
        size_t capacity = end * 2;
        uint64_t *grown = mem_need(s->history.mem, capacity * sizeof *grown);
        if (s->appended_capacity > 0)
            memcpy(grown, s->appended_us, s->appended_capacity * sizeof *grown);
        mem_free(s->history.mem, s->appended_us, s->appended_capacity * sizeof *grown);
        s->appended_us = grown;
        s->appended_capacity = capacity;
    }
    for (size_t i = (size_t)first; i < end; i++) s->appended_us[i] = s->world->now_us;
}

static void append_done(struct log_append *append) {
    struct log_batch *b = CONTAINER_OF(append, struct log_batch, append);
    struct log_process *p = b->process;
    if (append->status != ST_OK) {
        if (!p->scenario->may_fail) failed(p->scenario, "append", append->status);
        batch_end(b);
        return;
    }
    world_trace(p->scenario->world, "appended %lld..%lld", (long long)append->base_offset,
                (long long)append->last_offset);
    history_acked(&p->scenario->history, PARTITION, b->first_id, b->count, append->base_offset, 1);
    if (p->scenario->tending == TEND_KEYS)
        log_keys_appended(&p->scenario->keys, append->base_offset, b->first_id, b->count,
                          b->txn_producer_id, b->kind);
    note_time(p->scenario, append->base_offset, append->last_offset);
    list_push_back(&p->written, &b->link);
    if (draw(p->scenario, 3) > 0) log_sync(p->log);
}

static void on_end(struct log_owner *owner) { (void)owner; }

static void on_durable(struct log_owner *owner) {
    struct log_process *p = CONTAINER_OF(owner, struct log_process, owner);
    world_trace(p->scenario->world, "durable up to %lld", (long long)log_durable_end(p->log));
    if (p->scenario->tending == TEND_KEYS)
        log_keys_durable(&p->scenario->keys, log_durable_end(p->log));
    LIST_EACH(&p->written, node) {
        struct log_batch *b = CONTAINER_OF(node, struct log_batch, link);
        if (b->append.last_offset >= log_durable_end(p->log)) break;
        history_acked(&p->scenario->history, PARTITION, b->first_id, b->count,
                      b->append.base_offset, -1);
        batch_end(b);
    }
}

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

static void append_one(struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct list *node = list_pop_front(&p->spare);
    struct log_batch *b = node != NULL ? CONTAINER_OF(node, struct log_batch, link)
                                       : MEM_NEW(p->mem, struct log_batch);
    *b = (struct log_batch){.process = p, .append.done = append_done, .txn_producer_id = -1};
    struct producer_summary *producer = NULL;
    if (has_transactions(s) && draw(s, 3) > 0) producer = &p->producers[draw(s, PRODUCERS)];
    bool is_end = producer != NULL && producer->txn_first_offset >= 0 && draw(s, 3) == 0;
    b->count = is_end ? 1 : 1 + draw(s, draw(s, 4) == 0 ? RECORDS : 2);
    b->first_id = s->next_id;
    s->next_id += b->count;
    if (is_end) {
        marker_make(p, b, producer);
    } else {
        data_make(p, b, producer);
    }
    history_sent(&s->history, PARTITION, 1, b->first_id, b->count, true);
    p->under_way++;
    enum status st = log_append(p->log, &b->append);
    if (st == ST_OK) return;
    if (!s->may_fail) failed(s, "append refused", st);
    batch_end(b);
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
    if (st == ST_OK) st = job_dir_sync(job, "/");
    if (st != ST_OK && st != ST_EXISTS) return st;
    int64_t broker_epoch = 0;
    st = log_dir_take_clean_marker(job, STR(DIR), &broker_epoch);
    if (st != ST_OK && st != ST_NOT_FOUND) return st;
    bool clean = st == ST_OK;
    int64_t recovery_point = 0, clean_end = -1;
    st = read_offset(job, p, RECOVERY_POINT_FILE, 0, &recovery_point);
    if (st == ST_OK) st = read_offset(job, p, CLEAN_END_FILE, -1, &clean_end);
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

/* What the log says of transactions follows from what was read. */
static bool check_transactions(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    char why[200] = "";
    enum status st = txn_book_check(&p->book, job, p->log, &s->world->prng, why);
    if (st != ST_OK && !s->may_fail) failed(s, "transactions", st);
    if (st == ST_OK && why[0] != '\0') world_fail(s->world, "transactions: %s", why);
    return st == ST_OK;
}

static bool check_keys(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct aborted_txns aborted;
    enum status st = log_find_aborted(job, p->log, 0, log_end(p->log), &aborted);
    if (st != ST_OK) {
        if (!s->may_fail) failed(s, "aborted transactions", st);
        return false;
    }
    log_keys_read_end(&s->keys, log_start_offset(p->log), MAX(log_clean_end(p->log), 0),
                      io_now(p->io).wall_ms, &aborted);
    aborted_txns_release(&aborted, p->mem);
    if (s->keys.failure[0] != '\0') world_fail(s->world, "%s", s->keys.failure);
    int64_t end = log_end(p->log), stable = log_stable_offset(p->log, end);
    if (has_transactions(s) && stable != MIN(s->keys.first_open, end))
        world_fail(s->world, "stable offset %lld, open from %lld on", (long long)stable,
                   (long long)s->keys.first_open);
    return true;
}

/* Everything that is promised is there, and nothing else. */
static bool check_all(struct job *job, struct log_process *p) {
    struct log_scenario *s = p->scenario;
    struct history_reader reader = {.partition = PARTITION, .is_raw = true};
    reader.next_offset = log_start_offset(p->log);
    int64_t end = log_end(p->log);
    bool has_keys = s->tending == TEND_KEYS;
    if (has_keys) {
        log_keys_read_begin(&s->keys);
    } else {
        history_end_begin(&s->history, PARTITION);
    }
    p->is_booking = has_transactions(s);
    p->book.is_compacted = has_keys;
    bool is_good = read_up_to(p, job, &reader, end, end);
    p->is_booking = false;
    if (is_good && has_keys) is_good = check_keys(job, p);
    if (is_good && !has_keys)
        history_end(&s->history, PARTITION, log_start_offset(p->log), end);
    if (is_good && has_transactions(s)) is_good = check_transactions(job, p);
    txn_book_release(&p->book);
    if (is_good) world_trace(s->world, "checked up to %lld", (long long)end);
    return is_good;
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
    if (st == ST_OK) st = write_offset(job, CLEAN_END_FILE, cleaned.clean_end);
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
    while (!p->is_stopping && !p->is_offline) {
        job_sleep_until(job, io_now(p->io).mono_us + 1 + draw(p->scenario, 300000));
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
    if (!check_all(job, p) && p->is_offline) return;
    enum status st = write_checkpoint(job, p);
    if (st == ST_OK) st = log_close(job, p->log);
    if (st == ST_OK) p->log = NULL;
    if (st == ST_OK && draw(s, 4) > 0) st = log_dir_write_clean_marker(job, STR(DIR), 1);
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
    if (!check_all(job, p)) return;
    st = producers_learn(p);
    if (st != ST_OK) failed(s, "producers", st);
    if (s->is_ending) s->is_done = true;
    p->readers = 3;
    job_start(&p->jobs, reader_job, p);
    job_start(&p->jobs, tending_job, p);
    job_start(&p->jobs, checkpoint_job, p);
    while (!p->is_stopping && !p->is_offline && !s->is_ending) {
        if (p->under_way < APPENDS && s->batches++ < BATCHES) append_one(p);
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
    p->dir.on_failure = on_failure;
    p->owner =
        (struct log_owner){.on_end = on_end, .on_durable = on_durable, .on_offline = on_offline};
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
    s->stop_every_us = prng_chance(&prng, 1, 2) ? 100000 + prng_below(&prng, 1000000) : 0;
    s->pause_us = 1 + prng_below(&prng, 1 << prng_below(&prng, 18));
    s->next_id = UINT64_C(1) << 40;
    s->world = world_new(seed, &faults);
    s->world->trace = trace;
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
