/* tests/compat/exchange.c - librdkafka in the exchange of records that exchange.test runs; what the
 * commands do and how records are written down is in README.md beside this file.
 *
 *     exchange-librdkafka write BOOTSTRAP SENT DIR CODEC:TOPIC...
 *     exchange-librdkafka read BOOTSTRAP DIR TOPIC...
 *     exchange-librdkafka seek BOOTSTRAP TOPIC PARTITION OFFSET TIMESTAMP */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 2, WAIT_MS = 20000, REASON_BYTES = 512 };

struct octets {
    unsigned char *ptr; /* NULL: null, not empty */
    size_t len;
};

/* One record that was sent: its line, and what the broker answered. */
struct sent {
    char *rest; /* of the line, from its key on */
    int32_t partition;
    int64_t offset, timestamp;
};

__attribute__((noreturn)) static void die(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *unused) {
    struct sent *record = message->_private;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("not acknowledged", rd_kafka_err2str(message->err));
    record->partition = message->partition;
    record->offset = message->offset;
    record->timestamp = rd_kafka_message_timestamp(message, NULL);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const settings[][2]) {
    char reason[REASON_BYTES];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    for (size_t i = 0; settings[i][0] != NULL; i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason) !=
            RD_KAFKA_CONF_OK)
            die(settings[i][0], reason);
    }
    rd_kafka_t *made = rd_kafka_new(type, conf, reason, sizeof reason);
    if (made == NULL) die("no client", reason);
    return made;
}

static unsigned char digit(char c) { return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10); }

static struct octets from_hex(const char *text, size_t len) {
    if (len == 1 && *text == '~') return (struct octets){0};
    struct octets out = {malloc(len / 2 + 1), len / 2};
    for (size_t i = 0; i < out.len; i++)
        out.ptr[i] = (unsigned char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return out;
}

static void print_hex(FILE *out, const void *octets, size_t len) {
    static const char digits[] = "0123456789abcdef";
    if (octets == NULL) {
        fputc('~', out);
        return;
    }
    const unsigned char *at = octets;
    for (size_t i = 0; i < len; i++) {
        fputc(digits[at[i] >> 4], out);
        fputc(digits[at[i] & 15], out);
    }
}

static FILE *open_in(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "w");
    if (out == NULL) die(path, "cannot be written");
    return out;
}

static rd_kafka_headers_t *parse_headers(const char *text) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    while (*text != '\0') {
        size_t len = strcspn(text, ","), name_len = strcspn(text, "=");
        struct octets name = from_hex(text, name_len);
        struct octets value = from_hex(text + name_len + 1, len - name_len - 1);
        rd_kafka_header_add(headers, (const char *)name.ptr, (ssize_t)name.len, value.ptr,
                            (ssize_t)value.len);
        free(name.ptr);
        free(value.ptr);
        text += len + (text[len] == ',');
    }
    return headers;
}

static void send_line(rd_kafka_t *producer, const char *topic, char *line, struct sent *record) {
    char *fields[6] = {line};
    for (int i = 1; i < 6; i++) {
        fields[i] = strchr(fields[i - 1], '\t');
        if (fields[i] == NULL) die("not a record", line);
        *fields[i]++ = '\0';
    }
    fields[5][strcspn(fields[5], "\n")] = '\0';
    size_t rest_bytes = strlen(fields[3]) + strlen(fields[4]) + strlen(fields[5]) + 3;
    record->rest = malloc(rest_bytes);
    snprintf(record->rest, rest_bytes, "%s\t%s\t%s", fields[3], fields[4], fields[5]);
    struct octets key = from_hex(fields[3], strlen(fields[3]));
    struct octets value = from_hex(fields[4], strlen(fields[4]));
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(atoi(fields[0])),
            RD_KAFKA_V_TIMESTAMP(atoll(fields[2])), RD_KAFKA_V_KEY(key.ptr, key.len),
            RD_KAFKA_V_VALUE(value.ptr, value.len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_HEADERS(parse_headers(fields[5])), RD_KAFKA_V_OPAQUE(record),
            RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("send", rd_kafka_err2str(error));
        rd_kafka_poll(producer, 100);
    }
    free(key.ptr);
    free(value.ptr);
}

