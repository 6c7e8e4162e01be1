/* tests/unit/log/retention.c - which segments go (a table), and that they go. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log/removal.h"
#include "log/retention.h"
#include "tests/unit/log/fixture.h"

#define NOW INT64_C(1800000000000) /* 2027 */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define TEN_YEARS (3653 * DAY)
#define WEEK (7 * DAY)

enum { SEGMENTS_MAX = 4 };

/* --- the decision --- */

struct plan_case {
    const char *name;
    struct retention_segment segments[SEGMENTS_MAX]; /* bytes 0: no more; ends are 10, 20, ... */
    int64_t retention_ms, retention_bytes, log_start, upper;
    int64_t wall_step, steady_step; /* of the clocks, from NOW */
    int64_t after_max_ms;
    uint32_t policy;
    enum timestamp_type type;
    uint32_t want; /* how many of the oldest go */
};

#define AGED(ms, ...)                                                                              \
    { .bytes = 100, .max_timestamp_ms = NOW - (ms), .modified_ms = NOW - (ms), __VA_ARGS__ }
#define BOGUS(timestamp, ...)                                                                      \
    { .bytes = 100, .max_timestamp_ms = (timestamp), __VA_ARGS__ }

static const struct plan_case cases[] = {
    {"young segments stay", {AGED(DAY), AGED(HOUR)}, WEEK, -1, .want = 0},
    {"old ones go until the first that is young", {AGED(2 * WEEK), AGED(DAY), AGED(2 * WEEK)}, WEEK,
     -1, .want = 1},
    {"exactly retention.ms old is not too old", {AGED(WEEK), AGED(HOUR)}, WEEK, -1, .want = 0},
    {"retention.ms of 0 takes what is a millisecond old", {AGED(1), AGED(0)}, 0, -1, .want = 1},
    {"retention.ms of -1 keeps all", {AGED(TEN_YEARS), AGED(TEN_YEARS)}, -1, -1, .want = 0},
    {"the active segment goes, too, when it is old",
     {AGED(2 * WEEK), AGED(2 * WEEK, .is_last = true)},
     WEEK, -1, .want = 2},
    {"nothing above the high watermark goes",
     {AGED(2 * WEEK), AGED(2 * WEEK), AGED(HOUR)}, WEEK, -1,
     .upper = 19, .want = 1},
    {"bytes: the oldest go as long as enough is left",
     {AGED(3), AGED(2), AGED(1)}, -1, 150, .want = 1},
    {"bytes: a log of just that size loses nothing",
     {AGED(3), AGED(2), AGED(1)}, -1, 300, .want = 0},
    {"bytes: 0 takes everything, the active one too",
     {AGED(3), AGED(2), AGED(1, .is_last = true)}, -1,
     0, .want = 3},
    {"bytes and age together take the larger part",
     {AGED(2 * WEEK), AGED(HOUR), AGED(HOUR)}, WEEK, 150,
     .want = 1},
    {"below the log's start they go without any limit",
     {AGED(HOUR), AGED(HOUR), AGED(HOUR)}, -1, -1,
     .log_start = 20, .want = 2},
    {"a log start inside a segment keeps it (KAFKA-9133)",
     {AGED(HOUR), AGED(HOUR), AGED(HOUR)}, -1, -1,
     .log_start = 19, .want = 1},
    {"compact alone: age and size do not count", {AGED(TEN_YEARS), AGED(TEN_YEARS)}, WEEK, 10,
     .policy = CLEANUP_COMPACT, .want = 0},
    {"compact alone: what lies below the start goes", {AGED(HOUR), AGED(HOUR)}, WEEK, 10,
     .policy = CLEANUP_COMPACT, .log_start = 10, .want = 1},
    {"compact,delete: both count", {AGED(2 * WEEK), AGED(HOUR)}, WEEK, -1,
     .policy = CLEANUP_COMPACT | CLEANUP_DELETE, .want = 1},

    /* bogus timestamps: KIP-937, KAFKA-14991 */
    {"nanoseconds do not keep dead data for ever (KIP-937)",
     {BOGUS(NOW * 1000000, .modified_ms = NOW - 2 * WEEK), AGED(HOUR)}, WEEK, -1, .want = 1},
    {"nanoseconds: not before the file itself is old",
     {BOGUS(NOW * 1000000, .modified_ms = NOW - DAY), AGED(HOUR)}, WEEK, -1, .want = 0},
    {"no timestamps: the file's time counts",
     {BOGUS(-1, .modified_ms = NOW - 2 * WEEK), BOGUS(-1, .modified_ms = NOW)}, WEEK, -1,
     .want = 1},
    {"the smallest number there is does not delete live data",
     {BOGUS(INT64_MIN, .modified_ms = NOW), AGED(HOUR)}, WEEK, -1, .want = 0},
    {"the largest neither keeps nor deletes by itself",
     {BOGUS(INT64_MAX, .modified_ms = NOW - 2 * WEEK), BOGUS(INT64_MAX, .modified_ms = NOW)}, WEEK,
     -1,
     .want = 1},
    {"seconds taken for milliseconds do not delete live data",
     {BOGUS(NOW / 1000, .modified_ms = NOW - DAY), AGED(HOUR)}, WEEK, -1, .want = 0},
    {"appended by this process: the monotonic clock tells the age",
     {BOGUS(NOW * 1000, .appended_here = true, .idle_ms = WEEK + 1),
      BOGUS(NOW * 1000, .appended_here = true, .idle_ms = WEEK)},
     WEEK, -1, .want = 1},
    {"event times two years back are believed, as in Kafka", {AGED(730 * DAY), AGED(0)}, WEEK, -1,
     .want = 1},
    {"event times a day ahead are believed where the topic lets them in",
     {BOGUS(NOW + DAY, .appended_here = true, .idle_ms = 2 * WEEK), AGED(0)}, WEEK, -1,
     .after_max_ms = 2 * DAY, .want = 0},

    /* the wall clock steps */
    {"ten years ahead deletes nothing early",
     {AGED(DAY), AGED(HOUR)}, WEEK, -1, .wall_step = TEN_YEARS,
     .want = 0},
    {"ten years ahead: no file's time is believed either",
     {BOGUS(-1, .modified_ms = NOW - DAY), AGED(HOUR)}, WEEK, -1, .wall_step = TEN_YEARS,
     .want = 0},
    {"ten years ahead: what is old by the steady clock goes",
     {AGED(2 * WEEK), AGED(HOUR)}, WEEK, -1,
     .wall_step = TEN_YEARS, .want = 1},
    {"ten years back deletes nothing early",
     {AGED(DAY), AGED(HOUR)}, WEEK, -1, .wall_step = -TEN_YEARS,
     .want = 0},
    {"ten years back: older files stay until the clock is right again",
     {AGED(2 * WEEK), AGED(HOUR)}, WEEK, -1, .wall_step = -TEN_YEARS,
     .want = 0},
    {"ten years back: what this process appended goes by its monotonic age",
     {AGED(0, .appended_here = true, .idle_ms = WEEK + 1), AGED(HOUR)}, WEEK, -1,
     .wall_step = -TEN_YEARS, .want = 1},
    {"append times of a clock that was ten years late are not believed",
     {AGED(TEN_YEARS, .appended_here = true, .idle_ms = DAY), AGED(HOUR)}, WEEK, -1,
     .type = TIMESTAMP_LOG_APPEND_TIME, .want = 0},
    {"append times: what lay here for longer than retention.ms goes",
     {AGED(TEN_YEARS, .appended_here = true, .idle_ms = WEEK + 1), AGED(HOUR)}, WEEK, -1,
     .type = TIMESTAMP_LOG_APPEND_TIME, .want = 1},
    {"a clock that was ten years late at the start keeps nothing for ever",
     {AGED(2 * WEEK, .idle_ms = WEEK + 1), AGED(HOUR)}, WEEK, -1, .steady_step = -TEN_YEARS,
     .want = 1},
    {"a clock that was ten years late at the start: not before it lay here for as long",
     {AGED(2 * WEEK, .idle_ms = WEEK), AGED(HOUR)}, WEEK, -1, .steady_step = -TEN_YEARS, .want = 0},
    {"a clock that was ten years early at the start deletes nothing early", {AGED(DAY), AGED(HOUR)},
     WEEK, -1, .steady_step = TEN_YEARS, .want = 0},
};

