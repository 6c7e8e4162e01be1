/* log/names.h - the names of the files in a partition's directory and of partition directories.
 * Source: org.apache.kafka.storage.internals.log.LogFileUtils, kafka.log.LocalLog. */
#pragma once
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

#define LOG_FILE_MODE 0640u
#define LOG_DIRECTORY_MODE 0750u
/* Room that every name below a partition's directory fits into, with '/' and terminator. */
#define LOG_FILE_NAME_BYTES 64
/* A partition's directory must leave room for the files in it. */
#define LOG_PATH_BYTES_MAX (LIMIT_PATH_BYTES - 2 * LOG_FILE_NAME_BYTES)

#define LEADER_EPOCHS_FILE "leader-epoch-checkpoint"
#define PARTITION_METADATA_FILE "partition.metadata"
#define SUFFIX_DELETED ".deleted"
#define SUFFIX_CLEANED ".cleaned"
#define SUFFIX_SWAP ".swap"
#define SUFFIX_TEMPORARY ".tmp"

/* What a file belonging to one segment holds. */
enum segment_part {
    PART_LOG,
    PART_INDEX,
    PART_TIME_INDEX,
    PART_TXN_INDEX,
    PART_SNAPSHOT, /* producer state up to the offset; belongs to the partition rather than to the
                      segment */
    PART_HOLES,    /* ours: ranges of the .log that hold no valid batch; Kafka leaves unknown names
                      alone */
    PART_COUNT
};

struct log_path {
    char text[LIMIT_PATH_BYTES];
};

/** "<dir>/<base_offset as 20 digits><extension><suffix>" */
void log_path_of_part(struct log_path *path, const char *dir, int64_t base_offset,
                      enum segment_part part, const char *suffix);
/** "<dir>/<name><suffix>" */
void log_path_of_name(struct log_path *path, const char *dir, const char *name, const char *suffix);

struct part_name {
    int64_t base_offset;
    enum segment_part part;
    struct str suffix; /* what follows the extension, "" mostly; borrowed from the name */
};
/** false: not the name of a part of a segment. */
bool part_name_parse(struct str name, struct part_name *ret_name);

/** Splits "<topic>-<partition>"; false when it is not of that form. */
bool partition_name_parse(struct str name, struct str *ret_topic, int32_t *ret_partition);
