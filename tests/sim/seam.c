/* tests/sim/seam.c - turns, operations, messages and workers of a simulated shard. */
#include "tests/sim/seam.h"
#include <errno.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"

static const char *const op_names[OP_KIND_COUNT] = {
    [OP_OPEN] = "open",         [OP_READ] = "read",           [OP_WRITE] = "write",
    [OP_SYNC] = "sync",         [OP_SYNC_FS] = "sync_fs",     [OP_TRUNCATE] = "truncate",
    [OP_ALLOCATE] = "allocate", [OP_RENAME] = "rename",       [OP_UNLINK] = "unlink",
    [OP_MKDIR] = "mkdir",       [OP_RMDIR] = "rmdir",         [OP_LIST] = "list",
    [OP_STAT] = "stat",         [OP_STATFS] = "statfs",       [OP_LOCK] = "lock",
    [OP_DIR_SYNC] = "dir_sync", [OP_CLOSE] = "close",         [OP_CONNECT] = "connect",
    [OP_SEND] = "send",         [OP_SEND_FILE] = "send_file", [OP_RESOLVE] = "resolve",
    [OP_WORK] = "work",         [OP_STEPS] = "steps",         [OP_FORGET] = "forget",
};

const char *op_name(enum op_kind kind) { return op_names[kind]; }

/* --- turns --- */

static bool has_mail(const struct sim_io *io) {
    for (unsigned i = 0; i < io->io.shard_count; i++) {
        if (io->mails[i].arrived_count > 0) return true;
    }
    return false;
}

static void turn_within(struct sim_io *io, uint64_t delay_us) {
    if (event_is_set(&io->turn) && io->turn.timer.at_us <= io->world->now_us + delay_us) return;
    event_set(&io->turn, delay_us);
}

/* The next turn: soon when something waits, otherwise when a timer is due. */
static void turn_plan(struct sim_io *io) {
    struct world *world = io->world;
    io->timer_order = io->io.timers.next_order;
    uint64_t due_us = timers_next_us(&io->io.timers);
    uint64_t mono_us = world->now_us + io->node->mono_offset_us;
    bool waits = !list_is_empty(&io->ready) || !list_is_empty(&io->laters) || has_mail(io);
    if (!waits && due_us == UINT64_MAX) {
        event_clear(&io->turn);
        return;
    }
    uint64_t delay_us = waits || due_us <= mono_us ? 0 : due_us - mono_us;
    event_set(&io->turn, delay_us + world_delay(world, world->faults.shard.turn_us));
}

void seam_ready(struct sim_io *io, struct task *task) {
    list_push_back(&io->ready, &task->link);
    if (io->world->running != io)
        turn_within(io, world_delay(io->world, io->world->faults.shard.turn_us));
}

void seam_enter(struct sim_io *io) {
    io->io.now = (struct now){.mono_us = io->world->now_us + io->node->mono_offset_us,
                              .wall_ms = node_wall_ms(io->node)};
}

static void laters_run(struct sim_io *io) {
    struct list batch; /* what they put off again waits for the next turn */
    list_init(&batch);
    for (struct list *node; (node = list_pop_front(&io->laters)) != NULL;)
        list_push_back(&batch, node);
    for (struct list *node; (node = list_pop_front(&batch)) != NULL;) {
        struct io_later *later = CONTAINER_OF(node, struct io_later, link);
        later->run(later);
    }
}

void seam_leave(struct sim_io *io) {
    laters_run(io);
    turn_plan(io);
}

static void tasks_run(struct sim_io *io) {
    size_t count = 0;
    LIST_EACH(&io->ready, node) count++;
    if (count > 1 &&
        world_fault(io->world, FAULT_SHARD_PART_TURN, io->world->faults.shard.part_turn)) {
        count = (size_t)prng_below(&io->world->prng, count);
    }
    /* A task may take others off the list, never itself: it was popped. */
    for (struct list *node; count-- > 0 && (node = list_pop_front(&io->ready)) != NULL;) {
        struct task *task = CONTAINER_OF(node, struct task, link);
        task->run(task);
    }
}

