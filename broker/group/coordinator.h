/* broker/group/coordinator.h - the coordinator of one partition of `__consumer_offsets`: the groups
 * whose ids hash to it, their members, their offsets. A pure state machine: no clock, socket, file,
 * thread or log below here. Events in (a request with its ticket, a deadline, a replayed record, a
 * changed image), effects out (broker/group/effects.h).
 *
 * Invariant: the state that counts is what a replay of the log gives, after every event. What lives
 * beside it is volatile: deadlines, joins and syncs that wait, members that were given an id and
 * have not joined, a rebalance under way. coordinator_dump writes the part that counts, so that two
 * of them can be compared.
 *
 * Life: coordinator_new -> coordinator_replay for every record of the log -> coordinator_loaded ->
 * events -> coordinator_unload (fails every ticket that waits) -> coordinator_free. Owner: the
 * shard of the partition. `now` is two clocks: time-outs use the monotonic one, commit timestamps
 * and retention the wall. Source: org.apache.kafka.coordinator.group: GroupMetadataManager,
 * OffsetMetadataManager. */
#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/strbuf.h"
#include "base/timers.h"
#include "broker/group/assignor.h"
#include "broker/group/effects.h"
#include "controller/metadata/image.h"

/* A number that the broker sets and a group may set for itself, within the broker's bounds. */
struct bounded_setting {
    int32_t value, min, max;
};

/* The broker's settings that the core obeys; all but the assignment interval are read-only keys. */
struct group_settings {
    int32_t metadata_bytes_max; /* offset.metadata.max.bytes */
    int64_t retention_ms;       /* offsets.retention.minutes */
    int64_t retention_check_ms; /* offsets.retention.check.interval.ms */
    int32_t session_timeout_ms_min, session_timeout_ms_max; /* group.m*.session.timeout.ms */
    int32_t initial_delay_ms; /* group.initial.rebalance.delay.ms */
    int32_t group_size_max;   /* group.max.size */
    /* group.consumer.* */
    struct bounded_setting consumer_session_timeout_ms, consumer_heartbeat_interval_ms;
    struct bounded_setting consumer_assignment_interval_ms;
    int32_t consumer_group_size_max;
    bool may_upgrade, may_downgrade; /* group.consumer.migration.policy */
    /* group.consumer.assignors, the first one for groups whose members do not say */
    const struct assignor *assignors[ASSIGNOR_COUNT];
    uint32_t assignor_count; /* at least one */
};
/** NULL: it is none, or not among the broker's. */
const struct assignor *group_settings_assignor(const struct group_settings *settings,
                                               struct str name);

struct coordinator {
    struct mem *mem; /* borrowed */
    const struct group_settings *settings; /* borrowed */
    const struct image *image;             /* borrowed; the shard's newest */
    struct map groups;                     /* struct group, by id */
    struct map transactions;               /* struct pending_transaction, by producer id */
    struct timers timers;
    struct io_timer expiry;                /* of offsets */
    int64_t next_position; /* offset that the next record gets in the log; only its order matters */
    struct now now;                        /* of this step */
    struct group_effects *fx;              /* of this step */
    uint64_t offset_count;
    struct prng prng; /* member ids */
    bool is_loaded;
};

/** seed: member ids are made of it. */
struct coordinator *coordinator_new(struct mem *mem, const struct group_settings *settings,
                                    uint64_t seed);
/** No ticket may wait. */
void coordinator_free(struct coordinator *c);

/* --- replay --- */

/* What stands beside a record in its batch. */
struct replay_context {
    int64_t offset;
    int64_t producer_id; /* of a transactional batch, else NO_PRODUCER_ID */
};
/** ST_CORRUPT: a key or value that contradicts its schema. A record type that this code does not
 * know is passed over, as in Kafka; ST_NOMEM: the state does not fit. */
MUST_CHECK enum status coordinator_replay(struct coordinator *c, const struct replay_context *at,
                                          struct bytes key, struct bytes value,
                                          struct arena *scratch);
/** The control record that ends a transaction. */
MUST_CHECK enum status coordinator_replay_marker(struct coordinator *c, int64_t producer_id,
                                                 bool is_commit);

/* --- events; each leaves its effects in *fx, which the shell empties before the next --- */

/** The log was replayed up to `next_position`. */
void coordinator_loaded(struct coordinator *c, struct now now, const struct image *image,
                        int64_t next_position, struct group_effects *fx);
/** A request. The ticket is answered in this step or in a later one. */
void coordinator_request(struct coordinator *c, struct now now, struct group_ticket *ticket,
                         struct group_effects *fx);
/** Nobody waits for the answer any more: the ticket is forgotten, its member stays. true: it
 * waited, and is the caller's again; false: it was answered before. */
bool coordinator_abandon(struct group_ticket *ticket);
/** Deadlines that are due. */
void coordinator_tick(struct coordinator *c, struct now now, struct group_effects *fx);
/** Monotonic time of the next deadline; UINT64_MAX: none. */
static inline uint64_t coordinator_wake_us(const struct coordinator *c) {
    return timers_next_us(&c->timers);
}
/** A topic is gone: its offsets go, too. `image` is the newest. */
void coordinator_topic_deleted(struct coordinator *c, struct now now, const struct image *image,
                               struct str topic, struct group_effects *fx);
/** Every ticket that waits fails with `error`; nothing else may be asked afterwards. */
void coordinator_unload(struct coordinator *c, int16_t error, struct group_effects *fx);

/** Groups, members and offsets in a canonical form, without what is volatile. */
void coordinator_dump(const struct coordinator *c, struct strbuf *out);

/** Which partition of `__consumer_offsets` a group lives in: Java's String.hashCode over UTF-16,
 * without its sign, modulo the count. */
int32_t group_partition(struct str group_id, int32_t partition_count);
