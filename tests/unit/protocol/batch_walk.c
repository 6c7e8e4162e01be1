/* tests/unit/protocol/batch_walk.c - each fault, found in each codec, with what Kafka 4.3.1 was
 * measured to answer. */
#include "protocol/batch_walk.h"
#include <criterion/criterion.h>
#include "protocol/batch_builder.h"
#include "protocol/crc32c.h"

/* Rows say what differs from HEADER. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define NOW INT64_C(1700000000000)
#define HOUR INT64_C(3600000)

static const struct batch_rules client = {
    .from_client = true,
    .now_ms = NOW,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = HOUR,
};
static const enum codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};

struct fixture {
    struct mem mem;
    struct batch_builder builder;
    struct batch_scratch scratch;
    struct compressor compressor;
    struct octets body, batch;
};

static void start(struct fixture *f) {
    *f = (struct fixture){0};
    batch_builder_init(&f->builder, &f->mem);
    batch_scratch_init(&f->scratch, &f->mem);
    compressor_init(&f->compressor, &f->mem);
    octets_init(&f->body, &f->mem);
    octets_init(&f->batch, &f->mem);
}

static void stop(struct fixture *f) {
    batch_builder_release(&f->builder);
    batch_scratch_release(&f->scratch);
    compressor_release(&f->compressor);
    octets_release(&f->body);
    octets_release(&f->batch);
    cr_expect_eq(f->mem.used_bytes, 0, "%zu octets leaked", f->mem.used_bytes);
}

static enum status begin(struct fixture *f, enum codec codec) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    return batch_builder_start(&f->builder, &options);
}

static struct bytes text(const char *s) { return (struct bytes){(const uint8_t *)s, strlen(s)}; }

/* A batch whose header says what it is told and whose body is `records`, compressed. The checksum
 * fits. */
static struct bytes make(struct fixture *f, struct batch_view header, enum codec codec,
                         struct bytes records) {
    f->batch.len = 0;
    cr_assert_eq(octets_reserve(&f->batch, BATCH_HEADER_BYTES), ST_OK);
    f->batch.len = BATCH_HEADER_BYTES;
    cr_assert_eq(compressor_open(&f->compressor, codec, COMPRESS_LEVEL_DEFAULT, &f->batch), ST_OK);
    cr_assert_eq(compressor_add(&f->compressor, records), ST_OK);
    cr_assert_eq(compressor_finish(&f->compressor), ST_OK);
    uint8_t *p = f->batch.data;
    put_u64(p, (uint64_t)header.base_offset);
    put_u32(p + BATCH_AT_LENGTH, (uint32_t)f->batch.len - BATCH_OVERHEAD_BYTES);
    put_u32(p + BATCH_AT_LEADER_EPOCH, (uint32_t)header.partition_leader_epoch);
    p[BATCH_AT_MAGIC] = BATCH_MAGIC;
    put_u16(p + BATCH_AT_ATTRIBUTES, (uint16_t)(header.attributes | codec));
    put_u32(p + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)header.last_offset_delta);
    put_u64(p + BATCH_AT_BASE_TIMESTAMP, (uint64_t)header.base_timestamp);
    put_u64(p + BATCH_AT_MAX_TIMESTAMP, (uint64_t)header.max_timestamp);
    put_u64(p + BATCH_AT_PRODUCER_ID, (uint64_t)header.producer_id);
    put_u16(p + BATCH_AT_PRODUCER_EPOCH, (uint16_t)header.producer_epoch);
    put_u32(p + BATCH_AT_BASE_SEQUENCE, (uint32_t)header.base_sequence);
    put_u32(p + BATCH_AT_RECORD_COUNT, (uint32_t)header.record_count);
    put_u32(p + BATCH_AT_CRC,
            crc32c(0, p + BATCH_AT_ATTRIBUTES, f->batch.len - BATCH_AT_ATTRIBUTES));
    return octets_bytes(&f->batch);
}

#define HEADER(count)                                                                              \
    .base_timestamp = NOW, .max_timestamp = NOW, .producer_id = -1, .producer_epoch = -1,          \
    .base_sequence = -1, .record_count = (count), .last_offset_delta = (count)-1

/* Records as octets: length, attributes, timestamp delta, offset delta, key, value, header count.
 */
