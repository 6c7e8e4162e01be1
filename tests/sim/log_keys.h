/* tests/sim/log_keys.h - what a compacted log may hold: a model of keys beside tests/sim/history.h,
 * which knows dense logs only. A record's key, whether it is a tombstone, its value and its header
 * follow from its id; the header tells the id of a tombstone, too.
 *
 * What is promised, after every crash and every cleaning:
 *   of every key the newest durable record is there, or a newer one, or, when it is a tombstone,
 *   none at all; nothing older is the newest that a reader finds
 *   a tombstone is there for delete.retention.ms after the first cleaning that reached it
 *   an offset holds the record that was appended there, or none
 *   below where a cleaning came to, a key is there once
 *
 * In transactions the same holds of what was committed. A record of an open one stays, one of an
 * aborted one may go, and is gone below where a cleaning came to. A reader of committed data that
 * goes by what the log says of aborted transactions and by the markers that are left (as
 * org.apache.kafka.clients.consumer.internals.CompletedFetch does) is shown every committed record
 * that is there and no other. Below the log's start nothing is promised. */
#pragma once
#include "base/bytes.h"
#include "base/mem.h"
#include "log/txn_index.h"
#include "protocol/batch.h"
#include "protocol/record.h"

enum { LOG_KEYS_COUNT = 40, LOG_KEYS_KEY_BYTES = 16, LOG_KEYS_ID_BYTES = 8 };
enum { LOG_KEYS_PRODUCERS = 8 }; /* ids are below it */

enum log_keys_kind { LOG_KEYS_DATA, LOG_KEYS_COMMIT, LOG_KEYS_ABORT };

/* What became of the transaction that a record is of; without one it is committed. */
enum log_keys_fate { FATE_OPEN, FATE_COMMITTED, FATE_ABORTED };

struct log_key_entry {
    uint64_t id;       /* 0: not known: it was appended and its process died before it heard so */
    int64_t may_go_ms; /* of a tombstone: not before this; INT64_MAX: no cleaning reached it yet */
    int64_t producer_id; /* of its transaction, -1: none */
    enum log_keys_kind kind;
    enum log_keys_fate fate; /* as was worked out last */
    bool is_there;     /* as was read last */
};

struct log_keys {
    struct mem *mem; /* borrowed */
    struct log_key_entry *entries; /* by offset */
    size_t count, capacity;
    int64_t durable_end;
    bool is_started; /* a process opened the log; nothing was read to the end since */
    int64_t first_open; /* record of an open transaction, as was read last; INT64_MAX: none */
    uint64_t checks, dropped; /* readings to the end; records found missing in them */
    uint64_t aborted_dropped, markers_dropped; /* of those */
    char failure[256];        /* the first one; empty: none */
};

void log_keys_init(struct log_keys *keys, struct mem *mem);
void log_keys_release(struct log_keys *keys);

/** The key of a record, terminated. */
void log_keys_key(uint64_t id, char key[LOG_KEYS_KEY_BYTES]);
bool log_keys_is_tombstone(uint64_t id);

/** Records first_id .. were appended, in a transaction of this producer (-1: none), or its
 * marker. */
void log_keys_appended(struct log_keys *keys, int64_t base_offset, uint64_t first_id,
                       uint32_t count, int64_t producer_id, enum log_keys_kind kind);
void log_keys_durable(struct log_keys *keys, int64_t durable_end);
/** A process opened the log and found this end: what lay behind it is gone, and so is for good what
 * was not durable and is not found when all of it is read next. */
void log_keys_opened(struct log_keys *keys, int64_t end);
/** A cleaning reached clean_end at now_ms, and tombstones stay for retention_ms. */
void log_keys_cleaned(struct log_keys *keys, int64_t clean_end, int64_t now_ms,
                      int64_t retention_ms);

void log_keys_read_begin(struct log_keys *keys);
void log_keys_read(struct log_keys *keys, const struct batch_view *batch,
                   const struct record *record);
/** Everything from the log's start to its end was read, and these transactions are said to be
 * aborted (the list is sorted here). clean_end: below it every key is there at most once, and
 * nothing of an aborted transaction; 0: not known. */
void log_keys_read_end(struct log_keys *keys, int64_t log_start, int64_t clean_end, int64_t now_ms,
                       struct aborted_txns *aborted);
