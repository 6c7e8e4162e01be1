/* tests/unit/log/recovery.c - what a crash, a flipped bit or a missing file leaves, and what
 * becomes of it. Named traps: KAFKA-10471, KAFKA-13603, KAFKA-10706, KAFKA-16541. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol/crc32c.h"
#include "tests/unit/log/fixture.h"

enum { BATCHES = 10 };

struct file_copy {
    const char *name;
    uint8_t *data; /* NULL: it is not there */
    size_t len;
};

static const char *const names[] = {
    SEGMENT_0 ".log",   SEGMENT_0 ".index",        SEGMENT_0 ".timeindex",
    SEGMENT_0 ".holes", "leader-epoch-checkpoint", "00000000000000000009.log",
};

static void copy_files(const struct fixture *fx, struct file_copy copies[COUNT(names)]) {
    for (size_t i = 0; i < COUNT(names); i++) {
        copies[i].name = names[i];
        copies[i].data = file_read(fx, names[i], &copies[i].len);
    }
}

static void free_copies(struct file_copy copies[COUNT(names)]) {
    for (size_t i = 0; i < COUNT(names); i++) free(copies[i].data);
}

static void expect_files_as(const struct fixture *fx, struct file_copy copies[COUNT(names)],
                            const char *row) {
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t len = 0;
        uint8_t *now = file_read(fx, names[i], &len);
        cr_expect_eq(now == NULL, copies[i].data == NULL, "%s: %s came or went", row, names[i]);
        cr_expect_eq(len, copies[i].len, "%s: %s has %zu octets for %zu", row, names[i], len,
                     copies[i].len);
        if (now != NULL && copies[i].data != NULL && len == copies[i].len) {
            cr_expect_eq(memcmp(now, copies[i].data, len), 0, "%s: %s differs", row, names[i]);
        }
        free(now);
    }
}

/* Recovers once more and expects that nothing changes. */
static void expect_stable(struct fixture *fx, int64_t recovery_point, const char *row) {
    struct file_copy copies[COUNT(names)];
    int64_t end = log_end(fx->log);
    copy_files(fx, copies);
    cr_assert_eq(fixture_crash(fx, recovery_point), ST_OK, "%s", row);
    cr_expect_eq(log_end(fx->log), end, "%s: the second recovery ends elsewhere", row);
    expect_files_as(fx, copies, row);
    free_copies(copies);
}

/* A log of BATCHES batches of one record; every batch has batch_bytes octets. */
static uint32_t make_log(struct fixture *fx) {
    fixture_init(fx);
    fx->config.index_interval_bytes = 400;
    cr_assert_eq(fixture_open(fx), ST_OK);
    cr_assert_eq(fixture_begin_epoch(fx, 0), ST_OK);
    fixture_fill(fx, BATCHES);
    fixture_sync(fx);
    return (uint32_t)(log_size_bytes(fx->log) / BATCHES);
}

static void append_octets(const struct fixture *fx, const char *name, const void *data,
                          size_t len) {
    size_t old = 0;
    uint8_t *all = file_read(fx, name, &old);
    all = realloc(all, old + len + 1);
    memcpy(all + old, data, len);
    file_write(fx, name, all, old + len);
    free(all);
}

Test(recovery, cuts_a_batch_torn_at_any_octet) {
    struct fixture fx;
    uint32_t batch_bytes = make_log(&fx);
    for (uint32_t kept = 0; kept <= batch_bytes; kept++) {
        char row[32];
        snprintf(row, sizeof row, "%u octets left", kept);
        bool whole = kept == batch_bytes;
        fixture_kill(&fx);
        file_cut(&fx, SEGMENT_0 ".log", (BATCHES - 1) * batch_bytes + kept);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "%s", row);
        cr_expect_eq(log_end(fx.log), BATCHES - (whole ? 0 : 1), "%s", row);
        cr_expect_eq(log_size_bytes(fx.log), log_end(fx.log) * batch_bytes, "%s", row);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), log_end(fx.log), "%s", row);
        cr_expect_not(file_exists(&fx, SEGMENT_0 ".holes"), "%s", row);
        if (kept % 40 == 0) expect_stable(&fx, 0, row);
        if (!whole) cr_assert_eq(fixture_append(&fx, 1, 100, 1000 + BATCHES - 1), ST_OK);
    }
    fixture_release(&fx);
}

