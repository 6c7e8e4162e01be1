/* broker/group/host.h - one coordinator and its partition, on its shard. Internal to broker/group.
 *
 * Order: records are put into a batch in the order of events; batches are appended in that order;
 * `emitted` counts them, `committed` follows when they are below the high watermark. A call whose
 * answer came with or after batch N leaves when committed >= N, in order. */
#pragma once
#include "broker/group/lag.h"
#include "broker/group/service.h"
#include "broker/replication/partition.h"
#include "protocol/batch_builder.h"

enum host_state {
    HOST_LOADING, /* queued or being read: COORDINATOR_LOAD_IN_PROGRESS */
    HOST_ACTIVE,
    HOST_FAILED,  /* the partition is not there or could not be read: NOT_COORDINATOR */
    HOST_LEAVING, /* stopped, or given up while it was being read */
};

struct group_service {
    struct shard *shard;
    struct mem mem; /* what groups hold: bounded apart from what requests hold */
    struct group_settings settings;
    int64_t linger_ms; /* group.coordinator.append.linger.ms */
    uint64_t patience_us; /* offsets.commit.timeout.ms */
    size_t cached_bytes_max; /* group.coordinator.cached.buffer.max.bytes */
    struct list hosts; /* struct hosted */
    struct list dirty; /* hosts with records to append at the end of this turn */
    struct io_later flush;
    struct pool calls;
    struct lag_cache lag;
    bool is_loading; /* the job that reads logs runs */
    bool is_stopped;
    bool serves_consumers; /* group.coordinator.rebalance.protocols names them */
};

struct hosted {
    struct list link;       /* in service->hosts */
    struct list dirty_link; /* in service->dirty */
    struct group_service *service;
    struct uuid topic_id;
    int32_t index;
    int32_t leader_epoch; /* that it was loaded under */
    enum host_state state;
    bool is_being_read;
    struct coordinator *core; /* NULL unless active */
    struct group_effects fx;
    struct io_timer wake;   /* the core's next deadline */
    struct io_timer linger; /* set: records wait for others */
    struct io_timer late;   /* the first answer that waits has waited too long; may come early */
    struct io_timer retry;  /* set: a load failed, and is tried again */
    struct batch_builder builder;
    bool has_batch; /* the builder holds records */
    uint64_t emitted, committed;
    struct list waiting; /* tickets of calls, in order of call->after */
    struct list writes;  /* struct group_write, in order */
    struct strbuf verify; /* what it was before it was loaded again, for tests; else empty */
    bool is_verified;
};

/** Does what the core's step asked for. */
void host_take_effects(struct hosted *host);
/** Appends what was put together. */
void host_flush(struct hosted *host);
/** Up to `emitted` nothing is outstanding, but everything below `offset` must be committed first:
 *  after a load. */
void host_await(struct hosted *host, struct partition *p, int64_t offset);
/** Writes that are under way finish without it. */
void host_orphan_writes(struct hosted *host);
/** Everything that waits fails; the core is gone. */
void host_unload(struct hosted *host, int16_t error);
/** A new leader epoch: unloaded and loaded again, nothing that was emitted lost on the way. */
void host_renew(struct hosted *host);
/** From the log, by the shard's loading job; before: unloaded. */
void host_load(struct hosted *host);
struct partition *host_partition(const struct hosted *host);
/** Finished: home. */
void group_call_finish(struct group_call *call);
