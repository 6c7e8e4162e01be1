/* tests/unit/reactor/send_file.c - files to sockets: the right octets from hot and cold pages, to
 * fast and slow readers, many at once. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/unit/reactor/echo.h"

enum { FILE_BYTES = 3 << 20, READERS = 24 };
static uint8_t content[FILE_BYTES];

struct reader {
    struct io_op op;
    int fd, peer; /* ours and the thread's */
    uint64_t offset, len;
    uint32_t pause_us; /* between reads: a slow one */
    bool equal;
    int *left;
    struct job *job;
    pthread_t thread;
};

static void *read_it(void *argument) {
    struct reader *reader = argument;
    uint8_t *in = malloc(reader->len + 1);
    size_t have = 0;
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
    return NULL;
}

static void sent(struct io_op *op) {
    struct reader *reader = CONTAINER_OF(op, struct reader, op);
    if (--*reader->left == 0) job_wake(reader->job);
}

static int make_file(struct job *job) {
    struct prng prng;
    prng_seed(&prng, 5);
    prng_fill(&prng, content, sizeof content);
    int fd = -1;
    cr_assert_eq(job_open(job, harness_path("data"), IO_READ | IO_WRITE | IO_CREATE, 0600, &fd),
                 ST_OK);
    cr_assert_eq(job_write(job, fd, content, sizeof content, 0), ST_OK);
    cr_assert_eq(job_sync(job, fd, 0), ST_OK);
    return fd;
}

static void send_to_many(struct job *job, void *argument) {
    bool cold = argument != NULL;
    struct io *io = job_io(job);
    int file = make_file(job);
    struct prng prng;
    prng_seed(&prng, 11);
    static struct reader readers[READERS];
    memset(readers, 0, sizeof readers);
    int left = 0;
    if (cold) cr_assert_eq(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    for (int i = 0; i < READERS; i++) {
        struct reader *reader = &readers[i];
        int pair[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        reader->fd = pair[0];
        reader->peer = pair[1];
        reader->offset = prng_below(&prng, FILE_BYTES / 2);
        reader->len = i == 0 ? 0 : 1 + prng_below(&prng, FILE_BYTES / 2);
        reader->pause_us = i % 4 == 1 ? 1000 : 0;
        reader->job = job;
        reader->left = &left;
        reader->op.done = sent;
        pthread_create(&reader->thread, NULL, read_it, reader);
        if (!io_send_file(io, &reader->op, reader->fd, file, reader->offset, reader->len)) left++;
    }
    if (left > 0) job_suspend(job);
    for (int i = 0; i < READERS; i++) {
        cr_expect_eq(readers[i].op.result, (int64_t)readers[i].len, "%d: %lld", i,
                     (long long)readers[i].op.result);
        pthread_join(readers[i].thread, NULL);
        cr_expect(readers[i].equal, "reader %d got other octets", i);
        close(readers[i].peer);
        (void)io_close(io, NULL, readers[i].fd);
    }
    job_close(job, file);
}

Test(send_file, many_readers_get_their_octets_from_the_page_cache, .timeout = 120) {
    harness_run(&(struct reactor_options){0}, send_to_many, NULL);
}
Test(send_file, many_readers_get_their_octets_from_the_disk, .timeout = 120) {
    harness_run(&(struct reactor_options){0}, send_to_many, (void *)1);
}

static void failing(struct job *job, void *argument) {
    (void)argument;
    struct io *io = job_io(job);
    int file = make_file(job);
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
    job_close(job, file);
}

Test(send_file, errors_and_closes_end_it) {
    harness_run(&(struct reactor_options){0}, failing, NULL);
}
