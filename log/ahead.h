/* log/ahead.h - room on the disk in advance for a segment that grows fast.
 *
 * A file system that gives an appended file its blocks one at a time spends more on that than on
 * the octets: about a quarter of what a produce of 64 KB batches costs
 * (docs/decisions/0008-room-ahead.md). So an active segment that has grown beyond dir->room_from
 * asks for an eighth of its size more, at least a quarter of that limit and at most
 * ROOM_MOST_BYTES, before it needs it. The file's size stays that of its batches, so nobody sees it
 * but the file system; what is left over goes back at the roll, at the close and at the recovery
 * after a crash. It is a wish: where it is not granted the segment grows as it did, and a file
 * system that is short of room is not asked. */
#pragma once
#include "log/impl.h"

#define ROOM_FROM_BYTES (1u << 20) /* room_from of a directory; a simulation sets it low */
#define ROOM_MOST_BYTES (16u << 20)
#define ROOM_NOT_GRANTED UINT64_MAX

/** After an append: starts a job when the active segment will soon have used up its room. */
void ahead_consider(struct log *log);
/** Gives back what a crash left; segment->file is open and as long as its batches. */
MUST_CHECK enum status ahead_recover(struct job *job, struct segment *segment);
/** Gives back what is beyond the end of a segment that is not appended to any more; its file is
 * open. By the job that has the log. */
MUST_CHECK enum status ahead_give_back(struct job *job, struct segment *segment);
