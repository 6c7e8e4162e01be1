/* tools/group_member.h - a tool as a member of a group: takes and gives back partitions as
 * librdkafka's rebalance callback must.
 *
 * Where the group has no position yet, the one that auto.offset.reset finds is committed at once if
 * positions are committed by themselves, as Java's consumer has it: so a partition that nobody has
 * read from counts in the group's lag, and what arrives there while nobody reads is not passed over
 * by `latest` at the next start. librdkafka alone commits only behind records that it gave out, and
 * knows neither `none` nor `by_duration`. One member in a process. */
#pragma once
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include "tools/settings.h"

/** What auto.offset.reset says; before the member is given anything. */
void group_member_begin(const struct settings *settings);
/** Gives those of `list` without a committed offset the one that auto.offset.reset finds, and
 * returns them, to be committed; the caller destroys what is returned. needed: also where
 * librdkafka finds the same by itself. Where there is nowhere to begin, `list` is empty afterwards,
 * and group_member_problem says so. */
rd_kafka_topic_partition_list_t *
group_member_find_positions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, bool needed);
/** Where auto.offset.reset says to go on; false: nowhere, and group_member_problem says so.
 * message: an RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET. */
bool group_member_find_reset(rd_kafka_t *rk, const rd_kafka_message_t *message,
                             int64_t *ret_offset);
/** Goes on there, as a member. */
void group_member_reset(rd_kafka_t *rk, const rd_kafka_message_t *message);
/** Why there is nowhere to begin or to go on: the consumer is to end, as Java's does. NULL: there
 * is somewhere. */
const char *group_member_problem(void);
/** A rebalance callback for librdkafka; ends the process when it is refused. */
void group_member_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                            rd_kafka_topic_partition_list_t *list, void *unused);
/** Leaves the group and closes the consumer, within GROUP_MEMBER_CLOSE_MS: librdkafka alone waits
 * for ever for a broker that is gone. false: it was given up, and must not be destroyed, for that
 * waits, too; the process is about to end anyway. Once in a process. */
bool group_member_close(rd_kafka_t *rk);
#define GROUP_MEMBER_CLOSE_MS 10000
