/* tests/unit/log/device.c - recovery believes what the device has, not what the page cache has. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/unit/log/fixture.h"

enum { BATCHES = 10 };

static void make_log(struct fixture *fx) {
    fixture_init(fx);
    cr_assert_eq(fixture_open(fx), ST_OK);
    fixture_fill(fx, BATCHES);
    fixture_sync(fx);
}

static uint32_t direct_reads;

/* As a device may after an error. */
static int end_direct_reads_early(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    if (call->kind != PLAIN_READ || call->len == 0 || call->len % IO_DIRECT_BYTES != 0) return 0;
    direct_reads++;
    return 512;
}

Test(device, a_read_that_ends_before_the_file_cuts_nothing) {
    struct fixture fx;
    size_t before = 0, after = 0;
    make_log(&fx);
    fixture_kill(&fx);
    free(file_read(&fx, SEGMENT_0 ".log", &before));
    direct_reads = 0;
    fx.plain.fault = end_direct_reads_early;
    enum status st = fixture_crash(&fx, 0);
    fx.plain.fault = NULL;
    if (direct_reads > 0) { /* else this file system has none */
        cr_expect_eq(st, ST_IO, "%s", status_name(st));
        free(file_read(&fx, SEGMENT_0 ".log", &after));
        cr_expect_eq(after, before, "%zu octets are left", after);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        cr_expect_eq(log_end(fx.log), BATCHES);
    }
    fixture_release(&fx);
}

static struct {
    bool refuses_direct;
    uint32_t forgotten, reads, early;
} device;

static bool is_segment(const char *path) {
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".log") == 0;
}

static int watch_device(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    char fd[32], path[256] = "";
    device.forgotten += call->kind == PLAIN_FORGET;
    if (call->kind == PLAIN_OPEN && device.refuses_direct && device.forgotten > 0 &&
        is_segment(call->path))
        return -EINVAL;
    if (call->kind != PLAIN_READ) return 0;
    (void)snprintf(fd, sizeof fd, "/proc/self/fd/%d", call->fd);
    if (readlink(fd, path, sizeof path - 1) < 0 || !is_segment(path)) return 0;
    device.reads++;
    device.early += device.forgotten == 0;
    return 0;
}

static uint32_t descriptor_count(void) {
    uint32_t count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* After a sync that failed the page cache may hold what the device has not. */
Test(device, forgets_what_the_page_cache_holds_before_it_reads) {
    for (int refuses = 0; refuses < 2; refuses++) {
        struct fixture fx;
        make_log(&fx);
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK);
        uint32_t before = descriptor_count();
        fixture_kill(&fx);
        memset(&device, 0, sizeof device);
        device.refuses_direct = refuses;
        fx.plain.fault = watch_device;
        cr_assert_eq(fixture_crash(&fx, 0), ST_OK, "refused %d", refuses);
        fx.plain.fault = NULL;
        cr_expect_eq(device.forgotten, 1, "refused %d: %u", refuses, device.forgotten);
        cr_expect_gt(device.reads, 0, "refused %d", refuses);
        cr_expect_eq(device.early, 0, "refused %d: %u of %u reads", refuses, device.early,
                     device.reads);
        cr_expect_eq(log_end(fx.log), BATCHES, "refused %d", refuses);
        cr_expect_eq(descriptor_count(), before, "refused %d: descriptors are left", refuses);
        fixture_release(&fx);
    }
}
