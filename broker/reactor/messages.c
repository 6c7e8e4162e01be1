/* broker/reactor/messages.c - how shards reach each other, and other threads reach a shard.
 *
 * Between each ordered pair of shards lies a bounded mailbox; what does not fit waits in the
 * sender's list and is tried again each turn, in order. A target is woken by MSG_RING only when it
 * may sleep.
 *
 * No wake-up is lost: a shard that wants to sleep sets `sleeping` to 1 and then looks for messages;
 * a sender puts its message in and then sets `sleeping` to 0, and wakes the shard when it was 1.
 * Both are read-modify-writes of one variable, so one of them comes first: either the sender finds
 * the 1, or the shard, reading after the sender's 0, finds the message. */
#include <errno.h>
#include <unistd.h>
#include "broker/reactor/internal.h"

static struct mailbox *mailbox_between(struct reactor_group *group, unsigned from, unsigned to) {
    return &group->mailboxes[from * group->options.shard_count + to];
}

static bool claim_sleeper(struct reactor *target) {
    return atomic_exchange_explicit(&target->sleeping, 0, memory_order_acq_rel) == 1;
}

void reactor_wake_always(struct reactor *r) {
    uint64_t one = 1;
    ssize_t written = write(r->event_fd, &one, sizeof one);
    ASSERT(written == sizeof one ||
           errno == EAGAIN); /* EAGAIN: the counter is full of wake-ups already */
}

void reactor_wake_from_outside(struct reactor *r) {
    if (claim_sleeper(r)) reactor_wake_always(r);
}

static void append(struct io_message **head, struct io_message **tail, struct io_message *message) {
    message->next = NULL;
    if (*head == NULL) {
        *head = message;
    } else {
        (*tail)->next = message;
    }
    *tail = message;
}

void reactor_post(struct io *io, unsigned shard, struct io_message *message) {
    struct reactor *r = reactor_of(io);
    ASSERT(shard < io->shard_count);
    io->stats.messages_sent++;
    if (shard == io->shard) {
        append(&r->self_head, &r->self_tail, message);
        return;
    }
    r->dirty_targets |= (uint64_t)1 << shard;
    if (r->spill_head[shard] == NULL &&
        mailbox_push(mailbox_between(r->group, io->shard, shard), message))
        return;
    append(&r->spill_head[shard], &r->spill_tail[shard], message);
    r->spilled_count++;
    io->stats.messages_spilled++;
}

static void flush_spill(struct reactor *r, unsigned shard) {
    struct mailbox *box = mailbox_between(r->group, r->io.shard, shard);
    struct io_message *message = r->spill_head[shard];
    while (message != NULL) {
        struct io_message *next = message->next; /* once pushed it is the target's */
        if (!mailbox_push(box, message)) break;
        r->spill_head[shard] = message = next;
        r->spilled_count--;
    }
}

void messages_flush(struct reactor *r) {
    uint64_t dirty = r->dirty_targets;
    r->dirty_targets = 0;
    while (dirty != 0) {
        unsigned shard = (unsigned)__builtin_ctzll(dirty);
        dirty &= dirty - 1;
        if (r->spill_head[shard] != NULL) {
            flush_spill(r, shard);
            if (r->spill_head[shard] != NULL) r->dirty_targets |= (uint64_t)1 << shard;
        }
        struct reactor *target = r->group->reactors[shard];
        if (!claim_sleeper(target)) continue;
        struct io_uring_sqe *sqe = reactor_sqe(r);
        io_uring_prep_msg_ring(sqe, target->ring.ring_fd, 0, UD_WOKEN, 0);
        io_uring_sqe_set_data64(sqe, UD_POKE + shard); /* heard of only when it failed */
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    }
}

/* Those from outside were not sent by a shard either: what was sent and not received is under way.
 */
static void deliver_chain(struct reactor *r, struct io_message *message, bool from_shard) {
    while (message != NULL) {
        struct io_message *next = message->next;
        r->io.stats.messages_received += from_shard;
        message->deliver(message, &r->io);
        message = next;
    }
}

/* The newest first, as threads pushed them; turned round. */
static struct io_message *take_inbox(struct reactor *r) {
    if (atomic_load_explicit(&r->inbox, memory_order_relaxed) == NULL) return NULL;
    struct io_message *newest = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire);
    struct io_message *oldest = NULL;
    uint32_t count = 0;
    while (newest != NULL) {
        struct io_message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
        count++;
    }
    atomic_fetch_sub_explicit(&r->inbox_count, count, memory_order_relaxed);
    return oldest;
}

void messages_deliver(struct reactor *r) {
    struct io_message *own = r->self_head;
    r->self_head = r->self_tail = NULL; /* what they post to this shard comes in the next turn */
    deliver_chain(r, own, true);
    deliver_chain(r, take_inbox(r), false);
    for (unsigned from = 0; from < r->io.shard_count; from++) {
        struct mailbox *box = mailbox_between(r->group, from, r->io.shard);
        for (int i = 0; i < LIMIT_MAILBOX_MESSAGES; i++) {
            struct io_message *message = mailbox_pop(box);
            if (message == NULL) break;
            r->io.stats.messages_received++;
            message->deliver(message, &r->io);
        }
    }
}

bool messages_waiting(struct reactor *r) {
    if (r->self_head != NULL) return true;
    if (atomic_load_explicit(&r->inbox, memory_order_acquire) != NULL) return true;
    if (atomic_load_explicit(&r->worker_done, memory_order_acquire) != NULL) return true;
    for (unsigned from = 0; from < r->io.shard_count; from++) {
        if (!mailbox_is_empty(mailbox_between(r->group, from, r->io.shard))) return true;
    }
    return false;
}

bool reactor_group_post(struct reactor_group *group, struct io_message *message) {
    struct reactor *r = group->reactors[0];
    uint32_t waiting = atomic_fetch_add_explicit(&r->inbox_count, 1, memory_order_relaxed);
    if (waiting >= LIMIT_MAILBOX_MESSAGES) {
        atomic_fetch_sub_explicit(&r->inbox_count, 1, memory_order_relaxed);
        return false;
    }
    message->next = atomic_load_explicit(&r->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->inbox, &message->next, message,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    reactor_wake_from_outside(r);
    return true;
}
