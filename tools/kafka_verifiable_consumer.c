/* tools/kafka_verifiable_consumer.c - kafka-verifiable-consumer: reads as a member of a group and
 * tells, as JSON, what it was given, read and committed. Options and output are those of Kafka
 * 4.3's tool (VerifiableConsumer), on librdkafka; the consumer protocol is modern_member.h's. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/assert.h"
#include "tools/clock.h"
#include "tools/event_line.h"
#include "tools/group_member.h"
#include "tools/interrupt.h"
#include "tools/modern_member.h"
#include "tools/rdkafka_settings.h"

#define BATCH_MAX 500 /* records that are told of at once, as Java's max.poll.records */
#define WAIT_MS 100
#define PATIENCE_MS 60000 /* default.api.timeout.ms */

enum option {
    OPT_TOPIC,
    OPT_BOOTSTRAP,
    OPT_GROUP,
    OPT_PROTOCOL,
    OPT_REMOTE_ASSIGNOR,
    OPT_INSTANCE,
    OPT_MAX,
    OPT_SESSION_TIMEOUT,
    OPT_VERBOSE,
    OPT_AUTOCOMMIT,
    OPT_RESET_POLICY,
    OPT_STRATEGY,
    OPT_CONSUMER_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_TOPIC] = {.name = "topic", .kind = CLI_TEXT, .label = "name", .help = "Required."},
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Required. Brokers to ask first; one that answers is enough."},
    [OPT_GROUP] = {.name = "group-id",
                   .kind = CLI_TEXT,
                   .label = "name",
                   .help = "Required. The group to be a member of."},
    [OPT_PROTOCOL] = {.name = "group-protocol",
                      .kind = CLI_TEXT,
                      .label = "protocol",
                      .fallback = "classic",
                      .help = "classic or consumer."},
    [OPT_REMOTE_ASSIGNOR] = {.name = "group-remote-assignor",
                             .kind = CLI_TEXT,
                             .label = "name",
                             .help = "Of the consumer protocol: uniform or range."},
    [OPT_INSTANCE] = {.name = "group-instance-id",
                      .kind = CLI_TEXT,
                      .label = "id",
                      .help = "Be a static member of this name."},
    [OPT_MAX] = {.name = "max-messages",
                 .kind = CLI_INT32,
                 .label = "n",
                 .fallback = "-1",
                 .help = "Stop after as many; -1: when interrupted."},
    [OPT_SESSION_TIMEOUT] = {.name = "session-timeout",
                             .kind = CLI_INT32,
                             .label = "ms",
                             .help = "How long the group waits for a member that is silent."},
    [OPT_VERBOSE] = {.name = "verbose", .help = "Tell of every record."},
    [OPT_AUTOCOMMIT] = {.name = "enable-autocommit",
                        .help = "Commit from time to time instead of after each batch."},
    [OPT_RESET_POLICY] = {.name = "reset-policy",
                          .kind = CLI_TEXT,
                          .label = "policy",
                          .fallback = "earliest",
                          .help = "Where to begin without a committed offset: earliest, latest, "
                                  "by_duration:PT1H, or none: then it ends."},
    [OPT_STRATEGY] = {.name = "assignment-strategy",
                      .kind = CLI_TEXT,
                      .label = "class",
                      .fallback = "org.apache.kafka.clients.consumer.RangeAssignor",
                      .help = "RangeAssignor, RoundRobinAssignor or CooperativeStickyAssignor of "
                              "Kafka's."},
    [OPT_CONSUMER_CONFIG] = {.name = "consumer.config",
                             .kind = CLI_TEXT,
                             .label = "file",
                             .help = "The older name of --command-config."},
    [OPT_COMMAND_CONFIG] = {.name = "command-config",
                            .kind = CLI_TEXT,
                            .label = "file",
                            .help = "A file of consumer properties."},
};

static const struct cli_tool tool = {
    .name = "kafka-verifiable-consumer",
    .purpose = "reads as a member of a group and tells what it was given, read and committed.",
    .options = options,
    .option_count = OPT_COUNT,
    .helps_alone = true,
};

struct command {
    struct cli cli;
    struct event_line line;
    rd_kafka_t *rk;
    int64_t max, read_count; /* max -1: no end */
    bool is_modern;          /* by the consumer protocol, as `member` */
    struct modern_member member;
};

