/* log/swap.h - segments that take the place of others, as compaction makes them: readers see the
 * old ones or the new one, and so does a start after a crash, whenever that was.
 *
 *   <base>.log.cleaned ..  whole and on stable storage; a start removes them
 *   <base>.log.swap ..     all parts renamed, durably: from here on a start finishes the work
 *   the old ones           renamed to .deleted, durably; removed after file.delete.delay.ms
 *                          (at once where a full disk has no room for the name)
 *   <base>.log ..          renamed, durably
 *
 * Who holds an old segment keeps it and its file. Until the names are settled the new one's indexes
 * are in memory, so that nobody reads the old one's files by its name.
 * Source: LocalLog.replaceSegments, LogLoader.load (log/strays.h is ours). */
#pragma once
#include "log/impl.h"

/** Renames the parts of a segment that are there: `from` and `to` are suffixes, "" for none. The
 * producer snapshot goes along only when with_snapshot. Not yet durable. */
MUST_CHECK enum status segment_rename(struct job *job, const struct log *log, int64_t base_offset,
                                      const char *from, const char *to, bool with_snapshot);
/** Takes a segment's names away before its files are removed: renamed to .deleted, the producer
 * snapshot with them only when with_snapshot. A full disk may have no room for longer names: there
 * the files are removed at once, which makes room. Not yet durable. */
MUST_CHECK enum status segment_set_aside(struct job *job, const struct log *log,
                                         int64_t base_offset, bool with_snapshot);
/** Puts `cleaned` (taken, also on failure) in the place of `count` segments that begin with the one
 * of its base offset; `bases` are theirs. Its .cleaned files are durable, its index entries all in
 * memory. ST_STALE: those segments are not the log's any more, or is_wanted says no; ST_NO_SPACE:
 * later; nothing changed, the .cleaned files that are there stay. After any other failure the log
 * is offline. For a job that does not have the log. */
MUST_CHECK enum status segments_swap(struct job *job, struct log *log, struct segment *cleaned,
                                     const int64_t *bases, uint32_t count,
                                     bool (*is_wanted)(const struct log *log));