static uint32_t plan(const struct plan_case *c) {
    struct log_config config = {
        .retention_ms = c->retention_ms,
        .retention_bytes = c->retention_bytes,
        .message_timestamp_after_max_ms = c->after_max_ms > 0 ? c->after_max_ms : HOUR,
        .message_timestamp_type = c->type,
        .cleanup_policy = c->policy != 0 ? c->policy : (uint32_t)CLEANUP_DELETE,
    };
    uint64_t total = 0;
    uint32_t count = 0;
    while (count < SEGMENTS_MAX && c->segments[count].bytes > 0)
        total += c->segments[count++].bytes;
    struct retention_clock clock = {NOW + c->wall_step, NOW + c->steady_step};
    struct retention retention;
    retention_begin(&retention, &config, clock, c->log_start,
                    c->upper > 0 ? c->upper : INT64_C(1) << 40, total);
    for (uint32_t i = 0; i < count; i++) {
        struct retention_segment segment = c->segments[i];
        segment.end_offset = 10 * (i + 1);
        if (!retention_takes(&retention, &segment)) return i;
    }
    return count;
}

Test(retention, takes_the_oldest_segments_that_may_go) {
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t got = plan(&cases[i]);
        cr_expect_eq(got, cases[i].want, "%s: %u, want %u", cases[i].name, got, cases[i].want);
    }
}

