/* tools/console_source.c - see console_source.h. */
#include "tools/console_source.h"
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include "tools/clock.h"
#include "tools/group_member.h"

#define MISSING_RETRY_MS 500  /* between looks for a topic that is not there yet */
#define METADATA_WAIT_MS 1000 /* for one answer */
#define STATISTICS_WAIT_MS 2000
#define MADE_GROUPS 100000

bool source_make_group(struct settings *settings, const char *prefix) {
    if (settings_get(settings, "group.id").ptr != NULL) return false;
    char id[64];
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number) number = (uint32_t)clock_ms();
    (void)snprintf(id, sizeof id, "%s%" PRIu32, prefix, number % MADE_GROUPS);
    settings_set(settings, STR("group.id"), str_of(id));
    /* A rebalance, for a topic that appears, then takes nothing from it: it commits nothing, and
     * would read all of it again. */
    bool is_classic = !group_protocol_is_consumer(settings);
    if (is_classic && settings_get(settings, "partition.assignment.strategy").ptr == NULL)
        settings_set(settings, STR("partition.assignment.strategy"), STR("cooperative-sticky"));
    return true;
}

static bool is_member(const struct source *s) { return s->partition < 0; }

static void begin_partition(struct source *s) {
    if (rd_kafka_consume_start_queue(s->only, s->partition, s->offset, s->queue) != 0)
        cli_exit("Topic %s, partition %" PRId32 ": %s", s->topic, s->partition,
                 rd_kafka_err2str(rd_kafka_last_error()));
}

/* Both sorted. */
static bool same_names(const rd_kafka_topic_partition_list_t *a,
                       const rd_kafka_topic_partition_list_t *b) {
    if (a->cnt != b->cnt) return false;
    for (int i = 0; i < a->cnt; i++) {
        if (strcmp(a->elems[i].topic, b->elems[i].topic) != 0) return false;
    }
    return true;
}

/* Taken: names. */
static void subscribe(struct source *s, rd_kafka_topic_partition_list_t *names) {
    rd_kafka_topic_partition_list_sort(names, NULL, NULL);
    if (s->names != NULL && same_names(s->names, names)) {
        rd_kafka_topic_partition_list_destroy(names);
        return;
    }
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (s->is_modern) {
        modern_member_subscribe(&s->member, names);
    } else {
        err = rd_kafka_subscribe(s->rk, names);
    }
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        cli_exit("Cannot subscribe to %s: %s", s->topic != NULL ? s->topic : s->include_text,
                 rd_kafka_err2str(err));
    if (s->names != NULL) rd_kafka_topic_partition_list_destroy(s->names);
    s->names = names;
}

/* Kafka's two internal topics of clients, which a pattern does not reach. */
static bool is_internal(const char *topic) {
    return strcmp(topic, "__consumer_offsets") == 0 || strcmp(topic, "__transaction_state") == 0;
}

static bool is_wanted(const struct source *s, const char *topic) {
    if (s->topic != NULL) return strcmp(topic, s->topic) == 0;
    return !is_internal(topic) && pattern_matches(s->include, str_of(topic));
}

/* Begins with what is there of the topics; false: nothing. */
static bool begin_found(struct source *s, const struct rd_kafka_metadata *metadata) {
    rd_kafka_topic_partition_list_t *names = rd_kafka_topic_partition_list_new(metadata->topic_cnt);
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *found = &metadata->topics[i];
        if (found->partition_cnt > 0 && is_wanted(s, found->topic))
            rd_kafka_topic_partition_list_add(names, found->topic, RD_KAFKA_PARTITION_UA);
    }
    bool any = names->cnt > 0;
    if (any && is_member(s)) {
        subscribe(s, names);
        return true;
    }
    if (any && !is_member(s)) begin_partition(s);
    rd_kafka_topic_partition_list_destroy(names);
    return any;
}

/* Looks for the topics. */
static void refresh(struct source *s) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err =
        rd_kafka_metadata(s->rk, s->only == NULL, s->only, &metadata, METADATA_WAIT_MS);
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
    s->is_reading |= any;
    if (!s->is_reading && !s->missing_told) {
        const char *what = s->topic != NULL ? s->topic : s->include_text;
        fprintf(stderr, "WARN %s: no such topic yet, waiting for it\n", what);
        s->missing_told = true;
    }
}

/* Of a topic that is there librdkafka sees new partitions by itself. */
static bool refresh_is_due(const struct source *s) {
    if (s->is_reading && s->topic != NULL) return false;
    return clock_ms() - s->refreshed_ms >= (s->is_reading ? s->refresh_ms : MISSING_RETRY_MS);
}

