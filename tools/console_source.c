/* tools/console_source.c - see console_source.h. */
#include "tools/console_source.h"
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/clock.h"

#define MISSING_RETRY_MS 500  /* between looks for a topic that is not there yet */
#define METADATA_WAIT_MS 1000 /* for one answer */

static struct source_topic *topic_of(struct source *s, const char *name) {
    for (struct source_topic *t = s->topics; t != NULL; t = t->next) {
        if (strcmp(rd_kafka_topic_name(t->topic), name) == 0) return t;
    }
    struct source_topic *t = ARENA_NEW(s->arena, struct source_topic);
    ASSERT(t != NULL);
    t->topic = rd_kafka_topic_new(s->rk, name, NULL);
    if (t->topic == NULL) cli_exit("Topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    t->next = s->topics;
    s->topics = t;
    return t;
}

static void begin_partition(struct source *s, struct source_topic *t, int32_t partition,
                            int64_t offset) {
    if (rd_kafka_consume_start_queue(t->topic, partition, offset, s->queue) != 0)
        cli_exit("Topic %s, partition %" PRId32 ": %s", rd_kafka_topic_name(t->topic), partition,
                 rd_kafka_err2str(rd_kafka_last_error()));
}

/* Begins what is new in a topic; false when it is not there. */
static bool begin_topic(struct source *s, const struct rd_kafka_metadata_topic *found) {
    if (found->partition_cnt == 0) return false;
    struct source_topic *t = topic_of(s, found->topic);
    if (s->partition >= 0) {
        if (t->started_count == 0) begin_partition(s, t, s->partition, s->offset);
        t->started_count = 1;
        return true;
    }
    /* What appears later holds only records that came later. */
    int64_t offset = s->begun ? SOURCE_OFFSET_EARLIEST : s->offset;
    for (; t->started_count < found->partition_cnt; t->started_count++)
        begin_partition(s, t, t->started_count, offset);
    return true;
}

/* Kafka's two internal topics of clients, which a pattern does not reach. */
static bool is_internal(const char *topic) {
    return strcmp(topic, "__consumer_offsets") == 0 || strcmp(topic, "__transaction_state") == 0;
}

static bool begin_found(struct source *s, const struct rd_kafka_metadata *metadata) {
    bool any = false;
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *found = &metadata->topics[i];
        bool wanted = s->topic != NULL ? strcmp(found->topic, s->topic) == 0
                                       : !is_internal(found->topic) &&
                                             pattern_matches(s->include, str_of(found->topic));
        if (wanted && begin_topic(s, found)) any = true;
    }
    return any;
}

/* Looks for topics and partitions to begin. */
static void refresh(struct source *s) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *only = s->topic != NULL ? topic_of(s, s->topic)->topic : NULL;
    rd_kafka_resp_err_t err =
        rd_kafka_metadata(s->rk, only == NULL, only, &metadata, METADATA_WAIT_MS);
    s->refreshed_ms = clock_ms();
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (!s->answered && clock_ms() - s->started_ms >= s->patience_ms)
            cli_exit("%s: no broker answered within %" PRId64 " ms: %s", s->bootstrap,
                     s->patience_ms, rd_kafka_err2str(err));
        return;
    }
    s->answered = true;
    bool any = begin_found(s, metadata);
    rd_kafka_metadata_destroy(metadata);
    if (!any && !s->missing_told) {
        const char *what = s->topic != NULL ? s->topic : s->include_text;
        fprintf(stderr, "WARN %s: no such topic yet, waiting for it\n", what);
        s->missing_told = true;
    }
    s->begun = true;
}

static bool refresh_is_due(const struct source *s) {
    bool reading = false;
    for (const struct source_topic *t = s->topics; t != NULL; t = t->next)
        reading |= t->started_count > 0;
    return clock_ms() - s->refreshed_ms >= (reading ? s->refresh_ms : MISSING_RETRY_MS);
}

static void start_group(struct source *s) {
    char pattern[1024];
    const char *name = s->topic;
    if (name == NULL) { /* librdkafka takes what begins with '^' for a pattern */
        (void)snprintf(pattern, sizeof pattern, "^(%s)$", s->include_text);
        name = pattern;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(s->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        cli_exit("Cannot subscribe to %s: %s", name, rd_kafka_err2str(err));
    (void)rd_kafka_poll_set_consumer(s->rk);
}

void source_start(struct source *s) {
    s->started_ms = clock_ms();
    if (s->grouped) {
        start_group(s);
        return;
    }
    s->queue = rd_kafka_queue_new(s->rk);
    refresh(s);
}

rd_kafka_message_t *source_next(struct source *s, int wait_ms) {
    if (s->grouped) return rd_kafka_consumer_poll(s->rk, wait_ms);
    if (refresh_is_due(s)) refresh(s);
    (void)rd_kafka_poll(s->rk, 0);
    return rd_kafka_consume_queue(s->queue, wait_ms);
}

void source_stop(struct source *s) {
    if (s->grouped) {
        (void)rd_kafka_consumer_close(s->rk);
    } else {
        for (struct source_topic *t = s->topics; t != NULL; t = t->next) {
            int32_t first = s->partition >= 0 ? s->partition : 0;
            for (int32_t i = 0; i < t->started_count; i++)
                (void)rd_kafka_consume_stop(t->topic, first + i);
            rd_kafka_topic_destroy(t->topic);
        }
        rd_kafka_queue_destroy(s->queue);
    }
    rd_kafka_destroy(s->rk);
}
