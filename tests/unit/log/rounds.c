/* tests/unit/log/rounds.c - group commit: what is durable when, how many syncs, KAFKA-3968. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "log/rounds.h"
#include "tests/unit/log/fixture.h"

Test(rounds, nothing_is_durable_before_its_sync_ended) {
    struct fixture fx;
    struct test_append a[3];
    fixture_begin(&fx, 1);
    cr_expect_eq(log_durable_end(fx.log), 0);
    fx.plain.deferred = true;
    log_sync(fx.log);
    plain_io_turn(&fx.plain); /* the sync starts at its end, and covers offset 0 */
    for (int i = 0; i < 3; i++) append_prepare(&fx, &a[i], 1, 100, 1);
    cr_assert_eq(log_append(fx.log, &a[0].append), ST_OK);
    log_sync(fx.log);
    cr_expect_eq(log_durable_end(fx.log), 0);
    plain_io_turn(&fx.plain); /* the sync ends, the write starts */
    cr_expect_eq(log_durable_end(fx.log), 1, "what came meanwhile is not covered");
    cr_expect_eq(fx.durable_calls, 1);
    cr_assert_eq(log_append(fx.log, &a[1].append), ST_OK);
    log_sync(fx.log);
    plain_io_turn(&fx.plain); /* the write ends; another one and a sync of offset 1 start */
    cr_expect_eq(log_end(fx.log), 2);
    cr_assert_eq(log_append(fx.log, &a[2].append), ST_OK);
    log_sync(fx.log);
    plain_io_settle(&fx.plain);
    cr_expect_eq(log_durable_end(fx.log), 4);
    cr_expect_leq(fx.dir.sync_count, 4, "%lu syncs", (unsigned long)fx.dir.sync_count);
    for (int i = 0; i < 3; i++) append_release(&a[i]);
    fixture_release(&fx);
}

Test(rounds, many_requests_are_one_sync) {
    enum { COUNT_OF = 50 };
    struct fixture fx;
    struct test_append a[COUNT_OF];
    fixture_begin(&fx, 1);
    uint64_t before = fx.plain.counts[PLAIN_SYNC];
    for (int i = 0; i < COUNT_OF; i++) {
        append_prepare(&fx, &a[i], 1, 100, 1);
        cr_assert_eq(log_append(fx.log, &a[i].append), ST_OK);
        log_sync(fx.log);
    }
    plain_io_settle(&fx.plain);
    cr_expect_eq(log_durable_end(fx.log), COUNT_OF + 1);
    cr_expect_leq(fx.plain.counts[PLAIN_SYNC] - before, 2);
    log_sync(fx.log);
    plain_io_settle(&fx.plain);
    cr_expect_leq(fx.plain.counts[PLAIN_SYNC] - before, 2, "nothing new, no sync");
    for (int i = 0; i < COUNT_OF; i++) append_release(&a[i]);
    fixture_release(&fx);
}

Test(rounds, a_bounded_number_of_syncs_is_in_flight) {
    enum { LOGS = 12 };
    struct fixture fx;
    struct log *logs[LOGS];
    fixture_init(&fx);
    for (int i = 0; i < LOGS; i++) {
        fx.open.partition = i;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        logs[i] = fx.log;
        cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    }
    fx.plain.deferred = true;
    for (int i = 0; i < LOGS; i++) log_sync(logs[i]);
    for (int turn = 0; turn < 20; turn++) {
        cr_expect_leq(fx.dir.syncs_in_flight, LOG_DIR_SYNC_LIMIT);
        plain_io_turn(&fx.plain);
    }
    for (int i = 0; i < LOGS; i++) {
        cr_expect_eq(log_durable_end(logs[i]), 1, "log %d", i);
        log_abandon(logs[i]);
    }
    fx.log = NULL;
    fixture_release(&fx);
}

