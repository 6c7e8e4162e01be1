/* tools/kafka_console_producer.c - kafka-console-producer: each line of standard input becomes a
 * record. Options, properties and defaults are those of Kafka 4.3's tool. It stands on librdkafka,
 * so a few of Java's knobs have no counterpart (--help says which). A record that was not delivered
 * is named on standard error and makes the exit status 1, where Kafka's tool ends with 0. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "tools/interrupt.h"
#include "tools/line_reader.h"
#include "tools/rdkafka_settings.h"

#define LINE_READER_CLASS "org.apache.kafka.tools.LineMessageReader"
#define LINE_BYTES_MAX ((size_t)1 << 30) /* memory for one line */
#define REPORT_POLL_MS 100

enum option {
    OPT_TOPIC,
    OPT_BOOTSTRAP,
    OPT_BROKER_LIST,
    OPT_SYNC,
    OPT_CODEC,
    OPT_BATCH_SIZE,
    OPT_RETRIES,
    OPT_RETRY_BACKOFF,
    OPT_TIMEOUT,
    OPT_ACKS,
    OPT_REQUEST_TIMEOUT,
    OPT_METADATA_EXPIRY,
    OPT_MAX_BLOCK,
    OPT_MAX_MEMORY,
    OPT_MAX_PARTITION_MEMORY,
    OPT_LINE_READER,
    OPT_SOCKET_BUFFER,
    OPT_PROPERTY,
    OPT_READER_PROPERTY,
    OPT_READER_CONFIG,
    OPT_PRODUCER_PROPERTY,
    OPT_COMMAND_PROPERTY,
    OPT_PRODUCER_CONFIG,
    OPT_COMMAND_CONFIG,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_TOPIC] = {.name = "topic",
                   .kind = CLI_TEXT,
                   .label = "name",
                   .help = "Required. Where the records go."},
    [OPT_BOOTSTRAP] = {.name = "bootstrap-server",
                       .kind = CLI_TEXT,
                       .label = "host:port,...",
                       .help = "Required. Brokers to ask first; one that answers is enough."},
    [OPT_BROKER_LIST] = {.name = "broker-list",
                         .kind = CLI_TEXT,
                         .label = "host:port,...",
                         .help = "The name of --bootstrap-server before Kafka 2.5."},
    [OPT_SYNC] = {.name = "sync",
                  .help = "Wait for each record before the next; stop at the first that fails."},
    [OPT_CODEC] = {.name = "compression-codec",
                   .kind = CLI_TEXT,
                   .flags = CLI_VALUE_OPTIONAL,
                   .label = "codec",
                   .implied = "gzip",
                   .help = "none, gzip, snappy, lz4 or zstd; gzip when none is named."},
    [OPT_BATCH_SIZE] = {.name = "batch-size",
                        .kind = CLI_INT32,
                        .label = "octets",
                        .fallback = "16384",
                        .help =
                            "A batch is sent when it holds as much, unless --timeout comes first."},
    [OPT_RETRIES] = {.name = "message-send-max-retries",
                     .kind = CLI_INT32,
                     .label = "n",
                     .fallback = "3",
                     .help = "How often a failed send is tried again."},
    [OPT_RETRY_BACKOFF] = {.name = "retry-backoff-ms",
                           .kind = CLI_INT64,
                           .label = "ms",
                           .fallback = "100",
                           .help = "Pause before trying again."},
    [OPT_TIMEOUT] = {.name = "timeout",
                     .kind = CLI_INT64,
                     .label = "ms",
                     .fallback = "1000",
                     .help = "How long a record waits for others of its batch (linger.ms)."},
    [OPT_ACKS] = {.name = "request-required-acks",
                  .kind = CLI_TEXT,
                  .label = "acks",
                  .fallback = "-1",
                  .help = "0, 1, or all (-1): who must have a record before it counts as sent."},
    [OPT_REQUEST_TIMEOUT] = {.name = "request-timeout-ms",
                             .kind = CLI_INT32,
                             .label = "ms",
                             .fallback = "1500",
                             .help = "How long a request may take at the broker."},
    [OPT_METADATA_EXPIRY] = {.name = "metadata-expiry-ms",
                             .kind = CLI_INT64,
                             .label = "ms",
                             .fallback = "300000",
                             .help = "The topic's leaders are asked for again after this time."},
    [OPT_MAX_BLOCK] = {.name = "max-block-ms",
                       .kind = CLI_INT64,
                       .label = "ms",
                       .fallback = "60000",
                       .help =
                           "How long to wait for the topic's metadata, or for room in the buffer."},
    [OPT_MAX_MEMORY] = {.name = "max-memory-bytes",
                        .kind = CLI_INT64,
                        .label = "octets",
                        .fallback = "33554432",
                        .help = "Records waiting to be sent take no more than this."},
    [OPT_MAX_PARTITION_MEMORY] = {.name = "max-partition-memory-bytes",
                                  .kind = CLI_INT32,
                                  .label = "octets",
                                  .fallback = "16384",
                                  .help = "Another name of --batch-size."},
    [OPT_LINE_READER] = {.name = "line-reader",
                         .kind = CLI_TEXT,
                         .label = "class",
                         .fallback = LINE_READER_CLASS,
                         .help = "What turns lines into records; there is only this one."},
    [OPT_SOCKET_BUFFER] = {.name = "socket-buffer-size",
                           .kind = CLI_INT32,
                           .label = "octets",
                           .fallback = "102400",
                           .help = "Send buffer of the sockets."},
    [OPT_PROPERTY] = {.name = "property",
                      .kind = CLI_TEXT,
                      .flags = CLI_MANY,
                      .label = "key=value",
                      .help = "The older name of --reader-property."},
    [OPT_READER_PROPERTY] = {.name = "reader-property",
                             .kind = CLI_TEXT,
                             .flags = CLI_MANY,
                             .label = "key=value",
                             .help = "How to read a line, see below."},
    [OPT_READER_CONFIG] = {.name = "reader-config",
                           .kind = CLI_TEXT,
                           .label = "file",
                           .help = "A file of reader properties; --reader-property wins over it."},
    [OPT_PRODUCER_PROPERTY] = {.name = "producer-property",
                               .kind = CLI_TEXT,
                               .flags = CLI_MANY,
                               .label = "key=value",
                               .help = "The older name of --command-property."},
    [OPT_COMMAND_PROPERTY] =
        {.name = "command-property",
         .kind = CLI_TEXT,
         .flags = CLI_MANY,
         .label = "key=value",
         .help = "A property of the producer, by Kafka's or by librdkafka's name."},
    [OPT_PRODUCER_CONFIG] = {.name = "producer.config",
                             .kind = CLI_TEXT,
                             .label = "file",
                             .help = "The older name of --command-config."},
    [OPT_COMMAND_CONFIG] = {.name = "command-config",
                            .kind = CLI_TEXT,
                            .label = "file",
                            .help =
                                "A file of producer properties; --command-property wins over it."},
};

