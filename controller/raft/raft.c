/* controller/raft/raft.c - no clock, socket or file below here: events in, effects out. */
#include "controller/raft/raft.h"
#include "base/assert.h"

static bool is_self(const struct raft_voter *self, const struct raft_voter *voter) {
    if (voter->id != self->id) return false;
    return uuid_is_zero(voter->directory_id) || uuid_eq(voter->directory_id, self->directory_id);
}

enum status raft_init(struct raft *raft, struct raft_voter self, const struct raft_voter *voters,
                      uint32_t voter_count, const struct raft_durable *loaded, int64_t end,
                      struct arena *arena, struct str *ret_problem) {
    if (voter_count > 1) {
        *ret_problem =
            arena_printf(arena, "the quorum has %u voters; one is supported yet", voter_count);
        return ST_UNSUPPORTED;
    }
    if (voter_count == 0) {
        *ret_problem = STR("the quorum has no voter: the directory was not formatted with "
                           "--standalone, and no key names a voter");
        return ST_INVALID;
    }
    if (!is_self(&self, &voters[0])) {
        char ours[UUID_TEXT_BYTES + 1], theirs[UUID_TEXT_BYTES + 1];
        uuid_format(self.directory_id, ours);
        uuid_format(voters[0].directory_id, theirs);
        *ret_problem = arena_printf(arena,
                                    "the only voter is node %d with directory id %s; this is node "
                                    "%d with %s, by its meta.properties",
                                    voters[0].id, theirs, self.id, ours);
        return ST_INVALID;
    }
    ASSERT(loaded->epoch >= 0 && end >= 0);
    *raft = (struct raft){
        .role = RAFT_UNATTACHED,
        .self = self,
        .durable = *loaded,
        .epoch_start = -1,
        .end = end,
        .durable_end = end,
    };
    return ST_OK;
}

static void persist(struct raft *raft, struct raft_durable next, struct raft_effects *effects) {
    ASSERT(next.epoch >= raft->durable.epoch && !raft->is_persisting);
    raft->durable = next;
    raft->is_persisting = true;
    effects->persist = true;
    effects->durable = next;
}

/* The only voter's own vote elects it, so vote and leadership are one promise and one write. (With
 * others to ask, the vote has to be durable before they are.) */
static void elect_self(struct raft *raft, struct raft_effects *effects) {
    struct raft_durable leadership = {
        .epoch = raft->durable.epoch + 1,
        .leader_id = raft->self.id,
        .voted_id = RAFT_NOBODY,
    };
    raft->role = RAFT_LEADER;
    persist(raft, leadership, effects);
}

static void on_persisted(struct raft *raft, struct raft_effects *effects) {
    ASSERT(raft->is_persisting);
    raft->is_persisting = false;
    raft->epoch_start = raft->end;
    effects->open_epoch = true;
    effects->durable = raft->durable;
}

/* With one voter, what is durable here is durable on a majority; what older epochs left is
 * committed along with the own one. */
static void advance(struct raft *raft, struct raft_effects *effects) {
    bool own_epoch = raft->epoch_start >= 0 && raft->durable_end > raft->epoch_start;
    if (raft->role != RAFT_LEADER || !own_epoch) return;
    if (raft->durable_end <= raft->high_watermark) return;
    raft->high_watermark = raft->durable_end;
    effects->commit = true;
    effects->commit_end = raft->high_watermark;
}

void raft_step(struct raft *raft, struct now now, const struct raft_event *event,
               struct raft_effects *ret_effects) {
    ASSERT(now.mono_us >= raft->now.mono_us); /* wall time may step back, monotonic may not */
    raft->now = now;
    *ret_effects = (struct raft_effects){.wake_us = RAFT_NEVER};
    if (raft->role == RAFT_FAILED) return;
    switch (event->type) {
    case RAFT_START:
        if (raft->role == RAFT_UNATTACHED) elect_self(raft, ret_effects);
        break;
    case RAFT_PERSISTED: on_persisted(raft, ret_effects); break;
    case RAFT_APPENDED:
        ASSERT(event->offset >= raft->end);
        raft->end = event->offset;
        break;
    case RAFT_SYNCED:
        ASSERT(event->offset >= raft->durable_end && event->offset <= raft->end);
        raft->durable_end = event->offset;
        advance(raft, ret_effects);
        break;
    case RAFT_DISK_FAILED: raft->role = RAFT_FAILED; break;
    }
    ASSERT(raft->high_watermark <= raft->durable_end && raft->durable_end <= raft->end);
}

bool raft_is_leading(const struct raft *raft) {
    return raft->role == RAFT_LEADER && raft->epoch_start >= 0 &&
           raft->high_watermark > raft->epoch_start;
}
