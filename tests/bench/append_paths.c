/* tests/bench/append_paths.c - what the ways to append to log files cost, and what rounds of making
 * them durable cost: the figures of docs/decisions/0001-append-path.md and 0006-sync-rounds.md.
 *
 *     bench-append-paths [DIRECTORY [SCALE [big]]]     (default: the current directory, 1)
 *
 * With "big" only the rounds of one file and many octets are measured.
 *
 * It makes its files in DIRECTORY and removes them. CPU is that of the whole process, the ring's
 * kernel workers among it; what the file system's own threads do (writeback, journal) is in
 * nobody's account. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 1024, SAMPLES_MAX = 1 << 16 };

static struct {
    struct io_uring ring;
    const char *dir;
    int fds[FILES_MAX];
    uint64_t offsets[FILES_MAX];
    uint8_t *data;
    double samples_us[SAMPLES_MAX];
    int foreign_fd;     /* somebody else's file in the same file system; -1: none */
    double foreign_cpu; /* what dirtying it cost */
} b = {.foreign_fd = -1};

enum { FOREIGN_BYTES = 32 << 20, DATA_BYTES = 8 << 20 };

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* Linux 6.14; not in the headers of Debian 12 */
#endif

static void check(bool ok, const char *what) {
    if (ok) return;
    (void)fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void file_name(char name[512], int i) {
    (void)snprintf(name, 512, "%s/append_paths.%d", b.dir, i);
}

static void open_files(int count) {
    for (int i = 0; i < count; i++) {
        char name[512];
        file_name(name, i);
        b.fds[i] = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        check(b.fds[i] >= 0, name);
        b.offsets[i] = 0;
        check(fsync(b.fds[i]) == 0, "fsync");
    }
}

static void close_files(int count) {
    for (int i = 0; i < count; i++) {
        char name[512];
        file_name(name, i);
        close(b.fds[i]);
        unlink(name);
    }
}

static struct io_uring_sqe *next_sqe(void) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b.ring);
    check(sqe != NULL, "the ring is full");
    return sqe;
}

static void wait_for(int count) {
    for (int i = 0; i < count; i++) {
        struct io_uring_cqe *cqe;
        int result = io_uring_wait_cqe(&b.ring, &cqe);
        errno = -(result < 0 ? result : cqe->res);
        check(result == 0 && cqe->res >= 0, "a completion");
        io_uring_cqe_seen(&b.ring, cqe);
    }
}

static int by_value(const void *a, const void *c) {
    double x = *(const double *)a, y = *(const double *)c;
    return x < y ? -1 : x > y;
}

/* --- one batch: an append to each of `files` files --- */

static void inline_writes(int files, unsigned bytes) {
    for (int i = 0; i < files; i++) {
        struct iovec run = {b.data, bytes};
        check(pwritev(b.fds[i], &run, 1, (off_t)b.offsets[i]) == (ssize_t)bytes, "pwritev");
    }
}

static void prepare_writes(int files, unsigned bytes, int rw_flags, uint8_t sqe_flags) {
    for (int i = 0; i < files; i++) {
        struct io_uring_sqe *sqe = next_sqe();
        io_uring_prep_write(sqe, b.fds[i], b.data, bytes, b.offsets[i]);
        sqe->rw_flags = rw_flags;
        sqe->flags = sqe_flags;
        if (sqe_flags != 0) io_uring_prep_fsync(next_sqe(), b.fds[i], IORING_FSYNC_DATASYNC);
    }
}

static void submit_and_wait(int count) {
    check(io_uring_submit_and_wait(&b.ring, (unsigned)count) >= 0, "io_uring_submit_and_wait");
    wait_for(count);
}

static void ring_writes(int files, unsigned bytes) {
    prepare_writes(files, bytes, 0, 0);
    submit_and_wait(files);
}

static void dsync_writes(int files, unsigned bytes) {
    prepare_writes(files, bytes, RWF_DSYNC, 0);
    submit_and_wait(files);
}

static void linked_writes(int files, unsigned bytes) {
    prepare_writes(files, bytes, 0, IOSQE_IO_LINK);
    submit_and_wait(files * 2);
}

static void prepare_syncs(int from, int to) {
    for (int i = from; i < to; i++)
        io_uring_prep_fsync(next_sqe(), b.fds[i], IORING_FSYNC_DATASYNC);
}

static void inline_then_ring_sync(int files, unsigned bytes) {
    inline_writes(files, bytes);
    prepare_syncs(0, files);
    submit_and_wait(files);
}

static void inline_then_sync(int files, unsigned bytes) {
    inline_writes(files, bytes);
    for (int i = 0; i < files; i++) check(fdatasync(b.fds[i]) == 0, "fdatasync");
}

