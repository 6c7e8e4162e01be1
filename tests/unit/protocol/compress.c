/* tests/unit/protocol/compress.c - every codec: round trips, bounds, damage, memory, and the forms
 * that only foreign writers make. */
#include "protocol/compress.h"
#include <criterion/criterion.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include "base/prng.h"

static const enum codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};
#define NAME(codec) STR_ARG(codec_name(codec))

/* Half text that compresses, half noise that does not. */
static void fill(uint8_t *out, size_t len, uint64_t seed) {
    struct prng prng;
    prng_seed(&prng, seed);
    for (size_t i = 0; i < len; i++) {
        out[i] = i / 5000 % 2 == 0 ? (uint8_t)('a' + i % 23) : (uint8_t)prng_next(&prng);
    }
}

static enum status pack(struct compressor *c, enum codec codec, int32_t level, struct bytes plain,
                        size_t step, struct octets *out) {
    out->len = 0;
    enum status st = compressor_open(c, codec, level, out);
    for (size_t at = 0; at < plain.len && st == ST_OK; at += step) {
        st = compressor_add(c, (struct bytes){plain.ptr + at, MIN(step, plain.len - at)});
    }
    return st == ST_OK ? compressor_finish(c) : st;
}

static enum status unpack(struct decompressor *d, enum codec codec, struct bytes in, size_t limit,
                          struct octets *out) {
    out->len = 0;
    enum status st = decompressor_open(d, codec, in, limit);
    while (st == ST_OK) {
        struct bytes run;
        st = decompressor_next(d, &run);
        if (st != ST_OK || run.len == 0) break;
        st = octets_add(out, run.ptr, run.len);
    }
    decompressor_close(d);
    return st;
}

struct fixture {
    struct mem mem;
    struct compressor c;
    struct decompressor d;
    struct octets packed, plain;
};

static void start(struct fixture *f) {
    *f = (struct fixture){0};
    compressor_init(&f->c, &f->mem);
    decompressor_init(&f->d, &f->mem);
    octets_init(&f->packed, &f->mem);
    octets_init(&f->plain, &f->mem);
}

static void stop(struct fixture *f) {
    compressor_release(&f->c);
    decompressor_release(&f->d);
    octets_release(&f->packed);
    octets_release(&f->plain);
    cr_expect_eq(f->mem.used_bytes, 0, "%zu octets leaked", f->mem.used_bytes);
}

Test(compress, names_are_kafkas) {
    for (size_t i = 0; i < COUNT(codecs); i++) {
        enum codec codec = CODEC_COUNT;
        cr_expect(codec_parse(codec_name(codecs[i]), &codec));
        cr_expect_eq(codec, codecs[i]);
    }
    enum codec codec;
    cr_expect_not(codec_parse(STR("GZIP"), &codec));
    cr_expect_not(codec_parse(STR(""), &codec));
}

Test(compress, every_codec_gives_back_what_it_was_given) {
    static const size_t sizes[] = {0, 1, 61, 32767, 32768, 32769, 65535, 65536, 65537, 1000000};
    static uint8_t data[1000000];
    fill(data, sizeof data, 1);
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(codecs); i++) {
        for (size_t k = 0; k < COUNT(sizes); k++) {
            struct bytes in = {data, sizes[k]};
            enum status st = pack(&f.c, codecs[i], COMPRESS_LEVEL_DEFAULT, in, 777, &f.packed);
            cr_assert_eq(st, ST_OK, "%.*s %zu: %s", NAME(codecs[i]), sizes[k], status_name(st));
            if (codecs[i] == CODEC_SNAPPY && sizes[k] == 0) cr_expect_eq(f.packed.len, 16);
            st = unpack(&f.d, codecs[i], octets_bytes(&f.packed), 0, &f.plain);
            cr_assert_eq(st, ST_OK, "%.*s %zu: %s", NAME(codecs[i]), sizes[k], status_name(st));
            cr_expect(bytes_eq(octets_bytes(&f.plain), in), "%.*s %zu", NAME(codecs[i]), sizes[k]);
        }
    }
    stop(&f);
}

