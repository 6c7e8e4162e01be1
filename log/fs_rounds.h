/* log/fs_rounds.h - one syncfs for all shards' logs of a directory.
 * The shards share the file system, so one of them (the owner) syncs it for all: who asks is told
 * when a syncfs that began after its question has ended, and everybody who asked before it began
 * shares it. So there is one syncfs of a directory in the process at a time, whatever the number of
 * shards, and it holds one of the seam's workers: a directory that hangs takes no more. For a
 * question that is late, nobody waits: it begins FS_ROUNDS_GATHER_US later unless one comes that is
 * not, so that the shards share it whose timers are due together (log_sync_late).
 *
 * Errors. syncfs tells of every file of the file system whose writing failed since `fd` was opened
 * (Linux 5.8), once; of failures before that it says nothing. So fd is opened before anything is
 * written into the directory, and stays open. That the failed file may be somebody else's does not
 * matter: a device that lost their data has no business with ours. Once, but for good: the kernel
 * drops what it could not write, so the next syncfs would succeed without it. After one that failed
 * every answer is its error, and no other is made.
 *
 * Owner: the shard of `io`; questions come by message. */
#pragma once
#include "base/io.h"

#define FS_ROUNDS_GATHER_US 1000

struct fs_rounds {
    struct io *io; /* borrowed: the owner's */
    int fd;        /* of the directory; whoever opened it closes it when nothing asks any more */
    struct io_op op;
    struct io_timer gather; /* set for the first of `waiting`, when that is late */
    struct list waiting, covered; /* struct fs_question: for the next syncfs, of the running one */
    uint64_t count;               /* of syncfs calls that ended */
    int64_t failure;              /* a negative errno once one has failed */
};

struct fs_question {
    struct io_message message;
    struct list link;
    struct fs_rounds *rounds;
    struct io *home;
    bool is_late; /* nobody waits for the answer */
    int64_t result; /* 0 or a negative errno */
    /** On the home shard, later. */
    void (*done)(struct fs_question *question);
};

void fs_rounds_init(struct fs_rounds *rounds, struct io *io, int fd);
/** On question->home. rounds, home, is_late and done are set. */
void fs_question_ask(struct fs_question *question);
