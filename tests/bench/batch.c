/* tests/bench/batch.c - what a record batch costs: walking it as a leader does (checksum included)
 * and iterating over it, for batches of 64 KB in every codec. One line each: GB/s of plain records,
 * CPU seconds per GB received, nanoseconds per record, allocations. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include "base/assert.h"
#include "protocol/batch_builder.h"
#include "protocol/batch_walk.h"
#include "protocol/record_iter.h"

#define BATCH_BYTES 64000
#define SECONDS 0.3
#define NOW INT64_C(1700000000000)

static struct mem mem;
static struct batch_builder builder;
static struct batch_scratch scratch;
static struct record_iter iter;

static double cpu_seconds(void) {
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Values are pieces of JSON lines, so that codecs have something to do. */
static struct bytes some_value(size_t bytes, size_t i) {
    static char text[2 * BATCH_BYTES];
    static size_t len;
    for (uint32_t x = 1; len + 100 < sizeof text;) {
        x = x * 1103515245 + 12345;
        len += (size_t)snprintf(text + len, 100, "{\"id\":%u,\"name\":\"user-%u\",\"value\":%u}\n",
                                x >> 8, (x >> 16) % 1000, (x >> 5) % 77777);
    }
    return (struct bytes){(const uint8_t *)text + i * 37 % BATCH_BYTES, bytes};
}

static struct bytes make(enum codec codec, size_t value_bytes) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    ASSERT(batch_builder_start(&builder, &options) == ST_OK);
    for (size_t i = 0; i < BATCH_BYTES / (value_bytes + 10); i++) {
        enum status st = batch_builder_add(&builder, NOW + (int64_t)i, BYTES_NULL,
                                           some_value(value_bytes, i), NULL, 0);
        ASSERT(st == ST_OK);
    }
    struct bytes batch;
    ASSERT(batch_builder_finish(&builder, &batch) == ST_OK);
    return batch;
}

static size_t walk(struct bytes batch) {
    static const struct batch_rules rules = {
        .from_client = true,
        .now_ms = NOW,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
    };
    struct batch_report report;
    ASSERT(batch_walk(batch, &rules, &scratch, &report) == BATCH_OK);
    return report.plain_bytes;
}

static void iterate(struct bytes batch) {
    struct batch_view view;
    struct record record;
    ASSERT(batch_open(batch, &view) == ST_OK);
    record_iter_open(&iter, &view, 0);
    while (record_iter_next(&iter, &record)) continue;
    ASSERT(iter.status == ST_OK);
    record_iter_close(&iter);
}

static void measure(enum codec codec, size_t value_bytes) {
    struct bytes batch = make(codec, value_bytes);
    double plain_bytes = (double)walk(batch),
           record_count = get_u32(batch.ptr + BATCH_AT_RECORD_COUNT);
    iterate(batch);
    uint64_t allocations = mem.alloc_count;
    double walks = 0, iterations = 0, start = cpu_seconds(), walking, iterating;
    for (; (walking = cpu_seconds() - start) < SECONDS; walks += 10) {
        for (int i = 0; i < 10; i++) walk(batch);
    }
    for (start = cpu_seconds(); (iterating = cpu_seconds() - start) < SECONDS; iterations += 10) {
        for (int i = 0; i < 10; i++) iterate(batch);
    }
    printf(
        "%-6.*s %4zu B values, batch %5zu: walk %5.2f GB/s, %.3f s/GB received, %5.1f ns/record; "
        "iterate %5.2f GB/s; %" PRIu64 " allocations\n",
        STR_ARG(codec_name(codec)), value_bytes, batch.len, plain_bytes * walks / walking * 1e-9,
        walking / walks / (double)batch.len * 1e9, walking / walks / record_count * 1e9,
        plain_bytes * iterations / iterating * 1e-9, mem.alloc_count - allocations);
}

int main(void) {
    batch_builder_init(&builder, &mem);
    batch_scratch_init(&scratch, &mem);
    record_iter_init(&iter, &mem);
    static const size_t sizes[] = {1000, 100, 10};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++)
            measure((enum codec)codec, sizes[i]);
    }
    batch_builder_release(&builder);
    batch_scratch_release(&scratch);
    record_iter_release(&iter);
    return 0;
}
