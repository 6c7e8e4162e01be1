/* tests/unit/tools/dump_decode.c - keys and values of records in words; hostile ones are
 * told of, never a crash. */
#include "tools/dump_decode.h"
#include <criterion/criterion.h>

#define NULL_BYTES                                                                                 \
    { NULL, 0 }
#define OCTETS(literal)                                                                            \
    { (const uint8_t *)(literal), sizeof(literal) - 1 }

static const struct {
    const char *name;
    enum dump_content content;
    enum dump_class value_class;
    struct bytes key, value;
    enum status want;
    const char *key_text, *payload; /* NULL: not shown */
} rows[] = {
    {"text", DUMP_TEXT, DUMP_STRING, OCTETS("k"), OCTETS("v"), ST_OK, "k", "v"},
    {"nulls", DUMP_TEXT, DUMP_STRING, NULL_BYTES, NULL_BYTES, ST_OK, NULL, NULL},
    {"empty text", DUMP_TEXT, DUMP_STRING, OCTETS(""), OCTETS(""), ST_OK, "", ""},
    {"an int", DUMP_TEXT, DUMP_INT32, OCTETS("k"), OCTETS("\xff\xff\xff\xfe"), ST_OK, "k", "-2"},
    {"a cut int", DUMP_TEXT, DUMP_INT32, OCTETS("k"), OCTETS("\xff"), ST_SHORT, "k", ""},
    {"a long", DUMP_TEXT, DUMP_INT64, OCTETS("k"), OCTETS("\0\0\0\1\0\0\0\0"), ST_OK, "k",
     "4294967296"},
    {"a metadata record", DUMP_METADATA, DUMP_STRING, NULL_BYTES,
     OCTETS("\x01\x0c\x00\x11"
            "metadata.version"
            "\x00\x1e\x00"),
     ST_OK, NULL,
     "{\"type\":\"FEATURE_LEVEL_RECORD\",\"version\":0,"
     "\"data\":{\"name\":\"metadata.version\",\"featureLevel\":30}}"},
    {"a metadata record of another frame", DUMP_METADATA, DUMP_STRING, NULL_BYTES, OCTETS("v0"),
     ST_OK, NULL,
     "Error at 7, skipping. Could not deserialize metadata record due to unknown frame version "
     "118(only frame "
     "version 1 is supported)"},
    {"an empty metadata record", DUMP_METADATA, DUMP_STRING, NULL_BYTES, OCTETS(""), ST_OK, NULL,
     "Error at 7, skipping. The record is cut"},
    {"a metadata record of no type", DUMP_METADATA, DUMP_STRING, NULL_BYTES,
     OCTETS("\x01\xff\x7f\x00"), ST_OK, NULL, "Error at 7, skipping. Unknown metadata record type"},
    {"a type beyond 16 bits", DUMP_METADATA, DUMP_STRING, NULL_BYTES,
     OCTETS("\x01\x8c\x80\x04\x00"), ST_OK, NULL,
     "Error at 7, skipping. Unknown metadata record type"},
    {"a cut metadata record", DUMP_METADATA, DUMP_STRING, NULL_BYTES,
     OCTETS("\x01\x0c\x00\x11"
            "meta"),
     ST_OK, NULL, "Error at 7, skipping. The record is damaged"},
    {"an offset", DUMP_GROUPS, DUMP_STRING, OCTETS("\0\1\0\1g\0\1t\0\0\0\5"),
     OCTETS("\0\3\0\0\0\0\0\0\0\x2a\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\1"), ST_OK,
     "{\"type\":\"1\",\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":5}}",
     "{\"version\":\"3\",\"data\":{\"offset\":42,\"leaderEpoch\":-1,\"metadata\":\"\","
     "\"commitTimestamp\":1}}"},
    {"a deleted offset", DUMP_GROUPS, DUMP_STRING, OCTETS("\0\1\0\1g\0\1t\0\0\0\5"), NULL_BYTES,
     ST_OK, "{\"type\":\"1\",\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":5}}",
     "<DELETE>"},
    {"an offset whose value is cut", DUMP_GROUPS, DUMP_STRING, OCTETS("\0\1\0\1g\0\1t\0\0\0\5"),
     OCTETS("\0\3\0"), ST_OK,
     "Error at offset 7, skipping. Could not read record with version 3 from value's buffer "
     "due to: null.",
     NULL},
    {"no coordinator record", DUMP_GROUPS, DUMP_STRING, OCTETS("k0"), OCTETS("v"), ST_OK,
     "Unknown record type 27440 at offset 7, skipping.", NULL},
    {"a key of one octet", DUMP_GROUPS, DUMP_STRING, OCTETS("k"), OCTETS("v"), ST_OK,
     "Error at offset 7, skipping. Could not read version from key's buffer.", NULL},
    {"a key that is missing", DUMP_TRANSACTIONS, DUMP_STRING, NULL_BYTES, OCTETS("v"), ST_INVALID,
     NULL, NULL},
};