static void mail_run(struct sim_io *io) {
    unsigned senders = io->io.shard_count;
    unsigned first =
        senders > 1 && has_mail(io) ? (unsigned)prng_below(&io->world->prng, senders) : 0;
    for (unsigned i = 0; i < senders; i++) {
        struct mail *mail = &io->mails[(first + i) % senders];
        for (uint32_t count = mail->arrived_count; count > 0; count--) {
            struct io_message *message = mail->first;
            mail->first = message->next;
            if (mail->first == NULL) mail->last = &mail->first;
            mail->count--;
            mail->arrived_count--;
            message->next = NULL;
            io->io.stats.messages_received++;
            message->deliver(message, &io->io);
        }
    }
}

static void turn(struct event *event) {
    struct sim_io *io = CONTAINER_OF(event, struct sim_io, turn);
    struct world *world = io->world;
    if (io->node->is_doomed) return;
    if (world_fault(world, FAULT_SHARD_STALL, world->faults.shard.stall)) {
        event_set(&io->turn, world_delay(world, world->faults.shard.stall_us));
        return;
    }
    ASSERT(world->running == NULL);
    ASSERT(io->timer_order ==
           io->io.timers.next_order); /* else another shard set a timer on this one */
    world->running = io;
    seam_enter(io);
    io->io.stats.turns++;
    world_mix(world, io->io.shard);
    tasks_run(io);
    mail_run(io);
    io->io.stats.timers_fired += timers_run(&io->io.timers, io->io.now.mono_us);
    laters_run(io);
    world->running = NULL;
    turn_plan(io);
}

/* --- operations --- */

bool seam_begin(struct sim_io *io) {
    struct node *node = io->node;
    ASSERT(io->world->running == io ||
           node->is_booting); /* else a shard called on another one's io */
    io->io.stats.ops++;
    if (node->is_doomed) return false;
    if (node->doom_after_ops == 0 || --node->doom_after_ops > 0) return true;
    node->is_doomed = true;
    world_count(io->world, FAULT_STOP_WITHIN_TURN);
    event_set(&node->crash, 0);
    return false;
}

#define UNDER_WAY 0x756e646572776179u /* in impl[1], while impl[0] is the sim_op */

static struct sim_op *op_find(struct sim_io *io, struct io_op *op) {
    if (op->impl[1] != UNDER_WAY)
        return NULL; /* old memory may hold the mark: then it is not listed */
    LIST_EACH(&io->under_way, node) {
        struct sim_op *under_way = CONTAINER_OF(node, struct sim_op, link);
        if (under_way->op == op) return under_way;
    }
    return NULL;
}

static void op_deliver(struct task *task) {
    struct sim_op *op = CONTAINER_OF(task, struct sim_op, task);
    struct io_op *io_op = op->op;
    int64_t result = op->result;
    if (op->file != NULL) file_op_done(op);
    op_free(op);
    if (io_op == NULL) return;
    io_op->impl[1] = 0;
    io_op->result = result;
    io_op->done(io_op);
}

static void op_mix(struct sim_op *op, int64_t result) {
    struct world *world = op->io->world;
    world_mix(world,
              (uint64_t)op->kind << 48 | (uint64_t)op->io->node->id << 40 | (uint32_t)op->fd);
    world_mix(world, (uint64_t)result);
    if (world->trace) {
        world_trace(world, "  %s/%u %s fd=%d %s result=%lld", op->io->node->name, op->io->io.shard,
                    op_names[op->kind], op->fd, op->path != NULL ? op->path : "",
                    (long long)result);
    }
}

void op_finish(struct sim_op *op, int64_t result) {
    event_clear(&op->event);
    op_mix(op, result);
    op->result = result;
    op->execute = NULL;
    op->abandon = NULL;
    seam_ready(op->io, &op->task);
}

static void op_due(struct event *event) {
    struct sim_op *op = CONTAINER_OF(event, struct sim_op, event);
    int64_t result = op->is_executed ? op->result : op->execute(op);
    op_finish(op, result);
}

struct sim_op *op_new(struct sim_io *io, struct io_op *op, enum op_kind kind, int fd) {
    if (op != NULL) {
        ASSERT(op->done != NULL);
        ASSERT(op_find(io, op) == NULL); /* else it was started twice */
        op->impl[1] = UNDER_WAY;
    }
    struct sim_op *new = MEM_NEW(&io->world->mem, struct sim_op);
    new->io = io;
    new->op = op;
    new->kind = kind;
    new->fd = fd;
    new->task.run = op_deliver;
    event_init(&new->event, io->world, EVENT_OP, io->node->id, op_due);
    list_push_back(&io->under_way, &new->link);
    return new;
}

