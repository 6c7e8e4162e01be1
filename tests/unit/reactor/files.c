/* tests/unit/reactor/files.c - what base/io.h promises about files, over the ring, inline, and by
 * workers; at both kernel levels. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/unit/reactor/harness.h"

static struct reactor_options level(uint32_t l) {
    return (struct reactor_options){.uring_level = l};
}

static int64_t write_all(struct job *job, int fd, const struct iovec *iov, int count,
                         uint64_t offset, unsigned flags, struct io_disk *disk) {
    return job_wait(job, io_write(job_io(job), job_op(job), fd, iov, count, offset, flags, disk));
}

static void round_trip(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    int fd = -1;
    const char *path = harness_path("file");
    cr_expect_eq(job_open(job, path, IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE, 0640, &fd),
                 ST_OK);
    static const struct {
        const char *name;
        unsigned flags;
    } ways[] = {{"ring", 0},
                {"inline", IO_INLINE},
                {"durable", IO_DURABLE},
                {"durable wins", IO_DURABLE | IO_INLINE}};
    uint64_t offset = 0;
    struct io_disk disk = {0};
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct iovec iov[] = {{"", 0},        {"first ", 6},  {"", 0},
                              {"second ", 7}, {"third\n", 6}, {"", 0}};
        int64_t wrote = write_all(job, fd, iov, COUNT(iov), offset, ways[i].flags, &disk);
        cr_expect_eq(wrote, 19, "%s: wrote %lld", ways[i].name, (long long)wrote);
        char text[64] = {0};
        int64_t got = job_wait(job, io_read(io, job_op(job), fd, text, sizeof text, offset,
                                            (i & 1) != 0 ? IO_INLINE : 0));
        cr_expect_eq(got, 19, "%s: read %lld up to the end", ways[i].name, (long long)got);
        cr_expect_str_eq(text, "first second third\n", "%s", ways[i].name);
        offset += 19;
    }
    cr_expect_eq(disk.inline_writes, 1);
    cr_expect_eq(disk.ring_writes, 3);
    cr_expect_eq(job_wait(job, io_write(io, job_op(job), fd, NULL, 0, 0, 0, NULL)), 0,
                 "nothing to write");
    char none;
    cr_expect_eq(job_wait(job, io_read(io, job_op(job), fd, &none, 1, 4096, IO_INLINE)), 0,
                 "past the end, inline");
    cr_expect_eq(job_wait(job, io_read(io, job_op(job), fd, &none, 1, 4096, 0)), 0,
                 "past the end, by the ring");
    cr_expect_eq(job_sync(job, fd, 0), ST_OK);
    cr_expect_eq(job_sync(job, fd, IO_ALL), ST_OK);
    cr_expect_eq(job_wait(job, io_sync_fs(io, job_op(job), fd)), 0);
    cr_expect_eq(job_wait(job, io_forget(io, job_op(job), fd)), 0);
    cr_expect_eq(job_truncate(job, fd, 5), ST_OK);
    struct io_stat stat;
    cr_expect_eq(job_stat(job, path, &stat), ST_OK);
    cr_expect_eq(stat.size_bytes, 5);
    cr_expect_eq(stat.kind, IO_FILE);
    cr_expect_eq(stat.mode, 0640);
    cr_expect_eq(stat.link_count, 1);
    const char *backup = harness_path("backup");
    cr_assert_eq(link(path, backup), 0);
    cr_expect_eq(job_stat(job, path, &stat), ST_OK);
    cr_expect_eq(stat.link_count, 2);
    cr_expect_eq(job_unlink(job, backup), ST_OK);
    cr_expect_leq(llabs(stat.modified_ms - io_now(io).wall_ms), 60000);
    cr_expect_eq(job_wait(job, io_allocate(io, job_op(job), fd, 0, 100000, 0)), 0);
    cr_expect_eq(job_stat(job, path, &stat), ST_OK);
    cr_expect_eq(stat.size_bytes, 100000);
    cr_expect_eq(job_wait(job, io_close(io, job_op(job), fd)), 0);
    cr_expect_eq(job_wait(job, io_close(io, job_op(job), fd)), -EBADF, "closed twice");
    const char *other = harness_path("other");
    cr_expect_eq(job_rename(job, path, other), ST_OK);
    cr_expect_eq(job_stat(job, path, &stat), ST_NOT_FOUND);
    cr_expect_eq(job_dir_sync(job, harness_now()->dir), ST_OK);
    cr_expect_eq(job_unlink(job, other), ST_OK);
    cr_expect_eq(job_unlink(job, other), ST_NOT_FOUND);
}

Test(files, written_octets_are_read_back_by_every_way) {
    for (size_t i = 0; i < 2; i++) {
        struct reactor_options options = level(LEVELS[i]);
        harness_run(&options, round_trip, NULL);
    }
}

static void open_flags(struct job *job, void *argument) {
    (void)argument;
    int fd = -1;
    const char *path = harness_path("file");
    static const struct {
        const char *name;
        unsigned flags;
        bool directory;
        enum status want;
        uint64_t size_after;
    } rows[] = {
        {"missing", IO_READ, false, ST_NOT_FOUND, 0},
        {"created", IO_WRITE | IO_CREATE, false, ST_OK, 3},
        {"there already", IO_WRITE | IO_CREATE | IO_EXCLUSIVE, false, ST_EXISTS, 3},
        {"created again is opened", IO_WRITE | IO_CREATE, false, ST_OK, 3},
        {"read only", IO_READ, false, ST_OK, 3},
        {"cut", IO_READ | IO_WRITE | IO_TRUNCATE, false, ST_OK, 0},
        {"a file is no directory", IO_READ | IO_DIRECTORY, false, ST_NOT_FOUND, 0},
        {"a directory", IO_READ | IO_DIRECTORY, true, ST_OK, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum status st =
            job_open(job, rows[i].directory ? harness_now()->dir : path, rows[i].flags, 0600, &fd);
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        if (st != ST_OK) continue;
        cr_expect_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "%s: not inherited",
                     rows[i].name);
        if (i == 1) cr_expect_eq(job_write(job, fd, "abc", 3, 0), ST_OK);
        struct iovec x = {"x", 1};
        bool writable = write_all(job, fd, &x, 1, 0, 0, NULL) == 1;
        bool want_writable = (rows[i].flags & IO_WRITE) != 0;
        cr_expect_eq(writable, want_writable, "%s: writable %d", rows[i].name, writable);
        struct io_stat stat = {0};
        cr_expect_eq(job_stat(job, path, &stat), ST_OK);
        uint64_t want = rows[i].size_after + ((rows[i].flags & IO_TRUNCATE) != 0 ? 1 : 0);
        if (!rows[i].directory)
            cr_expect_eq(stat.size_bytes, want, "%s: %zu octets", rows[i].name,
                         (size_t)stat.size_bytes);
        job_close(job, fd);
    }
}

Test(files, open_flags_mean_what_they_say) {
    harness_run(&(struct reactor_options){0}, open_flags, NULL);
}

static void directories(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct io_listing listing;
    cr_expect_eq(job_list(job, harness_now()->dir, &listing), ST_OK);
    cr_expect_eq(listing.count, 0, "empty");
    io_listing_free(io->mem, &listing);
    cr_expect_eq(job_mkdir(job, harness_path("sub"), 0700), ST_OK);
    cr_expect_eq(job_mkdir(job, harness_path("sub"), 0700), ST_EXISTS);
    static const char *const names[] = {"zebra", "00000000000000000010.log",
                                        "00000000000000000009.log", "A", "a"};
    for (size_t i = 0; i < COUNT(names); i++) {
        int fd = -1;
        cr_expect_eq(job_open(job, harness_path(names[i]), IO_WRITE | IO_CREATE, 0600, &fd), ST_OK);
        job_close(job, fd);
    }
    cr_expect_eq(symlink("nowhere", harness_path("link")), 0);
    size_t used_before = io->mem->used_bytes;
    cr_expect_eq(job_list(job, harness_now()->dir, &listing), ST_OK);
    static const struct io_entry want[] = {{"00000000000000000009.log", IO_FILE},
                                           {"00000000000000000010.log", IO_FILE},
                                           {"A", IO_FILE},
                                           {"a", IO_FILE},
                                           {"link", IO_OTHER},
                                           {"sub", IO_DIR},
                                           {"zebra", IO_FILE}};
    cr_expect_eq(listing.count, COUNT(want));
    for (size_t i = 0; i < COUNT(want) && i < listing.count; i++) {
        cr_expect_str_eq(listing.entries[i].name, want[i].name);
        cr_expect_eq(listing.entries[i].kind, want[i].kind, "%s", want[i].name);
    }
    cr_expect_eq(io->mem->used_bytes, used_before + listing.bytes, "charged to the shard");
    io_listing_free(io->mem, &listing);
    cr_expect_eq(io->mem->used_bytes, used_before, "and given back");
    io->mem->limit_bytes = io->mem->used_bytes + 10;
    cr_expect_eq(job_list(job, harness_now()->dir, &listing), ST_NOMEM, "beyond the budget");
    io->mem->limit_bytes = 0;
    cr_expect_eq(job_list(job, harness_path("none"), &listing), ST_NOT_FOUND);
    cr_expect_eq(job_rmdir(job, harness_now()->dir), ST_EXISTS, "not empty");
    cr_expect_eq(job_rmdir(job, harness_path("sub")), ST_OK);
    struct io_statfs fs = {0};
    cr_expect_eq(job_wait(job, io_statfs(io, job_op(job), harness_now()->dir, &fs)), 0);
    cr_expect_gt(fs.total_bytes, fs.free_bytes);
    cr_expect_neq(fs.device, 0);
    cr_expect_eq(job_dir_sync(job, harness_path("none")), ST_NOT_FOUND);
}

Test(files, directories_are_made_listed_in_order_and_removed) {
    harness_run(&(struct reactor_options){0}, directories, NULL);
}

static void locking(struct job *job, void *argument) {
    (void)argument;
    int fd = -1;
    const char *path = harness_path(".lock");
    cr_expect_eq(job_open(job, path, IO_READ | IO_WRITE | IO_CREATE, 0600, &fd), ST_OK);
    int ready[2], leave[2];
    cr_expect_eq(pipe(ready), 0);
    cr_expect_eq(pipe(leave), 0);
    pid_t child = fork();
    if (child == 0) { /* another process that holds it until it is told to leave */
        char c = 'n';
        int mine = open(path, O_RDWR);
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (mine >= 0 && fcntl(mine, F_SETLK, &whole) == 0) c = 'y';
        close(leave[1]);
        (void)!write(ready[1], &c, 1);
        (void)!read(leave[0], &c, 1);
        _exit(0);
    }
    char c = 0;
    cr_expect_eq(read(ready[0], &c, 1), 1);
    cr_expect_eq(c, 'y');
    cr_expect_eq(job_lock(job, fd), ST_BUSY, "somebody else holds it");
    close(leave[1]);
    cr_expect_eq(waitpid(child, NULL, 0), child);
    cr_expect_eq(job_lock(job, fd), ST_OK, "free");
    cr_expect_eq(job_lock(job, fd), ST_OK, "held by this process already");
    job_close(job, fd);
}

