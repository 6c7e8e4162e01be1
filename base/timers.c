/* base/timers.c - a binary heap of pointers that know their place. */
#include "base/timers.h"
#include "base/assert.h"
#include "base/bytes.h"

void timers_init(struct timers *timers, struct mem *mem) { *timers = (struct timers){.mem = mem}; }

void timers_release(struct timers *timers) {
    mem_free(timers->mem, timers->heap, timers->capacity * sizeof(struct io_timer *));
    timers->heap = NULL;
    timers->count = timers->capacity = 0;
}

static bool before(const struct io_timer *a, const struct io_timer *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void place(struct timers *timers, uint32_t i, struct io_timer *timer) {
    timers->heap[i] = timer;
    timer->index = i + 1;
}

static void sift_up(struct timers *timers, uint32_t i, struct io_timer *timer) {
    while (i > 0 && before(timer, timers->heap[(i - 1) / 2])) {
        place(timers, i, timers->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(timers, i, timer);
}

static void sift_down(struct timers *timers, uint32_t i, struct io_timer *timer) {
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= timers->count) break;
        if (child + 1 < timers->count && before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!before(timers->heap[child], timer)) break;
        place(timers, i, timers->heap[child]);
        i = child;
    }
    place(timers, i, timer);
}

void timers_set(struct timers *timers, struct io_timer *timer, uint64_t at_us) {
    timers_clear(timers, timer);
    if (timers->count == timers->capacity) {
        uint32_t capacity = timers->capacity != 0 ? timers->capacity * 2 : 32;
        struct io_timer **heap = mem_need(timers->mem, capacity * sizeof(struct io_timer *));
        for (uint32_t i = 0; i < timers->count; i++) heap[i] = timers->heap[i];
        mem_free(timers->mem, timers->heap, timers->capacity * sizeof(struct io_timer *));
        timers->heap = heap;
        timers->capacity = capacity;
    }
    timer->at_us = MAX(at_us, timers->now_us);
    timer->order = timers->next_order++;
    sift_up(timers, timers->count++, timer);
}

void timers_clear(struct timers *timers, struct io_timer *timer) {
    if (timer->index == 0) return;
    uint32_t i = timer->index - 1;
    ASSERT(i < timers->count && timers->heap[i] == timer);
    timer->index = 0;
    struct io_timer *last = timers->heap[--timers->count];
    if (last == timer) return;
    if (i > 0 && before(last, timers->heap[(i - 1) / 2])) {
        sift_up(timers, i, last);
    } else {
        sift_down(timers, i, last);
    }
}

uint64_t timers_next_us(const struct timers *timers) {
    return timers->count > 0 ? timers->heap[0]->at_us : UINT64_MAX;
}

uint32_t timers_run(struct timers *timers, uint64_t now_us) {
    uint32_t fired = 0;
    timers->now_us = now_us;
    uint64_t bound = timers->next_order; /* what is set by a callback waits for the next turn */
    while (timers->count > 0 && timers->heap[0]->at_us <= now_us &&
           timers->heap[0]->order < bound) {
        struct io_timer *timer = timers->heap[0];
        timers_clear(timers, timer);
        fired++;
        timer->fire(timer);
    }
    return fired;
}