Test(recovery, cuts_what_is_no_batch_behind_the_last_one) {
    static const struct {
        const char *name;
        size_t bytes;
        int fill; /* -1: a sequence */
    } rows[] = {
        {"one zero", 1, 0},           {"zeros as long as a header", 61, 0},
        {"zeros of a page", 4096, 0}, {"zeros of a megabyte", 1 << 20, 0},
        {"one octet 2", 1, 2},        {"octets 2, each a possible magic", 5000, 2},
        {"octets 255", 300, 255},     {"a sequence", 100000, -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        uint32_t batch_bytes = make_log(&fx);
        fixture_kill(&fx);
        uint8_t *tail = malloc(rows[i].bytes);
        for (size_t n = 0; n < rows[i].bytes; n++) {
            tail[n] = (uint8_t)(rows[i].fill >= 0 ? rows[i].fill : (int)(n * 7 % 251));
        }
        append_octets(&fx, SEGMENT_0 ".log", tail, rows[i].bytes);
        free(tail);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "%s", rows[i].name);
        cr_expect_eq(log_end(fx.log), BATCHES, "%s", rows[i].name);
        cr_expect_eq(log_size_bytes(fx.log), BATCHES * batch_bytes, "%s", rows[i].name);
        expect_stable(&fx, 0, rows[i].name);
        fixture_release(&fx);
    }
}

/* Served: all offsets but those of the hole; reading the hole is refused. */
static void expect_hole(struct fixture *fx, int64_t first, int64_t end, const char *row) {
    enum status st;
    cr_expect_eq(fixture_consume(fx, 0, &st), first, "%s", row);
    cr_expect_eq(st, ST_CORRUPT, "%s", row);
    for (int64_t offset = first; offset < end; offset++) {
        struct log_read read;
        fixture_read(fx, &read, offset, log_end(fx->log), 1000, true);
        cr_expect_eq(read.status, ST_CORRUPT, "%s: offset %ld", row, (long)offset);
        cr_expect_eq(read.hole_end, end, "%s: offset %ld", row, (long)offset);
        log_read_release(&read);
    }
    cr_expect_eq(fixture_consume(fx, end, &st), log_end(fx->log), "%s", row);
    cr_expect_eq(st, ST_OK, "%s", row);
}

Test(recovery, keeps_a_flipped_bit_anywhere_in_a_batch_as_a_hole_and_serves_the_rest) {
    struct fixture fx;
    uint32_t batch_bytes = make_log(&fx);
    const uint32_t bad = 4;
    for (uint32_t at = 0; at < batch_bytes; at++) {
        char row[32];
        snprintf(row, sizeof row, "octet %u", at);
        fixture_kill(&fx);
        file_flip(&fx, SEGMENT_0 ".log", bad * batch_bytes + at);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "%s", row);
        cr_expect_eq(log_end(fx.log), BATCHES, "%s", row);
        cr_expect_eq(log_size_bytes(fx.log), BATCHES * batch_bytes, "%s: octets were cut", row);
        enum status st;
        if (at >= BATCH_AT_LEADER_EPOCH && at < BATCH_AT_MAGIC) {
            /* The checksum says nothing of the epoch, and the records are whole. */
            cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES, "%s", row);
            cr_expect_eq(log_latest_epoch(fx.log), 0, "%s: an epoch that never was", row);
        } else {
            expect_hole(&fx, bad, bad + 1, row);
        }
        if (at % 16 == 0) expect_stable(&fx, 0, row);
        fixture_kill(&fx);
        file_flip(&fx, SEGMENT_0 ".log", bad * batch_bytes + at); /* repaired from elsewhere */
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "%s", row);
        cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES, "%s: the repair is not seen", row);
        cr_expect_not(file_exists(&fx, SEGMENT_0 ".holes"), "%s", row);
    }
    fixture_release(&fx);
}

/* More than two windows of a scan past the page cache, with batches across their borders. */
Test(recovery, walks_a_log_that_is_larger_than_its_window) {
    enum { LARGE_BATCHES = 31, VALUE_BYTES = 99991, BAD = 20 };
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    for (int i = 0; i < LARGE_BATCHES; i++)
        cr_assert_eq(fixture_append(&fx, 1, VALUE_BYTES, 1000 + i), ST_OK);
    fixture_sync(&fx);
    uint32_t batch_bytes = (uint32_t)(log_size_bytes(fx.log) / LARGE_BATCHES);
    enum status st;
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(fixture_consume(&fx, 0, &st), LARGE_BATCHES);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".holes"));
    fixture_kill(&fx);
    file_cut(&fx, SEGMENT_0 ".log", LARGE_BATCHES * batch_bytes - 1);
    file_flip(&fx, SEGMENT_0 ".log", BAD * batch_bytes + batch_bytes / 2);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), LARGE_BATCHES - 1);
    cr_expect_eq(fixture_consume(&fx, 0, &st), BAD);
    cr_expect_eq(fixture_consume(&fx, BAD + 1, &st), LARGE_BATCHES - 1);
    fixture_release(&fx);
}

