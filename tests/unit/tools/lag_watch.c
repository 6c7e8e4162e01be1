/* tests/unit/tools/lag_watch.c - when the record was written that a group reads next, out of what
 * Fetch gave. */
#include <criterion/criterion.h>
#include "protocol/batch_builder.h"
#include "tools/lag_watch.h"

enum { RECORDS = 3, BASE_OFFSET = 100 };

static const int64_t written_ms[RECORDS] = {5000, 5900, 6000};

static const struct {
    const char *name;
    enum codec codec;
    bool by_broker, is_cut;
    int64_t offset, want;
} cases[] = {
    {"the first record, by the header", CODEC_NONE, false, false, 100, 5000},
    {"the first record of a batch that is cut", CODEC_NONE, false, true, 100, 5000},
    {"an offset before the batch: compaction took what was there", CODEC_NONE, false, false, 90,
     5000},
    {"a record within the batch", CODEC_NONE, false, false, 101, 5900},
    {"the last record", CODEC_NONE, false, false, 102, 6000},
    {"within a compressed batch: between the first and the last", CODEC_GZIP, false, false, 101,
     5500},
    {"within a batch that is cut: likewise", CODEC_NONE, false, true, 101, 5500},
    {"stamped by the broker: all at once", CODEC_NONE, true, false, 101, 7000},
};

Test(lag_watch, tells_when_the_next_record_was_written) {
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mem mem = {0};
        struct batch_builder builder;
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        struct bytes batch, value = {(const uint8_t *)"a value", 7};
        options.codec = cases[i].codec;
        batch_builder_init(&builder, &mem);
        cr_assert_eq(batch_builder_start(&builder, &options), ST_OK);
        for (int k = 0; k < RECORDS; k++)
            cr_assert_eq(batch_builder_add(&builder, written_ms[k], BYTES_NULL, value, NULL, 0),
                         ST_OK);
        cr_assert_eq(batch_builder_finish(&builder, &batch), ST_OK);
        batch_stamp((uint8_t *)(uintptr_t)batch.ptr, BASE_OFFSET, 0);
        if (cases[i].by_broker) batch_set_log_append_time((uint8_t *)(uintptr_t)batch.ptr, 7000);
        if (cases[i].is_cut) batch.len -= 5;
        int64_t got = lag_record_time(&mem, batch, cases[i].offset);
        cr_expect_eq(got, cases[i].want, "%s: %ld", cases[i].name, (long)got);
        cr_expect_eq(lag_record_time(&mem, (struct bytes){batch.ptr, BATCH_HEADER_BYTES - 1}, 100),
                     -1, "%s: no header", cases[i].name);
        batch_builder_release(&builder);
        cr_expect_eq(mem.used_bytes, 0);
    }
}
