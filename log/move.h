/* log/move.h - a log moves to another log directory while it is appended to and read.
 *
 * As Apache Kafka's: `<to>/<topic>-<partition>.<uuid>-future` takes a copy, octet by octet
 * (batches, holes, indexes, producer snapshots, leader epochs), all of it on stable storage.
 * It runs after the log until little is left. Then nothing is written for a moment: the rest is
 * copied, the copy takes the log's name, the metadata says where the log is now, and the log goes
 * on there, with all that it has in memory and everybody who waits. The old directory becomes a
 * `-delete` one.
 *
 * A crash at any point leaves the log whole in at least one place. While both directories have its
 * name they are equal, and the one counts that the metadata names (broker/shard/moves.h).
 *
 * Reads go on all the while; they keep the old files as long as they need them. Nobody cleans the
 * log meanwhile: that is the owner's to see to. Owner: the partition's shard.
 * Source: KIP-113, KIP-858, kafka.server.ReplicaAlterLogDirsThread,
 * kafka.cluster.Partition.maybeReplaceCurrentWithFutureReplica. */
#pragma once
#include "log/log.h"

struct log_move {
    struct log_dir *to;
    /** Asked again and again; false gives the move up. */
    bool (*may_go_on)(struct log_move *move);
    /** Waits until so many octets may be copied. */
    void (*pace)(struct job *job, struct log_move *move, uint64_t bytes);
    /** Nothing is written to the log, the copy is whole, and so far it has no name: what the
     * directory's checkpoint files must say before it has one. */
    enum status (*prepare)(struct job *job, struct log_move *move);
    /** Likewise, and it has its name: where the log is goes into the metadata, durably. */
    enum status (*decide)(struct job *job, struct log_move *move);
    bool keeps_copy; /* a move that is given up leaves its copy: the next start begins it anew */
    /* results, also along the way */
    int64_t copied_end; /* the copy holds the offsets below it */
    uint64_t copied_bytes; /* of batches */
};

/** ST_OK: log_directory(log) is move->to. Otherwise the log is where it was: ST_CANCELLED given up;
 * ST_NO_SPACE, ST_NOMEM; ST_IO: one of the directories failed, and is offline unless it was a
 * read. */
MUST_CHECK enum status log_move_to(struct job *job, struct log *log, struct log_move *move);