Test(files, a_lock_that_another_process_holds_is_refused) {
    harness_run(&(struct reactor_options){0}, locking, NULL);
}

static void helpers(struct job *job, void *argument) {
    (void)argument;
    const char *path = harness_path("checkpoint");
    char *data = NULL;
    size_t len = 0;
    cr_expect_eq(job_read_file(job, path, 100, &data, &len), ST_NOT_FOUND);
    for (int i = 0; i < 3; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "version %d", i);
        cr_expect_eq(job_replace_file(job, harness_now()->dir, path, text, (size_t)n, 0600), ST_OK);
        cr_expect_eq(job_read_file(job, path, 100, &data, &len), ST_OK);
        cr_expect_eq(len, (size_t)n);
        cr_expect_str_eq(data, text);
        mem_free(job_mem(job), data, len + 1);
    }
    cr_expect_eq(job_read_file(job, path, 3, &data, &len), ST_TOO_LARGE);
    int fd = -1;
    cr_expect_eq(job_open(job, path, IO_READ, 0, &fd), ST_OK);
    char text[64];
    cr_expect_eq(job_read(job, fd, text, sizeof text, 0), ST_SHORT);
    job_close(job, fd);
}

Test(files, jobs_replace_and_read_small_files) {
    harness_run(&(struct reactor_options){0}, helpers, NULL);
}

