/* tests/unit/log/scrub.c - what a scrub tells of one damaged file, and of none. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "fixture.h"
#include "log/names.h"
#include "log/scrub.h"
#include "log/time_index.h"

#define FIRST "00000000000000000000"
#define SECOND "00000000000000000008"

struct told {
    struct scrub scrub;
    char text[2048]; /* "<name>@<position>: <what>\n" each */
    size_t len;
};

static void on_found(struct scrub *scrub, const struct scrub_finding *finding) {
    struct told *told = CONTAINER_OF(scrub, struct told, scrub);
    const char *name = strrchr(finding->file, '/') + 1;
    told->len +=
        (size_t)snprintf(told->text + told->len, sizeof told->text - told->len, "%s@%lld: %s\n",
                         name, (long long)finding->position, finding->what);
}

struct call {
    struct told *told;
    struct str dir;
    enum status st;
};

static void scrub_job(struct job *job, void *argument) {
    struct call *call = argument;
    struct meta_properties meta = {.cluster_id = "abc", .node_id = 1};
    cr_assert_eq(meta_properties_write(job, call->dir, &meta), ST_OK);
    call->st = scrub_directory(job, &call->told->scrub, call->dir);
}

static void scrub(struct fixture *fx, struct told *told, bool is_live) {
    *told = (struct told){.scrub = {.found = on_found, .is_live = is_live}};
    struct call call = {told, str_of(fx->path), ST_OK};
    plain_io_run(&fx->plain, scrub_job, &call);
    cr_assert_eq(call.st, ST_OK);
}

/* Two closed segments of eight and four batches, an index entry for each batch but the first. */
static void prepare(struct fixture *fx) {
    fixture_init(fx);
    fx->config.index_interval_bytes = 1;
    fx->config.segment_bytes = 8 * 180;
    cr_assert_eq(fixture_open(fx), ST_OK);
    fixture_fill(fx, 12);
    cr_assert_eq(fixture_close(fx), ST_OK);
    cr_assert(file_exists(fx, SECOND ".log"), "the batches' size changed: adapt segment_bytes");
}

static void put_at(const struct fixture *fx, const char *name, size_t at, const void *data,
                   size_t len) {
    size_t size = 0;
    uint8_t *octets = file_read(fx, name, &size);
    cr_assert(at + len <= size);
    memcpy(octets + at, data, len);
    file_write(fx, name, octets, size);
    free(octets);
}

Test(scrub, finds_nothing_in_a_whole_log) {
    struct fixture fx;
    struct told told;
    prepare(&fx);
    scrub(&fx, &told, false);
    cr_expect_str_eq(told.text, "");
    cr_expect_eq(told.scrub.batches, 12);
    cr_expect_eq(told.scrub.findings, 0);
    fixture_release(&fx);
}

Test(scrub, tells_of_one_damaged_batch_once) {
    struct fixture fx;
    struct told told;
    prepare(&fx);
    file_flip(&fx, FIRST ".log", 300); /* of the second batch, which has an index entry */
    scrub(&fx, &told, false);
    cr_expect_eq(told.scrub.findings, 1, "%s", told.text);
    cr_expect_eq(told.scrub.batches, 11, "the others are checked all the same");
    fixture_release(&fx);
}

static void flip_record(struct fixture *fx) { file_flip(fx, FIRST ".log", 100); }
static void flip_length(struct fixture *fx) { file_flip(fx, SECOND ".log", BATCH_AT_LENGTH); }
static void cut_log(struct fixture *fx) {
    size_t size = 0;
    free(file_read(fx, SECOND ".log", &size));
    file_cut(fx, SECOND ".log", size - 1);
}
static void cut_first_log(struct fixture *fx) { file_cut(fx, FIRST ".log", 0); }
static void misplace_index(struct fixture *fx) { file_flip(fx, FIRST ".index", 7); }
static void cut_index(struct fixture *fx) { file_cut(fx, FIRST ".index", 13); }
static void turn_index(struct fixture *fx) { put_at(fx, FIRST ".index", 8, "\0\0\0\1\0\0\0\1", 8); }
static void early_offset(struct fixture *fx) { put_at(fx, FIRST ".index", 0, "\0\0\0\0", 4); }
static void old_time(struct fixture *fx) {
    put_at(fx, FIRST ".timeindex", 12, "\0\0\0\0\0\0\3\xe9", 8);
}
static void early_time(struct fixture *fx) {
    put_at(fx, FIRST ".timeindex", 0, "\0\0\0\0\0\0\3\xe8", 8);
}
static void late_last_time(struct fixture *fx) {
    size_t size = 0;
    free(file_read(fx, FIRST ".timeindex", &size));
    file_flip(fx, FIRST ".timeindex", size - TIME_INDEX_ENTRY_BYTES);
}
static void flip_snapshot(struct fixture *fx) { file_flip(fx, SECOND ".snapshot", 3); }
static void spoil_epochs(struct fixture *fx) {
    file_write(fx, LEADER_EPOCHS_FILE, "0\n2\n1 0\n", 8);
}
static void spoil_topic(struct fixture *fx) {
    file_write(fx, PARTITION_METADATA_FILE, "version: 0\n", 11);
}
static void spoil_checkpoint(struct fixture *fx) {
    file_write(fx, "../recovery-point-offset-checkpoint", "0\n1\nt 0\n", 8);
}
static void turn_epoch(struct fixture *fx) {
    put_at(fx, FIRST ".log", BATCH_AT_LEADER_EPOCH, "\0\0\0\1", 4);
}