/* What one batch had of a partition. */
struct span {
    const char *topic; /* of the batch's first message of it */
    int32_t partition;
    int64_t count, first, last;
};

static void add_partition(struct command *cmd, const char *between, const char *topic,
                          int32_t partition) {
    struct strbuf *text = &cmd->line.text;
    strbuf_printf(text, "%s{\"topic\":", between);
    strbuf_add_json(text, str_of(topic));
    strbuf_printf(text, ",\"partition\":%" PRId32, partition);
}

static void tell_partitions(struct command *cmd, const char *name,
                            const rd_kafka_topic_partition_list_t *list) {
    event_begin(&cmd->line, name);
    strbuf_printf(&cmd->line.text, ",\"partitions\":[");
    for (int i = 0; i < list->cnt; i++) {
        add_partition(cmd, i > 0 ? "," : "", list->elems[i].topic, list->elems[i].partition);
        strbuf_add_char(&cmd->line.text, '}');
    }
    strbuf_add_char(&cmd->line.text, ']');
    event_end(&cmd->line);
}

static void rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                       rd_kafka_topic_partition_list_t *list, void *opaque) {
    bool given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    tell_partitions(opaque, given ? "partitions_assigned" : "partitions_revoked", list);
    group_member_rebalance(rk, err, list, NULL);
}

static void changed(void *owner, bool given, const rd_kafka_topic_partition_list_t *list) {
    tell_partitions(owner, given ? "partitions_assigned" : "partitions_revoked", list);
}

static struct span *find_span(struct span *spans, uint32_t *count, const char *topic,
                              int32_t partition) {
    for (uint32_t i = 0; i < *count; i++)
        if (spans[i].partition == partition && strcmp(spans[i].topic, topic) == 0) return &spans[i];
    spans[*count] = (struct span){.topic = topic, .partition = partition};
    return &spans[(*count)++];
}

static void tell_record(struct command *cmd, const rd_kafka_message_t *m) {
    event_begin(&cmd->line, "record_data");
    event_add_text(&cmd->line, "key", (struct str){m->key, m->key_len});
    event_add_text(&cmd->line, "value", (struct str){m->payload, m->len});
    event_add_text(&cmd->line, "topic", str_of(rd_kafka_topic_name(m->rkt)));
    strbuf_printf(&cmd->line.text, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64, m->partition,
                  m->offset);
    event_end(&cmd->line);
}

static void tell_consumed(struct command *cmd, const struct span *spans, uint32_t span_count,
                          int64_t count) {
    event_begin(&cmd->line, "records_consumed");
    strbuf_printf(&cmd->line.text, ",\"count\":%" PRId64 ",\"partitions\":[", count);
    for (uint32_t i = 0; i < span_count; i++) {
        add_partition(cmd, i > 0 ? "," : "", spans[i].topic, spans[i].partition);
        strbuf_printf(&cmd->line.text,
                      ",\"count\":%" PRId64 ",\"minOffset\":%" PRId64 ",\"maxOffset\":%" PRId64 "}",
                      spans[i].count, spans[i].first, spans[i].last);
    }
    strbuf_add_char(&cmd->line.text, ']');
    event_end(&cmd->line);
}

static void commit(struct command *cmd, const struct span *spans, uint32_t span_count) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)span_count);
    for (uint32_t i = 0; i < span_count; i++)
        rd_kafka_topic_partition_list_add(list, spans[i].topic, spans[i].partition)->offset =
            spans[i].last + 1;
    const char *error = NULL;
    if (cmd->is_modern) {
        int16_t code = modern_member_commit(&cmd->member, list);
        if (code != KAFKA_NONE) error = kafka_error_name(code);
    } else {
        rd_kafka_resp_err_t err = rd_kafka_commit(cmd->rk, list, 0);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) error = rd_kafka_err2str(err);
    }
    event_begin(&cmd->line, "offsets_committed");
    strbuf_printf(&cmd->line.text, ",\"offsets\":[");
    for (uint32_t i = 0; i < span_count; i++) {
        add_partition(cmd, i > 0 ? "," : "", spans[i].topic, spans[i].partition);
        strbuf_printf(&cmd->line.text, ",\"offset\":%" PRId64 "}", spans[i].last + 1);
    }
    strbuf_add_char(&cmd->line.text, ']');
    if (error != NULL) event_add_text(&cmd->line, "error", str_of(error));
    strbuf_printf(&cmd->line.text, ",\"success\":%s", error == NULL ? "true" : "false");
    event_end(&cmd->line);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Takes what is there, at most BATCH_MAX, and tells of it. */