static const char notes[] =
    "Reader properties (with their defaults):\n"
    "  parse.key=false             a line is KEY, key.separator, VALUE\n"
    "  key.separator=\\t\n"
    "  parse.headers=false         a line begins with headers and headers.delimiter\n"
    "  headers.delimiter=\\t        headers.separator=,    headers.key.separator=:\n"
    "  null.marker                 text that stands for null as key, value or header value\n"
    "  ignore.error=false          a line without a separator is all value instead of an error\n"
    "\n"
    "Keys are spread over partitions as Kafka's Java producer spreads them. Octets of a line that "
    "are no\n"
    "UTF-8 are sent as they are. A record that could not be delivered is named on standard error, "
    "and the\n"
    "exit status is then 1.\n";

static const struct cli_tool tool = {
    .name = "kafka-console-producer",
    .purpose = "sends each line of standard input as a record.",
    .notes = notes,
    .options = options,
    .option_count = OPT_COUNT,
};

struct producer {
    struct mem mem; /* of lines */
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    const char *topic_name, *bootstrap;
    struct line_reader reader;
    struct arena arena; /* of the line under way */
    struct console_header headers[LINE_HEADERS_MAX];
    int64_t max_block_ms;
    bool sync, prompt;
    bool topic_known;
    uint64_t failed_count;
};

/* `--producer property KEY=VALUE`, as an older manual spells it, means --producer-property. */
static char **join_spelled_apart(struct mem *mem, int *argc, char **argv) {
    static char joined[] = "--producer-property";
    char **words = mem_need(mem, ((size_t)*argc + 1) * sizeof *words);
    int count = 0;
    for (int i = 0; i < *argc; i++) {
        bool apart = strcmp(argv[i], "--producer") == 0 && i + 1 < *argc &&
                     strcmp(argv[i + 1], "property") == 0;
        words[count++] = apart ? joined : argv[i];
        if (apart) i++;
    }
    *argc = count;
    return words;
}