static const struct {
    const char *name;
    void (*damage)(struct fixture *fx);
    const char *told; /* the start of what is told */
} cases[] = {
    {"a flipped record", flip_record, FIRST ".log@0: its checksum is wrong\n"},
    {"a flipped length", flip_length, SECOND ".log@0: "},
    {"a torn tail", cut_log, SECOND ".log@"},
    {"an index of batches that are gone", cut_first_log,
     FIRST ".index@0: an entry leads behind the last batch\n"},
    {"an index entry between batches", misplace_index,
     FIRST ".index@0: an entry leads into the middle of a batch\n"},
    {"an index of an odd length", cut_index,
     FIRST ".index@-1: its length is no multiple of an entry's\n"},
    {"index entries that fall", turn_index, FIRST ".index@-1: its entries do not rise\n"},
    {"an index entry before its offset", early_offset,
     FIRST ".index@-1: its entries do not rise\n"},
    {"a time that falls", old_time, FIRST ".timeindex@-1: its entries do not rise\n"},
    {"a time index entry that hides records", early_time,
     FIRST ".timeindex@0: an entry leads behind its timestamp\n"},
    {"a last time, by which retention goes", late_last_time,
     FIRST ".timeindex@72: an entry tells a time that no record has\n"},
    {"a producer snapshot", flip_snapshot,
     SECOND ".snapshot@-1: is not a snapshot of producer state\n"},
    {"leader epochs", spoil_epochs, LEADER_EPOCHS_FILE "@-1: is not a list of leader epochs\n"},
    {"partition.metadata", spoil_topic, PARTITION_METADATA_FILE "@-1: tells no topic id\n"},
    {"a checkpoint", spoil_checkpoint,
     "recovery-point-offset-checkpoint@-1: is not a checkpoint of offsets\n"},
    {"a leader epoch that falls", turn_epoch, FIRST ".log@"},
};

Test(scrub, tells_what_is_wrong_where) {
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int is_live = 0; is_live < 2; is_live++) {
            struct fixture fx;
            struct told told;
            prepare(&fx);
            cases[i].damage(&fx);
            scrub(&fx, &told, is_live != 0);
            cr_expect(strncmp(told.text, cases[i].told, strlen(cases[i].told)) == 0,
                      "%s: wanted %sgot %s", cases[i].name, cases[i].told, told.text);
            cr_expect_gt(told.scrub.findings, 0, "%s", cases[i].name);
            fixture_release(&fx);
        }
    }
}

static void on_appended(struct log_append *append) { (void)append; }

static void append_octets(struct fixture *fx, struct bytes batch) {
    struct log_append append = {.batch = (uint8_t *)(uintptr_t)batch.ptr,
                                .batch_bytes = (uint32_t)batch.len,
                                .record_count = 1,
                                .max_timestamp_ms = 1000,
                                .done = on_appended};
    cr_assert_eq(log_append(fx->log, &append), ST_OK);
    plain_io_settle(&fx->plain);
    cr_assert_eq(append.status, ST_OK);
}