Test(recovery, appends_behind_a_hole_and_a_clean_start_still_knows_it) {
    struct fixture fx;
    uint32_t batch_bytes = make_log(&fx);
    fixture_kill(&fx);
    file_flip(&fx, SEGMENT_0 ".log", 4 * batch_bytes + 70);
    file_flip(&fx, SEGMENT_0 ".log", 7 * batch_bytes + 70);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    fixture_sync(&fx);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fx.open.clean = true;
    fx.open.recovery_point = BATCHES + 1;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(log_end(fx.log), BATCHES + 1);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 4);
    cr_expect_eq(fixture_consume(&fx, 5, &st), 7);
    cr_expect_eq(fixture_consume(&fx, 8, &st), BATCHES + 1);
    fixture_release(&fx);
}

Test(recovery, a_hole_stays_one_when_the_recovery_point_has_passed_it) {
    struct fixture fx;
    uint32_t batch_bytes = make_log(&fx);
    fixture_kill(&fx);
    file_flip(&fx, SEGMENT_0 ".log", 4 * batch_bytes + 70);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    expect_hole(&fx, 4, 5, "found");
    expect_stable(&fx, BATCHES, "below the recovery point");
    expect_hole(&fx, 4, 5, "below the recovery point");
    fixture_kill(&fx);
    file_write(&fx, SEGMENT_0 ".holes", "garbage", 7);
    cr_assert_eq(fixture_crash(&fx, BATCHES), ST_OK);
    expect_hole(&fx, 4, 5, "found again, since the note cannot be read");
    fixture_kill(&fx);
    file_flip(&fx, SEGMENT_0 ".log", 4 * batch_bytes + 70);
    cr_assert_eq(fixture_crash(&fx, BATCHES), ST_OK);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES, "repaired");
    fixture_release(&fx);
}

Test(recovery, damage_at_the_end_below_the_recovery_point_is_never_cut) {
    struct fixture fx;
    uint32_t batch_bytes = make_log(&fx);
    fixture_kill(&fx);
    file_flip(&fx, SEGMENT_0 ".log", 8 * batch_bytes + 70);
    file_flip(&fx, SEGMENT_0 ".log", 9 * batch_bytes + 8); /* the length of the last */
    cr_assert_eq(fixture_crash(&fx, BATCHES), ST_OK);
    /* Octets below the recovery point are not read again: the flip in the body is served as it is,
     * the length cannot be followed. */
    cr_expect_eq(log_end(fx.log), BATCHES, "the offset was durable and must not be given again");
    cr_expect_eq(log_segment_count(fx.log), 2, "appends go into a new segment");
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    struct log_read read;
    fixture_read(&fx, &read, 9, log_end(fx.log), 1000, true);
    cr_expect_eq(read.status, ST_CORRUPT);
    fixture_read(&fx, &read, 10, log_end(fx.log), 1000, true);
    cr_expect_eq(read.status, ST_OK);
    cr_expect_eq(read.first_base_offset, 10);
    log_read_release(&read);
    expect_stable(&fx, BATCHES, "again");
    fixture_release(&fx);
}

/* Below the recovery point and after a clean stop only headers are walked, and one that claims a
 * million offsets makes every batch behind it look too early. */
Test(recovery, a_header_that_claims_too_much_where_no_checksum_is_due_costs_its_own_batch) {
    for (int clean = 0; clean < 2; clean++) {
        struct fixture fx;
        uint32_t batch_bytes = make_log(&fx);
        fixture_kill(&fx);
        file_remove(&fx, SEGMENT_0 ".index");
        file_flip(&fx, SEGMENT_0 ".log", 3 * batch_bytes + 24); /* of its last offset's delta */
        fx.open.clean = clean;
        fx.open.recovery_point = clean ? BATCHES : 8;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        cr_expect_eq(log_end(fx.log), BATCHES, "clean %d", clean);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), 3, "clean %d", clean);
        cr_expect_eq(fixture_consume(&fx, 4, &st), BATCHES, "clean %d", clean);
        fixture_release(&fx);
    }
}

Test(recovery, a_segment_torn_before_valid_later_ones_becomes_a_hole) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 510; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 9);
    fixture_sync(&fx);
    fixture_kill(&fx);
    size_t len;
    free(file_read(&fx, "00000000000000000003.log", &len));
    file_cut(&fx, "00000000000000000003.log", len - 10);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), 9);
    expect_hole(&fx, 5, 6, "torn in the middle");
    fixture_release(&fx);
}

Test(recovery, later_segments_without_a_batch_go_with_the_torn_tail) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 510; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 4); /* the last alone in the second segment */
    fixture_kill(&fx);
    size_t len;
    free(file_read(&fx, SEGMENT_0 ".log", &len));
    file_cut(&fx, SEGMENT_0 ".log", len - 1);
    file_cut(&fx, "00000000000000000003.log", 20);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), 2);
    cr_expect_eq(log_segment_count(fx.log), 1);
    cr_expect_not(file_exists(&fx, "00000000000000000003.log"));
    cr_expect_not(file_exists(&fx, "00000000000000000003.index"));
    fixture_release(&fx);
}