Test(retention, an_empty_active_segment_stays) {
    struct log_config config = {.retention_bytes = 0, .retention_ms = 0,
                                .cleanup_policy = CLEANUP_DELETE};
    struct retention retention;
    retention_begin(&retention, &config, (struct retention_clock){NOW, NOW}, 0, 100, 0);
    struct retention_segment empty = {.end_offset = 100, .max_timestamp_ms = -1, .is_last = true};
    cr_expect_not(retention_takes(&retention, &empty));
}

/* --- the log --- */

enum { PER_SEGMENT = 10 };

static void set_clock(struct fixture *fx, int64_t wall_ms) { fx->plain.io.now.wall_ms = wall_ms; }
static void advance(struct fixture *fx, int64_t ms) {
    fx->plain.io.now.wall_ms += ms;
    fx->plain.io.now.mono_us += (uint64_t)ms * 1000;
}

/* Segments of ten batches; the record at offset i has the timestamp first_ms + i. */
static void make_log(struct fixture *fx, int batches, int64_t first_ms) {
    fixture_init(fx);
    fx->dir.opened.wall_ms = NOW;
    set_clock(fx, NOW);
    fx->config.segment_bytes = 1700;
    fx->config.index_interval_bytes = 300;
    fx->config.retention_ms = WEEK;
    fx->config.retention_bytes = -1;
    fx->config.message_timestamp_after_max_ms = HOUR;
    fx->config.cleanup_policy = CLEANUP_DELETE;
    cr_assert_eq(fixture_open(fx), ST_OK);
    for (int i = 0; i < batches; i++)
        cr_assert_eq(fixture_append(fx, 1, 100, first_ms + i), ST_OK);
    fixture_sync(fx);
}

static struct retained retain(struct fixture *fx, int64_t upper) {
    struct retained deleted = {0};
    cr_assert_eq(fixture_retain(fx, upper, &deleted), ST_OK);
    return deleted;
}

Test(retention, old_segments_go_and_the_log_starts_behind_them) {
    struct fixture fx;
    make_log(&fx, 35, NOW - WEEK - 20);
    struct retained deleted = retain(&fx, 35);
    cr_expect_eq(deleted.segments, 2);
    cr_expect_eq(deleted.bytes, 2 * 1700);
    cr_expect_eq(log_start_offset(fx.log), 20);
    cr_expect_eq(log_size_bytes(fx.log), 15 * 170);
    cr_expect(file_exists(&fx, "00000000000000000010.log.deleted"));
    cr_expect_not(file_exists(&fx, "00000000000000000010.log"));
    fx.config.file_delete_delay_ms = 60000;
    advance(&fx, 60001);
    plain_io_settle(&fx.plain);
    cr_expect_not(file_exists(&fx, "00000000000000000010.log.deleted"));
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 20, &st), 35);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_start_offset(fx.log), 20);
    fixture_release(&fx);
}

