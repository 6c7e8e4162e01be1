/* tests/unit/log/ends.c - truncation, a raised start, deletion, leader epochs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log/cleaner.h"
#include "log/removal.h"
#include "tests/unit/log/fixture.h"

enum { BATCHES = 40 };

static void make_log(struct fixture *fx) {
    fixture_init(fx);
    fx->config.segment_bytes = 1700; /* ten batches */
    fx->config.index_interval_bytes = 300;
    cr_assert_eq(fixture_open(fx), ST_OK);
    for (int i = 0; i < BATCHES; i++) {
        struct test_append a;
        append_prepare(fx, &a, 1, 100, 1000 + i);
        a.append.leader_epoch = i / 10;
        cr_assert_eq(log_append(fx->log, &a.append), ST_OK);
        plain_io_settle(&fx->plain);
        append_release(&a);
    }
    fixture_sync(fx);
}

Test(ends, truncates_to_any_offset_and_appends_on_from_there) {
    for (int64_t to = 0; to <= BATCHES; to++) {
        struct fixture fx;
        make_log(&fx);
        cr_assert_eq(fixture_truncate(&fx, to), ST_OK);
        cr_expect_eq(log_end(fx.log), to);
        cr_expect_eq(log_durable_end(fx.log), to);
        cr_expect_eq(log_size_bytes(fx.log), (uint64_t)to * 170, "to %ld", (long)to);
        cr_expect_eq(log_latest_epoch(fx.log), to > 0 ? (to - 1) / 10 : -1, "to %ld", (long)to);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), to);
        fixture_fill(&fx, 15);
        cr_expect_eq(fixture_consume(&fx, 0, &st), to + 15);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        cr_expect_eq(log_end(fx.log), to + 15, "to %ld", (long)to);
        cr_expect_eq(fixture_consume(&fx, 0, &st), to + 15);
        fixture_release(&fx);
    }
}

Test(ends, truncation_leaves_indexes_that_a_clean_start_can_trust) {
    for (int64_t to = 31; to < 40; to++) {
        struct fixture fx;
        make_log(&fx);
        cr_assert_eq(fixture_truncate(&fx, to), ST_OK);
        cr_assert_eq(fixture_close(&fx), ST_OK);
        fx.open.clean = true;
        fx.open.recovery_point = to;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        cr_expect_eq(log_end(fx.log), to);
        enum status st;
        for (int64_t offset = 0; offset < to; offset++) {
            cr_expect_eq(fixture_consume(&fx, offset, &st), to);
        }
        fixture_release(&fx);
    }
}

Test(ends, truncation_below_everything_starts_anew_there) {
    struct fixture fx;
    make_log(&fx);
    cr_assert_eq(fixture_raise_start(&fx, 25), ST_OK);
    cr_assert_eq(fixture_truncate(&fx, 7), ST_OK);
    cr_expect_eq(log_start_offset(fx.log), 7);
    cr_expect_eq(log_end(fx.log), 7);
    cr_expect_eq(log_size_bytes(fx.log), 0);
    fixture_fill(&fx, 3);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 7, &st), 10);
    fixture_release(&fx);
}

Test(ends, truncation_removes_producer_snapshots_above_it) {
    struct fixture fx;
    make_log(&fx);
    file_write(&fx, "00000000000000000020.snapshot", "s", 1);
    file_write(&fx, "00000000000000000035.snapshot", "s", 1);
    cr_assert_eq(fixture_truncate(&fx, 34), ST_OK);
    cr_expect(file_exists(&fx, "00000000000000000020.snapshot"));
    cr_expect_not(file_exists(&fx, "00000000000000000035.snapshot"));
    fixture_release(&fx);
}

Test(ends, raising_the_start_removes_whole_segments_below_it) {
    static const struct {
        int64_t to;
        uint32_t segments;
    } rows[] = {{0, 4}, {9, 4}, {10, 3}, {11, 3}, {29, 2}, {30, 1}, {39, 1}, {40, 1}};
    struct fixture fx;
    make_log(&fx);
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_assert_eq(fixture_raise_start(&fx, rows[i].to), ST_OK);
        cr_expect_eq(log_start_offset(fx.log), rows[i].to);
        cr_expect_eq(log_segment_count(fx.log), rows[i].segments, "to %ld", (long)rows[i].to);
        cr_expect_eq(log_size_bytes(fx.log), rows[i].segments * 1700u, "to %ld", (long)rows[i].to);
        enum status st;
        cr_expect_eq(fixture_consume(&fx, rows[i].to, &st), BATCHES);
    }
    cr_expect_eq(fixture_raise_start(&fx, 41), ST_RANGE, "not above the durable end");
    cr_assert_eq(fixture_raise_start(&fx, 5), ST_OK);
    cr_expect_eq(log_start_offset(fx.log), 40, "never lowered");
    size_t len;
    char *text = (char *)file_read(&fx, "leader-epoch-checkpoint", &len);
    cr_expect_str_eq(text, "0\n1\n3 40\n");
    free(text);
    cr_expect(file_exists(&fx, SEGMENT_0 ".log.deleted"));
    fx.plain.io.now.mono_us += 60000001;
    plain_io_settle(&fx.plain);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".log.deleted"));
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".index.deleted"));
    fixture_release(&fx);
}

