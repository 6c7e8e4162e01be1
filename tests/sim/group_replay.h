/* tests/sim/group_replay.h - a coordinator's state out of the octets of its log, read from the
 * simulated disk past everything that the broker has for reading logs: what the broker's loading
 * job is held against. */
#pragma once
#include "base/strbuf.h"
#include "tests/sim/disk.h"

/** Replays the partition of `__consumer_offsets`, in whichever of the directories it lies, below
 * `end`; its dump goes into `out`. false: it is not there or cannot be read. */
bool group_replay(struct disk *disk, int32_t partition, int64_t end, struct strbuf *out);