static void take_batch(struct command *cmd, rd_kafka_queue_t *queue) {
    static rd_kafka_message_t *messages[BATCH_MAX];
    static struct span spans[BATCH_MAX];
    uint32_t span_count = 0;
    int64_t count = 0;
    int64_t most = cmd->max < 0 ? BATCH_MAX : MIN(cmd->max - cmd->read_count, BATCH_MAX);
    ssize_t got = rd_kafka_consume_batch_queue(queue, WAIT_MS, messages, (size_t)most);
    for (ssize_t i = 0; i < got; i++) {
        const rd_kafka_message_t *m = messages[i];
        if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
            group_member_reset(cmd->rk, m);
            continue;
        }
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fprintf(stderr, "WARN %s\n", rd_kafka_message_errstr(m));
            continue;
        }
        struct span *span =
            find_span(spans, &span_count, rd_kafka_topic_name(m->rkt), m->partition);
        if (span->count++ == 0) span->first = m->offset;
        span->last = m->offset;
        count++;
        if (cli_has(&cmd->cli, OPT_VERBOSE)) tell_record(cmd, m);
    }
    if (count > 0) {
        cmd->read_count += count;
        tell_consumed(cmd, spans, span_count, count);
        if (!cli_has(&cmd->cli, OPT_AUTOCOMMIT)) commit(cmd, spans, span_count);
    }
    for (ssize_t i = 0; i < got; i++) rd_kafka_message_destroy(messages[i]);
}

/* librdkafka's name of Java's assignor. */
static const char *strategy_of(const struct cli *cli) {
    static const char *const names[][2] = {{"RangeAssignor", "range"},
                                           {"RoundRobinAssignor", "roundrobin"},
                                           {"CooperativeStickyAssignor", "cooperative-sticky"}};
    const char *class = cli_text(cli, OPT_STRATEGY);
    const char *dot = strrchr(class, '.');
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(dot != NULL ? dot + 1 : class, names[i][0]) == 0) return names[i][1];
    cli_usage_exit(cli, "--assignment-strategy %s: not available here", class);
}

static void set_option(struct settings *settings, const struct cli *cli, uint32_t option,
                       struct str key) {
    if (cli_text(cli, option) != NULL) settings_set(settings, key, str_of(cli_text(cli, option)));
}

static const char *config_path(const struct cli *cli) {
    return cli_text(cli,
                    cli_has(cli, OPT_COMMAND_CONFIG) ? OPT_COMMAND_CONFIG : OPT_CONSUMER_CONFIG);
}

static void fill_settings(struct settings *settings, struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    if (config_path(cli) != NULL) settings_load(settings, config_path(cli));
    set_option(settings, cli, OPT_BOOTSTRAP, STR("bootstrap.servers"));
    set_option(settings, cli, OPT_GROUP, STR("group.id"));
    set_option(settings, cli, OPT_INSTANCE, STR("group.instance.id"));
    set_option(settings, cli, OPT_SESSION_TIMEOUT, STR("session.timeout.ms"));
    set_option(settings, cli, OPT_RESET_POLICY, STR("auto.offset.reset"));
    set_option(settings, cli, OPT_PROTOCOL, STR("group.protocol"));
    set_option(settings, cli, OPT_REMOTE_ASSIGNOR, STR("group.remote.assignor"));
    cmd->is_modern = group_protocol_is_consumer(settings);
    if (!cmd->is_modern)
        settings_set(settings, STR("partition.assignment.strategy"), str_of(strategy_of(cli)));
    settings_set(settings, STR("enable.auto.commit"),
                 cli_has(cli, OPT_AUTOCOMMIT) ? STR("true") : STR("false"));
}