/* One sync of the log that takes so long, and whether the directory is slow by then. */
static bool is_slow_in_a_sync_of(struct fixture *fx, uint64_t us) {
    fixture_fill(fx, 1);
    log_sync(fx->log);
    plain_io_turn(&fx->plain); /* the sync starts */
    cr_assert_eq(fx->dir.syncs_in_flight, 1);
    fx->plain.io.now.mono_us += us;
    bool slow = rounds_are_slow(&fx->dir);
    plain_io_settle(&fx->plain);
    cr_expect_not(rounds_are_slow(&fx->dir), "nothing is under way");
    return slow;
}

/* While syncs hang, appends go to the ring, which costs more: not when there is much to write. */
Test(rounds, a_disk_is_slow_when_it_takes_longer_than_it_does) {
    struct fixture fx;
    fixture_begin(&fx, 1);
    fx.plain.deferred = true;
    cr_expect_not(is_slow_in_a_sync_of(&fx, 99000));
    fx.dir.file_sync_us = 0;
    cr_expect(is_slow_in_a_sync_of(&fx, 101000), "of a disk that nothing is known of");
    fx.dir.file_sync_us = 0;
    for (int i = 0; i < 10; i++) cr_expect_not(is_slow_in_a_sync_of(&fx, 70000));
    cr_expect_not(is_slow_in_a_sync_of(&fx, 270000));
    cr_expect(is_slow_in_a_sync_of(&fx, 500000));
    for (int i = 0; i < 10; i++) (void)is_slow_in_a_sync_of(&fx, 10000000);
    cr_expect(is_slow_in_a_sync_of(&fx, 1001000), "whatever it took before");
    cr_expect_not(is_slow_in_a_sync_of(&fx, 999000));
    fixture_release(&fx);
}

/* KAFKA-3968: a batch in a new segment does not count before the file can be found after a crash;
 * an older segment's end is synced before what follows it counts. */
static struct {
    bool files_made, directory_synced, wrong;
    uint32_t syncs;
} order;

static int watch_order(struct plain_io *plain, const struct plain_call *call) {
    if (call->kind == PLAIN_OPEN && strstr(call->path, "00000000000000000003.log") != NULL) {
        order.files_made = true;
    }
    if (call->kind == PLAIN_DIR_SYNC && order.files_made) order.directory_synced = true;
    if (call->kind == PLAIN_WRITE && call->offset == 0 && order.files_made &&
        !order.directory_synced) {
        order.wrong = true;
    }
    if (call->kind == PLAIN_SYNC) order.syncs++;
    return 0;
}

Test(rounds, a_new_segment_is_found_after_a_crash_before_anything_in_it_counts) {
    for (int deferred = 0; deferred < 2; deferred++) {
        struct fixture fx;
        fixture_init(&fx);
        fx.config.segment_bytes = 510; /* three batches */
        cr_assert_eq(fixture_open(&fx), ST_OK);
        fixture_fill(&fx, 3);
        memset(&order, 0, sizeof order);
        fx.plain.fault = watch_order;
        fx.plain.deferred = deferred;
        cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
        cr_expect(order.directory_synced);
        cr_expect_not(order.wrong);
        plain_io_settle(&fx.plain);
        order.syncs = 0;
        log_sync(fx.log);
        plain_io_settle(&fx.plain);
        cr_expect_eq(order.syncs, 2, "both files");
        cr_expect_eq(log_durable_end(fx.log), 4);
        fx.plain.fault = NULL;
        fixture_release(&fx);
    }
}

static int fail_index_sync(struct plain_io *plain, const struct plain_call *call) {
    int64_t *syncs_left = plain->fault_context;
    if (call->kind != PLAIN_SYNC) return 0;
    return (*syncs_left)-- > 0 ? 0 : -EIO;
}

