/* tests/sim/log_process.h - what the files of `sim log` share: one seed (struct log_scenario), and
 * one life of the process that holds the log (struct log_process). scenario_log.c starts, tends and
 * ends it, log_appends.c writes, log_reads.c reads and judges. */
#pragma once
#include "base/job.h"
#include "log/log.h"
#include "protocol/batch_builder.h"
#include "protocol/record_iter.h"
#include "tests/sim/history.h"
#include "tests/sim/log_keys.h"
#include "tests/sim/node.h"
#include "tests/sim/txn_book.h"

enum {
    PARTITION = 0, /* in the history */
    APPENDS = 8,   /* under way at once */
    VALUE_MAX = 900,
    PRODUCERS = 4, /* besides those without an id */
};

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
    uint32_t checkpoint_us; /* at most between two; often, to meet what a roll leaves for later */
    uint64_t room_from, removal_step; /* of the log directory; 0: its own */
    bool is_ending, is_done;
    bool is_opening; /* the process recovers the log */
    bool may_be_clean; /* a marker was written, and no start has taken it yet */
    bool is_cleaning; /* or compacts it */
    bool may_fail;   /* the device has errors */
};

static inline void failed(struct log_scenario *s, const char *what, enum status st) {
    if (!s->node->is_doomed) world_fail(s->world, "%s: %s", what, status_name(st));
}

static inline uint32_t draw(struct log_scenario *s, uint32_t below) {
    return (uint32_t)prng_below(&s->world->prng, below);
}

/* Retention takes away what the book would have to know. */
static inline bool has_transactions(const struct log_scenario *s) {
    bool deletes = (s->config.cleanup_policy & CLEANUP_DELETE) != 0;
    return s->tending == TEND_NOTHING || (s->tending == TEND_KEYS && !deletes);
}

/* What the record of an id holds. */
static inline struct bytes value_of(uint64_t id, uint8_t value[VALUE_MAX]) {
    size_t len = history_value_bytes(id, VALUE_MAX);
    history_value(id, value, len);
    return (struct bytes){value, len};
}

/* --- log_appends.c --- */

/** One batch of some producer, or the end of its transaction. */
void log_process_append(struct log_process *p);
/** What has become durable: struct log_owner's on_durable. */
void log_process_durable(struct log_owner *owner);
/** Where each producer is, as the log knows it: what was not appended is not counted. */
enum status log_process_learn_producers(struct log_process *p);

/* --- log_reads.c --- */

/** A job that reads here and there until the process stops. */
void log_process_reader(struct job *job, void *process);
/** Everything that is promised is there, and nothing else. False when something was refused. */
bool log_process_check(struct job *job, struct log_process *p);
