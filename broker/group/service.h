/* broker/group/service.h - the shell of the group coordinators of one shard. The coordinator of
 * `__consumer_offsets` partition N lives on the shard that owns that partition: it is loaded from
 * the log by a job when the partition comes online, it appends what its core emits, and it lets
 * answers go when that is below the high watermark (with klamm.flush.before.ack=all: on stable
 * storage). A request is a group_call: a visit to that shard, with a ticket for the core.
 *
 * What is lost with a coordinator (a new leader epoch, a failed append, the stop) is every call
 * that waits: they fail with an error on which clients look for the coordinator again. */
#pragma once
#include "broker/group/coordinator.h"
#include "broker/net/request.h"
#include "broker/shard/visit.h"

struct group_service;
struct hosted;

#define OFFSETS_TOPIC STR("__consumer_offsets")

/* --- of a shard --- */

struct group_service *group_service_new(struct shard *shard);
/** The shard has closed its connections and its partitions. */
void group_service_free(struct group_service *service);
/** The shard's image is newer, its partitions are open: coordinators come, go and begin again,
 * offsets of deleted topics go. deleted: names; of the older image. */
void group_service_take_image(struct shard *shard, const struct topic_image *const *deleted,
                              uint32_t deleted_count);
/** Before the logs of a deleted topic go. */
void group_service_leave(struct shard *shard, struct uuid topic_id);
/** The broker stops: what waits fails, nothing is taken any more. */
void group_service_stop(struct shard *shard);

/* --- of a request --- */

/* One group's part of a request, or the whole. Made at home by group_call_new. */
struct group_call {
    struct visit visit;
    struct group_ticket ticket; /* the handler fills kind, request, response */
    struct request *rq;
    void *owner; /* the handler's */
    /** At home: the response is there. What it points to lives until this returns. */
    void (*done)(struct group_call *call);
    /* the service's */
    struct arena arena; /* of the coordinator's shard */
    struct io_message message;
    struct shard *at;
    struct uuid topic_id;
    int32_t partition;
    uint64_t after;   /* the write that must be committed first */
    uint64_t late_us; /* monotonic; not waited for beyond it */
    uint32_t out;     /* messages that are not home yet */
    char client_host[IO_ADDRESS_TEXT_BYTES];
};

/** NULL without memory. */
struct group_call *group_call_new(struct request *rq, enum group_call_kind kind,
                                  const void *in, void *response,
                                  void (*done)(struct group_call *call));
/** To the coordinator of the group; `done` may have run when this returns. The call is the
 * service's again after `done`. */
void group_call_go(struct group_call *call, struct str group_id);
/** The same to a coordinator by its partition. */
void group_call_go_to(struct group_call *call, int32_t partition);
/** Answers with an error; it has not been sent. */
void group_call_fail(struct group_call *call, int16_t error);
/** For requests that may wait for long, with one call: a connection that closes does not leave it
 * behind. After group_call_new, before group_call_go. */
void group_call_cancellable(struct group_call *call);

/** Whether members may speak the consumer protocol (group.coordinator.rebalance.protocols); where
 * they may not, ConsumerGroupHeartbeat and ConsumerGroupDescribe answer UNSUPPORTED_VERSION. */
bool group_service_serves_consumers(const struct shard *shard);
/** Whether the topic is there; how many partitions it has. */
const struct topic_image *offsets_topic(const struct shard *shard);