Test(compress, takes_every_level_and_clamps_the_rest) {
    static uint8_t data[70000];
    fill(data, sizeof data, 2);
    struct fixture f;
    start(&f);
    for (size_t i = 1; i < COUNT(codecs); i++) {
        struct codec_levels range = codec_levels(codecs[i]);
        int32_t levels[] = {range.min, range.initial, range.max, INT32_MAX, range.min - 1, -5, 2,
                            7};
        for (size_t k = 0; k < COUNT(levels); k++) {
            struct bytes in = {data, sizeof data};
            enum status st = pack(&f.c, codecs[i], levels[k], in, sizeof data, &f.packed);
            cr_assert_eq(st, ST_OK, "%.*s level %d: %s", NAME(codecs[i]), levels[k],
                         status_name(st));
            st = unpack(&f.d, codecs[i], octets_bytes(&f.packed), 0, &f.plain);
            cr_expect_eq(st, ST_OK, "%.*s level %d: %s", NAME(codecs[i]), levels[k],
                         status_name(st));
            cr_expect(bytes_eq(octets_bytes(&f.plain), in), "%.*s level %d", NAME(codecs[i]),
                      levels[k]);
        }
    }
    stop(&f);
}

Test(compress, a_higher_level_packs_tighter) {
    static uint8_t data[200000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)("kafka record batch "[(i * i >> 7) % 19]);
    struct fixture f;
    start(&f);
    static const struct {
        enum codec codec;
        int32_t low, high;
    } rows[] = {{CODEC_GZIP, 1, 9}, {CODEC_LZ4, 9, 17}, {CODEC_ZSTD, -100, 19}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes in = {data, sizeof data};
        cr_assert_eq(pack(&f.c, rows[i].codec, rows[i].low, in, 4096, &f.packed), ST_OK);
        size_t low_bytes = f.packed.len;
        cr_assert_eq(pack(&f.c, rows[i].codec, rows[i].high, in, 4096, &f.packed), ST_OK);
        cr_expect_lt(f.packed.len, low_bytes, "%.*s", NAME(rows[i].codec));
    }
    stop(&f);
}

Test(compress, the_output_limit_holds_at_one_less_exactly_and_one_more) {
    static uint8_t data[200000];
    fill(data, sizeof data, 3);
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(codecs); i++) {
        struct bytes in = {data, sizeof data};
        cr_assert_eq(pack(&f.c, codecs[i], COMPRESS_LEVEL_DEFAULT, in, 9999, &f.packed), ST_OK);
        static const struct {
            int off;
            enum status want;
        } rows[] = {{-1, ST_TOO_LARGE}, {0, ST_OK}, {1, ST_OK}};
        for (size_t k = 0; k < COUNT(rows); k++) {
            size_t limit = sizeof data + (size_t)rows[k].off;
            enum status st = unpack(&f.d, codecs[i], octets_bytes(&f.packed), limit, &f.plain);
            cr_expect_eq(st, rows[k].want, "%.*s %+d: %s", NAME(codecs[i]), rows[k].off,
                         status_name(st));
        }
        enum status st = unpack(&f.d, codecs[i], octets_bytes(&f.packed), 1, &f.plain);
        cr_expect_eq(st, ST_TOO_LARGE, "%.*s limit 1: %s", NAME(codecs[i]), status_name(st));
    }
    stop(&f);
}

Test(compress, a_bomb_costs_no_more_memory_than_a_window) {
    size_t plain_bytes = (size_t)64 << 20;
    struct fixture f;
    start(&f);
    static const uint8_t zeros[65536];
    for (size_t i = 1; i < COUNT(codecs); i++) {
        f.packed.len = 0;
        cr_assert_eq(compressor_open(&f.c, codecs[i], COMPRESS_LEVEL_DEFAULT, &f.packed), ST_OK);
        for (size_t n = 0; n < plain_bytes; n += sizeof zeros) {
            cr_assert_eq(compressor_add(&f.c, (struct bytes){zeros, sizeof zeros}), ST_OK);
        }
        cr_assert_eq(compressor_finish(&f.c), ST_OK);
        struct mem mem = {.limit_bytes = (size_t)4 << 20};
        struct decompressor d;
        decompressor_init(&d, &mem);
        cr_assert_eq(decompressor_open(&d, codecs[i], octets_bytes(&f.packed), (size_t)16 << 20),
                     ST_OK);
        enum status st;
        struct bytes run;
        do st = decompressor_next(&d, &run);
        while (st == ST_OK && run.len > 0);
        cr_expect_eq(st, ST_TOO_LARGE, "%.*s: %s", NAME(codecs[i]), status_name(st));
        cr_expect_leq(d.produced_bytes, (size_t)16 << 20);
        decompressor_close(&d);
        decompressor_release(&d);
        cr_expect_eq(mem.used_bytes, 0);
    }
    stop(&f);
}