static void inline_then_syncfs(int files, unsigned bytes) {
    inline_writes(files, bytes);
    check(syncfs(b.fds[0]) == 0, "syncfs");
}

/* --- one big round: many octets to one file --- */

static void write_big(unsigned bytes, int rw_flags) {
    struct iovec run = {b.data, bytes};
    check(pwritev2(b.fds[0], &run, 1, (off_t)b.offsets[0], rw_flags) == (ssize_t)bytes,
          "pwritev2");
}

static void big_cached(int files, unsigned bytes) {
    write_big(bytes, 0);
    check(fdatasync(b.fds[files - 1]) == 0, "fdatasync");
}

static void big_uncached(int files, unsigned bytes) {
    write_big(bytes, RWF_DONTCACHE);
    check(fdatasync(b.fds[files - 1]) == 0, "fdatasync");
}

static void set_direct(bool direct) {
    int flags = fcntl(b.fds[0], F_GETFL);
    if (((flags & O_DIRECT) != 0) == direct) return;
    check(fcntl(b.fds[0], F_SETFL, flags ^ O_DIRECT) == 0, "O_DIRECT");
}

static void big_direct(int files, unsigned bytes) {
    set_direct(true);
    write_big(bytes, 0);
    check(fdatasync(b.fds[files - 1]) == 0, "fdatasync");
}

/* What a log would have to do: its tail block holds acknowledged octets and is written again. */
static void big_direct_unaligned(int files, unsigned bytes) {
    set_direct(true);
    if (b.offsets[0] > 0) b.offsets[0] -= 4096;
    write_big(bytes, 0);
    check(fdatasync(b.fds[files - 1]) == 0, "fdatasync");
}

static void big_dsync(int files, unsigned bytes) {
    (void)files;
    write_big(bytes, RWF_DSYNC);
}

/* A few at a time, as a round of a log directory does it. */
static void dsync_writes_by_eight(int files, unsigned bytes) {
    int flying = 0;
    for (int i = 0; i < files; i++) {
        struct io_uring_sqe *sqe = next_sqe();
        io_uring_prep_write(sqe, b.fds[i], b.data, bytes, b.offsets[i]);
        sqe->rw_flags = RWF_DSYNC;
        if (++flying == 8) {
            check(io_uring_submit_and_wait(&b.ring, 1) >= 0, "submit");
            wait_for(1);
            flying--;
        }
    }
    check(io_uring_submit_and_wait(&b.ring, (unsigned)flying) >= 0, "submit");
    wait_for(flying);
}

static void inline_then_sync_by_eight(int files, unsigned bytes) {
    inline_writes(files, bytes);
    int flying = 0;
    for (int i = 0; i < files; i++) {
        prepare_syncs(i, i + 1);
        if (++flying == 8) {
            check(io_uring_submit_and_wait(&b.ring, 1) >= 0, "submit");
            wait_for(1);
            flying--;
        }
    }
    check(io_uring_submit_and_wait(&b.ring, (unsigned)flying) >= 0, "submit");
    wait_for(flying);
}

/* --- measuring --- */

/* Dirties pages that are nobody's business in this round. */
static void dirty_foreign_pages(void) {
    if (b.foreign_fd < 0) return;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (off_t at = 0; at < FOREIGN_BYTES; at += 1 << 16) {
        check(pwrite(b.foreign_fd, b.data, 1 << 16, at) == 1 << 16, "pwrite");
    }
    b.foreign_cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

static void measure(const char *name, void (*batch)(int files, unsigned bytes), int files,
                    unsigned bytes, int batches) {
    open_files(files);
    check(batches <= SAMPLES_MAX, "too many batches");
    for (int i = 0; i < batches / 10 + 1;
         i++) { /* warm-up: workers started, directories allocated */
        batch(files, bytes);
        for (int f = 0; f < files; f++) b.offsets[f] += bytes;
    }
    b.foreign_cpu = 0;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < batches; i++) {
        dirty_foreign_pages();
        double start = seconds(CLOCK_MONOTONIC);
        batch(files, bytes);
        b.samples_us[i] = (seconds(CLOCK_MONOTONIC) - start) * 1e6;
        for (int f = 0; f < files; f++) b.offsets[f] += bytes;
    }
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu - b.foreign_cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    qsort(b.samples_us, (size_t)batches, sizeof b.samples_us[0], by_value);
    (void)printf("| %-34s | %5u | %5d | %8.1f | %9.0f | %9.0f | %9.0f |\n", name, bytes / 1024,
                 files, cpu * 1e6 / batches / files, b.samples_us[batches / 2],
                 b.samples_us[batches * 99 / 100], batches * files / wall);
    (void)fflush(stdout);
    close_files(files);
    int dir = open(b.dir, O_RDONLY | O_CLOEXEC);
    check(dir >= 0 && syncfs(dir) == 0, "syncfs"); /* the next one starts clean */
    close(dir);
}