void op_free(struct sim_op *op) {
    event_clear(&op->event);
    list_remove(&op->link);
    list_remove(&op->task.link);
    MEM_FREE(&op->io->world->mem, op);
}

bool op_inline(struct sim_op *op) {
    struct world *world = op->io->world;
    if (!world_fault(world, FAULT_OP_INLINE, world->faults.shard.op_inline)) {
        world_count(world, FAULT_OP_LATER);
        return false;
    }
    int64_t result = op->execute(op);
    op_mix(op, result);
    if (op->file != NULL) file_op_done(op);
    if (op->op != NULL) {
        op->op->impl[1] = 0;
        op->op->result = result;
    }
    op_free(op);
    return true;
}

bool op_start(struct sim_op *op, uint64_t delay_us) {
    if (op_inline(op)) return true;
    event_set(&op->event, delay_us);
    return false;
}

static void seam_cancel(struct io *base, struct io_op *io_op) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    struct sim_op *op = op_find(io, io_op);
    /* What has finished or is about to is as it is; a close always happens. */
    if (op == NULL || op->execute == NULL || op->kind == OP_CLOSE || op->is_executed) return;
    if (prng_chance(&io->world->prng, 1, 2)) return;
    if (op->abandon != NULL) op->abandon(op);
    op_finish(op, -ECANCELED);
}

/* --- descriptors --- */

int fd_new(struct node *node) {
    for (int fd = MAX(3, node->fd_hint); fd < NODE_FDS; fd++) {
        struct descriptor *at = &node->fds[fd];
        if (at->file != NULL || at->socket != NULL || at->listener != NULL) continue;
        if (fd >= node->fd_limit) node->fd_limit = fd + 1;
        node->fd_hint = fd; /* it is taken before the next call */
        return fd;
    }
    return -EMFILE;
}

struct descriptor *fd_find(struct sim_io *io, int fd) {
    if (fd < 0 || fd >= io->node->fd_limit) return NULL;
    struct descriptor *at = &io->node->fds[fd];
    if (at->is_closing || (at->file == NULL && at->socket == NULL && at->listener == NULL))
        return NULL;
    return at;
}

void fd_free(struct node *node, int fd) {
    node->fds[fd] = (struct descriptor){0};
    node->fd_hint = MIN(node->fd_hint, fd);
}

static int64_t bad_descriptor(struct sim_op *op) {
    (void)op; /* whatever it was */
    return -EBADF;
}

static bool seam_close(struct io *base, struct io_op *op, int fd) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct descriptor *at = fd_find(io, fd);
    struct sim_op *close = op_new(io, op, OP_CLOSE, fd);
    if (at == NULL) {
        ASSERT(fd < 0); /* else closed twice: the number may be another's by now */
        close->execute = bad_descriptor;
        return op_start(close, 1);
    }
    at->is_closing = true;
    if (at->file != NULL) return file_close(close, at);
    if (at->listener != NULL) return net_close_listener(close, at);
    return net_close_socket(close, at);
}

/* --- the rest --- */

static int64_t resolve(struct sim_op *op) {
    struct io_address *out = op->buf;
    struct io_address address;
    if (op->len == 0) return 0;
    if (io_address_parse(op->path, (uint16_t)op->offset, &address)) {
        out[0] = address;
        return 1;
    }
    for (uint16_t i = 0; i < op->io->world->node_count; i++) {
        struct node *node = op->io->world->nodes[i];
        bool own = strcmp(op->path, "localhost") == 0 && node == op->io->node;
        if (!own && strcmp(op->path, node->name) != 0) continue;
        out[0] = node->address;
        out[0].port = (uint16_t)op->offset;
        return 1;
    }
    return -ENOENT;
}

static bool seam_resolve(struct io *base, struct io_op *op, const char *host, uint16_t port,
                         struct io_address *ret_addresses, uint32_t capacity) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_RESOLVE, -1);
    new->path = host;
    new->offset = port;
    new->buf = ret_addresses;
    new->len = capacity;
    new->execute = resolve;
    return op_start(new, world_delay(io->world, 10ull * io->world->faults.net.latency_us));
}

static void seam_random(struct io *base, void *out, size_t len) {
    prng_fill(&seam_of(base)->world->prng, out, len);
}

