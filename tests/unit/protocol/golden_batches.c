/* tests/unit/protocol/golden_batches.c - every batch of tests/golden/batches, written by Apache
 * Kafka, read as Kafka's own kafka-dump-log reads it, and made again octet for octet.
 * tests/golden/make_batches.py describes the files. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <zlib.h>
#include "protocol/batch_builder.h"
#include "protocol/batch_walk.h"
#include "protocol/record_iter.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define HEADERS_MAX 8

static const char *const names[] = {"none",  "gzip",        "snappy",      "lz4",      "zstd",
                                    "level", "append-time", "transaction", "compacted"};

struct golden {
    const char *name;
    uint8_t octets[FILE_BYTES_MAX];
    size_t len;
    FILE *index;
    char line[1000]; /* the current one of the index; empty at its end */
    struct mem mem;
    struct record_iter iter;
    struct batch_builder builder, packer;
    struct batch_scratch scratch;
};

static void next_line(struct golden *g) {
    if (fgets(g->line, sizeof g->line, g->index) == NULL) g->line[0] = '\0';
    g->line[strcspn(g->line, "\n")] = '\0';
}

static void start(struct golden *g, const char *name) {
    char path[500];
    *g = (struct golden){.name = name};
    snprintf(path, sizeof path, "%s/batches/%s.log", GOLDEN_DIR, name);
    FILE *log = fopen(path, "rb");
    cr_assert_not_null(log, "%s", path);
    g->len = fread(g->octets, 1, sizeof g->octets, log);
    fclose(log);
    snprintf(path, sizeof path, "%s/batches/%s.txt", GOLDEN_DIR, name);
    g->index = fopen(path, "r");
    cr_assert_not_null(g->index, "%s", path);
    next_line(g);
    record_iter_init(&g->iter, &g->mem);
    batch_builder_init(&g->builder, &g->mem);
    batch_builder_init(&g->packer, &g->mem);
    batch_scratch_init(&g->scratch, &g->mem);
}

static void stop(struct golden *g) {
    cr_expect_str_eq(g->line, "", "%s: the index says more: %s", g->name, g->line);
    fclose(g->index);
    record_iter_release(&g->iter);
    batch_builder_release(&g->builder);
    batch_builder_release(&g->packer);
    batch_scratch_release(&g->scratch);
    cr_expect_eq(g->mem.used_bytes, 0);
}

static const char *truth(bool b) { return b ? "true" : "false"; }

static void expect_batch_line(struct golden *g, const struct batch_view *v, size_t position) {
    char horizon[24] = "-", got[sizeof g->line];
    if (batch_has_delete_horizon(v)) {
        snprintf(horizon, sizeof horizon, "%" PRId64, v->base_timestamp);
    }
    snprintf(got, sizeof got,
             "B %" PRId64 " %" PRId64 " %d %d %d %" PRId64 " %d %d %s %s %s %zu %s %" PRId64
             " %zu %.*s %" PRIu32,
             v->base_offset, batch_last_offset(v), v->record_count, v->base_sequence,
             batch_last_sequence(v), v->producer_id, v->producer_epoch, v->partition_leader_epoch,
             truth(batch_is_transactional(v)), truth(batch_is_control(v)), horizon, position,
             batch_is_log_append_time(v) ? "LogAppendTime" : "CreateTime", v->max_timestamp,
             v->batch_bytes, STR_ARG(codec_name(batch_codec(v))), v->crc);
    cr_expect_str_eq(got, g->line, "%s\n want %s\n got  %s", g->name, g->line, got);
    next_line(g);
}

static int sum(char *out, size_t room, struct bytes b) {
    if (b.ptr == NULL) return snprintf(out, room, " -");
    return snprintf(out, room, " %08lx", crc32(0, b.ptr, (unsigned)b.len));
}

static int32_t len_or_null(struct bytes b) { return b.ptr == NULL ? -1 : (int32_t)b.len; }

static void expect_record_line(struct golden *g, const struct record *r, const struct batch_view *v,
                               int32_t sequence) {
    char got[sizeof g->line];
    int at = snprintf(got, sizeof got, "%c %" PRId64 " %" PRId64 " %d %d %d ",
                      batch_is_control(v) ? 'C' : 'R', r->offset, r->timestamp, len_or_null(r->key),
                      len_or_null(r->value), sequence);
    char *end = got + sizeof got;
    if (batch_is_control(v)) {
        snprintf(got + at, (size_t)(end - got - at), "%s",
                 get_u16(r->key.ptr + 2) == 1 ? "COMMIT" : "ABORT");
    } else {
        struct bytes headers = r->headers;
        struct record_header header;
        for (int32_t i = 0; record_next_header(&headers, &header); i++) {
            at += snprintf(got + at, (size_t)(end - got - at), "%s%.*s", i > 0 ? "," : "",
                           STR_ARG(header.key));
        }
        if (r->header_count == 0) got[at++] = '-';
        at += sum(got + at, (size_t)(end - got - at), r->key);
        sum(got + at, (size_t)(end - got - at), r->value);
    }
    cr_expect_str_eq(got, g->line, "%s\n want %s\n got  %s", g->name, g->line, got);
    next_line(g);
}

static void begin(struct batch_builder *b, const struct batch_view *v, enum codec codec) {
    struct batch_options options = {
        .base_offset = v->base_offset,
        .leader_epoch = v->partition_leader_epoch,
        .codec = codec,
        .level = COMPRESS_LEVEL_DEFAULT,
        .log_append_time_ms = batch_is_log_append_time(v) ? v->max_timestamp : NO_TIMESTAMP,
        .delete_horizon_ms = batch_has_delete_horizon(v) ? v->base_timestamp : NO_TIMESTAMP,
        .transactional = batch_is_transactional(v),
        .control = batch_is_control(v),
        .producer_id = v->producer_id,
        .producer_epoch = v->producer_epoch,
        .base_sequence = v->base_sequence,
    };
    cr_assert_eq(batch_builder_start(b, &options), ST_OK);
}

