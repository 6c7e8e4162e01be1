/* broker/group/lag.h - how far the groups of this broker's coordinators are behind, for /metrics.
 *
 * Nothing is kept for it while records are produced, fetched or committed: whoever asks
 * (broker/metrics/gather.c) sends two messages through the shards. The first comes by the
 * coordinators: lag_note writes down groups and what they have committed. lag_choose, on one shard,
 * says which groups are listed by name. The second comes by the partitions: lag_ends_find fills in
 * where they end, and when the record was written that a listed group reads next, which is looked
 * up in the log by a job and remembered for as long as the group asks for the same offset.
 * The answer waits for that job, but not long: /livez waits behind a scrape.
 *
 * Isolation: no member tells the coordinator whether it reads uncommitted records, so there are
 * both ends. What is next is judged by the high watermark.
 *
 * Bounds, of one shard and one asking: LAG_GROUPS_MAX groups and LAG_ROWS_MAX offsets are noted
 * (groups in the order of their ids, each whole or not at all; the rest is counted), look-ups begin
 * for LAG_LOOKUP_US, and are waited for as long. Noting sorts the groups' ids. Owner of the notes:
 * between the messages the shards, each row's ends the shard of its partition; afterwards whoever
 * asked. */
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "broker/shard/shard.h"

#define LAG_GROUPS_MAX 10000
#define LAG_ROWS_MAX 20000
#define LAG_ID_BYTES_MAX 256    /* groups with longer ids are not listed by name */
#define LAG_LOOKUP_US 500000

/* What a group has committed for one partition. */
struct lag_row {
    struct str topic;     /* of the notes' arena */
    struct uuid topic_id; /* zero: there is no such topic */
    int32_t partition;
    bool is_listed;
    bool has_ends;  /* this broker leads the partition: the two ends hold */
    bool has_next;  /* next_ms holds */
    int64_t committed, commit_ms /* wall clock */;
    int64_t high_watermark, last_stable_offset;
    int64_t next_ms; /* timestamp of the record to be read next, -1: there is none */
};

struct lag_group {
    struct str id;               /* of the notes' arena */
    const char *protocol, *state; /* as ListGroups has them; static */
    int64_t members;
    int64_t commits; /* offsets committed since the coordinator was loaded */
    uint32_t first_row, row_count;
    bool is_listed;
};

/* Of one shard's coordinators. */
struct lag_notes {
    struct lag_group *groups; /* by id */
    struct lag_row *rows;     /* by group, topic, partition */
    uint32_t group_count, row_count;
    uint64_t groups_left, rows_left; /* that are not noted */
    bool failed;                     /* no memory: nothing here holds */
};

/** On the shard. */
void lag_note(const struct shard *shard, struct arena *arena, struct lag_notes *notes);
/** The group that comes next in the order of ids over all notes, NULL at the end. at: of
 * LIMIT_SHARDS places, all 0 at first; *ret_notes: whose it is. */
struct lag_group *lag_next(struct lag_notes *const *notes, uint32_t notes_count, uint32_t *at,
                           const struct lag_notes **ret_notes);
/** Marks the groups that are listed, at most so many and with so many offsets. */
void lag_choose(struct lag_notes *const *notes, uint32_t notes_count, int64_t groups_max,
                int64_t rows_max);

/* One shard's way through everybody's rows. */
struct lag_ends {
    struct shard *shard;
    struct lag_notes *const *notes;
    uint32_t notes_count;
    void (*done)(struct lag_ends *ends); /* on the shard, once */
};
/** On the shard; `done` may have run when this returns, and runs within LAG_LOOKUP_US: a disk that
 * hangs holds up nobody who asks. One at a time. */
void lag_ends_find(struct lag_ends *ends);

struct lag_want;

/* What a shard remembers of the last way, and the look-ups under way: part of its group service. */
struct lag_cache {
    struct map entries;
    struct mem *mem;
    uint32_t round;
    struct lag_ends *asking; /* waits for the job; NULL: nobody */
    uint32_t asking_round, want_round; /* equal: the job works for whoever asks now */
    struct io_timer patience;
    struct lag_want *wants; /* the job's; NULL: none runs */
    uint32_t want_count, want_capacity;
};
void lag_cache_init(struct lag_cache *cache, struct mem *mem);
/** The shard stops: whoever waits is answered. */
void lag_cache_stop(struct lag_cache *cache);
/** No job runs any more. */
void lag_cache_release(struct lag_cache *cache);
