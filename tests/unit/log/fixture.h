/* tests/unit/log/fixture.h - a log on a temporary directory over tests/lib/plain_io: everything a
 * test of log/ needs, with the job functions wrapped so that a test reads as straight code. */
#pragma once
#include "log/log.h"
#include "log/retention.h"
#include "protocol/batch_builder.h"
#include "tests/lib/plain_io.h"

struct fixture {
    struct plain_io plain;
    struct log_dir dir;
    struct log_config config;
    struct log_owner owner;
    uint32_t end_calls, durable_calls, offline_calls, failure_calls;
    char path[64]; /* of the log directory */
    struct log *log;
    struct batch_builder builder;
    struct log_open open; /* of the next fixture_open */
    uint32_t cuts, uneven_cuts; /* fixture_count_cuts */
    uint64_t cut_step;
    bool removals_ended; /* fixture_end_removals */
};

/* An append with its own batch. */
struct test_append {
    struct log_append append;
    struct fixture *fx;
    uint8_t *batch;
    uint32_t order; /* of its `done` among all of the fixture; 0: not done */
};

void fixture_init(struct fixture *fx);
/** Closes the log if it is open, removes the directory. Checks that no memory is out. */
void fixture_release(struct fixture *fx);

enum status fixture_open(struct fixture *fx);
enum status fixture_close(struct fixture *fx);
/** As a process that was killed: descriptors go, nothing is written. */
void fixture_kill(struct fixture *fx);
/** Kill, then open with `recovery_point`, not clean. */
enum status fixture_crash(struct fixture *fx, int64_t recovery_point);
enum status fixture_truncate(struct fixture *fx, int64_t offset);
enum status fixture_raise_start(struct fixture *fx, int64_t offset);
enum status fixture_retain(struct fixture *fx, int64_t upper, struct retained *deleted);
enum status fixture_begin_epoch(struct fixture *fx, int32_t epoch);
enum status fixture_delete(struct fixture *fx);
/** Files get shorter in steps of so many octets before they go. fx->cuts counts from 0 how often
 * one was, uneven_cuts how often at no multiple of `step`. */
void fixture_count_cuts(struct fixture *fx, uint64_t step);
/** Starts a job that ends removals as a stop does; fx->removals_ended when it has. */
void fixture_end_removals(struct fixture *fx);
enum status fixture_find(struct fixture *fx, int64_t timestamp_ms, int64_t upper,
                         struct log_found *found);
enum status fixture_find_record(struct fixture *fx, int64_t offset, int64_t upper,
                                struct log_found *found);
enum status fixture_find_max(struct fixture *fx, int64_t upper, struct log_found *found);

enum status fixture_aborted(struct fixture *fx, int64_t first, int64_t upper,
                            struct aborted_txns *list);

/** Prepares one batch of `records` records whose values make up about value_bytes each. */
void append_prepare(struct fixture *fx, struct test_append *a, int32_t records, size_t value_bytes,
                    int64_t timestamp_ms);
void append_release(struct test_append *a);
/** Appends one batch and waits; its status. Epoch 0. */
enum status fixture_append(struct fixture *fx, int32_t records, size_t value_bytes,
                           int64_t timestamp_ms);
/** `count` batches of one record of 100 octets, timestamps 1000, 1001, ... */
void fixture_fill(struct fixture *fx, uint32_t count);
/** All three: a new log that is open and has `count` batches. */
void fixture_begin(struct fixture *fx, uint32_t count);
/** Syncs and waits until everything is durable. */
void fixture_sync(struct fixture *fx);

/** Starts a read and waits. The caller releases it. */
void fixture_read(struct fixture *fx, struct log_read *read, int64_t offset, int64_t upper,
                  uint32_t max_bytes, bool whole_first);
/** Reads batch by batch from `offset` to the end as a consumer does: offsets must be dense,
 * checksums right. Returns where it stopped: the end, or the first offset whose read was refused
 * (*ret_status). */
int64_t fixture_consume(struct fixture *fx, int64_t offset, enum status *ret_status);

/** A file of the partition's directory ("00000000000000000000.log"); the caller frees. NULL: none.
 */
uint8_t *file_read(const struct fixture *fx, const char *name, size_t *ret_len);
void file_write(const struct fixture *fx, const char *name, const void *data, size_t len);
bool file_exists(const struct fixture *fx, const char *name);
void file_cut(const struct fixture *fx, const char *name, size_t len);
void file_remove(const struct fixture *fx, const char *name);
void file_flip(const struct fixture *fx, const char *name, size_t offset);
#define SEGMENT_0 "00000000000000000000"