static const char *size_text(struct bytes octets, char text[32]) {
    if (octets.ptr == NULL) return "null";
    (void)snprintf(text, 32, "%zu bytes", octets.len);
    return text;
}

static void tell_failure(struct producer *p, struct bytes key, struct bytes value,
                         const char *why) {
    char key_text[32], value_text[32];
    p->failed_count++;
    fprintf(stderr,
            "ERROR Error when sending message to topic %s with key: %s, value: %s with error: %s\n",
            p->topic_name, size_text(key, key_text), size_text(value, value_text), why);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk;
    struct producer *p = opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    struct bytes key = {message->key, message->key_len};
    struct bytes value = {message->payload, message->len};
    tell_failure(p, key, value, rd_kafka_err2str(message->err));
}

/* Before the first record: who leads the topic? Creates it where the broker does so by itself. */
static void learn_topic(struct producer *p) {
    if (p->topic_known) return;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err =
        rd_kafka_metadata(p->rk, 0, p->topic, &metadata, (int)p->max_block_ms);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        cli_exit("%s: no broker answered within %" PRId64 " ms: %s", p->bootstrap, p->max_block_ms,
                 rd_kafka_err2str(err));
    rd_kafka_metadata_destroy(metadata);
    p->topic_known = true;
}

static rd_kafka_resp_err_t enqueue(struct producer *p, const struct console_record *record) {
    rd_kafka_headers_t *headers = NULL;
    if (record->header_count > 0) headers = rd_kafka_headers_new(record->header_count);
    for (uint32_t i = 0; i < record->header_count; i++) {
        const struct console_header *header = &record->headers[i];
        (void)rd_kafka_header_add(headers, header->key.ptr, (ssize_t)header->key.len,
                                  header->value.ptr, (ssize_t)header->value.len);
    }
    rd_kafka_resp_err_t err = rd_kafka_producev(
        p->rk, RD_KAFKA_V_RKT(p->topic), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((void *)record->key.ptr, record->key.len),
        RD_KAFKA_V_VALUE((void *)record->value.ptr, record->value.len), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_END);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL) rd_kafka_headers_destroy(headers);
    return err;
}

static void send_record(struct producer *p, const struct console_record *record) {
    learn_topic(p);
    int64_t waited_ms = 0;
    rd_kafka_resp_err_t err = enqueue(p, record);
    while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL && waited_ms < p->max_block_ms &&
           !interrupt_seen()) {
        (void)rd_kafka_poll(p->rk, REPORT_POLL_MS);
        waited_ms += REPORT_POLL_MS;
        err = enqueue(p, record);
    }
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        tell_failure(p, record->key, record->value, rd_kafka_err2str(err));
    else if (p->sync)
        (void)rd_kafka_flush(p->rk, -1); /* ends: message.timeout.ms bounds every record */
    (void)rd_kafka_poll(p->rk, 0);
}

/* ST_INVALID: reading stops here. */
static enum status take_line(struct producer *p, struct str line) {
    arena_reset(&p->arena);
    struct console_record record;
    struct str message;
    enum status st = line_reader_parse(&p->reader, line, &p->arena, p->headers, &record, &message);
    if (st != ST_OK) {
        fprintf(stderr, "%.*s\n", STR_ARG(message));
        return st;
    }
    send_record(p, &record);
    return p->sync && p->failed_count > 0 ? ST_INVALID : ST_OK;
}

static void show_prompt(const struct producer *p) {
    if (!p->prompt) return;
    (void)fputc('>', stdout);
    (void)fflush(stdout);
}

/* Waits for input and hears delivery reports meanwhile; 0 at the end of the input. */
static ssize_t read_input(struct producer *p, uint8_t *buf, size_t len) {
    while (!interrupt_seen()) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&input, 1, REPORT_POLL_MS);
        (void)rd_kafka_poll(p->rk, 0);
        if (ready <= 0) continue;
        ssize_t got = read(STDIN_FILENO, buf, len);
        if (got >= 0) return got;
        if (errno != EINTR && errno != EAGAIN)
            cli_exit("standard input cannot be read: %s", strerror(errno));
    }
    return 0;
}