Test(compress, after_warm_up_a_stream_allocates_nothing) {
    static uint8_t data[300000];
    fill(data, sizeof data, 4);
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(codecs); i++) {
        struct bytes in = {data, sizeof data};
        uint64_t before = 0;
        for (int round = 0; round < 4; round++) {
            if (round == 2) before = f.mem.alloc_count;
            cr_assert_eq(pack(&f.c, codecs[i], COMPRESS_LEVEL_DEFAULT, in, 1000, &f.packed), ST_OK);
            cr_assert_eq(unpack(&f.d, codecs[i], octets_bytes(&f.packed), 0, &f.plain), ST_OK);
        }
        cr_expect_eq(f.mem.alloc_count, before, "%.*s: %lu more", NAME(codecs[i]),
                     f.mem.alloc_count - before);
    }
    stop(&f);
}

Test(compress, a_cut_stream_is_corrupt_at_every_length) {
    static uint8_t data[3000];
    fill(data, sizeof data, 5);
    struct fixture f;
    start(&f);
    for (size_t i = 1; i < COUNT(codecs); i++) {
        struct bytes in = {data, sizeof data};
        cr_assert_eq(pack(&f.c, codecs[i], COMPRESS_LEVEL_DEFAULT, in, 500, &f.packed), ST_OK);
        for (size_t len = 0; len < f.packed.len; len += len < 64 ? 1 : 61) {
            enum status st =
                unpack(&f.d, codecs[i], (struct bytes){f.packed.data, len}, 0, &f.plain);
            /* A zstd stream of no frames and a snappy stream of no chunks are empty; a torn chunk
             * length is not seen. */
            bool empty = (codecs[i] == CODEC_ZSTD && len == 0) ||
                         (codecs[i] == CODEC_SNAPPY && len >= 16 && len < 20);
            if (empty) {
                cr_expect(st == ST_OK && f.plain.len == 0, "%.*s cut at %zu", NAME(codecs[i]), len);
            } else {
                cr_expect_eq(st, ST_CORRUPT, "%.*s cut at %zu: %s", NAME(codecs[i]), len,
                             status_name(st));
            }
        }
    }
    stop(&f);
}

Test(compress, an_unknown_codec_is_unsupported) {
    struct fixture f;
    start(&f);
    for (int codec = CODEC_COUNT; codec < 8; codec++) {
        cr_expect_eq(
            decompressor_open(&f.d, (enum codec)codec, (struct bytes){(const uint8_t *)"x", 1}, 0),
            ST_UNSUPPORTED);
        cr_expect_eq(compressor_open(&f.c, (enum codec)codec, 1, &f.packed), ST_UNSUPPORTED);
    }
    stop(&f);
}

static size_t zlib_member(uint8_t *out, size_t room, const char *text) {
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)text, .avail_in = (unsigned)strlen(text)};
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
    gz_header header = {.name = (Bytef *)(uintptr_t) "name",
                        .comment = (Bytef *)(uintptr_t) "comment",
                        .hcrc = 1,
                        .time = 9,
                        .extra = (Bytef *)(uintptr_t) "ex",
                        .extra_len = 2};
    cr_assert_eq(deflateSetHeader(&z, &header), Z_OK);
    z.next_out = out;
    z.avail_out = (unsigned)room;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    deflateEnd(&z);
    return len;
}

Test(compress,
     gzip_reads_members_with_all_header_fields_one_after_the_other_and_ignores_what_follows) {
    uint8_t in[500];
    size_t len = zlib_member(in, sizeof in, "first, ");
    len += zlib_member(in + len, sizeof in - len, "");
    len += zlib_member(in + len, sizeof in - len, "second");
    struct fixture f;
    start(&f);
    static const char tail[] = "neither gzip nor anything else at all";
    for (size_t extra = 0; extra < sizeof tail; extra++) {
        memcpy(in + len, tail, extra);
        enum status st = unpack(&f.d, CODEC_GZIP, (struct bytes){in, len + extra}, 0, &f.plain);
        cr_expect_eq(st, ST_OK, "%zu behind: %s", extra, status_name(st));
        cr_expect(
            bytes_eq(octets_bytes(&f.plain), (struct bytes){(const uint8_t *)"first, second", 13}),
            "%zu behind", extra);
    }
    in[len - 8] ^= 1;
    cr_expect_eq(unpack(&f.d, CODEC_GZIP, (struct bytes){in, len}, 0, &f.plain), ST_CORRUPT,
                 "checksum");
    stop(&f);
}

