/* log/fs_rounds.c - questions are gathered while a syncfs is under way, and share the next one. */
#include "log/fs_rounds.h"
#include "base/assert.h"
#include "base/bytes.h"

static void sync_done(struct io_op *op);

static void come_home(struct io_message *message, struct io *at) {
    (void)at; /* the home shard */
    struct fs_question *question = CONTAINER_OF(message, struct fs_question, message);
    question->done(question);
}

static void end(struct fs_rounds *rounds) {
    rounds->count++;
    rounds->failure = MIN(rounds->op.result, INT64_C(0));
}

static void answer(struct fs_rounds *rounds) {
    for (struct list *node; (node = list_pop_front(&rounds->covered)) != NULL;) {
        struct fs_question *question = CONTAINER_OF(node, struct fs_question, link);
        question->result = rounds->failure;
        question->message.deliver = come_home;
        io_post(rounds->io, question->home->shard, &question->message);
    }
}

static void start(struct fs_rounds *rounds) {
    while (list_is_empty(&rounds->covered) && !list_is_empty(&rounds->waiting)) {
        io_timer_clear(rounds->io, &rounds->gather);
        for (struct list *node; (node = list_pop_front(&rounds->waiting)) != NULL;)
            list_push_back(&rounds->covered, node);
        rounds->op.done = sync_done;
        if (rounds->failure == 0) {
            if (!io_sync_fs(rounds->io, &rounds->op, rounds->fd)) return;
            end(rounds);
        }
        answer(rounds);
    }
}

static void sync_done(struct io_op *op) {
    struct fs_rounds *rounds = CONTAINER_OF(op, struct fs_rounds, op);
    end(rounds);
    answer(rounds);
    start(rounds);
}

static void on_gathered(struct io_timer *timer) {
    start(CONTAINER_OF(timer, struct fs_rounds, gather));
}

/* All shards ask for what nobody waits for at the same times: one syncfs shall do for them. */
static void arrive(struct io_message *message, struct io *at) {
    struct fs_question *question = CONTAINER_OF(message, struct fs_question, message);
    struct fs_rounds *rounds = question->rounds;
    ASSERT(rounds->io == at);
    bool is_first = list_is_empty(&rounds->waiting);
    list_push_back(&rounds->waiting, &question->link);
    if (!question->is_late) {
        start(rounds);
    } else if (is_first) {
        io_timer_set(at, &rounds->gather, at->now.mono_us + FS_ROUNDS_GATHER_US);
    }
}

void fs_rounds_init(struct fs_rounds *rounds, struct io *io, int fd) {
    *rounds = (struct fs_rounds){.io = io, .fd = fd};
    rounds->gather.fire = on_gathered;
    list_init(&rounds->waiting);
    list_init(&rounds->covered);
}

void fs_question_ask(struct fs_question *question) {
    question->message.deliver = arrive;
    io_post(question->home, question->rounds->io->shard, &question->message);
}
