/* tests/unit/protocol/batch_builder.c - and, with it, record_iter: what goes in comes out. */
#include "protocol/batch_builder.h"
#include <criterion/criterion.h>
#include "base/prng.h"
#include "protocol/record_iter.h"

static const enum codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};

struct fixture {
    struct mem mem;
    struct batch_builder builder;
    struct record_iter iter;
};

static void start(struct fixture *f) {
    *f = (struct fixture){0};
    batch_builder_init(&f->builder, &f->mem);
    record_iter_init(&f->iter, &f->mem);
}

static void stop(struct fixture *f) {
    batch_builder_release(&f->builder);
    record_iter_release(&f->iter);
    cr_expect_eq(f->mem.used_bytes, 0, "%zu octets leaked", f->mem.used_bytes);
}

static void begin(struct fixture *f, enum codec codec) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = 1000;
    options.codec = codec;
    cr_assert_eq(batch_builder_start(&f->builder, &options), ST_OK);
}

static struct batch_view finish(struct fixture *f) {
    struct bytes batch;
    struct batch_view v;
    cr_assert_eq(batch_builder_finish(&f->builder, &batch), ST_OK);
    cr_assert_eq(batch_open(batch, &v), ST_OK);
    cr_expect(batch_crc_matches(batch));
    return v;
}

/* Octets of a length that is mostly small, at times larger than a window; null now and then. */
static struct bytes some(struct prng *prng) {
    static uint8_t pool[300000];
    for (size_t i = 0; pool[1] == 0 && i < sizeof pool; i++) pool[i] = (uint8_t)(i * i >> 9);
    pool[1] = 1;
    if (prng_chance(prng, 1, 8)) return BYTES_NULL;
    size_t len = prng_chance(prng, 1, 40) ? prng_below(prng, 200000) : prng_below(prng, 100);
    return (struct bytes){pool + prng_below(prng, sizeof pool - len), len};
}

static void some_record(struct prng *prng, struct record *r, struct record_header headers[3]) {
    r->key = some(prng);
    r->value = some(prng);
    r->timestamp = (int64_t)prng_next(prng) >> prng_below(prng, 64);
    r->header_count = (int32_t)prng_below(prng, 4);
    for (int32_t i = 0; i < r->header_count; i++) {
        struct bytes key = some(prng);
        if (key.ptr == NULL) key = (struct bytes){(const uint8_t *)"", 0};
        headers[i] = (struct record_header){{(const char *)key.ptr, key.len}, some(prng)};
    }
}

Test(batch_builder, what_goes_in_comes_out_in_every_codec) {
    struct fixture f;
    start(&f);
    for (uint64_t seed = 0; seed < 60; seed++) {
        enum codec codec = codecs[seed % COUNT(codecs)];
        struct prng prng;
        prng_seed(&prng, seed);
        begin(&f, codec);
        struct record want, got;
        struct record_header headers[3], header;
        int64_t count = 1 + (int64_t)prng_below(&prng, 60);
        for (int64_t i = 0; i < count; i++) {
            some_record(&prng, &want, headers);
            cr_assert_eq(batch_builder_add(&f.builder, want.timestamp, want.key, want.value,
                                           headers, want.header_count),
                         ST_OK);
        }
        struct batch_view v = finish(&f);
        cr_expect_eq(v.record_count, count);
        prng_seed(&prng, seed);
        (void)prng_below(&prng, 60); /* the count again */
        record_iter_open(&f.iter, &v, 0);
        for (int64_t i = 0; i < count; i++) {
            some_record(&prng, &want, headers);
            cr_assert(record_iter_next(&f.iter, &got), "seed %lu record %ld: %s", seed, i,
                      status_name(f.iter.status));
            cr_expect_eq(got.offset, 1000 + i);
            cr_expect_eq(got.timestamp, want.timestamp, "seed %lu record %ld", seed, i);
            cr_expect(bytes_eq(got.key, want.key), "seed %lu record %ld", seed, i);
            cr_expect(bytes_eq(got.value, want.value), "seed %lu record %ld", seed, i);
            cr_assert_eq(got.header_count, want.header_count);
            for (int32_t k = 0; k < want.header_count; k++) {
                cr_assert(record_next_header(&got.headers, &header));
                cr_expect(str_eq(header.key, headers[k].key), "seed %lu record %ld", seed, i);
                cr_expect(bytes_eq(header.value, headers[k].value), "seed %lu record %ld", seed, i);
            }
        }
        cr_expect_not(record_iter_next(&f.iter, &got));
        cr_expect_eq(f.iter.status, ST_OK);
        cr_expect_not(record_iter_next(&f.iter, &got), "the end stays the end");
        record_iter_close(&f.iter);
    }
    stop(&f);
}

