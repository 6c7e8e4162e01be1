/* tools/kafka_console_consumer.c - kafka-console-consumer: records to standard output.
 * Options, properties and output are those of Kafka 4.3's tool, on librdkafka: without --group it
 * joins a group of its own, console-consumer-NUMBER, which commits nothing. */
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>
#include "tools/clock.h"
#include "tools/console_source.h"
#include "tools/formatter.h"
#include "tools/interrupt.h"

#define DEFAULT_FORMATTER "org.apache.kafka.tools.consumer.DefaultMessageFormatter"
#define WAIT_MS 100
#define HEADERS_MAX 4096 /* of one record; the rest is not shown, and that is said */
#define MAX_AGE_MS 300000
#define API_TIMEOUT_MS 60000

enum option {
    OPT_TOPIC,
    OPT_INCLUDE,
    OPT_BOOTSTRAP,
    OPT_PARTITION,
    OPT_OFFSET,
    OPT_FROM_BEGINNING,
    OPT_MAX_MESSAGES,
    OPT_TIMEOUT,
    OPT_GROUP,
    OPT_ISOLATION,
    OPT_FORMATTER,
    OPT_PROPERTY,
    OPT_FORMATTER_PROPERTY,
    OPT_FORMATTER_CONFIG,
    OPT_KEY_DESERIALIZER,
    OPT_VALUE_DESERIALIZER,
    OPT_SKIP_ON_ERROR,
    OPT_CONSUMER_PROPERTY,
    OPT_COMMAND_PROPERTY,
    OPT_CONSUMER_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_SYSTEST_EVENTS,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_TOPIC] = {.name = "topic",
                   .kind = CLI_TEXT,
                   .label = "name",
                   .help = "The topic to read."},
    [OPT_INCLUDE] = {.name = "include",
                     .kind = CLI_TEXT,
                     .label = "regex",
                     .help = "Read all topics whose whole name fits, instead of --topic."},
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Required. Brokers to ask first; one that answers is enough."},
    [OPT_PARTITION] =
        {.name = "partition",
         .kind = CLI_INT32,
         .label = "number",
         .help = "Read this partition only, from its end unless --offset says otherwise."},
    [OPT_OFFSET] = {.name = "offset",
                    .kind = CLI_TEXT,
                    .label = "offset",
                    .fallback = "latest",
                    .help = "With --partition: a number, earliest or latest."},
    [OPT_FROM_BEGINNING] = {.name = "from-beginning",
                            .help = "Begin with the oldest record instead of the next new "
                                    "one; a group that has a position keeps it."},
    [OPT_MAX_MESSAGES] = {.name = "max-messages",
                          .kind = CLI_INT32,
                          .label = "n",
                          .help = "Stop after as many; without it, read on until interrupted."},
    [OPT_TIMEOUT] = {.name = "timeout-ms",
                     .kind = CLI_INT64,
                     .label = "ms",
                     .help = "Stop when no record came for as long."},
    [OPT_GROUP] = {.name = "group",
                   .kind = CLI_TEXT,
                   .label = "id",
                   .help = "Read as a member of this group; without it, of one of its own."},
    [OPT_ISOLATION] = {.name = "isolation-level",
                       .kind = CLI_TEXT,
                       .label = "level",
                       .fallback = "read_uncommitted",
                       .help = "read_committed leaves out what transactions have not committed."},
    [OPT_FORMATTER] = {.name = "formatter",
                       .kind = CLI_TEXT,
                       .label = "class",
                       .fallback = DEFAULT_FORMATTER,
                       .help = "How records are written, see below."},
    [OPT_PROPERTY] = {.name = "property",
                      .kind = CLI_TEXT,
                      .flags = CLI_MANY,
                      .label = "key=value",
                      .help = "The older name of --formatter-property."},
    [OPT_FORMATTER_PROPERTY] = {.name = "formatter-property",
                                .kind = CLI_TEXT,
                                .flags = CLI_MANY,
                                .label = "key=value",
                                .help = "What to write of a record, see below."},
    [OPT_FORMATTER_CONFIG] =
        {.name = "formatter-config",
         .kind = CLI_TEXT,
         .label = "file",
         .help = "A file of formatter properties; --formatter-property wins over it."},
    [OPT_KEY_DESERIALIZER] = {.name = "key-deserializer",
                              .kind = CLI_TEXT,
                              .label = "class",
                              .help = "How keys become text, see below."},
    [OPT_VALUE_DESERIALIZER] = {.name = "value-deserializer",
                                .kind = CLI_TEXT,
                                .label = "class",
                                .help = "How values become text, see below."},
    [OPT_SKIP_ON_ERROR] = {.name = "skip-message-on-error",
                           .help = "Go on after a record that cannot be written as asked."},
    [OPT_CONSUMER_PROPERTY] = {.name = "consumer-property",
                               .kind = CLI_TEXT,
                               .flags = CLI_MANY,
                               .label = "key=value",
                               .help = "The older name of --command-property."},
    [OPT_COMMAND_PROPERTY] =
        {.name = "command-property",
         .kind = CLI_TEXT,
         .flags = CLI_MANY,
         .label = "key=value",
         .help = "A property of the consumer, by Kafka's or by librdkafka's name."},
    [OPT_CONSUMER_CONFIG] = {.name = "consumer.config",
                             .kind = CLI_TEXT,
                             .label = "file",
                             .help = "The older name of --command-config."},
    [OPT_COMMAND_CONFIG] = {.name = "command-config",
                            .kind = CLI_TEXT,
                            .label = "file",
                            .help =
                                "A file of consumer properties; --command-property wins over it."},
    [OPT_SYSTEST_EVENTS] = {.name = "enable-systest-events",
                            .help = "Print shutdown_complete at the end, for test systems."},
};

