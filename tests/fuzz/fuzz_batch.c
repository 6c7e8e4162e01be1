/* tests/fuzz/fuzz_batch.c - record batches and compressed streams from anybody.
 *
 * The first octet says what the rest is: bits 0-2 a codec (1-4: a stream of it; 0 and 5-7: the
 * records of a Produce partition), bits 3-6 the rules. Lengths and checksums of batches are put
 * right first, or hardly any input would get past them. Held to:
 *   - the walker and the iterator, two parsers, agree on every batch about count, times and damage
 *   - igzip and zlib agree about every gzip stream
 *   - what can be read can be written and read again
 *   - memory stays within its limit and nothing leaks; contexts are reused from input to input */
#include <zlib.h>
#include "base/assert.h"
#include "protocol/batch_walk.h"
#include "protocol/crc32c.h"
#include "protocol/record_iter.h"

#define INPUT_BYTES_MAX ((size_t)1 << 16)
#define PLAIN_BYTES_MAX ((size_t)1 << 20)
#define MEMORY_BYTES_MAX ((size_t)160 << 20) /* a zstd window of 128 MiB is allowed */
#define NOW INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mem mem = {.limit_bytes = MEMORY_BYTES_MAX};
static struct batch_scratch scratch;
static struct record_iter iter;
static struct decompressor decompressor;
static struct compressor compressor;
static struct octets plain, again, packed;

static void start(void) {
    batch_scratch_init(&scratch, &mem);
    record_iter_init(&iter, &mem);
    decompressor_init(&decompressor, &mem);
    compressor_init(&compressor, &mem);
    octets_init(&plain, &mem);
    octets_init(&again, &mem);
    octets_init(&packed, &mem);
}

static void stop(void) {
    batch_scratch_release(&scratch);
    record_iter_release(&iter);
    decompressor_release(&decompressor);
    compressor_release(&compressor);
    octets_release(&plain);
    octets_release(&again);
    octets_release(&packed);
    ASSERT(mem.used_bytes == 0);
}

static enum status unpack(enum codec codec, struct bytes in, struct octets *out) {
    out->len = 0;
    enum status st = decompressor_open(&decompressor, codec, in, PLAIN_BYTES_MAX);
    while (st == ST_OK) {
        struct bytes run;
        st = decompressor_next(&decompressor, &run);
        if (st != ST_OK || run.len == 0) break;
        st = octets_add(out, run.ptr, run.len);
    }
    decompressor_close(&decompressor);
    ASSERT(out->len <= PLAIN_BYTES_MAX);
    return st;
}

/* Of a block whose Huffman codes are no complete set, which igzip may take and zlib does not. */
static bool has_incomplete_codes(const z_stream *z) {
    static const char *const said[] = {"invalid code lengths set", "invalid literal/lengths set",
                                       "invalid distances set"};
    for (size_t i = 0; i < COUNT(said); i++) {
        if (z->msg != NULL && strcmp(z->msg, said[i]) == 0) return true;
    }
    return false;
}

/* The same by zlib with a member loop like java.util.zip.GZIPInputStream's. ST_UNSUPPORTED: not to
 * be compared, because zlib alone minds reserved header flags, Java and igzip do not; or because of
 * has_incomplete_codes, which protocol/compress_gzip.c tells of. */
static enum status unpack_by_zlib(struct bytes in, struct octets *out) {
    out->len = 0;
    enum status st = ST_OK;
    do {
        if (in.ptr[3] & 0xe0) return ST_UNSUPPORTED;
        z_stream z = {.next_in = (uint8_t *)(uintptr_t)in.ptr, .avail_in = (unsigned)in.len};
        ASSERT(inflateInit2(&z, MAX_WBITS + 16) == Z_OK);
        int result = Z_OK;
        while (result == Z_OK && st == ST_OK) {
            st = octets_reserve(out, 4096);
            if (st != ST_OK) break;
            z.next_out = out->data + out->len;
            z.avail_out = 4096;
            result = inflate(&z, Z_NO_FLUSH);
            out->len += 4096 - z.avail_out;
            if (out->len > PLAIN_BYTES_MAX) st = ST_TOO_LARGE;
        }
        if (st == ST_OK && result != Z_STREAM_END)
            st = has_incomplete_codes(&z) ? ST_UNSUPPORTED : ST_CORRUPT;
        in.ptr += in.len - z.avail_in;
        in.len = z.avail_in;
        ASSERT(inflateEnd(&z) == Z_OK);
    } while (st == ST_OK && in.len >= 18 && in.ptr[0] == 0x1f && in.ptr[1] == 0x8b &&
             in.ptr[2] == 8);
    return st;
}