static void copy_record(struct batch_builder *b, const struct record *r, int64_t timestamp) {
    struct record_header headers[HEADERS_MAX];
    struct bytes rest = r->headers;
    int32_t count = 0;
    while (count < HEADERS_MAX && record_next_header(&rest, &headers[count])) count++;
    cr_assert_eq(count, r->header_count);
    cr_assert_eq(batch_builder_add_at(b, r->offset, timestamp, r->key, r->value, headers, count),
                 ST_OK);
}

/* A batch as its producer sent it must pass as a produce; and what is left of compaction need not.
 */
static void expect_walk(struct golden *g, struct bytes batch, const struct batch_view *v) {
    static uint8_t copy[FILE_BYTES_MAX];
    struct batch_rules rules = {
        .from_client = !batch_is_control(v),
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
    };
    memcpy(copy, batch.ptr, batch.len);
    batch_stamp(copy, 0, 5);
    struct batch_report report;
    struct bytes walked = {copy, batch.len};
    enum batch_fault fault = batch_walk(walked, &rules, &g->scratch, &report);
    cr_expect_eq(fault, BATCH_OK, "%s at offset %" PRId64 ": %s in record %d", g->name,
                 v->base_offset, batch_fault_name(fault), report.record_index);
    cr_expect_eq(report.rewrite_max_timestamp, batch_is_log_append_time(v), "%s at %" PRId64,
                 g->name, v->base_offset);
}

static void expect_batch(struct golden *g, size_t position) {
    struct batch_view v;
    enum status st = batch_open((struct bytes){g->octets + position, g->len - position}, &v);
    cr_assert_eq(st, ST_OK, "%s at %zu: %s", g->name, position, status_name(st));
    struct bytes batch = {g->octets + position, v.batch_bytes}, made;
    cr_expect(batch_crc_matches(batch), "%s at %zu", g->name, position);
    expect_batch_line(g, &v, position);
    bool compacted = strcmp(g->name, "compacted") == 0;
    if (!compacted) expect_walk(g, batch, &v);

    begin(&g->builder, &v, CODEC_NONE);
    begin(&g->packer, &v, batch_codec(&v));
    struct record r;
    record_iter_open(&g->iter, &v, 0);
    while (record_iter_next(&g->iter, &r)) {
        int32_t delta = (int32_t)(r.offset - v.base_offset);
        expect_record_line(g, &r, &v,
                           v.base_sequence < 0 ? -1 : sequence_add(v.base_sequence, delta));
        /* In a LogAppendTime batch the producer's times still stand in the records. */
        struct record raw = r;
        if (batch_is_log_append_time(&v) && batch_codec(&v) == CODEC_NONE) {
            const uint8_t *at = g->iter.run.ptr - r.record_bytes;
            cr_assert_eq(record_decode((struct bytes){at, r.record_bytes}, &raw), ST_OK);
            raw.timestamp += v.base_timestamp;
        }
        copy_record(&g->builder, &r, raw.timestamp);
        copy_record(&g->packer, &r, r.timestamp);
    }
    cr_expect_eq(g->iter.status, ST_OK, "%s at %zu", g->name, position);
    size_t plain_bytes = g->iter.stream.produced_bytes;
    record_iter_close(&g->iter);

    batch_builder_set_last_offset(&g->builder, batch_last_offset(&v));
    batch_builder_set_last_offset(&g->packer, batch_last_offset(&v));
    cr_assert_eq(batch_builder_finish(&g->builder, &made), ST_OK);
    if (batch_codec(&v) == CODEC_NONE) {
        cr_expect(bytes_eq(made, batch), "%s at %zu: made again, it differs", g->name, position);
    } else if (!batch_is_log_append_time(&v)) {
        cr_expect_eq(made.len, BATCH_HEADER_BYTES + plain_bytes, "%s at %zu", g->name, position);
    }
    cr_assert_eq(batch_builder_finish(&g->packer, &made), ST_OK);
    if (!compacted) expect_walk(g, made, &v);
}

Test(golden_batches, are_read_as_kafka_reads_them_and_made_again_octet_for_octet) {
    static struct golden g;
    for (size_t i = 0; i < COUNT(names); i++) {
        start(&g, names[i]);
        struct batch_view v;
        for (size_t at = 0; at < g.len; at += v.batch_bytes) {
            expect_batch(&g, at);
            cr_assert_eq(batch_peek((struct bytes){g.octets + at, g.len - at}, &v), ST_OK);
        }
        stop(&g);
    }
}

Test(golden_batches, a_flipped_bit_anywhere_behind_the_checksum_is_found) {
    static struct golden g;
    start(&g, "zstd");
    struct batch_view v;
    size_t flips = 0;
    for (size_t at = 0; at < g.len; at += v.batch_bytes) {
        cr_assert_eq(batch_open((struct bytes){g.octets + at, g.len - at}, &v), ST_OK);
        for (size_t i = BATCH_AT_CRC; i < v.batch_bytes; i += 7, flips++) {
            g.octets[at + i] ^= (uint8_t)(1u << (i % 8));
            cr_expect_not(batch_crc_matches((struct bytes){g.octets + at, v.batch_bytes}));
            g.octets[at + i] ^= (uint8_t)(1u << (i % 8));
        }
    }
    cr_expect_gt(flips, 1000);
    g.line[0] = '\0';
    stop(&g);
}
