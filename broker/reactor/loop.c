/* broker/reactor/loop.c - one shard's turn after turn: deliver, complete, fire, tidy up, submit and
 * wait. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

#define SPILL_RETRY_US 200 /* how soon a full mailbox is tried again */

uint64_t reactor_clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void reactor_refresh_now(struct reactor *r) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    r->io.now = (struct now){.mono_us = reactor_clock_us(),
                             .wall_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

/* --- submission --- */

struct io_uring_sqe *reactor_sqe(struct reactor *r) {
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&r->ring)) == NULL) {
        r->io.stats.ring_full++;
        int result = io_uring_submit(&r->ring);
        if (result == -EBUSY || result == -EAGAIN || result == -ENOMEM) {
            (void)io_uring_get_events(
                &r->ring); /* completions that wait for room in their queue, or for memory */
            sched_yield();
        } else {
            ASSERT(result >= 0 || result == -EINTR);
        }
    }
    sqe->flags = 0;
    return sqe;
}

struct io_uring_sqe *reactor_op_sqe(struct reactor *r, struct io_op *op) {
    struct io_uring_sqe *sqe = reactor_sqe(r);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op);
    return sqe;
}

/* --- completion --- */

/* Polled, not read by the ring: nothing of ours is then written to after the loop has ended. */
static void event_arm(struct reactor *r) {
    struct io_uring_sqe *sqe = reactor_sqe(r);
    io_uring_prep_poll_add(sqe, r->event_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, UD_EVENT);
}

static void special_cqe(struct reactor *r, uint64_t user_data, int32_t result) {
    if (user_data == UD_EVENT) {
        uint64_t count;
        ssize_t got = read(r->event_fd, &count, sizeof count);
        ASSERT(got == sizeof count || errno == EAGAIN || errno == EINTR);
        event_arm(r);
    } else if (user_data >= UD_POKE && result < 0) {
        reactor_wake_always(
            r->group->reactors[user_data - UD_POKE]); /* the ring refused: the other way */
    }
}

static void drain_completions(struct reactor *r) {
    if (io_uring_cq_has_overflow(&r->ring))
        r->io.stats.ring_overflows++; /* kept by the kernel, none is lost */
    for (unsigned ready = io_uring_cq_ready(&r->ring); ready > 0; ready--) {
        struct io_uring_cqe *cqe = NULL;
        if (io_uring_peek_cqe(&r->ring, &cqe) != 0) break;
        uint64_t user_data = io_uring_cqe_get_data64(cqe);
        int32_t result = cqe->res;
        uint32_t flags = cqe->flags;
        io_uring_cqe_seen(&r->ring, cqe); /* at once: what follows may submit and need the room */
        if (user_data < UD_END) {
            special_cqe(r, user_data, result);
        } else {
            struct io_op *op = (struct io_op *)(uintptr_t)user_data;
            op_head(op)->on_cqe(r, op, result, flags);
        }
    }
}

/* --- one turn --- */

static void reactor_later(struct io *io, struct io_later *later) {
    if (!list_is_linked(&later->link)) list_push_back(&reactor_of(io)->laters, &later->link);
}

/* What is asked for by one of them runs in the next turn. */
static void run_laters(struct reactor *r) {
    if (list_is_empty(&r->laters)) return;
    struct list now = r->laters;
    now.next->prev = now.prev->next = &now;
    list_init(&r->laters);
    for (struct list *node; (node = list_pop_front(&now)) != NULL;) {
        struct io_later *later = CONTAINER_OF(node, struct io_later, link);
        later->run(later);
    }
}

/* How long nothing is to be done, as far as this shard knows by itself. */
static uint64_t idle_us(struct reactor *r) {
    if (!list_is_empty(&r->laters)) return 0;
    uint64_t next_us = timers_next_us(&r->io.timers);
    if (r->stop_at_us != 0) next_us = MIN(next_us, r->stop_at_us);
    uint64_t idle = UINT64_MAX;
    if (next_us != UINT64_MAX) {
        uint64_t now_us = reactor_clock_us();
        idle = next_us > now_us ? next_us - now_us : 0;
    }
    return r->spilled_count > 0 ? MIN(idle, (uint64_t)SPILL_RETRY_US) : idle;
}

static void submit_and_wait(struct reactor *r) {
    uint64_t idle = idle_us(r);
    if (idle > 0) {
        (void)atomic_exchange_explicit(&r->sleeping, 1, memory_order_acq_rel); /* see messages.c */
        bool stopping = atomic_load_explicit(&r->group->stopping, memory_order_acquire) != 0;
        if (messages_waiting(r) || (stopping && r->stop_at_us == 0)) idle = 0;
    }
    int result;
    if (idle == 0) {
        result = io_uring_submit_and_get_events(&r->ring);
    } else {
        struct __kernel_timespec timeout = {.tv_sec = (int64_t)(idle / 1000000),
                                            .tv_nsec = (long long)(idle % 1000000) * 1000};
        struct io_uring_cqe *cqe;
        result = io_uring_submit_and_wait_timeout(&r->ring, &cqe, 1,
                                                  idle == UINT64_MAX ? NULL : &timeout, NULL);
    }
    atomic_store_explicit(&r->sleeping, 0, memory_order_relaxed);
    ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
           result == -EAGAIN || result == -ENOMEM);
}

