/* tests/unit/log/ahead.c - room in advance: asked for by segments that grow, and given back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include "tests/unit/log/fixture.h"

#define SPARE_BLOCKS 16 /* what a file system rounds up to */

static struct stat stat_of(const struct fixture *fx) {
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/t-0/" SEGMENT_0 ".log", fx->path);
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    return st;
}

/* Octets on the disk behind the file's end. */
static bool has_room(const struct fixture *fx) {
    struct stat st = stat_of(fx);
    return st.st_blocks > st.st_size / 512 + SPARE_BLOCKS;
}

static void begin(struct fixture *fx) {
    fixture_init(fx);
    fx->dir.room_from = 64 << 10;
    cr_assert_eq(fixture_open(fx), ST_OK);
}

static void fill(struct fixture *fx, uint64_t bytes) {
    while (log_size_bytes(fx->log) < bytes) {
        cr_assert_eq(fixture_append(fx, 1, 1000, 1), ST_OK);
        plain_io_settle(&fx->plain);
    }
}

Test(ahead, a_segment_that_grows_gets_room_and_is_no_longer_than_its_batches) {
    struct fixture fx;
    begin(&fx);
    fill(&fx, 60 << 10);
    cr_expect_eq(fx.plain.counts[PLAIN_ALLOCATE], 0, "small ones ask for none");
    fill(&fx, 256 << 10);
    uint64_t asked = fx.plain.counts[PLAIN_ALLOCATE];
    cr_expect(asked > 3 && asked < 20, "%llu", (unsigned long long)asked);
    cr_expect(has_room(&fx));
    cr_expect_eq(stat_of(&fx).st_size, (long)log_size_bytes(fx.log));
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), log_end(fx.log));
    fixture_release(&fx);
}

Test(ahead, a_roll_gives_back_what_is_left) {
    struct fixture fx;
    begin(&fx);
    fill(&fx, 200 << 10);
    cr_assert(has_room(&fx));
    fx.config.segment_bytes = 200 << 10;
    while (log_segment_count(fx.log) == 1) cr_assert_eq(fixture_append(&fx, 1, 1000, 1), ST_OK);
    plain_io_settle(&fx.plain);
    cr_expect_not(has_room(&fx));
    fixture_release(&fx);
}

Test(ahead, a_close_gives_back_what_is_left) {
    struct fixture fx;
    begin(&fx);
    fill(&fx, 200 << 10);
    cr_assert(has_room(&fx));
    cr_assert_eq(fixture_close(&fx), ST_OK);
    cr_expect_not(has_room(&fx));
    fixture_release(&fx);
}

Test(ahead, a_recovery_gives_back_what_a_kill_left) {
    struct fixture fx;
    begin(&fx);
    fill(&fx, 200 << 10);
    int64_t end = log_end(fx.log);
    fixture_kill(&fx);
    cr_assert(has_room(&fx));
    cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
    cr_expect_not(has_room(&fx));
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), end);
    fixture_release(&fx);
}

static int refuse_room(struct plain_io *plain, const struct plain_call *call) {
    const int *why = plain->fault_context;
    return call->kind == PLAIN_ALLOCATE ? *why : 0;
}

Test(ahead, a_segment_that_is_refused_room_asks_no_more_and_grows) {
    static int reasons[] = {-ENOSPC, -EOPNOTSUPP, -EIO};
    for (size_t i = 0; i < COUNT(reasons); i++) {
        struct fixture fx;
        begin(&fx);
        fx.plain.fault = refuse_room;
        fx.plain.fault_context = &reasons[i];
        fill(&fx, 300 << 10);
        cr_expect_eq(fx.plain.counts[PLAIN_ALLOCATE], 1);
        cr_expect_eq(fx.failure_calls, 0, "it is a wish");
        cr_expect_not(has_room(&fx));
        fixture_release(&fx);
    }
}

Test(ahead, a_directory_that_is_short_of_room_is_not_asked) {
    struct fixture fx;
    begin(&fx);
    fx.dir.is_short = true;
    fill(&fx, 200 << 10);
    cr_expect_eq(fx.plain.counts[PLAIN_ALLOCATE], 0);
    fx.dir.is_short = false;
    fill(&fx, 210 << 10);
    cr_expect_eq(fx.plain.counts[PLAIN_ALLOCATE], 1);
    fixture_release(&fx);
}

Test(ahead, no_room_beyond_what_a_segment_may_hold) {
    struct fixture fx;
    begin(&fx);
    fx.config.segment_bytes = 160 << 10;
    fill(&fx, 150 << 10);
    cr_expect_leq(stat_of(&fx).st_blocks, (160 << 10) / 512 + SPARE_BLOCKS);
    fixture_release(&fx);
}