Test(rounds, the_recovery_point_stays_below_a_segment_whose_indexes_are_not_durable) {
    struct fixture fx;
    struct test_append a;
    fixture_init(&fx);
    fx.config.segment_bytes = 510;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 6);
    fixture_sync(&fx);
    cr_expect_eq(log_recovery_point(fx.log), 6);
    fx.plain.deferred = true;
    append_prepare(&fx, &a, 1, 100, 1);
    cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
    bool seen = false;
    while (plain_io_turn(&fx.plain)) {
        log_sync(fx.log);
        if (log_segment_count(fx.log) == 3 &&
            log_recovery_point(fx.log) < log_durable_end(fx.log)) {
            cr_expect_eq(log_recovery_point(fx.log), 3);
            seen = true;
        }
    }
    cr_expect(seen, "the indexes were durable from the first moment");
    cr_expect_eq(log_recovery_point(fx.log), 7);
    fx.plain.deferred = false;
    int64_t syncs_left = 0;
    fx.plain.fault_context = &syncs_left;
    fx.plain.fault = fail_index_sync;
    append_release(&a);
    fixture_release(&fx);
}

Test(rounds, other_logs_of_a_failed_directory_go_offline_too) {
    struct fixture fx;
    struct log *logs[2];
    struct test_append a;
    fixture_init(&fx);
    for (int i = 0; i < 2; i++) {
        fx.open.partition = i;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        logs[i] = fx.log;
        cr_assert_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    }
    int64_t syncs_left = 0;
    fx.plain.fault_context = &syncs_left;
    fx.plain.fault = fail_index_sync;
    fx.plain.deferred = true;
    append_prepare(&fx, &a, 1, 100, 1);
    cr_assert_eq(log_append(logs[1], &a.append), ST_OK);
    log_sync(logs[0]);
    log_sync(logs[1]);
    plain_io_settle(&fx.plain);
    for (int i = 0; i < 2; i++) {
        cr_expect(log_is_offline(logs[i]));
        cr_expect_eq(log_durable_end(logs[i]), 0);
    }
    cr_expect_eq(fx.failure_calls, 1);
    cr_expect_eq(fx.offline_calls, 2);
    append_release(&a);
    for (int i = 0; i < 2; i++) log_abandon(logs[i]);
    fx.log = NULL;
    fixture_release(&fx);
}

/* What a failed sync left in the page cache counts as clean: opening the log again would find
 * everything, sync nothing, and call it durable. */
Test(rounds, a_log_whose_opening_met_a_failed_sync_is_not_opened_again) {
    struct fixture fx;
    fixture_begin(&fx, 3);
    int64_t syncs_left = 0;
    fx.plain.fault_context = &syncs_left;
    fx.plain.fault = fail_index_sync;
    cr_expect_eq(fixture_crash(&fx, 0), ST_IO);
    cr_expect_eq(fx.failure_calls, 1, "the directory goes offline");
    fx.plain.fault = NULL;
    cr_expect_eq(fixture_open(&fx), ST_IO, "by this process never more");
    cr_expect_eq(fx.failure_calls, 1);
    fixture_release(&fx);
}

static int fail_read(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_READ ? -EIO : 0;
}

Test(rounds, a_log_that_cannot_be_read_leaves_the_others_of_the_directory_alone) {
    struct fixture fx;
    fixture_begin(&fx, 3);
    fx.plain.fault = fail_read;
    cr_expect_eq(fixture_crash(&fx, 0), ST_IO);
    cr_expect_eq(fx.failure_calls, 0, "nothing that is stored got lost");
    fx.plain.fault = NULL;
    cr_expect_eq(fixture_open(&fx), ST_OK);
    fixture_release(&fx);
}

/* --- many logs: one syncfs --- */

enum { MANY = 10 };

static void many_open(struct fixture *fx, struct fs_rounds *fs, struct log *logs[MANY]) {
    fixture_init(fx);
    fs_rounds_init(fs, &fx->plain.io, open("/tmp", O_RDONLY | O_DIRECTORY));
    fx->dir.fs = fs;
    fx->dir.fs_from = MANY;
    for (int i = 0; i < MANY; i++) {
        fx->open.partition = i;
        cr_assert_eq(fixture_open(fx), ST_OK);
        logs[i] = fx->log;
        cr_assert_eq(fixture_append(fx, 1, 100, 1), ST_OK);
    }
    fx->plain.deferred = true;
}