#define R0 "\x10\x00\x00\x00\x02k\x02v\x00" /* offset delta 0 */
#define R1 "\x10\x00\x00\x02\x02k\x02v\x00" /* offset delta 1 */
#define BODY(literal)                                                                              \
    { (const uint8_t *)(literal), sizeof(literal) - 1 }

Test(batch_walk, passes_what_the_builder_makes_in_every_codec) {
    static uint8_t value[100000];
    struct fixture f;
    start(&f);
    for (size_t c = 0; c < COUNT(codecs); c++) {
        for (int32_t count = 1; count < 2000; count = count * 3 + 1) {
            cr_assert_eq(begin(&f, codecs[c]), ST_OK);
            struct record_header headers[] = {{STR("a"), text("b")}, {STR(""), BYTES_NULL}};
            int64_t max = NO_TIMESTAMP;
            for (int32_t i = 0; i < count; i++) {
                int64_t timestamp = NOW + (i * 37 % 101);
                max = MAX(max, timestamp);
                size_t value_bytes = i == 0 ? sizeof value : (size_t)i * 7 % 300;
                enum status st = batch_builder_add(
                    &f.builder, timestamp, i % 3 == 0 ? BYTES_NULL : text("key"),
                    i % 5 == 4 ? BYTES_NULL : (struct bytes){value, value_bytes}, headers, i % 3);
                cr_assert_eq(st, ST_OK);
            }
            struct bytes batch, single;
            cr_assert_eq(batch_builder_finish(&f.builder, &batch), ST_OK);
            cr_expect_eq(batch_single(batch, &single), BATCH_OK);
            cr_expect_eq(single.len, batch.len);
            struct batch_report report;
            enum batch_fault fault = batch_walk(batch, &client, &f.scratch, &report);
            cr_expect_eq(fault, BATCH_OK, "codec %u count %d: %s at %d", codecs[c], count,
                         batch_fault_name(fault), report.record_index);
            cr_expect_eq(report.view.record_count, count);
            cr_expect_eq(report.max_timestamp, max);
            cr_expect_not(report.rewrite_max_timestamp);
            cr_expect_eq(report.view.base_timestamp + 37 * report.max_timestamp_delta % 101, max);
            if (codecs[c] == CODEC_NONE)
                cr_expect_eq(report.plain_bytes, batch.len - BATCH_HEADER_BYTES);
        }
    }
    stop(&f);
}

static const struct {
    const char *name;
    struct batch_view header;
    enum batch_fault want;
} headers[] = {
    {"as it should be", {HEADER(2)}, BATCH_OK},
    {"base offset 5", {HEADER(2), .base_offset = 5}, BATCH_BASE_OFFSET},
    {"base offset -1", {HEADER(2), .base_offset = -1}, BATCH_BASE_OFFSET},
    {"no records", {HEADER(0)}, BATCH_COUNT},
    {"record count -1", {HEADER(-1)}, BATCH_COUNT},
    {"one more counted", {HEADER(3)}, BATCH_RECORDS_SHORT},
    {"one less counted", {HEADER(1)}, BATCH_RECORDS_LEFT},
    {"2^31-1 counted", {HEADER(INT32_MAX)}, BATCH_RECORDS_SHORT},
    {"last offset delta too high", {HEADER(2), .last_offset_delta = 2}, BATCH_OFFSET_RANGE},
    {"last offset delta too low", {HEADER(2), .last_offset_delta = 0}, BATCH_OFFSET_RANGE},
    {"last offset delta -1", {HEADER(2), .last_offset_delta = -1}, BATCH_OFFSET_RANGE},
    {"control", {HEADER(2), .attributes = 0x20}, BATCH_CONTROL},
    {"control and transactional",
     {HEADER(2), .attributes = 0x30, .producer_id = 1, .producer_epoch = 0, .base_sequence = 0},
     BATCH_CONTROL},
    {"producer without sequence",
     {HEADER(2), .producer_id = 1, .producer_epoch = 0},
     BATCH_SEQUENCE},
    {"idempotent",
     {HEADER(2), .producer_id = 0, .producer_epoch = 0, .base_sequence = 0},
     BATCH_OK},
    {"sequence goes round",
     {HEADER(2), .producer_id = 1, .producer_epoch = 0, .base_sequence = INT32_MAX},
     BATCH_OK},
    {"sequence without producer", {HEADER(2), .base_sequence = 4}, BATCH_OK},
    {"transactional without producer", {HEADER(2), .attributes = 0x10}, BATCH_NO_PRODUCER},
    {"transactional",
     {HEADER(2), .attributes = 0x10, .producer_id = 1, .producer_epoch = 0, .base_sequence = 0},
     BATCH_OK},
    {"attribute bits without meaning", {HEADER(2), .attributes = 0xff80}, BATCH_OK},
    {"delete horizon", {HEADER(2), .attributes = 0x40}, BATCH_OK},
    {"leader epoch", {HEADER(2), .partition_leader_epoch = 77}, BATCH_OK},
};

