/* log/producers.h - how a log's producer state comes from its files and gets into them.
 *
 * From them: the newest snapshot at or below where it is wanted, then the batches behind it. A
 * recovery walks batches anyway, so it takes the state along (producers_reach a segment's start,
 * producers_note each batch) and makes transaction indexes from it.
 *
 * Into them: a snapshot when a segment begins and at a clean stop. Snapshots are hints with a
 * checksum, so they are not synced, and a lost or broken one only makes the replay longer, with one
 * exception: that of the first segment stands for what was deleted in front of it, and is whole
 * and durable before that goes (producers_secure). Their removal is synced, for one that came back
 * after other batches took the place of those it tells of would be believed. Kept are those that a
 * segment begins with, and the newest.
 * Source: ProducerStateManager.{truncateAndReload,takeSnapshot,removeStraySnapshots},
 * UnifiedLog.rebuildProducerState. */
#pragma once
#include "log/impl.h"
#include "log/scan.h"

struct producers_load {
    struct job *job;
    struct log *log;
    struct producer_states *states; /* what is loaded: mostly the log's own */
    int64_t *snapshots; /* offsets of the files that are there, ascending */
    uint32_t count, capacity;
    int64_t at;   /* states is what the batches below it amount to; -1: nothing yet */
    int64_t good; /* the snapshot that was read and found whole; -1: none */
    bool clean;
    bool has_removed; /* a name is gone, not durably yet */
};

/** clean: after a clean stop, or while running. Otherwise no snapshot above a hole is believed: it
 * tells of batches that are lost, and a producer that sends one again would be told that it is
 * there. listing: of the partition's directory. */
MUST_CHECK enum status producers_begin(struct producers_load *load, struct job *job,
                                       struct log *log, const struct io_listing *listing,
                                       bool clean);
void producers_end(struct producers_load *load);
/** log->producers becomes what the batches below `offset` amount to; `scan` looks at other files
 * afterwards. Segments below it are as they stay. */
MUST_CHECK enum status producers_reach(struct producers_load *load, struct scan *scan,
                                       int64_t offset);
/** Takes along the batch at `position` of the file that the scan looks at. */
MUST_CHECK enum status producers_note(struct producers_load *load, struct scan *scan,
                                      uint64_t position, const struct batch_view *view,
                                      struct producer_change *ret_change);
/** The state stands at the start of segment `index`: writes its snapshot if it is missing or, after
 * an unclean stop, may be torn. */
MUST_CHECK enum status producers_enter(struct producers_load *load, uint32_t index);
/** The log is as it stays: the state becomes that of its end, and snapshots that say nothing of it
 * are removed (KAFKA-12520: those of later segments stay while an earlier one is recovered). */
MUST_CHECK enum status producers_finish(struct producers_load *load, struct scan *scan);
/** All of these at once, for a log that was truncated. */
MUST_CHECK enum status producers_reload(struct job *job, struct log *log);

/** Makes the snapshot durable that segment `index` (> 0) begins with, before the segments in front
 * of it go: no replay can tell any more what their producers sent. One that is missing (the roll
 * found no room) or torn is made from these segments first. If there is no room for that either,
 * not even after the directory's owner was asked for some, *ret_index is the last segment below
 * `index` whose snapshot is secure, 0 if there is none: what lies in front of that one may go, and
 * makes room. Segments below `index` are durable and stay meanwhile. */
MUST_CHECK enum status producers_secure(struct job *job, struct log *log, uint32_t index,
                                        uint32_t *ret_index);

/* A snapshot on its way into its file. */
struct producers_image {
    int64_t offset;
    uint8_t *octets;
    size_t bytes;
};
/** What the batches below log->end amount to, those that are queued left out. */
MUST_CHECK enum status producers_freeze(const struct log *log, struct producers_image *ret_image);
void producers_image_release(struct producers_image *image, struct mem *mem);
/** Writes it; the snapshot before goes unless a segment begins there. Without room there is none,
 * and a start will replay more. */
MUST_CHECK enum status producers_save(struct job *job, struct log *log,
                                      const struct producers_image *image);
