/* log/rounds.h - sync rounds of one log directory: group commit.
 * A log that has something to sync queues in dir->dirty. At the end of a turn its file is synced,
 * at most dir->sync_limit in flight, one a log; when dir->fs_from or more are queued, or
 * LOG_DIR_LATE_FS_FROM that nobody waits for, one syncfs takes all of them (log/fs_rounds.h),
 * unless it lately took longer than their own syncs would have: it also waits for what others
 * wrote into the file system. Logs that somebody waits for do not wait for one that nobody does.
 * What was in the file when a sync started is durable when it ended; what came meanwhile makes the
 * next one. After an error nothing is known of any earlier write: never retried, the directory goes
 * offline.
 * Measured in docs/decisions/0006-sync-rounds.md. */
#pragma once
#include "base/job.h"

struct log;
struct log_dir;
struct io_later;

/** Queues the log when something below sync_wanted is in the file and not durable. */
void rounds_want(struct log *log);
/** Takes it out of the queue. */
void rounds_forget(struct log *log);
/** Whether one syncfs is the way for so many files: there are dir->fs_from of them, and it did not
 * lately take longer than their own syncs would. */
bool rounds_prefer_fs(const struct log_dir *dir, uint32_t files);
/** One syncfs, which all who ask meanwhile share; after a failure the directory is offline. */
MUST_CHECK enum status rounds_sync_fs(struct job *job, struct log_dir *dir);
/** The ring has a write, or has ended it: a disk that hangs may hold that before any sync. */
void rounds_write_began(struct log_dir *dir);
void rounds_write_ended(struct log_dir *dir);
/** For how long no sync under way has ended, or no such write; 0: there is none. */
uint64_t rounds_wait_us(const struct log_dir *dir);
/** It is more than four times what syncs of this directory lately took (ROUNDS_SLOW_US at least,
 * ROUNDS_SLOW_MOST_US at most): an inline write might hold the shard for as long, so writes go to
 * the ring. */
bool rounds_are_slow(const struct log_dir *dir);
#define ROUNDS_SLOW_US 100000
#define ROUNDS_SLOW_MOST_US 1000000
/** dir->later's function. */
void rounds_run(struct io_later *later);