static void rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                       rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct source *s = opaque;
    group_member_rebalance(rk, err, list, NULL);
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && s->assigned_ms == 0)
        s->assigned_ms = clock_ms();
}

static int note_statistics(rd_kafka_t *rk, char *json, size_t len, void *opaque) {
    (void)rk;
    struct source *s = opaque;
    (void)client_metrics_note(s->metrics, (struct str){json, len});
    return 0; /* librdkafka frees them */
}

/* What has been fetched and not been asked for is not told of any more. */
void source_count(struct source *s) {
    rd_kafka_topic_partition_list_t *list;
    if (!is_member(s) || s->metrics == NULL) return;
    if (rd_kafka_assignment(s->rk, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)rd_kafka_pause_partitions(s->rk, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    int64_t began_ms = clock_ms();
    uint32_t before = s->metrics->noted_count;
    while (s->metrics->noted_count == before && clock_ms() - began_ms < STATISTICS_WAIT_MS) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(s->rk, 10);
        if (message != NULL) rd_kafka_message_destroy(message);
    }
}

static void was_given(void *owner, bool given, const rd_kafka_topic_partition_list_t *list) {
    struct source *s = owner;
    (void)list;
    if (given && s->assigned_ms == 0) s->assigned_ms = clock_ms();
}

void source_start(struct source *s, const struct settings *settings) {
    rd_kafka_conf_t *conf = rdkafka_conf_of(settings);
    group_member_begin(settings);
    rd_kafka_conf_set_opaque(conf, s);
    s->is_modern = is_member(s) && group_protocol_is_consumer(settings);
    if (s->is_modern) {
        modern_member_conf(conf);
    } else if (is_member(s)) {
        rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
    }
    if (s->metrics != NULL) {
        rdkafka_must_set(conf, "statistics.interval.ms", CLIENT_METRICS_INTERVAL_MS);
        rd_kafka_conf_set_stats_cb(conf, note_statistics);
    }
    s->rk = rdkafka_start(RD_KAFKA_CONSUMER, conf);
    if (is_member(s)) {
        (void)rd_kafka_poll_set_consumer(s->rk);
    } else {
        s->queue = rd_kafka_queue_new(s->rk);
    }
    if (s->topic != NULL) s->only = rd_kafka_topic_new(s->rk, s->topic, NULL);
    if (s->topic != NULL && s->only == NULL)
        cli_exit("Topic %s: %s", s->topic, rd_kafka_err2str(rd_kafka_last_error()));
    if (s->is_modern) {
        s->member = (struct modern_member){
            .config_path = s->config_path,
            .commits = settings_get_bool(settings, "enable.auto.commit", true),
            .changed = was_given,
            .owner = s};
        modern_member_start(&s->member, settings, s->rk);
    }
    s->started_ms = clock_ms();
    refresh(s);
}

rd_kafka_message_t *source_next(struct source *s, int wait_ms) {
    if (refresh_is_due(s)) refresh(s);
    if (s->is_modern && s->is_reading && modern_member_step(&s->member) != ST_OK)
        cli_exit("ERROR %s", s->member.why);
    if (is_member(s)) return rd_kafka_consumer_poll(s->rk, wait_ms);
    (void)rd_kafka_poll(s->rk, 0);
    return rd_kafka_consume_queue(s->queue, wait_ms);
}

void source_reset(struct source *s, const rd_kafka_message_t *message) {
    if (is_member(s)) {
        group_member_reset(s->rk, message);
    } else if (group_member_find_reset(s->rk, message, &s->offset)) {
        (void)rd_kafka_consume_stop(s->only, s->partition); /* it has been started */
        begin_partition(s);
    }
}

const char *source_problem(void) { return group_member_problem(); }

void source_stop(struct source *s) {
    if (s->is_modern) modern_member_leave(&s->member);
    if (is_member(s)) {
        if (!group_member_close(s->rk)) {
            fputs("WARN the group was not left: no broker answers\n", stderr);
            return;
        }
    } else {
        if (s->is_reading) (void)rd_kafka_consume_stop(s->only, s->partition);
        rd_kafka_queue_destroy(s->queue);
    }
    if (s->names != NULL) rd_kafka_topic_partition_list_destroy(s->names);
    if (s->only != NULL) rd_kafka_topic_destroy(s->only);
    rd_kafka_destroy(s->rk);
}