static int by_place(const void *a, const void *b) {
    const struct sent *x = a, *y = b;
    if (x->partition != y->partition) return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The defaults as they are for one codec; for the others an idempotent producer of small batches,
 * with several under way. */
static rd_kafka_t *producer_new(const char *bootstrap, const char *codec) {
    const char *const defaults[][2] = {{"bootstrap.servers", bootstrap}, {NULL, NULL}};
    const char *const others[][2] = {{"bootstrap.servers", bootstrap},
                                     {"compression.type", codec},
                                     {"enable.idempotence", "true"},
                                     {"batch.num.messages", "20"},
                                     {NULL, NULL}};
    return client(RD_KAFKA_PRODUCER, strcmp(codec, "none") == 0 ? defaults : others);
}

static void write_topic(const char *bootstrap, const char *path, const char *dir, const char *codec,
                        const char *topic) {
    FILE *in = fopen(path, "r");
    if (in == NULL) die(path, "cannot be read");
    rd_kafka_t *producer = producer_new(bootstrap, codec);
    struct sent *records = calloc(10000, sizeof *records); /* more than records.py makes */
    size_t count = 0, line_bytes = 0;
    char *line = NULL;
    while (getline(&line, &line_bytes, in) > 0) send_line(producer, topic, line, &records[count++]);
    free(line);
    fclose(in);
    rd_kafka_flush(producer, WAIT_MS);
    if (rd_kafka_outq_len(producer) > 0) die(topic, "not everything was answered");
    rd_kafka_destroy(producer);
    qsort(records, count, sizeof *records, by_place);
    FILE *out = open_in(dir, topic);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%d\t%lld\t%lld\t%s\n", records[i].partition, (long long)records[i].offset,
                (long long)records[i].timestamp, records[i].rest);
        free(records[i].rest);
    }
    free(records);
    fclose(out);
}

static void print_record(FILE *out, const rd_kafka_message_t *message) {
    fprintf(out, "%d\t%lld\t%lld\t", message->partition, (long long)message->offset,
            (long long)rd_kafka_message_timestamp(message, NULL));
    print_hex(out, message->key, message->key_len);
    fputc('\t', out);
    print_hex(out, message->payload, message->len);
    fputc('\t', out);
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *name = NULL;
        const void *value = NULL;
        size_t len = 0;
        for (size_t i = 0;
             rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR;
             i++) {
            if (i > 0) fputc(',', out);
            print_hex(out, name, strlen(name));
            fputc('=', out);
            print_hex(out, value, len);
        }
    }
    fputc('\n', out);
}

static rd_kafka_t *consumer_new(const char *bootstrap) {
    const char *const settings[][2] = {{"bootstrap.servers", bootstrap},
                                       {"group.id", "unused"},
                                       {"enable.auto.commit", "false"},
                                       {"enable.partition.eof", "true"},
                                       {"check.crcs", "true"},
                                       {"fetch.wait.max.ms", "20"},
                                       {NULL, NULL}};
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, settings);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

/* The next record or end of a partition; anything else ends the program. */
static rd_kafka_message_t *next_message(rd_kafka_t *consumer) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
    if (message == NULL) die("read", "nothing came in time");
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
        message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        die("read", rd_kafka_message_errstr(message));
    return message;
}

static void assign(rd_kafka_t *consumer, const char *topic, int32_t partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die("assign", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(list);
}

static void read_topic(const char *bootstrap, const char *dir, const char *topic) {
    FILE *out = open_in(dir, topic);
    rd_kafka_t *consumer = consumer_new(bootstrap);
    for (int partition = 0; partition < PARTITIONS; partition++) {
        assign(consumer, topic, partition, 0);
        for (bool at_end = false; !at_end;) {
            rd_kafka_message_t *message = next_message(consumer);
            at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (!at_end) print_record(out, message);
            rd_kafka_message_destroy(message);
        }
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    fclose(out);
}

static void seek(const char *bootstrap, const char *topic, int32_t partition, int64_t offset,
                 int64_t timestamp) {
    rd_kafka_t *consumer = consumer_new(bootstrap);
    int64_t begin = 0, end = 0;
    rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(consumer, topic, partition, &begin, &end, WAIT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die("watermarks", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_t *times = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(times, topic, partition)->offset = timestamp;
    error = rd_kafka_offsets_for_times(consumer, times, WAIT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die("times", rd_kafka_err2str(error));
    printf("begin %lld end %lld time %lld\n", (long long)begin, (long long)end,
           (long long)times->elems[0].offset);
    rd_kafka_topic_partition_list_destroy(times);
    const int64_t places[] = {offset, offset - 7};
    for (int i = 0; i < 2; i++) {
        assign(consumer, topic, partition, places[i]);
        rd_kafka_message_t *message = next_message(consumer);
        print_record(stdout, message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "write") == 0 && argc > 5) {
        for (int i = 5; i < argc; i++) {
            char *colon = strchr(argv[i], ':');
            if (colon == NULL) die(argv[i], "is not CODEC:TOPIC");
            *colon = '\0';
            write_topic(argv[2], argv[3], argv[4], argv[i], colon + 1);
        }
    } else if (strcmp(command, "read") == 0 && argc > 4) {
        for (int i = 4; i < argc; i++) read_topic(argv[2], argv[3], argv[i]);
    } else if (strcmp(command, "seek") == 0 && argc == 7) {
        seek(argv[2], argv[3], atoi(argv[4]), atoll(argv[5]), atoll(argv[6]));
    } else {
        die("usage", "see tests/compat/README.md");
    }
    return 0;
}
