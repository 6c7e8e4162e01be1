/* tests/unit/protocol/codec_json.c - the text of messages, as Kafka prints it. What no random
 * message reaches is here; the rest is compared with Kafka in tests/differential. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "protocol/messages.h"

static struct mem mem;
static struct strbuf text;

static void set_up(void) {
    mem = (struct mem){0};
    strbuf_init(&text, &mem);
}
static void tear_down(void) { strbuf_release(&text); }
TestSuite(codec_json, .init = set_up, .fini = tear_down);

static const char *quota_json(struct str key, double value) {
    struct client_quota_record record;
    client_quota_record_defaults(&record);
    record.key = key;
    record.value = value;
    strbuf_clear(&text);
    codec_print_json(&client_quota_record_schema, 0, &record, &text);
    return text.data;
}

Test(codec_json, doubles_look_as_in_java) {
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {100, "100.0"},
        {1234.5, "1234.5"},
        {9999999, "9999999.0"},
        {1e7, "1.0E7"},
        {12345678, "1.2345678E7"},
        {0.001, "0.001"},
        {0.0123, "0.0123"},
        {0.00099, "9.9E-4"},
        {-2.5e-10, "-2.5E-10"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324, "4.9E-324"},
        {1e300, "1.0E300"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {__builtin_inf(), "\"Infinity\""},
        {-__builtin_inf(), "\"-Infinity\""},
        {__builtin_nan(""), "\"NaN\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char want[96];
        (void)snprintf(want, sizeof want,
                       "{\"entity\":[],\"key\":\"\",\"value\":%s,\"remove\":false}", cases[i].want);
        cr_expect_str_eq(quota_json(STR(""), cases[i].value), want);
    }
}

Test(codec_json, malformed_text_becomes_replacement_characters) {
    static const struct {
        const char *name, *in, *want;
    } cases[] = {
        {"well formed", "\xc3\xa4\xf0\x9f\x8c\x8a", "\xc3\xa4\xf0\x9f\x8c\x8a"},
        {"lone continuation", "a\x80z", "a\xef\xbf\xbdz"},
        {"overlong", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"cut after two of three", "\xe2\x82z", "\xef\xbf\xbdz"},
        {"cut at the end", "\xf0\x9f\x8c", "\xef\xbf\xbd"},
        {"surrogate", "\xed\xa0\x80", "\xef\xbf\xbd"},
        {"above the last character", "\xf4\x90\x80\x80",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"escapes", "\"\\\n\x01", "\\\"\\\\\\n\\u0001"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char want[96];
        (void)snprintf(want, sizeof want,
                       "{\"entity\":[],\"key\":\"%s\",\"value\":1.0,\"remove\":false}",
                       cases[i].want);
        cr_expect_str_eq(quota_json(str_of(cases[i].in), 1), want, "%s", cases[i].name);
    }
}

Test(codec_json, octets_are_base64_with_padding) {
    static const char *const want[] = {"", "/w==", "//8=", "////", "/////w=="};
    static const uint8_t ones[] = {0xff, 0xff, 0xff, 0xff};
    for (size_t len = 0; len < COUNT(want); len++) {
        struct sasl_authenticate_request request = {.auth_bytes = {ones, len}};
        char line[64];
        (void)snprintf(line, sizeof line, "{\"authBytes\":\"%s\"}", want[len]);
        strbuf_clear(&text);
        codec_print_json(&sasl_authenticate_request_schema, 0, &request, &text);
        cr_expect_str_eq(text.data, line);
    }
}

Test(codec_json, a_metadata_record_reads_as_in_kafka_dump_log) {
    struct topic_record record;
    topic_record_defaults(&record);
    record.name = STR("orders");
    record.topic_id = (struct uuid){{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
    codec_print_json(&topic_record_schema, 0, &record, &text);
    cr_expect_str_eq(text.data, "{\"name\":\"orders\",\"topicId\":\"_wECAwQFBgcICQoLDA0ODw\"}");
}

Test(codec_json, tagged_fields_at_their_default_and_absent_fields_are_left_out) {
    struct register_broker_record record;
    register_broker_record_defaults(&record);
    codec_print_json(&register_broker_record_schema, 0, &record, &text);
    cr_expect_null(strstr(text.data, "logDirs"), "%s", text.data);
    cr_expect_null(strstr(text.data, "inControlledShutdown"), "%s", text.data);
    cr_expect_not_null(strstr(text.data, "\"rack\":"), "%s", text.data);
}