static enum status take_octets(struct producer *p, struct line_splitter *splitter,
                               struct bytes in) {
    while (line_splitter_feed(splitter, &in)) {
        if (splitter->line.failed) cli_exit("A line of more than %zu octets", LINE_BYTES_MAX / 2);
        enum status st = take_line(p, strbuf_str(&splitter->line));
        line_splitter_next(splitter);
        if (st != ST_OK) return st;
        show_prompt(p);
    }
    return ST_OK;
}

static enum status take_input(struct producer *p) {
    static uint8_t buf[64 * 1024];
    struct line_splitter splitter;
    line_splitter_init(&splitter, &p->mem);
    show_prompt(p);
    enum status st = ST_OK;
    while (st == ST_OK && !interrupt_seen()) {
        ssize_t got = read_input(p, buf, sizeof buf);
        if (got == 0) break;
        st = take_octets(p, &splitter, (struct bytes){buf, (size_t)got});
    }
    if (st == ST_OK && splitter.line.len > 0 && !interrupt_seen())
        st = take_line(p, strbuf_str(&splitter.line));
    line_splitter_release(&splitter);
    return st;
}

/* An option is a property; a property given by name wins over the option's default, not over the
 * option. */
static void merge(struct settings *settings, const struct cli *cli, enum option option,
                  const char *key) {
    if (cli_has(cli, option) || settings_get(settings, key).ptr == NULL)
        settings_set(settings, str_of(key), str_of(cli_text(cli, option)));
}

/* Java turns idempotence on unless another property forbids it. */
static void default_idempotence(struct settings *settings) {
    if (settings_get(settings, "enable.idempotence").ptr != NULL) return;
    struct str acks = settings_get(settings, "acks");
    int64_t retries = 0, in_flight = 5;
    (void)str_to_int64(settings_get(settings, "retries"), &retries);
    struct str in_flight_text = settings_get(settings, "max.in.flight.requests.per.connection");
    if (in_flight_text.ptr != NULL) (void)str_to_int64(in_flight_text, &in_flight);
    bool all = str_eq(acks, STR("all")) || str_eq(acks, STR("-1"));
    settings_set(settings, STR("enable.idempotence"),
                 all && retries > 0 && in_flight <= 5 ? STR("true") : STR("false"));
    settings_set(settings, STR("max.in.flight.requests.per.connection"),
                 in_flight_text.ptr != NULL ? in_flight_text : STR("5"));
}

static void set_default(struct settings *settings, const char *key, const char *value) {
    if (settings_get(settings, key).ptr == NULL) settings_set(settings, str_of(key), str_of(value));
}

static void producer_settings(struct settings *settings, const struct cli *cli,
                              const char *bootstrap) {
    const char *file =
        cli_text(cli, cli_has(cli, OPT_COMMAND_CONFIG) ? OPT_COMMAND_CONFIG : OPT_PRODUCER_CONFIG);
    if (file != NULL) settings_load(settings, file);
    settings_add_arguments(settings, cli, OPT_PRODUCER_PROPERTY);
    settings_add_arguments(settings, cli, OPT_COMMAND_PROPERTY);
    settings_set(settings, STR("bootstrap.servers"), str_of(bootstrap));
    if (cli_has(cli, OPT_CODEC))
        settings_set(settings, STR("compression.type"), str_of(cli_text(cli, OPT_CODEC)));
    set_default(settings, "compression.type", "none");
    set_default(settings, "client.id", "console-producer");
    merge(settings, cli, OPT_TIMEOUT, "linger.ms");
    merge(settings, cli, OPT_ACKS, "acks");
    merge(settings, cli, OPT_REQUEST_TIMEOUT, "request.timeout.ms");
    merge(settings, cli, OPT_RETRIES, "retries");
    merge(settings, cli, OPT_RETRY_BACKOFF, "retry.backoff.ms");
    merge(settings, cli, OPT_SOCKET_BUFFER, "send.buffer.bytes");
    merge(settings, cli, OPT_MAX_MEMORY, "buffer.memory");
    merge(settings, cli, cli_has(cli, OPT_BATCH_SIZE) ? OPT_BATCH_SIZE : OPT_MAX_PARTITION_MEMORY,
          "batch.size");
    merge(settings, cli, OPT_METADATA_EXPIRY, "metadata.max.age.ms");
    merge(settings, cli, OPT_MAX_BLOCK, "max.block.ms");
    set_default(settings, "delivery.timeout.ms", "120000");
    set_default(settings, "max.request.size", "1048576");
    set_default(settings, "partitioner",
                "murmur2_random"); /* as in Java: a key's partition is the same */
    default_idempotence(settings);
}

