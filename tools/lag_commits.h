/* tools/lag_commits.h - when groups committed before they were watched. No API of Kafka's tells it,
 * but every commit stands in __consumer_offsets with its time, which consumers may read: the last
 * LAG_COMMITS_TAIL records of each of its partitions, within LAG_COMMITS_ROUNDS requests to each
 * broker. An older commit is not found out; nor is one of a transaction, which may be an aborted
 * one. */
#pragma once
#include "tools/lag_watch.h"
#include "tools/topics.h"

#define LAG_COMMITS_TAIL 5000
#define LAG_COMMITS_ROUNDS 16

/** Fills in moved_ms of the watch's partitions. What cannot be read (no right, no leader) is left
 * out; another status than ST_OK has its reason in c->message. */
MUST_CHECK enum status lag_commits_find(struct client *c, const struct topic_list *topics,
                                        struct lag_watch *watch);

/** The same out of what Fetch gave of one partition of __consumer_offsets; the batch at its end may
 * be cut. Returns the offset behind what was read, -1 without a whole batch. */
int64_t lag_commits_note(struct mem *mem, struct bytes records, struct lag_watch *watch);