Test(retention, files_stay_that_are_to_stay_for_ever) {
    static const int64_t delays_ms[] = {INT64_MAX, INT64_MAX / 1000 + 1, INT64_MAX / 500 + 1};
    for (size_t i = 0; i < COUNT(delays_ms); i++) {
        struct fixture fx;
        make_log(&fx, 35, NOW - WEEK - 20);
        fx.config.file_delete_delay_ms = delays_ms[i];
        cr_expect_eq(retain(&fx, 35).segments, 2);
        advance(&fx, 60001);
        plain_io_settle(&fx.plain);
        cr_expect(file_exists(&fx, "00000000000000000010.log.deleted"), "row %zu", i);
        fixture_release(&fx);
    }
}

/* Its octets are read by whoever still has it open. */
Test(retention, a_segment_that_is_not_read_goes_in_steps) {
    for (int is_read = 0; is_read < 2; is_read++) {
        struct fixture fx;
        make_log(&fx, 35, NOW - WEEK - 20);
        struct log_read read;
        if (is_read) fixture_read(&fx, &read, 10, 20, 1000, true);
        fx.config.file_delete_delay_ms = 60000;
        cr_expect_eq(retain(&fx, 35).segments, 2);
        fixture_count_cuts(&fx, 500);
        for (int i = 0; i < 20; i++) {
            advance(&fx, 60001);
            plain_io_settle(&fx.plain);
        }
        fx.plain.fault = NULL;
        cr_expect_not(file_exists(&fx, "00000000000000000010.log.deleted"));
        cr_expect_eq(fx.cuts, is_read ? 3 : 6, "read %d: %u steps", is_read, fx.cuts);
        cr_expect_eq(fx.uneven_cuts, 0, "the kernel clears what lies across a cut");
        if (is_read) log_read_release(&read);
        fixture_release(&fx);
    }
}

/* A backup by hard links keeps what it was made of. */
Test(retention, a_segment_with_another_name_is_unlinked_whole) {
    struct fixture fx;
    make_log(&fx, 35, NOW - WEEK - 20);
    fx.dir.removal_step_bytes = 500;
    char there[128], backup[128];
    (void)snprintf(there, sizeof there, "%s/t-0/00000000000000000010.log", fx.path);
    (void)snprintf(backup, sizeof backup, "%s/t-0/backup", fx.path);
    cr_assert_eq(link(there, backup), 0);
    fx.config.file_delete_delay_ms = 60000;
    cr_expect_eq(retain(&fx, 35).segments, 2);
    for (int i = 0; i < 20; i++) {
        advance(&fx, 60001);
        plain_io_settle(&fx.plain);
    }
    cr_expect_not(file_exists(&fx, "00000000000000000010.log.deleted"));
    size_t len = 0;
    free(file_read(&fx, "backup", &len));
    cr_expect_eq(len, 1700);
    fixture_release(&fx);
}

/* What is at work goes after the pause it is in, what waits stays for the next start. */
Test(retention, a_stop_does_not_wait_for_the_steps) {
    struct fixture fx;
    make_log(&fx, 35, NOW - WEEK - 20);
    fx.config.file_delete_delay_ms = 0;
    fixture_count_cuts(&fx, 10);
    cr_assert_eq(retain(&fx, 19).segments, 1);
    plain_io_settle(&fx.plain);
    fx.config.file_delete_delay_ms = 60000;
    cr_assert_eq(retain(&fx, 35).segments, 1);
    cr_assert_eq(fx.cuts, 1, "%u: the first is at work", fx.cuts);
    fixture_end_removals(&fx);
    for (int i = 0; i < 10; i++) (void)plain_io_turn(&fx.plain);
    cr_expect_not(fx.removals_ended, "its file is open");
    advance(&fx, REMOVAL_PAUSE_US / 1000 + 1);
    for (int i = 0; i < 10; i++) (void)plain_io_turn(&fx.plain);
    cr_assert(fx.removals_ended, "%u steps", fx.cuts);
    cr_expect_eq(fx.cuts, 1, "%u steps", fx.cuts);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".log.deleted"));
    size_t len = 0;
    free(file_read(&fx, "00000000000000000010.log.deleted", &len));
    cr_expect_eq(len, 1700);
    fixture_release(&fx);
}

