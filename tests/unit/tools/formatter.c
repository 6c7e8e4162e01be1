/* tests/unit/tools/formatter.c - records as the console consumer writes them. */
#include "tools/formatter.h"
#include <criterion/criterion.h>

static const struct console_header two_headers[] = {
    {{"a", 1}, {(const uint8_t *)"1", 1}},
    {{"b", 1}, {NULL, 0}},
};
static const struct console_record full = {
    .topic = {"t", 1},
    .partition = 3,
    .offset = 7,
    .timestamp_type = "CreateTime",
    .timestamp_ms = 1700000000000,
    .key = {(const uint8_t *)"k", 1},
    .value = {(const uint8_t *)"v", 1},
    .headers = two_headers,
    .header_count = 2,
};
static const struct console_record bare = {.topic = {"t", 1}, .value = {NULL, 0}};
static const struct console_record numbers = {
    .topic = {"t", 1},
    .timestamp_type = "LogAppendTime",
    .timestamp_ms = 5,
    .key = {(const uint8_t *)"\xff\xff\xff\xfe", 4},
    .value = {(const uint8_t *)"\0\0\0\0\0\0\1\0", 8},
};

#define SETTINGS_MAX 8
#define SERIALIZATION "org.apache.kafka.common.serialization."
static const struct {
    const char *name;
    const struct console_record *record;
    const char *settings[SETTINGS_MAX];
    const char *want;
    enum status status;
} rows[] = {
    {"the value alone", &full, {NULL}, "v\n", ST_OK},
    {"a null value", &bare, {NULL}, "null\n", ST_OK},
    {"another word for null", &bare, {"null.literal=NIL"}, "NIL\n", ST_OK},
    {"the key", &full, {"print.key=true"}, "k\tv\n", ST_OK},
    {"the key alone", &full, {"print.key=true", "print.value=false"}, "k\n", ST_OK},
    {"no part at all", &full, {"print.value=false"}, "", ST_OK},
    {"everything",
     &full,
     {"print.timestamp=true", "print.partition=true", "print.offset=true", "print.delivery=true",
      "print.epoch=true", "print.headers=true", "print.key=true"},
     "CreateTime:1700000000000\tPartition:3\tOffset:7\tDelivery:NOT_PRESENT\tEpoch:NOT_PRESENT\ta:"
     "1,b:null\tk\tv\n",
     ST_OK},
    {"everything of a bare record",
     &bare,
     {"print.timestamp=true", "print.partition=true", "print.offset=true", "print.headers=true",
      "print.key=true"},
     "NO_TIMESTAMP\tPartition:0\tOffset:0\tNO_HEADERS\tnull\tnull\n",
     ST_OK},
    {"separators",
     &full,
     {"print.key=true", "print.headers=true", "key.separator=|", "line.separator=;",
      "headers.separator=+"},
     "a:1+b:null|k|v;",
     ST_OK},
    {"the last part ends the line",
     &full,
     {"print.timestamp=true", "print.value=false", "line.separator=;"},
     "CreateTime:1700000000000;",
     ST_OK},
    {"numbers",
     &numbers,
     {"print.key=true", "key.deserializer=" SERIALIZATION "IntegerDeserializer",
      "value.deserializer=" SERIALIZATION "LongDeserializer"},
     "-2\t256\n",
     ST_OK},
    {"a number of another size",
     &numbers,
     {"print.key=true", "value.deserializer=" SERIALIZATION "ShortDeserializer"},
     "\xff\xff\xff\xfe\t",
     ST_CORRUPT},
};

Test(formatter, writes_what_kafka_s_formatter_writes) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct arena arena;
        struct settings settings;
        struct formatter formatter;
        char got[256] = "";
        const char *reason = NULL;
        arena_init(&arena, &mem, 4096, 0);
        settings_init(&settings, &arena);
        for (int k = 0; k < SETTINGS_MAX && rows[i].settings[k] != NULL; k++) {
            struct str key, value;
            cr_assert(cli_split_pair(rows[i].settings[k], &key, &value));
            settings_set(&settings, key, value);
        }
        formatter_init(&formatter, &settings);
        FILE *out = fmemopen(got, sizeof got, "w");
        enum status st = formatter_write(&formatter, rows[i].record, out, &reason);
        fclose(out);
        cr_expect_eq(st, rows[i].status, "%s: got %s", rows[i].name, status_name(st));
        cr_expect_str_eq(got, rows[i].want, "%s: got %s", rows[i].name, got);
        cr_expect((reason != NULL) == (st != ST_OK), "%s: a reason with a failure only",
                  rows[i].name);
        formatter_release(&formatter);
        arena_release(&arena);
    }
}

Test(formatter, knows_the_deserializers_by_their_java_names) {
    enum decoding decoding = DECODE_UUID;
    cr_expect(decoding_of_class(STR(SERIALIZATION "StringDeserializer"), &decoding));
    cr_expect_eq(decoding, DECODE_RAW);
    cr_expect(!decoding_of_class(STR("StringDeserializer"), &decoding));
    cr_expect(!decoding_of_class(STR(SERIALIZATION "Deserializer"), &decoding));
    cr_expect(!decoding_of_class(STR(SERIALIZATION "FloatDeserializer"), &decoding));
    cr_expect(
        !decoding_of_class(STR("org.apache.kafka.common.serialization.erializer"), &decoding));
}

