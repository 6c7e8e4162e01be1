/* tools/rdkafka_settings.c - see rdkafka_settings.h. */
#include "tools/rdkafka_settings.h"
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include "base/assert.h"

enum java_meaning {
    JAVA_SAME,    /* the value goes to `name` as it is */
    JAVA_KIB,     /* octets there, KiB here */
    JAVA_RESET,   /* by reset_policy.h */
    JAVA_NOTHING, /* has no counterpart and needs none, or the tool itself acts on it */
};

/* Names that librdkafka does not know, or gives another meaning. All others go to it unchanged. */
static const struct {
    const char *java;
    enum java_meaning meaning;
    const char *name;
} translations[] = {
    {"compression.type", JAVA_SAME, "compression.codec"},
    {"buffer.memory", JAVA_KIB, "queue.buffering.max.kbytes"},
    {"send.buffer.bytes", JAVA_SAME, "socket.send.buffer.bytes"},
    {"receive.buffer.bytes", JAVA_SAME, "socket.receive.buffer.bytes"},
    {"max.request.size", JAVA_SAME, "message.max.bytes"},
    {"max.partition.fetch.bytes", JAVA_SAME, "max.partition.fetch.bytes"},
    {"fetch.max.wait.ms", JAVA_SAME, "fetch.wait.max.ms"},
    {"connections.max.idle.ms", JAVA_SAME, "connections.max.idle.ms"},
    {"socket.connection.setup.timeout.ms", JAVA_SAME, "socket.connection.setup.timeout.ms"},
    {"allow.auto.create.topics", JAVA_SAME, "allow.auto.create.topics"},
    {"auto.offset.reset", JAVA_RESET, NULL},
    {"max.block.ms", JAVA_NOTHING, NULL},
    {"default.api.timeout.ms", JAVA_NOTHING, NULL},
    {"max.poll.records", JAVA_NOTHING, NULL},
    {"key.serializer", JAVA_NOTHING, NULL},
    {"value.serializer", JAVA_NOTHING, NULL},
    {"key.deserializer", JAVA_NOTHING, NULL},
    {"value.deserializer", JAVA_NOTHING, NULL},
    {"group.protocol", JAVA_NOTHING, NULL},
    {"group.remote.assignor", JAVA_NOTHING, NULL},
};

void rdkafka_must_set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        cli_exit("%s=%s: %s", name, value, why);
}

static void on_log(const rd_kafka_t *rk, int level, const char *area, const char *text) {
    (void)rk;
    (void)area;
    fprintf(stderr, "%s %s\n", level <= 3 ? "ERROR" : "WARN", text);
}

/* Kafka's sentence for a value out of a list. */
static void check_one_of(const struct settings *settings, const char *key,
                         const char *const *values) {
    struct str value = settings_get(settings, key);
    if (value.ptr == NULL) return;
    char all[128] = "";
    for (size_t i = 0; values[i] != NULL; i++) {
        if (str_eq(value, str_of(values[i]))) return;
        size_t len = strlen(all);
        (void)snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? ", " : "", values[i]);
    }
    cli_exit("Invalid value %s for configuration %s: String must be one of: %s", value.ptr, key,
             all);
}

/* Kafka's sentences, too; here a word in any case. */
bool group_protocol_is_consumer(const struct settings *settings) {
    static const char *const fixed[] = {"session.timeout.ms", "heartbeat.interval.ms",
                                        "partition.assignment.strategy"};
    struct str value = settings_get(settings, "group.protocol");
    if (value.ptr == NULL || strcasecmp(value.ptr, "classic") == 0) return false;
    if (strcasecmp(value.ptr, "consumer") != 0)
        cli_exit("Invalid value %s for configuration group.protocol: String must be one of (case "
                 "insensitive): CLASSIC, CONSUMER",
                 value.ptr);
    for (size_t i = 0; i < COUNT(fixed); i++)
        if (settings_get(settings, fixed[i]).ptr != NULL)
            cli_exit("%s cannot be set when group.protocol=CONSUMER", fixed[i]);
    return true;
}

static struct reset_policy reset_policy(struct str value) {
    struct reset_policy policy;
    if (!reset_policy_of(value, &policy))
        cli_exit("Invalid value %s for configuration auto.offset.reset: Invalid value `%s` for "
                 "configuration auto.offset.reset. " RESET_POLICY_VALUES,
                 value.ptr, value.ptr);
    return policy;
}

