/* tests/unit/log/move.c - a log goes from one directory to another, while it is used, and through
 * failures at every step. */
#include "log/move.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log/impl.h"
#include "tests/unit/log/fixture.h"

/* A second directory below the fixture's own, so that it goes with it. */
struct move_fixture {
    struct fixture fx;
    struct log_dir to;
    char to_path[96];
    struct log_move move;
    uint32_t failures, asked, give_up_at, prepared, decided;
    int64_t raises_to; /* the log's start is raised to it once it is copied; 0: no */
    bool appends;      /* along the way */
    bool dies;         /* the old directory, while it is being decided */
    struct test_append along[8];
    uint32_t along_count;
    enum status decide_status, st;
    bool ended;
};

static struct move_fixture *of_move(struct log_move *move) {
    return CONTAINER_OF(move, struct move_fixture, move);
}
static void on_to_failure(struct log_dir *dir, enum status why) {
    CONTAINER_OF(dir, struct move_fixture, to)->failures++;
}

static void append_along(struct move_fixture *m) {
    if (!m->appends || m->along_count == COUNT(m->along)) return;
    struct test_append *a = &m->along[m->along_count++];
    append_prepare(&m->fx, a, 1, 100, 5000);
    cr_assert_eq(log_append(m->fx.log, &a->append), ST_OK);
    log_sync(m->fx.log);
}

static bool may_go_on(struct log_move *move) {
    struct move_fixture *m = of_move(move);
    return m->give_up_at == 0 || ++m->asked < m->give_up_at;
}
static void pace(struct job *job, struct log_move *move, uint64_t bytes) {
    struct move_fixture *m = of_move(move);
    append_along(m);
    job_yield(job);
    if (m->raises_to == 0 || move->copied_end < m->raises_to) return;
    cr_assert_eq(log_raise_start(job, m->fx.log, m->raises_to), ST_OK);
    m->raises_to = 0;
}
static enum status prepare(struct job *job, struct log_move *move) {
    struct move_fixture *m = of_move(move);
    m->prepared++;
    append_along(m);
    return ST_OK;
}
static enum status decide(struct job *job, struct log_move *move) {
    struct move_fixture *m = of_move(move);
    m->decided++;
    append_along(m);
    job_yield(job);
    if (m->dies) log_dir_fail(&m->fx.dir, ST_IO);
    return m->decide_status;
}

static void begin(struct move_fixture *m) {
    *m = (struct move_fixture){0};
    fixture_init(&m->fx);
    snprintf(m->to_path, sizeof m->to_path, "%s/to", m->fx.path);
    cr_assert_eq(mkdir(m->to_path, 0755), 0);
    log_dir_init(&m->to, &m->fx.plain.io, &m->fx.plain.jobs, str_of(m->to_path));
    m->to.on_failure = on_to_failure;
    m->move = (struct log_move){
        .to = &m->to, .may_go_on = may_go_on, .pace = pace, .prepare = prepare, .decide = decide};
    m->fx.config.segment_bytes = 1700; /* ten batches */
    m->fx.config.index_interval_bytes = 300;
    cr_assert_eq(fixture_open(&m->fx), ST_OK);
    cr_assert_eq(fixture_begin_epoch(&m->fx, 3), ST_OK);
}

static void release_job(struct job *job, void *argument) { log_dir_release(job, argument); }

static void finish(struct move_fixture *m) {
    m->fx.plain.fault = NULL;
    m->fx.plain.deferred = false;
    fixture_kill(&m->fx);
    plain_io_settle(&m->fx.plain);
    for (uint32_t i = 0; i < m->along_count; i++) append_release(&m->along[i]);
    plain_io_run(&m->fx.plain, release_job, &m->to);
    fixture_release(&m->fx);
}

static void move_job(struct job *job, void *argument) {
    struct move_fixture *m = argument;
    m->st = log_move_to(job, m->fx.log, &m->move);
    m->ended = true;
}

static enum status go(struct move_fixture *m) {
    m->ended = false;
    job_start(&m->fx.plain.jobs, move_job, m);
    while (!m->ended) cr_assert(plain_io_turn(&m->fx.plain));
    while (plain_io_turn(&m->fx.plain)) continue;
    return m->st;
}

/* How many entries of a directory end so. */
static uint32_t ending_in(const char *path, const char *end) {
    uint32_t count = 0;
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name), s = strlen(end);
        count += n >= s && strcmp(e->d_name + n - s, end) == 0;
    }
    closedir(dir);
    return count;
}

/* Opens it once more where it is, as after a crash or a clean stop. */
static void open_there(struct move_fixture *m, struct log_dir *dir, bool clean) {
    m->fx.open.dir = dir;
    m->fx.open.clean = clean;
    cr_assert_eq(fixture_open(&m->fx), ST_OK);
}