/* A transaction of producer 1 with this ending, from `first` on. */
static void append_txn(struct fixture *fx, int32_t *sequence, bool is_commit) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct txn_marker marker = {.is_commit = is_commit, .timestamp = 1000};
    struct bytes batch;
    uint8_t octets[TXN_MARKER_BATCH_BYTES];
    options.transactional = true;
    options.producer_id = 1;
    options.producer_epoch = 0;
    options.base_sequence = (*sequence)++;
    cr_assert_eq(batch_builder_start(&fx->builder, &options), ST_OK);
    cr_assert_eq(
        batch_builder_add(&fx->builder, 1000, BYTES_NULL, (struct bytes){octets, 9}, NULL, 0),
        ST_OK);
    cr_assert_eq(batch_builder_finish(&fx->builder, &batch), ST_OK);
    append_octets(fx, batch);
    txn_marker_encode(octets, 1, 0, &marker);
    append_octets(fx, (struct bytes){octets, sizeof octets});
}

/* Offsets 0-1 committed, 2-3 and 4-5 aborted, in a segment that is not the last one. */
static void prepare_txns(struct fixture *fx) {
    int32_t sequence = 0;
    fixture_init(fx);
    cr_assert_eq(fixture_open(fx), ST_OK);
    append_txn(fx, &sequence, true);
    append_txn(fx, &sequence, false);
    append_txn(fx, &sequence, false);
    fx->config.segment_bytes = (int64_t)log_size_bytes(fx->log);
    fixture_fill(fx, 1);
    cr_assert_eq(fixture_close(fx), ST_OK);
    size_t bytes = 0;
    free(file_read(fx, FIRST ".txnindex", &bytes));
    cr_assert_eq(bytes, 2 * TXN_INDEX_ENTRY_BYTES);
}

static void keep_all(struct fixture *fx) { (void)fx; }
static void lose_txns(struct fixture *fx) { file_remove(fx, FIRST ".txnindex"); }
static void lose_last_txn(struct fixture *fx) {
    file_cut(fx, FIRST ".txnindex", TXN_INDEX_ENTRY_BYTES);
}
static void cut_txns(struct fixture *fx) { file_cut(fx, FIRST ".txnindex", 40); }
static void move_txn(struct fixture *fx) { put_at(fx, FIRST ".txnindex", 2 + 8 + 15, "\x4", 1); }
static void move_last_txn(struct fixture *fx) {
    put_at(fx, FIRST ".txnindex", TXN_INDEX_ENTRY_BYTES + 2 + 8 + 15, "\x9", 1);
}
static void turn_producer(struct fixture *fx) { put_at(fx, FIRST ".txnindex", 2 + 7, "\x2", 1); }
static void spoil_version(struct fixture *fx) { put_at(fx, FIRST ".txnindex", 1, "\x7", 1); }
static void lose_record(struct fixture *fx) { /* behind damage nothing is said of the index */
    file_flip(fx, FIRST ".log", 65);
    lose_txns(fx);
}

static const struct {
    const char *name;
    void (*damage)(struct fixture *fx);
    const char *told;
} txn_cases[] = {
    {"none", keep_all, ""},
    {"no transaction index", lose_txns,
     FIRST ".txnindex@-1: it lacks an aborted transaction\n" FIRST
           ".txnindex@-1: it lacks an aborted transaction\n"},
    {"one that is cut", lose_last_txn, FIRST ".txnindex@-1: it lacks an aborted transaction\n"},
    {"one of an odd length", cut_txns,
     FIRST ".txnindex@-1: its length is no multiple of an entry's\n"},
    {"an entry for a record", move_txn,
     FIRST ".txnindex@-1: it lacks an aborted transaction\n" FIRST
           ".txnindex@0: an entry tells of no ABORT marker\n"},
    {"an entry behind the last batch", move_last_txn,
     FIRST ".txnindex@-1: it lacks an aborted transaction\n" FIRST
           ".txnindex@34: an entry tells of no ABORT marker\n"},
    {"an entry of another producer", turn_producer,
     FIRST ".txnindex@0: an entry tells of no ABORT marker\n"},
    {"an entry of another version", spoil_version,
     FIRST ".txnindex@-1: its entries are none of this segment's\n"},
    {"damage before it", lose_record, FIRST ".log@0: its checksum is wrong\n"},
};

Test(scrub, holds_transaction_indexes_against_the_markers) {
    for (size_t i = 0; i < COUNT(txn_cases); i++) {
        struct fixture fx;
        struct told told;
        prepare_txns(&fx);
        txn_cases[i].damage(&fx);
        scrub(&fx, &told, false);
        cr_expect_str_eq(told.text, txn_cases[i].told, "%s: got %s", txn_cases[i].name, told.text);
        fixture_release(&fx);
    }
}

