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
