/* tools/kafka_producer_perf_test.c - kafka-producer-perf-test: sends many records and tells rate
 * and latencies. Options and output are those of Kafka 4.3's tool (ProducerPerformance). Latency
 * is from the moment at which a record is handed to the client until its delivery is heard. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/assert.h"
#include "tools/bulk_producer.h"
#include "tools/client_metrics.h"
#include "tools/interrupt.h"

#define SAMPLES_MAX 500000
#define RECORD_BYTES_MAX ((int64_t)1 << 30)
#define PAYLOAD_FILE_BYTES_MAX ((size_t)1 << 30)
#define TRANSACTION_US 3000000
#define METRICS_WAIT_US 2000000

enum option {
    OPT_TOPIC,
    OPT_BOOTSTRAP,
    OPT_RECORDS,
    OPT_RECORD_SIZE,
    OPT_PAYLOAD_FILE,
    OPT_PAYLOAD_DELIMITER,
    OPT_PAYLOAD_MONOTONIC,
    OPT_THROUGHPUT,
    OPT_PRODUCER_PROPS,
    OPT_COMMAND_PROPERTY,
    OPT_PRODUCER_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_WARMUP,
    OPT_INTERVAL,
    OPT_PRINT_METRICS,
    OPT_TRANSACTIONAL_ID,
    OPT_TRANSACTION_MS,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_TOPIC] = {.name = "topic", .kind = CLI_TEXT, .label = "name", .help = "Required."},
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Brokers to ask first; or the property bootstrap.servers."},
    [OPT_RECORDS] = {.name = "num-records",
                     .kind = CLI_INT64,
                     .label = "n",
                     .help = "Required. How many records to send."},
    [OPT_RECORD_SIZE] = {.name = "record-size",
                         .kind = CLI_INT32,
                         .label = "octets",
                         .help = "Records of random letters; or one of the other payloads."},
    [OPT_PAYLOAD_FILE] = {.name = "payload-file",
                          .kind = CLI_TEXT,
                          .label = "file",
                          .help = "Records drawn from this file."},
    [OPT_PAYLOAD_DELIMITER] = {.name = "payload-delimiter",
                               .kind = CLI_TEXT,
                               .label = "text",
                               .fallback = "\\n",
                               .help = "What stands between the records of the file."},
    [OPT_PAYLOAD_MONOTONIC] = {.name = "payload-monotonic",
                               .help = "Records 0, 1, 2 ... as decimal text."},
    [OPT_THROUGHPUT] = {.name = "throughput",
                        .kind = CLI_TEXT,
                        .label = "n",
                        .help = "Required. Records a second; -1: as many as can be."},
    [OPT_PRODUCER_PROPS] = {.name = "producer-props",
                            .kind = CLI_TEXT,
                            .flags = CLI_MANY,
                            .label = "k=v ...",
                            .help = "The older name of --command-property."},
    [OPT_COMMAND_PROPERTY] = {.name = "command-property",
                              .kind = CLI_TEXT,
                              .flags = CLI_MANY,
                              .label = "k=v ...",
                              .help = "Properties of the producer."},
    [OPT_PRODUCER_CONFIG] = {.name = "producer.config",
                             .kind = CLI_TEXT,
                             .label = "file",
                             .help = "The older name of --command-config."},
    [OPT_COMMAND_CONFIG] = {.name = "command-config",
                            .kind = CLI_TEXT,
                            .label = "file",
                            .help = "A file of producer properties."},
    [OPT_WARMUP] = {.name = "warmup-records",
                    .kind = CLI_INT64,
                    .label = "n",
                    .fallback = "0",
                    .help = "Tell of the records after these apart, too."},
    [OPT_INTERVAL] = {.name = "reporting-interval",
                      .kind = CLI_INT64,
                      .label = "ms",
                      .fallback = "5000",
                      .help = "How often to tell of progress."},
    [OPT_PRINT_METRICS] = {.name = "print-metrics",
                           .help = "Tell at the end what the client has counted."},
    [OPT_TRANSACTIONAL_ID] = {.name = "transactional-id",
                              .kind = CLI_TEXT,
                              .label = "id",
                              .help = "Send in transactions, as the producer of this id."},
    [OPT_TRANSACTION_MS] = {.name = "transaction-duration-ms",
                            .kind = CLI_INT64,
                            .label = "ms",
                            .help = "Send in transactions of so long; 3000 with an id alone."},
};
static const struct cli_tool tool = {
    .name = "kafka-producer-perf-test",
    .purpose = "measures how fast records can be sent.",
    .options = options,
    .option_count = OPT_COUNT,
    .helps_alone = true,
};

/* Deliveries of a stretch of time. */
struct tally {
    int64_t count, bytes, started_us;
    double latency_sum_ms;
    int32_t latency_max_ms;
};

