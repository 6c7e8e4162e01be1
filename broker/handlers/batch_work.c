/* broker/handlers/batch_work.c - workers with a scratch of their own, and who waits for one. */
#include "broker/handlers/batch_work.h"
#include "base/assert.h"

/* What one piece of work has while it is under way. */
struct batch_worker {
    struct list link; /* in workers->idle */
    struct batch_workers *workers;
    struct batch_work *work;
    struct mem mem; /* the worker's while it runs; then the shard charges what is kept */
    struct batch_scratch scratch;
    size_t charged_bytes; /* to the shard's mem, for this one */
    struct io_op op;
};

static void finish(struct batch_worker *worker);

/* One thing a turn: a result that came inline, or work for which there was no worker. */
static void do_here(struct io_later *later) {
    struct batch_workers *workers = CONTAINER_OF(later, struct batch_workers, here);
    struct list *ran = list_pop_front(&workers->ran);
    struct list *node = ran == NULL ? list_pop_front(&workers->at_home) : NULL;
    if (!list_is_empty(&workers->ran) || !list_is_empty(&workers->at_home))
        io_later(workers->io, later);
    if (ran != NULL) {
        finish(CONTAINER_OF(ran, struct batch_worker, link));
    } else if (node != NULL) {
        struct batch_work *work = CONTAINER_OF(node, struct batch_work, link);
        (void)work->run(work, workers->scratch); /* with all the memory there is: the answer */
        work->done(work);
    }
}

static void do_at_home(struct batch_workers *workers, struct batch_work *work) {
    list_push_back(&workers->at_home, &work->link);
    io_later(workers->io, &workers->here);
}

void batch_workers_init(struct batch_workers *workers, struct io *io, struct batch_scratch *scratch,
                        uint32_t limit_count, uint32_t bounds_bytes) {
    *workers = (struct batch_workers){
        .io = io, .scratch = scratch, .limit_count = limit_count, .here = {.run = do_here}};
    workers->bounds = (struct batch_bounds){LONG_COMPRESSED_BYTES, LONG_PLAIN_BYTES, LONG_RECORDS};
    if (bounds_bytes != 0)
        workers->bounds = (struct batch_bounds){bounds_bytes, bounds_bytes, 1};
    list_init(&workers->idle);
    list_init(&workers->waiting);
    list_init(&workers->at_home);
    list_init(&workers->ran);
}

void batch_workers_release(struct batch_workers *workers) {
    ASSERT(list_is_empty(&workers->waiting) && list_is_empty(&workers->at_home));
    struct mem *mem = workers->io->mem;
    for (struct list *node; (node = list_pop_front(&workers->idle)) != NULL;) {
        struct batch_worker *worker = CONTAINER_OF(node, struct batch_worker, link);
        batch_scratch_release(&worker->scratch);
        ASSERT(worker->mem.used_bytes == 0);
        mem_uncharge(mem, worker->charged_bytes);
        MEM_FREE(mem, worker);
        workers->made_count--;
    }
    ASSERT(workers->made_count == 0);
}

/* Makes the charge `bytes`; false when the shard has no more to give. */
static bool charge(struct batch_worker *worker, size_t bytes) {
    struct mem *mem = worker->workers->io->mem;
    if (bytes > worker->charged_bytes && !mem_charge(mem, bytes - worker->charged_bytes))
        return false;
    if (bytes < worker->charged_bytes) mem_uncharge(mem, worker->charged_bytes - bytes);
    worker->charged_bytes = bytes;
    return true;
}

static int64_t run(void *argument) {
    struct batch_worker *worker = argument;
    return worker->work->run(worker->work, &worker->scratch);
}

static void start_waiting(struct batch_workers *workers);

static void finish(struct batch_worker *worker) {
    struct batch_workers *workers = worker->workers;
    struct batch_work *work = worker->work;
    if (worker->op.result <= 0) { /* no thread for it, or not enough memory */
        do_at_home(workers, work);
    } else {
        work->done(work);
    }
    (void)charge(worker, worker->mem.used_bytes); /* never more than while it ran */
    list_push_back(&workers->idle, &worker->link);
    start_waiting(workers);
}

static void on_ran(struct io_op *op) { finish(CONTAINER_OF(op, struct batch_worker, op)); }

static struct batch_worker *take_worker(struct batch_workers *workers) {
    struct list *node = list_pop_front(&workers->idle);
    if (node != NULL) return CONTAINER_OF(node, struct batch_worker, link);
    struct batch_worker *worker = MEM_NEW(workers->io->mem, struct batch_worker);
    worker->workers = workers;
    worker->mem.source = workers->io->mem->source;
    worker->op.done = on_ran;
    batch_scratch_init(&worker->scratch, &worker->mem);
    workers->made_count++;
    return worker;
}

/* The front of what waits goes to the workers that are free. */
static void start_waiting(struct batch_workers *workers) {
    while (!list_is_empty(&workers->waiting)) {
        if (list_is_empty(&workers->idle) && workers->made_count == workers->limit_count) return;
        struct batch_work *work =
            CONTAINER_OF(list_pop_front(&workers->waiting), struct batch_work, link);
        struct batch_worker *worker = take_worker(workers);
        size_t share = workers->io->mem->limit_bytes / WORK_SHARE;
        if (!charge(worker, MAX(share, worker->charged_bytes))) {
            list_push_back(&workers->idle, &worker->link);
            do_at_home(workers, work);
            continue;
        }
        worker->mem.limit_bytes = share == 0 ? 0 : worker->charged_bytes;
        worker->work = work;
        if (io_work(workers->io, &worker->op, run, worker)) {
            list_push_back(&workers->ran, &worker->link);
            io_later(workers->io, &workers->here);
        }
    }
}

void batch_work_start(struct batch_workers *workers, struct batch_work *work) {
    list_push_back(&workers->waiting, &work->link);
    start_waiting(workers);
}

bool batch_is_long(const struct batch_workers *workers, struct bytes batch) {
    const struct batch_bounds *bounds = &workers->bounds;
    struct batch_view view;
    if (batch_peek(batch, &view) != ST_OK) return false; /* refused without looking at records */
    bool is_compressed = batch_codec(&view) != CODEC_NONE;
    return view.record_count > bounds->records ||
           (is_compressed && batch.len > bounds->compressed_bytes);
}

bool batch_walk_briefly(struct batch_workers *workers, struct bytes batch,
                        const struct batch_rules *rules, struct batch_report *report,
                        enum batch_fault *ret_fault) {
    if (batch_is_long(workers, batch)) return false;
    struct batch_rules brief = *rules;
    size_t bound = workers->bounds.plain_bytes; /* what is not compressed is shorter */
    bool is_bounded = rules->plain_bytes_max == 0 || bound < rules->plain_bytes_max;
    if (is_bounded) brief.plain_bytes_max = bound;
    *ret_fault = batch_walk(batch, &brief, workers->scratch, report);
    return !is_bounded || *ret_fault != BATCH_PLAIN_TOO_LARGE;
}
