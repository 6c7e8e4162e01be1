/* tools/kafka_consumer_perf_test.c - kafka-consumer-perf-test: reads many records and tells the
 * rate, as a member of a group. Options and output are those of Kafka 4.3's tool
 * (ConsumerPerformance). */
#include <inttypes.h>
#include <stdlib.h>
#include "tools/clock.h"
#include "tools/console_source.h"
#include "tools/interrupt.h"
#include "tools/java_date.h"

#define POLL_MS 100
#define MEGABYTE (1024.0 * 1024.0)
#define DATE_FORMAT "yyyy-MM-dd HH:mm:ss:SSS"
#define REFRESH_MS 300000
#define PATIENCE_MS 60000

enum option {
    OPT_BOOTSTRAP,
    OPT_TOPIC,
    OPT_INCLUDE,
    OPT_GROUP,
    OPT_RECORDS,
    OPT_MESSAGES,
    OPT_FETCH_SIZE,
    OPT_COMMAND_PROPERTY,
    OPT_FROM_LATEST,
    OPT_SOCKET_BUFFER,
    OPT_CONSUMER_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_PRINT_METRICS,
    OPT_DETAILED,
    OPT_TIMEOUT,
    OPT_INTERVAL,
    OPT_DATE_FORMAT,
    OPT_HIDE_HEADER,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Required. Brokers to ask first; one that answers is enough."},
    [OPT_TOPIC] = {.name = "topic", .kind = CLI_TEXT, .label = "name", .help = "What to read."},
    [OPT_INCLUDE] = {.name = "include",
                     .kind = CLI_TEXT,
                     .label = "pattern",
                     .help = "Read the topics whose names fit."},
    [OPT_GROUP] = {.name = "group",
                   .kind = CLI_TEXT,
                   .label = "id",
                   .help = "Read as a member of this group; without it, of one of its own."},
    [OPT_RECORDS] = {.name = "num-records",
                     .kind = CLI_INT64,
                     .label = "n",
                     .help = "Required. How many records to read."},
    [OPT_MESSAGES] = {.name = "messages",
                      .kind = CLI_INT64,
                      .label = "n",
                      .help = "The older name of --num-records."},
    [OPT_FETCH_SIZE] = {.name = "fetch-size",
                        .kind = CLI_INT32,
                        .label = "octets",
                        .fallback = "1048576",
                        .help = "Read as much of a partition at once."},
    [OPT_COMMAND_PROPERTY] = {.name = "command-property",
                              .kind = CLI_TEXT,
                              .flags = CLI_MANY,
                              .label = "key=value",
                              .help = "A property of the consumer."},
    [OPT_FROM_LATEST] = {.name = "from-latest", .help = "Read what is sent from now on."},
    [OPT_SOCKET_BUFFER] = {.name = "socket-buffer-size",
                           .kind = CLI_INT32,
                           .label = "octets",
                           .fallback = "2097152",
                           .help = "Receive buffer of the sockets."},
    [OPT_CONSUMER_CONFIG] = {.name = "consumer.config",
                             .kind = CLI_TEXT,
                             .label = "file",
                             .help = "The older name of --command-config."},
    [OPT_COMMAND_CONFIG] = {.name = "command-config",
                            .kind = CLI_TEXT,
                            .label = "file",
                            .help = "A file of consumer properties."},
    [OPT_PRINT_METRICS] = {.name = "print-metrics",
                           .help = "Tell at the end what the client has counted."},
    [OPT_DETAILED] = {.name = "show-detailed-stats", .help = "Tell of progress, too."},
    [OPT_TIMEOUT] = {.name = "timeout",
                     .kind = CLI_INT64,
                     .label = "ms",
                     .flags = CLI_VALUE_OPTIONAL,
                     .fallback = "10000",
                     .implied = "10000",
                     .help = "Stop when no record came for so long."},
    [OPT_INTERVAL] = {.name = "reporting-interval",
                      .kind = CLI_INT64,
                      .label = "ms",
                      .fallback = "5000",
                      .help = "How often to tell of progress."},
    [OPT_DATE_FORMAT] = {.name = "date-format",
                         .kind = CLI_TEXT,
                         .label = "format",
                         .fallback = DATE_FORMAT,
                         .help = "How times are written, as for Java's SimpleDateFormat."},
    [OPT_HIDE_HEADER] = {.name = "hide-header", .help = "Do not print the names of the columns."},
};
static const struct cli_tool tool = {
    .name = "kafka-consumer-perf-test",
    .purpose = "measures how fast records can be read.",
    .options = options,
    .option_count = OPT_COUNT,
};

