/* tools/topics.h - what kafka-topics knows of topics: names, partitions, configurations, ongoing
 * moves; fetched by tools/topics.c, printed by tools/topics_print.c. Everything is in the client's
 * arena. */
#pragma once
#include "tools/client.h"
#include "base/pattern.h"

struct int32_list {
    const int32_t *values;
    int32_t count; /* -1: not known */
};

struct topic_partition {
    int32_t index, leader; /* leader -1: none */
    struct int32_list replicas, isr, elr, last_known_elr;
    struct int32_list adding, removing; /* while a move is under way; else empty */
    bool moving;
};

struct topic_config {
    struct str name, value;
};

struct topic {
    struct str name;
    struct uuid id;
    bool internal;
    struct topic_partition *partitions; /* sorted by index */
    int32_t partition_count;
    const struct topic_config
        *configs; /* those that differ from the default, in the order of Java's hash table */
    int32_t config_count;
};

struct topic_list {
    struct topic *topics; /* sorted by name */
    uint32_t count;
};

/* Which topics a command is about. */
struct topic_choice {
    struct pattern *names; /* NULL: all */
    struct uuid id;        /* not zero: the one with this id instead */
    bool exclude_internal;
};

/** The topics that the choice fits, with ids and partitions as Metadata tells them (no eligible
 * leader replicas). */
MUST_CHECK enum status topics_find(struct client *c, const struct topic_choice *choice,
                                   struct topic_list *ret_list);
/** Replaces the partitions of `list` by what DescribeTopicPartitions says, at most
 * `page_partitions` an answer. ST_UNSUPPORTED: the broker does not offer it, and nothing was
 * changed. */
MUST_CHECK enum status topics_describe(struct client *c, struct topic_list *list,
                                       int32_t page_partitions);
/** Fills in the configurations; leaves them empty where the broker does not offer DescribeConfigs.
 */
MUST_CHECK enum status topics_add_configs(struct client *c, struct topic_list *list);
/** Fills in the moves; none where the broker does not offer ListPartitionReassignments or denies
 * it. */
MUST_CHECK enum status topics_add_moves(struct client *c, struct topic_list *list);

/** The leader of a partition; -1: it has none, or there is no such partition. */
int32_t topics_leader(const struct topic_list *list, struct str topic, int32_t index);

struct topics_print {
    bool under_replicated, unavailable, under_min_isr,
        at_min_isr;      /* only such partitions; any of them */
    bool only_overrides; /* topics with configurations of their own, and no partitions */
};

/** Writes as kafka-topics --describe does. live: the brokers that are up. */
void topics_print(const struct topic_list *list, const struct topics_print *what,
                  struct int32_list live, FILE *out);

/** The broker's own words for an error, Kafka's for a time-out, or else the error's name. */
struct str error_text(struct str error_message, int16_t error_code);