/* All deliveries and a sample of their latencies. */
struct stats {
    struct tally total;
    int32_t *samples; /* ms */
    int64_t sample_count, sample_every, seen;
};

struct payload {
    struct bytes *records; /* NULL: random letters, or numbers */
    uint32_t record_count;
    char *letters;
    int32_t size;
    bool monotonic;
    uint64_t random;
};

struct command {
    struct cli cli;
    struct bulk_producer producer;
    struct payload payload;
    struct stats all, steady;
    struct tally window;
    int64_t interval_us, warmup, records, heard_count, failed_count;
    int64_t transaction_us; /* how long each one is; 0: none */
    struct client_metrics metrics;
};

/* ---- what was measured ---- */

static void tally_add(struct tally *t, int32_t latency_ms, size_t bytes) {
    t->count++;
    t->bytes += (int64_t)bytes;
    t->latency_sum_ms += latency_ms;
    t->latency_max_ms = MAX(t->latency_max_ms, latency_ms);
}

static void stats_init(struct stats *s, struct arena *arena, int64_t records) {
    int64_t count = MAX(MIN(records, SAMPLES_MAX), 1);
    s->samples = arena_array(arena, (size_t)count, sizeof *s->samples);
    if (s->samples == NULL) cli_exit("out of memory");
    s->sample_every = (MAX(records, 1) + count - 1) / count;
}

static void stats_add(struct stats *s, int32_t latency_ms, size_t bytes) {
    tally_add(&s->total, latency_ms, bytes);
    if (s->seen++ % s->sample_every == 0) s->samples[s->sample_count++] = latency_ms;
}

static void print_window(struct tally *t, int64_t now_us) {
    double seconds = (double)MAX(now_us - t->started_us, 1) / 1e6;
    printf("%" PRId64 " records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms "
           "max latency.\n",
           t->count, (double)t->count / seconds, (double)t->bytes / seconds / (1024.0 * 1024.0),
           t->count > 0 ? t->latency_sum_ms / (double)t->count : 0.0, (double)t->latency_max_ms);
    (void)fflush(stdout);
    *t = (struct tally){.started_us = now_us};
}

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int32_t percentile(const struct stats *s, double p) {
    return s->sample_count > 0 ? s->samples[(int64_t)(p * (double)s->sample_count)] : 0;
}

static void print_stats(struct stats *s, const char *kind) {
    const struct tally *t = &s->total;
    double seconds = (double)MAX(clock_us() - t->started_us, 1) / 1e6;
    qsort(s->samples, (size_t)s->sample_count, sizeof *s->samples, by_value);
    printf("%" PRId64 "%s records sent, %f records/sec (%.2f MB/sec), ", t->count, kind,
           (double)t->count / seconds, (double)t->bytes / seconds / (1024.0 * 1024.0));
    if (t->count > 0)
        printf("%.2f ms avg latency, ", t->latency_sum_ms / (double)t->count);
    else
        fputs("NaN ms avg latency, ", stdout);
    printf("%.2f ms max latency, %d ms 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.\n",
           (double)t->latency_max_ms, percentile(s, 0.5), percentile(s, 0.95), percentile(s, 0.99),
           percentile(s, 0.999));
}

