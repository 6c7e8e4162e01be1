/* log/rounds.h - sync rounds of one log directory: group commit.
 * A log that has something to sync queues in dir->dirty. At the end of a turn syncs start, at most
 * dir->sync_limit in flight, one a log. What was in the file when a sync started is durable when it
 * ended; what came meanwhile makes the next one. After an error nothing is known of any earlier
 * write: never retried, the directory goes offline. */
#pragma once

struct log;
struct io_later;

/** Queues the log when something below sync_wanted is in the file and not durable. */
void rounds_want(struct log *log);
/** Takes it out of the queue. */
void rounds_forget(struct log *log);
/** dir->later's function. */
void rounds_run(struct io_later *later);
