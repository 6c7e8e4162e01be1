/* tests/bench/topic.h - topics of a load: created before it, deleted after it. */
#pragma once
#include "client.h"

struct topic {
    char name[64];
    struct uuid id; /* zero when the broker speaks no version that tells it */
    int32_t partitions;
    uint64_t records; /* acknowledged, in all partitions */
};

#define TOPIC_NAME_PREFIX "bench-"

/** Creates it under a name that nobody else has, replication factor 1, and waits until every
 *  partition is served. Dies on any error. */
void topic_create(struct client *client, const char *prefix, int32_t partitions,
                  struct topic *topic);
void topic_delete(struct client *client, const struct topic *topic);
/** How many records consumers may read, summed over the partitions; -1 while one is not served. */
int64_t topic_readable(struct client *client, const struct topic *topic);
/** Waits until consumers may read as many records as were acknowledged; dies when they never may,
 * or when there are more. */
void topic_await_records(struct client *client, const struct topic *topic);
