/* controller/snapshot.h - snapshots of the metadata log, and bootstrap.checkpoint, which has their
 * format: a control batch that begins with SNAPSHOT_HEADER, data batches, a control batch with
 * SNAPSHOT_FOOTER; offsets from 0 up. `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint`.
 * For the files of controller/ only. Format: docs/formats/metadata-log.md.
 * Source: org.apache.kafka.snapshot.{Snapshots, RecordsSnapshotReader, RecordsSnapshotWriter}. */
#pragma once
#include "base/job.h"
#include "controller/metadata_replay.h"

#define BOOTSTRAP_FILE "bootstrap.checkpoint"
#define SNAPSHOT_MODE 0400u

struct snapshot_id {
    int64_t end_offset; /* first one that is not in it */
    int32_t epoch;
};
#define SNAPSHOT_NAME_BYTES 48
void snapshot_name(struct snapshot_id id, char name[SNAPSHOT_NAME_BYTES]);
bool snapshot_name_parse(const char *name, struct snapshot_id *ret_id);

/** All snapshots of a directory, the newest first; arena. */
MUST_CHECK enum status snapshot_list(struct job *job, struct str dir, struct arena *arena,
                                     struct snapshot_id **ret_ids, uint32_t *ret_count);
/** Replays a whole file; what it holds is applied. ST_CORRUPT (torn, without footer, damaged) and
 * the statuses of metadata_replay_batch, with *ret_problem in the arena; ST_NOT_FOUND. */
MUST_CHECK enum status snapshot_read(struct job *job, const char *path,
                                     struct metadata_replay *replay, struct arena *arena,
                                     struct str *ret_problem);
/** The data records of bootstrap.checkpoint, in the arena; none when the file is missing. */
MUST_CHECK enum status snapshot_read_bootstrap(struct job *job, struct str dir, struct arena *arena,
                                               struct bytes **ret_values, uint32_t *ret_count,
                                               struct str *ret_problem);
