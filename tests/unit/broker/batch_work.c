/* tests/unit/broker/batch_work.c - long batches go to workers, in order, within a budget. */
#include <criterion/criterion.h>
#include <errno.h>
#include "broker/handlers/batch_work.h"
#include "protocol/batch_builder.h"
#include "tests/lib/plain_io.h"

enum { LIMIT = 2, RECORDS_LONG = LONG_RECORDS + 1 };

struct piece {
    struct batch_work work;
    uint32_t refusals; /* so many runs want more memory */
    uint32_t runs;
    struct batch_scratch *scratch; /* of the last run */
    int done_as;                   /* the how manieth was done; 0: not yet */
};

struct fixture {
    struct plain_io plain;
    struct batch_scratch scratch;
    struct batch_workers workers;
    struct batch_builder builder;
    int done_count;
};
static struct fixture fx;

static void set_up(void) {
    plain_io_init(&fx.plain);
    fx.plain.deferred = true;
    batch_scratch_init(&fx.scratch, &fx.plain.mem);
    batch_builder_init(&fx.builder, &fx.plain.mem);
    batch_workers_init(&fx.workers, &fx.plain.io, &fx.scratch, LIMIT, 0);
}

static void tear_down(void) {
    batch_workers_release(&fx.workers);
    batch_builder_release(&fx.builder);
    batch_scratch_release(&fx.scratch);
    cr_expect_eq(fx.plain.mem.used_bytes, 0, "%zu octets left", fx.plain.mem.used_bytes);
    plain_io_release(&fx.plain);
}

TestSuite(batch_work, .init = set_up, .fini = tear_down);

static bool run(struct batch_work *work, struct batch_scratch *scratch) {
    struct piece *piece = CONTAINER_OF(work, struct piece, work);
    piece->scratch = scratch;
    return piece->runs++ >= piece->refusals;
}

static void done(struct batch_work *work) {
    struct piece *piece = CONTAINER_OF(work, struct piece, work);
    cr_expect_eq(piece->done_as, 0, "done is called once");
    piece->done_as = ++fx.done_count;
}

static void start(struct piece *piece) {
    piece->work = (struct batch_work){.run = run, .done = done};
    int before = fx.done_count;
    batch_work_start(&fx.workers, &piece->work);
    cr_expect_eq(fx.done_count, before, "done is never called from within the start");
}

Test(batch_work, no_more_at_once_than_the_limit_and_the_rest_in_order) {
    struct piece pieces[5] = {0};
    for (int i = 0; i < 5; i++) start(&pieces[i]);
    cr_expect_eq(fx.workers.made_count, LIMIT);
    plain_io_settle(&fx.plain);
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(pieces[i].done_as, i + 1, "piece %d", i);
        cr_expect_eq(pieces[i].runs, 1, "piece %d", i);
        cr_expect_neq(pieces[i].scratch, &fx.scratch, "piece %d ran with its worker's scratch", i);
    }
    cr_expect_eq(fx.workers.made_count, LIMIT);
}

Test(batch_work, a_result_that_comes_inline_is_told_later) {
    fx.plain.deferred = false;
    struct piece piece = {0};
    start(&piece);
    plain_io_settle(&fx.plain);
    cr_expect_eq(piece.done_as, 1);
    cr_expect_eq(piece.runs, 1);
}

Test(batch_work, what_wants_more_memory_than_its_share_is_done_by_the_shard) {
    struct piece piece = {.refusals = 1};
    start(&piece);
    plain_io_settle(&fx.plain);
    cr_expect_eq(piece.done_as, 1);
    cr_expect_eq(piece.runs, 2);
    cr_expect_eq(piece.scratch, &fx.scratch);
}

static int refuse_work(struct plain_io *plain, const struct plain_call *call) {
    (void)plain;
    return call->kind == PLAIN_WORK ? -EAGAIN : 0;
}

Test(batch_work, without_a_thread_the_shard_does_it) {
    fx.plain.fault = refuse_work;
    struct piece piece = {0};
    start(&piece);
    plain_io_settle(&fx.plain);
    cr_expect_eq(piece.done_as, 1);
    cr_expect_eq(piece.scratch, &fx.scratch);
}

