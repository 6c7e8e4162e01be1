/* log/removal.h - files that were renamed to `.deleted`, and directories renamed to `-delete`, go
 * after file.delete.delay.ms. A start that finds them removes them, so nothing is remembered on
 * disk. A full disk may have no room for longer names: there they go at once, which makes room. */
#pragma once
#include "log/impl.h"

/** The parts of a segment, renamed already. `dir` is the partition's directory. */
void removal_of_segment(struct log_dir *dir, const char *path, int64_t base_offset,
                        int64_t delay_ms);
/** A partition's directory, by the name it has until now: has lost it durably when this returns
 * ST_OK. */
MUST_CHECK enum status removal_of_partition(struct job *job, struct log_dir *dir, const char *path,
                                            struct str topic, int32_t partition, int64_t delay_ms);
/** Gives up those that wait and waits for those at work. */
void removals_end(struct job *job, struct log_dir *dir);
/** Removes the files in a directory, then the directory. */
MUST_CHECK enum status remove_directory(struct job *job, const char *path);