static const char notes[] =
    "Formatters, each org.apache.kafka.tools.consumer.NAME:\n"
    "  DefaultMessageFormatter         the parts that the properties below ask for\n"
    "  LoggingMessageFormatter         the same; nothing is logged here\n"
    "  NoOpMessageFormatter            nothing\n"
    "  OffsetsMessageFormatter, GroupMetadataMessageFormatter, ShareGroupMessageFormatter\n"
    "                                  those records of __consumer_offsets as JSON\n"
    "  TransactionLogMessageFormatter  __transaction_state as JSON\n"
    "  group.share.ShareGroupStateMessageFormatter  __share_group_state as JSON\n"
    "\n"
    "Formatter properties (with their defaults):\n"
    "  print.value=true     print.key=false      print.headers=false    print.timestamp=false\n"
    "  print.offset=false   print.partition=false\n"
    "  key.separator=\\t     between all parts    line.separator=\\n\n"
    "  headers.separator=,  null.literal=null\n"
    "  key.deserializer, value.deserializer, headers.deserializer: "
    "org.apache.kafka.common.serialization.\n"
    "      {String,ByteArray,Bytes,Short,Integer,Long,Boolean,UUID}Deserializer; octets as they "
    "are without one\n"
    "\n"
    "Without --group (or the property group.id) it is the only member of a group "
    "console-consumer-NUMBER, which\n"
    "commits no positions unless enable.auto.commit=true. With it, the group's other members get "
    "their share and\n"
    "positions are committed unless enable.auto.commit=false. --partition joins no group.\n";

static const struct cli_tool tool = {
    .name = "kafka-console-consumer",
    .purpose = "prints the records of a topic.",
    .notes = notes,
    .options = options,
    .option_count = OPT_COUNT,
};

struct consumer {
    struct source source;
    struct formatter formatter;
    int64_t timeout_ms;    /* -1: none */
    int64_t message_limit; /* -1: none */
    uint64_t message_count;
    bool skip_on_error;
};

static const char *timestamp_type_name(rd_kafka_timestamp_type_t type) {
    switch (type) {
    case RD_KAFKA_TIMESTAMP_CREATE_TIME: return "CreateTime";
    case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME: return "LogAppendTime";
    case RD_KAFKA_TIMESTAMP_NOT_AVAILABLE: break;
    }
    return NULL;
}

static uint32_t headers_of(const rd_kafka_message_t *message, struct console_header *headers) {
    rd_kafka_headers_t *list;
    if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
    uint32_t count = 0;
    const char *name;
    const void *value;
    size_t value_len;
    while (rd_kafka_header_get_all(list, count, &name, &value, &value_len) ==
           RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (count == HEADERS_MAX) {
            fprintf(stderr, "WARN A record with more than %d headers: the others are not shown\n",
                    HEADERS_MAX);
            break;
        }
        headers[count++] = (struct console_header){str_of(name), {value, value_len}};
    }
    return count;
}