Test(recovery, an_empty_segment_file_is_an_empty_segment) {
    struct fixture fx;
    make_log(&fx);
    fixture_kill(&fx);
    file_write(&fx, "00000000000000000010.log", "", 0); /* rolled, then killed: KAFKA-13603 */
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), BATCHES);
    cr_expect_eq(log_segment_count(fx.log), 2);
    cr_expect(file_exists(&fx, "00000000000000000010.index"), "its indexes are made");
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES + 1);
    fixture_release(&fx);
}

Test(recovery, a_batch_within_a_torn_batch_is_not_taken_for_a_later_one) {
    struct fixture fx;
    uint32_t batch_bytes = make_log(&fx);
    size_t len;
    uint8_t *log = file_read(&fx, SEGMENT_0 ".log", &len);
    /* A record whose value is the batch at offset 2, as a backup of a topic would hold. */
    struct test_append a;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    append_prepare(&fx, &a, 1, 1, 1);
    cr_assert_eq(batch_builder_start(&fx.builder, &options), ST_OK);
    cr_assert_eq(batch_builder_add(&fx.builder, 1, BYTES_NULL,
                                   (struct bytes){log + 2 * batch_bytes, batch_bytes}, NULL, 0),
                 ST_OK);
    struct bytes batch;
    cr_assert_eq(batch_builder_finish(&fx.builder, &batch), ST_OK);
    a.append.batch = (uint8_t *)(uintptr_t)batch.ptr;
    a.append.batch_bytes = (uint32_t)batch.len;
    cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
    plain_io_settle(&fx.plain);
    append_release(&a);
    free(log);
    fixture_kill(&fx);
    file_cut(&fx, SEGMENT_0 ".log", len + batch.len - 1);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), BATCHES);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".holes"));
    fixture_release(&fx);
}

/* --- indexes --- */

Test(recovery, rebuilds_indexes_byte_for_byte_as_they_were_written_along) {
    static const struct {
        const char *name;
        int32_t records;
        size_t value_bytes;
        int64_t interval;
        int count;
        int step_ms; /* of the timestamps; 0: all equal, negative: falling */
    } rows[] = {
        {"small batches", 1, 10, 4096, 2000, 1},
        {"batches above the interval", 3, 5000, 4096, 50, 1},
        {"an entry a batch", 1, 50, 0, 700, 1},
        {"equal timestamps", 2, 100, 512, 300, 0},
        {"falling timestamps", 2, 100, 512, 300, -1},
        {"one batch", 1, 10, 4096, 1, 1},
    };
    static const char *const files[] = {SEGMENT_0 ".index", SEGMENT_0 ".timeindex"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        fixture_init(&fx);
        fx.config.index_interval_bytes = rows[i].interval;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        for (int n = 0; n < rows[i].count; n++) {
            cr_assert_eq(fixture_append(&fx, rows[i].records, rows[i].value_bytes,
                                        1000000 + n * rows[i].step_ms),
                         ST_OK);
        }
        int64_t end = log_end(fx.log);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        size_t lens[2];
        uint8_t *along[2];
        for (int f = 0; f < 2; f++) along[f] = file_read(&fx, files[f], &lens[f]);
        cr_expect_gt(lens[1], 0, "%s: a closed segment has its largest timestamp", rows[i].name);
        file_remove(&fx, files[0]);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        cr_expect_eq(log_end(fx.log), end);
        for (int f = 0; f < 2; f++) {
            size_t len;
            uint8_t *rebuilt = file_read(&fx, files[f], &len);
            cr_expect_eq(len, lens[f], "%s: %s %zu for %zu octets", rows[i].name, files[f], len,
                         lens[f]);
            cr_expect(len == lens[f] && memcmp(rebuilt, along[f], len) == 0, "%s: %s differs",
                      rows[i].name, files[f]);
            free(rebuilt);
            free(along[f]);
        }
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), end, "%s", rows[i].name);
        fixture_release(&fx);
    }
}

