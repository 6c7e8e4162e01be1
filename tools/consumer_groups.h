/* tools/consumer_groups.h - what the files of kafka-consumer-groups share: its command line, its
 * ways to fail, which groups it is about. The main file lists, describes and deletes; offsets are
 * reset and deleted by consumer_groups_offsets.c. */
#pragma once
#include "tools/admin.h"
#include "tools/groups_print.h"
#include "tools/topics.h"

enum consumer_groups_option {
    OPT_BOOTSTRAP,
    OPT_COMMAND_CONFIG,
    OPT_GROUP,
    OPT_ALL_GROUPS,
    OPT_TOPIC,
    OPT_ALL_TOPICS,
    OPT_LIST,
    OPT_DESCRIBE,
    OPT_DELETE,
    OPT_RESET,
    OPT_DELETE_OFFSETS,
    OPT_VALIDATE_REGEX,
    OPT_MEMBERS,
    OPT_OFFSETS,
    OPT_STATE,
    OPT_TYPE,
    OPT_VERBOSE,
    OPT_TO_OFFSET,
    OPT_TO_DATETIME,
    OPT_BY_DURATION,
    OPT_TO_EARLIEST,
    OPT_TO_LATEST,
    OPT_TO_CURRENT,
    OPT_SHIFT_BY,
    OPT_FROM_FILE,
    OPT_EXECUTE,
    OPT_DRY_RUN,
    OPT_EXPORT,
    OPT_TIMEOUT,
    OPT_COUNT
};

struct consumer_groups {
    struct cli cli;
    struct admin admin;
    struct topic_list topics; /* all of the cluster; by consumer_groups_topics */
};

/** Kafka's sentence for whatever goes wrong while a command runs, on standard output; the status is
 * Kafka's 0, but 1 where no broker answered. */
__attribute__((noreturn, format(printf, 2, 3))) void
consumer_groups_fail(const struct consumer_groups *cmd, const char *format, ...);
/** Goes on for ST_OK only. */
void consumer_groups_check(const struct consumer_groups *cmd, enum status st);
/** The error as a Java client shows it: the exception and its sentence. */
const char *consumer_groups_error(int16_t error_code);
/** A blank line, "Error: ", the text: Kafka's way to tell of what does not end the command. */
__attribute__((format(printf, 1, 2))) void consumer_groups_complain(const char *format, ...);

struct group_names {
    struct str *at;
    uint32_t count;
};
/** Those of --group, or all of the cluster. */
struct group_names consumer_groups_chosen(struct consumer_groups *cmd);

/** Looks the topics up; needed by the functions below and by the resets. */
void consumer_groups_topics(struct consumer_groups *cmd);
/** NULL when there is no such topic. */
const struct topic *consumer_groups_topic(const struct consumer_groups *cmd, struct str name);
/** The leader of a partition; -1: none, or there is no such partition. */
int32_t consumer_groups_leader(const struct consumer_groups *cmd, struct group_place place);

void consumer_groups_reset(struct consumer_groups *cmd);
void consumer_groups_delete_offsets(struct consumer_groups *cmd);
