/* controller/raft/raft.h - KRaft's rules for one node: events in, effects out; no clock, socket or
 * file. Stands now: the quorum of one voter. It elects itself in a new epoch, leads, and commits
 * what is durable. The quorum's RPCs add events and roles here, not a new shape.
 *
 * Invariants: epochs only grow; a vote is durable before it counts, leadership is durable before
 * the first record of the epoch is appended; high_watermark <= durable_end <= end, and it moves
 * only when the leader's own epoch is durable. Source: org.apache.kafka.raft: KafkaRaftClient,
 * QuorumState, LeaderState; D. Ongaro, "Consensus", 2014, section 3. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

#define RAFT_NOBODY (-1)

/* What outlives a crash: the file quorum-state. */
struct raft_durable {
    int32_t epoch;
    int32_t leader_id; /* of that epoch; RAFT_NOBODY: not known */
    int32_t voted_id;  /* RAFT_NOBODY: no vote given in that epoch */
    struct uuid voted_directory_id;
};

enum raft_role {
    RAFT_UNATTACHED = 0, /* knows an epoch at most */
    RAFT_LEADER = 1,     /* leadership is on its way to the disk, or there */
    RAFT_FAILED = 2,     /* its disk failed: nothing any more */
};

struct raft_voter {
    int32_t id;
    struct uuid directory_id; /* zero: kraft.version 0 knows none */
};

struct raft {
    struct now now;
    enum raft_role role;
    struct raft_voter self;
    struct raft_durable durable; /* what the disk has, once no persist is outstanding */
    bool is_persisting;
    int64_t epoch_start; /* first offset of the epoch that this node leads; -1: none */
    int64_t end, durable_end, high_watermark;
};

enum raft_event_type {
    RAFT_START,     /* loaded; from now on it may campaign */
    RAFT_PERSISTED, /* what effects.persist said is on stable storage */
    RAFT_APPENDED,  /* the log's end is `offset` */
    RAFT_SYNCED,    /* everything below `offset` is on stable storage */
    RAFT_DISK_FAILED,
};
struct raft_event {
    enum raft_event_type type;
    int64_t offset;
};

/* What the shell does, in this order. */
struct raft_effects {
    bool persist; /* write `durable`, answer with RAFT_PERSISTED; until then nothing else happens */
    struct raft_durable durable;
    bool open_epoch; /* append LeaderChangeMessage as the first batch of durable.epoch */
    bool commit;     /* everything below commit_end is committed */
    int64_t commit_end;
    uint64_t wake_us; /* when to step again without an event, or RAFT_NEVER */
};
#define RAFT_NEVER UINT64_MAX

/** loaded: quorum-state, its epoch raised to the log's last; end: of the log, all of it durable.
 *  ST_UNSUPPORTED: more than one voter; ST_INVALID: none, or the only one is not this node (another
 *  id or another directory). *ret_problem says so (arena). */
MUST_CHECK enum status raft_init(struct raft *raft, struct raft_voter self,
                                 const struct raft_voter *voters, uint32_t voter_count,
                                 const struct raft_durable *loaded, int64_t end,
                                 struct arena *arena, struct str *ret_problem);
void raft_step(struct raft *raft, struct now now, const struct raft_event *event,
               struct raft_effects *ret_effects);
/** Leads, and the records that opened the epoch are committed: appends may be taken. */
bool raft_is_leading(const struct raft *raft);