struct command {
    struct cli cli;
    struct source source;
    struct pattern *include;
    int64_t wanted, count, bytes;
    int64_t started_ms;
    int64_t told_ms, told_count, told_bytes;
    struct strbuf text; /* a time */
    struct client_metrics metrics;
};

static struct timespec wall_clock(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    return now;
}

static void print_time(struct command *cmd, struct timespec time) {
    strbuf_clear(&cmd->text);
    java_date_add(&cmd->text, cli_text(&cmd->cli, OPT_DATE_FORMAT), time);
    printf("%.*s, ", STR_ARG(strbuf_str(&cmd->text)));
}

static double rate(double amount, int64_t ms) {
    return ms > 0 ? amount * 1000.0 / (double)ms : 0.0;
}

/* MB, MB/s, records, records/s, then the time until the group gave partitions out, and the rates
 * after it. */
static void print_rates(const struct command *cmd, int64_t from_ms, int64_t bytes, int64_t count,
                        int64_t now_ms) {
    int64_t join_ms = MAX(cmd->source.assigned_ms - from_ms, 0);
    int64_t fetch_ms = now_ms - from_ms - join_ms;
    double megabytes = (double)bytes / MEGABYTE;
    printf("%.4f, %.4f, %" PRId64 ", %.4f, %" PRId64 ", %" PRId64 ", %.4f, %.4f\n",
           (double)cmd->bytes / MEGABYTE, rate(megabytes, now_ms - from_ms), cmd->count,
           rate((double)count, now_ms - from_ms), join_ms, fetch_ms, rate(megabytes, fetch_ms),
           rate((double)count, fetch_ms));
}

static void tell_progress(struct command *cmd) {
    int64_t now_ms = clock_ms();
    if (now_ms - cmd->told_ms < cli_number(&cmd->cli, OPT_INTERVAL)) return;
    print_time(cmd, wall_clock());
    fputs("0, ", stdout); /* the only thread */
    print_rates(cmd, cmd->told_ms, cmd->bytes - cmd->told_bytes, cmd->count - cmd->told_count,
                now_ms);
    (void)fflush(stdout);
    cmd->told_ms = now_ms;
    cmd->told_bytes = cmd->bytes;
    cmd->told_count = cmd->count;
}

static void consume(struct command *cmd) {
    bool detailed = cli_has(&cmd->cli, OPT_DETAILED);
    int64_t patience_ms = cli_number(&cmd->cli, OPT_TIMEOUT), heard_ms = clock_ms();
    while (cmd->count < cmd->wanted && !interrupt_seen()) {
        rd_kafka_message_t *message = source_next(&cmd->source, POLL_MS);
        if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            heard_ms = clock_ms();
            cmd->count++;
            cmd->bytes += (int64_t)(message->len + message->key_len);
        } else if (message != NULL && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            fprintf(stderr, "WARN %s\n", rd_kafka_message_errstr(message));
        }
        if (message != NULL) rd_kafka_message_destroy(message);
        if (detailed) tell_progress(cmd);
        if (clock_ms() - heard_ms < patience_ms) continue;
        printf("WARNING: Exiting before consuming the expected number of records: timeout "
               "(%" PRId64 " ms) exceeded. You can use the --timeout option to increase the "
               "timeout.\n",
               patience_ms);
        return;
    }
}