static void turn(struct reactor *r) {
    reactor_refresh_now(r);
    r->io.stats.turns++;
    messages_deliver(r);
    workers_collect(r);
    drain_completions(r);
    r->io.stats.timers_fired += timers_run(&r->io.timers, r->io.now.mono_us);
    run_laters(r);
    messages_flush(r);
}

/* --- from the first turn to the last --- */

static void cancel_everything(struct reactor *r) {
    struct io_uring_sqe *sqe = reactor_sqe(r);
    io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, UD_IGNORED);
    for (uint32_t page = 0; page < r->page_count; page++) {
        for (uint32_t i = 0; r->pages[page] != NULL && i < DESCRIPTORS_PER_PAGE; i++) {
            LIST_EACH(&r->pages[page][i].ops, node)
            op_kick(r, CONTAINER_OF(node, struct io_op, link));
        }
    }
}

/* True when the loop is to end. */
static bool stop_step(struct reactor *r) {
    if (atomic_load_explicit(&r->group->stopping, memory_order_acquire) == 0) return false;
    bool quiet = r->spilled_count == 0 && !messages_waiting(r) && list_is_empty(&r->laters);
    uint64_t now_us = reactor_clock_us();
    if (r->io.stats.in_flight == 0 && (quiet || now_us >= r->group->stop_at_us)) return true;
    if (r->stop_at_us == 0) r->stop_at_us = MAX(r->group->stop_at_us, (uint64_t)1);
    if (now_us >= r->stop_at_us) {
        cancel_everything(r);
        r->stop_at_us = now_us + 10000; /* again, for what was started meanwhile */
    }
    return false;
}

/* The ring is enabled on the thread that is its single issuer; nobody goes on before all are. */
static bool prepare(struct reactor *r) {
    struct reactor_group *group = r->group;
    /* liburing 2.3 declares io_uring_enable_rings and does not export it */
    int result =
        io_uring_register((unsigned)r->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (result == 0) {
        (void)io_uring_register_ring_fd(&r->ring); /* only faster */
        unsigned workers[2] = {REACTOR_DISK_WORKERS, 0 /* of sockets: as it is */};
        (void)io_uring_register_iowq_max_workers(&r->ring, workers); /* the default is four a CPU */
    }
    pthread_mutex_lock(&group->lock);
    r->start_result = result;
    group->started_count++;
    pthread_cond_broadcast(&group->started);
    while (!group->go && !group->give_up) pthread_cond_wait(&group->started, &group->lock);
    bool go = group->go;
    pthread_mutex_unlock(&group->lock);
    return go;
}

void *reactor_main(void *reactor) {
    struct reactor *r = reactor;
    if (!prepare(r)) return NULL;
    reactor_refresh_now(r);
    event_arm(r);
    r->group->on_start(&r->io, r->group->argument);
    for (;;) {
        turn(r);
        if (stop_step(r)) break;
        submit_and_wait(r);
    }
    return NULL;
}

static void reactor_random(struct io *io, void *out, size_t len) {
    (void)io;
    for (uint8_t *at = out; len > 0;) {
        ssize_t got = getrandom(at, MIN(len, (size_t)256), 0);
        if (got < 0 && errno == EINTR) continue;
        ASSERT(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

const struct io_ops reactor_ops = {
    .open = reactor_open,
    .read = reactor_read,
    .write = reactor_write,
    .sync = reactor_sync,
    .sync_fs = reactor_sync_fs,
    .forget = reactor_forget,
    .truncate = reactor_truncate,
    .allocate = reactor_allocate,
    .rename = reactor_rename,
    .unlink = reactor_unlink,
    .mkdir = reactor_mkdir,
    .rmdir = reactor_rmdir,
    .list = reactor_list,
    .steps = reactor_steps,
    .stat = reactor_stat,
    .statfs = reactor_statfs,
    .lock = reactor_lock,
    .dir_sync = reactor_dir_sync,
    .close = reactor_close,
    .cancel = reactor_cancel,
    .listen = reactor_listen,
    .accept_start = reactor_accept_start,
    .accept_stop = reactor_accept_stop,
    .connect = reactor_connect,
    .recv_start = reactor_recv_start,
    .recv_direct = reactor_recv_direct,
    .recv_waiting = reactor_recv_waiting,
    .recv_pause = reactor_recv_pause,
    .recv_resume = reactor_recv_resume,
    .recv_stop = reactor_recv_stop,
    .recv_detach = reactor_recv_detach,
    .send = reactor_send,
    .send_file = reactor_send_file,
    .resolve = reactor_resolve,
    .random = reactor_random,
    .work = reactor_work,
    .post = reactor_post,
    .later = reactor_later,
};