static void damage_none(struct fixture *fx) {}
static void damage_missing_index(struct fixture *fx) { file_remove(fx, SEGMENT_0 ".index"); }
static void damage_missing_times(struct fixture *fx) { file_remove(fx, SEGMENT_0 ".timeindex"); }
static void damage_odd_length(struct fixture *fx) { file_cut(fx, SEGMENT_0 ".index", 13); }
static void damage_odd_times(struct fixture *fx) { file_cut(fx, SEGMENT_0 ".timeindex", 13); }
static void damage_short(struct fixture *fx) { file_cut(fx, SEGMENT_0 ".index", 8); }
static void damage_empty(struct fixture *fx) { file_cut(fx, SEGMENT_0 ".index", 0); }
static void damage_preallocated(struct fixture *fx) {
    file_cut(fx, SEGMENT_0 ".index", 10485760); /* as Kafka leaves it when killed */
    file_cut(fx, SEGMENT_0 ".timeindex", 10485756);
}
static void damage_beyond(struct fixture *fx) {
    uint8_t entry[8];
    put_u32(entry, 9);
    put_u32(entry + 4, 1 << 20);
    append_octets(fx, SEGMENT_0 ".index", entry, sizeof entry);
}
static void damage_misleading(struct fixture *fx) {
    uint8_t entry[8]; /* sorted and within, but no batch starts there */
    put_u32(entry, 9);
    put_u32(entry + 4, 1300);
    append_octets(fx, SEGMENT_0 ".index", entry, sizeof entry);
}

static const struct {
    const char *name;
    void (*damage)(struct fixture *fx);
} index_rows[] = {
    {"as they are", damage_none},
    {"no .index", damage_missing_index},
    {"no .timeindex", damage_missing_times},
    {".index of odd length", damage_odd_length},
    {".timeindex of odd length", damage_odd_times},
    {".index too short", damage_short},
    {".index empty", damage_empty},
    {"preallocated and zero filled", damage_preallocated},
    {".index points behind the end", damage_beyond},
    {".index points into a batch", damage_misleading},
};

Test(recovery, indexes_that_are_missing_or_wrong_lose_nothing) {
    for (size_t i = 0; i < COUNT(index_rows); i++) {
        for (int clean = 0; clean < 2; clean++) {
            struct fixture fx;
            make_log(&fx);
            cr_assert_eq(fixture_close(&fx), ST_OK);
            index_rows[i].damage(&fx);
            fx.open.clean = clean;
            fx.open.recovery_point = clean ? BATCHES : 0;
            const char *name = index_rows[i].name;
            cr_assert_eq(fixture_open(&fx), ST_OK, "%s", name);
            cr_expect_eq(log_end(fx.log), BATCHES, "%s, clean %d", name, clean);
            enum status st;
            for (int64_t offset = 0; offset < BATCHES; offset++) {
                cr_expect_eq(fixture_consume(&fx, offset, &st), BATCHES, "%s", name);
            }
            cr_assert_eq(fixture_append(&fx, 1, 100, 5000), ST_OK, "%s", name);
            cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES + 1, "%s", name);
            fixture_release(&fx);
        }
    }
}

Test(recovery, an_index_of_an_older_segment_that_leads_astray_is_not_believed) {
    for (size_t i = 1; i < COUNT(index_rows); i++) {
        struct fixture fx;
        make_log(&fx);
        fx.config.segment_bytes = 100; /* the next batch starts a segment */
        fx.config.segment_bytes = 1700;
        cr_assert_eq(fixture_append(&fx, 1, 100, 5000), ST_OK);
        cr_assert_eq(log_segment_count(fx.log), 2);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        index_rows[i].damage(&fx);
        fx.open.clean = true;
        fx.open.recovery_point = BATCHES + 1;
        cr_assert_eq(fixture_open(&fx), ST_OK, "%s", index_rows[i].name);
        enum status st;
        for (int64_t offset = 0; offset <= BATCHES; offset++) {
            cr_expect_eq(fixture_consume(&fx, offset, &st), BATCHES + 1, "%s: offset %ld",
                         index_rows[i].name, (long)offset);
        }
        fixture_release(&fx);
    }
}

/* --- leader epochs --- */

static void epochs_text(const struct fixture *fx, const char *want, const char *row) {
    size_t len;
    char *text = (char *)file_read(fx, "leader-epoch-checkpoint", &len);
    cr_expect_str_eq(text != NULL ? text : "(none)", want, "%s", row);
    free(text);
}

Test(recovery, rebuilds_leader_epochs_from_the_batches) {
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"missing", NULL},         {"empty", ""},
        {"torn", "0\n3\n0 0\n1 "}, {"garbage", "\x01\x02\x03"},
        {"older", "0\n1\n0 0\n"},  {"with an entry past the end", "0\n4\n0 0\n1 3\n5 7\n6 100\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        fixture_init(&fx);
        cr_assert_eq(fixture_open(&fx), ST_OK);
        for (int n = 0; n < 9; n++) {
            struct test_append a;
            append_prepare(&fx, &a, 1, 100, 1000);
            a.append.leader_epoch = n < 3 ? 0 : n < 7 ? 1 : 5;
            cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
            plain_io_settle(&fx.plain);
            append_release(&a);
        }
        cr_expect_eq(log_latest_epoch(fx.log), 5);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        epochs_text(&fx, "0\n3\n0 0\n1 3\n5 7\n", "written at close");
        if (rows[i].text == NULL) {
            file_remove(&fx, "leader-epoch-checkpoint");
        } else {
            file_write(&fx, "leader-epoch-checkpoint", rows[i].text, strlen(rows[i].text));
        }
        fx.open.recovery_point = 0;
        cr_assert_eq(fixture_open(&fx), ST_OK, "%s", rows[i].name);
        cr_expect_eq(log_latest_epoch(fx.log), 5, "%s", rows[i].name);
        epochs_text(&fx, "0\n3\n0 0\n1 3\n5 7\n", rows[i].name);
        int32_t epoch;
        int64_t end;
        log_end_of_epoch(fx.log, 1, &epoch, &end);
        cr_expect_eq(epoch, 1, "%s", rows[i].name);
        cr_expect_eq(end, 7, "%s", rows[i].name);
        fixture_release(&fx);
    }
}

