/* tests/unit/log/damage.c - damage where no recovery looks: below the recovery point and after a
 * clean stop. Readers meet it; what it did not touch is served all the same. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "tests/unit/log/fixture.h"

#define SEGMENT_3 "00000000000000000003"
#define SEGMENT_6 "00000000000000000006"

enum { BATCHES = 12, BATCH_BYTES = 170 }; /* three batches a segment, one record a batch */

static void make_log(struct fixture *fx, int64_t index_interval_bytes) {
    fixture_init(fx);
    fx->config.segment_bytes = 3 * BATCH_BYTES;
    fx->config.index_interval_bytes = index_interval_bytes;
    cr_assert_eq(fixture_open(fx), ST_OK);
    cr_assert_eq(fixture_begin_epoch(fx, 0), ST_OK);
    fixture_fill(fx, BATCHES);
    cr_assert_eq(log_segment_count(fx->log), BATCHES / 3);
    cr_assert_eq(fixture_close(fx), ST_OK);
}

static void open_clean(struct fixture *fx) {
    fx->open.clean = true;
    fx->open.recovery_point = BATCHES;
    cr_assert_eq(fixture_open(fx), ST_OK);
    cr_expect_eq(log_end(fx->log), BATCHES);
}

static void wipe(const struct fixture *fx, const char *name, size_t at, size_t len) {
    size_t size = 0;
    uint8_t *data = file_read(fx, name, &size);
    memset(data + at, 0, len);
    file_write(fx, name, data, size);
    free(data);
}

Test(damage, a_header_that_was_wiped_hides_no_batch_but_its_own) {
    for (int at = 0; at < 3; at++) {
        for (int indexed = 0; indexed < 2; indexed++) {
            struct fixture fx;
            make_log(&fx, indexed ? 1 : 4096);
            wipe(&fx, SEGMENT_3 ".log", (size_t)at * BATCH_BYTES, 61);
            open_clean(&fx);
            for (int64_t offset = 0; offset < BATCHES; offset++) {
                enum status st;
                int64_t end = offset <= 3 + at ? 3 + at : BATCHES;
                cr_expect_eq(fixture_consume(&fx, offset, &st), end, "offset %ld, wiped %d",
                             (long)offset, 3 + at);
                cr_expect_eq(st, offset <= 3 + at ? ST_CORRUPT : ST_OK, "offset %ld, wiped %d: %s",
                             (long)offset, 3 + at, status_name(st));
            }
            fixture_release(&fx);
        }
    }
}

Test(damage, a_base_offset_that_was_hit_hides_no_batch_but_its_own) {
    for (int at = 0; at < 3; at++) {
        for (int indexed = 0; indexed < 2; indexed++) {
            struct fixture fx;
            make_log(&fx, indexed ? 1 : 4096);
            /* Outside the checksum. */
            file_flip(&fx, SEGMENT_3 ".log", (size_t)at * BATCH_BYTES + 1);
            open_clean(&fx);
            for (int64_t offset = 4 + at; offset < BATCHES; offset++) {
                enum status st;
                cr_expect_eq(fixture_consume(&fx, offset, &st), BATCHES, "offset %ld, hit %d",
                             (long)offset, 3 + at);
            }
            struct log_read read;
            fixture_read(&fx, &read, 3 + at, BATCHES, 1000, true);
            cr_expect_eq(read.status, ST_CORRUPT, "hit %d: %s", 3 + at, status_name(read.status));
            log_read_release(&read);
            fixture_release(&fx);
        }
    }
}

/* The index entry below a batch's first offset is the one of the batch before it. */
static void find_behind_a_wrong_base(uint32_t at, uint8_t flip, int64_t index_interval_bytes) {
    struct fixture fx;
    fixture_init(&fx);
    fx.config.segment_bytes = 1000;
    fx.config.index_interval_bytes = index_interval_bytes;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    for (int i = 0; i < 20; i++) cr_assert_eq(fixture_append(&fx, 2, 60, 1000 + i), ST_OK);
    cr_assert_geq(log_segment_count(fx.log), 3);
    cr_assert_eq(fixture_close(&fx), ST_OK);
    size_t len = 0;
    uint8_t *file = file_read(&fx, SEGMENT_0 ".log", &len);
    size_t third = 2 * (12 + (size_t)get_u32(file + 8));
    file[third + at] ^= flip;
    file_write(&fx, SEGMENT_0 ".log", file, len);
    free(file);
    fx.open.clean = true;
    fx.open.recovery_point = 40;
    cr_assert_eq(fixture_open(&fx), ST_OK);
    for (int round = 0; round < 2; round++) { /* the first one notes the hole */
        for (int64_t offset = 6; offset < 40; offset++) {
            enum status st;
            cr_expect_eq(fixture_consume(&fx, offset, &st), 40, "offset %ld: %s", (long)offset,
                         status_name(st));
        }
        enum status st;
        cr_expect_eq(fixture_consume(&fx, 0, &st), 4, "%s", status_name(st));
        cr_expect_eq(st, ST_CORRUPT);
    }
    fixture_release(&fx);
}