Test(batch_work, without_memory_for_a_share_the_shard_does_it) {
    fx.plain.mem.limit_bytes = 64000;
    void *most = mem_alloc(&fx.plain.mem, 60000);
    cr_assert_not_null(most);
    struct piece piece = {0};
    start(&piece);
    plain_io_settle(&fx.plain);
    cr_expect_eq(piece.done_as, 1);
    cr_expect_eq(piece.scratch, &fx.scratch);
    mem_free(&fx.plain.mem, most, 60000);
}

Test(batch_work, a_piece_under_way_is_charged_its_share) {
    fx.plain.mem.limit_bytes = 1 << 20;
    size_t before = fx.plain.mem.used_bytes;
    struct piece piece = {0};
    start(&piece);
    cr_expect_geq(fx.plain.mem.used_bytes, before + (1 << 20) / WORK_SHARE);
    plain_io_settle(&fx.plain);
    cr_expect_lt(fx.plain.mem.used_bytes, before + 4096, "given back when it is done");
}

static struct bytes make(enum codec codec, int32_t records, size_t value_bytes) {
    static const uint8_t zeros[1 << 20];
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    enum status st = batch_builder_start(&fx.builder, &options);
    for (int32_t i = 0; st == ST_OK && i < records; i++) {
        st = batch_builder_add(&fx.builder, 1, BYTES_NULL, (struct bytes){zeros, value_bytes}, NULL,
                               0);
    }
    struct bytes batch = BYTES_NULL;
    if (st == ST_OK) st = batch_builder_finish(&fx.builder, &batch);
    cr_assert_eq(st, ST_OK);
    return batch;
}

static const struct {
    const char *name;
    enum codec codec;
    int32_t records;
    size_t value_bytes;
    bool header_tells, is_brief;
} rows[] = {
    {"one record", CODEC_NONE, 1, 10, false, true},
    {"a large plain one", CODEC_NONE, 1, 200000, false, true},
    {"many records", CODEC_NONE, RECORDS_LONG, 1, true, false},
    {"as many as are short", CODEC_GZIP, LONG_RECORDS, 1, false, true},
    {"little that swells", CODEC_GZIP, 1, 1 << 20, false, false},
    {"little that swells, zstd", CODEC_ZSTD, 1, 1 << 20, false, false},
    {"little that swells, lz4", CODEC_LZ4, 1, 1 << 20, false, false},
    {"much compressed", CODEC_SNAPPY, 1, 1 << 20, true, false},
    {"short and compressed", CODEC_SNAPPY, 1, 10000, false, true},
};

Test(batch_work, tells_long_batches_from_short_ones) {
    static const struct batch_rules rules = {.from_client = true,
                                             .now_ms = 1,
                                             .timestamp_before_max_ms = INT64_MAX,
                                             .timestamp_after_max_ms = INT64_MAX,
                                             .plain_bytes_max = 64 << 20};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes batch = make(rows[i].codec, rows[i].records, rows[i].value_bytes);
        cr_expect_eq(batch_is_long(&fx.workers, batch), rows[i].header_tells, "%s (%zu octets)",
                     rows[i].name, batch.len);
        struct batch_report report;
        enum batch_fault fault = BATCH_OK;
        bool is_brief = batch_walk_briefly(&fx.workers, batch, &rules, &report, &fault);
        cr_expect_eq(is_brief, rows[i].is_brief, "%s", rows[i].name);
        if (is_brief) cr_expect_eq(fault, BATCH_OK, "%s", rows[i].name);
    }
}

Test(batch_work, a_batch_beyond_the_rules_is_refused_at_once) {
    struct bytes batch = make(CODEC_GZIP, 1, 100000);
    struct batch_rules rules = {.from_client = true,
                                .timestamp_before_max_ms = INT64_MAX,
                                .timestamp_after_max_ms = INT64_MAX,
                                .plain_bytes_max = 50000};
    struct batch_report report;
    enum batch_fault fault = BATCH_OK;
    cr_expect(batch_walk_briefly(&fx.workers, batch, &rules, &report, &fault));
    cr_expect_eq(fault, BATCH_PLAIN_TOO_LARGE);
}