static bool directory_has(const char *path, const char *suffix) {
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name), s = strlen(suffix);
        found = found || (n >= s && strcmp(e->d_name + n - s, suffix) == 0);
    }
    closedir(dir);
    return found;
}

Test(ends, deletion_renames_at_once_and_removes_after_the_delay) {
    struct fixture fx;
    make_log(&fx);
    struct log_read read;
    fixture_read(&fx, &read, 0, BATCHES, 1000, true);
    cr_assert_eq(fixture_delete(&fx), ST_OK);
    cr_expect_not(directory_has(fx.path, "t-0"));
    cr_expect(directory_has(fx.path, "-delete"));
    cr_assert_eq(fixture_open(&fx), ST_OK, "a topic of the same name may come at once");
    cr_expect_eq(log_end(fx.log), 0);
    fx.plain.io.now.mono_us += 60000001;
    plain_io_settle(&fx.plain);
    cr_expect_not(directory_has(fx.path, "-delete"));
    cr_expect(directory_has(fx.path, "t-0"));
    log_read_release(&read); /* the sender had it all the time */
    fixture_release(&fx);
}

/* Four segments of 1,700 octets. Octets that are read stay as they are. */
Test(ends, a_deleted_log_that_is_not_read_goes_in_steps) {
    for (int is_read = 0; is_read < 2; is_read++) {
        struct fixture fx;
        make_log(&fx);
        struct log_read read;
        if (is_read) fixture_read(&fx, &read, 0, BATCHES, 1000, true);
        cr_assert_eq(fixture_delete(&fx), ST_OK);
        fixture_count_cuts(&fx, 500);
        for (int i = 0; i < 20; i++) {
            fx.plain.io.now.mono_us += 60000001;
            plain_io_settle(&fx.plain);
        }
        fx.plain.fault = NULL;
        cr_expect_not(directory_has(fx.path, "-delete"));
        cr_expect_eq(fx.cuts, is_read ? 0 : 4 * 3, "read %d: %u steps", is_read, fx.cuts);
        if (is_read) log_read_release(&read);
        fixture_release(&fx);
    }
}

Test(ends, a_deleted_log_spares_what_was_read_when_it_left_the_log_before) {
    struct fixture fx;
    make_log(&fx);
    struct log_read read;
    uint8_t before[1000], after[1000];
    fx.dir.removal_step_bytes = 500;
    fx.config.file_delete_delay_ms = 60000;
    fixture_read(&fx, &read, 0, BATCHES, sizeof before, true);
    size_t len = MIN(read.bytes, sizeof before);
    cr_assert_eq(pread(read.file, before, len, (off_t)read.position), (ssize_t)len);
    cr_assert_eq(fixture_raise_start(&fx, 20), ST_OK);
    cr_assert_eq(fixture_delete(&fx), ST_OK);
    for (int i = 0; i < 20; i++) {
        fx.plain.io.now.mono_us += 60000001;
        plain_io_settle(&fx.plain);
    }
    cr_expect_eq(pread(read.file, after, len, (off_t)read.position), (ssize_t)len);
    cr_expect_eq(memcmp(before, after, len), 0);
    log_read_release(&read);
    fixture_release(&fx);
}

Test(ends, a_stop_waits_for_one_step_of_a_deleted_log) {
    struct fixture fx;
    make_log(&fx);
    fx.dir.removal_step_bytes = 10;
    cr_assert_eq(fixture_delete(&fx), ST_OK);
    fx.plain.io.now.mono_us += 60000001;
    plain_io_settle(&fx.plain); /* to its first pause */
    fixture_end_removals(&fx);
    for (int i = 0; i < 10; i++) (void)plain_io_turn(&fx.plain);
    cr_expect_not(fx.removals_ended, "a file is open");
    fx.plain.io.now.mono_us += REMOVAL_PAUSE_US;
    plain_io_settle(&fx.plain);
    cr_expect(fx.removals_ended);
    cr_expect(directory_has(fx.path, "-delete"), "a start removes the rest");
    fixture_release(&fx);
}

/* In the order in which they went. */
static char removed[2048];
static int no_longer_names(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    if (call->kind == PLAIN_UNLINK) {
        strncat(removed, strrchr(call->path, '/'), sizeof removed - strlen(removed) - 1);
    }
    return call->kind == PLAIN_RENAME ? -ENOSPC : 0;
}

