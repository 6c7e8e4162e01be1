/* tests/unit/log/read.c - from offsets to file ranges: every offset, bounds, upper offsets,
 * segments that are held, files that are open. Each with reads that end at once and with reads that
 * end later. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "log/impl.h"
#include "tests/unit/log/fixture.h"

enum { BATCHES = 200, RECORDS = 3 };

/* BATCHES batches of RECORDS records over several segments, reopened so that no recent batch is
 * remembered when `cold`. */
static void make_log(struct fixture *fx, bool cold) {
    fixture_init(fx);
    fx->config.segment_bytes = 60 * 388;
    fx->config.index_interval_bytes = 1000;
    cr_assert_eq(fixture_open(fx), ST_OK);
    for (int i = 0; i < BATCHES; i++) {
        cr_assert_eq(fixture_append(fx, RECORDS, 100, 1000), ST_OK);
    }
    fixture_sync(fx);
    cr_assert_eq(log_segment_count(fx->log), 4);
    if (!cold) return;
    cr_assert_eq(fixture_close(fx), ST_OK);
    fx->open.clean = true;
    fx->open.recovery_point = BATCHES * RECORDS;
    cr_assert_eq(fixture_open(fx), ST_OK);
}

Test(read, finds_every_offset) {
    for (int mode = 0; mode < 4; mode++) {
        struct fixture fx;
        make_log(&fx, mode & 1);
        fx.plain.deferred = mode & 2;
        for (int64_t offset = 0; offset < BATCHES * RECORDS; offset++) {
            struct log_read read;
            fixture_read(&fx, &read, offset, log_end(fx.log), 10, true);
            cr_assert_eq(read.status, ST_OK, "offset %ld, mode %d", (long)offset, mode);
            cr_assert_eq(read.first_base_offset, offset / RECORDS * RECORDS, "offset %ld",
                         (long)offset);
            cr_assert_eq(read.bytes, read.first_batch_bytes, "offset %ld", (long)offset);
            uint8_t header[BATCH_HEADER_BYTES];
            cr_assert_eq(pread(read.file, header, sizeof header, (off_t)read.position),
                         sizeof header);
            cr_assert_eq((int64_t)get_u64(header), read.first_base_offset);
            log_read_release(&read);
        }
        fx.plain.deferred = false;
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), BATCHES * RECORDS, "mode %d", mode);
        fixture_release(&fx);
    }
}

Test(read, gives_nothing_at_or_above_the_upper_offset) {
    for (int mode = 0; mode < 4; mode++) {
        struct fixture fx;
        make_log(&fx, mode & 1);
        fx.plain.deferred = mode & 2;
        for (int64_t offset = 0; offset < BATCHES * RECORDS; offset += 17) {
            for (int64_t upper = offset; upper <= BATCHES * RECORDS; upper += 7) {
                struct log_read read;
                fixture_read(&fx, &read, offset, upper, 100000, true);
                cr_assert_eq(read.status, ST_OK, "[%ld, %ld)", (long)offset, (long)upper);
                int64_t last = -1;
                uint8_t *data = malloc(read.bytes + 1);
                if (read.bytes > 0) {
                    cr_assert_eq(pread(read.file, data, read.bytes, (off_t)read.position),
                                 read.bytes);
                }
                struct batch_view view;
                for (size_t at = 0; at < read.bytes; at += view.batch_bytes) {
                    cr_assert_eq(batch_open((struct bytes){data + at, read.bytes - at}, &view),
                                 ST_OK, "[%ld, %ld)", (long)offset, (long)upper);
                    last = batch_last_offset(&view);
                }
                free(data);
                cr_assert_lt(last, upper, "[%ld, %ld) of mode %d", (long)offset, (long)upper, mode);
                /* All whole batches below it, as far as the segment goes. */
                int64_t first_batch_end = (offset / RECORDS + 1) * RECORDS;
                cr_assert_eq(last >= 0, first_batch_end <= upper, "[%ld, %ld) of mode %d",
                             (long)offset, (long)upper, mode);
                if (last >= 0) {
                    int64_t segment_end = (offset / RECORDS / 60 + 1) * 60 * RECORDS;
                    int64_t want = MIN(upper / RECORDS * RECORDS, segment_end) - 1;
                    cr_assert_eq(last, MIN(want, BATCHES * RECORDS - 1),
                                 "[%ld, %ld) of mode %d ends with %ld", (long)offset, (long)upper,
                                 mode, (long)last);
                }
                log_read_release(&read);
            }
        }
        fixture_release(&fx);
    }
}

