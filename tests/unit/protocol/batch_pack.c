/* tests/unit/protocol/batch_pack.c - every codec into every other: the same records. */
#include "protocol/batch_pack.h"
#include <criterion/criterion.h>
#include "protocol/batch_builder.h"
#include "protocol/record_iter.h"

enum { RECORDS = 700 };

static struct mem mem;
static struct batch_builder builder;
static struct batch_packer packer;
static struct decompressor reader;
static struct record_iter iter;

static void setup(void) {
    batch_builder_init(&builder, &mem);
    batch_packer_init(&packer, &mem);
    decompressor_init(&reader, &mem);
    record_iter_init(&iter, &mem);
}
static void teardown(void) {
    batch_builder_release(&builder);
    batch_packer_release(&packer);
    decompressor_release(&reader);
    record_iter_release(&iter);
    cr_expect_eq(mem.used_bytes, 0, "%zu octets are left", mem.used_bytes);
}
TestSuite(batch_pack, .init = setup, .fini = teardown);

static struct bytes make(enum codec codec) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = 41;
    options.leader_epoch = 6;
    options.codec = codec;
    options.producer_id = 77;
    options.producer_epoch = 3;
    options.base_sequence = 1000;
    cr_assert_eq(batch_builder_start(&builder, &options), ST_OK);
    struct record_header header = {{(const uint8_t *)"h", 1}, {(const uint8_t *)"x", 1}};
    for (int i = 0; i < RECORDS; i++) {
        uint8_t value[200];
        memset(value, i, sizeof value);
        struct bytes key = {value, (size_t)i % 9};
        cr_assert_eq(batch_builder_add(&builder, 5000 + i % 50, key,
                                       (struct bytes){value, sizeof value - (size_t)i % 100},
                                       &header, i % 2),
                     ST_OK);
    }
    struct bytes batch;
    cr_assert_eq(batch_builder_finish(&builder, &batch), ST_OK);
    return batch;
}

static void expect_records(const struct batch_view *view) {
    struct record record;
    int count = 0;
    record_iter_open(&iter, view, 0);
    while (record_iter_next(&iter, &record)) {
        cr_assert_eq(record.offset, 41 + count);
        cr_assert_eq(record.timestamp, 5000 + count % 50);
        cr_assert_eq(record.value.len, 200 - (size_t)count % 100);
        cr_assert_eq(record.header_count, count % 2);
        count++;
    }
    record_iter_close(&iter);
    cr_expect_eq(iter.status, ST_OK);
    cr_expect_eq(count, RECORDS);
}

Test(batch_pack, keeps_the_records_and_changes_the_codec) {
    for (enum codec from = 0; from < CODEC_COUNT; from++) {
        for (enum codec to = 0; to < CODEC_COUNT; to++) {
            struct batch_view before, after;
            struct bytes batch = make(from);
            cr_assert_eq(batch_open(batch, &before), ST_OK);
            cr_assert_eq(batch_pack(&packer, &reader, batch, to, codec_levels(to).initial), ST_OK);
            struct bytes packed = octets_bytes(&packer.packed);
            cr_assert_eq(batch_open(packed, &after), ST_OK, "%d to %d", from, to);
            cr_expect(batch_crc_matches(packed), "%d to %d", from, to);
            cr_expect_eq(batch_codec(&after), to);
            cr_expect_eq(after.batch_bytes, packed.len);
            cr_expect_eq(after.base_offset, before.base_offset);
            cr_expect_eq(after.base_timestamp, before.base_timestamp);
            cr_expect_eq(after.max_timestamp, before.max_timestamp);
            cr_expect_eq(after.producer_id, 77);
            cr_expect_eq(after.producer_epoch, 3);
            cr_expect_eq(after.base_sequence, 1000);
            cr_expect_eq(after.record_count, RECORDS);
            cr_expect_eq(after.attributes, (uint16_t)to);
            expect_records(&after);
        }
    }
}

Test(batch_pack, of_a_compressed_batch_into_none_is_what_was_compressed) {
    uint8_t *plain = NULL;
    size_t plain_bytes = 0;
    struct bytes batch = make(CODEC_NONE);
    plain = mem_need(&mem, batch.len);
    plain_bytes = batch.len;
    memcpy(plain, batch.ptr, batch.len);
    cr_assert_eq(batch_pack(&packer, &reader, make(CODEC_ZSTD), CODEC_NONE, 0), ST_OK);
    struct bytes packed = octets_bytes(&packer.packed);
    cr_assert_eq(packed.len, plain_bytes);
    cr_expect_eq(memcmp(packed.ptr, plain, plain_bytes), 0);
    mem_free(&mem, plain, plain_bytes);
}

Test(batch_pack, takes_levels) {
    struct bytes batch = make(CODEC_NONE);
    cr_assert_eq(batch_pack(&packer, &reader, batch, CODEC_GZIP, 1), ST_OK);
    size_t fast = packer.packed.len;
    cr_assert_eq(batch_pack(&packer, &reader, batch, CODEC_GZIP, 9), ST_OK);
    cr_expect_lt(packer.packed.len, fast);
}

Test(batch_pack, that_finds_no_memory_says_so) {
    struct bytes batch = make(CODEC_NONE);
    mem.limit_bytes = mem.used_bytes + 100;
    cr_expect_eq(batch_pack(&packer, &reader, batch, CODEC_ZSTD, 3), ST_NOMEM);
    mem.limit_bytes = 0;
    cr_expect_eq(batch_pack(&packer, &reader, batch, CODEC_ZSTD, 3), ST_OK);
}
