/* controller/metadata_replay.h - from batches of the metadata log or of a snapshot to an image and
 * a voter set; for the files of controller/ only. Pure: bytes in, image out, in bounded memory.
 * Source: org.apache.kafka.raft.internals.RecordsIterator, KRaftControlRecordStateMachine. */
#pragma once
#include "controller/metadata/image.h"
#include "controller/metadata/record_group.h"
#include "controller/raft/raft.h"
#include "protocol/record_iter.h"

/* KRaft's control records; the type is in the record's key. */
enum control_type {
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
};
#define CONTROL_KEY_BYTES 4
void control_key_put(uint8_t key[CONTROL_KEY_BYTES], enum control_type type);

#define KRAFT_VERSION_MAX 1
#define VOTERS_MAX 64 /* far above any quorum */

struct metadata_replay {
    struct mem *mem;           /* borrowed */
    struct image *image;       /* owned */
    struct record_group group; /* not applied yet */
    struct record_iter iter;
    struct arena arena; /* of one step */
    int16_t kraft_version;
    struct raft_voter voters[VOTERS_MAX];
    uint32_t voter_count;
    struct bytes voters_record; /* value of the newest VotersRecord; owned; null: none */
    bool voters_in_log;         /* it came from the log, not from a snapshot */
    bool saw_header, saw_footer;
    struct uuid *removed; /* topics that were deleted on the way; owned */
    size_t removed_count, removed_capacity;
    int64_t last_offset;
    int32_t last_epoch;
};

void metadata_replay_init(struct metadata_replay *replay, struct mem *mem);
void metadata_replay_release(struct metadata_replay *replay);
/** Takes one whole batch. Offsets and epoch of a snapshot's batches mean nothing. On failure
 * *ret_problem says what is wrong, in the arena. ST_CORRUPT, ST_UNSUPPORTED, ST_TOO_LARGE,
 * ST_NOMEM. */
MUST_CHECK enum status metadata_replay_batch(struct metadata_replay *replay, struct bytes batch,
                                             bool is_snapshot, struct arena *arena,
                                             struct str *ret_problem);
/** Applies what is ready; the image is then that of `last_offset` and `last_epoch` of the replay.
 */
MUST_CHECK enum status metadata_replay_flush(struct metadata_replay *replay, struct arena *arena,
                                             struct str *ret_problem);
