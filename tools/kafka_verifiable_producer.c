/* tools/kafka_verifiable_producer.c - kafka-verifiable-producer: sends increasing numbers and tells
 * of each record, as JSON, whether it was acknowledged. Options and output are those of Kafka 4.3's
 * tool (VerifiableProducer). */
#include <inttypes.h>
#include <stdlib.h>
#include "tools/bulk_producer.h"
#include "tools/clock.h"
#include "tools/event_line.h"
#include "tools/interrupt.h"

enum option {
    OPT_TOPIC,
    OPT_BOOTSTRAP,
    OPT_MAX,
    OPT_THROUGHPUT,
    OPT_ACKS,
    OPT_PRODUCER_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_CREATE_TIME,
    OPT_PREFIX,
    OPT_KEYS,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_TOPIC] = {.name = "topic", .kind = CLI_TEXT, .label = "name", .help = "Required."},
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Required. Brokers to ask first; one that answers is enough."},
    [OPT_MAX] = {.name = "max-messages",
                 .kind = CLI_INT32,
                 .label = "n",
                 .fallback = "-1",
                 .help = "Stop after as many; -1: when interrupted."},
    [OPT_THROUGHPUT] = {.name = "throughput",
                        .kind = CLI_INT32,
                        .label = "n",
                        .fallback = "-1",
                        .help = "Send no more in a second; -1: as many as can be."},
    [OPT_ACKS] = {.name = "acks",
                  .kind = CLI_INT32,
                  .label = "acks",
                  .fallback = "-1",
                  .help = "0, 1 or -1: who must have a record before it counts as sent."},
    [OPT_PRODUCER_CONFIG] = {.name = "producer.config",
                             .kind = CLI_TEXT,
                             .label = "file",
                             .help = "The older name of --command-config."},
    [OPT_COMMAND_CONFIG] = {.name = "command-config",
                            .kind = CLI_TEXT,
                            .label = "file",
                            .help = "A file of producer properties."},
    [OPT_CREATE_TIME] = {.name = "message-create-time",
                         .kind = CLI_INT64,
                         .label = "ms",
                         .fallback = "-1",
                         .help = "The first record's timestamp; -1: now."},
    [OPT_PREFIX] = {.name = "value-prefix",
                    .kind = CLI_INT32,
                    .label = "n",
                    .help = "Values become n.0, n.1 ..."},
    [OPT_KEYS] = {.name = "repeating-keys",
                  .kind = CLI_INT32,
                  .label = "n",
                  .help = "Keys go from 0 to n - 1 and begin again."},
};
static const struct cli_tool tool = {
    .name = "kafka-verifiable-producer",
    .purpose = "sends increasing numbers and tells which were acknowledged.",
    .options = options,
    .option_count = OPT_COUNT,
    .helps_alone = true,
};

struct command {
    struct cli cli;
    struct bulk_producer producer;
    struct event_line line;
    int64_t acked_count;
};

static void tell_failure(struct command *cmd, struct str key, struct str value,
                         rd_kafka_resp_err_t err) {
    event_begin(&cmd->line, "producer_send_error");
    event_add_text(&cmd->line, "key", key);
    event_add_text(&cmd->line, "value", value);
    event_add_text(&cmd->line, "topic", str_of(cmd->producer.topic));
    event_add_text(&cmd->line, "exception", str_of(rd_kafka_err2name(err)));
    event_add_text(&cmd->line, "message", str_of(rd_kafka_err2str(err)));
    event_end(&cmd->line);
}

static void heard(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk;
    struct command *cmd = opaque;
    struct str key = {message->key, message->key_len}, value = {message->payload, message->len};
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        tell_failure(cmd, key, value, message->err);
        return;
    }
    cmd->acked_count++;
    event_begin(&cmd->line, "producer_send_success");
    event_add_text(&cmd->line, "key", key);
    event_add_text(&cmd->line, "value", value);
    strbuf_printf(&cmd->line.text, ",\"offset\":%" PRId64, message->offset);
    event_add_text(&cmd->line, "topic", str_of(cmd->producer.topic));
    strbuf_printf(&cmd->line.text, ",\"partition\":%" PRId32, message->partition);
    event_end(&cmd->line);
}