/* --- what else stands in the directory --- */

Test(recovery, puts_strays_in_order_as_kafka_does) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 510; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 9);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    size_t len;
    uint8_t *second = file_read(&fx, "00000000000000000003.log", &len);
    file_write(&fx, "00000000000000000003.log.swap", second, len);
    file_write(&fx, "00000000000000000003.index.swap", "", 0);
    file_write(&fx, "00000000000000000003.timeindex.swap", "", 0);
    free(second);
    file_write(&fx, "00000000000000000006.log.swap", "rubbish", 7);
    file_write(&fx, "00000000000000000006.log.cleaned", "rubbish", 7);
    file_write(&fx, SEGMENT_0 ".log.deleted", "rubbish", 7);
    file_write(&fx, "00000000000000000005-0000000001.checkpoint.deleted", "kept", 4);
    file_write(&fx, "00000000000000000077.index", "12345678", 8);
    file_write(&fx, "00000000000000000077.snapshot", "of what is not there", 20);
    file_write(&fx, "00000000000000000008.snapshot", "older than the one of the stop", 30);
    file_write(&fx, "somebody's notes.txt", "kept", 4);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), 9);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 9);
    cr_expect_not(file_exists(&fx, "00000000000000000003.log.swap"));
    cr_expect_not(file_exists(&fx, "00000000000000000006.log.swap"));
    cr_expect_not(file_exists(&fx, "00000000000000000006.log.cleaned"));
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".log.deleted"));
    cr_expect_not(file_exists(&fx, "00000000000000000077.index"));
    cr_expect(file_exists(&fx, "00000000000000000005-0000000001.checkpoint.deleted"));
    cr_expect_not(file_exists(&fx, "00000000000000000077.snapshot"));
    cr_expect_not(file_exists(&fx, "00000000000000000008.snapshot"));
    cr_expect(file_exists(&fx, "00000000000000000006.snapshot"), "a segment begins with it");
    cr_expect(file_exists(&fx, "00000000000000000009.snapshot"), "the newest");
    cr_expect(file_exists(&fx, "somebody's notes.txt"));
    fixture_release(&fx);
}

Test(recovery, a_missing_segment_file_leaves_the_others) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 510; /* three batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 9);
    fixture_kill(&fx);
    file_remove(&fx, "00000000000000000003.log");
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_end(fx.log), 9);
    struct log_read read;
    fixture_read(&fx, &read, 3, 9, 1000, true);
    cr_expect_eq(read.status, ST_OK);
    cr_expect_eq(read.first_base_offset, 6, "a gap is passed over, as after compaction");
    log_read_release(&read);
    fixture_release(&fx);
}

Test(recovery, all_segments_below_the_log_start_are_replaced_by_an_empty_one) {
    struct fixture fx;
    make_log(&fx);
    fixture_kill(&fx);
    fx.open.log_start = 50;
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_start_offset(fx.log), 50);
    cr_expect_eq(log_end(fx.log), 50);
    cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    cr_expect_eq(log_end(fx.log), 51);
    fixture_release(&fx);
}

Test(recovery, a_directory_of_another_topic_id_is_refused) {
    struct fixture fx;
    fixture_init(&fx);
    fx.open.topic_id = (struct uuid){{1, 2, 3}};
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    size_t len;
    char *text = (char *)file_read(&fx, "partition.metadata", &len);
    cr_expect_str_eq(text, "version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA");
    free(text);
    fx.open.topic_id = (struct uuid){{1, 2, 4}};
    cr_expect_eq(fixture_open(&fx), ST_STALE);
    fx.open.topic_id = UUID_ZERO;
    cr_expect_eq(fixture_open(&fx), ST_OK, "nothing to compare with");
    fixture_release(&fx);
}

/* Redpanda #12917: a segment that could not be made leaves nothing to trip over. */
static int refuse_creation(struct plain_io *plain, const struct plain_call *call) {
    const char *refused = plain->fault_context;
    return call->kind == PLAIN_OPEN && strstr(call->path, refused) != NULL ? -28 : 0;
}

