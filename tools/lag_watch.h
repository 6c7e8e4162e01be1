/* tools/lag_watch.h - klamm-lag's look at a cluster: groups, their members and offsets, where
 * partitions end, and when the records were written that are read next. Only by requests that every
 * broker of Kafka's serves: Metadata, ListGroups, ConsumerGroupDescribe, DescribeGroups,
 * OffsetFetch, ListOffsets, Fetch. The first look also says when was committed (lag_commits.h).
 *
 * Every look has an arena of its own, that of the client which took it: it copies what the look
 * before remembered, and that one can then be let go. So a view that runs for days holds two looks.
 * Bounds: LAG_FETCHES_MAX requests a look for records; what is not found out is -1. */
#pragma once
#include "tools/client.h"
#include "tools/groups.h"
#include "tools/lag_model.h"

#define LAG_FETCHES_MAX 64

struct lag_group {
    struct str id, type, state; /* type: "classic" or "consumer" */
    uint32_t members;
    struct lag_window window;
    struct lag_partition *partitions; /* sorted by topic and partition; also window.partitions */
};

struct lag_watch {
    int64_t time_ms; /* wall clock */
    struct lag_group *groups; /* sorted by id */
    uint32_t group_count;
};

/** Looks at `names` (count 0: all groups of consumers). before: the look before this one, or an
 * empty one. A status other than ST_OK has its reason in c->message. */
MUST_CHECK enum status lag_watch_take(struct client *c, const struct str *names,
                                      uint32_t name_count, const struct lag_watch *before,
                                      struct lag_watch *ret);

/** A group's partition in the watch; NULL: it is not there. */
struct lag_partition *lag_watch_find(const struct lag_watch *watch, struct str group,
                                     struct group_place place);

/** When the record at `offset` was written, by the batch that begins `records` (which may be cut):
 * exactly, but between the times of first and last record where only the batch's header is there or
 * its records are compressed. -1: not known. */
int64_t lag_record_time(struct mem *mem, struct bytes records, int64_t offset);