static void many_close(struct fixture *fx, struct fs_rounds *fs, struct log *logs[MANY]) {
    for (int i = 0; i < MANY; i++) log_abandon(logs[i]);
    fx->log = NULL;
    plain_io_settle(&fx->plain);
    close(fs->fd);
    fixture_release(fx);
}

/* The first `count` logs are asked for, and durable; by so many syncs of files and of all. */
/* A syncfs that nobody waits for too. */
static void settle_all(struct fixture *fx) {
    plain_io_settle(&fx->plain);
    fx->plain.io.now.mono_us += FS_ROUNDS_GATHER_US;
    plain_io_settle(&fx->plain);
}

static void expect_syncs(struct fixture *fx, struct log *logs[MANY], void (*ask)(struct log *),
                         unsigned count, uint64_t of_files, uint64_t of_all, const char *what) {
    uint64_t files_before = fx->plain.counts[PLAIN_SYNC];
    uint64_t all_before = fx->plain.counts[PLAIN_SYNC_FS];
    for (unsigned i = 0; i < count; i++) ask(logs[i]);
    settle_all(fx);
    for (unsigned i = 0; i < count; i++)
        cr_expect_eq(log_durable_end(logs[i]), log_end(logs[i]), "%s, log %u", what, i);
    cr_expect_eq(fx->plain.counts[PLAIN_SYNC] - files_before, of_files, "%s", what);
    cr_expect_eq(fx->plain.counts[PLAIN_SYNC_FS] - all_before, of_all, "%s", what);
    cr_expect_eq(fx->dir.fs_sync_us, 0, "%s: only the disk's time is compared", what);
}

static void append_to_all(struct fixture *fx, struct log *logs[MANY]) {
    for (int i = 0; i < MANY; i++) {
        fx->log = logs[i];
        cr_assert_eq(fixture_append(fx, 1, 100, 1), ST_OK);
    }
}

static void await_first(struct log *log) {
    log_sync_late(log);
    if (log_partition(log) == 0) log_sync(log);
}

static const struct round {
    const char *name;
    void (*ask)(struct log *log);
    unsigned count, of_files, of_all;
} rounds_asked[] = {
    {"many", log_sync, MANY, 0, 1},
    {"one less", log_sync, MANY - 1, MANY - 1, 0},
    {"that nobody waits for", log_sync_late, LOG_DIR_LATE_FS_FROM, 0, 1},
    {"fewer of them", log_sync_late, LOG_DIR_LATE_FS_FROM - 1, LOG_DIR_LATE_FS_FROM - 1, 0},
    {"somebody comes to wait", await_first, LOG_DIR_LATE_FS_FROM, LOG_DIR_LATE_FS_FROM, 0},
};

Test(rounds, many_dirty_logs_are_made_durable_by_one_syncfs_and_few_one_by_one) {
    for (size_t i = 0; i < COUNT(rounds_asked); i++) {
        struct fixture fx;
        struct fs_rounds fs;
        struct log *logs[MANY];
        many_open(&fx, &fs, logs);
        const struct round *r = &rounds_asked[i];
        expect_syncs(&fx, logs, r->ask, r->count, r->of_files, r->of_all, r->name);
        many_close(&fx, &fs, logs);
    }
}

Test(rounds, who_waits_does_not_wait_for_a_syncfs_that_nobody_waits_for) {
    struct fixture fx;
    struct fs_rounds fs;
    struct log *logs[MANY];
    many_open(&fx, &fs, logs);
    uint64_t syncs = fx.plain.counts[PLAIN_SYNC];
    for (unsigned i = 0; i < LOG_DIR_LATE_FS_FROM; i++) log_sync_late(logs[i]);
    rounds_run(&fx.dir.later);
    cr_expect(fx.dir.fs_is_asked);
    log_sync_late(logs[MANY - 2]);
    log_sync(logs[MANY - 1]);
    rounds_run(&fx.dir.later);
    cr_expect_eq(fx.dir.syncs_in_flight, 1);
    cr_expect(fx.dir.fs_is_asked);
    settle_all(&fx);
    cr_expect_eq(log_durable_end(logs[0]), 1);
    cr_expect_eq(log_durable_end(logs[MANY - 2]), 1);
    cr_expect_eq(log_durable_end(logs[MANY - 1]), 1);
    cr_expect_eq(fx.plain.counts[PLAIN_SYNC], syncs + 2);
    cr_expect_eq(fx.plain.counts[PLAIN_SYNC_FS], 1);
    log_sync(logs[0]); /* asked for in vain: nobody waits for what comes later */
    append_to_all(&fx, logs);
    expect_syncs(&fx, logs, log_sync_late, LOG_DIR_LATE_FS_FROM, 0, 1, "asked in vain before");
    many_close(&fx, &fs, logs);
}