/* ST_IO: standard output takes no more. ST_CORRUPT: the record cannot be written as asked. */
static enum status write_message(struct consumer *c, const rd_kafka_message_t *message) {
    static struct console_header headers[HEADERS_MAX];
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    struct console_record record = {
        .topic = str_of(rd_kafka_topic_name(message->rkt)),
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_type = timestamp_type_name(type),
        .timestamp_ms = timestamp,
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
        .headers = headers,
        .header_count = c->formatter.print_headers ? headers_of(message, headers) : 0,
    };
    const char *reason;
    enum status st = formatter_write(&c->formatter, &record, stdout, &reason);
    if (ferror(stdout)) {
        fprintf(stderr, "Unable to write to standard out, closing consumer.\n");
        return ST_IO;
    }
    if (st != ST_OK)
        fprintf(stderr, "%s (topic %.*s, partition %" PRId32 ", offset %" PRId64 ")\n", reason,
                STR_ARG(record.topic), record.partition, record.offset);
    return st;
}

/* A message that is an error: what goes away by itself is told, the rest ends the reading. */
static enum status take_error(struct consumer *c, const rd_kafka_message_t *message) {
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: return ST_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: source_reset(&c->source, message); return ST_OK;
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        fprintf(stderr, "WARN %s\n", rd_kafka_message_errstr(message));
        return ST_OK;
    default: fprintf(stderr, "ERROR %s\n", rd_kafka_message_errstr(message)); return ST_INVALID;
    }
}

static enum status take_message(struct consumer *c, const rd_kafka_message_t *message) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return take_error(c, message);
    c->message_count++;
    enum status st = write_message(c, message);
    return st == ST_CORRUPT && c->skip_on_error ? ST_OK : st;
}

/* Where auto.offset.reset says that there is nowhere to read from it is over, too: as in Kafka's
 * tool without a status that says so. */
static bool is_done(const struct consumer *c) {
    if (source_problem() != NULL) {
        fprintf(stderr, "ERROR Error processing message, terminating consumer process: %s\n",
                source_problem());
        return true;
    }
    return interrupt_seen() ||
           (c->message_limit != -1 && (int64_t)c->message_count >= c->message_limit);
}