static int64_t work(struct sim_op *op) {
    struct sim_io *running = op->io->world->running;
    op->io->world->running = NULL; /* a worker is no shard: it may not touch a seam */
    int64_t result = op->fn(op->buf);
    op->io->world->running = running;
    return result;
}

static bool seam_work(struct io *base, struct io_op *op, int64_t (*fn)(void *), void *argument) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return false;
    struct sim_op *new = op_new(io, op, OP_WORK, -1);
    new->fn = fn;
    new->buf = argument;
    new->execute = work;
    return op_start(new, world_delay(io->world, io->world->faults.shard.work_us));
}

static void mail_arrives(struct event *event) {
    struct mail *mail = CONTAINER_OF(event, struct mail, event);
    mail->arrived_count = mail->count;
    turn_within(mail->to, world_delay(mail->to->world, mail->to->world->faults.shard.turn_us));
}

static void seam_post(struct io *base, unsigned shard, struct io_message *message) {
    struct sim_io *io = seam_of(base);
    if (!seam_begin(io)) return;
    ASSERT(shard < io->io.shard_count);
    struct mail *mail = &io->node->ios[shard]->mails[io->io.shard];
    message->next = NULL;
    *mail->last = message;
    mail->last = &message->next;
    mail->count++;
    io->io.stats.messages_sent++;
    if (!event_is_set(&mail->event)) {
        event_set(&mail->event, world_delay(io->world, io->world->faults.shard.post_us));
    }
}

static void seam_later(struct io *base, struct io_later *later) {
    struct sim_io *io = seam_of(base);
    ASSERT(io->world->running == io || io->node->is_booting);
    if (!list_is_linked(&later->link)) list_push_back(&io->laters, &later->link);
}

struct sim_io *seam_new(struct node *node, unsigned shard, unsigned shard_count, struct mem *mem) {
    struct world *world = node->world;
    struct sim_io *io = MEM_NEW(&world->mem, struct sim_io);
    io->io.ops = &seam_ops;
    io->io.mem = mem;
    io->io.shard = (uint16_t)shard;
    io->io.shard_count = (uint16_t)shard_count;
    timers_init(&io->io.timers, &world->mem);
    io->world = world;
    io->node = node;
    event_init(&io->turn, world, EVENT_TURN, node->id, turn);
    list_init(&io->ready);
    list_init(&io->under_way);
    list_init(&io->laters);
    for (unsigned i = 0; i < NODE_SHARDS; i++) {
        io->mails[i].last = &io->mails[i].first;
        io->mails[i].to = io;
        event_init(&io->mails[i].event, world, EVENT_MAIL, node->id, mail_arrives);
    }
    return io;
}

void seam_free(struct sim_io *io) {
    LIST_EACH(&io->under_way, node) {
        struct sim_op *op = CONTAINER_OF(node, struct sim_op, link);
        if (op->abandon != NULL) op->abandon(op);
        op_free(op);
    }
    event_clear(&io->turn);
    for (unsigned i = 0; i < NODE_SHARDS; i++) event_clear(&io->mails[i].event);
    timers_release(&io->io.timers);
    MEM_FREE(&io->world->mem, io);
}

const struct io_ops seam_ops = {
    .open = file_open,
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .sync_fs = file_sync_fs,
    .forget = file_forget,
    .truncate = file_truncate,
    .allocate = file_allocate,
    .rename = file_rename,
    .unlink = file_unlink,
    .mkdir = file_mkdir,
    .rmdir = file_rmdir,
    .list = file_list,
    .steps = file_steps,
    .stat = file_stat,
    .statfs = file_statfs,
    .lock = file_lock,
    .dir_sync = file_dir_sync,
    .close = seam_close,
    .cancel = seam_cancel,
    .listen = net_listen,
    .accept_start = net_accept_start,
    .accept_stop = net_accept_stop,
    .connect = net_connect,
    .recv_start = net_recv_start,
    .recv_direct = net_recv_direct,
    .recv_pause = net_recv_pause,
    .recv_resume = net_recv_resume,
    .recv_stop = net_recv_stop,
    .recv_waiting = net_recv_waiting,
    .recv_detach = net_recv_detach,
    .send = net_send,
    .send_file = net_send_file,
    .resolve = seam_resolve,
    .random = seam_random,
    .work = seam_work,
    .post = seam_post,
    .later = seam_later,
};
