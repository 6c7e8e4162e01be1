/* tests/unit/reactor/send_file.c - files to sockets: the right octets from hot and cold pages, to
 * fast and slow readers, many at once. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "broker/reactor/internal.h"
#include "tests/unit/reactor/echo.h"

enum { FILE_BYTES = 3 << 20, READERS = 24, FILES = 12 };
static uint8_t content[FILE_BYTES];

struct reader {
    struct io_op op;
    int fd, peer; /* ours and the thread's */
    uint64_t offset, len;
    uint32_t pause_us; /* between reads: a slow one */
    const _Atomic int *waits_for; /* reads nothing before it is 0; NULL: at once */
    _Atomic int *unread;          /* one less when all is read; NULL: nobody asks */
    bool equal;
    int *left;
    struct job *job;
    pthread_t thread;
};

static void *read_it(void *argument) {
    struct reader *reader = argument;
    uint8_t *in = malloc(reader->len + 1);
    size_t have = 0;
    while (reader->waits_for != NULL && *reader->waits_for > 0) usleep(1000);
    while (have < reader->len) {
        size_t want = reader->len - have;
        if (reader->pause_us != 0) {
            usleep(reader->pause_us);
            if (want > 100000) want = 100000;
        }
        ssize_t n = recv(reader->peer, in + have, want, 0);
        if (n <= 0) break;
        have += (size_t)n;
    }
    reader->equal = have == reader->len && memcmp(in, content + reader->offset, have) == 0;
    free(in);
    if (reader->unread != NULL) --*reader->unread;
    return NULL;
}

static void sent(struct io_op *op) {
    struct reader *reader = CONTAINER_OF(op, struct reader, op);
    if (--*reader->left == 0) job_wake(reader->job);
}

static int make_file(struct job *job, const char *name) {
    struct prng prng;
    prng_seed(&prng, 5);
    prng_fill(&prng, content, sizeof content);
    int fd = -1;
    cr_assert_eq(job_open(job, harness_path(name), IO_READ | IO_WRITE | IO_CREATE, 0600, &fd),
                 ST_OK);
    cr_assert_eq(job_write(job, fd, content, sizeof content, 0), ST_OK);
    cr_assert_eq(job_sync(job, fd, 0), ST_OK);
    return fd;
}

/* Of TCP, and with a send buffer of that size, since such a socket may have room for more and not
 * tell of it (POLLOUT): a send must not wait for that with a buffer in its hands. */
static void connect_pair(int pair[2]) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 400000;
    cr_assert_eq(setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&any, &len), 0);
    pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(pair[1], (struct sockaddr *)&any, len), 0);
    pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(pair[0], 0);
    close(listener);
}

static void send_to(struct job *job, struct reader *reader, int file, int *left) {
    int pair[2];
    connect_pair(pair);
    reader->fd = pair[0];
    reader->peer = pair[1];
    reader->job = job;
    reader->left = left;
    reader->op.done = sent;
    pthread_create(&reader->thread, NULL, read_it, reader);
    bool is_sent =
        io_send_file(job_io(job), &reader->op, reader->fd, file, reader->offset, reader->len);
    if (!is_sent) ++*left;
}

static void expect_read(struct io *io, struct reader *reader, int i) {
    cr_expect_eq(reader->op.result, (int64_t)reader->len, "%d: %lld", i,
                 (long long)reader->op.result);
    pthread_join(reader->thread, NULL);
    cr_expect(reader->equal, "reader %d got other octets", i);
    close(reader->peer);
    (void)io_close(io, NULL, reader->fd);
}

