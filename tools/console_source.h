/* tools/console_source.h - where the console consumer's records come from, by librdkafka.
 * As a member of a group: the group's coordinator gives partitions out, positions are committed
 * unless enable.auto.commit=false; with group.protocol=consumer by the consumer protocol.
 * Topics that fit a pattern are looked for by the tool itself, as
 * Java's consumer does, and subscribed to by name. Or one partition of a topic, read directly:
 * without a group, and no position is stored. */
#pragma once
#include "base/pattern.h"
#include "tools/client_metrics.h"
#include "tools/modern_member.h"
#include "tools/rdkafka_settings.h"

#define SOURCE_OFFSET_EARLIEST RD_KAFKA_OFFSET_BEGINNING
#define SOURCE_OFFSET_LATEST RD_KAFKA_OFFSET_END

struct source {
    const char *bootstrap; /* borrowed; for errors */
    const char *topic;     /* or NULL: those that fit `include` */
    struct pattern *include;
    const char *include_text;
    int32_t partition;       /* read directly; -1: as a member of the group */
    int64_t offset;          /* of that partition: where to begin */
    int64_t refresh_ms;      /* how often to look for topics that fit */
    int64_t patience_ms;     /* how long the first answer of any broker may take */
    int64_t assigned_ms;     /* clock_ms when the group first gave partitions out; 0: not yet */
    const char *config_path; /* of the member's own connection; NULL: no file */
    struct client_metrics *metrics; /* borrowed: note statistics there; NULL: none are wanted */
    /* private */
    rd_kafka_t *rk;
    bool is_modern; /* a member by the consumer protocol, as `member` */
    struct modern_member member;
    rd_kafka_topic_t *only;                 /* of `topic` */
    rd_kafka_queue_t *queue;                /* of the one partition */
    rd_kafka_topic_partition_list_t *names; /* subscribed to */
    bool is_reading;                        /* there was something to begin with */
    bool answered, missing_told;
    int64_t started_ms, refreshed_ms;
};

/** group.id, where `settings` has none: `prefix` and a number below 100,000 by chance, as Kafka's
 * tools make one. True when it was made. */
bool source_make_group(struct settings *settings, const char *prefix);
/** Starts reading; the fields above assigned_ms and the two below it are set, and a member's
 * group.id. */
void source_start(struct source *source, const struct settings *settings);
/** The next message, after at most wait_ms; NULL: none yet. The caller destroys it. Ends the
 * process when no broker ever answered within patience_ms. */
rd_kafka_message_t *source_next(struct source *source, int wait_ms);
/** Goes on where auto.offset.reset says; message: an RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET. */
void source_reset(struct source *source, const rd_kafka_message_t *message);
/** Why there is nowhere to begin or to go on, by auto.offset.reset; NULL: there is. */
const char *source_problem(void);
/** Notes the statistics of all that came before; without a group nothing. */
void source_count(struct source *source);
/** Leaves the group, committing what it has read, or lets go of the partition; frees. */
void source_stop(struct source *source);