static int fail_sync_fs(struct plain_io *plain, const struct plain_call *call) {
    return call->kind == PLAIN_SYNC_FS ? -EIO : 0;
}

Test(rounds, an_error_that_syncfs_tells_takes_every_log_offline) {
    struct fixture fx;
    struct fs_rounds fs;
    struct log *logs[MANY];
    many_open(&fx, &fs, logs);
    fx.plain.fault = fail_sync_fs;
    for (int i = 0; i < MANY; i++) log_sync(logs[i]);
    plain_io_settle(&fx.plain);
    for (int i = 0; i < MANY; i++) {
        cr_expect(log_is_offline(logs[i]), "log %d", i);
        cr_expect_eq(log_durable_end(logs[i]), 0, "log %d", i);
    }
    cr_expect_eq(fx.failure_calls, 1);
    many_close(&fx, &fs, logs);
}

static int sync_fs_calls;
static int fail_first_sync_fs(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    return call->kind == PLAIN_SYNC_FS && ++sync_fs_calls == 1 ? -EIO : 0;
}

static int answered;
static void count_answer(struct fs_question *question) {
    (void)question;
    answered++;
}

/* Two shards whose timers are due together; somebody who waits does not wait for the second. */
Test(rounds, what_nobody_waits_for_shares_a_syncfs) {
    for (int somebody_waits = 0; somebody_waits < 2; somebody_waits++) {
        struct fixture fx;
        struct fs_rounds fs;
        fixture_init(&fx);
        fs_rounds_init(&fs, &fx.plain.io, open("/tmp", O_RDONLY | O_DIRECTORY));
        fx.plain.deferred = true;
        answered = 0;
        struct fs_question asked[3] = {0};
        for (int i = 0; i < 3; i++) {
            asked[i] = (struct fs_question){.rounds = &fs,
                                            .home = &fx.plain.io,
                                            .is_late = i < 2 || !somebody_waits,
                                            .done = count_answer};
            fs_question_ask(&asked[i]);
            plain_io_settle(&fx.plain);
            cr_expect_eq(answered, i == 2 && somebody_waits ? 3 : 0, "after %d", i);
            fx.plain.io.now.mono_us += FS_ROUNDS_GATHER_US / 3;
        }
        settle_all(&fx);
        cr_expect_eq(answered, 3);
        cr_expect_eq(fs.count, 1);
        close(fs.fd);
        fixture_release(&fx);
    }
}

Test(rounds, no_syncfs_succeeds_after_one_that_lost_octets) {
    struct fixture fx;
    struct fs_rounds fs;
    fixture_init(&fx);
    fs_rounds_init(&fs, &fx.plain.io, open("/tmp", O_RDONLY | O_DIRECTORY));
    fx.plain.deferred = true;
    fx.plain.fault = fail_first_sync_fs;
    sync_fs_calls = answered = 0;
    struct fs_question asked[3] = {0};
    for (int i = 0; i < 3; i++) {
        asked[i] = (struct fs_question){.rounds = &fs, .home = &fx.plain.io, .done = count_answer};
        fs_question_ask(&asked[i]);
        if (i == 0) cr_assert(plain_io_turn(&fx.plain)); /* the others wait for the next */
    }
    plain_io_settle(&fx.plain);
    cr_expect_eq(answered, 3);
    for (int i = 0; i < 3; i++) cr_expect_eq(asked[i].result, -EIO, "question %d", i);
    close(fs.fd);
    fixture_release(&fx);
}