static void heard(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk;
    struct command *cmd = opaque;
    int64_t now_us = clock_us();
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "%s\n", rd_kafka_err2str(message->err));
        cmd->failed_count++;
        return;
    }
    int64_t began_us = (int64_t)(intptr_t)message->_private;
    int32_t latency_ms = (int32_t)MIN((now_us - began_us + 500) / 1000, INT32_MAX);
    stats_add(&cmd->all, latency_ms, message->len);
    if (cmd->heard_count++ >= cmd->warmup && cmd->warmup > 0) {
        if (cmd->steady.total.count == 0) cmd->steady.total.started_us = began_us;
        stats_add(&cmd->steady, latency_ms, message->len);
    }
    tally_add(&cmd->window, latency_ms, message->len);
    if (now_us - cmd->window.started_us >= cmd->interval_us) print_window(&cmd->window, now_us);
}

/* ---- what is sent ---- */

static void read_payload_file(struct payload *payload, struct arena *arena, const char *path,
                              const char *delimiter) {
    struct str text;
    printf("Reading payloads from: %s\n", path); /* Kafka prints it made absolute */
    enum status st = read_whole_file(arena, path, PAYLOAD_FILE_BYTES_MAX, &text);
    if (st != ST_OK) cli_exit("%s: cannot be read: %s", path, status_name(st));
    if (strcmp(delimiter, "\\n") == 0) delimiter = "\n";
    size_t gap = strlen(delimiter), count = 1;
    if (gap == 0) cli_exit("--payload-delimiter must not be empty");
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == delimiter[0];
    payload->records = arena_array(arena, count, sizeof *payload->records);
    if (payload->records == NULL) cli_exit("out of memory");
    while (text.len > 0) {
        const char *end = memmem(text.ptr, text.len, delimiter, gap);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        payload->records[payload->record_count++] = (struct bytes){(const uint8_t *)text.ptr, len};
        size_t used = end != NULL ? len + gap : len;
        text = (struct str){text.ptr + used, text.len - used};
    }
    if (payload->record_count == 0)
        cli_exit("File does not exist or empty file provided: %s", path);
    printf("Number of records read: %zu\n", (size_t)payload->record_count);
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct bytes next_payload(struct payload *p, int64_t n, char number[24]) {
    if (p->monotonic) {
        (void)snprintf(number, 24, "%" PRId64, n);
        return (struct bytes){(const uint8_t *)number, strlen(number)};
    }
    if (p->records != NULL) return p->records[next_random(&p->random) % p->record_count];
    for (int32_t i = 0; i < p->size; i++)
        p->letters[i] = (char)('A' + (next_random(&p->random) >> 32) % 26);
    return (struct bytes){(const uint8_t *)p->letters, (size_t)p->size};
}

static void send_all(struct command *cmd) {
    int64_t begun_us = 0; /* of the open transaction; 0: none is */
    for (int64_t i = 0; i < cmd->records && !interrupt_seen(); i++) {
        char number[24];
        rd_kafka_resp_err_t err;
        struct bytes record = next_payload(&cmd->payload, i, number);
        int64_t now_us = clock_us();
        if (cmd->transaction_us > 0 && begun_us == 0) {
            bulk_begin(&cmd->producer);
            begun_us = now_us;
        }
        bool sent = bulk_send(&cmd->producer, STR_NULL, record, 0, (void *)(intptr_t)now_us, &err);
        if (begun_us != 0 && now_us - begun_us >= cmd->transaction_us) {
            bulk_commit(&cmd->producer);
            begun_us = 0;
        }
        if (!sent && err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fprintf(stderr, "%s\n", rd_kafka_err2str(err));
            cmd->failed_count++;
        }
    }
    if (begun_us != 0) bulk_commit(&cmd->producer);
}

/* ---- the client's metrics ---- */

static int count(rd_kafka_t *rk, char *json, size_t len, void *opaque) {
    (void)rk;
    struct command *cmd = opaque;
    (void)client_metrics_note(&cmd->metrics, (struct str){json, len});
    return 0;
}

/* Once all has been told, the next statistics are whole. */
static void print_metrics(struct command *cmd) {
    int64_t began_us = clock_us();
    uint32_t before = cmd->metrics.noted_count;
    while (cmd->metrics.noted_count < before + 1 && clock_us() - began_us < METRICS_WAIT_US)
        (void)rd_kafka_poll(cmd->producer.rk, 10);
    cmd->metrics.error_count = cmd->failed_count;
    client_metrics_print(&cmd->metrics, (double)(clock_us() - cmd->producer.started_us) / 1e6,
                         stdout);
}

/* ---- the command line ---- */

/* `--command-property a=b c=d` means the option twice. */
static char **repeat_options(struct mem *mem, int *argc, char **argv) {
    char **words = mem_need(mem, ((size_t)*argc * 2 + 1) * sizeof *words);
    int count = 0;
    char *many = NULL;
    for (int i = 0; i < *argc; i++) {
        bool is_option = argv[i][0] == '-';
        if (is_option)
            many = strcmp(argv[i], "--producer-props") == 0 ||
                           strcmp(argv[i], "--command-property") == 0
                       ? argv[i]
                       : NULL;
        if (!is_option && many != NULL && argv[i - 1] != many) words[count++] = many;
        words[count++] = argv[i];
    }
    *argc = count;
    return words;
}

static void check_options(struct command *cmd) {
    const struct cli *cli = &cmd->cli;
    const uint32_t payloads[] = {OPT_RECORD_SIZE, OPT_PAYLOAD_FILE, OPT_PAYLOAD_MONOTONIC};
    cli_require(cli, (const uint32_t[]){OPT_TOPIC, OPT_RECORDS, OPT_THROUGHPUT}, 3);
    uint32_t count = 0;
    for (size_t i = 0; i < COUNT(payloads); i++) count += cli_has(cli, payloads[i]);
    if (count != 1)
        cli_usage_exit(cli, "exactly one of the arguments --record-size --payload-file "
                            "--payload-monotonic is required");
    if (cli_has(cli, OPT_TRANSACTION_MS) && cli_number(cli, OPT_TRANSACTION_MS) < 1)
        cli_usage_exit(cli, "--transaction-duration-ms should be greater than zero");
    cmd->records = cli_number(cli, OPT_RECORDS);
    cmd->warmup = cli_number(cli, OPT_WARMUP);
    cmd->interval_us = cli_number(cli, OPT_INTERVAL) * 1000;
    if (cmd->records < 1) cli_usage_exit(cli, "--num-records should be greater than zero");
    if (cmd->warmup < 0 || cmd->warmup >= cmd->records)
        cli_usage_exit(cli, "The value for --warmup-records must be strictly fewer than the number "
                            "of records in the test, --num-records.");
    if (cmd->interval_us < 1) cli_usage_exit(cli, "--reporting-interval should be greater than 0");
    char *end;
    const char *rate = cli_text(cli, OPT_THROUGHPUT);
    cmd->producer.per_second = strtod(rate, &end);
    if (end == rate || *end != '\0' || !isfinite(cmd->producer.per_second))
        cli_usage_exit(cli, "argument --throughput: could not convert '%s' to a number", rate);
}

static void prepare_payload(struct command *cmd, struct arena *arena) {
    const struct cli *cli = &cmd->cli;
    cmd->payload.random = 0x9e3779b97f4a7c15u;
    cmd->payload.monotonic = cli_has(cli, OPT_PAYLOAD_MONOTONIC);
    if (cli_has(cli, OPT_PAYLOAD_FILE))
        read_payload_file(&cmd->payload, arena, cli_text(cli, OPT_PAYLOAD_FILE),
                          cli_text(cli, OPT_PAYLOAD_DELIMITER));
    if (!cli_has(cli, OPT_RECORD_SIZE)) return;
    int64_t size = cli_number(cli, OPT_RECORD_SIZE);
    if (size < 1 || size > RECORD_BYTES_MAX)
        cli_usage_exit(cli, "--record-size should be greater than zero");
    cmd->payload.size = (int32_t)size;
    cmd->payload.letters = arena_alloc(arena, (size_t)size);
    if (cmd->payload.letters == NULL) cli_exit("out of memory");
}

static void read_settings(struct command *cmd, struct settings *settings) {
    const struct cli *cli = &cmd->cli;
    for (uint32_t i = OPT_PRODUCER_PROPS; i <= OPT_PRODUCER_CONFIG; i += 2)
        if (cli_has(cli, i))
            printf("Option --%s has been deprecated and will be removed in a future version. Use "
                   "--%s instead.\n",
                   options[i].name, options[i + 1].name);
    uint32_t file = cli_has(cli, OPT_COMMAND_CONFIG) ? OPT_COMMAND_CONFIG : OPT_PRODUCER_CONFIG;
    if (cli_has(cli, file)) settings_load(settings, cli_text(cli, file));
    settings_add_arguments(settings, cli, OPT_PRODUCER_PROPS);
    settings_add_arguments(settings, cli, OPT_COMMAND_PROPERTY);
    if (cli_has(cli, OPT_BOOTSTRAP))
        settings_set(settings, STR("bootstrap.servers"), str_of(cli_text(cli, OPT_BOOTSTRAP)));
    struct str bootstrap = settings_get(settings, "bootstrap.servers");
    if (bootstrap.ptr == NULL)
        cli_usage_exit(cli, "At least one of --bootstrap-server or the property bootstrap.servers "
                            "must be specified.");
    check_bootstrap_list(cli, bootstrap.ptr);
    if (settings_get(settings, "client.id").ptr == NULL)
        settings_set(settings, STR("client.id"), STR("perf-producer-client"));
    if (cli_has(cli, OPT_TRANSACTIONAL_ID))
        settings_set(settings, STR("transactional.id"),
                     str_of(cli_text(cli, OPT_TRANSACTIONAL_ID)));
    bool has_id = settings_get(settings, "transactional.id").ptr != NULL;
    if (!has_id && cli_has(cli, OPT_TRANSACTION_MS)) {
        char id[64];
        (void)snprintf(id, sizeof id, "performance-producer-%d-%" PRId64, (int)getpid(),
                       clock_us());
        settings_set(settings, STR("transactional.id"), str_of(id));
    }
    if (cli_has(cli, OPT_TRANSACTION_MS)) {
        cmd->transaction_us = cli_number(cli, OPT_TRANSACTION_MS) * 1000;
    } else if (has_id) {
        cmd->transaction_us = TRANSACTION_US;
    }
}

int main(int argc, char **argv) {
    static struct mem mem;
    static struct command cmd;
    struct arena arena;
    struct settings settings;
    size_t words_bytes = ((size_t)argc * 2 + 1) * sizeof(char *);
    char **words = repeat_options(&mem, &argc, argv);
    cli_start(&cmd.cli, &tool, &mem, argc, words);
    check_options(&cmd);
    arena_init(&arena, &mem, 16 * 1024, 0);
    settings_init(&settings, &arena);
    read_settings(&cmd, &settings);
    prepare_payload(&cmd, &arena);
    stats_init(&cmd.all, &arena, cmd.records);
    stats_init(&cmd.steady, &arena, cmd.records - cmd.warmup);
    cmd.producer.topic = cli_text(&cmd.cli, OPT_TOPIC);
    if (cmd.warmup > 0)
        printf("Warmup first %" PRId64 " records. Steady state results will print after the "
               "complete test summary.\n",
               cmd.warmup);
    bool counts = cli_has(&cmd.cli, OPT_PRINT_METRICS);
    if (counts) {
        client_metrics_init(&cmd.metrics, &mem);
        cmd.metrics.kind = "producer";
        cmd.metrics.client_id = settings_get(&settings, "client.id").ptr;
        cmd.producer.statistics = count;
    }
    cmd.all.total.started_us = cmd.window.started_us = clock_us();
    bulk_start(&cmd.producer, &settings, heard, &cmd);
    interrupt_catch(); /* while no broker answers there is nothing to finish */
    send_all(&cmd);
    bulk_flush(&cmd.producer);
    print_stats(&cmd.all, "");
    if (cmd.warmup > 0) print_stats(&cmd.steady, " steady state");
    if (counts) {
        print_metrics(&cmd);
        client_metrics_release(&cmd.metrics);
    }
    bulk_stop(&cmd.producer);
    arena_release(&arena);
    cli_release(&cmd.cli);
    mem_free(&mem, words, words_bytes);
    if (fflush(stdout) != 0) return 1;
    return interrupt_seen() ? INTERRUPT_STATUS : cmd.failed_count > 0;
}