static void check_options(const struct cli *cli) {
    cli_require(cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    check_bootstrap_list(cli, cli_text(cli, OPT_BOOTSTRAP));
    if (cli_has(cli, OPT_RECORDS) == cli_has(cli, OPT_MESSAGES))
        cli_usage_exit(cli, "Exactly one of the following arguments is required: [messages], "
                            "[num-records]");
    if (cli_has(cli, OPT_TOPIC) == cli_has(cli, OPT_INCLUDE))
        cli_usage_exit(cli, "Exactly one of the following arguments is required: [topic], "
                            "[include]");
    char why[80];
    const char *problem = java_date_problem(cli_text(cli, OPT_DATE_FORMAT), why, sizeof why);
    if (problem != NULL) cli_usage_exit(cli, "%s", problem);
    if (cli_number(cli, OPT_INTERVAL) < 1)
        cli_usage_exit(cli, "Reporting interval must be greater than 0.");
    if (cli_has(cli, OPT_MESSAGES))
        puts("Warning: --messages is deprecated. Use --num-records instead.");
}

static const char *config_path(const struct cli *cli) {
    return cli_text(cli,
                    cli_has(cli, OPT_COMMAND_CONFIG) ? OPT_COMMAND_CONFIG : OPT_CONSUMER_CONFIG);
}

static void read_settings(const struct cli *cli, struct settings *settings) {
    if (config_path(cli) != NULL) settings_load(settings, config_path(cli));
    settings_add_arguments(settings, cli, OPT_COMMAND_PROPERTY);
    settings_set(settings, STR("bootstrap.servers"), str_of(cli_text(cli, OPT_BOOTSTRAP)));
    if (cli_has(cli, OPT_GROUP))
        settings_set(settings, STR("group.id"), str_of(cli_text(cli, OPT_GROUP)));
    (void)source_make_group(settings, "perf-consumer-");
    if (settings_get(settings, "client.id").ptr == NULL)
        settings_set(settings, STR("client.id"), STR("perf-consumer-client"));
    settings_set(settings, STR("max.partition.fetch.bytes"), str_of(cli_text(cli, OPT_FETCH_SIZE)));
    settings_set(settings, STR("receive.buffer.bytes"), str_of(cli_text(cli, OPT_SOCKET_BUFFER)));
    settings_set(settings, STR("auto.offset.reset"),
                 cli_has(cli, OPT_FROM_LATEST) ? STR("latest") : STR("earliest"));
    if (settings_get(settings, "check.crcs").ptr == NULL) /* as in Kafka's tool */
        settings_set(settings, STR("check.crcs"), STR("false"));
}

static void start(struct command *cmd, struct arena *arena) {
    const struct cli *cli = &cmd->cli;
    struct settings settings;
    char why[200];
    settings_init(&settings, arena);
    read_settings(cli, &settings);
    const char *include = cli_text(cli, OPT_INCLUDE);
    if (include != NULL) cmd->include = pattern_new(arena->mem, str_of(include), why, sizeof why);
    if (include != NULL && cmd->include == NULL)
        cli_usage_exit(cli, "--include %s: %s", include, why);
    cmd->source = (struct source){
        .bootstrap = cli_text(cli, OPT_BOOTSTRAP),
        .topic = cli_text(cli, OPT_TOPIC),
        .include = cmd->include,
        .include_text = include,
        .partition = -1,
        .config_path = config_path(cli),
        .refresh_ms = REFRESH_MS,
        .patience_ms = MIN(PATIENCE_MS, cli_number(cli, OPT_TIMEOUT)),
    };
    if (cli_has(cli, OPT_PRINT_METRICS)) {
        client_metrics_init(&cmd->metrics, arena->mem);
        cmd->metrics.kind = "consumer";
        cmd->metrics.client_id = settings_get(&settings, "client.id").ptr;
        cmd->source.metrics = &cmd->metrics;
    }
    cmd->wanted = cli_number(cli, cli_has(cli, OPT_RECORDS) ? OPT_RECORDS : OPT_MESSAGES);
    source_start(&cmd->source, &settings);
}

int main(int argc, char **argv) {
    static struct mem mem;
    static struct command cmd;
    struct arena arena;
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    check_options(&cmd.cli);
    bool detailed = cli_has(&cmd.cli, OPT_DETAILED);
    if (!cli_has(&cmd.cli, OPT_HIDE_HEADER))
        printf("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
               "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n",
               detailed ? "time, threadId" : "start.time, end.time");
    arena_init(&arena, &mem, 16 * 1024, 0);
    strbuf_init(&cmd.text, &mem);
    interrupt_catch();
    struct timespec began = wall_clock();
    cmd.started_ms = cmd.told_ms = clock_ms();
    start(&cmd, &arena);
    consume(&cmd);
    if (!detailed) {
        print_time(&cmd, began);
        print_time(&cmd, wall_clock());
        print_rates(&cmd, cmd.started_ms, cmd.bytes, cmd.count, clock_ms());
    }
    if (cmd.source.metrics != NULL) {
        source_count(&cmd.source);
        client_metrics_print(&cmd.metrics, (double)(clock_ms() - cmd.started_ms) / 1000, stdout);
        client_metrics_release(&cmd.metrics);
        cmd.source.metrics = NULL;
    }
    (void)fflush(stdout);
    source_stop(&cmd.source);
    pattern_free(cmd.include);
    strbuf_release(&cmd.text);
    arena_release(&arena);
    cli_release(&cmd.cli);
    return interrupt_seen() ? INTERRUPT_STATUS : 0;
}