Test(batch_walk, judges_the_header_alike_in_every_codec) {
    struct fixture f;
    start(&f);
    struct bytes body = BODY(R0 R1);
    for (size_t i = 0; i < COUNT(headers); i++) {
        for (size_t c = 0; c < COUNT(codecs); c++) {
            struct bytes batch = make(&f, headers[i].header, codecs[c], body);
            struct batch_report report;
            enum batch_fault fault = batch_walk(batch, &client, &f.scratch, &report);
            cr_expect_eq(fault, headers[i].want, "%s, codec %u: %s", headers[i].name, codecs[c],
                         batch_fault_name(fault));
        }
    }
    stop(&f);
}

Test(batch_walk, an_unknown_codec_and_a_bad_checksum_are_told_apart) {
    struct fixture f;
    start(&f);
    struct batch_report report;
    struct bytes body = BODY(R0);
    for (uint16_t codec = 5; codec < 8; codec++) {
        struct bytes batch =
            make(&f, (struct batch_view){HEADER(1), .attributes = codec}, CODEC_NONE, body);
        cr_expect_eq(batch_walk(batch, &client, &f.scratch, &report), BATCH_CODEC, "codec %u",
                     codec);
    }
    for (size_t at = 0; at < BATCH_HEADER_BYTES + body.len; at++) {
        struct bytes batch = make(&f, (struct batch_view){HEADER(1)}, CODEC_NONE, body);
        f.batch.data[at] ^= 0x10;
        enum batch_fault fault = batch_walk(batch, &client, &f.scratch, &report);
        enum batch_fault want = at < BATCH_AT_LENGTH         ? BATCH_BASE_OFFSET
                                : at < BATCH_AT_LEADER_EPOCH ? BATCH_LENGTH
                                : at < BATCH_AT_MAGIC        ? BATCH_OK
                                : at < BATCH_AT_CRC          ? BATCH_LENGTH
                                                             : BATCH_CRC;
        cr_expect_eq(fault, want, "octet %zu: %s", at, batch_fault_name(fault));
    }
    stop(&f);
}

