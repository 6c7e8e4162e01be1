/* broker/net/fetch_sessions.h - incremental fetch sessions (KIP-227): what a client fetches, kept
 * from request to request, so that it says only what changed and is told only what changed.
 * Pure: no clock, no I/O; `now` is monotonic.
 *
 * Owner: one shard; every shard has a cache of its own and a session's id says which one it is in.
 * A request takes a session out (fetch_session_take), reads and changes its parts on whichever
 * shard it runs, and gives it back; in between the cache does not touch the parts, and another
 * request for the session is refused as one with a wrong epoch.
 *
 * Invariant: session->parts (in the order in which partitions are read: those that gave records go
 * to the end, so that each has its turn) and session->map hold the same parts.
 * Source: kafka.server.FetchSession: FetchSessionCacheShard, FetchManager, CachedPartition. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "protocol/messages.h"

#define FETCH_SESSION_NONE 0
#define FETCH_EPOCH_INITIAL 0  /* a full fetch that begins a session */
#define FETCH_EPOCH_FINAL (-1) /* a full fetch without one */
/* A session may be pushed out by a larger one when it is this old, and by any when it was not used
 * for as long (MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS). */
#define FETCH_SESSION_EVICTION_US ((uint64_t)120 * 1000 * 1000)

/* What a request wants of one partition. */
struct fetch_wish {
    int32_t index;
    int32_t leader_epoch;       /* -1: does not say */
    int32_t last_fetched_epoch; /* -1: does not say */
    int32_t max_bytes;
    int64_t offset;
};

/* One partition of a session. */
struct session_part {
    struct list link;     /* in session->parts */
    struct map_node node; /* in session->map */
    struct uuid topic_id; /* of sessions by id */
    struct str topic;     /* of sessions by name: own copy; else null */
    struct fetch_wish wish;
    /* what was answered last; -1: nothing, or an error */
    int64_t high_watermark, log_start_offset;
    bool is_known; /* the topic id was known once */
};

struct fetch_session {
    struct map_node node; /* in cache->by_id */
    struct list link;     /* in cache->by_use */
    int32_t id;
    int32_t epoch; /* that the next request must have */
    bool by_ids;   /* Fetch 13 and later */
    bool is_taken;
    bool is_removed; /* while it was taken: freed when it is given back */
    uint64_t created_us, used_us;
    uint32_t counted; /* parts, when it was used last: what eviction compares */
    struct map map;
    struct list parts;
    uint32_t part_count;
    uint64_t bytes; /* of the parts */
};

struct fetch_sessions {
    struct mem *mem; /* borrowed */
    struct map by_id;
    struct list by_use; /* least recently used first */
    struct prng prng;
    uint32_t shard, shard_count;
    uint32_t session_count, session_limit; /* slots of this shard */
    uint64_t bytes, bytes_limit;           /* of all parts */
    uint64_t evicted_count;
};

/** slots: max.incremental.fetch.session.cache.slots of the whole broker. */
void fetch_sessions_init(struct fetch_sessions *cache, struct mem *mem, uint32_t shard,
                         uint32_t shard_count, uint32_t slots, uint64_t bytes_limit, uint64_t seed);
/** No session may be taken. */
void fetch_sessions_release(struct fetch_sessions *cache);
/** The shard whose cache may have the session; -1 for an id that no session has. */
int32_t fetch_session_shard(int32_t id, uint32_t shard_count);

/** Makes a session for so many partitions, taken; it evicts another one where Kafka's rules allow.
 * NULL: there is no room, the client goes on without. */
struct fetch_session *fetch_session_new(struct fetch_sessions *cache, bool by_ids, uint32_t count,
                                        uint64_t now_us);
/** Takes the session for a request of this epoch, or says why not (a Kafka error code). */
int16_t fetch_session_take(struct fetch_sessions *cache, int32_t id, int32_t epoch, bool by_ids,
                           struct fetch_session **ret_session);
/** The request goes on with the session: it is used now, and the next epoch is expected. A session
 * without partitions is removed instead; false then. One that was removed since it was taken lasts
 * until the end of this request. */
bool fetch_session_advance(struct fetch_sessions *cache, struct fetch_session *session,
                           uint64_t now_us);
void fetch_session_give_back(struct fetch_sessions *cache, struct fetch_session *session);
/** Removes it when it is there; a taken one is freed when it comes back. */
void fetch_session_close(struct fetch_sessions *cache, int32_t id);

/* On a session that is taken. topic (by name) is copied. */
/** Adds the partition or takes over what is asked of it now. NULL: no room; the session is of no
 * use any more. */
struct session_part *fetch_session_put(struct fetch_sessions *cache, struct fetch_session *session,
                                       struct str topic, struct uuid topic_id,
                                       const struct fetch_wish *wish);
void fetch_session_forget(struct fetch_sessions *cache, struct fetch_session *session,
                          struct str topic, struct uuid topic_id, int32_t index);
/** Whether this news of the partition must be answered; remembers it, and lets a partition that
 * gives records go to the end. Not to be called while session->parts is walked without a saved
 * next. */
bool fetch_session_answers(struct fetch_session *session, struct session_part *part,
                           const struct fetch_response_partition_data *news, uint64_t record_bytes);