Test(read, bounds) {
    struct fixture fx;
    make_log(&fx, false);
    const int64_t end = BATCHES * RECORDS;
    const uint32_t batch = (uint32_t)(log_size_bytes(fx.log) / BATCHES);
    const struct {
        const char *name;
        int64_t offset, upper;
        uint32_t max_bytes;
        bool whole_first;
        enum status want;
        uint32_t bytes;
    } rows[] = {
        {"at the end", end, end, 100, true, ST_OK, 0},
        {"behind the end", end + 1, end, 100, true, ST_RANGE, 0},
        {"behind the end, whatever the upper offset", end + 1, end + 9, 100, true, ST_RANGE, 0},
        {"negative", -1, end, 100, true, ST_RANGE, 0},
        {"above the high watermark and below the end", 30, 6, 100, true, ST_OK, 0},
        {"no octets, no whole batch", 0, end, 0, false, ST_OK, 0},
        {"no octets but a whole batch", 0, end, 0, true, ST_OK, batch},
        {"one octet too few", 0, end, batch - 1, false, ST_OK, batch - 1},
        {"one octet too few, whole", 0, end, batch - 1, true, ST_OK, batch},
        {"exactly one", 0, end, batch, false, ST_OK, batch},
        {"one and a bit", 0, end, batch + 1, true, ST_OK, batch + 1},
        {"upper within the first batch", 0, 2, 1000, true, ST_OK, 0},
        {"upper behind the end", 0, INT64_MAX, batch * 2, true, ST_OK, batch * 2},
        {"to the end of the segment", 57 * 3, end, 100000, true, ST_OK, 3 * batch},
        {"the last batch", end - 1, end, 100000, true, ST_OK, batch},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct log_read read;
        fixture_read(&fx, &read, rows[i].offset, rows[i].upper, rows[i].max_bytes,
                     rows[i].whole_first);
        cr_expect_eq(read.status, rows[i].want, "%s: %s", rows[i].name, status_name(read.status));
        cr_expect_eq(read.bytes, rows[i].bytes, "%s: %u octets", rows[i].name, read.bytes);
        cr_expect_eq(read.segment != NULL, read.bytes > 0, "%s", rows[i].name);
        log_read_release(&read);
    }
    fixture_release(&fx);
}

Test(read, at_the_tail_needs_no_file) {
    struct fixture fx;
    make_log(&fx, false);
    uint64_t before = fx.plain.counts[PLAIN_READ];
    /* The active segment holds 20 batches, so all of it is remembered. */
    for (int64_t back = 1; back <= 20; back++) {
        struct log_read read;
        int64_t offset = log_end(fx.log) - back * RECORDS;
        fixture_read(&fx, &read, offset, log_end(fx.log) - RECORDS / 2, 100000, true);
        cr_expect_eq(read.status, ST_OK);
        log_read_release(&read);
    }
    cr_expect_eq(fx.plain.counts[PLAIN_READ], before);
    fixture_release(&fx);
}

Test(read, holds_the_file_of_a_segment_that_is_deleted_meanwhile) {
    struct fixture fx;
    make_log(&fx, false);
    struct log_read read;
    fixture_read(&fx, &read, 0, log_end(fx.log), 1000, true);
    cr_assert_eq(read.status, ST_OK);
    cr_assert_eq(fixture_raise_start(&fx, 60 * RECORDS), ST_OK);
    cr_expect_eq(log_segment_count(fx.log), 3);
    fx.plain.io.now.mono_us += 61000000;
    plain_io_settle(&fx.plain);
    cr_expect_not(file_exists(&fx, SEGMENT_0 ".log.deleted"));
    uint8_t header[BATCH_HEADER_BYTES];
    cr_expect_eq(pread(read.file, header, sizeof header, (off_t)read.position), sizeof header);
    cr_expect_eq(get_u64(header), 0);
    int file = read.file;
    log_read_release(&read);
    cr_expect_eq(fcntl(file, F_GETFD), -1, "the last holder closes");
    fixture_read(&fx, &read, 5, log_end(fx.log), 1000, true);
    cr_expect_eq(read.status, ST_RANGE);
    fixture_release(&fx);
}

static bool read_ended;
static void note_end(struct log_read *read) { read_ended = true; }

Test(read, that_waits_while_its_segment_goes_is_out_of_range) {
    struct fixture fx;
    make_log(&fx, true);
    fx.plain.deferred = true;
    struct log_read read = {.done = note_end, .offset = 3, .upper_offset = 600, .max_bytes = 1000};
    cr_assert_not(log_read_start(fx.log, &read));
    cr_assert_eq(fixture_raise_start(&fx, 60 * RECORDS), ST_OK);
    plain_io_settle(&fx.plain);
    cr_assert(read_ended);
    cr_expect(read.status == ST_RANGE || (read.status == ST_OK && read.bytes > 0));
    log_read_release(&read);
    fixture_release(&fx);
}