static const struct {
    const char *name;
    struct bytes body;
    int32_t count;
    enum batch_fault want;
    int32_t index;
} bodies[] = {
    {"null key", BODY("\x0e\x00\x00\x00\x01\x02v\x00"), 1, BATCH_OK, -1},
    {"null value", BODY("\x0e\x00\x00\x00\x02k\x01\x00"), 1, BATCH_OK, -1},
    {"both null", BODY("\x0c\x00\x00\x00\x01\x01\x00"), 1, BATCH_OK, -1},
    {"both empty", BODY("\x0c\x00\x00\x00\x00\x00\x00"), 1, BATCH_OK, -1},
    {"key length -2", BODY("\x0e\x00\x00\x00\x03\x02v\x00"), 1, BATCH_RECORD_SHAPE, 0},
    {"value length -2", BODY("\x0e\x00\x00\x00\x02k\x03\x00"), 1, BATCH_RECORD_SHAPE, 0},
    {"record length one too high", BODY("\x12\x00\x00\x00\x02k\x02v\x00"), 1, BATCH_RECORD_SHAPE,
     0},
    {"record length one too low", BODY("\x0e\x00\x00\x00\x02k\x02v\x00"), 1, BATCH_RECORD_SHAPE, 0},
    {"record length negative", BODY("\x0f\x00\x00\x00\x02k\x02v\x00"), 1, BATCH_RECORD_SHAPE, 0},
    {"record length 0", BODY("\x00"), 1, BATCH_RECORD_SHAPE, 0},
    {"record length 2^31-1", BODY("\xfe\xff\xff\xff\x0f\x00\x00\x00\x02k\x02v\x00"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"record length never ends", BODY("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"value runs over the record", BODY("\x16\x00\x00\x00\x02k\xfe\xff\xff\xff\x0f\x00"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"header count -1", BODY("\x10\x00\x00\x00\x02k\x02v\x01"), 1, BATCH_RECORD_SHAPE, 0},
    {"header count 1, none there", BODY("\x10\x00\x00\x00\x02k\x02v\x02"), 1, BATCH_RECORD_SHAPE,
     0},
    {"header count 2^31-1", BODY("\x18\x00\x00\x00\x02k\x02v\xfe\xff\xff\xff\x0f"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"header", BODY("\x18\x00\x00\x00\x02k\x02v\x02\x02h\x02x"), 1, BATCH_OK, -1},
    {"header without its value", BODY("\x16\x00\x00\x00\x02k\x02v\x02\x02h\x02"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"header with null value", BODY("\x16\x00\x00\x00\x02k\x02v\x02\x02h\x01"), 1, BATCH_OK, -1},
    {"header with null key", BODY("\x16\x00\x00\x00\x02k\x02v\x02\x01\x02x"), 1, BATCH_RECORD_SHAPE,
     0},
    {"header value length -2", BODY("\x16\x00\x00\x00\x02k\x02v\x02\x02h\x03"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"header key not UTF-8", BODY("\x16\x00\x00\x00\x02k\x02v\x02\x02\xff\x01"), 1, BATCH_OK, -1},
    {"record attributes without meaning", BODY("\x10\x07\x00\x00\x02k\x02v\x00"), 1, BATCH_OK, -1},
    {"numbers longer than needed", BODY("\x14\x00\x80\x00\x80\x00\x02k\x02v\x00"), 1, BATCH_OK, -1},
    {"timestamp delta of 70 bits",
     BODY("\x22\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x02k\x02v\x00"), 1,
     BATCH_RECORD_SHAPE, 0},
    {"second record cut", BODY(R0 "\x10\x00\x00\x02\x02k"), 2, BATCH_RECORD_SHAPE, 1},
    {"same offset twice", BODY(R0 R0), 2, BATCH_OFFSET_DELTA, 1},
    {"offsets the wrong way round", BODY(R1 R0), 2, BATCH_OFFSET_DELTA, 0},
    {"octets left", BODY(R0 "\x00"), 1, BATCH_RECORDS_LEFT, -1},
};

Test(batch_walk, judges_the_records_alike_in_every_codec) {
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        for (size_t c = 0; c < COUNT(codecs); c++) {
            struct bytes batch =
                make(&f, (struct batch_view){HEADER(bodies[i].count)}, codecs[c], bodies[i].body);
            struct batch_report report;
            enum batch_fault fault = batch_walk(batch, &client, &f.scratch, &report);
            cr_expect_eq(fault, bodies[i].want, "%s, codec %u: %s", bodies[i].name, codecs[c],
                         batch_fault_name(fault));
            cr_expect_eq(report.record_index, bodies[i].index, "%s, codec %u: at %d",
                         bodies[i].name, codecs[c], report.record_index);
        }
    }
    stop(&f);
}

Test(batch_walk, a_record_may_cross_runs_anywhere) {
    /* Records of many sizes, so that over 400 KB every field lies across a run's end once. */
    struct fixture f;
    start(&f);
    static uint8_t value[3000];
    for (size_t c = 1; c < COUNT(codecs); c++) {
        for (int32_t first_bytes = 65000; first_bytes < 65540; first_bytes += 1) {
            if (first_bytes > 65100 && first_bytes < 65430) continue;
            cr_assert_eq(begin(&f, codecs[c]), ST_OK);
            static uint8_t first[65540];
            cr_assert_eq(batch_builder_add(&f.builder, NOW, BYTES_NULL,
                                           (struct bytes){first, (size_t)first_bytes}, NULL, 0),
                         ST_OK);
            for (int32_t i = 0; i < 5; i++) {
                struct record_header header = {STR("some header"), text("with a value")};
                cr_assert_eq(batch_builder_add(&f.builder, NOW + i * 1000000, text("some key"),
                                               (struct bytes){value, (size_t)i * 90}, &header, 1),
                             ST_OK);
            }
            struct bytes batch;
            cr_assert_eq(batch_builder_finish(&f.builder, &batch), ST_OK);
            struct batch_report report;
            struct batch_rules rules = client;
            rules.timestamp_after_max_ms = INT64_MAX;
            enum batch_fault fault = batch_walk(batch, &rules, &f.scratch, &report);
            cr_expect_eq(fault, BATCH_OK, "codec %u first %d: %s at %d", codecs[c], first_bytes,
                         batch_fault_name(fault), report.record_index);
            cr_expect_eq(report.max_timestamp, NOW + 4000000);
        }
    }
    stop(&f);
}

Test(batch_walk, damaged_streams_are_refused_in_every_codec) {
    struct fixture f;
    start(&f);
    for (size_t c = 1; c < COUNT(codecs); c++) {
        static const uint8_t garbage[] = "hello world, hello world";
        f.batch.len = 0;
        struct bytes batch =
            make(&f, (struct batch_view){HEADER(1), .attributes = (uint16_t)codecs[c]}, CODEC_NONE,
                 (struct bytes){garbage, sizeof garbage});
        struct batch_report report;
        enum batch_fault fault = batch_walk(batch, &client, &f.scratch, &report);
        cr_expect_eq(fault, BATCH_STREAM, "codec %u: %s", codecs[c], batch_fault_name(fault));
        cr_expect_eq(batch_fault_error(fault), -1);
    }
    stop(&f);
}

static const struct {
    const char *name;
    struct batch_rules rules;
    struct batch_view header;
    struct bytes body;
    int32_t count;
    enum batch_fault want;
    int32_t errors;
    int64_t max_timestamp;
    bool rewrite;
} times[] = {
    {"CreateTime", {0}, {HEADER(1)}, BODY(R0), 1, BATCH_OK, 0, NOW, false},
    {"wrong maximum in the header",
     {0},
     {HEADER(1), .max_timestamp = NOW + 1},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     NOW,
     true},
    {"no timestamp",
     {.timestamp_before_max_ms = 1},
     {HEADER(1), .base_timestamp = -1, .max_timestamp = -1},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     -1,
     false},
    {"timestamp -5",
     {0},
     {HEADER(1), .base_timestamp = -5, .max_timestamp = -5},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     -1,
     true},
    {"timestamp -5, bounded",
     {.timestamp_before_max_ms = HOUR},
     {HEADER(1), .base_timestamp = -5},
     BODY(R0),
     1,
     BATCH_RECORD_TIMESTAMP,
     1,
     -1,
     true},
    {"smallest timestamp",
     {0},
     {HEADER(1), .base_timestamp = INT64_MIN},
     BODY(R0),
     1,
     BATCH_RECORD_TIMESTAMP,
     1,
     -1,
     true},
    {"an hour ahead",
     {0},
     {HEADER(1), .base_timestamp = NOW + HOUR, .max_timestamp = NOW + HOUR},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     NOW + HOUR,
     false},
    {"an hour and 1 ms ahead",
     {0},
     {HEADER(2), .base_timestamp = NOW + HOUR + 1},
     BODY(R0 R1),
     2,
     BATCH_RECORD_TIMESTAMP,
     2,
     NOW + HOUR + 1,
     true},
    {"an hour old",
     {.timestamp_before_max_ms = HOUR},
     {HEADER(1), .base_timestamp = NOW - HOUR, .max_timestamp = NOW - HOUR},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     NOW - HOUR,
     false},
    {"an hour and 1 ms old",
     {.timestamp_before_max_ms = HOUR},
     {HEADER(1), .base_timestamp = NOW - HOUR - 1},
     BODY(R0),
     1,
     BATCH_RECORD_TIMESTAMP,
     1,
     NOW - HOUR - 1,
     true},
    {"log append time bit on a CreateTime topic",
     {0},
     {HEADER(1), .attributes = 8},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     NOW,
     true},
    {"the same without a timestamp",
     {0},
     {HEADER(1), .attributes = 8, .base_timestamp = -1},
     BODY(R0),
     1,
     BATCH_RECORD_TIMESTAMP,
     1,
     -1,
     true},
    {"log append time bit on a LogAppendTime topic",
     {.log_append_time = true},
     {HEADER(2), .attributes = 8},
     BODY(R0 R1),
     2,
     BATCH_RECORD_TIMESTAMP,
     2,
     NOW,
     true},
    {"any timestamp on a LogAppendTime topic",
     {.log_append_time = true, .timestamp_before_max_ms = 1},
     {HEADER(1), .base_timestamp = 5, .max_timestamp = 5},
     BODY(R0),
     1,
     BATCH_OK,
     0,
     5,
     false},
    {"null key, compacted",
     {.compacted = true},
     {HEADER(2)},
     BODY(R0 "\x0e\x00\x00\x02\x01\x02v\x00"),
     2,
     BATCH_RECORD_KEY,
     1,
     NOW,
     false},
    {"empty key, compacted",
     {.compacted = true},
     {HEADER(1)},
     BODY("\x0e\x00\x00\x00\x00\x02v\x00"),
     1,
     BATCH_OK,
     0,
     NOW,
     false},
    {"null key and old, compacted",
     {.compacted = true, .timestamp_before_max_ms = HOUR},
     {HEADER(2), .base_timestamp = 1},
     BODY("\x0e\x00\x00\x00\x01\x02v\x00" R1),
     2,
     BATCH_RECORD_TIMESTAMP,
     2,
     1,
     true},
    {"null key, then a malformed record",
     {.compacted = true},
     {HEADER(2)},
     BODY("\x0e\x00\x00\x00\x01\x02v\x00\x00"),
     2,
     BATCH_RECORD_SHAPE,
     1,
     NOW,
     false},
};

Test(batch_walk, judges_keys_and_timestamps_alike_in_every_codec) {
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(times); i++) {
        for (size_t c = 0; c < COUNT(codecs); c++) {
            struct batch_rules rules = client;
            rules.compacted = times[i].rules.compacted;
            rules.log_append_time = times[i].rules.log_append_time;
            if (times[i].rules.timestamp_before_max_ms != 0)
                rules.timestamp_before_max_ms = times[i].rules.timestamp_before_max_ms;
            struct bytes batch = make(&f, times[i].header, codecs[c], times[i].body);
            struct batch_report report;
            enum batch_fault fault = batch_walk(batch, &rules, &f.scratch, &report);
            cr_expect_eq(fault, times[i].want, "%s, codec %u: %s", times[i].name, codecs[c],
                         batch_fault_name(fault));
            cr_expect_eq(report.error_count, times[i].errors, "%s, codec %u: %d errors",
                         times[i].name, codecs[c], report.error_count);
            cr_expect_eq(report.max_timestamp, times[i].max_timestamp, "%s, codec %u: %ld",
                         times[i].name, codecs[c], report.max_timestamp);
            cr_expect_eq(report.rewrite_max_timestamp, times[i].rewrite, "%s, codec %u",
                         times[i].name, codecs[c]);
        }
    }
    stop(&f);
}

Test(batch_walk, a_coordinator_may_write_what_a_client_may_not) {
    struct fixture f;
    start(&f);
    struct batch_rules rules = client;
    rules.from_client = false;
    struct batch_report report;
    struct bytes one = BODY(R0), two = BODY(R0 R0);
    cr_expect_eq(
        batch_walk(make(&f, (struct batch_view){HEADER(1), .attributes = 0x30, .base_offset = 9},
                        CODEC_NONE, one),
                   &rules, &f.scratch, &report),
        BATCH_OK);
    cr_expect_eq(batch_walk(make(&f, (struct batch_view){HEADER(2)}, CODEC_NONE, two), &rules,
                            &f.scratch, &report),
                 BATCH_OK);
    stop(&f);
}

Test(batch_walk, both_size_limits_hold_at_one_less_exactly_and_one_more) {
    struct fixture f;
    start(&f);
    struct bytes body = BODY(R0 R1);
    for (size_t c = 0; c < COUNT(codecs); c++) {
        struct bytes batch = make(&f, (struct batch_view){HEADER(2)}, codecs[c], body);
        for (int off = -1; off <= 1; off++) {
            struct batch_rules rules = client;
            struct batch_report report;
            rules.batch_bytes_max = batch.len + (size_t)off;
            enum batch_fault fault = batch_walk(batch, &rules, &f.scratch, &report);
            cr_expect_eq(fault, off < 0 ? BATCH_TOO_LARGE : BATCH_OK, "codec %u batch %+d: %s",
                         codecs[c], off, batch_fault_name(fault));
            rules.batch_bytes_max = 0;
            rules.plain_bytes_max = body.len + (size_t)off;
            fault = batch_walk(batch, &rules, &f.scratch, &report);
            cr_expect_eq(fault, off < 0 ? BATCH_PLAIN_TOO_LARGE : BATCH_OK,
                         "codec %u plain %+d: %s", codecs[c], off, batch_fault_name(fault));
        }
    }
    stop(&f);
}

Test(batch_walk, lists_record_errors_up_to_its_limit_and_counts_all) {
    struct fixture f;
    start(&f);
    struct batch_rules rules = client;
    rules.compacted = true;
    static const int32_t counts[] = {1, BATCH_RECORD_ERRORS_MAX - 1, BATCH_RECORD_ERRORS_MAX,
                                     BATCH_RECORD_ERRORS_MAX + 1};
    for (size_t i = 0; i < COUNT(counts); i++) {
        cr_assert_eq(begin(&f, CODEC_NONE), ST_OK);
        for (int32_t k = 0; k < counts[i]; k++)
            cr_assert_eq(batch_builder_add(&f.builder, NOW, BYTES_NULL, BYTES_NULL, NULL, 0),
                         ST_OK);
        struct bytes batch;
        cr_assert_eq(batch_builder_finish(&f.builder, &batch), ST_OK);
        struct batch_report report;
        cr_expect_eq(batch_walk(batch, &rules, &f.scratch, &report), BATCH_RECORD_KEY);
        cr_expect_eq(report.error_count, counts[i]);
        int32_t listed = MIN(counts[i], BATCH_RECORD_ERRORS_MAX);
        for (int32_t k = 0; k < listed; k++) cr_expect_eq(report.errors[k].index, k);
    }
    stop(&f);
}

Test(batch_walk, after_warm_up_a_batch_allocates_nothing) {
    struct fixture f;
    start(&f);
    static uint8_t value[1000];
    for (size_t c = 0; c < COUNT(codecs); c++) {
        uint64_t before = 0;
        for (int round = 0; round < 5; round++) {
            if (round == 2) before = f.mem.alloc_count;
            cr_assert_eq(begin(&f, codecs[c]), ST_OK);
            for (int32_t i = 0; i < 200; i++)
                cr_assert_eq(batch_builder_add(&f.builder, NOW, BYTES_NULL,
                                               (struct bytes){value, sizeof value}, NULL, 0),
                             ST_OK);
            struct bytes batch;
            cr_assert_eq(batch_builder_finish(&f.builder, &batch), ST_OK);
            struct batch_report report;
            cr_expect_eq(batch_walk(batch, &client, &f.scratch, &report), BATCH_OK);
        }
        cr_expect_eq(f.mem.alloc_count, before, "codec %u: %lu allocations", codecs[c],
                     f.mem.alloc_count - before);
    }
    stop(&f);
}

static const uint8_t legacy[] =
    {/* a magic 0 message: offset, length, crc, magic, attributes, key, value */
     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 1, 2, 3, 4, 0, 0, 0, 0, 0, 1, 'k', 0, 0, 0, 1, 'v'};

Test(batch_walk, a_produce_partition_holds_one_batch_and_maybe_the_start_of_another) {
    struct fixture f;
    start(&f);
    struct bytes body = BODY(R0);
    struct bytes one = make(&f, (struct batch_view){HEADER(1)}, CODEC_NONE, body);
    uint8_t two[300];
    memcpy(two, one.ptr, one.len);
    memcpy(two + one.len, one.ptr, one.len);
    struct bytes single;
    for (size_t len = 0; len <= 2 * one.len; len++) {
        enum batch_fault fault = batch_single((struct bytes){two, len}, &single);
        enum batch_fault want = len < one.len       ? BATCH_NONE
                                : len < 2 * one.len ? BATCH_OK
                                                    : BATCH_SEVERAL;
        cr_expect_eq(fault, want, "%zu octets: %s", len, batch_fault_name(fault));
        if (fault == BATCH_OK) cr_expect_eq(single.len, one.len);
    }
    cr_expect_eq(batch_single(BYTES_NULL, &single), BATCH_NONE);
    memset(two + one.len, 0, 20);
    cr_expect_eq(batch_single((struct bytes){two, one.len + 20}, &single), BATCH_LENGTH,
                 "zeros behind");

    static const struct {
        const char *name;
        size_t at;
        uint32_t value;
        size_t octets;
        enum batch_fault want;
    } rows[] = {
        {"magic 0", BATCH_AT_MAGIC, 0, 1, BATCH_MAGIC_OLD},
        {"magic 1", BATCH_AT_MAGIC, 1, 1, BATCH_MAGIC_OLD},
        {"magic 3", BATCH_AT_MAGIC, 3, 1, BATCH_MAGIC_UNKNOWN},
        {"magic -1", BATCH_AT_MAGIC, 0xff, 1, BATCH_MAGIC_UNKNOWN},
        {"length 13", BATCH_AT_LENGTH, 13, 4, BATCH_LENGTH},
        {"length 14", BATCH_AT_LENGTH, 14, 4, BATCH_LENGTH},
        {"length 48", BATCH_AT_LENGTH, 48, 4, BATCH_LENGTH},
        {"length -1", BATCH_AT_LENGTH, UINT32_MAX, 4, BATCH_LENGTH},
        {"length 2^31-1", BATCH_AT_LENGTH, INT32_MAX, 4, BATCH_NONE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        memcpy(two, one.ptr, one.len);
        if (rows[i].octets == 1) {
            two[rows[i].at] = (uint8_t)rows[i].value;
        } else {
            put_u32(two + rows[i].at, rows[i].value);
        }
        enum batch_fault fault = batch_single((struct bytes){two, one.len}, &single);
        cr_expect_eq(fault, rows[i].want, "%s: %s", rows[i].name, batch_fault_name(fault));
    }
    cr_expect_eq(batch_single((struct bytes){legacy, sizeof legacy}, &single), BATCH_MAGIC_OLD);
    stop(&f);
}

Test(batch_walk, says_it_in_kafkas_words) {
    struct fixture f;
    start(&f);
    struct batch_rules rules = client;
    rules.compacted = true;
    rules.timestamp_before_max_ms = HOUR;
    struct strbuf out;
    strbuf_init(&out, &f.mem);
    struct bytes body = BODY("\x0e\x00\x00\x00\x01\x02v\x00");
    struct batch_report report;
    enum batch_fault fault = batch_walk(make(&f, (struct batch_view){HEADER(1)}, CODEC_NONE, body),
                                        &rules, &f.scratch, &report);
    batch_errors_text(&out, fault, &report, &rules, STR("topic"), 3);
    cr_expect_str_eq(out.data, "One or more records have been rejected due to 1 record errors in "
                               "total, and only showing the "
                               "first three errors at most: [RecordError(batchIndex=0, "
                               "message='Compacted topic cannot accept message without key in "
                               "topic partition topic-3')]");
    strbuf_clear(&out);
    struct record_error error = {.index = 1, .fault = RECORD_TIMESTAMP_RANGE, .timestamp = 7};
    batch_record_error_text(&out, &error, &rules, STR("topic"), 3);
    cr_expect_str_eq(
        out.data,
        "Timestamp 7 of message with offset 1 is out of range. The timestamp should be within "
        "[1699996400000, 1700003600000]");
    strbuf_clear(&out);
    error = (struct record_error){.index = 0,
                                  .fault = RECORD_TIMESTAMP_TYPE,
                                  .timestamp = -1,
                                  .key_bytes = -1,
                                  .value_bytes = 5};
    batch_record_error_text(&out, &error, &rules, STR("topic"), 3);
    cr_expect_str_eq(out.data, "Invalid timestamp type in message DefaultRecord(offset=0, "
                               "timestamp=-1, key=0 bytes, value=5 "
                               "bytes). Producer should not set timestamp type to LogAppendTime.");
    strbuf_release(&out);
    stop(&f);
}