Test(recovery, a_roll_that_found_no_space_is_made_good_after_a_restart) {
    static char *const parts[] = {"3.index", "3.timeindex", "3.log"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        struct fixture fx;
        fixture_init(&fx);
        fx.config.segment_bytes = 510; /* three batches */
        cr_assert_eq(fixture_open(&fx), ST_OK);
        fixture_fill(&fx, 3);
        fx.plain.fault = refuse_creation;
        fx.plain.fault_context = parts[i];
        cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_NO_SPACE, "%s", parts[i]);
        fx.plain.fault = NULL;
        fx.plain.io.now.mono_us += 1000000; /* it has been undone by then */
        plain_io_settle(&fx.plain);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "%s", parts[i]);
        cr_expect_eq(log_end(fx.log), 3, "%s", parts[i]);
        fixture_fill(&fx, 5);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), 8, "%s", parts[i]);
        expect_stable(&fx, 0, parts[i]);
        fixture_release(&fx);
    }
}

/* KAFKA-10471: each stage of a recovery may be the last thing that happens; the next one still
 * finds everything. */
static uint32_t operations_left;
static int stop_after(struct plain_io *plain, const struct plain_call *call) {
    if (call->kind == PLAIN_CLOSE) return 0;
    if (operations_left == 0) return -5;
    operations_left--;
    return 0;
}

Test(recovery, may_be_interrupted_at_any_operation) {
    for (uint32_t stop = 0; stop < 400; stop++) {
        struct fixture fx;
        fixture_init(&fx);
        fx.config.segment_bytes = 1000;
        fx.config.index_interval_bytes = 100;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        fixture_fill(&fx, 20);
        fixture_kill(&fx);
        size_t len;
        free(file_read(&fx, "00000000000000000015.log", &len));
        file_cut(&fx, "00000000000000000015.log", len - 5);
        file_flip(&fx, "00000000000000000005.log", 3 * 170 + 70);
        operations_left = stop;
        fx.plain.fault = stop_after;
        enum status first = fixture_crash(&fx, 0);
        fx.plain.fault = NULL;
        fx.dir.offline = false;
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "stopped after %u", stop);
        cr_expect_eq(log_end(fx.log), 19, "stopped after %u", stop);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), 8, "stopped after %u", stop);
        cr_expect_eq(fixture_consume(&fx, 9, &st), 19, "stopped after %u", stop);
        fixture_release(&fx);
        if (first == ST_OK) {
            cr_expect_gt(stop, 30, "the fault never struck");
            return;
        }
    }
    cr_assert_fail("a recovery takes less than 400 operations");
}

/* --- preallocate --- */

enum { PREALLOCATED_BYTES = 8192 };

static size_t file_bytes(const struct fixture *fx, const char *name) {
    size_t len = 0;
    free(file_read(fx, name, &len));
    return len;
}

static void expand(const struct fixture *fx, const char *name, size_t len) {
    size_t before = 0;
    uint8_t *data = file_read(fx, name, &before);
    uint8_t *longer = calloc(1, len);
    cr_assert(data != NULL && before <= len && longer != NULL);
    memcpy(longer, data, before);
    file_write(fx, name, longer, len);
    free(longer);
    free(data);
}

Test(recovery, preallocated_files_are_trimmed_at_a_roll_and_a_close) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.preallocate = true;
    fx.config.segment_bytes = PREALLOCATED_BYTES;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(file_bytes(&fx, SEGMENT_0 ".log"), PREALLOCATED_BYTES);
    fixture_fill(&fx, 100);
    cr_assert_gt(log_segment_count(fx.log), 1u);
    cr_expect_leq(file_bytes(&fx, SEGMENT_0 ".log"), PREALLOCATED_BYTES);
    cr_expect_gt(file_bytes(&fx, SEGMENT_0 ".log"), PREALLOCATED_BYTES / 2);
    uint64_t bytes = log_size_bytes(fx.log);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 100, "nothing of the zeros is read");
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fx.open.clean = true;
    fx.open.recovery_point = 100;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    cr_expect_eq(log_end(fx.log), 100);
    cr_expect_eq(log_size_bytes(fx.log), bytes, "no zeros are left in the files");
    fixture_release(&fx);
}

Test(recovery, zeros_of_a_preallocated_file_are_no_damage) {
    for (int inactive = 0; inactive < 2; inactive++) {
        struct fixture fx;
        fixture_init(&fx);
        fx.config.preallocate = true;
        fx.config.segment_bytes = PREALLOCATED_BYTES;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        fixture_fill(&fx, inactive ? 100 : 10);
        fixture_sync(&fx);
        int64_t end = log_end(fx.log);
        fixture_kill(&fx);
        if (inactive) expand(&fx, SEGMENT_0 ".log", PREALLOCATED_BYTES); /* rolled, not trimmed */
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        cr_expect_eq(log_end(fx.log), end);
        cr_expect_not(file_exists(&fx, SEGMENT_0 ".holes"));
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), end);
        expect_stable(&fx, 0, inactive ? "inactive" : "active");
        cr_expect_eq(fixture_append(&fx, 1, 100, 2000), ST_OK, "and it goes on");
        cr_expect_eq(fixture_consume(&fx, 0, &st), end + 1);
        fixture_release(&fx);
    }
}

