/* tests/unit/protocol/batch.c - the header: what is read, what is refused, what a leader writes. */
#include "protocol/batch.h"
#include <criterion/criterion.h>
#include "protocol/batch_builder.h"

static struct mem mem;
static struct batch_builder builder;

static struct bytes make(void) {
    batch_builder_init(&builder, &mem);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = INT64_C(0x0102030405060708);
    options.leader_epoch = 9;
    options.transactional = true;
    options.producer_id = 77;
    options.producer_epoch = 3;
    options.base_sequence = INT32_MAX - 1;
    cr_assert_eq(batch_builder_start(&builder, &options), ST_OK);
    for (int64_t i = 0; i < 4; i++) {
        struct bytes value = {(const uint8_t *)"value", 5};
        cr_assert_eq(batch_builder_add(&builder, 1000 - i, BYTES_NULL, value, NULL, 0), ST_OK);
    }
    struct bytes batch;
    cr_assert_eq(batch_builder_finish(&builder, &batch), ST_OK);
    return batch;
}

static void done(void) {
    batch_builder_release(&builder);
    cr_expect_eq(mem.used_bytes, 0);
}

Test(batch, its_header_says_what_was_written) {
    struct bytes batch = make();
    struct batch_view v;
    cr_assert_eq(batch_open(batch, &v), ST_OK);
    cr_expect_eq(v.base_offset, INT64_C(0x0102030405060708));
    cr_expect_eq(v.batch_length, (int32_t)batch.len - 12);
    cr_expect_eq(v.batch_bytes, batch.len);
    cr_expect_eq(v.partition_leader_epoch, 9);
    cr_expect_eq(v.magic, 2);
    cr_expect_eq(v.attributes, 0x10);
    cr_expect_eq(v.last_offset_delta, 3);
    cr_expect_eq(batch_next_offset(&v), INT64_C(0x010203040506070c));
    cr_expect_eq(v.base_timestamp, 1000);
    cr_expect_eq(v.max_timestamp, 1000);
    cr_expect_eq(v.producer_id, 77);
    cr_expect_eq(v.producer_epoch, 3);
    cr_expect_eq(v.base_sequence, INT32_MAX - 1);
    cr_expect_eq(batch_last_sequence(&v), 1, "sequences go round");
    cr_expect_eq(v.record_count, 4);
    cr_expect_eq(v.records.len, batch.len - BATCH_HEADER_BYTES);
    cr_expect(batch_is_transactional(&v) && batch_has_producer_id(&v));
    cr_expect(!batch_is_control(&v) && !batch_is_log_append_time(&v));
    done();
}

Test(batch, peek_needs_the_header_and_open_the_whole) {
    struct bytes batch = make();
    for (size_t len = 0; len <= batch.len; len++) {
        struct batch_view v;
        enum status peek = batch_peek((struct bytes){batch.ptr, len}, &v);
        cr_expect_eq(peek, len < BATCH_HEADER_BYTES ? ST_SHORT : ST_OK, "%zu octets", len);
        if (peek == ST_OK) cr_expect_eq(v.records.ptr == NULL, len < batch.len, "%zu octets", len);
        enum status open = batch_open((struct bytes){batch.ptr, len}, &v);
        cr_expect_eq(open, len < batch.len ? ST_SHORT : ST_OK, "%zu octets", len);
    }
    done();
}

Test(batch, impossible_lengths_and_magics_are_refused) {
    static const struct {
        const char *name;
        uint32_t length;
        uint8_t magic;
        enum status want;
    } rows[] = {
        {"smallest", 49, 2, ST_OK},
        {"shorter than its header", 48, 2, ST_CORRUPT},
        {"smallest message of magic 0", 14, 0, ST_UNSUPPORTED},
        {"magic 1", 22, 1, ST_UNSUPPORTED},
        {"shorter than any message", 13, 0, ST_CORRUPT},
        {"length 0", 0, 2, ST_CORRUPT},
        {"negative length", 0x80000000, 2, ST_CORRUPT},
        {"largest length", INT32_MAX, 2, ST_OK},
        {"magic 3", 100, 3, ST_CORRUPT},
        {"magic -1", 100, 0xff, ST_CORRUPT},
        {"preallocated zeros", 0, 0, ST_CORRUPT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t header[BATCH_HEADER_BYTES] = {0};
        put_u32(header + BATCH_AT_LENGTH, rows[i].length);
        header[BATCH_AT_MAGIC] = rows[i].magic;
        struct batch_view v = {0};
        enum status st = batch_peek((struct bytes){header, sizeof header}, &v);
        cr_expect_eq(st, rows[i].want, "%s: %s", rows[i].name, status_name(st));
        if (st == ST_OK || st == ST_UNSUPPORTED) {
            cr_expect_eq(v.batch_bytes, (size_t)rows[i].length + 12, "%s", rows[i].name);
        }
    }
}

Test(batch, stamping_leaves_the_checksum_alone) {
    struct bytes batch = make();
    batch_stamp(builder.out.data, 123456789012, 42);
    struct batch_view v;
    cr_assert_eq(batch_open(batch, &v), ST_OK);
    cr_expect(batch_crc_matches(batch));
    cr_expect_eq(v.base_offset, 123456789012);
    cr_expect_eq(v.partition_leader_epoch, 42);
    done();
}

Test(batch, times_that_the_leader_sets_renew_the_checksum) {
    struct bytes batch = make();
    struct batch_view v;
    put_u16(builder.out.data + BATCH_AT_ATTRIBUTES, 0xff90);
    batch_set_log_append_time(builder.out.data, 5555);
    cr_assert_eq(batch_open(batch, &v), ST_OK);
    cr_expect(batch_crc_matches(batch));
    cr_expect_eq(v.max_timestamp, 5555);
    cr_expect_eq(v.base_timestamp, 1000, "the producer's, kept");
    cr_expect_eq(v.attributes, 0x18, "%x: the bits without meaning go", v.attributes);
    batch_set_max_timestamp(builder.out.data, 999);
    cr_assert_eq(batch_open(batch, &v), ST_OK);
    cr_expect(batch_crc_matches(batch));
    cr_expect_eq(v.max_timestamp, 999);
    cr_expect_eq(v.attributes, 0x10);
    done();
}
