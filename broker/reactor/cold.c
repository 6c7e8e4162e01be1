/* broker/reactor/cold.c - octets of a file that are not in the page cache, for send_file.c.
 *
 * They are read past the page cache (O_DIRECT): who reads a topic's history then takes no page from
 * those who read and write its end, it costs half the CPU time, and no call waits for a page on its
 * way. Two receivers of the same file within COMPANY_MS read through the page cache, so that the
 * disk gives the octets once. A read has a descriptor of its own for it, and closes it, and lets
 * syncs go before it.
 *
 * There are a few buffers. A send holds one from its read until the socket has taken it; one whose
 * socket is full loses it to those who want one, and reads on through the page cache. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "broker/reactor/send_file.h"

#define COLD_BYTES (512 * 1024)
#define COLD_ROOM (COLD_BYTES + IO_DIRECT_BYTES) /* it lies aligned in it */
#define COLD_PENALTY_US 1000000 /* nothing is given for so long after a read that waited */
#define COMPANY_MS 1000
#define YIELD_NS 200000
#define YIELDS_MAX 10

/* --- what the page cache has --- */

/* Debian 12 has no header for it. */
#define SYS_CACHESTAT 451
struct cachestat_range {
    uint64_t offset, len;
};
struct cachestat_counts { /* pages */
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

bool send_file_has_cachestat(void) {
    struct cachestat_range range = {0, 1};
    struct cachestat_counts counts;
    return syscall(SYS_CACHESTAT, -1, &range, &counts, 0) < 0 && errno == EBADF;
}

/* Pages of a range; UINT64_MAX: not known. */
static uint64_t count_cached(int file, uint64_t offset, uint64_t len) {
    struct cachestat_range range = {offset, len};
    struct cachestat_counts counts;
    return syscall(SYS_CACHESTAT, file, &range, &counts, 0) == 0 ? counts.cached : UINT64_MAX;
}

bool page_cache_has(int file, uint64_t offset, uint64_t len) {
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = (offset + len - 1) / page_bytes - offset / page_bytes + 1;
    return count_cached(file, offset, len) == pages;
}

/* --- past it --- */

/* Whether another socket read the file in the last second. Files may share a place: then they keep
 * each other company, which is not wrong. */
static bool is_in_company(struct reactor *r, const struct send_file_op *s) {
    uint32_t now_ms = (uint32_t)(r->io.now.mono_us / 1000);
    _Atomic uint64_t *place = &r->group->cold_readers[(uint32_t)s->file % COLD_READERS];
    uint64_t me = (uint64_t)(uint32_t)s->head.fd << 32 | now_ms;
    uint64_t last = atomic_exchange_explicit(place, me, memory_order_relaxed);
    return last != 0 && last >> 32 != me >> 32 && now_ms - (uint32_t)last < COMPANY_MS;
}

/* An overlay has no pages of its own to tell of, whatever is cached below. */
static bool is_overlay(int file) {
    struct statfs fs;
    return fstatfs(file, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/* -1: the file system, or the limit on descriptors, does not let us. */
static int open_past_cache(int file) {
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}

bool cold_is_past_cache(struct reactor *r, struct io_op *op) {
    struct send_file_op *s = send_file_op(op);
    if (s->way == COLD_BY_CACHE || !r->group->has_cachestat) return false;
    if (s->way == COLD_UNDECIDED && s->remaining < SEND_FILE_LARGE_BYTES) return false;
    uint64_t len = MIN(s->remaining, (uint64_t)SEND_FILE_CHUNK_BYTES);
    if (page_cache_has(s->file, s->offset, len)) return false;
    if (s->way == COLD_UNDECIDED) {
        bool is_by_cache = is_in_company(r, s) || is_overlay(s->file);
        s->way = is_by_cache ? COLD_BY_CACHE : COLD_PAST_CACHE;
    }
    return s->way == COLD_PAST_CACHE;
}

/* --- buffers --- */

static void read_into(struct reactor *r, struct io_op *op, struct cold_buffer *buffer) {
    struct send_file_op *s = send_file_op(op);
    struct io_uring_sqe *sqe = reactor_op_sqe(r, op);
    buffer->holder = op;
    buffer->at = buffer->octets;
    buffer->file = s->way == COLD_PAST_CACHE ? open_past_cache(s->file) : -1;
    s->phase = SEND_FILE_READS;
    s->cold = buffer;
    if (buffer->file >= 0) {
        uint64_t before = s->offset % IO_DIRECT_BYTES;
        uint64_t len = MIN(before + s->remaining, (uint64_t)COLD_BYTES);
        if (count_cached(s->file, s->offset, len) > 0) /* not beyond what was found to be absent: */
            len = MIN(len, (uint64_t)SEND_FILE_CHUNK_BYTES); /* dirty pages would be waited for */
        len = (len + IO_DIRECT_BYTES - 1) / IO_DIRECT_BYTES * IO_DIRECT_BYTES;
        io_uring_prep_read(sqe, buffer->file, buffer->octets, (unsigned)len, s->offset - before);
        buffer->at += before;
    } else {
        r->give_from_us = r->io.now.mono_us + COLD_PENALTY_US;
        unsigned len = (unsigned)MIN(s->remaining, (uint64_t)SEND_FILE_CHUNK_BYTES);
        io_uring_prep_read(sqe, s->file, buffer->octets, len, s->offset);
    }
}

static void make(struct reactor *r, struct cold_buffer *buffer) {
    if (buffer->memory != NULL) return;
    buffer->memory = mem_need(&r->mem, COLD_ROOM);
    uintptr_t at = (uintptr_t)buffer->memory;
    buffer->octets = buffer->memory + (IO_DIRECT_BYTES - at % IO_DIRECT_BYTES) % IO_DIRECT_BYTES;
}

static void close_file(struct cold_buffer *buffer) {
    if (buffer->file >= 0) close(buffer->file);
    buffer->file = -1;
}

static void lose(struct cold_buffer *buffer) {
    struct send_file_op *s = send_file_op(buffer->holder);
    s->cold = NULL;
    s->way = COLD_BY_CACHE; /* what is read again comes from there, the next time */
    close_file(buffer);
}

/* One that nobody has, or that a socket which is full does without; NULL: all are needed. */
static struct cold_buffer *find(struct reactor *r) {
    struct cold_buffer *taken = NULL;
    for (uint32_t i = 0; i < COUNT(r->cold_buffers); i++) {
        struct cold_buffer *buffer = &r->cold_buffers[i];
        if (buffer->holder == NULL) {
            make(r, buffer);
            return buffer;
        }
        const struct send_file_op *s = send_file_op(buffer->holder);
        if (s->phase == SEND_FILE_WRITABLE && s->is_full) taken = buffer;
    }
    if (taken != NULL) lose(taken);
    return taken;
}

static void wait_for_one(struct reactor *r, struct io_op *op) {
    struct send_file_op *s = send_file_op(op);
    s->phase = SEND_FILE_WAITS;
    s->head.flags |= OP_PARKED;
    s->next = NULL;
    if (r->cold_waiting_head == NULL) {
        r->cold_waiting_head = op;
    } else {
        send_file_op(r->cold_waiting_tail)->next = op;
    }
    r->cold_waiting_tail = op;
}

/* A sync is several small operations of the device, one after another, and each would wait for what
 * is being read. So a read past the page cache waits for syncs, for 2 ms at most. */
static bool yields(struct reactor *r, struct io_op *op) {
    static struct __kernel_timespec step = {.tv_nsec = YIELD_NS};
    struct send_file_op *s = send_file_op(op);
    bool is_to = s->way == COLD_PAST_CACHE && s->yielded < YIELDS_MAX &&
                 atomic_load_explicit(&r->group->syncs, memory_order_relaxed) > 0;
    s->yielded = is_to ? s->yielded + 1 : 0;
    if (!is_to) return false;
    s->phase = SEND_FILE_YIELDS;
    io_uring_prep_timeout(reactor_op_sqe(r, op), &step, 0, 0);
    return true;
}

void cold_start(struct reactor *r, struct io_op *op) {
    if (yields(r, op)) return;
    struct cold_buffer *buffer = find(r);
    if (buffer != NULL) {
        read_into(r, op, buffer);
    } else {
        wait_for_one(r, op);
    }
}

void cold_give_up(struct reactor *r, struct io_op *op) {
    struct io_op *before = NULL, *at = r->cold_waiting_head;
    while (at != op) {
        before = at;
        at = send_file_op(at)->next;
    }
    struct io_op *after = send_file_op(op)->next;
    if (before == NULL) {
        r->cold_waiting_head = after;
    } else {
        send_file_op(before)->next = after;
    }
    if (after == NULL) r->cold_waiting_tail = before;
}

static void pass_on(struct reactor *r, struct cold_buffer *buffer) {
    struct io_op *next = r->cold_waiting_head;
    while (next != NULL && op_is_cancelled(next))
        next = send_file_op(next)->next; /* its end is on the way */
    buffer->holder = NULL;
    if (next == NULL) return;
    cold_give_up(r, next);
    op_head(next)->flags &= ~(uint32_t)OP_PARKED;
    read_into(r, next, buffer);
}

static void give_back(struct reactor *r, struct io_op *op) {
    struct cold_buffer *buffer = send_file_op(op)->cold;
    send_file_op(op)->cold = NULL;
    close_file(buffer);
    pass_on(r, buffer);
}

/* --- what the ring brings --- */

int32_t cold_arrived(struct reactor *r, struct io_op *op, int32_t result) {
    struct send_file_op *s = send_file_op(op);
    struct cold_buffer *buffer = s->cold;
    s->phase = SEND_FILE_WRITABLE;
    int32_t before = (int32_t)(buffer->at - buffer->octets);
    if (result > before) {
        buffer->len = (size_t)MIN((uint64_t)(result - before), s->remaining);
        return 0;
    }
    bool is_refused = buffer->file >= 0 && (result == -EINVAL || result == -EOPNOTSUPP);
    if (is_refused) s->way = COLD_BY_CACHE;
    give_back(r, op);
    return is_refused ? 0 : result < 0 ? result : -EIO;
}

void cold_took(struct reactor *r, struct io_op *op, size_t len) {
    struct cold_buffer *buffer = send_file_op(op)->cold;
    buffer->at += len;
    buffer->len -= len;
    if (buffer->len == 0) give_back(r, op);
}

void cold_full(struct reactor *r, struct io_op *op) {
    struct cold_buffer *buffer = send_file_op(op)->cold;
    if (buffer == NULL || r->cold_waiting_head == NULL) return;
    lose(buffer);
    pass_on(r, buffer);
}

void cold_end(struct reactor *r, struct io_op *op) {
    if (send_file_op(op)->cold != NULL) give_back(r, op);
}

void cold_release(struct reactor *r) {
    for (uint32_t i = 0; i < COUNT(r->cold_buffers); i++) {
        struct cold_buffer *buffer = &r->cold_buffers[i];
        if (buffer->holder == NULL) mem_free(&r->mem, buffer->memory, COLD_ROOM);
    }
}