Test(batch_builder, keeps_gaps_between_offsets_and_an_end_beyond_the_last_record) {
    struct fixture f;
    start(&f);
    begin(&f, CODEC_NONE);
    static const int64_t offsets[] = {1003, 1004, 1017};
    for (size_t i = 0; i < COUNT(offsets); i++) {
        cr_assert_eq(
            batch_builder_add_at(&f.builder, offsets[i], 5, BYTES_NULL, BYTES_NULL, NULL, 0),
            ST_OK);
    }
    batch_builder_set_last_offset(&f.builder, 1020);
    struct batch_view v = finish(&f);
    cr_expect_eq(v.base_offset, 1000);
    cr_expect_eq(batch_last_offset(&v), 1020);
    record_iter_open(&f.iter, &v, 0);
    struct record r;
    for (size_t i = 0; i < COUNT(offsets); i++) {
        cr_assert(record_iter_next(&f.iter, &r));
        cr_expect_eq(r.offset, offsets[i]);
    }
    cr_expect_not(record_iter_next(&f.iter, &r));
    cr_expect_eq(f.iter.status, ST_OK);
    record_iter_close(&f.iter);
    stop(&f);
}

Test(batch_builder, without_records_makes_what_compaction_leaves_of_a_producer) {
    struct fixture f;
    start(&f);
    begin(&f, CODEC_NONE);
    batch_builder_set_last_offset(&f.builder, 1004);
    struct batch_view v = finish(&f);
    cr_expect_eq(v.batch_bytes, BATCH_HEADER_BYTES);
    cr_expect_eq(v.base_timestamp, -1);
    cr_expect_eq(v.max_timestamp, -1);
    cr_expect_eq(batch_next_offset(&v), 1005);
    record_iter_open(&f.iter, &v, 0);
    struct record r;
    cr_expect_not(record_iter_next(&f.iter, &r));
    cr_expect_eq(f.iter.status, ST_OK);
    record_iter_close(&f.iter);
    stop(&f);
}

Test(batch_builder, record_times_give_way_to_the_log_append_time) {
    struct fixture f;
    start(&f);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.log_append_time_ms = 777;
    cr_assert_eq(batch_builder_start(&f.builder, &options), ST_OK);
    cr_assert_eq(batch_builder_add(&f.builder, 5, BYTES_NULL, BYTES_NULL, NULL, 0), ST_OK);
    struct batch_view v = finish(&f);
    cr_expect(batch_is_log_append_time(&v));
    cr_expect_eq(v.base_timestamp, 5);
    cr_expect_eq(v.max_timestamp, 777);
    record_iter_open(&f.iter, &v, 0);
    struct record r;
    cr_assert(record_iter_next(&f.iter, &r));
    cr_expect_eq(r.timestamp, 777);
    record_iter_close(&f.iter);
    stop(&f);
}