enum { MANY = 3000, BLOCK = 512 };
struct many {
    struct io_op ops[MANY];
    struct job *job;
    int under_way;
    int64_t errors;
};
static struct many many;

static void many_done(struct io_op *op) {
    if (op->result != BLOCK) many.errors++;
    if (--many.under_way == 0) job_wake(many.job);
}

/* Far more operations than submission entries, started in one turn. */
static void ring_full(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    static uint8_t out[MANY][BLOCK], in[MANY][BLOCK];
    struct prng prng;
    prng_seed(&prng, 7);
    prng_fill(&prng, out, sizeof out);
    int fd = -1;
    cr_expect_eq(job_open(job, harness_path("many"), IO_READ | IO_WRITE | IO_CREATE, 0600, &fd),
                 ST_OK);
    many = (struct many){.job = job};
    static struct iovec iov[MANY];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            many.ops[i].done = many_done;
            iov[i] = (struct iovec){out[i], BLOCK};
            bool finished = round == 0
                                ? io_write(io, &many.ops[i], fd, &iov[i], 1, i * BLOCK, 0, NULL)
                                : io_read(io, &many.ops[i], fd, in[i], BLOCK, i * BLOCK, 0);
            if (!finished) many.under_way++;
        }
        cr_expect_gt(many.under_way, 0);
        job_suspend(job);
    }
    cr_expect_eq(many.errors, 0);
    cr_expect_arr_eq(in, out, sizeof out);
    cr_expect_gt(io->stats.ring_full, 0, "the submission queue was full at times");
    cr_expect_gt(io->stats.ring_overflows, 0, "and the completion queue");
    job_close(job, fd);
}