Test(read, keeps_loaded_indexes_within_the_directorys_bound) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.index_interval_bytes = 0;
    fx.config.segment_bytes = 8 << 20;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 3000);
    fx.config.segment_bytes = 100; /* every batch its own segment from here */
    cr_assert_eq(fixture_close(&fx), ST_OK);
    fx.open.clean = true;
    fx.open.recovery_point = 3000;
    fx.config.segment_bytes = 1 << 20;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    struct log_read read;
    fixture_read(&fx, &read, 1500, 3000, 1000, true);
    cr_expect_eq(read.first_base_offset, 1500);
    log_read_release(&read);
    cr_expect_eq(fx.dir.loaded_index_bytes, 2999 * 8);
    /* What is appended is found beside what was loaded. */
    fixture_fill(&fx, 10);
    fixture_read(&fx, &read, 1500, 3010, 1000, true);
    cr_expect_eq(read.first_base_offset, 1500);
    log_read_release(&read);
    fixture_read(&fx, &read, 3002, 3010, 1000, true);
    cr_expect_eq(read.first_base_offset, 3002);
    log_read_release(&read);
    fixture_kill(&fx);
    cr_expect_eq(fx.dir.loaded_index_bytes, 0);
    fixture_release(&fx);
}

Test(read, an_idle_log_costs_little) {
    enum { LOGS = 50 };
    struct fixture fx;
    struct log *logs[LOGS];
    fixture_init(&fx);
    /* One that was used, the others opened only. */
    cr_assert_eq(fixture_open(&fx), ST_OK);
    fixture_fill(&fx, 5000);
    fixture_sync(&fx);
    size_t used = fx.plain.mem.used_bytes;
    fixture_kill(&fx);
    cr_expect_lt(used - fx.plain.mem.used_bytes, 8192, "%zu octets after use",
                 used - fx.plain.mem.used_bytes);
    for (int i = 0; i < LOGS; i++) {
        fx.open.partition = i + 1;
        fx.log = NULL;
        cr_assert_eq(fixture_open(&fx), ST_OK);
        logs[i] = fx.log;
    }
    size_t before = fx.plain.mem.used_bytes;
    for (int i = 0; i < LOGS; i++) log_abandon(logs[i]);
    fx.log = NULL;
    cr_expect_lt((before - fx.plain.mem.used_bytes) / LOGS, 2048, "%zu octets each",
                 (before - fx.plain.mem.used_bytes) / LOGS);
    fixture_release(&fx);
}

/* --- which files are open --- */

static uint32_t open_files(const struct fixture *fx) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < fx->log->segment_count; i++) count += fx->log->segments[i]->file >= 0;
    return count;
}

Test(read, opens_only_the_active_segment_at_the_start_and_others_when_they_are_read) {
    struct fixture fx;
    make_log(&fx, true);
    cr_expect_eq(open_files(&fx), 1);
    struct log_read read;
    fixture_read(&fx, &read, 0, log_end(fx.log), 1000, true);
    cr_assert_eq(read.status, ST_OK);
    cr_expect_eq(open_files(&fx), 2);
    log_read_release(&read);
    cr_expect_eq(open_files(&fx), 2, "an idle file stays within the bound");
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), log_end(fx.log));
    cr_expect_eq(open_files(&fx), log_segment_count(fx.log));
    log_dir_spare_files(&fx.dir);
    cr_expect_eq(open_files(&fx), 1);
    cr_expect_eq(fixture_consume(&fx, 0, &st), log_end(fx.log), "and all is read again");
    fixture_release(&fx);
}

Test(read, keeps_no_more_idle_files_open_than_the_directorys_bound) {
    struct fixture fx;
    make_log(&fx, true);
    fx.dir.idle_file_limit = 1;
    struct log_read first, second;
    fixture_read(&fx, &first, 0, log_end(fx.log), 1000, true);
    fixture_read(&fx, &second, log_first_base_offset(fx.log), log_end(fx.log), 1000, true);
    cr_expect_eq(first.file, second.file, "one descriptor for all readers of a segment");
    log_read_release(&second);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), log_end(fx.log));
    cr_expect_leq(open_files(&fx), 3);
    uint8_t header[BATCH_HEADER_BYTES];
    cr_expect_eq(pread(first.file, header, sizeof header, (off_t)first.position), sizeof header,
                 "a file in use is never closed");
    log_read_release(&first);
    cr_expect_leq(open_files(&fx), 2);
    fixture_release(&fx);
}

Test(read, that_finds_no_free_descriptor_is_refused_and_the_log_stays_online) {
    struct fixture fx;
    make_log(&fx, true);
    struct rlimit before, none;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct log_read read;
    fixture_read(&fx, &read, 0, log_end(fx.log), 1000, true);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_expect_eq(read.status, ST_NOMEM);
    cr_expect_not(log_is_offline(fx.log));
    fixture_read(&fx, &read, 0, log_end(fx.log), 1000, true);
    cr_expect_eq(read.status, ST_OK);
    log_read_release(&read);
    fixture_release(&fx);
}
