/* tests/differential/log_cases.c - partition logs made and opened without a broker, for log.test.
 *   log-cases write DIR SEGMENT_BYTES      appends batches of many shapes to DIR/made-0, closes
 *   log-cases recover DIR TOPIC PARTITION SEGMENT_BYTES INTERVAL
 *                                          opens as after a crash, from offset 0; prints the end
 *   log-cases read DIR TOPIC PARTITION     opens as after a clean stop, reads every batch, checks
 *                                          checksums; prints the end; leaves the files as they are
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/assert.h"
#include "log/log.h"
#include "protocol/batch_builder.h"
#include "tests/lib/plain_io.h"

static struct plain_io plain;
static struct log_dir dir;
static struct log *the_log;
static struct log_open how;
static enum status outcome;

static void ignore(struct log_owner *owner) {}
static struct log_owner owner = {ignore, ignore, ignore};
static struct log_config config = {
    .segment_bytes = 1 << 30,
    .segment_ms = INT64_C(7) * 24 * 3600 * 1000,
    .segment_index_bytes = 10 << 20,
    .index_interval_bytes = 4096,
};

static void die(const char *what, enum status st) {
    fprintf(stderr, "%s: %s\n", what, status_name(st));
    exit(1);
}

static void open_job(struct job *job, void *argument) { outcome = log_open(job, &how, &the_log); }
static void close_job(struct job *job, void *argument) { outcome = log_close(job, the_log); }

static void run(job_fn *fn, const char *what) {
    plain_io_run(&plain, fn, NULL);
    if (outcome != ST_OK) die(what, outcome);
}

static void appended(struct log_append *append) {
    if (append->status != ST_OK) die("append", append->status);
}

static void write_log(void) {
    static uint8_t value[300000];
    struct batch_builder builder;
    struct prng prng;
    prng_seed(&prng, 7);
    batch_builder_init(&builder, &plain.mem);
    run(open_job, "open");
    for (int i = 0; i < 3000; i++) {
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        options.codec = (enum codec)prng_below(&prng, CODEC_COUNT);
        int64_t now_ms = 1700000000000 + i * 10 - (int64_t)prng_below(&prng, 100);
        int32_t records = 1 + (int32_t)prng_below(&prng, 20);
        size_t largest = i % 100 == 0 ? 20000 : 200;
        int64_t max_ms = -1;
        if (batch_builder_start(&builder, &options) != ST_OK) die("builder", ST_NOMEM);
        for (int32_t r = 0; r < records; r++) {
            size_t len = prng_below(&prng, largest);
            int64_t ms = now_ms + (int64_t)prng_below(&prng, 50);
            for (size_t n = 0; n < len; n++) value[n] = (uint8_t)('a' + prng_below(&prng, 3));
            enum status st =
                batch_builder_add(&builder, ms, BYTES_NULL, (struct bytes){value, len}, NULL, 0);
            if (st != ST_OK) die("builder", st);
            max_ms = MAX(max_ms, ms);
        }
        struct bytes batch;
        if (batch_builder_finish(&builder, &batch) != ST_OK) die("builder", ST_NOMEM);
        struct log_append append = {
            .done = appended,
            .batch = builder.out.data,
            .batch_bytes = (uint32_t)batch.len,
            .record_count = records,
            .max_timestamp_ms = max_ms,
            .leader_epoch = i / 1000,
        };
        enum status st = log_append(the_log, &append);
        if (st != ST_OK) die("append", st);
        plain_io_settle(&plain);
    }
    printf("%lld\n", (long long)log_end(the_log));
    run(close_job, "close");
    batch_builder_release(&builder);
}

static void read_done(struct log_read *read) { ASSERT(read->status != ST_BUSY); }

static void read_log(void) {
    static uint8_t data[64 << 20];
    int64_t offset = log_start_offset(the_log);
    while (offset < log_end(the_log)) {
        struct log_read read = {.done = read_done,
                                .status = ST_BUSY,
                                .offset = offset,
                                .upper_offset = log_end(the_log),
                                .max_bytes = 1 << 20,
                                .whole_first = true};
        if (!log_read_start(the_log, &read)) plain_io_settle(&plain); /* the first one verifies */
        if (read.status != ST_OK || read.bytes == 0 || read.bytes > sizeof data) {
            die("read", read.status);
        }
        if (pread(read.file, data, read.bytes, (off_t)read.position) != read.bytes) {
            die("pread", ST_IO);
        }
        struct batch_view view;
        for (size_t at = 0; batch_open((struct bytes){data + at, read.bytes - at}, &view) == ST_OK;
             at += view.batch_bytes) {
            if (!batch_crc_matches((struct bytes){data + at, view.batch_bytes})) {
                die("checksum", ST_CORRUPT);
            }
            offset = batch_next_offset(&view);
        }
        log_read_release(&read);
    }
    printf("%lld\n", (long long)offset);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    plain_io_init(&plain);
    log_dir_init(&dir, &plain.io, &plain.jobs, str_of(argv[2]));
    how = (struct log_open){.dir = &dir, .topic = STR("made"), .config = &config, .owner = &owner};
    if (strcmp(argv[1], "write") == 0 && argc == 4) {
        config.segment_bytes = atoll(argv[3]);
        how.create = true;
        write_log();
        return 0;
    }
    if (argc < 5) return 2;
    how.topic = str_of(argv[3]);
    how.partition = atoi(argv[4]);
    if (strcmp(argv[1], "recover") == 0 && argc == 7) {
        config.segment_bytes = atoll(argv[5]);
        config.index_interval_bytes = atoll(argv[6]);
        run(open_job, "open");
        printf("%lld\n", (long long)log_end(the_log));
        return 0;
    }
    if (strcmp(argv[1], "read") == 0 && argc == 5) {
        how.clean = true;
        how.recovery_point = INT64_MAX;
        run(open_job, "open");
        read_log();
        return 0;
    }
    return 2;
}
