/* tests/unit/log/full.c - a file system without room: appends are undone, the log stays online. */
#include <criterion/criterion.h>
#include <errno.h>
#include "tests/unit/log/fixture.h"

/* Fails calls of one kind with ENOSPC while there is no room; writes leave a part behind. */
static struct {
    enum plain_kind kind;
    bool full;
} room;

static int no_room(struct plain_io *plain, const struct plain_call *call) {
    if (!room.full || call->kind != room.kind) return 0;
    if (call->kind == PLAIN_OPEN && strstr(call->path, ".log") == NULL) return 0;
    return -ENOSPC;
}

static void start(struct fixture *fx, enum plain_kind kind) {
    fixture_init(fx);
    fx->config.segment_bytes = 510; /* three batches */
    cr_assert_eq(fixture_open(fx), ST_OK);
    fixture_fill(fx, 2);
    room.kind = kind;
    room.full = true;
    fx->plain.fault = no_room;
}

static void pass(struct fixture *fx, uint64_t us) {
    fx->plain.io.now.mono_us += us;
    plain_io_settle(&fx->plain);
}

Test(full, a_write_without_room_is_undone_and_the_next_one_takes_its_offset) {
    struct fixture fx;
    start(&fx, PLAIN_WRITE);
    cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_NO_SPACE);
    cr_expect_not(log_is_offline(fx.log));
    cr_expect_eq(log_end(fx.log), 2);
    cr_expect_eq(log_assigned_end(fx.log), 2);
    cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_NO_SPACE, "until it is undone");
    room.full = false;
    pass(&fx, 1000000);
    cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    cr_expect_eq(log_end(fx.log), 3);
    cr_expect_eq(fx.failure_calls, 0);
    cr_expect_eq(fx.dir.full_count, 1);
    fixture_release(&fx);
}

Test(full, a_segment_that_cannot_be_made_is_made_later) {
    struct fixture fx;
    start(&fx, PLAIN_OPEN);
    cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_OK, "it fits into the first");
    cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_NO_SPACE);
    cr_expect_eq(log_segment_count(fx.log), 1);
    room.full = false;
    pass(&fx, 1000000);
    cr_expect_eq(fixture_append(&fx, 1, 100, 1), ST_OK);
    cr_expect_eq(log_segment_count(fx.log), 2);
    cr_expect_eq(log_end(fx.log), 4);
    fixture_release(&fx);
}

Test(full, a_log_that_must_go_on_waits_for_room) {
    struct fixture fx;
    struct test_append a;
    fixture_init(&fx);
    fx.open.waits_for_room = true;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 2);
    room.kind = PLAIN_WRITE;
    room.full = true;
    fx.plain.fault = no_room;
    append_prepare(&fx, &a, 1, 100, 1);
    cr_assert_eq(log_append(fx.log, &a.append), ST_OK);
    for (int i = 0; i < 5; i++) pass(&fx, 1000000);
    cr_expect_eq(a.order, 0, "it waits");
    room.full = false;
    for (int i = 0; i < 2; i++) pass(&fx, 1000000);
    cr_expect(a.order > 0);
    cr_expect_eq(a.append.status, ST_OK);
    cr_expect_eq(log_end(fx.log), 3);
    append_release(&a);
    fixture_release(&fx);
}
