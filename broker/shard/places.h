/* broker/shard/places.h - in which log directory a partition lies: what was found at the start, and
 * what the metadata says. */
#pragma once
#include "broker/shard/shard.h"
#include "log/names.h"

/** Whether a partition's directory was found there at the start. */
bool broker_dir_holds(const struct broker_dir *dir, struct str topic, int32_t index);
/** The directory in which this node's replica is opened. At the start: where it was found (in two:
 * where the image says, or the first); else where the image says; else, when that says nothing, the
 * first that is not cordoned, or the first. Later (it is new): where the image says. false: it lies
 * where the image says, and that directory failed or is none of ours; made anew elsewhere it would
 * be empty (KAFKA-16234). */
bool broker_dir_of(const struct broker *broker, const struct image *image,
                   const struct topic_image *topic, int32_t index, bool is_start,
                   uint32_t *ret_dir_index);
/** Whether a directory gets no new partitions: cordoned.log.dirs in effect with this image, and its
 * metadata.version knows of it. */
bool broker_dir_is_cordoned(const struct broker *broker, const struct image *image,
                            uint32_t dir_index);
/** Of a partition's directory. */
void places_path(struct log_path *ret_path, const struct broker_dir *dir, struct str topic,
                 int32_t index);
/** Sets one aside. ST_IO: the directory has failed. */
MUST_CHECK enum status places_set_aside(struct job *job, const struct broker_dir *dir,
                                        struct str topic, int32_t index, const char *why);
/** Before partitions are opened: sets aside, as `-stray`, directories that no topic of the metadata
 * has here (it was deleted just before a crash, and one of its name may come; Kafka deletes them,
 * LogManager.isStrayReplica) and second directories of the same partition, and gives its name to a
 * `-future` one that Apache Kafka had decided for and did not come to rename, while nothing else is
 * left of the partition (LogManager.recoverAbandonedFutureLogs). What the checkpoint files say of a
 * partition that has no directory is forgotten: it would be believed of the next one of that name,
 * which would lose what lies below the old one's start. ST_IO: *ret_dir_index failed. */
MUST_CHECK enum status places_settle(struct job *job, struct broker *broker,
                                     const struct image *image, uint32_t *ret_dir_index);