Test(retention, a_log_that_is_old_as_a_whole_goes_on_in_an_empty_segment) {
    struct fixture fx;
    make_log(&fx, 35, NOW - 2 * WEEK);
    struct retained deleted = retain(&fx, 35);
    cr_expect_eq(deleted.segments, 4);
    cr_expect_eq(log_start_offset(fx.log), 35);
    cr_expect_eq(log_segment_count(fx.log), 1);
    cr_expect_eq(log_size_bytes(fx.log), 0);
    cr_expect(file_exists(&fx, "00000000000000000035.log"));
    fixture_fill(&fx, 3);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 35, &st), 38);
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_eq(log_start_offset(fx.log), 35);
    cr_expect_eq(log_end(fx.log), 38);
    fixture_release(&fx);
}

Test(retention, nothing_above_the_high_watermark_goes) {
    struct fixture fx;
    make_log(&fx, 35, NOW - 2 * WEEK);
    cr_expect_eq(retain(&fx, 19).segments, 1);
    cr_expect_eq(log_start_offset(fx.log), 10);
    fixture_release(&fx);
}

Test(retention, what_is_not_durable_stays) {
    struct fixture fx;
    make_log(&fx, 15, NOW - 2 * WEEK);
    for (int i = 0; i < 20; i++) cr_assert_eq(fixture_append(&fx, 1, 100, NOW - 2 * WEEK), ST_OK);
    cr_expect_eq(log_durable_end(fx.log), 15);
    cr_expect_eq(retain(&fx, 35).segments, 1);
    fixture_release(&fx);
}

Test(retention, what_this_process_appended_with_nanoseconds_goes_by_its_monotonic_age) {
    struct fixture fx;
    make_log(&fx, 15, NOW * 1000000);
    set_clock(&fx, NOW + TEN_YEARS);
    cr_expect_eq(retain(&fx, 15).segments, 0, "a step ahead deletes nothing");
    set_clock(&fx, NOW - TEN_YEARS);
    cr_expect_eq(retain(&fx, 15).segments, 0, "nor a step back");
    set_clock(&fx, NOW);
    advance(&fx, WEEK);
    cr_expect_eq(retain(&fx, 15).segments, 0);
    advance(&fx, 1);
    cr_expect_eq(retain(&fx, 15).segments, 2);
    fixture_release(&fx);
}

static void set_file_time(const struct fixture *fx, const char *name, int64_t ms) {
    char path[256];
    struct timespec times[2] = {{.tv_sec = ms / 1000}, {.tv_sec = ms / 1000}};
    snprintf(path, sizeof path, "%s/t-0/%s", fx->path, name);
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

Test(retention, what_was_there_before_without_timestamps_goes_by_its_files_time) {
    struct fixture fx;
    make_log(&fx, 15, -1);
    cr_assert_eq(fixture_crash(&fx, 15), ST_OK);
    set_file_time(&fx, SEGMENT_0 ".log", NOW - 2 * WEEK);
    set_file_time(&fx, "00000000000000000010.log", NOW);
    cr_expect_eq(retain(&fx, 15).segments, 1);
    cr_expect_eq(log_start_offset(fx.log), 10);
    fixture_release(&fx);
}

static int no_renames(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    return call->kind == PLAIN_RENAME ? -ENOSPC : 0;
}

Test(retention, a_disk_without_room_for_a_longer_name_gets_it_by_removal) {
    struct fixture fx;
    make_log(&fx, 35, NOW - 2 * WEEK);
    fx.plain.fault = no_renames;
    cr_expect_eq(retain(&fx, 35).segments, 4);
    fx.plain.fault = NULL;
    cr_expect_not(log_is_offline(fx.log));
    cr_expect_eq(log_start_offset(fx.log), 35);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".log"));
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".log.deleted"));
    fixture_release(&fx);
}