static void send_to_many(struct job *job, void *argument) {
    bool cold = argument != NULL;
    struct io *io = job_io(job);
    int file = make_file(job, "data");
    struct prng prng;
    prng_seed(&prng, 11);
    static struct reader readers[READERS];
    memset(readers, 0, sizeof readers);
    int left = 0;
    if (cold) cr_assert_eq(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    for (int i = 0; i < READERS; i++) {
        struct reader *reader = &readers[i];
        reader->offset = prng_below(&prng, FILE_BYTES / 2);
        reader->len = i == 0 ? 0 : 1 + prng_below(&prng, FILE_BYTES / 2);
        reader->pause_us = i % 4 == 1 ? 1000 : 0;
        send_to(job, reader, file, &left);
    }
    if (left > 0) job_suspend(job);
    for (int i = 0; i < READERS; i++) expect_read(io, &readers[i], i);
    job_close(job, file);
}

Test(send_file, many_readers_get_their_octets_from_the_page_cache, .timeout = 120) {
    harness_run(&(struct reactor_options){0}, send_to_many, NULL);
}
Test(send_file, many_readers_get_their_octets_from_the_disk, .timeout = 120) {
    harness_run(&(struct reactor_options){0}, send_to_many, (void *)1);
}

/* Pages of the file that are in the page cache. */
static size_t cached_pages(int file) {
    static unsigned char pages[FILE_BYTES / 4096];
    void *mapped = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file, 0);
    cr_assert_neq(mapped, MAP_FAILED);
    cr_assert_eq(mincore(mapped, FILE_BYTES, pages), 0);
    munmap(mapped, FILE_BYTES);
    size_t count = 0;
    for (size_t i = 0; i < sizeof pages; i++) count += pages[i] & 1;
    return count;
}