static void fuzz_stream(enum codec codec, struct bytes in) {
    enum status st = unpack(codec, in, &plain);
    if (codec == CODEC_GZIP && in.len >= 18) {
        enum status other = unpack_by_zlib(in, &again);
        ASSERT((st == ST_OK) == (other == ST_OK) || other == ST_UNSUPPORTED);
        if (st == ST_OK && other == ST_OK)
            ASSERT(bytes_eq(octets_bytes(&plain), octets_bytes(&again)));
    }
    if (st != ST_OK) return;
    packed.len = 0;
    ASSERT(compressor_open(&compressor, codec, 1, &packed) == ST_OK);
    ASSERT(compressor_add(&compressor, octets_bytes(&plain)) == ST_OK);
    ASSERT(compressor_finish(&compressor) == ST_OK);
    ASSERT(unpack(codec, octets_bytes(&packed), &again) == ST_OK);
    ASSERT(bytes_eq(octets_bytes(&plain), octets_bytes(&again)));
}

/* Kinds of damage that both parsers must see; all else is a matter of the rules. */
static bool is_damage(enum batch_fault fault) {
    return fault == BATCH_STREAM || fault == BATCH_PLAIN_TOO_LARGE || fault == BATCH_RECORD_SHAPE ||
           fault == BATCH_RECORDS_SHORT || fault == BATCH_RECORDS_LEFT || fault == BATCH_CODEC;
}

static void iterate(struct bytes batch, enum batch_fault fault, const struct batch_report *report) {
    struct batch_view view;
    if (batch_open(batch, &view) != ST_OK || view.record_count <= 0) return;
    int64_t max_timestamp = NO_TIMESTAMP;
    int32_t count = 0;
    record_iter_open(&iter, &view, PLAIN_BYTES_MAX);
    struct record record;
    while (record_iter_next(&iter, &record)) {
        count++;
        if (!batch_is_log_append_time(&view)) max_timestamp = MAX(max_timestamp, record.timestamp);
        struct record_header header;
        struct bytes headers = record.headers;
        int32_t headers_seen = 0;
        while (record_next_header(&headers, &header)) headers_seen++;
        ASSERT(headers_seen == record.header_count);
    }
    ASSERT((iter.status == ST_OK) == !is_damage(fault));
    if (iter.status == ST_OK) {
        ASSERT(count == view.record_count);
        ASSERT(batch_is_log_append_time(&view) || max_timestamp == report->max_timestamp);
        ASSERT(iter.stream.produced_bytes == report->plain_bytes);
    }
    record_iter_close(&iter);
}

static void fuzz_batch(unsigned flags, struct bytes in) {
    static uint8_t copy[INPUT_BYTES_MAX];
    memcpy(copy, in.ptr, in.len);
    struct bytes batch, records = {copy, in.len};
    if (in.len >= BATCH_HEADER_BYTES && !(flags & 8)) {
        put_u32(copy + BATCH_AT_LENGTH, (uint32_t)in.len - BATCH_OVERHEAD_BYTES);
        copy[BATCH_AT_MAGIC] = BATCH_MAGIC;
        put_u32(copy + BATCH_AT_CRC,
                crc32c(0, copy + BATCH_AT_ATTRIBUTES, in.len - BATCH_AT_ATTRIBUTES));
    }
    if (batch_single(records, &batch) != BATCH_OK) return;
    struct batch_rules rules = {
        .from_client = true,
        .compacted = flags & 1,
        .log_append_time = flags & 2,
        .now_ms = NOW,
        .timestamp_before_max_ms = flags & 4 ? 3600000 : INT64_MAX,
        .timestamp_after_max_ms = flags & 4 ? 3600000 : INT64_MAX,
        .batch_bytes_max = 50000,
        .plain_bytes_max = PLAIN_BYTES_MAX,
    };
    struct batch_report report;
    enum batch_fault fault = batch_walk(batch, &rules, &scratch, &report);
    ASSERT((fault == BATCH_OK) == (batch_fault_error(fault) == 0));
    ASSERT(batch_fault_lists_records(fault) == (report.error_count > 0) || is_damage(fault) ||
           fault == BATCH_OFFSET_DELTA);
    if (batch_fault_lists_records(fault)) {
        struct strbuf text;
        strbuf_init(&text, &mem);
        batch_errors_text(&text, fault, &report, &rules, STR("topic"), 0);
        ASSERT(text.len > 0);
        strbuf_release(&text);
    }
    rules = (struct batch_rules){.timestamp_before_max_ms = INT64_MAX,
                                 .timestamp_after_max_ms = INT64_MAX,
                                 .plain_bytes_max = PLAIN_BYTES_MAX};
    if (!batch_crc_matches(batch)) return;
    fault = batch_walk(batch, &rules, &scratch, &report);
    iterate(batch, fault, &report);
    batch_stamp(copy, 77, 1);
    ASSERT(batch_crc_matches(batch));
    batch_set_log_append_time(copy, NOW);
    ASSERT(batch_crc_matches(batch));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned runs;
    if (size < 1 || size > INPUT_BYTES_MAX) return 0;
    if (scratch.decompressor.mem == NULL) start();
    struct bytes in = {data + 1, size - 1};
    unsigned codec = data[0] & 7;
    if (codec >= CODEC_GZIP && codec < CODEC_COUNT) {
        fuzz_stream((enum codec)codec, in);
    } else {
        fuzz_batch(data[0] >> 3, in);
    }
    if (++runs % 64 == 0) {
        stop();
        start();
    }
    return 0;
}