/* The segment behind it is looked at meanwhile, which is longer than where the batches end here. */
Test(recovery, what_is_behind_the_last_batch_of_an_older_segment_is_looked_at_itself) {
    enum { FILE_BYTES = 5000 };
    for (int is_garbage = 0; is_garbage < 2; is_garbage++) {
        struct fixture fx;
        fixture_init(&fx);
        fx.config.segment_bytes = 1700;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        fixture_fill(&fx, 11);
        if (!is_garbage) {
            fx.config.segment_bytes = 1 << 20;
            fixture_fill(&fx, 20);
        }
        fixture_sync(&fx);
        int64_t end = log_end(fx.log);
        fixture_kill(&fx);
        expand(&fx, SEGMENT_0 ".log", FILE_BYTES);
        if (is_garbage) file_flip(&fx, SEGMENT_0 ".log", FILE_BYTES - 1);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        size_t len = 0;
        free(file_read(&fx, SEGMENT_0 ".log", &len));
        cr_expect_eq(len, is_garbage ? FILE_BYTES : 1700, "garbage %d: %zu", is_garbage, len);
        cr_expect_eq(file_exists(&fx, SEGMENT_0 ".holes"), is_garbage, "garbage %d", is_garbage);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), end, "garbage %d", is_garbage);
        fixture_release(&fx);
    }
}

/* Offset 0, length 50, and what a magic 1 message of that length holds, or nothing. */
static enum status open_legacy(bool is_whole, int64_t *ret_end) {
    struct fixture fx;
    fixture_init(&fx);
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_kill(&fx);
    uint8_t message[BATCH_OVERHEAD_BYTES + 50] = {0};
    put_u32(message + BATCH_AT_LENGTH, 50);
    if (is_whole) {
        message[BATCH_AT_MAGIC] = 1;
        put_u32(message + BATCH_LEGACY_AT_CRC, crc32_legacy(0, message + BATCH_AT_MAGIC, 46));
    }
    file_write(&fx, SEGMENT_0 ".log", message, sizeof message);
    enum status st = fixture_crash(&fx, 0);
    *ret_end = st == ST_OK ? log_end(fx.log) : -1;
    fixture_release(&fx);
    return st;
}

Test(recovery, a_torn_header_is_no_message_before_version_2) {
    int64_t end = -1;
    cr_expect_eq(open_legacy(true, &end), ST_UNSUPPORTED, "nothing of it may be cut");
    cr_expect_eq(open_legacy(false, &end), ST_OK, "written into zeros as far as its length");
    cr_expect_eq(end, 0);
}

Test(recovery, messages_before_version_2_behind_batches_are_not_cut) {
    struct fixture fx;
    fixture_begin(&fx, 3);
    fixture_sync(&fx);
    fixture_kill(&fx);
    uint8_t message[BATCH_OVERHEAD_BYTES + 50] = {0};
    put_u64(message, 3);
    put_u32(message + BATCH_AT_LENGTH, 50);
    put_u32(message + BATCH_LEGACY_AT_CRC, crc32_legacy(0, message + BATCH_AT_MAGIC, 46));
    append_octets(&fx, SEGMENT_0 ".log", message, sizeof message);
    size_t before, after;
    free(file_read(&fx, SEGMENT_0 ".log", &before));
    cr_expect_eq(fixture_crash(&fx, 0), ST_UNSUPPORTED);
    free(file_read(&fx, SEGMENT_0 ".log", &after));
    cr_expect_eq(after, before);
    fixture_release(&fx);
}

/* What is left of a recovery, seen by each operation of it. */
static struct log_recovery left, most;
static int note_left(struct plain_io *plain, const struct plain_call *call) {
    most.segments = MAX(most.segments, left.segments);
    most.bytes = MAX(most.bytes, left.bytes);
    return 0;
}

Test(recovery, what_is_left_is_counted_down_to_nothing) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 1700; /* ten batches */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 35);
    fx.dir.recovery = &left;
    fx.plain.fault = note_left;
    cr_assert_eq(fixture_crash(&fx, 15), ST_OK);
    fx.plain.fault = NULL;
    cr_expect_eq(most.segments, 3);
    cr_expect_gt(most.bytes, 3000);
    cr_expect_eq(left.segments, 0);
    cr_expect_eq(left.bytes, 0);
    fixture_release(&fx);
}