static void send_history(struct job *job, void *argument) {
    (void)argument;
    int file = make_file(job, "data"), left = 0;
    cr_assert_eq(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    bool is_in_memory = cached_pages(file) > 0; /* a tmpfs */
    static struct reader reader;
    reader = (struct reader){.offset = 12345, .len = 1500000};
    send_to(job, &reader, file, &left);
    if (left > 0) job_suspend(job);
    expect_read(job_io(job), &reader, 0);
    bool has_cachestat = syscall(451, -1, NULL, NULL, 0) == -1 && errno != ENOSYS;
    if (!has_cachestat || is_in_memory) {
        cr_log_warn("not looked at: the page cache, %s",
                    is_in_memory ? "where TMPDIR is" : "of a kernel before 6.5");
    } else {
        cr_expect_eq(cached_pages(file), 0, "%zu pages are cached now", cached_pages(file));
    }
    job_close(job, file);
}

Test(send_file, who_reads_the_disk_alone_leaves_the_page_cache_as_it_is, .timeout = 60) {
    harness_run(&(struct reactor_options){0}, send_history, NULL);
}

/* As many readers as there are buffers, each of a file of its own, do not read before others are
 * through. Those come at the same time and wait already, or come when the first ones' sockets are
 * full (argument): either way they get the buffers. */
static void send_histories(struct job *job, void *argument) {
    enum { READING = 4 };
    static struct reader readers[FILES];
    static _Atomic int unread = READING;
    int files[FILES], left = 0;
    char name[] = "data-a";
    memset(readers, 0, sizeof readers);
    for (int i = 0; i < FILES; i++, name[5]++) {
        files[i] = make_file(job, name);
        cr_assert_eq(posix_fadvise(files[i], 0, 0, POSIX_FADV_DONTNEED), 0);
    }
    for (int i = 0; i < FILES; i++) {
        bool is_reading = i >= FILES - READING;
        if (argument != NULL && i == FILES - READING)
            job_sleep_until(job, job_io(job)->now.mono_us + 100000);
        readers[i].offset = (uint64_t)i * 4097;
        readers[i].len = FILE_BYTES - readers[i].offset - (uint64_t)i;
        readers[i].waits_for = is_reading ? NULL : &unread;
        readers[i].unread = is_reading ? &unread : NULL;
        send_to(job, &readers[i], files[i], &left);
    }
    if (left > 0) job_suspend(job);
    for (int i = 0; i < FILES; i++) {
        expect_read(job_io(job), &readers[i], i);
        job_close(job, files[i]);
    }
}

Test(send_file, who_does_not_read_gives_its_buffer_to_those_that_wait, .timeout = 20) {
    harness_run(&(struct reactor_options){0}, send_histories, NULL);
}
Test(send_file, who_does_not_read_gives_its_buffer_to_those_that_come, .timeout = 20) {
    harness_run(&(struct reactor_options){0}, send_histories, (void *)1);
}

static _Atomic uint32_t *syncs_of(struct job *job) {
    return &reactor_of(job_io(job))->group->syncs;
}

/* Somebody syncs all the time: each read waits, and goes on in the end. */
static void send_beside_syncs(struct job *job, void *argument) {
    (void)argument;
    int file = make_file(job, "data"), left = 0;
    cr_expect_eq(*syncs_of(job), 0, "a sync that has ended is counted");
    cr_assert_eq(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    bool is_from_disk = cached_pages(file) == 0 && reactor_of(job_io(job))->group->has_cachestat;
    static struct reader reader;
    reader = (struct reader){.offset = 12345, .len = 1500000};
    ++*syncs_of(job);
    uint64_t began_us = reactor_clock_us();
    send_to(job, &reader, file, &left);
    if (left > 0) job_suspend(job);
    uint64_t took_us = reactor_clock_us() - began_us;
    --*syncs_of(job);
    expect_read(job_io(job), &reader, 0);
    if (is_from_disk)
        cr_expect_geq(took_us, 3 * 2000, "three reads took %llu us", (unsigned long long)took_us);
    job_close(job, file);
}

Test(send_file, who_reads_the_disk_gives_way_to_syncs_for_a_while, .timeout = 60) {
    harness_run(&(struct reactor_options){0}, send_beside_syncs, NULL);
}

/* argument: with somebody who syncs. */
static void failing(struct job *job, void *argument) {
    struct io *io = job_io(job);
    int file = make_file(job, "data");
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    cr_expect_eq(job_wait(job, io_send_file(io, job_op(job), pair[0], file, FILE_BYTES - 10, 11)),
                 -EIO, "too short");
    cr_expect_eq(job_wait(job, io_send_file(io, job_op(job), pair[0], 999, 0, 11)), -EBADF,
                 "no such file");
    close(pair[1]);
    int64_t gone = job_wait(job, io_send_file(io, job_op(job), pair[0], file, 0, 11));
    cr_expect(gone == -EPIPE || gone == -ECONNRESET, "nobody reads: %lld", (long long)gone);
    (void)io_close(io, NULL, pair[0]);

    /* Given up by a close while the reader does not read. */
    int left = 20;
    if (argument != NULL) ++*syncs_of(job);
    static struct reader readers[20];
    memset(readers, 0, sizeof readers);
    cr_assert_eq(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        readers[i] = (struct reader){
            .op.done = sent, .fd = pair[0], .peer = pair[1], .left = &left, .job = job};
        cr_expect(!io_send_file(io, &readers[i].op, pair[0], file, 0, FILE_BYTES));
    }
    for (int i = 0; i < 20; i++) {
        if (i % 2 == 0) {
            (void)io_close(io, NULL, readers[i].fd);
        } else {
            io_cancel(io, &readers[i].op);
        }
    }
    job_suspend(job);
    for (int i = 0; i < 20; i++) {
        int64_t result = readers[i].op.result;
        cr_expect(result == -ECANCELED || result == -EPIPE, "%d: %lld", i, (long long)result);
        if (i % 2 != 0) (void)io_close(io, NULL, readers[i].fd);
        close(readers[i].peer);
    }
    if (argument != NULL) --*syncs_of(job);
    job_close(job, file);
}

Test(send_file, errors_and_closes_end_it) {
    harness_run(&(struct reactor_options){0}, failing, NULL);
}
Test(send_file, errors_and_closes_end_what_gives_way_to_syncs) {
    harness_run(&(struct reactor_options){0}, failing, (void *)1);
}
