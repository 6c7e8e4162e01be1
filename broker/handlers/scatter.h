/* broker/handlers/scatter.h - a request about partitions that several shards own: one visit per
 * shard, there a job that takes its partitions one by one, and one answer when all visits are home.
 * Owner: the connection's shard; between scatter_go and `gathered` the parts belong to their
 * shards. */
#pragma once
#include "broker/net/request.h"
#include "broker/replication/partition.h"

struct scatter;

/* One partition of the request; the first member of the handler's own struct. Arena. */
struct scatter_part {
    struct list link; /* scatter's */
    struct uuid topic_id;
    int32_t index;
};

/* What a loop over a topic's partitions needs to know: the image may be another one behind it. */
struct topic_known {
    struct uuid id;
    int32_t partition_count; /* 0: there is no such topic */
};
struct topic_known topic_known(const struct request *rq, struct str name);

/** Makes a scatter in the request's arena; NULL without memory.
 *  work: on the partition's shard, in a job; the partition is NULL when it is not there, otherwise
 *  it is used until work returns. It may not allocate from the request's arena.
 *  gathered: at home, when all are done; answers. */
struct scatter *scatter_new(struct request *rq,
                            void (*work)(struct job *job, struct scatter_part *part,
                                         struct partition *p),
                            void (*gathered)(struct request *rq));
/** settle: on each shard, in the same job, when all its parts are worked on: waits for what they
 * still have under way. */
void scatter_settle(struct scatter *scatter,
                    void (*settle)(struct job *job, struct scatter_part *part));
void scatter_add(struct scatter *scatter, struct scatter_part *part);
/** `gathered` may have run when this returns. */
void scatter_go(struct scatter *scatter);