#define OCTETS(text)                                                                               \
    { (const uint8_t *)(text), sizeof(text) - 1 }
#define GROUP_G "\x00\x01g"
static const struct {
    const char *name, *class_name;
    struct bytes key, value;
    const char *want;
    enum status status;
} json_rows[] = {
    {"an offset", "OffsetsMessageFormatter", OCTETS("\0\1" GROUP_G "\x00\x01t\0\0\0\7"),
     OCTETS("\0\3"
            "\0\0\0\0\0\0\0\x2a"
            "\xff\xff\xff\xff"
            "\0\1m"
            "\0\0\0\0\0\0\0\5"),
     "{\"key\":{\"type\":1,\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":7}},\"value\":"
     "{\"version\":3,\"data\":{\"offset\":42,\"leaderEpoch\":-1,\"metadata\":\"m\","
     "\"commitTimestamp\":5}}}",
     ST_OK},
    {"an offset that was deleted",
     "OffsetsMessageFormatter",
     OCTETS("\0\1" GROUP_G "\x00\x01t\0\0\0\7"),
     {NULL, 0},
     "{\"key\":{\"type\":1,\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":7}},"
     "\"value\":null}",
     ST_OK},
    {"a record of another type",
     "OffsetsMessageFormatter",
     OCTETS("\0\2" GROUP_G),
     {NULL, 0},
     "",
     ST_OK},
    {"a group",
     "GroupMetadataMessageFormatter",
     OCTETS("\0\2" GROUP_G),
     {NULL, 0},
     "{\"key\":{\"type\":2,\"data\":{\"group\":\"g\"}},\"value\":null}",
     ST_OK},
    {"a transaction",
     "TransactionLogMessageFormatter",
     OCTETS("\0\0\0\1x"),
     {NULL, 0},
     "{\"key\":{\"type\":0,\"data\":{\"transactionalId\":\"x\"}},\"value\":null}",
     ST_OK},
    {"a type from the future", "OffsetsMessageFormatter", OCTETS("\3\0a"), OCTETS("b"), "", ST_OK},
    {"no key", "OffsetsMessageFormatter", {NULL, 0}, OCTETS("b"), "", ST_OK},
    {"a key without a type", "OffsetsMessageFormatter", OCTETS("k"), OCTETS("b"), "", ST_CORRUPT},
    {"a key that is cut",
     "OffsetsMessageFormatter",
     OCTETS("\0\1\0\5g"),
     {NULL, 0},
     "",
     ST_CORRUPT},
    {"a value without a version", "GroupMetadataMessageFormatter", OCTETS("\0\2" GROUP_G),
     OCTETS("\0"), "", ST_CORRUPT},
    {"a value of a version from the future", "GroupMetadataMessageFormatter",
     OCTETS("\0\2" GROUP_G), OCTETS("\0\x63...."), "", ST_CORRUPT},
};

Test(formatter, writes_the_records_of_internal_topics_as_json) {
    for (size_t i = 0; i < COUNT(json_rows); i++) {
        struct mem mem = {0};
        struct arena arena;
        struct settings settings;
        struct formatter formatter;
        char got[512] = "", class_name[100];
        const char *reason = NULL;
        arena_init(&arena, &mem, 4096, 0);
        settings_init(&settings, &arena);
        formatter_init(&formatter, &settings);
        snprintf(class_name, sizeof class_name, "org.apache.kafka.tools.consumer.%s",
                 json_rows[i].class_name);
        cr_assert(formatter_choose(&formatter, str_of(class_name)), "%s", class_name);
        FILE *out = fmemopen(got, sizeof got, "w");
        struct console_record record = {.key = json_rows[i].key, .value = json_rows[i].value};
        enum status st = formatter_write(&formatter, &record, out, &reason);
        fclose(out);
        cr_expect_eq(st, json_rows[i].status, "%s: got %s", json_rows[i].name, status_name(st));
        cr_expect_str_eq(got, json_rows[i].want, "%s: got %s", json_rows[i].name, got);
        cr_expect((reason != NULL) == (st != ST_OK), "%s: a reason with a failure only",
                  json_rows[i].name);
        formatter_release(&formatter);
        arena_release(&arena);
    }
}

Test(formatter, is_chosen_by_kafka_s_class_name) {
    struct formatter formatter = {0};
    cr_expect(
        formatter_choose(&formatter, STR("org.apache.kafka.tools.consumer.NoOpMessageFormatter")));
    cr_expect(formatter.print_nothing);
    cr_expect(!formatter_choose(&formatter, STR("NoOpMessageFormatter")));
    cr_expect(!formatter_choose(&formatter, STR("org.apache.kafka.tools.consumer.")));
}