Test(files, more_operations_than_the_ring_has_entries_all_complete) {
    harness_run(&(struct reactor_options){.ring_entries = 16}, ring_full, NULL);
}

/* A writer of many short runs: more than one kernel call may take. */
static void many_runs(struct job *job, void *argument) {
    (void)argument;
    enum { RUNS = 5000 };
    static struct iovec iov[RUNS];
    static uint8_t out[RUNS * 7], in[RUNS * 7];
    struct prng prng;
    prng_seed(&prng, 3);
    prng_fill(&prng, out, sizeof out);
    size_t total = 0;
    for (size_t i = 0; i < RUNS; i++) {
        size_t len = prng_below(&prng, 8);
        iov[i] = (struct iovec){out + total, len};
        total += len;
    }
    struct io_disk disk = {0};
    for (unsigned flags = 0; flags <= IO_INLINE; flags++) {
        int fd = -1;
        cr_expect_eq(job_open(job, harness_path("runs"),
                              IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, 0600, &fd),
                     ST_OK);
        cr_expect_eq(write_all(job, fd, iov, RUNS, 3, flags, &disk), (int64_t)total);
        memset(in, 0, sizeof in);
        cr_expect_eq(job_read(job, fd, in, total, 3), ST_OK);
        cr_expect_arr_eq(in, out, total);
        job_close(job, fd);
    }
}

Test(files, a_write_of_thousands_of_runs_is_whole) {
    harness_run(&(struct reactor_options){0}, many_runs, NULL);
}

enum { DIRECT_MOST = 3 * IO_DIRECT_BYTES };