static void head(const char *what) {
    (void)printf(
        "\n%s\n\n| way | KiB | files | CPU us/append | batch p50 us | batch p99 us | appends/s |\n"
        "|---|---|---|---|---|---|---|\n",
        what);
}

static void measure_big(double scale) {
    static const unsigned sizes[] = {256 << 10, 1 << 20, 8 << 20};
    head("A big round: one file, all of it durable");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int batches = (int)(scale * ((64 << 20) / sizes[i] * 2));
        measure("page cache, fdatasync", big_cached, 1, sizes[i], batches);
        measure("page cache, RWF_DSYNC", big_dsync, 1, sizes[i], batches);
        measure("RWF_DONTCACHE, fdatasync", big_uncached, 1, sizes[i], batches);
        measure("O_DIRECT, fdatasync", big_direct, 1, sizes[i], batches);
        measure("O_DIRECT, tail block again", big_direct_unaligned, 1, sizes[i], batches);
    }
}

int main(int argc, char **argv) {
    b.dir = argc > 1 ? argv[1] : ".";
    double scale = argc > 2 ? atof(argv[2]) : 1;
    check(posix_memalign((void **)&b.data, 4096, DATA_BYTES) == 0, "memory");
    memset(b.data, 0x5a, DATA_BYTES);
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    errno = -io_uring_queue_init_params(2048, &b.ring, &params);
    check(errno == 0, "io_uring");
    struct utsname kernel;
    struct statfs fs;
    check(uname(&kernel) == 0 && statfs(b.dir, &fs) == 0, "system");
    (void)printf("kernel %s, file system 0x%lx, %ld CPUs\n", kernel.release,
                 (unsigned long)fs.f_type, sysconf(_SC_NPROCESSORS_ONLN));
    if (argc > 3 && strcmp(argv[3], "big") == 0) {
        measure_big(scale);
        return 0;
    }

    static const unsigned sizes[] = {4096, 65536};
    static const int depths[] = {1, 16};
    head("An append that nobody waits for on the disk (one batch: one append to each file)");
    for (int s = 0; s < 2; s++) {
        for (int d = 0; d < 2; d++) {
            int batches = (int)(scale * (depths[d] == 1 ? 2000 : 150));
            measure("inline pwritev", inline_writes, depths[d], sizes[s], batches);
            measure("ring write", ring_writes, depths[d], sizes[s], batches);
        }
    }
    head("A durable append");
    for (int s = 0; s < 2; s++) {
        for (int d = 0; d < 2; d++) {
            int batches = (int)(scale * (depths[d] == 1 ? 400 : 60));
            measure("ring write RWF_DSYNC", dsync_writes, depths[d], sizes[s], batches);
            measure("ring write linked to fdatasync", linked_writes, depths[d], sizes[s], batches);
            measure("inline pwritev, ring fdatasync", inline_then_ring_sync, depths[d], sizes[s],
                    batches);
            measure("inline pwritev, inline fdatasync", inline_then_sync, depths[d], sizes[s],
                    batches);
            measure("inline pwritev, syncfs", inline_then_syncfs, depths[d], sizes[s], batches);
        }
    }
    head("A round over many files (each appended to, then all of them durable)");
    static const int rounds[] = {2, 4, 8, 16, 64, 256, 1000};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        int batches = (int)(scale * (rounds[i] <= 8 ? 150 : rounds[i] <= 64 ? 40 : 12));
        measure("RWF_DSYNC, 8 in flight", dsync_writes_by_eight, rounds[i], 4096, batches);
        measure("RWF_DSYNC, all in flight", dsync_writes, rounds[i], 4096, batches);
        measure("inline, fdatasync, one by one", inline_then_sync, rounds[i], 4096, batches);
        measure("inline, fdatasync, 8 in flight", inline_then_sync_by_eight, rounds[i], 4096,
                batches);
        measure("inline, one syncfs", inline_then_syncfs, rounds[i], 4096, batches);
    }
    head("The same while somebody else dirties 32 MiB of the file system between the rounds");
    char name[512];
    file_name(name, FILES_MAX);
    b.foreign_fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(b.foreign_fd >= 0, name);
    for (int files = 1; files <= 256; files *= 16) {
        int batches = (int)(scale * 20);
        measure("RWF_DSYNC, 8 in flight", dsync_writes_by_eight, files, 4096, batches);
        measure("inline, fdatasync, 8 in flight", inline_then_sync_by_eight, files, 4096, batches);
        measure("inline, one syncfs", inline_then_syncfs, files, 4096, batches);
    }
    close(b.foreign_fd);
    unlink(name);
    measure_big(scale);
    io_uring_queue_exit(&b.ring);
    free(b.data);
    return 0;
}
