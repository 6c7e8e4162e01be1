/* controller/raft/quorum_state.h - the file quorum-state: what this voter promised, as one line of
 * JSON without line end. Format: docs/formats/metadata-log.md.
 * Source: org.apache.kafka.raft.FileQuorumStateStore, QuorumStateData. */
#pragma once
#include "base/strbuf.h"
#include "controller/raft/raft.h"

#define QUORUM_STATE_FILE "quorum-state"
#define QUORUM_STATE_BYTES_MAX (64 * 1024)

struct quorum_state {
    struct raft_durable durable;
    int16_t data_version; /* 0: kraft.version 0, the voters stand in this file; 1: in the log */
    int32_t *voters;      /* data_version 0; arena */
    uint32_t voter_count;
};

/** ST_CORRUPT, or ST_UNSUPPORTED (data_version), with what is wrong in *ret_problem. */
MUST_CHECK enum status quorum_state_parse(struct str text, struct arena *arena,
                                          struct quorum_state *ret_state, struct str *ret_problem);
void quorum_state_format(const struct quorum_state *state, struct strbuf *out);