Test(move, a_log_goes_with_all_its_segments_and_goes_on_there) {
    struct move_fixture m;
    begin(&m);
    fixture_fill(&m.fx, 35);
    cr_assert_eq(go(&m), ST_OK);
    cr_expect_eq(log_directory(m.fx.log), &m.to);
    cr_expect_eq(m.prepared + m.decided, 2);
    cr_expect_eq(m.move.copied_end, 35);
    cr_expect_eq(log_durable_end(m.fx.log), 35);
    cr_expect_eq(ending_in(m.to_path, "t-0"), 1);
    cr_expect_eq(ending_in(m.fx.path, "t-0"), 0);
    cr_expect_eq(ending_in(m.fx.path, "-delete"), 1);
    enum status st;
    cr_expect_eq(fixture_consume(&m.fx, 0, &st), 35);
    cr_assert_eq(fixture_append(&m.fx, 1, 100, 9000), ST_OK);
    fixture_sync(&m.fx);
    cr_expect_eq(fixture_consume(&m.fx, 0, &st), 36);
    cr_assert_eq(fixture_close(&m.fx), ST_OK);
    open_there(&m, &m.to, true);
    cr_expect_eq(fixture_consume(&m.fx, 0, &st), 36);
    cr_expect_eq(log_latest_epoch(m.fx.log), 3);
    finish(&m);
}

Test(move, the_copy_is_the_same_octets) {
    static const char *const names[] = {"00000000000000000000.log", "00000000000000000010.log",
                                        "00000000000000000030.log", "00000000000000000000.index",
                                        "00000000000000000010.timeindex"};
    struct move_fixture m;
    begin(&m);
    fixture_fill(&m.fx, 35);
    uint8_t *before[COUNT(names)];
    size_t lengths[COUNT(names)];
    for (size_t i = 0; i < COUNT(names); i++) {
        before[i] = file_read(&m.fx, names[i], &lengths[i]);
        cr_assert_not_null(before[i], "%s", names[i]);
    }
    cr_assert_eq(go(&m), ST_OK);
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[256];
        size_t len = 0;
        snprintf(path, sizeof path, "%s/t-0/%s", m.to_path, names[i]);
        FILE *file = fopen(path, "rb");
        cr_assert_not_null(file, "%s", path);
        uint8_t *after = malloc(lengths[i] + 1);
        len = fread(after, 1, lengths[i] + 1, file);
        fclose(file);
        cr_expect_eq(len, lengths[i], "%s: %zu of %zu", names[i], len, lengths[i]);
        cr_expect_eq(memcmp(after, before[i], lengths[i]), 0, "%s", names[i]);
        free(after);
        free(before[i]);
    }
    finish(&m);
}

Test(move, what_is_appended_along_the_way_is_kept_in_order) {
    struct move_fixture m;
    begin(&m);
    fixture_fill(&m.fx, 25);
    m.fx.plain.deferred = true;
    m.appends = true;
    cr_assert_eq(go(&m), ST_OK);
    cr_expect_gt(m.along_count, 3);
    for (uint32_t i = 0; i < m.along_count; i++) {
        cr_expect_eq(m.along[i].append.status, ST_OK);
        cr_expect_eq(m.along[i].append.base_offset, 25 + i);
    }
    m.fx.plain.deferred = false;
    int64_t end = 25 + m.along_count;
    enum status st;
    cr_expect_eq(fixture_consume(&m.fx, 0, &st), end);
    cr_expect_eq(log_durable_end(m.fx.log), end);
    fixture_kill(&m.fx);
    plain_io_settle(&m.fx.plain);
    open_there(&m, &m.to, false);
    cr_expect_eq(fixture_consume(&m.fx, 0, &st), end);
    finish(&m);
}

Test(move, segments_that_retention_took_meanwhile_are_not_in_the_copy) {
    struct move_fixture m;
    begin(&m);
    fixture_fill(&m.fx, 35);
    fixture_sync(&m.fx);
    m.raises_to = 25;
    cr_assert_eq(go(&m), ST_OK);
    cr_expect_eq(m.raises_to, 0);
    cr_expect_eq(log_first_base_offset(m.fx.log), 20);
    cr_expect_eq(log_start_offset(m.fx.log), 25);
    enum status st;
    cr_expect_eq(fixture_consume(&m.fx, 25, &st), 35);
    finish(&m);
}

Test(move, a_read_keeps_the_old_file) {
    struct move_fixture m;
    struct log_read read;
    begin(&m);
    fixture_fill(&m.fx, 25);
    fixture_read(&m.fx, &read, 12, 25, 1000, true);
    cr_assert_eq(read.status, ST_OK);
    cr_assert_eq(go(&m), ST_OK);
    uint8_t header[8];
    cr_expect_eq(pread(read.file, header, sizeof header, (off_t)read.position), 8);
    cr_expect_eq((int64_t)get_u64(header), 12);
    log_read_release(&read);
    finish(&m);
}