Test(record_iter, says_corrupt_when_header_and_records_disagree) {
    static const struct {
        const char *name;
        int32_t count;
        size_t len_off;
        int32_t good;
    } rows[] = {
        {"one more counted", 4, 0, 3},
        {"one less counted", 2, 0, 2},
        {"counted none", 0, 0, 0},
        {"counted below none", -1, 0, 0},
        {"cut", 3, 1, 2},
    };
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(&f, CODEC_NONE);
        for (int k = 0; k < 3; k++) {
            cr_assert_eq(batch_builder_add(&f.builder, 5, BYTES_NULL, BYTES_NULL, NULL, 0), ST_OK);
        }
        struct batch_view v = finish(&f);
        v.record_count = rows[i].count;
        v.records.len -= rows[i].len_off;
        record_iter_open(&f.iter, &v, 0);
        struct record r;
        int32_t good = 0;
        while (record_iter_next(&f.iter, &r)) good++;
        cr_expect_eq(f.iter.status, ST_CORRUPT, "%s: %s", rows[i].name, status_name(f.iter.status));
        cr_expect_eq(good, rows[i].good, "%s: %d", rows[i].name, good);
        record_iter_close(&f.iter);
    }
    stop(&f);
}

Test(record_iter, its_limit_holds_for_what_is_decompressed) {
    struct fixture f;
    start(&f);
    static uint8_t zeros[1 << 20];
    for (size_t c = 0; c < COUNT(codecs); c++) {
        begin(&f, codecs[c]);
        struct bytes value = {zeros, sizeof zeros};
        cr_assert_eq(batch_builder_add(&f.builder, 5, BYTES_NULL, value, NULL, 0), ST_OK);
        struct batch_view v = finish(&f);
        record_iter_open(&f.iter, &v, sizeof zeros);
        struct record r;
        cr_expect_not(record_iter_next(&f.iter, &r));
        cr_expect_eq(f.iter.status, ST_TOO_LARGE, "codec %u: %s", codecs[c],
                     status_name(f.iter.status));
        record_iter_close(&f.iter);
        record_iter_open(&f.iter, &v, sizeof zeros + 20);
        cr_expect(record_iter_next(&f.iter, &r));
        record_iter_close(&f.iter);
    }
    stop(&f);
}

Test(record_iter, a_declared_length_allocates_nothing) {
    struct fixture f;
    start(&f);
    begin(&f, CODEC_NONE);
    cr_assert_eq(batch_builder_add(&f.builder, 5, BYTES_NULL, BYTES_NULL, NULL, 0), ST_OK);
    struct batch_view v = finish(&f);
    static const uint8_t huge[] = {0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0};
    v.records = (struct bytes){huge, sizeof huge};
    record_iter_open(&f.iter, &v, 0);
    struct record r;
    cr_expect_not(record_iter_next(&f.iter, &r));
    cr_expect_eq(f.iter.status, ST_CORRUPT);
    cr_expect_leq(f.iter.gathered.capacity, 1000);
    record_iter_close(&f.iter);
    stop(&f);
}

Test(record_iter, after_warm_up_allocates_nothing) {
    struct fixture f;
    start(&f);
    static uint8_t value[1000];
    for (size_t c = 0; c < COUNT(codecs); c++) {
        uint64_t before = 0;
        for (int round = 0; round < 4; round++) {
            if (round == 2) before = f.mem.alloc_count;
            begin(&f, codecs[c]);
            for (int i = 0; i < 300; i++) {
                struct bytes v = {value, sizeof value};
                cr_assert_eq(batch_builder_add(&f.builder, 5, BYTES_NULL, v, NULL, 0), ST_OK);
            }
            struct batch_view v = finish(&f);
            record_iter_open(&f.iter, &v, 0);
            struct record r;
            while (record_iter_next(&f.iter, &r)) continue;
            cr_expect_eq(f.iter.status, ST_OK);
            record_iter_close(&f.iter);
        }
        cr_expect_eq(f.mem.alloc_count, before, "codec %u", codecs[c]);
    }
    stop(&f);
}
