/* base/mailbox.h - a bounded ring of pointers from exactly one sender thread to exactly one
 * receiver thread. Lock-free: the sender owns `tail`, the receiver owns `head`, each reads the
 * other's with acquire. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"

struct mailbox {
    _Alignas(64) _Atomic uint32_t tail; /* next to be written, by the sender */
    _Alignas(64) _Atomic uint32_t head; /* next to be read, by the receiver */
    _Alignas(64) void *slots[LIMIT_MAILBOX_MESSAGES];
};

/** false when full: the sender keeps it. */
bool mailbox_push(struct mailbox *box, void *message);
/** NULL when empty. */
void *mailbox_pop(struct mailbox *box);
/** From either side; exact only for the side that asks about its own end. */
bool mailbox_is_empty(struct mailbox *box);