/* Until the limit, the time-out or an interrupt. ST_IO and what is worse end it early. */
static enum status consume(struct consumer *c) {
    int64_t last_ms = clock_ms();
    while (!is_done(c)) {
        rd_kafka_message_t *message = source_next(&c->source, 0);
        if (message == NULL) {
            (void)fflush(stdout); /* an error of it shows at the next record */
            int64_t left_ms = c->timeout_ms < 0 ? WAIT_MS : c->timeout_ms - (clock_ms() - last_ms);
            if (left_ms <= 0) return ST_OK;
            message = source_next(&c->source, (int)MIN(left_ms, WAIT_MS));
        }
        if (message == NULL) continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) last_ms = clock_ms();
        enum status st = take_message(c, message);
        rd_kafka_message_destroy(message);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static void forbid_both(const struct cli *cli, enum option older, enum option newer) {
    if (cli_has(cli, older) && cli_has(cli, newer))
        cli_usage_exit(cli, "Options --%s and --%s cannot be specified together.",
                       options[newer].name, options[older].name);
}

static void check_options(const struct cli *cli) {
    cli_require(cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    forbid_both(cli, OPT_CONSUMER_PROPERTY, OPT_COMMAND_PROPERTY);
    forbid_both(cli, OPT_CONSUMER_CONFIG, OPT_COMMAND_CONFIG);
    forbid_both(cli, OPT_PROPERTY, OPT_FORMATTER_PROPERTY);
    check_bootstrap_list(cli, cli_text(cli, OPT_BOOTSTRAP));
    if (cli_has(cli, OPT_PARTITION) && !cli_has(cli, OPT_TOPIC))
        cli_usage_exit(cli, "The topic is required when partition is specified.");
    if (cli_has(cli, OPT_TOPIC) == cli_has(cli, OPT_INCLUDE))
        cli_usage_exit(cli,
                       "Exactly one of the following arguments is required: [topic], [include]");
    if (cli_has(cli, OPT_OFFSET) && !cli_has(cli, OPT_PARTITION))
        cli_usage_exit(cli, "The partition is required when offset is specified.");
    if (cli_has(cli, OPT_FROM_BEGINNING) && cli_has(cli, OPT_OFFSET))
        cli_usage_exit(cli, "Options from-beginning and offset cannot be specified together.");
    if (cli_has(cli, OPT_PARTITION) && cli_number(cli, OPT_PARTITION) < 0)
        cli_usage_exit(cli, "--partition must be 0 or more.");
}

static int64_t offset_of(const struct cli *cli) {
    const char *text = cli_text(cli, OPT_OFFSET);
    if (cli_has(cli, OPT_FROM_BEGINNING)) return SOURCE_OFFSET_EARLIEST;
    if (strcmp(text, "earliest") == 0) return SOURCE_OFFSET_EARLIEST;
    if (strcmp(text, "latest") == 0) return SOURCE_OFFSET_LATEST;
    int64_t offset;
    if (!str_to_int64(str_of(text), &offset) || offset < 0)
        cli_usage_exit(cli,
                       "The provided offset value '%s' is incorrect. Valid values are 'earliest', "
                       "'latest', or a "
                       "non-negative long.",
                       text);
    return offset;
}

static void set_default(struct settings *settings, const char *key, const char *value) {
    if (settings_get(settings, key).ptr == NULL) settings_set(settings, str_of(key), str_of(value));
}

/* A group of its own is not to be used again: what it has read need not be remembered. */
static void set_group(struct settings *settings, const struct cli *cli) {
    struct str by_property = settings_get(settings, "group.id");
    const char *by_option = cli_text(cli, OPT_GROUP);
    if (by_option != NULL && by_property.ptr != NULL && !str_eq(by_property, str_of(by_option)))
        cli_usage_exit(
            cli,
            "The group ids provided in different places (directly using '--group', via "
            "'--consumer-property', or via '--consumer.config') do not match. Detected group ids: "
            "'%s', '%s'",
            by_option, by_property.ptr);
    if (by_option != NULL) settings_set(settings, STR("group.id"), str_of(by_option));
    bool is_given = by_option != NULL || by_property.ptr != NULL;
    if (is_given && cli_has(cli, OPT_PARTITION))
        cli_usage_exit(cli, "Options group and partition cannot be specified together.");
    if (!cli_has(cli, OPT_PARTITION) && source_make_group(settings, "console-consumer-"))
        set_default(settings, "enable.auto.commit", "false");
}

static const char *config_path(const struct cli *cli) {
    return cli_text(cli,
                    cli_has(cli, OPT_COMMAND_CONFIG) ? OPT_COMMAND_CONFIG : OPT_CONSUMER_CONFIG);
}

static void consumer_settings(struct settings *settings, const struct cli *cli) {
    const char *file = config_path(cli);
    if (file != NULL) settings_load(settings, file);
    settings_add_arguments(settings, cli, OPT_CONSUMER_PROPERTY);
    settings_add_arguments(settings, cli, OPT_COMMAND_PROPERTY);
    set_group(settings, cli);
    struct str reset = settings_get(settings, "auto.offset.reset");
    if (cli_has(cli, OPT_FROM_BEGINNING) && reset.ptr != NULL && !str_eq(reset, STR("earliest")))
        cli_exit("Can't simultaneously specify --from-beginning and 'auto.offset.reset=%s', please "
                 "remove one option",
                 reset.ptr);
    set_default(settings, "auto.offset.reset",
                cli_has(cli, OPT_FROM_BEGINNING) ? "earliest" : "latest");
    settings_set(settings, STR("bootstrap.servers"), str_of(cli_text(cli, OPT_BOOTSTRAP)));
    settings_set(settings, STR("isolation.level"), str_of(cli_text(cli, OPT_ISOLATION)));
    set_default(settings, "client.id", "console-consumer");
    set_default(settings, "allow.auto.create.topics",
                "true"); /* Java's defaults, not librdkafka's */
    set_default(settings, "check.crcs", "true");
}

static void formatter_settings(struct settings *settings, const struct cli *cli,
                               struct formatter *formatter) {
    if (cli_has(cli, OPT_FORMATTER_CONFIG))
        settings_load(settings, cli_text(cli, OPT_FORMATTER_CONFIG));
    settings_add_arguments(settings, cli, OPT_PROPERTY);
    settings_add_arguments(settings, cli, OPT_FORMATTER_PROPERTY);
    const char *key = cli_text(cli, OPT_KEY_DESERIALIZER),
               *value = cli_text(cli, OPT_VALUE_DESERIALIZER);
    if (key != NULL) settings_set(settings, STR("key.deserializer"), str_of(key));
    if (value != NULL) settings_set(settings, STR("value.deserializer"), str_of(value));
    formatter_init(formatter, settings);
    const char *class_name = cli_text(cli, OPT_FORMATTER);
    if (!formatter_choose(formatter, str_of(class_name)))
        cli_usage_exit(cli, "--formatter %s: not available here; --help names those that are",
                       class_name);
}

/* The first of Java's ways to end that a pattern takes. */
static struct pattern *include_pattern(struct mem *mem, const struct cli *cli) {
    char why[200];
    const char *text = cli_text(cli, OPT_INCLUDE);
    if (text == NULL) return NULL;
    struct pattern *pattern = pattern_new(mem, str_of(text), why, sizeof why);
    if (pattern == NULL) cli_usage_exit(cli, "--include %s: %s", text, why);
    return pattern;
}

int main(int argc, char **argv) {
    static struct mem mem;
    static char out_buffer[256 * 1024];
    struct cli cli;
    cli_start(&cli, &tool, &mem, argc, argv);
    check_options(&cli);
    struct arena arena;
    arena_init(&arena, &mem, 16 * 1024, 0);
    struct settings settings, format_settings;
    settings_init(&settings, &arena);
    settings_init(&format_settings, &arena);
    struct consumer c = {
        .timeout_ms = cli_has(&cli, OPT_TIMEOUT) ? cli_number(&cli, OPT_TIMEOUT) : -1,
        .message_limit = cli_has(&cli, OPT_MAX_MESSAGES) ? cli_number(&cli, OPT_MAX_MESSAGES) : -1,
        .skip_on_error = cli_has(&cli, OPT_SKIP_ON_ERROR),
        .source = {.bootstrap = cli_text(&cli, OPT_BOOTSTRAP),
                   .topic = cli_text(&cli, OPT_TOPIC),
                   .include = include_pattern(&mem, &cli),
                   .include_text = cli_text(&cli, OPT_INCLUDE),
                   .partition =
                       cli_has(&cli, OPT_PARTITION) ? (int32_t)cli_number(&cli, OPT_PARTITION) : -1,
                   .offset = offset_of(&cli),
                   .config_path = config_path(&cli)},
    };
    formatter_settings(&format_settings, &cli, &c.formatter);
    consumer_settings(&settings, &cli);
    c.source.refresh_ms = settings_get_ms(&settings, "metadata.max.age.ms", MAX_AGE_MS);
    c.source.patience_ms = settings_get_ms(&settings, "default.api.timeout.ms", API_TIMEOUT_MS);
    if (c.timeout_ms >= 0) c.source.patience_ms = MIN(c.source.patience_ms, c.timeout_ms);
    (void)setvbuf(stdout, out_buffer, _IOFBF, sizeof out_buffer);
    interrupt_catch();
    (void)signal(SIGPIPE, SIG_IGN); /* shows as an error of standard output */
    source_start(&c.source, &settings);
    enum status st = consume(&c);
    (void)fflush(stdout);
    fprintf(stderr, "Processed a total of %" PRIu64 " messages\n", c.message_count);
    source_stop(&c.source);
    formatter_release(&c.formatter);
    if (cli_has(&cli, OPT_SYSTEST_EVENTS)) puts("shutdown_complete");
    pattern_free(c.source.include);
    arena_release(&arena);
    cli_release(&cli);
    if (interrupt_seen()) return INTERRUPT_STATUS;
    return st == ST_OK || st == ST_IO ? 0 : 1;
}