static void forbid_both(const struct cli *cli, enum option older, enum option newer) {
    if (cli_has(cli, older) && cli_has(cli, newer))
        cli_usage_exit(cli, "Options --%s and --%s cannot be specified together.",
                       options[newer].name, options[older].name);
}

static const char *check_options(const struct cli *cli) {
    cli_require(cli, (const uint32_t[]){OPT_TOPIC}, 1);
    const char *bootstrap =
        cli_text(cli, cli_has(cli, OPT_BOOTSTRAP) ? OPT_BOOTSTRAP : OPT_BROKER_LIST);
    if (bootstrap == NULL) cli_require(cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    check_bootstrap_list(cli, bootstrap);
    forbid_both(cli, OPT_PRODUCER_PROPERTY, OPT_COMMAND_PROPERTY);
    forbid_both(cli, OPT_PRODUCER_CONFIG, OPT_COMMAND_CONFIG);
    forbid_both(cli, OPT_PROPERTY, OPT_READER_PROPERTY);
    if (strcmp(cli_text(cli, OPT_LINE_READER), LINE_READER_CLASS) != 0)
        cli_usage_exit(cli,
                       "--line-reader %s: not available here, there is only " LINE_READER_CLASS,
                       cli_text(cli, OPT_LINE_READER));
    return bootstrap;
}

static int64_t max_block_of(const struct settings *settings) {
    int64_t ms;
    if (!str_to_int64(settings_get(settings, "max.block.ms"), &ms) || ms < 0)
        cli_exit("max.block.ms=%s: not a number of milliseconds",
                 settings_get(settings, "max.block.ms").ptr);
    return MIN(ms, INT32_MAX);
}

int main(int argc, char **argv) {
    static struct producer p;
    static struct mem mem;
    char **words = join_spelled_apart(&mem, &argc, argv);
    struct cli cli;
    cli_start(&cli, &tool, &mem, argc, words);
    p.bootstrap = check_options(&cli);
    struct arena arena;
    arena_init(&arena, &mem, 16 * 1024, 0);
    struct settings reader_settings, settings;
    settings_init(&reader_settings, &arena);
    if (cli_has(&cli, OPT_READER_CONFIG))
        settings_load(&reader_settings, cli_text(&cli, OPT_READER_CONFIG));
    settings_add_arguments(&reader_settings, &cli, OPT_PROPERTY);
    settings_add_arguments(&reader_settings, &cli, OPT_READER_PROPERTY);
    line_reader_init(&p.reader, &reader_settings);
    settings_init(&settings, &arena);
    producer_settings(&settings, &cli, p.bootstrap);

    p.mem.limit_bytes = LINE_BYTES_MAX;
    arena_init(&p.arena, &p.mem, 16 * 1024, 0);
    p.topic_name = cli_text(&cli, OPT_TOPIC);
    p.sync = cli_has(&cli, OPT_SYNC);
    p.prompt = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    p.max_block_ms = max_block_of(&settings);
    rd_kafka_conf_t *conf = rdkafka_conf_of(&settings);
    rd_kafka_conf_set_opaque(conf, &p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    p.rk = rdkafka_start(RD_KAFKA_PRODUCER, conf);
    p.topic = rd_kafka_topic_new(p.rk, p.topic_name, NULL);
    if (p.topic == NULL)
        cli_exit("Topic %s: %s", p.topic_name, rd_kafka_err2str(rd_kafka_last_error()));
    interrupt_catch();

    enum status st = take_input(&p);
    (void)rd_kafka_flush(
        p.rk, -1); /* what was read is delivered or named; message.timeout.ms bounds it */
    rd_kafka_topic_destroy(p.topic);
    rd_kafka_destroy(p.rk);
    arena_release(&p.arena);
    arena_release(&arena);
    cli_release(&cli);
    mem_free(&mem, words, ((size_t)argc + 1) * sizeof *words);
    if (interrupt_seen()) return INTERRUPT_STATUS;
    return st != ST_OK || p.failed_count > 0 ? 1 : 0;
}
