/* tests/unit/sim/wal.h - a small server that proves the simulator: it appends numbers to a
 * write-ahead log and answers each one once it is on stable storage. Shard 0 has the log, recovery
 * is a job; the other shards accept connections too and hand their numbers to shard 0 by messages.
 * With `is_careless` it answers before the sync, or forgets to sync the directory: the simulator
 * must find that out. */
#pragma once
#include "tests/sim/node.h"

enum { WAL_PORT = 7000, WAL_RECORD_BYTES = 16 };

enum wal_mistake { WAL_RIGHT, WAL_NO_SYNC, WAL_NO_DIR_SYNC, WAL_SYNC_TOO_EARLY };

struct wal_options {
    enum wal_mistake mistake;
    uint64_t *recovered; /* the numbers that the last start found, at most capacity */
    size_t recovered_count, capacity;
    bool serves; /* recovery has ended and it listens */
};

/** For node_start; argument: struct wal_options. */
void wal_boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
              void *argument);