static void send_all(struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    int64_t max = cli_number(cli, OPT_MAX), first_ms = cli_number(cli, OPT_CREATE_TIME);
    int64_t keys = cli_has(cli, OPT_KEYS) ? cli_number(cli, OPT_KEYS) : 0;
    int64_t started_ms = clock_wall_ms();
    for (int64_t i = 0; (max < 0 || i < max) && !interrupt_seen(); i++) {
        char value[48], key[24];
        if (cli_has(cli, OPT_PREFIX))
            (void)snprintf(value, sizeof value, "%" PRId64 ".%" PRId64, cli_number(cli, OPT_PREFIX),
                           i);
        else
            (void)snprintf(value, sizeof value, "%" PRId64, i);
        struct str key_text = STR_NULL;
        if (keys > 0) {
            (void)snprintf(key, sizeof key, "%" PRId64, i % keys);
            key_text = str_of(key);
        }
        int64_t timestamp_ms = first_ms < 0 ? 0 : first_ms + (clock_wall_ms() - started_ms);
        rd_kafka_resp_err_t err;
        struct bytes octets = {(const uint8_t *)value, strlen(value)};
        if (!bulk_send(&cmd->producer, key_text, octets, timestamp_ms, NULL, &err) &&
            err != RD_KAFKA_RESP_ERR_NO_ERROR)
            tell_failure(cmd, key_text, str_of(value), err);
    }
}

/* The shortest decimal that reads back the same, with one digit behind the point at least. */
static void add_double(struct strbuf *out, double value) {
    char text[400];
    int decimals = 1;
    do {
        (void)snprintf(text, sizeof text, "%.*f", decimals, value);
    } while (strtod(text, NULL) != value && decimals++ < 17);
    strbuf_printf(out, "%s", text);
}

static void tell_result(struct command *cmd, int64_t elapsed_ms) {
    event_begin(&cmd->line, "tool_data");
    strbuf_printf(&cmd->line.text,
                  ",\"sent\":%" PRId64 ",\"acked\":%" PRId64 ",\"target_throughput\":%" PRId64
                  ",\"avg_throughput\":",
                  cmd->producer.sent_count, cmd->acked_count,
                  cli_number(&cmd->cli, OPT_THROUGHPUT));
    add_double(&cmd->line.text, 1000.0 * (double)cmd->acked_count / (double)MAX(elapsed_ms, 1));
    event_end(&cmd->line);
}

int main(int argc, char **argv) {
    static struct mem mem;
    struct command cmd = {.acked_count = 0};
    struct arena arena;
    struct settings settings;
    cli_start(&cmd.cli, &tool, &mem, argc, argv);
    const struct cli *cli = &cmd.cli;
    cli_require(cli, (const uint32_t[]){OPT_TOPIC, OPT_BOOTSTRAP}, 2);
    check_bootstrap_list(cli, cli_text(cli, OPT_BOOTSTRAP));
    int64_t acks = cli_number(cli, OPT_ACKS);
    if (acks < -1 || acks > 1)
        cli_usage_exit(cli, "argument --acks: invalid choice: '%" PRId64 "' (choose from {0,1,-1})",
                       acks);
    arena_init(&arena, &mem, 16 * 1024, 0);
    event_line_init(&cmd.line, &mem);
    settings_init(&settings, &arena);
    uint32_t file = cli_has(cli, OPT_COMMAND_CONFIG) ? OPT_COMMAND_CONFIG : OPT_PRODUCER_CONFIG;
    if (cli_has(cli, file)) settings_load(&settings, cli_text(cli, file));
    settings_set(&settings, STR("bootstrap.servers"), str_of(cli_text(cli, OPT_BOOTSTRAP)));
    settings_set(&settings, STR("acks"), str_of(cli_text(cli, OPT_ACKS)));
    settings_set(&settings, STR("retries"), STR("0")); /* a failure shall be seen */
    cmd.producer.topic = cli_text(cli, OPT_TOPIC);
    cmd.producer.per_second = (double)cli_number(cli, OPT_THROUGHPUT);
    event_begin(&cmd.line, "startup_complete");
    event_end(&cmd.line);
    int64_t started_ms = clock_wall_ms();
    bulk_start(&cmd.producer, &settings, heard, &cmd);
    interrupt_catch(); /* while no broker answers there is nothing to finish */
    send_all(&cmd);
    bulk_stop(&cmd.producer);
    event_begin(&cmd.line, "shutdown_complete");
    event_end(&cmd.line);
    tell_result(&cmd, clock_wall_ms() - started_ms);
    event_line_release(&cmd.line);
    arena_release(&arena);
    cli_release(&cmd.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