Test(damage, a_batch_behind_a_hole_is_found_though_its_index_entry_lies_in_the_hole) {
    find_behind_a_wrong_base(6, 1, 1);
    find_behind_a_wrong_base(6, 1, 4096);
}

Test(damage, a_base_offset_that_another_batch_has_is_not_believed) {
    find_behind_a_wrong_base(7, 2, 1); /* 6 for 4 */
    find_behind_a_wrong_base(7, 2, 4096);
}

Test(damage, a_batch_that_only_the_index_remembers_is_damage_and_no_gap) {
    struct fixture fx;
    make_log(&fx, 1);
    file_cut(&fx, SEGMENT_3 ".log", 2 * BATCH_BYTES);
    open_clean(&fx);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 0, &st), 5);
    cr_expect_eq(st, ST_CORRUPT, "%s", status_name(st));
    cr_expect_eq(fixture_consume(&fx, 6, &st), BATCHES);
    fixture_release(&fx);
}

Test(damage, a_file_in_the_place_of_another_is_no_data) {
    struct fixture fx;
    make_log(&fx, 1);
    size_t len = 0;
    uint8_t *other = file_read(&fx, SEGMENT_6 ".log", &len);
    file_write(&fx, SEGMENT_3 ".log", other, len);
    free(other);
    open_clean(&fx);
    enum status st;
    cr_expect_eq(fixture_consume(&fx, 3, &st), 3, "its offsets belong to the next segment");
    cr_expect_eq(st, ST_CORRUPT, "%s", status_name(st));
    cr_expect_eq(fixture_consume(&fx, 6, &st), BATCHES);
    fixture_release(&fx);
}

/* --- time indexes --- */

static void times_odd(struct fixture *fx) { file_cut(fx, SEGMENT_3 ".timeindex", 17); }
static void times_short(struct fixture *fx) { file_cut(fx, SEGMENT_3 ".timeindex", 12); }
static void times_empty(struct fixture *fx) { file_cut(fx, SEGMENT_3 ".timeindex", 0); }
static void times_of_another(struct fixture *fx) {
    size_t len = 0;
    uint8_t *other = file_read(fx, SEGMENT_6 ".timeindex", &len);
    file_write(fx, SEGMENT_3 ".timeindex", other, len);
    free(other);
}
static void times_too_early(struct fixture *fx) { file_flip(fx, SEGMENT_3 ".timeindex", 6); }
static void offsets_of_another(struct fixture *fx) {
    wipe(fx, SEGMENT_3 ".index", 4, 4);
}

Test(damage, offsets_by_time_do_not_trust_an_index_that_its_batches_contradict) {
    static const struct {
        const char *name;
        void (*damage)(struct fixture *fx);
    } rows[] = {
        {"an odd length", times_odd},          {"it lost its last entry", times_short},
        {"it lost every entry", times_empty},  {"another segment's", times_of_another},
        {"a time that no batch has", times_too_early},
        {"the offset index leads astray", offsets_of_another},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture fx;
        make_log(&fx, 1);
        rows[i].damage(&fx);
        open_clean(&fx);
        for (int64_t offset = 0; offset < BATCHES; offset++) {
            struct log_found found;
            cr_expect_eq(fixture_find(&fx, 1000 + offset, BATCHES, &found), ST_OK, "%s",
                         rows[i].name);
            cr_expect_eq(found.offset, offset, "%s: %ld for %ld", rows[i].name, (long)found.offset,
                         (long)offset);
        }
        struct log_found latest;
        cr_expect_eq(fixture_find_max(&fx, BATCHES, &latest), ST_OK, "%s", rows[i].name);
        cr_expect_eq(latest.offset, BATCHES - 1, "%s", rows[i].name);
        fixture_release(&fx);
    }
}
