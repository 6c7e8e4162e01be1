/* controller/snapshot_write.h - the batches of a snapshot file, in memory: for bootstrap.checkpoint
 * and for the snapshot that formatting leaves. For the files of controller/ only.
 *     snapshot_write_init, _header, _records (any number), _footer, then out; _release */
#pragma once
#include "controller/snapshot.h"
#include "protocol/batch_builder.h"
#include "protocol/octets.h"

struct snapshot_write {
    struct octets out;
    struct batch_builder builder;
    struct arena *arena; /* borrowed; for control records */
    int64_t next_offset;
    int32_t epoch; /* of the snapshot; its batches carry it */
    int64_t now_ms;
};

void snapshot_write_init(struct snapshot_write *w, struct mem *mem, struct arena *arena,
                         int32_t epoch, int64_t now_ms);
void snapshot_write_release(struct snapshot_write *w);
/** last_record_ms: of the newest record that the snapshot holds. voters: an encoded VotersRecord,
 * null: none, and no KRaftVersionRecord either. */
MUST_CHECK enum status snapshot_write_header(struct snapshot_write *w, int64_t last_record_ms,
                                             int16_t kraft_version, struct bytes voters);
/** One batch. */
MUST_CHECK enum status snapshot_write_records(struct snapshot_write *w, const struct bytes *values,
                                              uint32_t count);
MUST_CHECK enum status snapshot_write_footer(struct snapshot_write *w);
