/* tools/console_source.h - where the console consumer's records come from, by librdkafka.
 * Without a group: every partition of the topics (or one) is read directly, no position is stored,
 * and partitions that appear later are read from their beginning. With a group: the group's
 * coordinator gives partitions out, positions are committed unless enable.auto.commit=false. */
#pragma once
#include "base/pattern.h"
#include "tools/rdkafka_settings.h"

#define SOURCE_OFFSET_EARLIEST RD_KAFKA_OFFSET_BEGINNING
#define SOURCE_OFFSET_LATEST RD_KAFKA_OFFSET_END

struct source_topic {
    rd_kafka_topic_t *topic;
    int32_t started_count; /* partitions 0 .. started_count - 1 are being read */
    struct source_topic *next;
};

struct source {
    struct arena *arena; /* borrowed */
    rd_kafka_t *rk;
    const char *bootstrap; /* borrowed; for errors */
    const char *topic;     /* or NULL: those that fit `include` */
    struct pattern *include;
    const char *include_text;
    int32_t partition; /* -1: all */
    int64_t offset;    /* where to begin */
    bool grouped;
    int64_t refresh_ms;  /* how often to look for new partitions */
    int64_t patience_ms; /* how long the first answer of any broker may take */
    /* private */
    rd_kafka_queue_t *queue;
    struct source_topic *topics;
    bool answered, missing_told, begun;
    int64_t started_ms, refreshed_ms;
};

/** Starts reading; the fields above `private` are set. */
void source_start(struct source *source);
/** The next message, after at most wait_ms; NULL: none yet. The caller destroys it. Ends the
 * process when no broker ever answered within patience_ms. */
rd_kafka_message_t *source_next(struct source *source, int wait_ms);
/** Commits what a group consumed, closes, frees. */
void source_stop(struct source *source);