Test(dump_decode, says_what_a_record_holds) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mem mem = {0};
        struct arena arena;
        struct dump_shown shown;
        arena_init(&arena, &mem, 4096, 0);
        strbuf_init(&shown.key, &mem);
        strbuf_init(&shown.payload, &mem);
        const struct dump_decoder decoder = {
            .content = rows[i].content, .value = rows[i].value_class, .arena = &arena};
        const struct record record = {.offset = 7, .key = rows[i].key, .value = rows[i].value};
        enum status st = dump_decode(&decoder, &record, &shown);
        const char *key = strbuf_str(&shown.key).ptr, *payload = strbuf_str(&shown.payload).ptr;
        cr_expect_eq(st, rows[i].want, "%s: got %s", rows[i].name, status_name(st));
        cr_expect_eq(shown.has_key, rows[i].key_text != NULL, "%s: key", rows[i].name);
        cr_expect_eq(shown.has_payload, rows[i].payload != NULL, "%s: payload", rows[i].name);
        if (rows[i].key_text != NULL)
            cr_expect_str_eq(key, rows[i].key_text, "%s: got %s", rows[i].name, key);
        if (rows[i].payload != NULL)
            cr_expect_str_eq(payload, rows[i].payload, "%s: got %s", rows[i].name, payload);
        strbuf_release(&shown.key);
        strbuf_release(&shown.payload);
        arena_release(&arena);
        cr_expect_eq(mem.used_bytes, 0, "%s: memory is left", rows[i].name);
    }
}

static const struct {
    const char *name;
    struct bytes key, value;
    enum status want;
    const char *text;
} controls[] = {
    {"commit", OCTETS("\0\0\0\1"), OCTETS("\0\0\0\0\0\3"), ST_OK,
     " endTxnMarker: COMMIT coordinatorEpoch: 3"},
    {"abort", OCTETS("\0\0\0\0"), OCTETS("\0\0\0\0\0\0"), ST_OK,
     " endTxnMarker: ABORT coordinatorEpoch: 0"},
    {"kraft version", OCTETS("\0\0\0\5"), OCTETS("\0\0\0\1\0"), ST_OK,
     " KRaftVersion {\"version\":0,\"kRaftVersion\":1}"},
    {"unknown", OCTETS("\0\0\0\x63"), OCTETS(""), ST_OK, " controlType: UNKNOWN(99)"},
    {"a negative type", OCTETS("\0\0\xff\xff"), OCTETS(""), ST_OK, " controlType: UNKNOWN(-1)"},
    {"a cut key", OCTETS("\0\0\0"), OCTETS("\0\0\0\0\0\0"), ST_CORRUPT, ""},
    {"a cut marker", OCTETS("\0\0\0\1"), OCTETS("\0\0\0\0\0"), ST_CORRUPT, ""},
};

Test(dump_decode, says_what_a_control_record_means) {
    for (size_t i = 0; i < COUNT(controls); i++) {
        struct mem mem = {0};
        struct arena arena;
        struct strbuf out;
        arena_init(&arena, &mem, 4096, 0);
        strbuf_init(&out, &mem);
        const struct record record = {.key = controls[i].key, .value = controls[i].value};
        enum status st = dump_control(&record, &arena, &out);
        cr_expect_eq(st, controls[i].want, "%s: got %s", controls[i].name, status_name(st));
        cr_expect_str_eq(strbuf_str(&out).ptr, controls[i].text, "%s: got %s", controls[i].name,
                         strbuf_str(&out).ptr);
        strbuf_release(&out);
        arena_release(&arena);
    }
}

Test(dump_decode, names_record_types_as_kafka_s_enum_does) {
    struct mem mem = {0};
    struct strbuf out;
    strbuf_init(&out, &mem);
    dump_record_type_name("RemoveAccessControlEntryRecord", &out);
    cr_expect_str_eq(strbuf_str(&out).ptr, "REMOVE_ACCESS_CONTROL_ENTRY_RECORD");
    strbuf_release(&out);
}
