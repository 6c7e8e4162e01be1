/* tests/e2e/acked_load.c - writes numbered records and prints each one that the broker
 * acknowledged.
 *
 *     acked-load BOOTSTRAP TOPIC PARTITIONS ACKS [KEYS]
 *
 * Goes on through restarts of the broker until SIGTERM, then waits for what is under way. Standard
 * output: "NUMBER PARTITION OFFSET" per acknowledged record. The value of record N is N in decimal,
 * a space and N mod 997 times 'x', so that whoever reads it back can tell whether it is whole. Its
 * partition is N mod PARTITIONS, its key N mod KEYS, where KEYS are given. */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAD_MODULUS = 997, UNDER_WAY_MAX = 2000, FLUSH_MS = 30000 };
enum { BURST = 100, BURST_PAUSE_US = 5000 }; /* at most 20,000 records a second: enough to verify */

static volatile sig_atomic_t stopping;
static void on_signal(int number) { stopping = 1; }

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *unused) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "not acknowledged: %s\n", rd_kafka_err2str(message->err));
        return;
    }
    const char *value = message->payload;
    const char *space = memchr(value, ' ', message->len);
    printf("%.*s %d %lld\n", (int)(space - value), value, (int)message->partition,
           (long long)message->offset);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
    char reason[256];
    if (rd_kafka_conf_set(conf, key, value, reason, sizeof reason) == RD_KAFKA_CONF_OK) return;
    fprintf(stderr, "%s=%s: %s\n", key, value, reason);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: acked-load BOOTSTRAP TOPIC PARTITIONS ACKS [KEYS]\n");
        return 2;
    }
    const char *topic = argv[2];
    int partitions = atoi(argv[3]), keys = argc > 5 ? atoi(argv[5]) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0); /* an acknowledgement that was told survives this process */
    signal(SIGTERM, on_signal);

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "acks", argv[4]);
    set(conf, "linger.ms", "2");
    set(conf, "reconnect.backoff.ms", "20");
    set(conf, "reconnect.backoff.max.ms", "100");
    set(conf, "retry.backoff.ms", "20");
    set(conf, "message.timeout.ms", "60000");
    set(conf, "log_level", "0"); /* lost connections are what this is for */
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (client == NULL) {
        fprintf(stderr, "%s\n", reason);
        return 2;
    }

    char value[PAD_MODULUS + 32], key[32];
    for (uint64_t number = 0; !stopping; number++) {
        int len = snprintf(value, 32, "%llu ", (unsigned long long)number);
        size_t pad = number % PAD_MODULUS;
        memset(value + len, 'x', pad);
        int key_len =
            keys > 0 ? snprintf(key, sizeof key, "%llu", (unsigned long long)number % keys) : 0;
        rd_kafka_resp_err_t error =
            rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic),
                              RD_KAFKA_V_PARTITION((int)(number % (uint64_t)partitions)),
                              RD_KAFKA_V_KEY((keys > 0 ? key : NULL), (size_t)key_len),
                              RD_KAFKA_V_VALUE(value, (size_t)len + pad),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fprintf(stderr, "%s\n", rd_kafka_err2str(error));
            return 1;
        }
        if (number % BURST == 0) usleep(BURST_PAUSE_US);
        do {
            rd_kafka_poll(client, rd_kafka_outq_len(client) < UNDER_WAY_MAX ? 0 : 10);
        } while (rd_kafka_outq_len(client) >= UNDER_WAY_MAX && !stopping);
    }
    rd_kafka_flush(client, FLUSH_MS);
    int left = rd_kafka_outq_len(client);
    rd_kafka_destroy(client);
    if (left > 0) fprintf(stderr, "%d records were never answered\n", left);
    return left > 0;
}
