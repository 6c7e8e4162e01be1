/* log/removal.h - files that were renamed to `.deleted`, and directories renamed to `-delete`, go
 * after file.delete.delay.ms. A start that finds them removes them, so nothing is remembered on
 * disk. A full disk may have no room for longer names: there they go at once, which makes room.
 *
 * A file system holds up the syncs of others for as long as it frees the blocks of a file: 100 ms
 * for 1 GB of ext4 with discard. So a large file that nobody reads any more, and that has no other
 * name (a hard link of a backup), gets shorter in steps of dir->removal_step_bytes, with pauses,
 * before its name goes. */
#pragma once
#include "log/impl.h"

/* removal_step_bytes of a directory, a multiple of the largest page of the page cache (2 MiB); a
 * simulation sets it low (docs/decisions/0010). */
#define REMOVAL_STEP_BYTES (16u << 20)
#define REMOVAL_PAUSE_US 20000
/** The parts of a segment, renamed already. `path` is the partition's directory. is_shared:
 * somebody may still have its file open, so its octets stay as they are. */
void removal_of_segment(struct log_dir *dir, const char *path, int64_t base_offset, bool is_shared,
                        int64_t delay_ms);
/** Another file is about to get the name that such a part has: nothing by that name is shortened
 * any more, whoever reads it. */
void removals_spare(struct log_dir *dir, const char *path, int64_t base_offset);
/** A partition's directory, by the name it has until now: has lost it durably when this returns
 * ST_OK. is_shared: of any of its files. */
MUST_CHECK enum status removal_of_partition(struct job *job, struct log_dir *dir, const char *path,
                                            struct str topic, int32_t partition, bool is_shared,
                                            int64_t delay_ms);
/** Gives up those that wait and waits for those at work. */
void removals_end(struct job *job, struct log_dir *dir);
/** Removes the files in a directory, then the directory, all at once: at a start. */
MUST_CHECK enum status remove_directory(struct job *job, const char *path);
/** The same of a directory that was begun just now and could not be finished: it holds nothing, and
 * would be in the way of the next topic of its name. What fails is logged. */
void remove_unborn(struct job *job, const char *path);