Test(compress, snappy_reads_a_bare_block_and_joined_xerial_streams) {
    static uint8_t data[200000];
    fill(data, sizeof data, 6);
    struct fixture f;
    start(&f);
    cr_assert_eq(octets_reserve(&f.packed, snappy_max_compressed_length(sizeof data)), ST_OK);
    size_t len = f.packed.capacity;
    cr_assert_eq(snappy_compress((const char *)data, sizeof data, (char *)f.packed.data, &len),
                 SNAPPY_OK);
    cr_expect_eq(unpack(&f.d, CODEC_SNAPPY, (struct bytes){f.packed.data, len}, 0, &f.plain),
                 ST_OK);
    cr_expect(bytes_eq(octets_bytes(&f.plain), (struct bytes){data, sizeof data}), "bare block");

    f.packed.len = 0;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(compressor_open(&f.c, CODEC_SNAPPY, 0, &f.packed), ST_OK);
        cr_assert_eq(compressor_add(&f.c, (struct bytes){data, 40000}), ST_OK);
        cr_assert_eq(compressor_finish(&f.c), ST_OK);
    }
    cr_expect_eq(unpack(&f.d, CODEC_SNAPPY, octets_bytes(&f.packed), 0, &f.plain), ST_OK);
    cr_expect_eq(f.plain.len, 80000);
    stop(&f);
}

Test(compress, snappy_believes_no_declared_length) {
    static const struct {
        const char *name;
        uint8_t in[24];
        size_t len;
        enum status want;
    } rows[] = {
        {"bare block of 4 GiB", {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00}, 6, ST_CORRUPT},
        {"chunk beyond the input",
         {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0},
         21,
         ST_CORRUPT},
        {"negative chunk",
         {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0},
         21,
         ST_CORRUPT},
        {"version 0",
         {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 0, 0, 0, 0, 1},
         16,
         ST_CORRUPT},
        {"no octets", {0}, 0, ST_CORRUPT},
        {"no chunks", {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}, 16, ST_OK},
    };
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum status st =
            unpack(&f.d, CODEC_SNAPPY, (struct bytes){rows[i].in, rows[i].len}, 0, &f.plain);
        cr_expect_eq(st, rows[i].want, "%s: %s", rows[i].name, status_name(st));
        cr_expect_leq(f.mem.peak_bytes, 2 * COMPRESS_WINDOW_BYTES, "%s", rows[i].name);
    }
    stop(&f);
}

Test(compress, lz4_takes_what_kafkas_reader_takes) {
    static uint8_t data[300000];
    fill(data, sizeof data, 7);
    static const struct {
        const char *name;
        LZ4F_frameInfo_t info;
        enum status want;
    } rows[] = {
        {"64 KiB blocks", {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}, ST_OK},
        {"4 MiB blocks", {.blockSizeID = LZ4F_max4MB, .blockMode = LZ4F_blockIndependent}, ST_OK},
        {"block checksums",
         {.blockSizeID = LZ4F_max256KB,
          .blockMode = LZ4F_blockIndependent,
          .blockChecksumFlag = LZ4F_blockChecksumEnabled},
         ST_OK},
        {"content checksum",
         {.blockMode = LZ4F_blockIndependent, .contentChecksumFlag = LZ4F_contentChecksumEnabled},
         ST_OK},
        {"content size", {.blockMode = LZ4F_blockIndependent, .contentSize = sizeof data}, ST_OK},
        {"linked blocks", {.blockMode = LZ4F_blockLinked}, ST_CORRUPT},
        {"dictionary id", {.blockMode = LZ4F_blockIndependent, .dictID = 5}, ST_CORRUPT},
    };
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        LZ4F_preferences_t prefs = {.frameInfo = rows[i].info};
        f.packed.len = 0;
        cr_assert_eq(octets_reserve(&f.packed, LZ4F_compressFrameBound(sizeof data, &prefs) + 10),
                     ST_OK);
        f.packed.len =
            LZ4F_compressFrame(f.packed.data, f.packed.capacity, data, sizeof data, &prefs);
        enum status st = unpack(&f.d, CODEC_LZ4, octets_bytes(&f.packed), 0, &f.plain);
        cr_expect_eq(st, rows[i].want, "%s: %s", rows[i].name, status_name(st));
        if (st != ST_OK) continue;
        cr_expect(bytes_eq(octets_bytes(&f.plain), (struct bytes){data, sizeof data}), "%s",
                  rows[i].name);
        cr_assert_eq(octets_add(&f.packed, "behind", 6), ST_OK);
        cr_expect_eq(unpack(&f.d, CODEC_LZ4, octets_bytes(&f.packed), 0, &f.plain), ST_OK, "%s",
                     rows[i].name);
        f.packed.data[6] ^= 1;
        if (rows[i].info.contentSize == 0) {
            cr_expect_eq(unpack(&f.d, CODEC_LZ4, octets_bytes(&f.packed), 0, &f.plain), ST_CORRUPT,
                         "header checksum");
        }
    }
    stop(&f);
}

