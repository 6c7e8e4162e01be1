/* tests/sim/loss.h - a coordinator is lost: its partition of `__consumer_offsets` gets a new leader
 * epoch, and the same leader. And what it is loaded as again is held against its log. */
#pragma once
#include "base/strbuf.h"
#include "tests/sim/node.h"

struct broker;

struct loss {
    struct world *world;
    int32_t index; /* of the partition; -1: one of them by chance */
};

/** On the broker's shard 0, once it is ready; comes some time later, or not at all when the process
 * ends before. loss: borrowed, for as long as the node is. */
void loss_inflict(struct loss *loss, struct broker *broker);

/** Fails the world when the dump of a coordinator that was just loaded up to `end` is not what the
 * log's octets say, read by other means. */
void loss_compare(struct node *node, int32_t partition, int64_t end, struct str dump);