static rd_kafka_topic_partition_list_t *topics_of(const struct command *cmd) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, cli_text(&cmd->cli, OPT_TOPIC), RD_KAFKA_PARTITION_UA);
    return list;
}

static void start(struct command *cmd, const struct settings *settings) {
    rd_kafka_conf_t *conf = rdkafka_conf_of(settings);
    group_member_begin(settings);
    if (!cmd->is_modern) rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
    rd_kafka_conf_set_opaque(conf, cmd);
    if (cmd->is_modern) modern_member_conf(conf);
    cmd->rk = rdkafka_start(RD_KAFKA_CONSUMER, conf);
    (void)rd_kafka_poll_set_consumer(cmd->rk);
    if (cmd->is_modern) return;
    rd_kafka_topic_partition_list_t *list = topics_of(cmd);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(cmd->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) cli_exit("subscribe: %s", rd_kafka_err2str(err));
}

/* librdkafka would look for a broker for ever. */
static void check_brokers(const struct command *cmd, const struct settings *settings) {
    const struct rd_kafka_metadata *metadata;
    int64_t patience_ms = settings_get_ms(settings, "default.api.timeout.ms", PATIENCE_MS);
    for (int64_t end_ms = clock_ms() + patience_ms; !interrupt_seen();) {
        rd_kafka_resp_err_t err = rd_kafka_metadata(cmd->rk, 0, NULL, &metadata, WAIT_MS);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(metadata);
            return;
        }
        if (clock_ms() >= end_ms)
            cli_exit("%s: no broker answered within %" PRId64 " ms: %s",
                     cli_text(&cmd->cli, OPT_BOOTSTRAP), patience_ms, rd_kafka_err2str(err));
    }
}

static void join(struct command *cmd, const struct settings *settings) {
    rd_kafka_topic_partition_list_t *list = topics_of(cmd);
    modern_member_start(&cmd->member, settings, cmd->rk);
    modern_member_subscribe(&cmd->member, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* What a member by the consumer protocol does from time to time; false: it cannot go on. */
static bool goes_on(struct command *cmd) {
    bool is_member = !cmd->is_modern || modern_member_step(&cmd->member) == ST_OK;
    const char *why = is_member ? group_member_problem() : cmd->member.why;
    if (why == NULL) return true;
    fprintf(stderr, "ERROR Error during processing, terminating consumer process: %s\n", why);
    return false;
}

static void tell(struct command *cmd, const char *name) {
    event_begin(&cmd->line, name);
    event_end(&cmd->line);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct command cmd = {.read_count = 0};
    struct arena arena;
    struct settings settings;
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    cli_require(&cmd.cli, (const uint32_t[]){OPT_TOPIC, OPT_BOOTSTRAP, OPT_GROUP}, 3);
    check_bootstrap_list(&cmd.cli, cli_text(&cmd.cli, OPT_BOOTSTRAP));
    cmd.max = cli_number(&cmd.cli, OPT_MAX);
    arena_init(&arena, &mem, 16 * 1024, 0);
    event_line_init(&cmd.line, &mem);
    settings_init(&settings, &arena);
    fill_settings(&settings, &cmd);
    interrupt_catch();
    tell(&cmd, "startup_complete");
    start(&cmd, &settings);
    check_brokers(&cmd, &settings);
    cmd.member = (struct modern_member){.config_path = config_path(&cmd.cli),
                                        .commits = cli_has(&cmd.cli, OPT_AUTOCOMMIT),
                                        .changed = changed,
                                        .owner = &cmd};
    if (cmd.is_modern) join(&cmd, &settings);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(cmd.rk);
    while (!interrupt_seen() && (cmd.max < 0 || cmd.read_count < cmd.max) && goes_on(&cmd))
        take_batch(&cmd, queue);
    bool interrupted = interrupt_seen();
    if (interrupted) tell(&cmd, "shutdown_requested");
    if (cmd.is_modern) modern_member_leave(&cmd.member);
    rd_kafka_queue_destroy(queue);
    if (group_member_close(cmd.rk)) rd_kafka_destroy(cmd.rk);
    tell(&cmd, "shutdown_complete");
    if (!interrupted) tell(&cmd, "shutdown_requested"); /* Java tells it as it leaves, too */
    event_line_release(&cmd.line);
    arena_release(&arena);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