Test(move, it_can_be_given_up_at_any_time) {
    for (uint32_t at = 1; at < 40; at++) {
        struct move_fixture m;
        begin(&m);
        fixture_fill(&m.fx, 35);
        m.give_up_at = at;
        enum status st = go(&m), read_status;
        cr_expect(st == ST_CANCELLED || st == ST_OK, "at %u: %s", at, status_name(st));
        struct log_dir *where = st == ST_OK ? &m.to : &m.fx.dir;
        cr_expect_eq(log_directory(m.fx.log), where, "at %u", at);
        cr_expect_eq(ending_in(m.to_path, "-future"), 0, "at %u", at);
        cr_assert_eq(fixture_append(&m.fx, 1, 100, 9000), ST_OK);
        cr_expect_eq(fixture_consume(&m.fx, 0, &read_status), 36, "at %u", at);
        uint32_t last = m.asked;
        finish(&m);
        if (last < at) return;
    }
    cr_assert(false, "it never came through");
}

Test(move, without_a_decision_the_log_stays_and_the_copy_loses_its_name) {
    struct move_fixture m;
    begin(&m);
    fixture_fill(&m.fx, 35);
    m.decide_status = ST_CANCELLED;
    cr_assert_eq(go(&m), ST_CANCELLED);
    cr_expect_eq(log_directory(m.fx.log), &m.fx.dir);
    cr_expect_eq(ending_in(m.to_path, "t-0"), 0);
    cr_expect_eq(ending_in(m.to_path, "-delete"), 1);
    cr_assert_eq(fixture_append(&m.fx, 1, 100, 9000), ST_OK);
    m.decide_status = ST_OK; /* and once more */
    cr_assert_eq(go(&m), ST_OK);
    enum status st;
    cr_expect_eq(fixture_consume(&m.fx, 0, &st), 36);
    finish(&m);
}

/* One operation in the new directory fails: `fail_at`, counted from 1; or all from there on. */
struct failing {
    struct move_fixture *m;
    uint32_t count, fail_at;
    int error;
    bool for_good;
};
static struct failing failing;
static int fail_there(struct plain_io *plain, const struct plain_call *call) {
    char name[256] = "", link[64];
    if (call->path != NULL) {
        snprintf(name, sizeof name, "%s", call->path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", call->fd);
        if (readlink(link, name, sizeof name - 1) < 0) return 0;
    }
    bool is_there = strstr(name, "/to/") != NULL || strcmp(name, failing.m->to_path) == 0;
    if (call->kind == PLAIN_STAT || call->kind == PLAIN_CLOSE || !is_there) return 0;
    uint32_t at = ++failing.count;
    bool fails = at == failing.fail_at || (failing.for_good && at > failing.fail_at);
    return fails ? -failing.error : 0;
}

static void fail_each(int error, enum status want, bool goes_offline, bool for_good) {
    uint32_t failed = 0;
    for (uint32_t at = 1; at < 200; at++) {
        struct move_fixture m;
        begin(&m);
        fixture_fill(&m.fx, 35);
        failing = (struct failing){.m = &m, .fail_at = at, .error = error, .for_good = for_good};
        m.fx.plain.fault = fail_there;
        enum status st = go(&m), read_status;
        m.fx.plain.fault = NULL;
        if (failing.count < at) {
            cr_expect_eq(st, ST_OK);
            finish(&m);
            break;
        }
        failed++;
        cr_expect(st == want || (st == ST_OK && m.failures == 0), "at %u: %s", at, status_name(st));
        cr_expect_eq(m.to.offline, goes_offline && st != ST_OK, "at %u", at);
        cr_expect_eq(m.failures, m.to.offline, "at %u", at);
        cr_expect_not(m.fx.dir.offline, "at %u: the old one did not fail", at);
        if (!log_is_offline(m.fx.log)) { /* otherwise nothing is promised any more */
            cr_assert_eq(fixture_append(&m.fx, 1, 100, 9000), ST_OK, "at %u", at);
            cr_expect_eq(fixture_consume(&m.fx, 0, &read_status), 36, "at %u", at);
        }
        finish(&m);
    }
    cr_expect_gt(failed, 20);
}

/* What is decided after the job gave up may still be committed: then the copy is all there is. */
Test(move, an_old_directory_that_dies_at_the_decision_leaves_the_copy) {
    static const enum status outcomes[] = {ST_OK, ST_CANCELLED};
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct move_fixture m;
        begin(&m);
        fixture_fill(&m.fx, 35);
        m.dies = true;
        m.decide_status = outcomes[i];
        cr_expect_neq(go(&m), ST_OK);
        cr_expect(log_is_offline(m.fx.log));
        cr_expect_not(m.to.offline);
        cr_expect_eq(ending_in(m.to_path, "t-0"), 1);
        fixture_kill(&m.fx);
        open_there(&m, &m.to, false);
        cr_expect_eq(log_end(m.fx.log), 35);
        finish(&m);
    }
}

Test(move, a_new_directory_that_fails_goes_offline_alone) { fail_each(EIO, ST_IO, true, false); }
Test(move, a_new_directory_that_dies_goes_offline_alone) { fail_each(EIO, ST_IO, true, true); }
Test(move, a_new_directory_that_is_full_ends_the_move_and_nothing_else) {
    fail_each(ENOSPC, ST_NO_SPACE, false, false);
}