/* What must be durable before the first segment loses its name, in this order. */
static const char *secured;
static int note_secured(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    bool is_snapshot = call->kind == PLAIN_OPEN && strstr(call->path, "30.snapshot") != NULL;
    if (is_snapshot) secured = "opened";
    if (call->kind == PLAIN_SYNC && strcmp(secured, "opened") == 0) secured = "synced";
    if (call->kind == PLAIN_DIR_SYNC && strcmp(secured, "synced") == 0) secured = "named";
    if (call->kind == PLAIN_RENAME && strstr(call->path2, ".log.deleted") != NULL &&
        strcmp(secured, "named") != 0)
        secured = "too late";
    return 0;
}

Test(retention, what_is_known_of_producers_is_durable_before_their_batches_go) {
    struct fixture fx;
    make_log(&fx, 35, NOW - DAY);
    fx.config.retention_bytes = 1;
    secured = "";
    fx.plain.fault = note_secured;
    cr_expect_eq(retain(&fx, 35).segments, 3);
    fx.plain.fault = NULL;
    cr_expect_str_eq(secured, "named");
    fixture_release(&fx);
}

Test(retention, settings_that_change_act_at_the_next_check) {
    struct fixture fx;
    make_log(&fx, 35, NOW - DAY);
    cr_expect_eq(retain(&fx, 35).segments, 0);
    fx.config.retention_bytes = 2 * 1700;
    cr_expect_eq(retain(&fx, 35).segments, 1);
    fx.config.retention_bytes = -1;
    fx.config.retention_ms = HOUR;
    fx.config.cleanup_policy = CLEANUP_COMPACT;
    cr_expect_eq(retain(&fx, 35).segments, 0);
    fx.config.cleanup_policy = CLEANUP_COMPACT | CLEANUP_DELETE;
    cr_expect_eq(retain(&fx, 35).segments, 3);
    fixture_release(&fx);
}

Test(retention, segments_below_a_start_from_the_checkpoint_go) {
    struct fixture fx;
    make_log(&fx, 35, NOW - HOUR);
    fx.open.log_start = 25;
    cr_assert_eq(fixture_crash(&fx, 35), ST_OK);
    cr_expect_eq(log_first_base_offset(fx.log), 0);
    fx.config.cleanup_policy = CLEANUP_COMPACT;
    cr_expect_eq(retain(&fx, 35).segments, 2);
    cr_expect_eq(log_first_base_offset(fx.log), 20);
    cr_expect_eq(log_start_offset(fx.log), 25);
    fixture_release(&fx);
}

static int appends_at_create;
static struct test_append late;
static int append_when_created(struct plain_io *plain, const struct plain_call *call) {
    struct fixture *fx = plain->fault_context;
    bool creates = call->kind == PLAIN_OPEN && strstr(call->path, "/00000000000000000015.log");
    if (creates && appends_at_create++ == 0) {
        cr_assert_eq(log_append(fx->log, &late.append), ST_OK);
    }
    return 0;
}

Test(retention, an_append_at_the_last_moment_is_kept) {
    struct fixture fx;
    make_log(&fx, 15, NOW - 2 * WEEK);
    append_prepare(&fx, &late, 1, 100, NOW);
    cr_assert_eq(fixture_crash(&fx, 15), ST_OK);
    fx.plain.deferred = true;
    fx.plain.fault = append_when_created;
    fx.plain.fault_context = &fx;
    appends_at_create = 0;
    struct retained deleted = {0};
    cr_assert_eq(fixture_retain(&fx, 16, &deleted), ST_OK);
    fx.plain.fault = NULL;
    plain_io_settle(&fx.plain);
    cr_expect_eq(appends_at_create > 0, true);
    cr_expect_leq(log_start_offset(fx.log), 15);
    cr_expect_eq(log_end(fx.log), 16);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 15, &st), 16);
    cr_expect_eq(late.append.status, ST_OK);
    append_release(&late);
    fixture_release(&fx);
}
