/* broker/shard/log_starts.h - two checkpoint files while the broker runs:
 * log-start-offset-checkpoint (where DeleteRecords has raised the starts of logs; without an entry
 * a log starts with its first file) and cleaner-offset-checkpoint (up to where compaction has
 * cleaned logs).
 *
 * A start is saved durably before DeleteRecords is answered: what was deleted stays deleted, also
 * after a crash. (Apache Kafka writes the file once in
 * log.flush.start.offset.checkpoint.interval.ms, and gives deleted records back after one.) The
 * entry of a topic that goes is forgotten before its log is: it would cut off the start of the next
 * topic of that name.
 *
 * Owner: shard 0. A directory's file is written by one job at a time; everything that comes
 * meanwhile goes into the next writing. */
#pragma once
#include "broker/shard/shard.h"

#define LOG_START_FORGET (-1)

/* One entry on its way into the file and the word that it is there. */
struct log_start_save {
    struct io_message message;
    struct list link; /* log_starts' */
    struct shard *home;
    uint32_t dir_index;
    bool of_cleaner;  /* cleaner-offset-checkpoint */
    struct str topic; /* borrowed until done */
    int32_t partition;
    int64_t offset; /* LOG_START_FORGET: the partition has no entry any more */
    enum status status;
    /** On the home shard. */
    void (*done)(struct log_start_save *save);
};

/** Makes the tables of all directories. On shard 0, when the checkpoints were read. */
void log_starts_open(struct broker *broker);
/** Nothing may be on its way. */
void log_starts_free(struct broker *broker);
/** The log begins at `first_base_offset` anyhow: an entry that says no more goes with the next
 * writing. On shard 0. */
void log_start_needless(struct broker *broker, uint32_t dir_index, struct str topic,
                        int32_t partition, int64_t first_base_offset);
/** At the stop, when nothing is on its way: where a log that was closed in order begins (as Kafka:
 * an entry only when that is not where its first file does). What the file says of a log that was
 * not, or was never opened, stays. On shard 0. */
void log_start_closed(struct broker *broker, uint32_t dir_index, struct str topic,
                      int32_t partition, int64_t log_start, int64_t first_base_offset);
/** Then: the file of a directory. */
MUST_CHECK enum status log_starts_write(struct job *job, struct broker *broker,
                                        uint32_t dir_index);
/** On save->home. done may have run when this returns. */
void log_start_save(struct log_start_save *save);
/** The same, awaited. On the job's shard. */
MUST_CHECK enum status log_start_save_wait(struct job *job, struct shard *shard, uint32_t dir_index,
                                           bool of_cleaner, struct str topic, int32_t partition,
                                           int64_t offset);
/** What this file and the cleaner's said at the start of a partition that was not opened since is
 * forgotten. On the job's shard. */
MUST_CHECK enum status log_starts_forget(struct job *job, struct shard *shard, uint32_t dir_index,
                                         struct str topic, int32_t partition);