Test(compress, zstd_reads_frames_one_after_the_other_and_bounds_the_window) {
    static uint8_t data[100000];
    fill(data, sizeof data, 8);
    struct fixture f;
    start(&f);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(octets_reserve(&f.packed, ZSTD_compressBound(sizeof data)), ST_OK);
        f.packed.len += ZSTD_compress(f.packed.data + f.packed.len,
                                      f.packed.capacity - f.packed.len, data, sizeof data, 1);
    }
    cr_expect_eq(unpack(&f.d, CODEC_ZSTD, octets_bytes(&f.packed), 0, &f.plain), ST_OK);
    cr_expect_eq(f.plain.len, 2 * sizeof data);
    cr_assert_eq(octets_add(&f.packed, "behind", 6), ST_OK);
    cr_expect_eq(unpack(&f.d, CODEC_ZSTD, octets_bytes(&f.packed), 0, &f.plain), ST_CORRUPT);

    /* Frame header: magic, descriptor 0, window octet; then one raw block of one octet, the last.
     */
    uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0, 0x09, 0x00, 0x00, 'x'};
    static const struct {
        int window_log;
        enum status want;
    } rows[] = {{10, ST_OK},
                {21, ST_OK},
                {COMPRESS_ZSTD_WINDOW_LOG_MAX, ST_OK},
                {COMPRESS_ZSTD_WINDOW_LOG_MAX + 1, ST_CORRUPT},
                {41, ST_CORRUPT}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        frame[5] = (uint8_t)((rows[i].window_log - 10) << 3);
        enum status st = unpack(&f.d, CODEC_ZSTD, (struct bytes){frame, sizeof frame}, 0, &f.plain);
        cr_expect_eq(st, rows[i].want, "window 2^%d: %s", rows[i].window_log, status_name(st));
        cr_expect_leq(f.mem.used_bytes, 2 * COMPRESS_KEEP_BYTES, "window 2^%d is given back",
                      rows[i].window_log);
    }
    stop(&f);
}

Test(compress, a_refused_allocation_is_a_status_and_leaves_nothing_behind) {
    static uint8_t data[100000];
    fill(data, sizeof data, 9);
    struct fixture f;
    start(&f);
    for (size_t i = 1; i < COUNT(codecs); i++) {
        cr_assert_eq(pack(&f.c, codecs[i], COMPRESS_LEVEL_DEFAULT,
                          (struct bytes){data, sizeof data}, 5000, &f.packed),
                     ST_OK);
        int refused[2] = {0};
        for (size_t limit = 1; limit < (size_t)16 << 20; limit = limit * 3 / 2 + 1) {
            struct mem mem = {.limit_bytes = limit};
            struct decompressor d;
            decompressor_init(&d, &mem);
            enum status st = decompressor_open(&d, codecs[i], octets_bytes(&f.packed), 0);
            struct bytes run = {NULL, 1};
            while (st == ST_OK && run.len > 0) st = decompressor_next(&d, &run);
            cr_expect(st == ST_OK || st == ST_NOMEM, "read %.*s limit %zu: %s", NAME(codecs[i]),
                      limit, status_name(st));
            refused[0] += st == ST_NOMEM;
            decompressor_close(&d);
            decompressor_release(&d);
            cr_expect_eq(mem.used_bytes, 0);

            struct compressor c;
            struct octets out;
            compressor_init(&c, &mem);
            octets_init(&out, &mem);
            st = pack(&c, codecs[i], COMPRESS_LEVEL_DEFAULT, (struct bytes){data, sizeof data},
                      5000, &out);
            cr_expect(st == ST_OK || st == ST_NOMEM, "write %.*s limit %zu: %s", NAME(codecs[i]),
                      limit, status_name(st));
            refused[1] += st == ST_NOMEM;
            compressor_release(&c);
            octets_release(&out);
            cr_expect_eq(mem.used_bytes, 0, "write %.*s limit %zu", NAME(codecs[i]), limit);
        }
        cr_expect(refused[0] > 0 && refused[1] > 0, "%.*s", NAME(codecs[i]));
    }
    stop(&f);
}
