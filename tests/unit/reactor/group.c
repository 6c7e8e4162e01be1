/* tests/unit/reactor/group.c - making, refusing, starting and stopping groups of shards. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/unit/reactor/harness.h"

Test(group, options_out_of_bounds_are_refused_with_a_reason) {
    static const struct {
        const char *name;
        struct reactor_options options;
    } rows[] = {
        {"too many shards", {.shard_count = LIMIT_SHARDS + 1}},
        {"ring entries no power of two", {.ring_entries = 100}},
        {"buffer count no power of two", {.buffer_count = 3}},
        {"buffers too small", {.buffer_bytes = 1}},
        {"too many workers", {.worker_count = 1 << 20}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char error[REACTOR_ERROR_BYTES] = "";
        struct reactor_group *group = NULL;
        cr_expect_eq(reactor_group_new(&rows[i].options, &group, error, sizeof error), ST_INVALID,
                     "%s", rows[i].name);
        cr_expect_gt(strlen(error), 10, "%s", rows[i].name);
    }
}

#ifndef PLAIN_TESTS
/* As a container's seccomp profile does it; for this process, which is this test's own. */
static void forbid_io_uring(uint32_t error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(filter), .filter = filter};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void expect_refusal(uint32_t forced, enum status want, const char *word) {
    forbid_io_uring(forced);
    char error[REACTOR_ERROR_BYTES] = "";
    struct reactor_group *group = NULL;
    enum status st = reactor_group_new(&(struct reactor_options){0}, &group, error, sizeof error);
    cr_expect_eq(st, want, "got %s", status_name(st));
    cr_expect_not_null(strstr(error, word), "\"%s\" in: %s", word, error);
    cr_expect_null(strchr(error, '\n'), "one line: %s", error);
}

Test(group, a_seccomp_profile_is_named_as_the_likely_cause) {
    expect_refusal(EPERM, ST_BUSY, "seccomp");
}
Test(group, a_kernel_without_io_uring_is_named) {
    expect_refusal(ENOSYS, ST_UNSUPPORTED, "Linux 6.1");
}
Test(group, an_old_kernel_is_named) { expect_refusal(EINVAL, ST_UNSUPPORTED, "too old"); }
Test(group, a_memory_limit_is_named) { expect_refusal(ENOMEM, ST_NOMEM, "RLIMIT_MEMLOCK"); }
Test(group, a_descriptor_limit_is_named) { expect_refusal(EMFILE, ST_NOMEM, "RLIMIT_NOFILE"); }
#endif

static int open_descriptors(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) count++;
    closedir(dir);
    return count;
}

static _Atomic int starts;
static void count_start(struct io *io, void *argument) {
    starts++;
    cr_expect_eq(io->shard_count, *(uint16_t *)argument);
}

Test(group, groups_start_every_shard_and_leave_nothing_behind) {
    int before = open_descriptors();
    for (uint16_t count = 1; count <= 8; count *= 2) {
        starts = 0;
        struct reactor_group *group =
            harness_group(&(struct reactor_options){.shard_count = count});
        char error[REACTOR_ERROR_BYTES];
        cr_assert_eq(reactor_group_start(group, count_start, &count, error, sizeof error), ST_OK);
        reactor_group_stop(group, 1000);
        cr_expect_eq(starts, count);
        reactor_group_free(group);
        struct reactor_group *unused =
            harness_group(&(struct reactor_options){.shard_count = count});
        reactor_group_free(unused);
    }
    cr_expect_eq(open_descriptors(), before);
}

static struct {
    struct io_op op;
    int pipe[2];
    char c;
    _Atomic int64_t result;
} hanging;
static void hanging_done(struct io_op *op) { hanging.result = op->result; }
static void hang(struct io *io, void *argument) {
    (void)argument;
    hanging.op.done = hanging_done;
    cr_expect(!io_read(io, &hanging.op, hanging.pipe[0], &hanging.c, 1, 0, 0));
}

Test(group, what_is_still_under_way_after_the_grace_is_cancelled) {
    cr_assert_eq(pipe(hanging.pipe), 0);
    struct reactor_group *group = harness_group(&(struct reactor_options){0});
    char error[REACTOR_ERROR_BYTES];
    cr_assert_eq(reactor_group_start(group, hang, NULL, error, sizeof error), ST_OK);
    usleep(20000);
    reactor_group_stop(group, 50);
    cr_expect(hanging.result == -ECANCELED || hanging.result == -EINTR, "%lld",
              (long long)hanging.result);
    reactor_group_free(group);
}