static void direct_reads(struct job *job, void *argument) {
    (void)argument;
    static _Alignas(IO_DIRECT_BYTES) uint8_t window[DIRECT_MOST];
    static uint8_t octets[DIRECT_MOST];
    static const struct {
        const char *name;
        size_t size_bytes;
        uint64_t offset;
        size_t len;
        int64_t want;
    } rows[] = {
        {"a file of three octets", 3, 0, IO_DIRECT_BYTES, 3},
        {"a file that ends with the window", DIRECT_MOST, 0, DIRECT_MOST, DIRECT_MOST},
        {"a file that goes on behind it", DIRECT_MOST, 0, IO_DIRECT_BYTES, IO_DIRECT_BYTES},
        {"an end at a block", IO_DIRECT_BYTES, 0, DIRECT_MOST, IO_DIRECT_BYTES},
        {"an end within the second block", IO_DIRECT_BYTES + 700, 0, DIRECT_MOST,
         IO_DIRECT_BYTES + 700},
        {"an end within a sector", IO_DIRECT_BYTES + 1, IO_DIRECT_BYTES, IO_DIRECT_BYTES, 1},
        {"behind the end", 3, IO_DIRECT_BYTES, IO_DIRECT_BYTES, 0},
    };
    const char *path = harness_path("direct");
    for (size_t i = 0; i < sizeof octets; i++) octets[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int fd = -1, direct = -1;
        cr_assert_eq(job_open(job, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, 0600, &fd), ST_OK);
        cr_assert_eq(job_write(job, fd, octets, rows[i].size_bytes, 0), ST_OK);
        job_close(job, fd); /* not synced */
        enum status st = job_open(job, path, IO_READ | IO_DIRECT, 0, &direct);
        if (st == ST_INVALID) return; /* this file system cannot */
        cr_assert_eq(st, ST_OK);
        memset(window, 0xa5, sizeof window);
        int64_t got = job_wait(job, io_read(job_io(job), job_op(job), direct, window, rows[i].len,
                                            rows[i].offset, IO_ALIGNED));
        cr_expect_eq(got, rows[i].want, "%s: got %lld", rows[i].name, (long long)got);
        if (got > 0)
            cr_expect_eq(memcmp(window, octets + rows[i].offset, (size_t)got), 0, "%s",
                         rows[i].name);
        job_close(job, direct);
    }
}

Test(files, what_is_read_past_the_page_cache_ends_with_the_file) {
    harness_run(&(struct reactor_options){0}, direct_reads, NULL);
}

static void replacing_together(struct job *job, void *argument) {
    (void)argument;
    char paths[3][512];
    struct job_replacement files[3];
    const char *dir = harness_now()->dir;
    for (int i = 0; i < 3; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/together-%d", dir, i);
        files[i] = (struct job_replacement){dir, paths[i], paths[i], strlen(paths[i]), 0600};
    }
    cr_expect_eq(job_replace_files(job, files, 3), ST_OK);
    for (int i = 0; i < 3; i++) {
        char *data = NULL;
        size_t len = 0;
        cr_assert_eq(job_read_file(job, paths[i], 4096, &data, &len), ST_OK);
        cr_expect_str_eq(data, paths[i], "each has its own contents");
        mem_free(job_mem(job), data, len + 1);
    }
    files[1].path = harness_path("missing/file");
    files[0].data = "new";
    cr_expect_eq(job_replace_files(job, files, 3), ST_NOT_FOUND, "one cannot be written");
    struct io_stat stat;
    cr_expect_eq(job_stat(job, paths[0], &stat), ST_OK);
    cr_expect_eq(stat.size_bytes, strlen(paths[0]), "and none is replaced");
    struct job_sync syncs[] = {{.dir = dir}, {.fd = 999}, {.dir = dir}};
    cr_expect_eq(job_sync_all(job, syncs, 3), ST_IO, "one of several syncs fails");
    cr_expect_eq(job_sync_all(job, syncs, 1), ST_OK);
}

Test(files, jobs_replace_several_files_together_or_none_of_them) {
    harness_run(&(struct reactor_options){0}, replacing_together, NULL);
}

/* One file again and again, each time with other octets than before. */
static void created_again(struct job *job, void *argument) {
    (void)argument;
    static const char *const rows[] = {"long and first", "shorter", "", "longer than all of it"};
    const char *path = harness_path("again");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct io_step steps[] = {{.kind = IO_STEP_CREATE,
                                   .path = path,
                                   .mode = 0640,
                                   .buf = (void *)(uintptr_t)rows[i],
                                   .len = strlen(rows[i])}};
        char *data = NULL;
        size_t len = 0;
        cr_assert_eq(job_steps(job, steps, 1), ST_OK);
        cr_expect_eq(steps[0].result, 0, "'%s'", rows[i]);
        cr_assert_eq(job_read_file(job, path, 4096, &data, &len), ST_OK);
        cr_expect_str_eq(data, rows[i]);
        mem_free(job_mem(job), data, len + 1);
    }
    struct io_step steps[] = {{.kind = IO_STEP_MKDIR, .path = harness_path("no/such")},
                              {.kind = IO_STEP_CREATE, .path = path, .needs_last = true}};
    cr_assert_eq(job_steps(job, steps, 2), ST_OK);
    cr_expect_eq(steps[0].result, -ENOENT);
    cr_expect_eq(steps[1].result, -ECANCELED, "it needs the one before");
}

