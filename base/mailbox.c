/* base/mailbox.c - single producer, single consumer. */
#include "base/mailbox.h"
#include <stddef.h>

#define MASK (LIMIT_MAILBOX_MESSAGES - 1)
_Static_assert((LIMIT_MAILBOX_MESSAGES & MASK) == 0, "a power of two");

bool mailbox_push(struct mailbox *box, void *message) {
    uint32_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&box->head, memory_order_acquire);
    if (tail - head == LIMIT_MAILBOX_MESSAGES) return false;
    box->slots[tail & MASK] = message;
    atomic_store_explicit(&box->tail, tail + 1, memory_order_release);
    return true;
}

void *mailbox_pop(struct mailbox *box) {
    uint32_t head = atomic_load_explicit(&box->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&box->tail, memory_order_acquire);
    if (head == tail) return NULL;
    void *message = box->slots[head & MASK];
    atomic_store_explicit(&box->head, head + 1, memory_order_release);
    return message;
}

bool mailbox_is_empty(struct mailbox *box) {
    return atomic_load_explicit(&box->head, memory_order_acquire) ==
           atomic_load_explicit(&box->tail, memory_order_acquire);
}