struct reset_policy rdkafka_reset_policy(const struct settings *settings) {
    return reset_policy(settings_get_or(settings, "auto.offset.reset", "latest"));
}

static const char *reset_name(struct str value) {
    switch (reset_policy(value).kind) {
    case RESET_EARLIEST: return "earliest";
    case RESET_LATEST: return "latest";
    case RESET_NONE:
    case RESET_BY_DURATION: break;
    }
    return "error"; /* it is told, and acted on, where positions are looked for */
}

static bool begins(struct str key, const char *prefix) {
    size_t len = strlen(prefix);
    return key.len >= len && memcmp(key.ptr, prefix, len) == 0;
}

static void set_kib(rd_kafka_conf_t *conf, const struct setting *setting, const char *name) {
    int64_t octets;
    if (!str_to_int64(setting->value, &octets) || octets < 0)
        cli_exit("%s=%s: not a number of octets", setting->key.ptr, setting->value.ptr);
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, MAX(octets / 1024, 1));
    rdkafka_must_set(conf, name, text);
}

static void set_by_name(rd_kafka_conf_t *conf, const struct setting *setting, const char *name) {
    char why[256];
    switch (rd_kafka_conf_set(conf, name, setting->value.ptr, why, sizeof why)) {
    case RD_KAFKA_CONF_OK: return;
    case RD_KAFKA_CONF_INVALID:
        cli_exit("Invalid value %s for configuration %s: %s", setting->value.ptr, setting->key.ptr,
                 why);
    case RD_KAFKA_CONF_UNKNOWN: break;
    }
    if (begins(setting->key, "ssl.") || begins(setting->key, "sasl.") ||
        begins(setting->key, "security."))
        cli_exit(
            "%s: this client has no such property, and going on without it would weaken security. "
            "It stands on librdkafka: use its names, such as ssl.ca.location or sasl.username",
            setting->key.ptr);
    fprintf(stderr, "WARN %s is not a known property and changes nothing\n", setting->key.ptr);
}

static void set_one(rd_kafka_conf_t *conf, const struct setting *setting) {
    for (size_t i = 0; i < COUNT(translations); i++) {
        if (!str_eq(setting->key, str_of(translations[i].java))) continue;
        switch (translations[i].meaning) {
        case JAVA_SAME: set_by_name(conf, setting, translations[i].name); return;
        case JAVA_KIB: set_kib(conf, setting, translations[i].name); return;
        case JAVA_RESET:
            rdkafka_must_set(conf, "auto.offset.reset", reset_name(setting->value));
            return;
        case JAVA_NOTHING: return;
        }
    }
    set_by_name(conf, setting, setting->key.ptr);
}

rd_kafka_conf_t *rdkafka_conf_of(const struct settings *settings) {
    check_one_of(settings, "acks", (const char *const[]){"all", "-1", "0", "1", NULL});
    check_one_of(settings, "compression.type",
                 (const char *const[]){"none", "gzip", "snappy", "lz4", "zstd", NULL});
    check_one_of(settings, "isolation.level",
                 (const char *const[]){"read_committed", "read_uncommitted", NULL});
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rdkafka_must_set(conf, "log_level", "4"); /* warnings and what is worse */
    rd_kafka_conf_set_log_cb(conf, on_log);
    for (const struct setting *s = settings->first; s != NULL; s = s->next) set_one(conf, s);
    return conf;
}

rd_kafka_t *rdkafka_start(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk == NULL) cli_exit("Cannot start the client: %s", why);
    return rk;
}

void check_bootstrap_list(const struct cli *cli, const char *list) {
    const char *rest = list;
    bool any = false;
    while (*rest != '\0') {
        size_t len = strcspn(rest, ",");
        struct str part = str_trim((struct str){rest, len});
        const char *colon = part.len > 0 ? memrchr(part.ptr, ':', part.len) : NULL;
        int64_t port = 0;
        bool valid =
            colon != NULL && colon > part.ptr &&
            str_to_int64((struct str){colon + 1, (size_t)(part.ptr + part.len - colon - 1)},
                         &port) &&
            port > 0 && port <= 65535;
        if (!valid)
            cli_usage_exit(cli, "Please provide valid host:port like host1:9091,host2:9092\n");
        any = true;
        rest += len;
        if (*rest == ',') rest++;
    }
    if (!any) cli_usage_exit(cli, "Error while validating the bootstrap address\n");
}