Test(files, a_file_that_is_made_again_holds_what_it_is_made_of) {
    harness_run(&(struct reactor_options){0}, created_again, NULL);
}

static void failing(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    struct iovec x = {"x", 1};
    struct io_disk disk = {0};
    char c;
    cr_expect_eq(write_all(job, 999, &x, 1, 0, 0, NULL), -EBADF);
    cr_expect_eq(write_all(job, 999, &x, 1, 0, IO_INLINE, &disk), -EBADF);
    cr_expect_eq(job_wait(job, io_read(io, job_op(job), 999, &c, 1, 0, 0)), -EBADF);
    cr_expect_eq(job_wait(job, io_read(io, job_op(job), 999, &c, 1, 0, IO_INLINE)), -EBADF);
    cr_expect_eq(job_wait(job, io_sync(io, job_op(job), 999, 0)), -EBADF);
    cr_expect_eq(job_truncate(job, 999, 1), ST_IO);
    cr_expect_eq(job_wait(job, io_sync_fs(io, job_op(job), 999)), -EBADF);
    cr_expect_eq(job_wait(job, io_forget(io, job_op(job), 999)), -EBADF);
    cr_expect_eq(job_lock(job, 999), ST_IO);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_expect_eq(write_all(job, fd, &x, 1, 0, 0, NULL), -ENOSPC);
    cr_expect_eq(write_all(job, fd, &x, 1, 0, IO_INLINE, &disk), -ENOSPC);
    job_close(job, fd);
}

Test(files, errors_are_results) {
    for (size_t i = 0; i < 2; i++) {
        struct reactor_options options = level(LEVELS[i]);
        harness_run(&options, failing, NULL);
    }
}

static void stall(struct job *job, void *argument) {
    (void)argument;
    struct io_disk disk = {.ring_until_us = io_now(job_io(job)).mono_us + 10000000};
    int fd = -1;
    struct iovec x = {"x", 1};
    cr_expect_eq(job_open(job, harness_path("stalled"), IO_WRITE | IO_CREATE, 0600, &fd), ST_OK);
    cr_expect_eq(write_all(job, fd, &x, 1, 0, IO_INLINE, &disk), 1);
    cr_expect_eq(disk.ring_writes, 1, "while the directory is slow its writes go to the ring");
    disk.ring_until_us = 0;
    cr_expect_eq(write_all(job, fd, &x, 1, 0, IO_INLINE, &disk), 1);
    cr_expect_eq(disk.inline_writes, 1);
    job_close(job, fd);
}

static void write_in_lanes(struct job *job, void *argument) {
    (void)argument;
    struct io_disk disks[2] = {{.lane = 1}, {.lane = 2}};
    char block[3] = {'a', 'b', 'c'};
    struct iovec runs[3] = {{block, 1}, {block + 1, 1}, {block + 2, 1}};
    char text[16];
    int fd = -1;
    cr_expect_eq(job_open(job, harness_path("lane"), IO_READ | IO_WRITE | IO_CREATE, 0600, &fd),
                 ST_OK);
    for (unsigned i = 0; i < 4; i++)
        cr_expect_eq(write_all(job, fd, runs, 3, 3 * i, 0, &disks[i % 2]), 3);
    cr_expect_eq(job_read(job, fd, text, 12, 0), ST_OK);
    cr_expect_arr_eq(text, "abcabcabcabc", 12);
    for (unsigned i = 0; i < 2; i++) cr_expect_eq(disks[i].ring_writes, 2);
    job_close(job, fd);
    cr_expect_eq(job_open(job, harness_path("lane"), IO_READ, 0, &fd), ST_OK);
    cr_expect_eq(write_all(job, fd, runs, 3, 0, 0, &disks[0]), -EBADF);
    job_close(job, fd);
}

Test(files, a_directory_with_a_lane_is_written_by_its_thread) {
    harness_run(&(struct reactor_options){.lane_count = 2}, write_in_lanes, NULL);
}

Test(files, a_stalled_directory_is_written_by_the_ring) {
    harness_run(&(struct reactor_options){0}, stall, NULL);
}
