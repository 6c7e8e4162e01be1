/* log/scrub.h - looking for damage: every file of a log directory read and held against what its
 * format promises, at a bounded rate, changing nothing. A job; whose directory it is does not
 * matter: a stopped broker's, or one that is being written meanwhile (`is_live`).
 *
 * Checked: each batch (length, checksum, offsets, epochs), each index entry against the batches
 * (it leads to a batch from which its offset, or its timestamp, can be found; a time is the newest
 * up to its offset, since retention goes by the last one), transaction indexes, producer snapshots,
 * epoch files, partition.metadata, metadata snapshots, and at the root meta.properties, the clean
 * marker and the offset checkpoints. What recovery kept as a hole is told as one.
 *
 * In a live directory files grow, move and go. What looks damaged is looked at again after
 * SCRUB_AGAIN_MS and told only when it still does; a file that has gone was never wrong. Octets
 * come through the page cache: a page that the machine holds is what is read, as for every client.
 */
#pragma once
#include "base/arena.h"
#include "base/job.h"

#define SCRUB_AGAIN_MS 500
#define SCRUB_FINDINGS_MAX 8 /* told of one file; the rest is summed up in one more */

struct scrub_finding {
    const char *file; /* borrowed for the call */
    int64_t position; /* octet in the file; -1: the file as a whole */
    const char *what; /* static text */
};

struct scrub {
    void (*found)(struct scrub *scrub, const struct scrub_finding *finding);
    void *owner;
    uint64_t bytes_per_second; /* 0: as fast as it goes; may be changed while it runs */
    bool is_live;
    const bool *stop; /* NULL, or becomes true when it shall end soon (ST_CANCELLED) */
    /* so far */
    uint64_t files, batches, bytes, findings;
    /* private */
    uint64_t pace_at_us; /* when the octets read so far were due */
};

/** Everything in one log directory. ST_OK: it was gone through, whatever was found (a file that the
 * device does not give is a finding). ST_NOT_FOUND, ST_DENIED: there is no such directory, or it
 * cannot be listed. ST_CANCELLED, ST_NOMEM. `dir` is terminated. */
MUST_CHECK enum status scrub_directory(struct job *job, struct scrub *scrub, struct str dir);

/* For the files of the scrub only. */

/** Counts and tells. */
void scrub_tell(struct scrub *scrub, const char *file, int64_t position, const char *what);
/** `bytes` more were read: waits as long as the rate wants; ST_CANCELLED. */
MUST_CHECK enum status scrub_pace(struct job *job, struct scrub *scrub, uint64_t bytes);
/** The segment `base_offset` of a partition's directory, with its indexes. *ret_end: where its
 * offsets end, as far as it could be read. is_last: it may be the one that is written. */
MUST_CHECK enum status scrub_segment(struct job *job, struct scrub *scrub, const char *dir,
                                     int64_t base_offset, bool is_last, int64_t *ret_end);
/** A file of batches without indexes: a snapshot of the metadata. */
MUST_CHECK enum status scrub_batches(struct job *job, struct scrub *scrub, const char *path);