Test(scrub, takes_reserved_room_for_what_it_is) {
    struct fixture fx;
    struct told told;
    prepare(&fx);
    size_t size = 0;
    uint8_t *octets = file_read(&fx, SECOND ".log", &size);
    octets = realloc(octets, size + 300000);
    memset(octets + size, 0, 300000);
    file_write(&fx, SECOND ".log", octets, size + 300000);
    scrub(&fx, &told, false);
    cr_expect_str_eq(told.text, "", "room behind the last batch of the last segment");
    octets[size + 299999] = 1;
    file_write(&fx, SECOND ".log", octets, size + 300000);
    scrub(&fx, &told, false);
    cr_expect_neq(told.scrub.findings, 0, "room in which something stands");
    free(octets);
    fixture_release(&fx);
}

struct cut {
    struct told told;
    struct fixture *fx;
    size_t size;
    bool is_done;
    enum status st;
};

static void cut_job(struct job *job, void *argument) {
    struct cut *cut = argument;
    struct log_path path;
    int fd = -1;
    job_sleep_until(job, io_now(job_io(job)).mono_us + 3000000);
    log_path_of_name(&path, cut->fx->path, "t-0/" SECOND ".log", "");
    cr_assert_eq(job_open(job, path.text, IO_READ | IO_WRITE, 0, &fd), ST_OK);
    cr_assert_eq(job_truncate(job, fd, cut->size), ST_OK);
    job_close(job, fd);
    cut->is_done = true;
}

static void scrub_and_cut_job(struct job *job, void *argument) {
    struct cut *cut = argument;
    struct call call = {&cut->told, str_of(cut->fx->path), ST_OK};
    job_start(&cut->fx->plain.jobs, cut_job, cut);
    scrub_job(job, &call);
    cr_expect(cut->is_done, "the cut came too late to be met");
    cut->st = call.st;
}

Test(scrub, goes_on_when_a_roll_cuts_the_room_that_it_is_reading) {
    struct fixture fx;
    prepare(&fx);
    struct cut cut = {.fx = &fx};
    cut.told.scrub = (struct scrub){.found = on_found, .is_live = true, .bytes_per_second = 100000};
    uint8_t *octets = file_read(&fx, SECOND ".log", &cut.size);
    octets = realloc(octets, cut.size + 600000);
    memset(octets + cut.size, 0, 600000);
    file_write(&fx, SECOND ".log", octets, cut.size + 600000);
    plain_io_run(&fx.plain, scrub_and_cut_job, &cut);
    cr_expect_eq(cut.st, ST_OK);
    cr_expect_str_eq(cut.told.text, "");
    free(octets);
    fixture_release(&fx);
}

Test(scrub, tells_at_most_a_few_of_one_file) {
    struct fixture fx;
    struct told told;
    prepare(&fx);
    size_t size = 0;
    uint8_t *octets = file_read(&fx, FIRST ".index", &size);
    for (size_t at = 7; at < size; at += 8) octets[at]++;
    file_write(&fx, FIRST ".index", octets, size);
    fx.config.segment_bytes = 1 << 20;
    scrub(&fx, &told, false);
    cr_expect_leq(told.scrub.findings, SCRUB_FINDINGS_MAX + 1);
    cr_expect_gt(told.scrub.findings, 1);
    free(octets);
    fixture_release(&fx);
}

Test(scrub, keeps_to_its_rate_and_stops_when_told) {
    struct fixture fx;
    struct told told = {.scrub = {.found = on_found, .bytes_per_second = 10000}};
    prepare(&fx);
    struct call call = {&told, str_of(fx.path), ST_OK};
    uint64_t began_us = fx.plain.io.now.mono_us;
    plain_io_run(&fx.plain, scrub_job, &call);
    cr_expect_eq(call.st, ST_OK);
    uint64_t took_us = fx.plain.io.now.mono_us - began_us;
    cr_expect_geq(took_us, told.scrub.bytes * 100 - 1000, "%llu octets took %llu us",
                  (unsigned long long)told.scrub.bytes, (unsigned long long)took_us);
    bool stop = true;
    told = (struct told){.scrub = {.found = on_found, .stop = &stop}};
    plain_io_run(&fx.plain, scrub_job, &call);
    cr_expect_eq(call.st, ST_CANCELLED);
    fixture_release(&fx);
}