Test(ends, a_disk_without_room_for_another_name_loses_the_directory_at_once) {
    struct fixture fx;
    make_log(&fx);
    removed[0] = 0;
    fx.plain.fault = no_longer_names;
    cr_assert_eq(fixture_delete(&fx), ST_OK);
    fx.plain.fault = NULL;
    cr_expect_not(fx.dir.offline);
    cr_expect_not(directory_has(fx.path, "t-0"));
    cr_expect_not(directory_has(fx.path, "-delete"));
    const char *owner = strstr(removed, "/partition.metadata");
    cr_assert_not_null(owner);
    cr_expect_str_eq(owner, "/partition.metadata", "it tells a start whose the rest was");
    fixture_release(&fx);
}

Test(ends, an_epoch_is_known_when_it_has_begun_and_in_the_file_after_the_close) {
    struct fixture fx;
    fixture_begin(&fx, 3);
    cr_assert_eq(fixture_begin_epoch(&fx, 7), ST_OK);
    cr_assert_eq(fixture_begin_epoch(&fx, 7), ST_OK, "twice is once");
    int32_t epoch;
    int64_t end;
    static const struct {
        int32_t asked, epoch;
        int64_t end;
    } rows[] = {{-1, -1, -1}, {0, 0, 3}, {3, 0, 3}, {7, 7, 3}, {8, -1, -1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        log_end_of_epoch(fx.log, rows[i].asked, &epoch, &end);
        cr_expect_eq(epoch, rows[i].epoch, "asked %d", rows[i].asked);
        cr_expect_eq(end, rows[i].end, "asked %d", rows[i].asked);
    }
    cr_assert_eq(fixture_close(&fx), ST_OK);
    size_t len;
    char *text = (char *)file_read(&fx, "leader-epoch-checkpoint", &len);
    cr_expect_str_eq(text, "0\n2\n0 0\n7 3\n");
    free(text);
    fixture_release(&fx);
}

/* Redpanda #16105: a sync that started before a truncation must not make what was appended after it
 * durable. */
struct truncation {
    struct fixture *fx;
    int64_t offset;
    enum status st;
    bool ended;
};
static void truncation_job(struct job *job, void *argument) {
    struct truncation *t = argument;
    t->st = log_truncate(job, t->fx->log, t->offset);
    t->ended = true;
}

Test(ends, a_sync_in_flight_says_nothing_about_what_follows_a_truncation) {
    struct fixture fx;
    struct test_append a;
    make_log(&fx);
    cr_assert_eq(fixture_append(&fx, 1, 100, 2000), ST_OK);
    fx.plain.deferred = true;
    log_sync(fx.log);
    plain_io_turn(&fx.plain); /* the sync of offset 40 is away */
    struct truncation t = {.fx = &fx, .offset = 38};
    job_start(&fx.plain.jobs, truncation_job, &t);
    while (!t.ended) {
        cr_expect_leq(log_durable_end(fx.log), log_end(fx.log));
        cr_assert(plain_io_turn(&fx.plain));
    }
    cr_expect_eq(t.st, ST_OK);
    append_prepare(&fx, &a, 1, 100, 3000);
    cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
    plain_io_settle(&fx.plain);
    cr_expect_eq(log_end(fx.log), 39);
    cr_expect_eq(log_durable_end(fx.log), 38);
    append_release(&a);
    fixture_release(&fx);
}

/* Redpanda #31470, #29849: what is derived may not claim more than is left. */
Test(ends, truncation_lowers_what_checkpoints_may_say) {
    struct fixture fx;
    make_log(&fx);
    fixture_sync(&fx);
    log_set_clean_end(fx.log, 30);
    cr_assert_eq(log_recovery_point(fx.log), BATCHES);
    cr_assert_eq(fixture_truncate(&fx, 13), ST_OK);
    cr_expect_eq(log_recovery_point(fx.log), 13);
    cr_expect_eq(log_clean_end(fx.log), 13);
    fixture_release(&fx);
}

/* KAFKA-15391: files that are gone already when they are to be removed are no failure. */
Test(ends, removals_that_find_nothing_leave_the_directory_online) {
    struct fixture fx;
    make_log(&fx);
    cr_assert_eq(fixture_raise_start(&fx, 20), ST_OK);
    cr_assert_eq(fixture_delete(&fx), ST_OK); /* takes the .deleted files along */
    fx.plain.io.now.mono_us += 60000001;
    plain_io_settle(&fx.plain);
    cr_expect_eq(fx.failure_calls, 0);
    cr_expect_not(fx.dir.offline);
    cr_expect_not(directory_has(fx.path, "-delete"));
    fixture_release(&fx);
}
