/* broker/reactor/workers.c - threads for what the ring cannot do: computing, calls without an
 * opcode, and writes that wait for nobody else's. A pool's threads start when they are needed, up
 * to its limit, and stay. The queue is a list through the operations themselves: it allocates
 * nothing and is as long as there are operations. */
#include <errno.h>
#include <signal.h>
#include "broker/reactor/internal.h"

struct worker_pool {
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t wake;
    struct io_op *head, *tail;
    uint32_t queued_count;
    uint32_t idle_count;
    uint32_t thread_count, limit_count;
    bool stopping;
    pthread_t threads[];
};

struct worker_pool *worker_pool_new(struct mem *mem, uint32_t limit_count) {
    struct worker_pool *pool = mem_need(mem, sizeof *pool + limit_count * sizeof(pthread_t));
    ASSERT(pthread_mutex_init(&pool->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&pool->wake, NULL) == 0);
    pool->limit_count = limit_count;
    return pool;
}

void worker_pool_free(struct mem *mem, struct worker_pool *pool) {
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    mem_free(mem, pool, sizeof *pool + pool->limit_count * sizeof(pthread_t));
}

static void hand_back(struct io_op *op) {
    struct worker_op *w = worker_op(op);
    struct reactor *owner = w->owner;
    w->next = atomic_load_explicit(&owner->worker_done, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&owner->worker_done, &w->next, op,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    reactor_wake_from_outside(owner); /* op may be gone by now */
}

static void *worker_main(void *argument) {
    struct worker_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->head == NULL && !pool->stopping) {
            pool->idle_count++;
            pthread_cond_wait(&pool->wake, &pool->lock);
            pool->idle_count--;
        }
        struct io_op *op = pool->head;
        if (op == NULL) break;
        pool->head = worker_op(op)->next;
        pool->queued_count--;
        pthread_mutex_unlock(&pool->lock);
        op->result = worker_op(op)->run(op);
        hand_back(op);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* With the lock held; signals stay with the thread that waits for them. */
static void start_thread(struct worker_pool *pool) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&pool->threads[pool->thread_count], NULL, worker_main, pool) == 0)
        pool->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool worker_pool_submit(struct worker_pool *pool, struct reactor *r, struct io_op *op) {
    struct worker_op *w = worker_op(op);
    w->head.flags |= OP_WORKER;
    w->owner = r;
    w->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->queued_count >= pool->idle_count && pool->thread_count < pool->limit_count)
        start_thread(pool);
    bool accepted = pool->thread_count > 0;
    if (accepted) {
        if (pool->head == NULL) {
            pool->head = op;
        } else {
            worker_op(pool->tail)->next = op;
        }
        pool->tail = op;
        pool->queued_count++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!accepted) {
        op_detach(r, op);
        op->result = -EAGAIN;
    }
    return accepted;
}

void op_worker_done(struct reactor *r, struct io_op *op, int32_t result, uint32_t cqe_flags) {
    (void)result, (void)cqe_flags;
    op_end(r, op, op->result);
}

void workers_collect(struct reactor *r) {
    if (atomic_load_explicit(&r->worker_done, memory_order_relaxed) == NULL) return;
    struct io_op *newest = atomic_exchange_explicit(&r->worker_done, NULL, memory_order_acquire);
    struct io_op *oldest = NULL;
    while (newest != NULL) {
        struct io_op *next = worker_op(newest)->next;
        worker_op(newest)->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct io_op *next = worker_op(oldest)->next;
        op_head(oldest)->on_cqe(r, oldest, 0, 0);
        oldest = next;
    }
}
